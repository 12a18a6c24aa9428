package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/lanyardhq/lanyard/internal/fault"
)

const (
	rediscover  = 6 * time.Hour   // how old a discovery document may grow
	retryAfter  = 5 * time.Second // how long a failed discovery is not repeated
	refetchKeys = time.Minute     // how long a key set is not fetched again
)

// Client is us at one provider. It is safe for concurrent use.
type Client struct {
	Provider
	rules    []rule
	style    oauth2.AuthStyle // never auto-detected: that sends a code twice
	client   *http.Client
	redirect string
	now      func() time.Time
	flight   singleflight.Group

	mu                  sync.Mutex
	found               *found // nil until discovery succeeded
	failedAt, downSince time.Time
}

// found is what discovery tells of a provider.
type found struct {
	at       time.Time
	oidc     *oidc.Provider
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	names    bool // it puts iss into its answers (RFC 9207)
}

// discover returns what the provider says of itself, asking it if that is not known or old. While
// it is down an old answer is used.
func (u *Client) discover(ctx context.Context) (*found, error) {
	now := u.now()
	u.mu.Lock()
	f, failed := u.found, u.failedAt
	u.mu.Unlock()
	if f != nil && now.Sub(f.at) < rediscover {
		return f, nil
	}
	var err error
	if failed.IsZero() || now.Sub(failed) >= retryAfter {
		var v any
		v, err, _ = u.flight.Do("", func() (any, error) { return u.fetch(context.WithoutCancel(ctx)) })
		u.report(err)
		if err == nil {
			return v.(*found), nil
		}
	}
	if f != nil {
		return f, nil
	}
	return nil, u.down(err)
}

func (u *Client) fetch(ctx context.Context) (*found, error) {
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, u.client), u.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discover %s: %.300w", u.Issuer, err)
	}
	var doc struct {
		JWKSURI string `json:"jwks_uri"`
		Names   bool   `json:"authorization_response_iss_parameter_supported"`
	}
	if err := p.Claims(&doc); err != nil {
		return nil, fmt.Errorf("discover %s: %w", u.Issuer, err)
	}
	endpoint := p.Endpoint()
	for _, s := range []string{endpoint.AuthURL, endpoint.TokenURL, doc.JWKSURI} {
		if err := checkAddress(withoutQuery(s)); err != nil {
			return nil, fmt.Errorf("discover %s: endpoint %q: %w", u.Issuer, s, err)
		}
	}
	endpoint.AuthStyle = u.style
	keys := &http.Client{Timeout: u.client.Timeout, CheckRedirect: u.client.CheckRedirect,
		Transport: &patient{next: u.client.Transport, now: u.now}}
	f := &found{at: u.now(), oidc: p, names: doc.Names,
		oauth: oauth2.Config{ClientID: u.ClientID, ClientSecret: u.ClientSecret.Reveal(), Endpoint: endpoint,
			RedirectURL: u.redirect, Scopes: u.Scopes},
		verifier: oidc.NewVerifier(u.Issuer, oidc.NewRemoteKeySet(oidc.ClientContext(ctx, keys), doc.JWKSURI),
			&oidc.Config{ClientID: u.ClientID, SupportedSigningAlgs: u.Algorithms, Now: u.now})}
	u.mu.Lock()
	u.found = f
	u.mu.Unlock()
	return f, nil
}

// withoutQuery cuts the query, which an endpoint may have and an issuer may not.
func withoutQuery(s string) string {
	if v, err := url.Parse(s); err == nil {
		v.RawQuery = ""
		return v.String()
	}
	return s
}

// report notes whether the provider answered.
func (u *Client) report(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch now := u.now(); {
	case err == nil:
		u.failedAt, u.downSince = time.Time{}, time.Time{}
	case u.downSince.IsZero():
		u.failedAt, u.downSince = now, now
	default:
		u.failedAt = now
	}
}

// DownSince returns when the provider stopped answering, zero while it does or has not been asked.
func (u *Client) DownSince() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.downSince
}

func (u *Client) down(err error) error {
	f := fault.New(fault.Unavailable, "%s does not answer", u.Title).WithHint("try again in a minute, or sign in another way").WithCause(err)
	f.RetryAfter = retryAfter
	return f
}

// patient answers from memory when the key set is asked for again within a minute: go-oidc
// fetches it anew for every signature that it cannot verify.
type patient struct {
	next http.RoundTripper
	now  func() time.Time
	mu   sync.Mutex
	at   time.Time
	body []byte
}

func (p *patient) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.body != nil && p.now().Sub(p.at) < refetchKeys {
		return &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(bytes.NewReader(p.body))}, nil
	}
	resp, err := p.next.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	p.at, p.body = p.now(), body
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
