package issuer_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// grants are what people approved at other providers.
type grants struct {
	asked []string // account, provider, scopes
	err   error
}

func (g *grants) TokenOfAccount(_ context.Context, accountID, provider string, w grant.Wish) (grant.Tokens, error) {
	g.asked = append(g.asked, strings.Join(append([]string{accountID, provider}, w.Scopes...), " "))
	return grant.Tokens{Access: "theirs", AccessExpiresAt: noon.Add(2 * time.Hour), Scopes: w.Scopes}, g.err
}

// join makes Anna a member of climate.
func (w *world) join(role identity.Role) {
	w.t.Helper()
	p := project.Project{ID: "prj_climate", Name: "climate", Source: "admin", CreatedAt: noon}
	change := audit.Change{Record: audit.By(identity.System(), noon, "project.create", p.ID, p.ID)}
	if _, err := w.store.InsertProject(w.t.Context(), p, change); err != nil && fault.CodeOf(err) != fault.Conflict {
		w.t.Fatal(err)
	}
	m := project.Member{ProjectID: p.ID, AccountID: w.by.AccountID, Role: role, Source: "admin", Since: noon}
	if err := w.store.SaveMember(w.t.Context(), m, change); err != nil {
		w.t.Fatal(err)
	}
}

// member is a world in which Anna is signed in and a member of climate.
func member(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.signIn()
	w.join(identity.User)
	return w
}

// claims reads a token that another program has verified to be ours and for the audience.
func (w *world) claims(token any, audience string, algorithms ...string) map[string]any {
	w.t.Helper()
	text, _ := token.(string)
	p, err := oidc.NewProvider(w.ctx(), self)
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := p.VerifierContext(w.ctx(), &oidc.Config{ClientID: audience, SupportedSigningAlgs: algorithms, Now: w.clock.Now}).Verify(w.ctx(), text)
	if err != nil {
		w.t.Fatalf("%v: %v", token, err)
	}
	out := map[string]any{}
	if err := v.Claims(&out); err != nil {
		w.t.Fatal(err)
	}
	return out
}

func header(t testing.TB, token string) jose.Header {
	t.Helper()
	s, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	return s.Signatures[0].Header
}

// The code flow with an independent client: what storage gets, what the client is told.
func TestTokensForStorage(t *testing.T) {
	w := member(t)
	_, client := w.client("lanyard-cli", "", loopback, "openid", "offline_access", "storage.read:/climate/cmip6", "storage.modify:/climate")
	to := client.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("resource", store1))
	a := w.get(strings.TrimPrefix(to, self))
	back, err := url.Parse(a.header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		t.Fatalf("%d %s", a.status, a.header.Get("Location"))
	}
	token, err := client.Exchange(w.ctx(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	// A member may read, and modify the scratch area only.
	if got := token.Extra("scope"); got != "openid offline_access storage.read:/climate/cmip6" {
		t.Errorf("told %v", got)
	}
	c := w.claims(token.AccessToken, store1, "ES256")
	for name, want := range map[string]any{"scope": "storage.read:/climate/cmip6", "wlcg.ver": "1.0", "client_id": "lanyard-cli", "sub": w.by.AccountID,
		"aud": store1, "iss": self, "exp": float64(noon.Add(time.Hour).Unix()), "auth_time": float64(noon.Unix())} {
		if c[name] != want {
			t.Errorf("%s is %v, want %v", name, c[name], want)
		}
	}
	for _, name := range []string{"jti", "nbf", "iat", "sid"} {
		if c[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	if text, err := json.Marshal(c); err != nil || strings.Contains(strings.ToLower(string(text)), "anna") {
		t.Errorf("the token tells who it is: %s", text)
	}
	if typ := header(t, token.AccessToken).ExtraHeaders["typ"]; typ != "at+jwt" {
		t.Errorf("typ %v", typ)
	}
	if w.works(token.AccessToken) {
		t.Error("our own API takes a token for storage")
	}
	token.Expiry = time.Unix(1, 0)
	next, err := client.TokenSource(w.ctx(), token).Token()
	if err != nil || next.RefreshToken == token.RefreshToken || w.claims(next.AccessToken, store1)["scope"] != "storage.read:/climate/cmip6" {
		t.Errorf("refreshed %+v, error %v", next, err)
	}
}

func TestAudiencesAndProfiles(t *testing.T) {
	w := member(t)
	w.groups["climate"] = []string{"/climate", "/climate/prod"}
	for name, c := range map[string]struct {
		scope, resource, audience string
		algorithm, want           string
		life                      time.Duration
		check                     map[string]any
	}{
		"nobody named":  {"storage.read:/climate", "", "https://wlcg.cern.ch/jwt/v1/any", "ES256", "storage.read:/climate", time.Hour, nil},
		"an RSA one":    {"storage.read:/climate", store2, store2, "RS256", "storage.read:/climate", 30 * time.Minute, nil},
		"two at once":   {"storage.read:/climate", store1 + " " + store2, store1, "RS256", "storage.read:/climate", 30 * time.Minute, nil},
		"SciTokens":     {"storage.read:/climate storage.modify:/climate/scratch", "https://sci.example", "https://sci.example", "ES256", "read:/climate write:/climate/scratch", time.Hour, map[string]any{"ver": "scitoken:2.0", "wlcg.ver": nil}},
		"their words":   {"read:/climate", "https://sci.example", "https://sci.example", "ES256", "read:/climate", time.Hour, nil},
		"RFC 9068":      {"storage.read:/climate", "https://api.example", "https://api.example", "ES256", "storage.read:/climate", time.Hour, map[string]any{"ver": nil, "wlcg.ver": nil, "client_id": "lanyard-cli"}},
		"compute":       {"compute.create", "", "https://wlcg.cern.ch/jwt/v1/any", "ES256", "compute.create", time.Hour, nil},
		"groups":        {"wlcg.groups", "", "https://wlcg.cern.ch/jwt/v1/any", "ES256", "wlcg.groups", time.Hour, map[string]any{"wlcg.groups": []any{"/climate", "/climate/prod"}}},
		"a named group": {"wlcg.groups:/climate/production", "", "https://wlcg.cern.ch/jwt/v1/any", "ES256", "wlcg.groups:/climate/production", time.Hour, map[string]any{"wlcg.groups": []any{"/climate/production", "/climate", "/climate/prod"}}},
	} {
		t.Run(name, func(t *testing.T) {
			token := w.tokens("scope", c.scope, "resource", c.resource)
			got := w.claims(token["access_token"], c.audience, c.algorithm)
			if got["scope"] != c.want || token["scope"] != c.want || token["expires_in"] != c.life.Seconds() {
				t.Errorf("scope %v, told %v, for %v s", got["scope"], token["scope"], token["expires_in"])
			}
			for name, want := range c.check {
				if list, ok := want.([]any); ok {
					if have, _ := got[name].([]any); !slices.Equal(have, list) {
						t.Errorf("%s is %v, want %v", name, got[name], want)
					}
				} else if got[name] != want {
					t.Errorf("%s is %v, want %v", name, got[name], want)
				}
			}
		})
	}
}

// What the policy does not give is told where the person sees it, and by the token endpoint.
func TestThePolicyRefuses(t *testing.T) {
	w := member(t)
	for name, c := range map[string]struct {
		pairs []string
		want  string
	}{
		"another project's path":  {[]string{"scope", "storage.read:/physics"}, "invalid_scope"},
		"a path that begins so":   {[]string{"scope", "storage.read:/climate2"}, "invalid_scope"},
		"all of it":               {[]string{"scope", "storage.read:/"}, "invalid_scope"},
		"a path that climbs":      {[]string{"scope", "storage.read:/climate/../physics"}, "invalid_scope"},
		"an escaped path":         {[]string{"scope", "storage.read:/climate%2f..%2fphysics"}, "invalid_scope"},
		"no path":                 {[]string{"scope", "storage.read"}, "invalid_scope"},
		"a manager's":             {[]string{"scope", "storage.modify:/climate"}, "invalid_scope"},
		"a group's":               {[]string{"scope", "compute.create"}, "invalid_scope"},
		"groups of a stranger":    {[]string{"scope", "wlcg.groups"}, "invalid_scope"},
		"an unknown audience":     {[]string{"scope", "storage.read:/climate", "resource", "https://evil.example"}, "invalid_target"},
		"a slash more":            {[]string{"scope", "storage.read:/climate", "resource", store1 + "/"}, "invalid_target"},
		"an audience, no scopes":  {[]string{"scope", "openid", "resource", store1}, "invalid_scope"},
		"profiles that differ":    {[]string{"scope", "storage.read:/climate", "resource", store1 + " https://sci.example"}, "invalid_target"},
		"everybody and somebody":  {[]string{"scope", "storage.read:/climate", "audience", "https://wlcg.cern.ch/jwt/v1/any " + store1}, "invalid_target"},
		"audiences without end":   {[]string{"scope", "storage.read:/climate", "audience", strings.Repeat(" "+store1+"x", 1) + strings.Repeat(" a", 1)}, "invalid_target"},
		"an action nobody knows":  {[]string{"scope", "storage.erase:/climate"}, "invalid_scope"},
		"a scope full of control": {[]string{"scope", "storage.read:/climate\x00"}, "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.get("/authorize?" + with(request(), c.pairs...).Encode())
			to, err := url.Parse(a.header.Get("Location"))
			if err != nil || to.Query().Get("error") != c.want || to.Query().Get("error_description") == "" {
				t.Errorf("%d to %q, want %s", a.status, a.header.Get("Location"), c.want)
			}
		})
	}
	t.Run("rights that went away before the code was used", func(t *testing.T) {
		code := w.code("scope", "storage.read:/climate")
		change := audit.Change{Record: audit.By(identity.System(), noon, "member.remove", w.by.AccountID, "prj_climate")}
		if err := w.store.DeleteMember(t.Context(), "prj_climate", w.by.AccountID, change); err != nil {
			t.Fatal(err)
		}
		if a := w.post("/token", redeem(code), nil); a.status != http.StatusBadRequest || a.json["error"] != "invalid_scope" {
			t.Errorf("%d %s", a.status, a.body)
		}
		w.join(identity.User)
		if a := w.post("/token", redeem(code), nil); a.status != http.StatusOK {
			t.Errorf("a code that gave nothing was used up: %d %s", a.status, a.body)
		}
	})
}

func refresh(token any, pairs ...string) url.Values {
	text, _ := token.(string)
	return with(url.Values{"grant_type": {"refresh_token"}, "client_id": {"lanyard-cli"}, "refresh_token": {text}}, pairs...)
}

func TestRefreshNarrowsAndNeverWidens(t *testing.T) {
	w := member(t)
	first := w.tokens("scope", "offline_access storage.read:/climate/a storage.modify:/climate/scratch s3:read", "resource", store1+" "+store2)
	current := first["refresh_token"]
	for _, c := range []struct {
		name         string
		pairs        []string
		status       int
		scope, error string
	}{
		{"as it was", nil, 200, "offline_access storage.read:/climate/a storage.modify:/climate/scratch", ""},
		{"narrower", []string{"scope", "storage.read:/climate/a/b"}, 200, "offline_access storage.read:/climate/a/b", ""},
		{"another path", []string{"scope", "storage.read:/climate"}, 400, "", "invalid_scope"},
		{"another action", []string{"scope", "compute.create"}, 400, "", "invalid_scope"},
		{"one more", []string{"scope", "storage.read:/climate/a storage.read:/climate"}, 400, "", "invalid_scope"},
		{"scope of our API that it has not", []string{"scope", "s3:write"}, 400, "", "invalid_scope"},
		{"of two audiences one", []string{"audience", store1}, 200, "offline_access storage.read:/climate/a storage.modify:/climate/scratch", ""},
		{"another audience", []string{"audience", "https://fts.example"}, 400, "", "invalid_target"},
		{"everybody", []string{"audience", "https://wlcg.cern.ch/jwt/v1/any"}, 400, "", "invalid_target"},
		{"of our API", []string{"scope", "s3:read"}, 200, "offline_access storage.read:/climate/a storage.modify:/climate/scratch s3:read", ""},
		{"back to all", nil, 200, "offline_access storage.read:/climate/a storage.modify:/climate/scratch", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.post("/token", refresh(current, c.pairs...), nil)
			if a.status != c.status || a.json["scope"] != c.scope && c.scope != "" || a.json["error"] != c.error && c.error != "" {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if a.status != 200 {
				return // and the refresh token is as good as before
			}
			current = a.json["refresh_token"]
			if ours := c.name == "of our API"; w.works(a.json["access_token"]) != ours {
				t.Errorf("our API takes the token: %t", !ours)
			}
		})
	}
}

// Each client has the grace that the operator gave it.
func TestGraceByClient(t *testing.T) {
	for client, grace := range map[string]time.Duration{"lanyard-cli": time.Minute, "patient": 24 * time.Hour, "strict": 0} {
		t.Run(client, func(t *testing.T) {
			w := member(t)
			begin := func() (first, second any) {
				t.Helper()
				first = w.post("/token", redeem(w.code("client_id", client, "scope", "offline_access storage.read:/climate"), "client_id", client), nil).json["refresh_token"]
				a := w.post("/token", refresh(first, "client_id", client), nil)
				if a.status != http.StatusOK {
					t.Fatalf("%d %s", a.status, a.body)
				}
				return first, a.json["refresh_token"]
			}
			first, second := begin()
			if grace > 0 {
				w.clock.Move(grace - time.Second)
				a := w.post("/token", refresh(first, "client_id", client), nil)
				if a.status != http.StatusOK || a.json["refresh_token"] != second || w.active(a.json["access_token"]).json["active"] != true {
					t.Fatalf("within the grace: %d %s", a.status, a.body)
				}
				w.clock.Move(time.Second)
			}
			for _, token := range []any{first, second} {
				if a := w.post("/token", refresh(token, "client_id", client), nil); a.json["error"] != "invalid_grant" {
					t.Errorf("after the grace: %d %s", a.status, a.body)
				}
			}
		})
	}
}
