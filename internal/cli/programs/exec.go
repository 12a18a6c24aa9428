package programs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/shortkey"
	"github.com/spf13/cobra"
)

// execLife is how long a child's key lives if this program dies before it can end it.
const execLife = time.Hour

// The exit codes of exec that are not the child's, as shells and env(1) have them.
const (
	ownFailure    = 125
	cannotRun     = 126
	commandAbsent = 127
)

func (a *app) exec() *cobra.Command {
	cmd := &cobra.Command{Use: "exec [flags] -- COMMAND [ARG...]", Short: "Run a command with a key that lives as long as it",
		Long: `Run a command with an S3 key in its environment. The key is made for it, is
extended while it runs and ends with it. It stands in the command's
environment only.`,
		Example: `  lanyard exec -p 462000008 -- aws s3 ls
  lanyard exec -p 462000008 -- rclone copy data :s3:results
  lanyard exec -- ./analysis.sh`,
		Args: console.Takes(1, 100000, "the command"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := exec.LookPath(args[0])
			if err != nil {
				return cannotStart(args[0], err)
			}
			// Ctrl-C is the child's to answer; the key must end in any case.
			ctx := context.WithoutCancel(cmd.Context())
			c, project, err := a.InProject(ctx)
			if err != nil {
				return &console.ChildExit{Code: ownFailure, Err: err}
			}
			k, err := shortkey.Lend(ctx, c, shortkey.Order{Project: project, Name: clip("exec "+filepath.Base(args[0])+" on "+a.Host, 60), Life: execLife})
			if err != nil {
				return &console.ChildExit{Code: ownFailure, Err: console.Cannot("make a key", err)}
			}
			keep, stop := context.WithCancel(ctx)
			kept := make(chan struct{})
			go func() {
				defer close(kept)
				shortkey.Keep(keep, c, k, execLife, func(err error) {
					a.Warn("the key of this command was not extended: %s", console.Explain(err).Message)
				})
			}()
			result := a.runChild(ctx, path, args, k)
			stop()
			<-kept
			if _, err := c.DeleteCredential(ctx, k.ID); err != nil {
				a.Warn("the key of this command was not ended: %s. It ends by itself %s", console.Explain(err).Message, a.When(a.Now().Add(execLife)))
			}
			return result
		}}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

// runChild runs the command to its end and passes signals on to it; ctx never ends before.
func (a *app) runChild(ctx context.Context, path string, args []string, k shortkey.Key) error {
	child := exec.CommandContext(ctx, path, args[1:]...) //nolint:gosec // running it is what was asked for
	child.Args[0] = args[0]
	child.Stdin, child.Stdout, child.Stderr = a.In, a.Out, a.Err
	child.Env = childEnv(a.c.Environ, k)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return cannotStart(args[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case s := <-signals:
			// A terminal sends Ctrl-C to the child as well.
			if !a.InTerminal || s != syscall.SIGINT && s != syscall.SIGQUIT {
				_ = child.Process.Signal(s) // it may have ended just now
			}
		case err := <-ended:
			return exitOf(args[0], err)
		}
	}
}

func exitOf(name string, err error) error {
	e, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return nil
	case !ok:
		return &console.ChildExit{Code: ownFailure, Err: console.Cannot("run "+name, err)}
	}
	if s, ok := e.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return &console.ChildExit{Code: 128 + int(s.Signal())}
	}
	return &console.ChildExit{Code: e.ExitCode()}
}

func cannotStart(name string, err error) error {
	code := cannotRun
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = commandAbsent
	}
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err
	}
	return &console.ChildExit{Code: code, Err: &console.Failure{Exit: console.Exit(code), Message: "cannot run " + name + ": " + err.Error()}}
}

// childEnv is the environment with the key in it, and without what would win over the key.
func childEnv(environ []string, k shortkey.Key) []string {
	set := console.KeyEnv(api.Credential{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, Endpoint: k.Endpoint, Region: k.Region})
	drop := map[string]bool{"AWS_PROFILE": true, "AWS_DEFAULT_PROFILE": true, "AWS_SESSION_TOKEN": true, "LANYARD_TOKEN": true}
	for _, v := range set {
		drop[v[0]] = true
	}
	var env []string
	for _, v := range environ {
		if name, _, _ := strings.Cut(v, "="); !drop[name] {
			env = append(env, v)
		}
	}
	for _, v := range set {
		env = append(env, v[0]+"="+v[1])
	}
	return append(env, "LANYARD_PROJECT="+k.Project)
}

// clip shortens s to n characters.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return strings.TrimSpace(string(r[:n]))
	}
	return s
}
