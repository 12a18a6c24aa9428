package issuer_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/standin"
	"github.com/lanyardhq/lanyard/wlcg"
)

// patience is how long other people's programs may take: on a busy machine the slow hashes of
// oidc-agent alone take half a minute.
const patience = 4 * time.Minute

// onLoopback serves a world at the true time, under an address of its own.
func onLoopback(t *testing.T) (*world, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + listener.Addr().String()
	w := newWorldOf(t, standin.NewClock(time.Now()), address)
	server := &http.Server{Handler: w.mux}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	w.signIn()
	w.join("user")
	return w, address
}

// oidcAgent is Debian's oidc-agent, with a home of its own.
type oidcAgent struct {
	t   *testing.T
	env []string
}

func startOIDCAgent(t *testing.T) *oidcAgent {
	t.Helper()
	// Its socket's path must be short.
	home, err := os.MkdirTemp("", "oa")
	if err != nil {
		t.Fatal(err)
	}
	a := &oidcAgent{t: t, env: []string{"HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH"), "OIDC_CONFIG_DIR=" + filepath.Join(home, "config")}}
	if err := os.Mkdir(filepath.Join(home, "config"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.CommandContext(t.Context(), "oidc-agent") // goes to the background
	cmd.Env, cmd.Dir, cmd.Stdout = a.env, home, theirs
	err = cmd.Run()
	theirs.Close()
	if err == nil {
		err = out.SetReadDeadline(time.Now().Add(patience))
	}
	if err != nil {
		t.Fatalf("oidc-agent: %v (Debian has it in oidc-agent-cli)", err)
	}
	said := ""
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(said, "OIDCD_PID=") {
		said += lines.Text() + "\n"
	}
	set := regexp.MustCompile(`OIDC_SOCK=([^;]+);[\s\S]*OIDCD_PID=([0-9]+);`).FindStringSubmatch(said)
	if set == nil {
		t.Fatalf("oidc-agent says %q, %v", said, lines.Err())
	}
	pid, err := strconv.Atoi(set[2])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(home)
	})
	a.env = append(a.env, "OIDC_SOCK="+set[1])
	a.listens()
	return a
}

// listens waits until the agent answers: it says where its socket is before it makes it.
func (a *oidcAgent) listens() {
	a.t.Helper()
	for began := time.Now(); ; {
		cmd := exec.CommandContext(a.t.Context(), "oidc-add", "--loaded")
		cmd.Env = a.env
		out, err := cmd.CombinedOutput()
		if err == nil {
			return
		}
		if time.Since(began) > patience {
			a.t.Fatalf("oidc-add finds no agent: %v: %s", err, out)
		}
	}
}

// token gets an access token from the agent.
func (a *oidcAgent) token(args ...string) string {
	a.t.Helper()
	ctx, stop := context.WithTimeout(a.t.Context(), patience)
	defer stop()
	cmd := exec.CommandContext(ctx, "oidc-token", append([]string{"lanyard"}, args...)...)
	cmd.Env = a.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		a.t.Fatalf("oidc-token %q: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

var userCode = regexp.MustCompile(`\b[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}\b`)

// generate sets an account up by the device flow, which Anna approves.
func (a *oidcAgent) generate(w *world, issuer string) {
	a.t.Helper()
	ctx, stop := context.WithTimeout(a.t.Context(), patience)
	defer stop()
	cmd := exec.CommandContext(ctx, "oidc-gen", "lanyard", "--issuer", issuer, "--client-id", "lanyard-cli", "--client-secret", "", "--flow=device",
		"--scope", "openid offline_access storage.read:/climate", "--aud", store1, "--pw-cmd", "echo pw", "--redirect-uri", "http://localhost:4242")
	cmd.Env = a.env
	out, err := cmd.StdoutPipe()
	if err != nil {
		a.t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if code := userCode.FindString(lines.Text()); code != "" {
			if err := w.login.DecideDevice(a.t.Context(), w.by, code, true); err != nil && !strings.Contains(err.Error(), "already") {
				a.t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		a.t.Fatalf("oidc-gen: %v\n%s", err, &said)
	}
}

// Debian's oidc-agent gets tokens for storage, narrower ones, and those of the audience that it was
// set up with.
func TestOIDCAgent(t *testing.T) {
	w, issuer := onLoopback(t)
	agent := startOIDCAgent(t)
	agent.generate(w, issuer)
	// Each refresh seals the account's file under a slow hash, so there are few.
	for _, c := range []struct {
		args  []string
		scope string
	}{{nil, "storage.read:/climate"}, {[]string{"-s", "storage.read:/climate/cmip6"}, "storage.read:/climate/cmip6"}} {
		got, err := wlcg.Inspect(agent.token(c.args...))
		if err != nil || got.Issuer != issuer || strings.Join(got.Scope, " ") != c.scope || strings.Join(got.Audience, " ") != store1 || got.Subject != w.by.AccountID {
			t.Errorf("oidc-token %q: %+v, error %v", c.args, got, err)
		}
	}
}
