package main

import (
	"context"
	"os"
	"os/signal"
	"os/user"
	"syscall"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/vomsproxy"
)

// vomsProgram runs the drop-in program called name and returns its exit code.
func vomsProgram(name string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
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
	return vomsproxy.Main(ctx, name, os.Args[1:], vomsproxy.Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Now: time.Now,
		Zone: time.Local, UID: os.Getuid(), Home: home, Hosts: hosts, Version: version, AskHidden: vomsproxy.Terminal})
}
