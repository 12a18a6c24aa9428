package cli_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lanyardhq/lanyard/internal/agent"
	"github.com/lanyardhq/lanyard/internal/cli"
	"github.com/lanyardhq/lanyard/internal/cli/admin"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/programs"
	"github.com/lanyardhq/lanyard/internal/cli/proxy"
	"github.com/lanyardhq/lanyard/internal/cli/token"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/deliver/awscli"
	"github.com/lanyardhq/lanyard/internal/deliver/rclone"
	"github.com/lanyardhq/lanyard/internal/deliver/s3cmd"
)

var update = flag.Bool("update", false, "write the golden files anew")

func targets() []deliver.Target {
	return []deliver.Target{rclone.Target{}, s3cmd.Target{}, awscli.Target{}}
}

// config is the command line as cmd/lanyard wires it.
func config(c *console.Console) cli.Config {
	program, err := os.Executable()
	if err != nil {
		panic(err)
	}
	more := programs.Commands(programs.Config{Console: c, Targets: targets(), Program: program, Environ: os.Environ()})
	more = append(more, proxy.Command(proxy.Config{Console: c, UID: os.Getuid(), Hosts: []string{c.Host}, Classic: func([]string) int { return 0 }}))
	more = append(more, token.Command(token.Config{Console: c, UID: os.Getuid()}), agent.Command(agent.Config{Console: c, UID: os.Getuid(), Program: program}))
	return cli.Config{Console: c, More: append(more, admin.Command(c, "/var/lib/lanyard"))}
}

func lanyard() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &console.Console{Streams: console.Standard(os.Stdin, os.Stdout, os.Stderr), Getenv: os.Getenv, Now: time.Now,
		Zone: time.UTC, Version: "1.2.3", Host: "lumi-login2", OpenBrowser: cli.Browser(os.Getenv)}
	os.Exit(cli.Run(ctx, config(c), os.Args[1:]))
}

// browse is a browser in which somebody is signed in: it goes to the address and follows the
// issuer back to the program.
func browse() {
	r, err := http.NewRequest(http.MethodGet, os.Args[1], nil)
	if err != nil {
		panic(err)
	}
	r.AddCookie(&http.Cookie{Name: "lanyard", Value: os.Getenv("COOKIE")})
	w, err := http.DefaultClient.Do(r)
	if err != nil || w.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, "browse:", w, err)
		os.Exit(1)
	}
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lanyard": lanyard, "browse": browse})
}

// TestScripts runs the program itself against a server.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   filepath.Join("testdata", "script"),
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"mode":    mode,
			"keep":    keep,
			"s3":      s3,
			"expects": expects,
		},
		UpdateScripts: *update,
	})
}

type serverKey struct{}

func setup(env *testscript.Env) error {
	dir, err := os.MkdirTemp("", "ly") // a socket's path must be short
	if err != nil {
		return err
	}
	env.Defer(func() { os.RemoveAll(dir) })
	s := startServer(env.T().(testing.TB), dir)
	program, err := exec.LookPath("lanyard")
	if err != nil {
		return err
	}
	env.Values[serverKey{}] = s
	home := filepath.Join(env.WorkDir, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	at, err := url.Parse(s.url)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"HOME": home, "LANYARD": program, "SERVER": s.url, "LANYARD_SERVER": s.url, "HOSTPORT": at.Host, "SOCKET": s.socket,
		"S3": s.s3.URL, "COOKIE": s.people["anna"].Cookie.Reveal(), "BEN": s.people["ben"].Cookie.Reveal(), "BEN_ID": s.people["ben"].Account.ID, "BROWSER": "browse", "LANG": "C.UTF-8",
		"XDG_RUNTIME_DIR": filepath.Join(env.WorkDir, "run"), "PASSWORD": password.Reveal(), "AWS_CA_BUNDLE": "", "AWS_EC2_METADATA_DISABLED": "true"} {
		env.Setenv(name, value)
	}
	return nil
}

// exits runs a program and wants this exit code: exits 4 lanyard whoami
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if err != nil || neg {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// s3 makes the S3 service refuse every key, or not: s3 refuses, s3 works
func s3(ts *testscript.TestScript, _ bool, args []string) {
	ts.Value(serverKey{}).(*server).refuses.Store(args[0] == "refuses")
}

// mode wants a file to have the permissions: mode 600 FILE
func mode(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args[1:] {
		matches, err := filepath.Glob(ts.MkAbs(name))
		ts.Check(err)
		if len(matches) == 0 {
			ts.Fatalf("there is no %s", name)
		}
		for _, m := range matches {
			i, err := os.Stat(m)
			ts.Check(err)
			if got := fmt.Sprintf("%o", i.Mode().Perm()); got != args[0] {
				ts.Fatalf("%s has mode %s, want %s", m, got, args[0])
			}
		}
	}
}

// keep keeps the output of the last command as an environment variable: keep NAME
func keep(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// expects wants a text in a file, or not: expects FILE TEXT
func expects(ts *testscript.TestScript, neg bool, args []string) {
	if strings.Contains(ts.ReadFile(args[0]), args[1]) == neg {
		ts.Fatalf("%s: %q is there: %t", args[0], args[1], neg)
	}
}
