// Package console is what all commands of the command line share: streams and their manners,
// output formats, exit codes, times as people write them, and the way to the server. Commands
// stand in the packages that import it. It imports rows 0 to 2.
package console

import (
	"io"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/signin"
	"golang.org/x/term"
)

// Streams are where a command reads and writes, and what is known of them.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// InTerminal, OutTerminal and ErrTerminal tell which of them a person sits at.
	InTerminal, OutTerminal, ErrTerminal bool
	// Width is the terminal's, in columns; 0 if unknown.
	Width int
	// ReadUnseen reads a line that is not echoed; nil unless InTerminal.
	ReadUnseen func() ([]byte, error)
}

// Standard describes the files of this process.
func Standard(in, out, err *os.File) Streams {
	s := Streams{In: in, Out: out, Err: err}
	s.InTerminal, s.OutTerminal, s.ErrTerminal = term.IsTerminal(int(in.Fd())), term.IsTerminal(int(out.Fd())), term.IsTerminal(int(err.Fd()))
	if s.InTerminal {
		s.ReadUnseen = func() ([]byte, error) { return term.ReadPassword(int(in.Fd())) }
	}
	for _, f := range []*os.File{out, err} {
		if w, _, e := term.GetSize(int(f.Fd())); e == nil && s.Width == 0 {
			s.Width = w
		}
	}
	return s
}

// Console is one run of the command line. The fields above Options are set by who makes it.
type Console struct {
	Streams
	Getenv func(string) string
	Now    func() time.Time
	// Zone is for times that people read.
	Zone *time.Location
	// Version is this program's; Host is what this machine calls itself.
	Version, Host string
	// Keyring is the system's; nil where there is none.
	Keyring signin.Keyring
	// OpenBrowser shows a page; nil where there is no browser.
	OpenBrowser func(address string) error

	Options

	waiting waiting
}

// Options are the flags that every command has.
type Options struct {
	Output                                             string
	JSON, NoInput, Yes, Quiet, Verbose, Debug, NoColor bool
	Server, Project                                    string
}

// Check completes the options from the environment and refuses what cannot be.
func (c *Console) Check() error {
	if c.JSON {
		c.Output = "json"
	}
	switch c.Output {
	case "table", "json", "yaml", "env", "value":
	default:
		return Usage("there is no output format %q", c.Output).WithHint("use table, json, yaml, env or value")
	}
	if v := c.Getenv("LANYARD_NO_INPUT"); v != "" && v != "0" {
		c.NoInput = true
	}
	return nil
}

// Usage is a fault for flags and arguments that cannot be right.
func Usage(format string, args ...any) *fault.Fault { return fault.New(fault.Invalid, format, args...) }

// Home is the person's home directory: $HOME, which the clients that are configured follow too,
// else what the password database says.
func (c *Console) Home() string {
	if h := c.Getenv("HOME"); h != "" {
		return h
	}
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return "."
}

// ConfigFile is the person's own configuration file.
func (c *Console) ConfigFile() string { return c.xdg("XDG_CONFIG_HOME", ".config", "config.yaml") }

// StateDir is for what outlives a reboot: sign-ins, caches.
func (c *Console) StateDir() string { return c.xdg("XDG_STATE_HOME", ".local/state", "") }

// RuntimeDir is for secrets that live for hours: in memory where the system offers that.
func (c *Console) RuntimeDir() string {
	if d := c.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(d) {
		return filepath.Join(d, "lanyard")
	}
	return filepath.Join(c.StateDir(), "run")
}

// xdg finds a file of ours by the XDG base directory specification, which has relative paths
// ignored.
func (c *Console) xdg(variable, below, file string) string {
	base := c.Getenv(variable)
	if !filepath.IsAbs(base) {
		base = filepath.Join(c.Home(), filepath.FromSlash(below))
	}
	return filepath.Join(base, "lanyard", file)
}
