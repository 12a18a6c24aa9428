package issuer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lanyardhq/lanyard/wlcg"
)

// platformKey is the key of a client that proves itself by what it signs.
var platformKey = newKey()

func newKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func platformKeys() wlcg.KeySet {
	return wlcg.KeySet{Keys: []wlcg.PublicKey{{ID: "k1", Algorithm: "ES256", Key: platformKey.Public()}}}
}

// assertion is what another program signs for us; pairs change its claims, nil removes one.
func (w *world) assertion(key any, pairs ...any) string {
	w.t.Helper()
	now := w.clock.Now()
	claims := map[string]any{"iss": "platform", "sub": "platform", "aud": self + "/token", "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	for i := 0; i < len(pairs); i += 2 {
		if claims[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(claims, pairs[i].(string))
		}
	}
	algorithm := jose.ES256
	if _, ok := key.([]byte); ok {
		algorithm = jose.HS256
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		w.t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := signed.CompactSerialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func asserting(assertion string, pairs ...string) url.Values {
	return with(url.Values{"token": {"x"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}, pairs...)
}

func TestClientsThatSign(t *testing.T) {
	w := newWorld(t)
	for name, form := range map[string]url.Values{
		"for the token endpoint":     asserting(w.assertion(platformKey)),
		"for the issuer":             asserting(w.assertion(platformKey, "aud", []string{"x", self})),
		"with its name":              asserting(w.assertion(platformKey), "client_id", "platform"),
		"five minutes":               asserting(w.assertion(platformKey, "exp", noon.Add(5*time.Minute).Unix())),
		"a clock that is early":      asserting(w.assertion(platformKey, "iat", noon.Add(30*time.Second).Unix())),
		"without a time of its own":  asserting(w.assertion(platformKey, "iat", nil)),
		"a time before which it not": asserting(w.assertion(platformKey, "nbf", noon.Unix())),
	} {
		if a := w.post("/introspect", form, nil); a.status != http.StatusOK || a.body != "{\"active\":false}\n" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	once := asserting(w.assertion(platformKey))
	for i, want := range []int{http.StatusOK, http.StatusUnauthorized, http.StatusUnauthorized} {
		if a := w.post("/introspect", once, nil); a.status != want {
			t.Errorf("use %d of one assertion: %d %s", i+1, a.status, a.body)
		}
	}
	for name, form := range map[string]url.Values{
		"another key":             asserting(w.assertion(newKey())),
		"a secret":                asserting(w.assertion([]byte("01234567890123456789012345678901"))),
		"another client's name":   asserting(w.assertion(platformKey), "client_id", "hub"),
		"another subject":         asserting(w.assertion(platformKey, "sub", "hub")),
		"another issuer":          asserting(w.assertion(platformKey, "iss", "hub")),
		"a client without keys":   asserting(w.assertion(platformKey, "iss", "app", "sub", "app")),
		"an unknown client":       asserting(w.assertion(platformKey, "iss", "evil", "sub", "evil")),
		"for another server":      asserting(w.assertion(platformKey, "aud", "https://evil.example/token")),
		"for nobody":              asserting(w.assertion(platformKey, "aud", nil)),
		"ended":                   asserting(w.assertion(platformKey, "exp", noon.Unix())),
		"without an end":          asserting(w.assertion(platformKey, "exp", nil)),
		"for hours":               asserting(w.assertion(platformKey, "exp", noon.Add(time.Hour).Unix())),
		"from the future":         asserting(w.assertion(platformKey, "iat", noon.Add(2*time.Minute).Unix(), "exp", noon.Add(3*time.Minute).Unix())),
		"not yet":                 asserting(w.assertion(platformKey, "nbf", noon.Add(2*time.Minute).Unix())),
		"without an id":           asserting(w.assertion(platformKey, "jti", nil)),
		"unsigned":                asserting("eyJhbGciOiJub25lIn0.eyJpc3MiOiJwbGF0Zm9ybSIsInN1YiI6InBsYXRmb3JtIn0."),
		"nothing":                 asserting("x"),
		"its name and no proof":   {"token": {"x"}, "client_id": {"platform"}, "client_secret": {"platform"}},
		"its name and no secret":  {"token": {"x"}, "client_id": {"platform"}},
		"an empty secret, to say": {"token": {"x"}, "client_id": {"platform"}, "client_secret": {""}},
	} {
		for _, path := range []string{"/introspect", "/revoke"} {
			if a := w.post(path, form, nil); a.status != http.StatusUnauthorized || a.json["error"] != "invalid_client" {
				t.Errorf("%s at %s: %d %s", name, path, a.status, a.body)
			}
		}
	}
	two := asserting(w.assertion(platformKey), "client_id", "platform", "client_secret", "x")
	if a := w.post("/introspect", two, nil); a.status != http.StatusBadRequest || a.json["error"] != "invalid_request" {
		t.Errorf("two proofs: %d %s", a.status, a.body)
	}
}
