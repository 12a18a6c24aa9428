package main

import (
	"context"
	"os"
	"os/signal"
	"os/user"
	"syscall"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/dropin"
	"github.com/lanyardhq/lanyard/internal/cli/proxy"
	"github.com/lanyardhq/lanyard/internal/cli/vomsproxy"
	"github.com/spf13/cobra"
)

// vomsProgram runs the drop-in program called name and returns its exit code.
func vomsProgram(name string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return vomsproxy.Main(ctx, name, os.Args[1:], vomsEnv())
}

// proxyCommand is "lanyard proxy".
func proxyCommand(ctx context.Context, c *console.Console) *cobra.Command {
	env := vomsEnv()
	return proxy.Command(proxy.Config{Console: c, UID: env.UID, Hosts: env.Hosts,
		Classic: func(args []string) int { return vomsproxy.Main(ctx, "voms-proxy-info", args, env) }})
}

// vomsEnv is the person and the machine, as the grid's programs see them.
func vomsEnv() dropin.Env {
	home := os.Getenv("HOME")
	if home == "" {
		if u, err := user.Current(); err == nil {
			home = u.HomeDir
		}
	}
	var hosts []string
	if host, err := os.Hostname(); err == nil {
		hosts = []string{host}
	}
	return dropin.Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Now: time.Now,
		Zone: time.Local, UID: os.Getuid(), Home: home, Hosts: hosts, Version: version, AskHidden: dropin.Terminal}
}
