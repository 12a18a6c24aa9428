// Package agent is "lanyard agent": a program in the background that keeps a person's access tokens,
// proxies and keys fresh, and hands tokens to the clients of oidc-agent; and the commands that tell
// it what to keep and have systemd run it. It imports rows 0 to 3.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/agent/keep"
	"github.com/lanyardhq/lanyard/internal/agent/oidcsocket"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// longestSocket is how long a socket's path may be, in bytes: clients copy it into that much space.
const longestSocket = 107

// Config is what the agent runs on.
type Config struct {
	Console *console.Console
	// UID is the person's.
	UID int
	// Program is the path of this program, for systemd.
	Program string
}

type app struct {
	*console.Console
	c Config

	mu     sync.Mutex
	client *client.Client
	// issuers are the providers by their issuers; asked for once.
	issuers map[string]string
}

// Command returns the commands.
func Command(c Config) *cobra.Command {
	a := &app{Console: c.Console, c: c}
	cmd := console.Group("agent", "Keep tokens, proxies and keys fresh in the background",
		`  lanyard agent keep token helmholtz --bearer-file
  lanyard agent install
  eval "$(lanyard agent env)"; oidc-token helmholtz`,
		a.install(), a.uninstall(), a.status(), a.env(), a.keep(), a.list(), a.drop())
	cmd.Long = "Without a command: run in the foreground, keep fresh what \"lanyard agent keep\"\n" +
		"names, and hand access tokens to oidc-token and other clients of oidc-agent.\n\"lanyard agent install\" has systemd run it whenever you are logged in."
	others := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return others(cmd, args)
		}
		return a.run(cmd.Context())
	}
	return cmd
}

// socket is where clients find the agent.
func (a *app) socket() string { return filepath.Join(a.RuntimeDir(), "agent.sock") }

// kept is the list of what to keep for who is signed in.
func (a *app) kept() (keep.List, error) {
	who, err := a.Who()
	return keep.List{Path: filepath.Join(a.StateDir(), "agent-"+who+".json")}, err
}

// run serves until ctx ends.
func (a *app) run(ctx context.Context) error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil { // a core would hold tokens
		return err
	}
	l, err := a.listen(ctx)
	if err != nil {
		return err
	}
	a.Say("The agent listens. For oidc-token: OIDC_SOCK=%s; export OIDC_SOCK", console.Quote(a.socket()))
	if _, err := a.Who(); err != nil {
		a.Warn("%s. The agent waits for that: lanyard login", console.Explain(err).Message)
	}
	// From here on only what somebody should look at is told.
	a.Quiet, a.NoInput = true, true
	keeper := &keep.Keeper{
		List: func() ([]keep.Item, error) {
			list, err := a.kept()
			if err != nil {
				return nil, nil //nolint:nilerr // nobody is signed in, so there is nothing to keep
			}
			return list.Read()
		},
		Renew:   a.renew,
		Explain: func(err error) (string, string) { f := console.Explain(err); return f.Message, f.Hint },
		Note: func(s keep.State) {
			if s.Error == "" {
				a.Warn("%s %s is fresh again", s.Kind, s.Name())
				return
			}
			a.Warn("%s %s was not renewed: %s. %s", s.Kind, s.Name(), s.Error, s.Hint)
		},
		Now: a.Now,
	}
	server := &oidcsocket.Server{Source: source{a}, Version: a.Version, UID: a.c.UID, Now: a.Now, Status: func() any { return keeper.States() }}
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return keeper.Run(ctx) })
	parts.Go(func() error { return server.Serve(ctx, l) })
	return parts.Wait()
}

// listen opens the socket, in a directory that nobody else can enter. One that no agent answers at is
// left over and is replaced.
func (a *app) listen(ctx context.Context) (*net.UnixListener, error) {
	path := a.socket()
	if len(path) > longestSocket {
		return nil, fault.New(fault.Invalid, "the path of the socket is too long for clients: %s", path).WithHint("set XDG_RUNTIME_DIR to a shorter one")
	}
	if err := a.private(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if _, err := oidcsocket.Ask(ctx, path, "check"); err == nil {
		return nil, fault.New(fault.Conflict, "an agent runs already").WithHint("see: lanyard agent status")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	socket, ok := l.(*net.UnixListener)
	if !ok {
		return nil, fmt.Errorf("%s is no socket", path)
	}
	return socket, nil
}

// private makes dir a directory of the person's alone.
func (a *app) private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || runtime.GOOS != "windows" && (!ok || int(stat.Uid) != a.c.UID) {
		return &console.Failure{Exit: console.Insecure, Message: dir + " is not a directory of yours", Hint: "remove it, or set XDG_RUNTIME_DIR"}
	}
	return os.Chmod(dir, 0o700) //nolint:gosec // a directory
}

// connect returns the client of the server. It is made once somebody is signed in, and follows the
// sign-in from then on.
func (a *app) connect() (*client.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client != nil {
		return a.client, nil
	}
	c, err := a.Connect()
	if err == nil {
		a.client = c
	}
	return c, err
}
