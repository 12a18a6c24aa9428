package console

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"unicode"
)

// The marks that begin a line.
const (
	done   = "✓"
	failed = "✗"
	warned = "!"
)

// ascii is how our own signs read where the locale is not UTF-8.
var ascii = strings.NewReplacer(done, "ok:", failed, "error:", "·", "-", "…", "...", "→", "->", "‹", "<", "›", ">")

// Say tells what goes on, on the error stream, where it disturbs no pipe; silent with --quiet.
func (c *Console) Say(format string, args ...any) {
	if !c.Quiet {
		c.line(c.Err, fmt.Sprintf(format, args...))
	}
}

// Warn tells what somebody should look at, on the error stream.
func (c *Console) Warn(format string, args ...any) {
	c.line(c.Err, c.paint(c.ErrTerminal, yellow, warned)+" "+fmt.Sprintf(format, args...))
}

// Detail tells what only --verbose wants to know, on the error stream.
func (c *Console) Detail(format string, args ...any) {
	if c.Verbose {
		c.line(c.Err, fmt.Sprintf(format, args...))
	}
}

// Done tells what a command did, on the output stream; silent with --quiet.
func (c *Console) Done(format string, args ...any) {
	if !c.Quiet {
		c.line(c.Out, c.paint(c.OutTerminal, green, done)+" "+fmt.Sprintf(format, args...))
	}
}

// Print writes a line of a result to the output stream.
func (c *Console) Print(format string, args ...any) { c.line(c.Out, fmt.Sprintf(format, args...)) }

func (c *Console) line(w io.Writer, text string) {
	c.waiting.pause()
	if !c.Unicode() {
		text = ascii.Replace(text)
	}
	fmt.Fprintln(w, text)
}

// Unicode reports whether the locale can show more than ASCII.
func (c *Console) Unicode() bool {
	for _, v := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if l := strings.ToLower(c.Getenv(v)); l != "" {
			return strings.Contains(l, "utf-8") || strings.Contains(l, "utf8")
		}
	}
	return runtime.GOOS != "linux"
}

// The colours, as parameters of the control sequence SGR.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

// Colourful reports whether escape sequences may be written to a stream, given whether that is a
// terminal. NO_COLOR and CLICOLOR_FORCE are conventions of many programs.
func (c *Console) Colourful(terminal bool) bool {
	switch {
	case c.NoColor || c.Getenv("NO_COLOR") != "":
		return false
	case c.Getenv("CLICOLOR_FORCE") != "" && c.Getenv("CLICOLOR_FORCE") != "0":
		return true
	}
	return terminal && c.Getenv("TERM") != "dumb"
}

func (c *Console) paint(terminal bool, colour, text string) string {
	if !c.Colourful(terminal) {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// Clean makes text of others safe for a terminal and a table: control characters become blanks.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) && !unicode.IsSpace(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}
