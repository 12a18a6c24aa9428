package vomsproxy_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/dropin"
	"github.com/lanyardhq/lanyard/internal/cli/vomsproxy"
)

// fixtures is absolute, because the tests work in folders of their own.
var fixtures = absolute("../../../testdata/voms") + "/"

func absolute(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return path
}

// desk is a person's machine: their files are in dir, which is the working folder of all programs.
type desk struct {
	*testing.T
	dir   string
	env   map[string]string
	input string
	now   func() time.Time
}

// newDesk copies the keys and certificates of people into a folder, with the modes that they must
// have.
func newDesk(t *testing.T, people ...string) *desk {
	t.Helper()
	pki := fixtures + "pki"
	d := &desk{T: t, dir: t.TempDir(), now: time.Now}
	d.env = map[string]string{"HOME": d.dir, "PATH": os.Getenv("PATH"), "LC_ALL": "C", "TZ": "UTC",
		"X509_CERT_DIR": pki + "/certificates", "X509_VOMS_DIR": pki + "/vomsdir", "X509_USER_PROXY": filepath.Join(d.dir, "usual")}
	d.write(".rnd", strings.Repeat("r", 1024)) // the C programs complain without
	for _, name := range people {
		d.take(pki+"/certs/"+name+".pem", name+".pem")
		d.take(pki+"/certs/"+name+".key", name+".key")
	}
	return d
}

func (d *desk) write(name, text string) {
	d.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
		d.Fatal(err)
	}
}

func (d *desk) take(from, name string) {
	d.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		d.Fatal(err)
	}
	d.write(name, string(text))
}

func (d *desk) has(name string) bool {
	_, err := os.Stat(filepath.Join(d.dir, name))
	return err == nil
}

// run is what a program did.
type run struct {
	out, errs string
	code      int
}

// ours runs Lanyard under a program's name.
func (d *desk) ours(name string, args ...string) run {
	d.Helper()
	d.Chdir(d.dir)
	var out, errs bytes.Buffer
	code := vomsproxy.Main(d.Context(), name, args, dropin.Env{In: strings.NewReader(d.input), Out: &out, Err: &errs,
		Getenv: func(name string) string { return d.env[name] }, Now: d.now, Zone: time.UTC, UID: os.Getuid(), Home: d.dir,
		Hosts: []string{"localhost"}, Version: "test",
		AskHidden: func(context.Context, string) ([]byte, error) { return nil, dropin.ErrNoTerminal }})
	return run{out.String(), errs.String(), code}
}

// theirs runs the original.
func (d *desk) theirs(name string, args ...string) run {
	d.Helper()
	cmd := exec.CommandContext(d.Context(), name, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir = strings.NewReader(d.input), &out, &errs, d.dir
	for name, value := range d.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		d.Fatalf("%s: %v", name, err)
	}
	return run{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

var (
	times = regexp.MustCompile(`(?m)(timeleft  : |valid until ).*$`)
	// dots show that the C program makes a key.
	dots = regexp.MustCompile(`(?m)^[.+*]+|^Function: .*\n`)
)

// alike takes away what cannot be the same in two runs.
func alike(text string) string {
	return strings.TrimSpace(dots.ReplaceAllString(times.ReplaceAllString(text, "${1}T"), ""))
}
