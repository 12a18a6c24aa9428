package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/material"
)

// mytoken speaks with a mytoken server, whose API is JSON over HTTP (version 0). What stands for a
// refresh token is a mytoken: bound by restrictions that the server enforces, without rotation.
type mytoken struct {
	grant.Provider
	wire  wire
	found discovery[mytokenServer]
}

// mytokenServer is what a server says of itself.
type mytokenServer struct {
	Issuer     string `json:"issuer"`
	MyToken    string `json:"mytoken_endpoint"`
	Access     string `json:"access_token_endpoint"`
	Revocation string `json:"revocation_endpoint"`
	Providers  []struct {
		Issuer string `json:"issuer"`
	} `json:"providers_supported"`
}

func newMyToken(p grant.Provider, w wire) *mytoken {
	m := &mytoken{Provider: p, wire: w}
	m.found.now, m.found.fetch = w.now, m.discover
	return m
}

func (m *mytoken) discover(ctx context.Context) (mytokenServer, *grant.Refusal) {
	var s mytokenServer
	_, refusal := m.wire.get(ctx, strings.TrimSuffix(m.Issuer, "/")+"/.well-known/mytoken-configuration", &s)
	if refusal == nil {
		if wrong := m.check(s); wrong != "" {
			refusal = &grant.Refusal{Class: grant.Operator, Description: wrong}
		}
	}
	return s, refusal
}

// check says what is wrong with what a server says of itself. A slash at the end of an issuer does
// not count: mytoken servers forgive it too.
func (m *mytoken) check(s mytokenServer) string {
	same := func(a, b string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") }
	if !same(s.Issuer, m.Issuer) {
		return fmt.Sprintf("it calls itself %q, not %q", grant.Clean(s.Issuer, 200), m.Issuer)
	}
	for _, e := range []struct {
		name, address string
		needed        bool
	}{{"mytoken_endpoint", s.MyToken, true}, {"access_token_endpoint", s.Access, true}, {"revocation_endpoint", s.Revocation, false}} {
		if err := grant.CheckEndpoint(e.address); err != nil && (e.needed || e.address != "") {
			return fmt.Sprintf("its %s %q: %v", e.name, grant.Clean(e.address, 100), err)
		}
	}
	for _, p := range s.Providers {
		if same(p.Issuer, m.UpstreamIssuer) {
			return ""
		}
	}
	if len(s.Providers) > 0 {
		return "it does not serve " + m.UpstreamIssuer
	}
	return ""
}

// post sends one JSON document.
func (m *mytoken) post(ctx context.Context, endpoint string, body any) (answer, *grant.Refusal) {
	text, err := json.Marshal(body)
	if err != nil {
		return answer{}, &grant.Refusal{Class: grant.Operator, Unsent: true, Err: err}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(text))
	if err != nil {
		return answer{}, &grant.Refusal{Class: grant.Operator, Unsent: true, Err: withoutURL(err)}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	return m.wire.send(r)
}

// ahead are descriptions of invalid_token that mean that the clock of the server that issued it is
// ahead of the one that reads it.
var ahead = regexp.MustCompile(`not valid yet|before issued`)

// refused reads an error. Of an oidc_error the code is the provider's behind the server.
func (m *mytoken) refused(a answer, sent material.Secret) *grant.Refusal {
	r := m.wire.refused(a, sent.Reveal())
	code := r.Code
	if code == "oidc_error" {
		if upstream, description, ok := strings.Cut(r.Description, ":"); ok && printable(upstream) {
			r.Code, r.Description = upstream, strings.TrimSpace(description)
		}
	}
	r.Class = grant.Operator
	switch {
	case a.status == http.StatusTooManyRequests || a.status >= http.StatusInternalServerError || code == "":
		r.Class = grant.Again
	case code == "invalid_token" && ahead.MatchString(r.Description):
		r.Class = grant.Again
	case code == "oidc_error" && r.Code != "invalid_grant":
		r.Class = grant.Again
	case code == "oidc_error", code == "invalid_token", code == "usage_restricted", code == "insufficient_capabilities":
		r.Class = grant.Dead
	}
	return r
}

// accessAnswer is what the access token endpoint sends.
type accessAnswer struct {
	tokenAnswer
	Audience []string     `json:"audience"`
	Update   mytokenReply `json:"token_update"`
}

func (m *mytoken) refresh(ctx context.Context, refresh material.Secret, w grant.Wish) (grant.Tokens, *grant.Refusal) {
	s, refusal := m.found.get(ctx)
	if refusal != nil {
		return grant.Tokens{}, refusal
	}
	form := map[string]string{"grant_type": "mytoken", "mytoken": refresh.Reveal(), "oidc_issuer": m.UpstreamIssuer}
	if len(w.Scopes) > 0 {
		form["scope"] = strings.Join(w.Scopes, " ")
	}
	if len(w.Audiences) > 0 {
		form["audience"] = strings.Join(w.Audiences, " ")
	}
	a, refusal := m.post(ctx, s.Access, form)
	if refusal != nil {
		return grant.Tokens{}, refusal
	}
	if a.status != http.StatusOK {
		return grant.Tokens{}, m.refused(a, refresh)
	}
	var body accessAnswer
	if err := decode(a.body, &body); err != nil {
		return grant.Tokens{}, unread(a, err)
	}
	now := m.wire.now()
	body.Refresh, body.RefreshIn, body.RefreshLife = body.Update.MyToken, body.Update.Expires, 0
	t, err := body.read(now, w, refresh)
	if err != nil {
		return t, unread(a, err)
	}
	if audiences := fields(strings.Join(body.Audience, " ")); len(audiences) > 0 {
		t.Audiences = audiences
	}
	return t, nil
}

func (m *mytoken) exchange(context.Context, material.Secret, grant.Wish) (grant.Tokens, *grant.Refusal) {
	return grant.Tokens{}, &grant.Refusal{Class: grant.Operator, Code: "unsupported_grant_type", Unsent: true, Description: m.Title + " exchanges no tokens"}
}

func (m *mytoken) revoke(ctx context.Context, refresh material.Secret) (string, *grant.Refusal) {
	s, refusal := m.found.get(ctx)
	if refusal != nil {
		return "", refusal
	}
	if s.Revocation == "" {
		return m.Title + " offers no revocation. We destroyed the mytoken" + remains, nil
	}
	a, refusal := m.post(ctx, s.Revocation, map[string]any{"token": refresh.Reveal(), "recursive": true})
	if refusal != nil {
		return "", refusal
	}
	if a.status == http.StatusOK || a.status == http.StatusNoContent {
		return m.Title + " revoked the mytoken and what was made of it" + remains, nil
	}
	refusal = m.refused(a, refresh)
	if refusal.Class == grant.Dead {
		return m.Title + " says that the mytoken was not in force any more" + remains, nil
	}
	return "", refusal
}

// restriction is one clause of a mytoken: what a use must satisfy.
type restriction struct {
	Expires  int64    `json:"exp,omitempty"`
	Scope    string   `json:"scope,omitempty"`
	Audience []string `json:"audience,omitempty"`
}

// mytokenReply is a mytoken as the server issued it: not always as it was asked for.
type mytokenReply struct {
	MyToken      string        `json:"mytoken"`
	Type         string        `json:"mytoken_type"`
	Expires      seconds       `json:"expires_in"`
	Capabilities []string      `json:"capabilities"`
	Restrictions []restriction `json:"restrictions"`
}

// wider says what r allows beyond w and until, or "".
func (r mytokenReply) wider(w grant.Wish, until time.Time) string {
	for _, c := range r.Capabilities {
		if !slices.Contains(capabilities, c) {
			return "the capability " + grant.Clean(c, 60)
		}
	}
	if len(r.Restrictions) == 0 {
		return "everything, without a restriction"
	}
	for _, c := range r.Restrictions {
		switch {
		case c.Expires <= 0 || c.Expires > until.Add(time.Minute).Unix():
			return "a longer life"
		case c.Scope == "":
			return "all scopes"
		case len(c.Audience) == 0 && len(w.Audiences) > 0:
			return "all audiences"
		}
		for _, scope := range strings.Fields(c.Scope) {
			if !(grant.Spec{Scopes: w.Scopes}).Covers(scope) {
				return "the scope " + grant.Clean(scope, 60)
			}
		}
		for _, audience := range c.Audience {
			if len(w.Audiences) > 0 && !slices.Contains(w.Audiences, audience) {
				return "the audience " + grant.Clean(audience, 60)
			}
		}
	}
	return ""
}

// granted is what r allows, all clauses together.
func (r mytokenReply) granted() (w grant.Wish, until time.Time) {
	for _, c := range r.Restrictions {
		for _, scope := range fields(c.Scope) {
			if !slices.Contains(w.Scopes, scope) {
				w.Scopes = append(w.Scopes, scope)
			}
		}
		for _, audience := range fields(strings.Join(c.Audience, " ")) {
			if !slices.Contains(w.Audiences, audience) {
				w.Audiences = append(w.Audiences, audience)
			}
		}
		if at := time.Unix(c.Expires, 0).UTC(); at.After(until) {
			until = at
		}
	}
	return w, until
}
