package agent_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/internal/cli/console"
)

// systemd makes a program that is called as systemctl is, and notes it.
func systemd(t *testing.T, script string) (noted string) {
	dir := t.TempDir()
	noted = filepath.Join(dir, "noted")
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte("#!/bin/sh\necho \"$*\" >>"+noted+"\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return noted
}

func TestInstall(t *testing.T) {
	p := newPerson(t)
	noted := systemd(t, "exit 0")
	p.must("install")
	unit := filepath.Join(p.env["HOME"], ".config", "systemd", "user", "lanyard-agent.service")
	text := p.private(unit)
	if want := `ExecStart="/opt/lan yard/100%%/lanyard" agent --server "` + p.env["LANYARD_SERVER"] + `"` + "\n"; !strings.Contains(text, want) {
		t.Errorf("%s is not in:\n%s", want, text)
	}
	p.must("uninstall")
	if _, err := os.Stat(unit); err == nil {
		t.Error("the unit is left over")
	}
	want := "--user daemon-reload\n--user enable --now lanyard-agent.service\n--user restart lanyard-agent.service\n--user disable --now lanyard-agent.service\n"
	if got, err := os.ReadFile(noted); string(got) != want || err != nil {
		t.Errorf("systemctl was called %q %v", got, err)
	}
	if out := p.must("uninstall"); !strings.Contains(out, "It was not installed.") {
		t.Error(out)
	}
}

// TestInstallWithoutSystemd writes the unit, and says how to go on.
func TestInstallWithoutSystemd(t *testing.T) {
	p := newPerson(t)
	systemd(t, "echo Failed to connect to bus: No medium found >&2; exit 1")
	if out := p.must("install"); !strings.Contains(out, "! systemd does not run it: Failed to connect to bus: No medium found\nRun it yourself: lanyard agent &\n") {
		t.Error(out)
	}
	t.Setenv("PATH", t.TempDir())
	if out := p.must("install"); !strings.Contains(out, "executable file not found") {
		t.Error(out)
	}
	if out := p.must("uninstall"); !strings.Contains(out, "✓ Removed") {
		t.Error(out)
	}
}

func TestEnv(t *testing.T) {
	p := newPerson(t)
	code, out, errs := p.run(t.Context(), "env")
	if want := "OIDC_SOCK=" + p.socket + "; export OIDC_SOCK\n"; code != 0 || out.String() != want || !strings.Contains(errs.String(), "no agent runs there") {
		t.Errorf("exit code %d, printed %s%s", code, out, errs)
	}
}

// TestTheSocket is the person's alone, and one agent's.
func TestTheSocket(t *testing.T) {
	p := newPerson(t)
	dir := filepath.Dir(p.socket)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// a crash left one
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	p.start()
	for path, want := range map[string]os.FileMode{dir: os.ModeDir | 0o700, p.socket: os.ModeSocket | 0o600} {
		if info, err := os.Lstat(path); err != nil || info.Mode() != want {
			t.Errorf("%s has mode %s, %v", path, info.Mode(), err)
		}
	}
	if code, _, errs := p.run(t.Context()); code != int(console.Conflict) || !strings.Contains(errs.String(), "An agent runs already.") {
		t.Errorf("a second agent: exit code %d\n%s", code, errs)
	}
}

func TestWhereNoSocketCanBe(t *testing.T) {
	p := newPerson(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // an agent that starts all the same ends at once
	short := p.env["XDG_RUNTIME_DIR"]
	p.env["XDG_RUNTIME_DIR"] = short + strings.Repeat("/long", 20)
	if code, _, errs := p.run(ctx); code != int(console.Misuse) || !strings.Contains(errs.String(), "too long for clients") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	p.env["XDG_RUNTIME_DIR"] = short
	if err := os.Symlink(t.TempDir(), filepath.Join(short, "lanyard")); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := p.run(ctx); code != int(console.Insecure) || !strings.Contains(errs.String(), "is not a directory of yours") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
}

// TestNobodySignedIn: the agent runs, and tells each client what to do.
func TestNobodySignedIn(t *testing.T) {
	p := newPerson(t)
	delete(p.env, "LANYARD_TOKEN")
	errs, _ := p.start()
	p.until("it says what it waits for", func() bool { return strings.Contains(errs.String(), "The agent waits for that: lanyard login") })
	_, text, code := p.client("oidc-token", "wlcg")
	if code != 1 || !strings.Contains(text, "Error: you are not signed in at "+p.env["LANYARD_SERVER"]+"\nlanyard login --server "+p.env["LANYARD_SERVER"]) {
		t.Errorf("exit code %d: %s", code, text)
	}
	p.wlcg()
	p.setenv("LANYARD_TOKEN", "lyt_test")
	if out, text, code := p.client("oidc-token", "wlcg"); code != 0 || out != "token\n" {
		t.Errorf("after signing in: exit code %d %q %s", code, out, text)
	}
}
