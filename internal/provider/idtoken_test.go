package provider_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/provider"
)

func TestIDTokens(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(alg jose.SignatureAlgorithm, key any, payload []byte) string {
		t.Helper()
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := s.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		text, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	es256 := func(payload []byte) string { return sign(jose.ES256, key, payload) }
	set := func(name string, value any) func(map[string]any) { return func(c map[string]any) { c[name] = value } }
	for name, tc := range map[string]struct {
		claims func(map[string]any)
		sign   func([]byte) string
		good   bool
	}{
		"good":                 {func(map[string]any) {}, es256, true},
		"good for two":         {func(c map[string]any) { c["aud"], c["azp"] = []string{"us", "them"}, "us" }, es256, true},
		"another nonce":        {set("nonce", "x"), es256, false},
		"no nonce":             {set("nonce", nil), es256, false},
		"another audience":     {set("aud", "them"), es256, false},
		"two, nobody named":    {set("aud", []string{"us", "them"}), es256, false},
		"made for another":     {set("azp", "them"), es256, false},
		"another issuer":       {set("iss", "https://evil.example.org"), es256, false},
		"expired":              {set("exp", 1), es256, false},
		"old":                  {set("iat", time.Date(2026, 11, 21, 11, 49, 0, 0, time.UTC).Unix()), es256, false},
		"from the future":      {set("iat", time.Date(2026, 11, 21, 12, 2, 0, 0, time.UTC).Unix()), es256, false},
		"no subject":           {set("sub", ""), es256, false},
		"subject with newline": {set("sub", "a\nb"), es256, false},
		"another access token": {set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), es256, false},
		"another key":          {func(map[string]any) {}, func(p []byte) string { return sign(jose.ES256, foreign, p) }, false},
		"shared secret":        {func(map[string]any) {}, func(p []byte) string { return sign(jose.HS256, []byte("secret-of-us-and-more-to-be-long"), p) }, false},
		"not signed": {func(map[string]any) {}, func(p []byte) string {
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(p) + "."
		}, false},
		"no token at all": {func(map[string]any) {}, func([]byte) string { return "x" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
			if err != nil {
				t.Fatal(err)
			}
			f.says("/jwks", 200, string(keys))
			c := f.client(t, f.config())
			a, err := c.Begin(t.Context(), grant.Wish{}, provider.Hint{})
			if err != nil {
				t.Fatal(err)
			}
			claims := map[string]any{"iss": f.URL, "aud": "us", "sub": "anna", "nonce": query(t, a.URL).Get("nonce"),
				"iat": f.clock.Now().Unix(), "exp": f.clock.Now().Add(time.Hour).Unix()}
			tc.claims(claims)
			payload, err := json.Marshal(claims)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := json.Marshal(map[string]string{"access_token": "at", "refresh_token": "rt", "id_token": tc.sign(payload)})
			if err != nil {
				t.Fatal(err)
			}
			f.says("/token", 200, string(answer))
			got, err := c.Finish(t.Context(), a.Data, url.Values{"code": {"x"}})
			if tc.good && (err != nil || got.Subject != "anna") || !tc.good && fault.CodeOf(err) != fault.Denied {
				t.Errorf("got %+v, %v", got, err)
			}
			if n := f.count("/revoke"); (n == 0) != tc.good || n > 1 { // what is not kept is given back
				t.Errorf("%d revocations", n)
			}
			if n := f.count("/jwks"); n > 1 {
				t.Errorf("keys were fetched %d times", n)
			}
		})
	}
}

func TestApprovalsThatTakeTooLong(t *testing.T) {
	f := newFake(t)
	c := f.client(t, f.config())
	a, err := c.Begin(t.Context(), grant.Wish{}, provider.Hint{})
	if err != nil {
		t.Fatal(err)
	}
	f.says("/token", 200, `{"access_token":"at","refresh_token":"rt"}`)
	f.clock.Move(a.ExpiresAt.Sub(f.clock.Now()) - time.Second)
	if got, err := c.Finish(t.Context(), a.Data, url.Values{"code": {"x"}}); err != nil || got.Subject != "" {
		t.Errorf("in time: %+v, %v", got, err)
	}
	f.clock.Move(time.Second)
	if _, err := c.Finish(t.Context(), a.Data, url.Values{"code": {"x"}}); fault.CodeOf(err) != fault.Denied {
		t.Errorf("too late: %v", err)
	}
	if _, err := c.Finish(t.Context(), []byte("{"), nil); err == nil {
		t.Error("data of nothing were read")
	}
	if _, err := c.Poll(t.Context(), a.Data); err == nil {
		t.Error("it was polled")
	}
}
