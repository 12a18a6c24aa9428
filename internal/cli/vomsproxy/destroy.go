package vomsproxy

import (
	"context"
	"errors"
	"os"

	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
)

var destroyOptions = []option{
	{names: []string{"file"}, value: "proxyfile", help: "the proxy, if it is not in the usual place"},
	{names: []string{"dry", "dryrun"}, help: "say what would be removed, and remove nothing"},
}

// destroy is voms-proxy-destroy.
func (p *program) destroy(_ context.Context, args []string) int {
	g, code, done := p.start(destroyOptions, args)
	if done {
		return code
	}
	c := p.config()
	if p.flavour == javaFlavour {
		c.Getenv = func(string) string { return "" } // it does not ask X509_USER_PROXY
	}
	path := gridproxy.ProxyPath(c, g.last("file"))
	if g.has("dry") {
		if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
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
	p.explain(err)
	return 1
}

func (p *program) wouldRemove(path string) {
	switch {
	case p.flavour == javaFlavour:
		p.say("Would remove %s", path)
	case !p.quiet:
		p.complain("Would remove %s\n", path)
	}
}

func (p *program) notThere() int {
	const text = "\nProxy file doesn't exist or has bad permissions\n\n"
	switch {
	case p.flavour == javaFlavour:
		p.say("%s", text)
	case !p.quiet:
		p.complain("%s", text)
	}
	return 1
}
