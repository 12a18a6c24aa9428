package wlcg_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/wlcg"
)

func TestKeySetRoundTrip(t *testing.T) {
	set := keySet(keys()[wlcg.ES256], keys()[wlcg.RS256], keys()[wlcg.ES384], keys()[wlcg.ES512])
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	got, err := wlcg.ParseKeySet(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(got)
	if err != nil || string(again) != string(text) {
		t.Errorf("got  %s\nwant %s\n%v", again, text, err)
	}
	var theirs jose.JSONWebKeySet // another implementation reads the same
	if err := json.Unmarshal(text, &theirs); err != nil || len(theirs.Keys) != 4 {
		t.Fatal(theirs, err)
	}
	for i, k := range theirs.Keys {
		if !k.Valid() || k.KeyID != set.Keys[i].ID || k.Algorithm != set.Keys[i].Algorithm || k.Use != "sig" {
			t.Errorf("go-jose reads %+v", k)
		}
		if e, ok := k.Key.(interface{ Equal(any) bool }); ok && !e.Equal(set.Keys[i].Key) {
			t.Errorf("go-jose reads another key %s", k.KeyID)
		}
	}
	text, err = json.Marshal(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := wlcg.ParseKeySet(text); err != nil || len(got.Keys) != 4 {
		t.Errorf("what go-jose writes: %v %v", got, err)
	}
	if empty, err := json.Marshal(wlcg.KeySet{}); err != nil || string(empty) != `{"keys":[]}` {
		t.Errorf("%s %v", empty, err)
	}
}

func TestKeySetPassesOver(t *testing.T) {
	good, err := json.Marshal(keySet(keys()[wlcg.ES256]))
	if err != nil {
		t.Fatal(err)
	}
	ec := strings.TrimSuffix(strings.TrimPrefix(string(good), `{"keys":[{`), `}]}`)
	with := func(old, new string) string { return "{" + strings.Replace(ec, old, new, 1) + "}" }
	n := `"n":"` + strings.Repeat("_", 342) + `"`
	for name, key := range map[string]string{
		"for encryption":     with(`"use":"sig"`, `"use":"enc"`),
		"not to verify":      with(`"use":"sig"`, `"key_ops":["sign"]`),
		"another algorithm":  with(`"alg":"ES256"`, `"alg":"ECDH-ES"`),
		"another curve":      with(`"crv":"P-256"`, `"crv":"secp256k1"`),
		"a short x":          with(`"x":"`, `"x":"AAAA","z":"`),
		"another point":      with(`"x":"`, `"x":"`+strings.Repeat("A", 43)+`","z":"`),
		"without y":          with(`"y"`, `"z"`),
		"an id of a page":    with(`"kid":"`, `"kid":"`+strings.Repeat("k", 300)),
		"a number for an id": with(`"kid":"key-ES256"`, `"kid":7`),
		"symmetric":          `{"kty":"oct","kid":"s","k":"AAAA"}`,
		"Ed25519":            `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		"RSA of 1024 bits":   `{"kty":"RSA","n":"` + strings.Repeat("_", 171) + `","e":"AQAB"}`,
		"RSA of exponent 1":  `{"kty":"RSA",` + n + `,"e":"AQ"}`,
		"RSA with padding":   `{"kty":"RSA",` + n + `,"e":"AQAB="}`,
		"RSA of 64 kbit":     `{"kty":"RSA","n":"` + strings.Repeat("_", 11000) + `","e":"AQAB"}`,
		"a huge exponent":    `{"kty":"RSA",` + n + `,"e":"AQABAQABAQAB"}`,
		"an empty key":       `{}`,
		"no key":             `"key"`,
	} {
		set, err := wlcg.ParseKeySet([]byte(fmt.Sprintf(`{"keys":[%s,{%s}],"other":1}`, key, ec)))
		if err != nil || len(set.Keys) != 1 || set.Keys[0].ID != "key-ES256" {
			t.Errorf("%s: %v %v", name, set, err)
		}
	}
	noAlg, err := wlcg.ParseKeySet([]byte(`{"keys":[` + with(`"alg":"ES256",`, "") + `]}`))
	if err != nil || cmp.Diff([]string{"key-ES256", ""}, []string{noAlg.Keys[0].ID, noAlg.Keys[0].Algorithm}) != "" {
		t.Errorf("without alg: %v %v", noAlg, err)
	}
}

func TestKeySetRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":         ``,
		"a list":          `[]`,
		"no keys":         `{}`,
		"null":            `{"keys":null}`,
		"an object":       `{"keys":{}}`,
		"keys twice":      `{"keys":[],"keys":[]}`,
		"kid twice":       `{"keys":[{"kty":"RSA","kid":"a","kid":"b"}]}`,
		"101 keys":        `{"keys":[{}` + strings.Repeat(",{}", 100) + `]}`,
		"more than 1 MiB": `{"keys":[],"x":"` + strings.Repeat("x", 1<<20) + `"}`,
		"too deep":        `{"keys":[` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `]}`,
	} {
		if set, err := wlcg.ParseKeySet([]byte(text)); err == nil {
			t.Errorf("%s: %v", name, set)
		}
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []any{nil, "text", &p224.PublicKey, &ecdsa.PublicKey{}} {
		if text, err := json.Marshal(wlcg.KeySet{Keys: []wlcg.PublicKey{{ID: "k", Key: key}}}); err == nil {
			t.Errorf("%T is published: %s", key, text)
		}
	}
}
