// Old grid tools gave proxies negative serial numbers. Without this crypto/tls ends the handshake of
// an attribute authority's client before any of our code could look at its certificate.
//
//go:debug x509negativeserial=1

// Command lanyard is server, S3 gateway, command line and delivery agent in one binary. This
// package wires everything and holds no rule: main and the registry of kinds and targets, then
// serve, which makes every part (wire.go) and runs it (run.go).
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lanyardhq/lanyard/internal/agent"
	"github.com/lanyardhq/lanyard/internal/cli"
	"github.com/lanyardhq/lanyard/internal/cli/admin"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/programs"
	"github.com/lanyardhq/lanyard/internal/cli/proxy"
	"github.com/lanyardhq/lanyard/internal/cli/token"
	"github.com/lanyardhq/lanyard/internal/cli/vomsproxy"
	"github.com/lanyardhq/lanyard/internal/config"
	"github.com/lanyardhq/lanyard/internal/objectstore/embedded"
	"github.com/lanyardhq/lanyard/internal/signin"
)

// version is set by the linker.
var version = "dev"

func main() {
	if name := filepath.Base(os.Args[0]); vomsproxy.Knows(name) {
		os.Exit(vomsProgram(name))
	}
	if len(os.Args) > 1 && os.Args[1] == embedded.Command {
		os.Exit(embedded.Main())
	}
	os.Exit(commandLine())
}

// commandLine runs the command line and returns its exit code.
func commandLine() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	c := &console.Console{Streams: console.Standard(os.Stdin, os.Stdout, os.Stderr), Getenv: os.Getenv, Now: time.Now, Zone: time.Local,
		Version: version, Host: host, Keyring: signin.SystemKeyring(os.Getenv), OpenBrowser: cli.Browser(os.Getenv)}
	more := programs.Commands(programs.Config{Console: c, Targets: targets(), Program: program, Environ: os.Environ()})
	more = append(more, admin.Command(c, config.DataDir(os.Geteuid(), os.Getenv)), proxyCommand(ctx, c),
		token.Command(token.Config{Console: c, UID: os.Geteuid()}), agent.Command(agent.Config{Console: c, UID: os.Geteuid(), Program: program}), serveCommand(), configCommand())
	return cli.Run(ctx, cli.Config{Console: c, More: more}, proxy.Spell(os.Args[1:]))
}
