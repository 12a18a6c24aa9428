// Package provider is one authorization server that people let us keep grants for, as seen by its
// client: how somebody approves there, and the requests that custody makes with what came of it.
// It keeps nothing and repeats nothing: each method that uses a refresh token makes exactly one
// request with it, because a second one may cost the person the grant. It imports rows 0 and 1.
package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

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
type Client struct{}

// New checks p and fills in its defaults. The provider is not contacted yet. Its answers come to
// redirect; transport carries requests to it, nil meaning http.DefaultTransport.
func New(p grant.Provider, redirect string, transport http.RoundTripper, now func() time.Time) (*Client, error) {
	return nil, errNotWritten
}

var errNotWritten = errors.New("not written yet")

// Begin returns where the person approves.
func (*Client) Begin(context.Context, grant.Wish, Hint) (Approval, error) {
	return Approval{}, errNotWritten
}

// Finish turns the parameters that the provider's redirect brought into tokens. Data is the
// approval's; the caller has checked state. What the provider did not confirm is a Denied fault.
func (*Client) Finish(ctx context.Context, data []byte, answer url.Values) (grant.Tokens, error) {
	return grant.Tokens{}, errNotWritten
}

// Poll asks whether the person has approved: grant.ErrPending as long as they have not.
func (*Client) Poll(ctx context.Context, data []byte) (grant.Tokens, error) {
	return grant.Tokens{}, errNotWritten
}

// Refresh makes an access token with one request. Every failure is a *grant.Refusal.
func (*Client) Refresh(ctx context.Context, refresh material.Secret, w grant.Wish) (grant.Tokens, error) {
	return grant.Tokens{}, errNotWritten
}

// Revoke ends the refresh token at the provider and returns a receipt: what the provider said, and
// what lives on. A failure is a *grant.Refusal.
func (*Client) Revoke(ctx context.Context, refresh material.Secret) (receipt string, err error) {
	return "", errNotWritten
}

// Exchange makes an access token of the wished kind from subject, another one of the provider's
// (RFC 8693). A failure is a *grant.Refusal.
func (*Client) Exchange(ctx context.Context, subject material.Secret, w grant.Wish) (grant.Tokens, error) {
	return grant.Tokens{}, errNotWritten
}
