package wlcg_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/wlcg"
)

const (
	issuer   = "https://issuer.example.org"
	audience = "https://storage.example.org:1094"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// keys are one of each algorithm, made once.
var keys = sync.OnceValue(func() map[string]wlcg.Key {
	all := map[string]wlcg.Key{}
	for alg, curve := range map[string]elliptic.Curve{wlcg.ES256: elliptic.P256(), wlcg.ES384: elliptic.P384(), wlcg.ES512: elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			panic(err)
		}
		all[alg] = wlcg.Key{ID: "key-" + alg, Algorithm: alg, Signer: k}
	}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	all[wlcg.RS256] = wlcg.Key{ID: "key-RS256", Algorithm: wlcg.RS256, Signer: k}
	return all
})

// keySet publishes keys.
func keySet(list ...wlcg.Key) wlcg.KeySet {
	var s wlcg.KeySet
	for _, k := range list {
		s.Keys = append(s.Keys, k.Public())
	}
	return s
}

// claims are those of a good token.
func claims() wlcg.Claims {
	return wlcg.Claims{Issuer: issuer, Subject: "usr_alice", ID: "1", Audience: []string{audience}, IssuedAt: now,
		ExpiresAt: now.Add(time.Hour), Scope: []string{"storage.read:/data"}, ClientID: "cli"}
}

// verifier accepts the tokens of the keys.
func verifier(list ...wlcg.Key) wlcg.Verifier {
	return wlcg.Verifier{Issuer: issuer, Audiences: []string{audience}, Keys: keySet(list...).Fixed(), Now: clock}
}

func mint(t testing.TB, c wlcg.Claims, k wlcg.Key, p wlcg.Profile) string {
	t.Helper()
	token, err := c.Mint(k, p)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// craft signs any header and payload with ES256 or RS256, without a look at them.
func craft(t testing.TB, k wlcg.Key, header, payload string) string {
	t.Helper()
	input := b64(header) + "." + b64(payload)
	return input + "." + base64.RawURLEncoding.EncodeToString(rawSignature(t, k, input))
}

func rawSignature(t testing.TB, k wlcg.Key, input string) []byte {
	t.Helper()
	digest := sha256.Sum256([]byte(input))
	switch key := k.Signer.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case *rsa.PrivateKey:
		sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	t.Fatalf("craft with a %T", k.Signer)
	return nil
}

// head is the header of a key's tokens, with more members.
func head(k wlcg.Key, more ...string) string {
	return fmt.Sprintf(`{"alg":%q,"kid":%q%s}`, k.Algorithm, k.ID, strings.Join(append([]string{""}, more...), ","))
}

// body is a good payload; each change is name and JSON value, and no value takes the claim away.
func body(changes ...string) string {
	order := []string{"iss", "sub", "jti", "aud", "iat", "nbf", "exp", "scope", "wlcg.ver"}
	m := map[string]string{"iss": `"` + issuer + `"`, "sub": `"usr_alice"`, "jti": `"1"`, "aud": `"` + audience + `"`,
		"iat": fmt.Sprint(now.Unix()), "nbf": fmt.Sprint(now.Unix() - 60), "exp": fmt.Sprint(now.Unix() + 3600),
		"scope": `"storage.read:/data"`, "wlcg.ver": `"1.0"`}
	for i := 0; i < len(changes); i += 2 {
		if _, ok := m[changes[i]]; !ok {
			order = append(order, changes[i])
		}
		m[changes[i]] = changes[i+1]
	}
	var members []string
	for _, name := range order {
		if m[name] != "" {
			members = append(members, fmt.Sprintf("%q:%s", name, m[name]))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// noKeys is a source of keys that must not be asked.
func noKeys(t testing.TB) func(context.Context, string) (wlcg.KeySet, error) {
	return func(context.Context, string) (wlcg.KeySet, error) {
		t.Error("keys were asked for")
		return wlcg.KeySet{}, nil
	}
}
