package provider

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/lanyardhq/lanyard/internal/grant"
)

const (
	rediscover = 6 * time.Hour   // how old a discovery document may grow
	retryAfter = 5 * time.Second // how long a failed discovery is not repeated
)

// metadata is what a provider says of itself (OpenID Connect Discovery §3, RFC 8414 §2), with what
// the operator says in its place.
type metadata struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
	Keys          string `json:"jwks_uri"`
	// Names says that it puts iss into its answers (RFC 9207).
	Names bool `json:"authorization_response_iss_parameter_supported"`
}

// discovery is a document that is fetched when it is needed and then kept. An old one is used while
// the provider does not answer.
type discovery[T any] struct {
	fetch  func(context.Context) (T, *grant.Refusal)
	now    func() time.Time
	flight singleflight.Group

	mu         sync.Mutex
	doc        *T // nil until fetched
	at, failed time.Time
	refusal    *grant.Refusal // of the last failure
}

// get returns the document. A refusal is Unsent: nothing but a public document was asked for.
func (d *discovery[T]) get(ctx context.Context) (T, *grant.Refusal) {
	now := d.now()
	d.mu.Lock()
	doc, at, failed, refusal := d.doc, d.at, d.failed, d.refusal
	d.mu.Unlock()
	if doc != nil && now.Sub(at) < rediscover {
		return *doc, nil
	}
	if refusal == nil || now.Sub(failed) >= max(retryAfter, refusal.RetryAfter) {
		done := d.flight.DoChan("", func() (any, error) { // it goes on for the others if ctx ends
			d.keep(d.fetch(context.WithoutCancel(ctx)))
			return nil, nil
		})
		select {
		case <-done:
			d.mu.Lock()
			doc, refusal = d.doc, d.refusal
			d.mu.Unlock()
		case <-ctx.Done():
			refusal = &grant.Refusal{Class: grant.Again, Err: ctx.Err()}
		}
	}
	if doc != nil {
		return *doc, nil
	}
	unsent := *refusal
	unsent.Unsent = true
	var none T
	return none, &unsent
}

func (d *discovery[T]) keep(doc T, refusal *grant.Refusal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if refusal != nil {
		d.failed, d.refusal = d.now(), refusal
		return
	}
	d.doc, d.at, d.refusal = &doc, d.now(), nil
}

// discover fetches what the provider says of itself. What the operator said goes before it, and is
// enough where it says all that is needed and the provider has no document.
func (o *oauth) discover(ctx context.Context) (metadata, *grant.Refusal) {
	m, refusal := o.document(ctx)
	enough := o.AuthorizationEndpoint != "" && o.TokenEndpoint != ""
	if refusal != nil && (!enough || refusal.Status == 0 || refusal.Status >= http.StatusTooManyRequests) {
		return metadata{}, refusal
	}
	m.Authorization = cmp.Or(o.AuthorizationEndpoint, m.Authorization)
	m.Token = cmp.Or(o.TokenEndpoint, m.Token)
	m.Revocation = cmp.Or(o.RevocationEndpoint, m.Revocation)
	for _, e := range []struct {
		name, address string
		needed        bool
	}{{"authorization_endpoint", m.Authorization, true}, {"token_endpoint", m.Token, true},
		{"revocation_endpoint", m.Revocation, false}, {"jwks_uri", m.Keys, false}} {
		if err := grant.CheckEndpoint(e.address); err != nil && (e.needed || e.address != "") {
			return metadata{}, &grant.Refusal{Class: grant.Operator, Description: fmt.Sprintf("its %s %q: %v", e.name, grant.Clean(e.address, 100), err)}
		}
	}
	return m, nil
}

// document fetches the discovery document: OpenID's, or else RFC 8414's.
func (o *oauth) document(ctx context.Context) (metadata, *grant.Refusal) {
	var m metadata
	a, refusal := o.wire.get(ctx, strings.TrimSuffix(o.Issuer, "/")+"/.well-known/openid-configuration", &m)
	if refusal != nil && a.status == http.StatusNotFound {
		if u, err := url.Parse(o.Issuer); err == nil {
			u.Path = "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.Path, "/")
			_, refusal = o.wire.get(ctx, u.String(), &m)
		}
	}
	if refusal != nil {
		return metadata{}, refusal
	}
	if m.Issuer != o.Issuer {
		return metadata{}, &grant.Refusal{Class: grant.Operator,
			Description: fmt.Sprintf("it calls itself %q, not %q", grant.Clean(m.Issuer, 200), o.Issuer)}
	}
	return m, nil
}
