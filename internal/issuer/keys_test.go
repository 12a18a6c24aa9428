package issuer_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/issuer"
)

const day = 24 * time.Hour

// kids returns the published key ids of an algorithm, oldest first.
func (w *world) kids(algorithm string) []string {
	w.t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(w.get("/jwks").body), &set); err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, k := range set.Keys {
		if !k.IsPublic() || k.Use != "sig" {
			w.t.Errorf("published %+v", k)
		}
		if k.Algorithm == algorithm {
			out = append(out, k.KeyID)
		}
	}
	return out
}

// signs returns the key that signs the command line's ID tokens now.
func (w *world) signs() string {
	w.t.Helper()
	raw, _ := w.tokens()["id_token"].(string)
	token, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		w.t.Fatal(err)
	}
	return token.Signatures[0].Header.KeyID
}

func (w *world) rotate() {
	w.t.Helper()
	if err := w.issuer.RotateKeys(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.signIn() // sessions of browsers do not live for months
}

// A key is published at least four days before it signs, and two after.
func TestKeyRotation(t *testing.T) {
	w := newWorld(t)
	w.rotate()
	first := w.kids("ES256")
	if len(first) != 1 || len(w.kids("RS256")) != 1 || w.signs() != first[0] {
		t.Fatalf("keys %q", first)
	}
	var published, signing time.Time
	for w.clock.Now().Before(noon.Add(200 * day)) {
		w.clock.advance(day)
		w.rotate()
		now, kids := w.clock.Now(), w.kids("ES256")
		if len(kids) > 1 && published.IsZero() {
			published = now
		}
		if w.signs() != first[0] && signing.IsZero() {
			signing = now
		}
		if !slices.Contains(kids, first[0]) {
			if gone := now.Sub(signing); signing.IsZero() || gone < 2*day {
				t.Errorf("unpublished %s after its last signature", gone)
			}
			break
		}
	}
	if ahead := signing.Sub(published); ahead < 4*day || ahead > 6*day || signing != noon.Add(180*day) {
		t.Errorf("published %s ahead, signing from %s", ahead, signing)
	}
	if kids := w.kids("RS256"); len(kids) != 1 {
		t.Errorf("RS256 keys %q", kids)
	}
	records, err := w.store.Audit(t.Context(), audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, r := range records {
		if r.Action == "signingkey.create" {
			made++
		}
	}
	if made != 4 {
		t.Errorf("%d keys in the audit trail, want 2 of each algorithm", made)
	}
}

// A server that was off for a year signs with the old key until the new one has been known for
// four days.
func TestKeysAfterALongAbsence(t *testing.T) {
	w := newWorld(t)
	w.rotate()
	old := w.signs()
	w.clock.advance(365 * day)
	w.rotate()
	if got := w.signs(); got != old || len(w.kids("ES256")) != 2 {
		t.Errorf("signs with %s, want %s; published %q", got, old, w.kids("ES256"))
	}
	w.clock.advance(4*day - time.Second)
	w.rotate()
	if got := w.signs(); got != old {
		t.Error("the new key signs too early")
	}
	w.clock.advance(time.Second)
	w.rotate()
	if got := w.signs(); got == old {
		t.Error("the old key still signs")
	}
}

// Two servers on one database make one key for one time, and know each other's.
func TestKeysOfTwoServers(t *testing.T) {
	w := newWorld(t)
	other, err := issuer.New(issuer.Config{URL: self, Login: w.login, Store: w.store, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		w.clock.advance(10 * day)
		for _, i := range []*issuer.Issuer{other, w.issuer} {
			if err := i.RotateKeys(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(w.kids("ES256")); n > 2 {
			t.Errorf("%d keys", n)
		}
	}
	here := w.kids("ES256")
	w.mux = http.NewServeMux()
	other.Mount(w.mux)
	if there := w.kids("ES256"); !slices.Equal(here, there) {
		t.Errorf("published %q here, %q there", here, there)
	}
}

// Before the first keys are there, nothing is used up.
func TestNoKeysYet(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	code := w.code()
	young, err := issuer.New(issuer.Config{URL: self, Login: w.login, Store: w.store, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	w.mux = http.NewServeMux()
	young.Mount(w.mux)
	if a := w.post("/token", redeem(code), nil); a.status != http.StatusServiceUnavailable || a.json["error"] != "temporarily_unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s, retry after %q", a.status, a.body, a.header.Get("Retry-After"))
	}
	if err := young.RotateKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := w.post("/token", redeem(code), nil); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestMetadata(t *testing.T) {
	w := newWorld(t)
	a := w.get("/.well-known/openid-configuration")
	scopes := []any{"openid", "profile", "email", "offline_access", "s3:read", "s3:write", "proxies:read", "proxies:write", "tokens:read", "tokens:write", "projects:read", "projects:write"}
	all := []any{"none", "client_secret_basic", "client_secret_post"}
	want := map[string]any{
		"issuer": self, "authorization_endpoint": self + "/authorize", "token_endpoint": self + "/token", "jwks_uri": self + "/jwks",
		"userinfo_endpoint": self + "/userinfo", "device_authorization_endpoint": self + "/device_authorization",
		"revocation_endpoint": self + "/revoke", "introspection_endpoint": self + "/introspect",
		"scopes_supported": scopes, "response_types_supported": []any{"code"}, "response_modes_supported": []any{"query"},
		"grant_types_supported":   []any{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"},
		"subject_types_supported": []any{"public"}, "id_token_signing_alg_values_supported": []any{"RS256", "ES256"},
		"token_endpoint_auth_methods_supported": all, "revocation_endpoint_auth_methods_supported": all,
		"introspection_endpoint_auth_methods_supported": []any{"client_secret_basic", "client_secret_post"},
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
		{ID: "c", Algorithm: "none", RedirectURIs: []string{"https://x.example/"}}}})
	for _, text := range []string{"without a path", `"lanyard-cli" stands twice`, `client "a": redirect URI`, `client "b" has no redirect URI`, `algorithm "none"`} {
		if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v does not tell %s", err, text)
		}
	}
}
