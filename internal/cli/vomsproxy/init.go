package vomsproxy

import (
	"context"
	"errors"
	"strings"

	"github.com/lanyardhq/lanyard/internal/cli/dropin"
	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
)

// A manner is how one flavour of voms-proxy-init talks.
type manner interface {
	// event tells what the engine does.
	event(gridproxy.Event)
	// done says what stands behind success, and returns the exit code.
	done(gridproxy.Result) int
	// failed says what went wrong as the original does, and returns the exit code.
	failed(gridproxy.Result, *gridproxy.Error) int
}

// init is voms-proxy-init.
func (p *program) init(ctx context.Context, args []string) int {
	g, code, done := p.Start(initOptions, args)
	if done {
		return code
	}
	return p.makeProxy(ctx, g, g.Has("list"))
}

// list is voms-proxy-list.
func (p *program) list(ctx context.Context, args []string) int {
	g, code, done := p.Start(initOptions, args)
	if done {
		return code
	}
	return p.makeProxy(ctx, g, true)
}

func (p *program) makeProxy(ctx context.Context, g dropin.Given, list bool) int {
	if list && len(g["voms"]) != 1 {
		p.Complain("Exactly ONE voms server must be specified!\n\n")
		return 1
	}
	o, err := p.request(g)
	if err != nil {
		p.Complain("%s\n", err)
		return 1
	}
	c := p.config()
	c.AskPass = p.passphrase(ctx, g.Has("pwstdin"))
	talk := p.manner(c, o, g)
	if err := p.folders(c, o); err != nil {
		return p.fail(talk, gridproxy.Result{}, err)
	}
	if list {
		fqans, err := gridproxy.Attributes(ctx, c, o, talk.event)
		if err != nil {
			return p.fail(talk, gridproxy.Result{}, err)
		}
		p.Print("Available attributes:\n%s\n\n", dropin.Lines(strings.Join(fqans, "\n")))
		return 0
	}
	made, err := gridproxy.Init(ctx, c, o, talk.event)
	if err != nil {
		return p.fail(talk, made, err)
	}
	return talk.done(made)
}

// manner returns the flavour's.
func (p *program) manner(c gridproxy.Config, o gridproxy.Options, g dropin.Given) manner {
	if p.Flavour == dropin.Java {
		return &javaInit{program: p, config: c, options: o, ignoreWarnings: g.Has("ignorewarn") && !g.Has("failonwarn")}
	}
	i := &cInit{program: p, options: o, voms: g["voms"], verify: g.Has("verify")}
	i.ignoreWarnings = !o.FailOnWarn && !p.Debug && (g.Has("ignorewarn") || p.Quiet)
	if p.Debug {
		i.files(c)
	}
	return i
}

func (p *program) fail(talk manner, r gridproxy.Result, err error) int {
	e, ok := errors.AsType[*gridproxy.Error](err)
	if !ok { // the run was interrupted
		p.Complain("%s\n", err)
		return 1
	}
	code := talk.failed(r, e)
	p.Explain(e)
	return code
}

// folders looks for the folders that the original wants to be there before it does anything else.
func (p *program) folders(c gridproxy.Config, o gridproxy.Options) error {
	if p.Flavour == dropin.Java && !o.VerifyIssuer {
		return nil
	}
	return gridproxy.CheckFolders(c, o)
}

// passphrase returns what asks for the passphrase of a key.
func (p *program) passphrase(ctx context.Context, fromInput bool) func(gridproxy.Source) ([]byte, error) {
	return func(s gridproxy.Source) ([]byte, error) {
		prompt, prompts := "Enter GRID pass phrase:", p.Err
		if s.PKCS12 || p.Flavour == dropin.Java {
			prompt = "Enter GRID pass phrase for this identity:"
		}
		if p.Flavour == dropin.Java {
			prompts = p.Out
		}
		if !fromInput {
			return p.Ask(ctx, prompt, prompts)
		}
		line, err := p.ReadLine()
		if err != nil && p.Flavour == dropin.C {
			p.Complain("Failed to read pass-phrase from stdin\n")
		}
		return line, err
	}
}
