package issuer_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/issuer"
	"github.com/lanyardhq/lanyard/internal/signing"
	"github.com/lanyardhq/lanyard/wlcg"
)

// Before the first keys are there, nothing is used up.
func TestNoKeysYet(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	code := w.code()
	keys := signing.New(signing.Config{Algorithms: []string{signing.ES256, signing.RS256}, Store: w.store, Now: w.clock.Now})
	young, err := issuer.New(issuer.Config{URL: self, Login: w.login, Keys: keys, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	w.mux = http.NewServeMux()
	young.Mount(w.mux)
	if a := w.post("/token", redeem(code), nil); a.status != http.StatusServiceUnavailable || a.json["error"] != "temporarily_unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s, retry after %q", a.status, a.body, a.header.Get("Retry-After"))
	}
	if err := keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := w.post("/token", redeem(code), nil); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestMetadata(t *testing.T) {
	w := newWorld(t)
	a := w.get("/.well-known/openid-configuration")
	scopes := []any{"openid", "profile", "email", "offline_access", "s3:read", "s3:write", "proxies:read", "proxies:write", "tokens:read", "tokens:write", "projects:read", "projects:write",
		"compute.create", "storage.modify:/", "storage.read:/", "wlcg", "wlcg.groups"}
	all, signed := []any{"none", "client_secret_basic", "client_secret_post", "private_key_jwt"}, []any{"RS256", "ES256"}
	want := map[string]any{
		"issuer": self, "authorization_endpoint": self + "/authorize", "token_endpoint": self + "/token", "jwks_uri": self + "/jwks",
		"userinfo_endpoint": self + "/userinfo", "device_authorization_endpoint": self + "/device_authorization",
		"revocation_endpoint": self + "/revoke", "introspection_endpoint": self + "/introspect",
		"scopes_supported": scopes, "response_types_supported": []any{"code"}, "response_modes_supported": []any{"query"},
		"grant_types_supported":   []any{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_types_supported": []any{"public"}, "id_token_signing_alg_values_supported": []any{"RS256", "ES256"},
		"token_endpoint_auth_methods_supported": all, "revocation_endpoint_auth_methods_supported": all,
		"introspection_endpoint_auth_methods_supported":    all[1:],
		"token_endpoint_auth_signing_alg_values_supported": signed, "revocation_endpoint_auth_signing_alg_values_supported": signed,
		"introspection_endpoint_auth_signing_alg_values_supported": signed,
		"claims_supported":                 []any{"iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "at_hash", "name", "email"},
		"code_challenge_methods_supported": []any{"S256"}, "authorization_response_iss_parameter_supported": true,
		"request_uri_parameter_supported": false,
	}
	if diff := cmp.Diff(want, a.json); diff != "" {
		t.Error(diff)
	}
	b := w.get("/.well-known/oauth-authorization-server")
	if a.body != b.body {
		t.Error("the two documents differ")
	}
	for _, x := range []answer{a, b, w.get("/jwks")} {
		if x.status != 200 || x.header.Get("Access-Control-Allow-Origin") != "*" || x.header.Get("Access-Control-Allow-Credentials") != "" ||
			!strings.HasPrefix(x.header.Get("Cache-Control"), "public, max-age=") || !strings.HasPrefix(x.header.Get("Content-Type"), "application/json") {
			t.Errorf("%d %v", x.status, x.header)
		}
	}
}

func TestConfigurationMistakesAreToldTogether(t *testing.T) {
	_, err := issuer.New(issuer.Config{URL: "https://lanyard.example/path", Clients: []issuer.Client{
		{ID: "lanyard-cli", RedirectURIs: []string{"https://x.example/"}},
		{ID: "a", RedirectURIs: []string{"javascript:alert(1)"}},
		{ID: "b"},
		{ID: "c", Algorithm: "none", RedirectURIs: []string{"https://x.example/"}},
		{ID: "e", Secret: "x", Keys: wlcg.KeySet{Keys: make([]wlcg.PublicKey, 1)}, RedirectURIs: []string{"https://x.example/"}},
		{ID: "d", RefreshGrace: new(25 * time.Hour), RedirectURIs: []string{"https://x.example/"}}}})
	for _, text := range []string{"without a path", `"lanyard-cli" stands twice`, `client "a": redirect URI`, `client "b" has no redirect URI`, `algorithm "none"`, `client "d": refresh_grace`, `client "e" has both`} {
		if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v does not tell %s", err, text)
		}
	}
}
