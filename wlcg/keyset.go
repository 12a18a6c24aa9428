package wlcg

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/lanyardhq/lanyard/wlcg/strict"
)

// Key sets of strangers are not larger than this.
const (
	maxKeySet = 1 << 20 // bytes
	maxKeys   = 100
)

// A PublicKey verifies tokens.
type PublicKey struct {
	ID        string           // kid
	Algorithm string           // the only one to be used; empty: the one that fits the key
	Key       crypto.PublicKey // *ecdsa.PublicKey or *rsa.PublicKey
}

// A KeySet is the keys of one issuer, a JWK set (RFC 7517).
type KeySet struct {
	Keys []PublicKey
}

// Fixed is a source of keys for a Verifier that always yields these.
func (s KeySet) Fixed() func(context.Context, string) (KeySet, error) {
	return func(context.Context, string) (KeySet, error) { return s, nil }
}

// ParseKeySet reads a JWK set of at most 1 MiB and 100 keys. It passes over keys that no token can
// be verified with: for encryption, symmetric, of other types and curves, ill-formed, or too weak
// (RFC 7517, section 5).
func ParseKeySet(text []byte) (KeySet, error) {
	if len(text) > maxKeySet {
		return KeySet{}, fmt.Errorf("key set: more than %d bytes", maxKeySet)
	}
	set, err := strict.Object(text)
	if err != nil {
		return KeySet{}, fmt.Errorf("key set: %w", err)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(set["keys"], &list); err != nil || list == nil {
		return KeySet{}, errors.New("key set: the member keys is not a list")
	}
	if len(list) > maxKeys {
		return KeySet{}, fmt.Errorf("key set: more than %d keys", maxKeys)
	}
	s := KeySet{Keys: []PublicKey{}}
	for _, text := range list {
		if k, ok := parseKey(text); ok {
			s.Keys = append(s.Keys, k)
		}
	}
	return s, nil
}

// parseKey reads a key, and tells whether it is one for tokens. The names of members are those of
// RFC 7517 and RFC 7518, section 6.
func parseKey(text json.RawMessage) (PublicKey, bool) {
	m, err := strict.Object(text)
	if err != nil {
		return PublicKey{}, false
	}
	j := map[string]string{}
	for _, name := range []string{"kty", "kid", "alg", "use", "crv", "x", "y", "n", "e"} {
		if raw, ok := m[name]; ok {
			if j[name], ok = strict.Text(raw); !ok {
				return PublicKey{}, false
			}
		}
	}
	if raw, ok := m["key_ops"]; ok {
		var operations []string
		if json.Unmarshal(raw, &operations) != nil || !slices.Contains(operations, "verify") {
			return PublicKey{}, false
		}
	}
	key := publicKey(j)
	a := algorithmFor(key)
	if a == "" || j["alg"] != "" && j["alg"] != a || j["use"] != "" && j["use"] != "sig" || j["kid"] != "" && !validKeyID(j["kid"]) {
		return PublicKey{}, false
	}
	return PublicKey{ID: j["kid"], Algorithm: j["alg"], Key: key}, true
}

// publicKey makes the key, nil if it is none of ours.
func publicKey(j map[string]string) crypto.PublicKey {
	if j["kty"] == "RSA" {
		n, errN := decode(j["n"])
		e, errE := decode(j["e"])
		if errN != nil || errE != nil || len(n) > maxRSA/8 || len(e) > 4 {
			return nil
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	for _, a := range algorithms {
		if a.curve == nil || a.curve.Params().Name != j["crv"] || j["kty"] != "EC" {
			continue
		}
		x, errX := decode(j["x"])
		y, errY := decode(j["y"])
		if errX != nil || errY != nil || len(x) != a.half() || len(y) != a.half() {
			return nil
		}
		key, err := ecdsa.ParseUncompressedPublicKey(a.curve, slices.Concat([]byte{4}, x, y))
		if err != nil { // not a point of the curve
			return nil
		}
		return key
	}
	return nil
}

// MarshalJSON writes the set as RFC 7517 says, with use "sig". Keys that are not for one of this
// package's algorithms are an error.
func (s KeySet) MarshalJSON() ([]byte, error) {
	list := make([]map[string]string, 0, len(s.Keys))
	for _, k := range s.Keys {
		if algorithmFor(k.Key) == "" {
			return nil, fmt.Errorf("key %s: a %T that verifies no tokens", quote(k.ID), k.Key)
		}
		j := map[string]string{"kid": k.ID, "alg": k.Algorithm, "use": "sig"}
		maps.DeleteFunc(j, func(_, value string) bool { return value == "" })
		switch key := k.Key.(type) {
		case *rsa.PublicKey:
			j["kty"], j["n"], j["e"] = "RSA", encode(key.N.Bytes()), encode(big.NewInt(int64(key.E)).Bytes())
		case *ecdsa.PublicKey:
			point, err := key.Bytes()
			if err != nil {
				return nil, fmt.Errorf("key %s: %w", k.ID, err)
			}
			half := len(point) / 2 // behind the 4 that says "uncompressed"
			j["kty"], j["crv"], j["x"], j["y"] = "EC", key.Curve.Params().Name, encode(point[1:1+half]), encode(point[1+half:])
		}
		list = append(list, j)
	}
	return json.Marshal(map[string]any{"keys": list})
}

// find returns the key that a token names, and its algorithm.
func (s KeySet) find(h Header) (crypto.PublicKey, algorithm, error) {
	a := algorithms[h.Algorithm]
	var found *PublicKey
	for i, k := range s.Keys {
		if k.ID != h.KeyID {
			continue
		}
		if found != nil {
			return nil, a, refuse(BadKey, "the issuer publishes two keys with the id %s", quote(h.KeyID))
		}
		found = &s.Keys[i]
	}
	if found == nil {
		return nil, a, refuse(BadKey, "the issuer publishes no key with the id %s", quote(h.KeyID))
	}
	if found.Algorithm != "" && found.Algorithm != h.Algorithm {
		return nil, a, refuse(BadAlgorithm, "the key %s is for %s, not for %s", quote(h.KeyID), found.Algorithm, h.Algorithm)
	}
	if err := a.fits(found.Key); err != nil {
		return nil, a, refuse(BadKey, "the key %s is not for %s: %v", quote(h.KeyID), h.Algorithm, err)
	}
	return found.Key, a, nil
}

// base64url is that of RFC 7515, section 2: one text for one value, so neither padding nor stray bits.
var base64url = base64.RawURLEncoding.Strict()

func encode(b []byte) string { return base64url.EncodeToString(b) }

// decode reads base64url without the line breaks that the library's decoder passes over.
func decode(text string) ([]byte, error) {
	for i := range len(text) {
		if text[i] == '\r' || text[i] == '\n' {
			return nil, errors.New("a line break in base64")
		}
	}
	return base64url.DecodeString(text)
}
