package issuer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/signing"
	"github.com/lanyardhq/lanyard/wlcg"
)

// active asks as the hub whether a token is in force.
func (w *world) active(token any) answer {
	w.t.Helper()
	text, _ := token.(string)
	return w.post("/introspect", url.Values{"token": {text}}, basic("hub", hubKey))
}

func TestIntrospectionOfSignedTokens(t *testing.T) {
	w := member(t)
	token := w.tokens("scope", "storage.read:/climate", "resource", store1)["access_token"]
	a := w.active(token)
	for name, want := range map[string]any{"active": true, "scope": "storage.read:/climate", "client_id": "lanyard-cli", "token_type": "Bearer",
		"sub": w.by.AccountID, "iss": self, "exp": float64(noon.Add(time.Hour).Unix()), "iat": float64(noon.Unix()), "auth_time": float64(noon.Unix())} {
		if a.json[name] != want {
			t.Errorf("%s is %v, want %v", name, a.json[name], want)
		}
	}
	if aud, _ := a.json["aud"].([]any); len(aud) != 1 || aud[0] != store1 || a.json["jti"] == nil {
		t.Errorf("%s", a.body)
	}
	w.clock.Move(time.Hour)
	if a := w.active(token); a.body != "{\"active\":false}\n" {
		t.Errorf("an hour later: %s", a.body)
	}
}

// Revoking a signed token denies it and no other.
func TestRevocationOfSignedTokens(t *testing.T) {
	w := member(t)
	whole := w.tokens("scope", "offline_access storage.read:/climate", "resource", store1)
	part := w.swap("lanyard-cli", exchange(whole["access_token"], "scope", "storage.read:/climate/a")).json["access_token"].(string)
	if a := w.post("/revoke", url.Values{"token": {part}}, basic("hub", hubKey)); a.status != http.StatusOK || w.active(part).json["active"] != true {
		t.Errorf("another client revoked it: %d %s", a.status, a.body)
	}
	for range 2 {
		if a := w.post("/revoke", url.Values{"token": {part}, "client_id": {"lanyard-cli"}}, nil); a.status != http.StatusOK || a.body != "" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if a := w.active(part); a.json["active"] != false {
		t.Errorf("still in force: %s", a.body)
	}
	if a := w.swap("lanyard-cli", exchange(part)); a.json["error"] != "invalid_request" {
		t.Errorf("exchanged: %d %s", a.status, a.body)
	}
	if a := w.active(whole["access_token"]); a.json["active"] != true {
		t.Errorf("the one that it came of: %s", a.body)
	}
	if records, err := w.store.Audit(t.Context(), audit.Filter{Actor: w.by.AccountID}); err != nil || records[0].Action != "token.deny" {
		t.Errorf("audit trail %+v, error %v", records, err)
	}
}

// Whatever ends a session, or stops a person, takes back what was signed for it, exchanged tokens
// too.
func TestEndsTakeTokensBack(t *testing.T) {
	record := func(action, subject string) audit.Change {
		return audit.Change{Record: audit.By(identity.System(), noon, action, subject, "")}
	}
	for name, end := range map[string]func(t *testing.T, w *world, tokens map[string]any){
		"the refresh token is revoked": func(t *testing.T, w *world, tokens map[string]any) {
			w.post("/revoke", url.Values{"token": {tokens["refresh_token"].(string)}, "client_id": {"lanyard-cli"}}, nil)
		},
		"a refresh token is used twice": func(t *testing.T, w *world, tokens map[string]any) {
			w.post("/token", refresh(tokens["refresh_token"]), nil)
			w.clock.Move(time.Minute)
			w.post("/token", refresh(tokens["refresh_token"]), nil)
		},
		"its owner ends the session": func(t *testing.T, w *world, tokens map[string]any) {
			id := w.claims(tokens["access_token"], store1)["sid"].(string)
			if err := w.login.EndSession(t.Context(), w.by, id); err != nil {
				t.Fatal(err)
			}
		},
		"the account is stopped": func(t *testing.T, w *world, _ map[string]any) {
			a, err := w.store.Account(t.Context(), w.by.AccountID)
			if err != nil {
				t.Fatal(err)
			}
			a.FrozenAt, a.FreezeReason = w.clock.Now(), "stolen laptop"
			if err := w.store.SaveAccount(t.Context(), a, record("account.freeze", a.ID)); err != nil {
				t.Fatal(err)
			}
		},
		"the identity provider is stopped": func(t *testing.T, w *world, _ map[string]any) {
			if _, err := w.store.EndSessions(t.Context(), "", "local", noon, record("provider.freeze", "local")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := member(t)
			tokens := w.tokens("scope", "offline_access storage.read:/climate", "resource", store1)
			part := w.swap("lanyard-cli", exchange(tokens["access_token"])).json["access_token"]
			if w.active(part).json["active"] != true {
				t.Fatal("not in force at first")
			}
			end(t, w, tokens)
			for _, token := range []any{tokens["access_token"], part} {
				if a := w.active(token); a.body != "{\"active\":false}\n" {
					t.Errorf("%s", a.body)
				}
			}
		})
	}
}

// forgeries are tokens that nobody may take, made from a good one.
func (w *world) forgeries(good string) map[string]string {
	w.t.Helper()
	key, err := w.keys.Signer(signing.ES256, w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	b64 := base64.RawURLEncoding
	text, err := b64.DecodeString(parts[1])
	if err != nil {
		w.t.Fatal(err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(text, &claims); err != nil {
		w.t.Fatal(err)
	}
	signed := func(header string, payload string, sign func([]byte) []byte) string {
		input := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(payload))
		return input + "." + b64.EncodeToString(sign([]byte(input)))
	}
	ours := func(pairs ...any) string { // signed with our own key
		c := maps.Clone(claims)
		for i := 0; i < len(pairs); i += 2 {
			if c[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
				delete(c, pairs[i].(string))
			}
		}
		s, err := wlcg.Sign(key, wlcg.TypeAccess, c)
		if err != nil {
			w.t.Fatal(err)
		}
		return s
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	theirs, err := wlcg.Sign(wlcg.Key{ID: key.ID, Algorithm: "ES256", Signer: other}, wlcg.TypeAccess, claims)
	if err != nil {
		w.t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Signer.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	mac := func(secret []byte) func([]byte) []byte {
		return func(input []byte) []byte {
			h := hmac.New(sha256.New, secret)
			h.Write(input)
			return h.Sum(nil)
		}
	}
	der := func(input []byte) []byte {
		sum := sha256.Sum256(input)
		s, err := key.Signer.Sign(rand.Reader, sum[:], nil)
		if err != nil {
			w.t.Fatal(err)
		}
		return s
	}
	raw := func(input []byte) []byte {
		var v struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(der(input), &v); err != nil {
			w.t.Fatal(err)
		}
		return append(v.R.FillBytes(make([]byte, 32)), v.S.FillBytes(make([]byte, 32))...)
	}
	nothing := func([]byte) []byte { return nil }
	head := func(more string) string { return `{"alg":"ES256","typ":"at+jwt","kid":"` + key.ID + `"` + more + `}` }
	payload := string(text)
	return map[string]string{
		"alg none":                   signed(`{"alg":"none","typ":"at+jwt","kid":"`+key.ID+`"}`, payload, nothing),
		"alg None":                   signed(`{"alg":"None","kid":"`+key.ID+`"}`, payload, nothing),
		"HS256 with the public key":  signed(`{"alg":"HS256","kid":"`+key.ID+`"}`, payload, mac(public)),
		"HS256 with the PEM of it":   signed(`{"alg":"HS256","kid":"`+key.ID+`"}`, payload, mac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))),
		"HS256 with nothing":         signed(`{"alg":"HS256","kid":"`+key.ID+`"}`, payload, mac(nil)),
		"RS256 for an EC key":        signed(`{"alg":"RS256","kid":"`+key.ID+`"}`, payload, raw),
		"an empty signature":         signed(head(""), payload, nothing),
		"a signature of zeros":       signed(head(""), payload, func([]byte) []byte { return make([]byte, 64) }),
		"a signature in DER":         signed(head(""), payload, der),
		"another key, the same kid":  theirs,
		"a key of its own inside":    signed(`{"alg":"ES256","kid":"x","jwk":{"kty":"EC"}}`, payload, raw),
		"kid as a path":              signed(`{"alg":"ES256","kid":"../../../../dev/null"}`, payload, raw),
		"kid as SQL":                 signed(`{"alg":"ES256","kid":"' OR 1=1 --"}`, payload, raw),
		"kid of 10 kB":               signed(`{"alg":"ES256","kid":"`+strings.Repeat("k", 10<<10)+`"}`, payload, raw),
		"no kid":                     signed(`{"alg":"ES256"}`, payload, raw),
		"crit":                       signed(head(`,"crit":["x"],"x":1`), payload, raw),
		"b64 false":                  signed(head(`,"crit":["b64"],"b64":false`), payload, raw),
		"alg twice":                  signed(`{"alg":"none",`+head("")[1:], payload, raw),
		"a claim twice":              signed(head(""), `{"sub":"usr_other",`+payload[1:], raw),
		"sub twice, ours last":       signed(head(""), payload[:len(payload)-1]+`,"sub":"usr_other"}`, raw),
		"a payload that was changed": parts[0] + "." + b64.EncodeToString([]byte(strings.Replace(payload, "/climate", "/physics", 1))) + "." + parts[2],
		"padding":                    good + "=",
		"white space":                " " + good,
		"a line more":                good + "\n",
		"a part more":                good + ".",
		"a part less":                parts[0] + "." + parts[1],
		"three dots":                 "...",
		"JSON serialisation":         `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`,
		"a megabyte":                 strings.Repeat("A", 60<<10) + "." + parts[1] + "." + parts[2],
		"deep":                       signed(head(""), strings.Repeat(`{"a":`, 7_000)+"1"+strings.Repeat("}", 7_000), raw),
		"another issuer":             ours("iss", "https://evil.example"),
		"our name with a slash":      ours("iss", self+"/"),
		"our name in capitals":       ours("iss", strings.ToUpper(self)),
		"expired":                    ours("exp", noon.Add(-time.Second).Unix()),
		"no end":                     ours("exp", nil),
		"end as text":                ours("exp", "4102444800"),
		"end below zero":             ours("exp", -1),
		"end beyond numbers":         signed(head(""), strings.Replace(payload, `"exp":`, `"exp":1e400,"x":`, 1), raw),
		"issued in the future":       ours("iat", noon.Add(time.Hour).Unix()),
		"not yet":                    ours("nbf", noon.Add(time.Hour).Unix()),
		"aud as an object":           ours("aud", map[string]any{"a": store1}),
		"aud as a number":            ours("aud", 7),
		"scope as a list":            ours("scope", []string{"storage.read:/"}),
		"no subject":                 ours("sub", nil),
		"NUL in the subject":         ours("sub", w.by.AccountID+"\x00"),
		"a line in the subject":      ours("sub", w.by.AccountID+"\n"),
		"no id":                      ours("jti", nil),
		"an ID token's claims":       ours("wlcg.ver", nil, "sid", nil, "scope", nil, "nonce", "n", "client_id", nil),
		"a logout token":             ours("events", map[string]any{"x": 1}, "scope", nil),
		"no session":                 ours("sid", nil),
		"session as a number":        ours("sid", 7),
		"both profiles":              ours("ver", "scitoken:2.0"),
		"a version of tomorrow":      ours("wlcg.ver", "2.0"),
	}
}

// No place that reads a token takes one of them, or falls over it.
func TestCorpus(t *testing.T) {
	w := member(t)
	good := w.tokens("scope", "openid storage.read:/climate", "resource", store1)
	id := w.tokens("scope", "openid")
	token := good["access_token"].(string)
	all := w.forgeries(token)
	all["an ID token"] = id["id_token"].(string)
	if w.active(token).json["active"] != true {
		t.Fatal("the good one is refused")
	}
	for name, bad := range all {
		t.Run(name, func(t *testing.T) {
			if a := w.active(bad); a.status != http.StatusOK || a.body != "{\"active\":false}\n" {
				t.Errorf("introspection: %d %s", a.status, a.body)
			}
			if a := w.swap("lanyard-cli", exchange(bad)); a.status != http.StatusBadRequest || a.json["error"] != "invalid_request" {
				t.Errorf("exchange: %d %s", a.status, a.body)
			}
			if a := w.swap("lanyard-cli", exchange(token, "actor_token", bad, "actor_token_type", accessType)); a.status != http.StatusBadRequest || a.json["error"] != "invalid_request" {
				t.Errorf("as the actor: %d %s", a.status, a.body)
			}
			if a := w.post("/userinfo", url.Values{"access_token": {bad}}, nil); a.status != http.StatusUnauthorized {
				t.Errorf("userinfo: %d %s", a.status, a.body)
			}
			if a := w.post("/revoke", url.Values{"token": {bad}, "client_id": {"lanyard-cli"}}, nil); a.status != http.StatusOK {
				t.Errorf("revocation: %d %s", a.status, a.body)
			}
			if a := w.post("/token", refresh(bad), nil); a.json["error"] != "invalid_grant" {
				t.Errorf("refresh: %d %s", a.status, a.body)
			}
			if w.works(bad) {
				t.Error("our API takes it")
			}
		})
	}
	if w.active(token).json["active"] != true {
		t.Error("a forgery that was revoked took the good one with it")
	}
	// A token for storage is none for us.
	if a := w.post("/userinfo", url.Values{"access_token": {token}}, nil); a.status != http.StatusUnauthorized || w.works(token) {
		t.Errorf("userinfo: %d %s", a.status, a.body)
	}
}
