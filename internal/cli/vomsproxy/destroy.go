package vomsproxy

import (
	"context"
	"errors"
	"os"

	"github.com/lanyardhq/lanyard/internal/cli/dropin"
	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
)

var destroyOptions = []dropin.Option{
	{Names: []string{"file"}, Value: "proxyfile", Help: "the proxy, if it is not in the usual place"},
	{Names: []string{"dry", "dryrun"}, Help: "say what would be removed, and remove nothing"},
}

// destroy is voms-proxy-destroy.
func (p *program) destroy(_ context.Context, args []string) int {
	g, code, done := p.Start(destroyOptions, args)
	if done {
		return code
	}
	c := p.config()
	if p.Flavour == dropin.Java {
		c.Getenv = func(string) string { return "" } // it does not ask X509_USER_PROXY
	}
	path := gridproxy.ProxyPath(c, g.Last("file"))
	if g.Has("dry") {
		if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil { //nolint:gosec // the person names it
			_ = f.Close() // nothing was written
			p.wouldRemove(path)
			return 0
		}
		return p.notThere()
	}
	err := gridproxy.Destroy(c, path)
	e, ok := errors.AsType[*gridproxy.Error](err)
	switch {
	case err == nil:
		return 0
	case ok && (e.Reason == gridproxy.NoProxy || e.Reason == gridproxy.Unreadable):
		return p.notThere()
	}
	p.Explain(err)
	return 1
}

func (p *program) wouldRemove(path string) {
	switch {
	case p.Flavour == dropin.Java:
		p.Say("Would remove %s", path)
	case !p.Quiet:
		p.Complain("Would remove %s\n", path)
	}
}

func (p *program) notThere() int {
	const text = "\nProxy file doesn't exist or has bad permissions\n\n"
	switch {
	case p.Flavour == dropin.Java:
		p.Say("%s", text)
	case !p.Quiet:
		p.Complain("%s", text)
	}
	return 1
}
