// Package vomsproxy is lanyard called by another name: voms-proxy-init, voms-proxy-info,
// voms-proxy-destroy and voms-proxy-list, as drop-in replacements for the two sets of programs that
// the field has, one in C and one in Java. Scripts read what these print and look at how they exit,
// so texts, streams and exit codes are theirs.
//
// The name chooses the flavour. Names that end in 2 behave as the C programs, names that end in 3
// as the Java programs: so Debian calls them where both are installed. The plain names behave as
// the C programs, which are what most scripts were written against. Whatever the name, the options
// of both are understood, with one dash or two, as -name value and -name=value, and shortened to
// any unique beginning; where a beginning is unique among the flavour's own options, it means that.
//
// Known differences, all on purpose: what fails is explained in further lines behind the original
// text, with the fix; expired certificates make no proxy; keys below 1024 bits are refused; host
// names of servers are checked in both flavours; all targets are sent; of several VOs none may fail,
// because a proxy with less than was asked for is noticed only when a job is refused; a -conf file
// that is missing is an error; root without a host certificate falls back to ~/.globus, as everybody
// does; control characters in what others wrote are shown escaped, so that no attribute can pass for
// two lines.
//
// It may import rows 0 to 3.
package vomsproxy

import (
	"context"

	"github.com/lanyardhq/lanyard/internal/cli/dropin"
	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/internal/cli/vomsinfo"
)

// program is one run of init or destroy.
type program struct{ *dropin.Program }

// commands are the programs by their plain names.
var commands = map[string]func(*program, context.Context, []string) int{
	"voms-proxy-init": (*program).init,
	"voms-proxy-list": (*program).list,
	"voms-proxy-info": func(p *program, _ context.Context, args []string) int {
		return vomsinfo.Main(p.Program, p.config(), args)
	},
	"voms-proxy-destroy": (*program).destroy,
}

// Knows reports whether name is one of the programs.
func Knows(name string) bool {
	plain, _ := dropin.Split(name)
	return commands[plain] != nil
}

// Main runs the program called name, of which Knows must be true, and returns its exit code.
func Main(ctx context.Context, name string, args []string, env dropin.Env) int {
	plain, f := dropin.Split(name)
	return commands[plain](&program{&dropin.Program{Env: env, Name: name, Flavour: f}}, ctx, args)
}

// config is the person and the machine, for the engine.
func (p *program) config() gridproxy.Config {
	return gridproxy.Config{Home: p.Home, UID: p.UID, Getenv: p.Getenv, Now: p.Now, Hosts: p.Hosts}
}
