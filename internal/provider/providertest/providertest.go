// Package providertest is an independent OpenID provider for tests: the certified program
// oidc-provider from npm behind a proxy of ours that makes its connection as bad as a test wants.
// It imports rows 0 and 1.
package providertest

import (
	"bufio"
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/material"
)

//go:embed nop/nop.mjs nop/package.json nop/package-lock.json
var program embed.FS

// Options says how the provider behaves. The zero Options are a provider that never rotates.
type Options struct {
	// Redirects are where its clients may be answered; default Redirect.
	Redirects []string
	// People are whom it knows: claims by the name that login_hint carries. Who gives no hint is
	// somebody of them. Default anna. "nobody" always refuses.
	People map[string]map[string]any
	// Scopes are known beside openid, offline_access, profile, email and groups; default
	// storage.read:/data, storage.modify:/data and compute.read.
	Scopes []string
	// Rotate makes each refresh give a new refresh token. The use of an old one then ends the grant.
	Rotate bool
	// RefreshTTL and AccessTTL are how long tokens live; default 14 days and 1 hour.
	RefreshTTL, AccessTTL time.Duration
	// JWT turns resource indicators (RFC 8707) on: access tokens for a resource are then JWTs
	// (ES256), with that resource as their audience.
	JWT bool
	// Port is where the program listens; default: a free one.
	Port int
	// Direct leaves the proxy out, so that nothing slows the program down: no faults, no counts.
	Direct bool
}

// Redirect is where clients are answered, unless Options say otherwise. Nobody listens there.
const Redirect = "http://lanyard.test/approvals/callback/nop"

// Provider is a provider that runs until it is closed.
type Provider struct {
	// Issuer is its address.
	Issuer string
	proxy  *proxy
	front  *httptest.Server
	stdin  io.Closer
	cmd    *exec.Cmd
}

// Start starts a provider that ends with the test.
func Start(t testing.TB, o Options) *Provider {
	t.Helper()
	p, err := Launch(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// Launch starts a provider for several tests, within a second; Close ends it. It takes node and
// npm; what else is needed is fetched once and kept in the user's cache directory.
func Launch(o Options) (*Provider, error) {
	if len(o.Redirects) == 0 {
		o.Redirects = []string{Redirect}
	}
	if o.Scopes == nil {
		o.Scopes = []string{"storage.read:/data", "storage.modify:/data", "compute.read"}
	}
	if o.People == nil {
		o.People = map[string]map[string]any{"anna": {"name": "Anna Virtanen", "email": "anna@example.org"}}
	}
	p := &Provider{}
	if !o.Direct {
		p.proxy = &proxy{spent: map[string]bool{}}
		p.front = httptest.NewServer(p.proxy)
		p.Issuer = p.front.URL
	}
	own, err := p.run(map[string]any{"issuer": p.Issuer, "port": o.Port, "redirects": o.Redirects, "people": o.People,
		"scopes": o.Scopes, "rotate": o.Rotate, "jwt": o.JWT,
		"refreshTTL": cmp.Or(o.RefreshTTL, 14*24*time.Hour).Seconds(), "accessTTL": cmp.Or(o.AccessTTL, time.Hour).Seconds()})
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if o.Direct {
		p.Issuer = own.String()
		return p, nil
	}
	p.proxy.next = &httputil.ReverseProxy{ModifyResponse: p.proxy.answered,
		Transport: &http.Transport{MaxIdleConnsPerHost: 100},
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(own); r.Out.Host = r.In.Host }}
	return p, nil
}

// run starts the program and returns its address.
func (p *Provider) run(options map[string]any) (*url.URL, error) {
	config, err := json.Marshal(options)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("node", "nop.mjs", string(config)) //nolint:gosec,noctx // a test's program, which Close ends
	if cmd.Dir, err = install(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.cmd = cmd
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the independent provider did not start: %w", err)
	}
	return url.Parse(strings.TrimSpace(line))
}

// Close ends the provider; all that it granted is forgotten. It may be called again.
func (p *Provider) Close() error {
	if p.front != nil {
		p.front.CloseClientConnections() // those that hang
		p.front.Close()
	}
	if p.cmd == nil {
		return nil
	}
	cmd := p.cmd
	p.cmd = nil
	return errors.Join(p.stdin.Close(), cmd.Wait())
}

// Config is the provider as one that somebody configured, with one of its clients: basic, post or
// public. It names Redirect's provider, nop.
func (p *Provider) Config(client string) grant.Provider {
	c := grant.Provider{ID: "nop", Title: "Independent", Issuer: p.Issuer, ClientID: client, Offline: "consent",
		Scopes: []string{"openid", "offline_access", "profile"}}
	if client != "public" {
		c.ClientSecret, c.ClientAuth = material.Secret("secret-of-"+client), client
	}
	return c
}

// Approve is Follow for tests.
func (p *Provider) Approve(t testing.TB, from string) url.Values {
	t.Helper()
	answer, err := p.Follow(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// Follow follows redirects from the address of an authorization request, as a browser with its own
// cookies does, and returns the parameters of the redirect that leads away from the provider. Who
// approves stands in the request's login_hint.
func (p *Provider) Follow(ctx context.Context, from string) (url.Values, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for range 10 {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
		if err != nil {
			return nil, err
		}
		a, err := c.Do(r)
		if err != nil {
			return nil, err
		}
		if err := a.Body.Close(); err != nil {
			return nil, err
		}
		to, err := a.Location()
		if err != nil {
			return nil, fmt.Errorf("%s answered %s without a redirect", from, a.Status)
		}
		if from = to.String(); !strings.HasPrefix(from, p.Issuer) {
			return to.Query(), nil
		}
	}
	return nil, errors.New("no end of redirects")
}

// PID is the program's process: what it costs is the provider's.
func (p *Provider) PID() int { return p.cmd.Process.Pid }
