// Package provider is one authorization server that people let us keep grants for, as seen by its
// client: how somebody approves there, and the requests that custody makes with what came of it.
// It keeps nothing and repeats nothing: each method that uses a refresh token makes exactly one
// request with it, because a second one may cost the person the grant. It imports rows 0 and 1.
package provider

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/material"
)

// Hint is what an approval may know beforehand.
type Hint struct {
	// Name says what the grant is for, where the provider keeps such names.
	Name string
	// Login is how the provider knows the person; may be empty.
	Login string
	// Life is how long the grant shall last, where the provider can be told; 0: as long as it may.
	Life time.Duration
}

// Approval is where to send somebody and what to remember meanwhile.
type Approval struct {
	// URL is the provider's page.
	URL string
	// State comes back as parameter state of the redirect; the caller binds it to the browser. It is
	// empty if there is no redirect.
	State string
	// Data is for Finish or Poll. It is secret: to be sealed.
	Data      []byte
	ExpiresAt time.Time
	// Interval, if it is not 0, says to Poll this often in place of waiting for a redirect.
	Interval time.Duration
}

// Client is us at one provider. It is safe for concurrent use.
type Client struct{ protocol protocol }

// protocol is how a type of provider is spoken with. Finish with a nil answer polls.
type protocol interface {
	begin(context.Context, grant.Wish, Hint) (Approval, error)
	finish(ctx context.Context, data []byte, answer url.Values) (grant.Tokens, error)
	refresh(context.Context, material.Secret, grant.Wish) (grant.Tokens, *grant.Refusal)
	exchange(context.Context, material.Secret, grant.Wish) (grant.Tokens, *grant.Refusal)
	revoke(context.Context, material.Secret) (string, *grant.Refusal)
}

// New checks p and fills in its defaults. The provider is not contacted yet. Its answers come to
// redirect; transport carries requests to it, nil meaning one like http.DefaultTransport that keeps
// more connections. Our own issuer needs no client.
func New(p grant.Provider, redirect string, transport http.RoundTripper, now func() time.Time) (*Client, error) {
	if err := p.Check(); err != nil {
		return nil, fault.New(fault.Invalid, "provider %q: %v", p.ID, err)
	}
	if p.Type == grant.Lanyard {
		return nil, fault.New(fault.Invalid, "provider %q: our own issuer is not asked over the network", p.ID)
	}
	p.Title = cmp.Or(p.Title, p.ID)
	p.ClientAuth = cmp.Or(p.ClientAuth, "basic")
	if p.ClientSecret == "" {
		p.ClientAuth = "none"
	}
	p.Audience, p.Offline = cmp.Or(p.Audience, "none"), cmp.Or(p.Offline, "scope")
	if len(p.Algorithms) == 0 {
		p.Algorithms = []string{oidc.RS256, oidc.ES256}
	}
	w := newWire(transport, now)
	if p.Type == grant.MyToken {
		return &Client{newMyToken(p, w)}, nil
	}
	o := &oauth{Provider: p, redirect: redirect, wire: w}
	o.found.now, o.found.fetch = now, o.discover
	return &Client{o}, nil
}

// Begin returns where the person approves. A provider that does not answer is an Unavailable fault.
func (c *Client) Begin(ctx context.Context, w grant.Wish, hint Hint) (Approval, error) {
	return c.protocol.begin(ctx, w, hint)
}

// Finish turns the parameters that the provider's redirect brought into tokens. Data is the
// approval's; the caller has checked state. What the provider did not confirm is a Denied fault.
// The refresh token is there always; Scopes and Audiences are what was granted, which may be less,
// or other, than was asked for.
func (c *Client) Finish(ctx context.Context, data []byte, answer url.Values) (grant.Tokens, error) {
	if answer == nil {
		answer = url.Values{}
	}
	return c.protocol.finish(ctx, data, answer)
}

// Poll asks whether the person has approved: grant.ErrPending as long as they have not. A
// *grant.Refusal of class Again is no answer: poll again. What was not approved is a Denied fault.
// The access token may be empty, so that what was approved can be kept before anything else is
// asked: then Refresh for one.
func (c *Client) Poll(ctx context.Context, data []byte) (grant.Tokens, error) {
	return c.protocol.finish(ctx, data, nil)
}

// Refresh makes an access token with one request, for the scopes and audiences of w: they are sent
// if they are named (see grant.Provider.Ask). Every failure is a *grant.Refusal.
func (c *Client) Refresh(ctx context.Context, refresh material.Secret, w grant.Wish) (grant.Tokens, error) {
	t, refusal := c.protocol.refresh(ctx, refresh, w)
	return t, asError(refusal)
}

// Revoke ends the refresh token at the provider and returns a receipt: a sentence, without a full
// stop, of what the provider did and what lives on. A failure is a *grant.Refusal.
func (c *Client) Revoke(ctx context.Context, refresh material.Secret) (receipt string, err error) {
	receipt, refusal := c.protocol.revoke(ctx, refresh)
	return receipt, asError(refusal)
}

// Exchange makes an access token of the wished kind from subject, another one of the provider's
// (RFC 8693). A failure is a *grant.Refusal.
func (c *Client) Exchange(ctx context.Context, subject material.Secret, w grant.Wish) (grant.Tokens, error) {
	t, refusal := c.protocol.exchange(ctx, subject, w)
	return t, asError(refusal)
}

// asError keeps a nil refusal a nil error.
func asError(r *grant.Refusal) error {
	if r == nil {
		return nil
	}
	return r
}

// unavailable tells a person that the provider did not answer.
func unavailable(p grant.Provider, r *grant.Refusal) error {
	f := fault.New(fault.Unavailable, "%s does not answer", p.Title).WithHint("try again in a minute").WithCause(r)
	if r.Class == grant.Operator {
		f = fault.New(fault.Unavailable, "%s cannot be used: %s", p.Title, r.Error()).WithHint("tell the operator").WithCause(r)
	}
	f.RetryAfter = max(r.RetryAfter, retryAfter)
	return f
}
