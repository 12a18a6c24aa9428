package grant_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/internal/grant"
)

func TestCheckProvider(t *testing.T) {
	oauth := func(change func(*grant.Provider)) grant.Provider {
		p := grant.Provider{ID: "helmholtz", Issuer: "https://login.helmholtz.de/oauth2", ClientID: "lanyard", ClientSecretFile: "secret",
			Scopes: []string{"openid"}, Audience: "resource", Audiences: []string{"https://se.example.org"}}
		change(&p)
		return p
	}
	for name, tc := range map[string]struct {
		p     grant.Provider
		wrong string // "" means fine
	}{
		"oauth":             {oauth(func(*grant.Provider) {}), ""},
		"loopback":          {oauth(func(p *grant.Provider) { p.Issuer = "http://127.0.0.1:8080" }), ""},
		"slash at the end":  {oauth(func(p *grant.Provider) { p.Issuer = "https://cms-auth.cern.ch/" }), ""},
		"public client":     {oauth(func(p *grant.Provider) { p.ClientSecretFile, p.ClientAuth = "", "none" }), ""},
		"mytoken":           {grant.Provider{ID: "m", Type: grant.MyToken, Issuer: "https://mytoken.example.org", UpstreamIssuer: "https://a.example.org", Scopes: []string{"openid"}}, ""},
		"own":               {grant.Provider{ID: "lanyard", Type: grant.Lanyard}, ""},
		"id":                {oauth(func(p *grant.Provider) { p.ID = "A b" }), "lower-case"},
		"type":              {oauth(func(p *grant.Provider) { p.Type = "saml" }), `type is "saml"`},
		"no issuer":         {oauth(func(p *grant.Provider) { p.Issuer = "" }), "not an address"},
		"plain http":        {oauth(func(p *grant.Provider) { p.Issuer = "http://login.example.org" }), "https://"},
		"loopback by name":  {oauth(func(p *grant.Provider) { p.Issuer = "http://127.0.0.1.example.org" }), "https://"},
		"file":              {oauth(func(p *grant.Provider) { p.Issuer = "file:///etc/passwd" }), "not an address"},
		"query":             {oauth(func(p *grant.Provider) { p.Issuer += "?x" }), "query"},
		"user":              {oauth(func(p *grant.Provider) { p.Issuer = "https://a:b@example.org" }), "not an address"},
		"no client":         {oauth(func(p *grant.Provider) { p.ClientID = "" }), "client_id"},
		"secret not shown":  {oauth(func(p *grant.Provider) { p.ClientAuth = "none" }), "client secret"},
		"no secret":         {oauth(func(p *grant.Provider) { p.ClientSecretFile, p.ClientAuth = "", "post" }), "client_secret_file"},
		"no scopes":         {oauth(func(p *grant.Provider) { p.Scopes = nil }), "scopes are missing"},
		"bad scope":         {oauth(func(p *grant.Provider) { p.Scopes = []string{"a b"} }), "cannot be a scope"},
		"audience style":    {oauth(func(p *grant.Provider) { p.Audience = "aud" }), `audience is "aud"`},
		"unasked audience":  {oauth(func(p *grant.Provider) { p.Audience = "" }), "how to ask"},
		"audience as scope": {oauth(func(p *grant.Provider) { p.Audience = "scope" }), "they stand there"},
		"own parameter":     {oauth(func(p *grant.Provider) { p.ExtraAuthParams = map[string]string{"state": "x"} }), `"state"`},
		"endpoint":          {oauth(func(p *grant.Provider) { p.TokenEndpoint = "http://x.example.org" }), "token_endpoint"},
		"algorithm":         {oauth(func(p *grant.Provider) { p.Algorithms = []string{"HS256"} }), "HS256"},
		"negative":          {oauth(func(p *grant.Provider) { p.RefreshIdle = -1 }), "negative"},
		"mytoken upstream":  {grant.Provider{ID: "m", Type: grant.MyToken, Issuer: "https://mytoken.example.org", Scopes: []string{"openid"}}, "upstream_issuer"},
		"own with issuer":   {grant.Provider{ID: "lanyard", Type: grant.Lanyard, Issuer: "https://x.example.org"}, "our own issuer"},
	} {
		err := tc.p.Check()
		if tc.wrong == "" && err != nil || tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)) {
			t.Errorf("%s: got %v, want %q", name, err, tc.wrong)
		}
	}
}

func TestRefusalsInOneLine(t *testing.T) {
	cause := errors.New("dial tcp: connection refused")
	for _, tc := range []struct {
		r    grant.Refusal
		want string
	}{
		{grant.Refusal{Class: grant.Again, Unsent: true, Err: cause}, "the provider cannot be reached"},
		{grant.Refusal{Class: grant.Again, Err: cause}, "the provider did not answer"},
		{grant.Refusal{Class: grant.Dead, Status: 400, Code: "invalid_grant", Description: "Session not active"}, "the provider answered 400: invalid_grant: Session not active"},
		{grant.Refusal{Class: grant.Again, Status: 502}, "the provider answered 502"},
	} {
		if got := tc.r.Error(); got != tc.want || tc.r.Err != nil && !errors.Is(&tc.r, cause) {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{" a\x1b[31m\u202eb\xff ": "a[31mb", "ünï": "ün", "": "", "a  ": "a"} {
		n := 20
		if in == "ünï" {
			n = 2
		}
		if got := grant.Clean(in, n); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}
