package wlcg_test

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/wlcg"
)

// TestCorpusIsRefused holds the verifier against tokens that other verifiers were fooled by, or that
// readers understand in different ways. Each is refused for its own reason.
func TestCorpusIsRefused(t *testing.T) {
	ec, rs := keys()[wlcg.ES256], keys()[wlcg.RS256]
	other, err := ecdsa.GenerateKey(ec.Signer.Public().(*ecdsa.PublicKey).Curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	stranger := wlcg.Key{ID: ec.ID, Algorithm: wlcg.ES256, Signer: other}
	good := craft(t, ec, head(ec), body())
	h, p, s := cutToken(good)
	signed := func(payload string) string { return craft(t, ec, head(ec), payload) }
	headed := func(header string) string { return craft(t, ec, header, body()) }
	der, err := x509.MarshalPKIXPublicKey(rs.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	jwks, err := json.Marshal(keySet(stranger))
	if err != nil {
		t.Fatal(err)
	}
	jwkOfStranger := strings.TrimSuffix(strings.TrimPrefix(string(jwks), `{"keys":[`), `]}`)
	raw := func(sig []byte) string { return h + "." + p + "." + base64.RawURLEncoding.EncodeToString(sig) }
	asn1, err := ecdsa.SignASN1(rand.Reader, ec.Signer.(*ecdsa.PrivateKey), digestOf(h+"."+p))
	if err != nil {
		t.Fatal(err)
	}
	zeroR, zeroS := rawSignature(t, ec, h+"."+p), rawSignature(t, ec, h+"."+p)
	clear(zeroR[:32])
	clear(zeroS[32:])
	order := ec.Signer.Public().(*ecdsa.PublicKey).Params().N
	malleable := rawSignature(t, ec, h+"."+p)
	overflow := new(big.Int).Add(new(big.Int).SetBytes(malleable[:32]), order)

	tests := []struct {
		name, token string
		reason      wlcg.Reason
		detail      string
	}{
		// Algorithms.
		{"alg none", b64(`{"alg":"none"}`) + "." + p + ".", wlcg.BadAlgorithm, `"none"`},
		{"alg None", b64(`{"alg":"None","kid":"k"}`) + "." + p + ".", wlcg.BadAlgorithm, `"None"`},
		{"alg nOnE with the signature", b64(`{"alg":"nOnE","kid":"k"}`) + "." + p + "." + s, wlcg.BadAlgorithm, `"nOnE"`},
		{"alg empty", headed(`{"alg":"","kid":"` + ec.ID + `"}`), wlcg.BadAlgorithm, `""`},
		{"alg missing", headed(`{"kid":"` + ec.ID + `"}`), wlcg.BadAlgorithm, `""`},
		{"alg in lower case", headed(`{"alg":"es256","kid":"` + ec.ID + `"}`), wlcg.BadAlgorithm, `"es256"`},
		{"alg is a list", headed(`{"alg":["ES256"],"kid":"` + ec.ID + `"}`), wlcg.Malformed, "alg"},
		{"alg is null", headed(`{"alg":null,"kid":"` + ec.ID + `"}`), wlcg.Malformed, "alg"},
		{"no signature", h + "." + p + ".", wlcg.BadSignature, "0 bytes"},
		{"HS256 with the RSA key's PEM as secret", hs256(rs.ID, publicPEM), wlcg.BadAlgorithm, `"HS256"`},
		{"HS256 with the RSA key's DER as secret", hs256(rs.ID, der), wlcg.BadAlgorithm, `"HS256"`},
		{"HS256 with the key set as secret", hs256(ec.ID, jwks), wlcg.BadAlgorithm, `"HS256"`},
		{"RS256 of an EC key", craft(t, rs, fmt.Sprintf(`{"alg":"RS256","kid":%q}`, ec.ID), body()), wlcg.BadAlgorithm, "is for ES256"},
		{"ES256 of an RSA key", craft(t, ec, fmt.Sprintf(`{"alg":"ES256","kid":%q}`, rs.ID), body()), wlcg.BadAlgorithm, "is for RS256"},
		{"ES384, which is for mytokens", mint(t, claims(), keys()[wlcg.ES384], wlcg.WLCG), wlcg.BadAlgorithm, `"ES384"`},
		{"PS256", headed(`{"alg":"PS256","kid":"` + ec.ID + `"}`), wlcg.BadAlgorithm, `"PS256"`},

		// Keys.
		{"kid missing with several keys", headed(`{"alg":"ES256"}`), wlcg.BadKey, "names no key"},
		{"kid empty", headed(`{"alg":"ES256","kid":""}`), wlcg.BadKey, "names no key"},
		{"kid unknown", headed(`{"alg":"ES256","kid":"nobody"}`), wlcg.BadKey, `no key with the id "nobody"`},
		{"kid is a path", headed(`{"alg":"ES256","kid":"../../../dev/null"}`), wlcg.BadKey, "no key with the id"},
		{"kid is SQL", headed(`{"alg":"ES256","kid":"x' UNION SELECT 'key"}`), wlcg.BadKey, "not printable"},
		{"kid of 10 kB", headed(`{"alg":"ES256","kid":"` + strings.Repeat("k", 10000) + `"}`), wlcg.BadKey, "too long"},
		{"kid with NUL", headed(`{"alg":"ES256","kid":"k\u0000"}`), wlcg.BadKey, "not printable"},
		{"kid is a number", headed(`{"alg":"ES256","kid":1}`), wlcg.Malformed, "kid"},
		{"wrong key of the same kid", craft(t, stranger, head(ec), body()), wlcg.BadSignature, "does not verify"},
		{"its own key in jwk", craft(t, stranger, head(ec, `"jwk":`+jwkOfStranger), body()), wlcg.BadSignature, "does not verify"},
		{"its own key at jku", craft(t, stranger, `{"alg":"ES256","kid":"new","jku":"https://evil.example/keys"}`, body()), wlcg.BadKey, "no key"},
		{"its own key at x5u", craft(t, stranger, `{"alg":"ES256","x5u":"https://evil.example/c.pem"}`, body()), wlcg.BadKey, "names no key"},
		{"its own key in x5c", craft(t, stranger, `{"alg":"ES256","x5c":["MIIB"]}`, body()), wlcg.BadKey, "names no key"},

		// The form.
		{"nothing", "", wlcg.Malformed, "1 parts"},
		{"opaque", "lyt_abcdefgh", wlcg.Malformed, "1 parts"},
		{"only dots", "..", wlcg.Malformed, "header"},
		{"four parts", good + ".x", wlcg.Malformed, "4 parts"},
		{"JWE", b64(`{"alg":"RSA-OAEP","enc":"A256GCM"}`) + ".a.b.c.d", wlcg.Malformed, "JWE"},
		{"enc in a JWS", headed(head(ec, `"enc":"A256GCM"`)), wlcg.Malformed, "enc"},
		{"zip", headed(head(ec, `"zip":"DEF"`)), wlcg.Malformed, "zip"},
		{"crit of something unknown", headed(head(ec, `"crit":["exp"],"exp":1`)), wlcg.Malformed, "crit"},
		{"crit that is empty", headed(head(ec, `"crit":[]`)), wlcg.Malformed, "crit"},
		{"b64 false", headed(head(ec, `"b64":false`)), wlcg.Malformed, "b64"},
		{"b64 false, critical", headed(head(ec, `"b64":false,"crit":["b64"]`)), wlcg.Malformed, "crit"},
		{"JSON serialisation", `{"payload":"` + p + `","signatures":[{"protected":"` + h + `","signature":"` + s + `"}]}`, wlcg.Malformed, "JSON form"},
		{"flattened JSON serialisation", `{"payload":"` + p + `","protected":"` + h + `","signature":"` + s + `"}`, wlcg.Malformed, "JSON form"},
		{"detached payload", h + ".." + s, wlcg.Malformed, "payload is missing"},
		{"padding", h + "." + p + "." + s + "==", wlcg.Malformed, "signature is not base64url"},
		{"a line break at the end", good + "\n", wlcg.Malformed, "signature is not base64url"},
		{"a line break in the payload", h + "." + p[:8] + "\n" + p[8:] + "." + s, wlcg.Malformed, "payload is not base64url"},
		{"a blank before it", " " + good, wlcg.Malformed, "header is not base64url"},
		{"standard alphabet", h + "." + p + "." + strings.Repeat("+/", 43), wlcg.Malformed, "signature is not base64url"},
		{"stray bits", h + "." + p + "." + strings.Repeat("A", 85) + "B", wlcg.Malformed, "signature is not base64url"},
		{"1 MiB", strings.Repeat("a", 1<<20), wlcg.TooLarge, "16384"},
		{"a claim too large", signed(body("note", `"`+strings.Repeat("x", 13000)+`"`)), wlcg.TooLarge, "16384"},
		{"10⁵ deep", signed(body("note", strings.Repeat("[", 100000)+strings.Repeat("]", 100000))), wlcg.TooLarge, "16384"},
		{"40 deep", signed(body("note", strings.Repeat("[", 40)+strings.Repeat("]", 40))), wlcg.Malformed, "too deep"},
		{"header 5,000 deep", headed(head(ec, `"x":`+strings.Repeat(`{"a":`, 1500)+"1"+strings.Repeat("}", 1500))), wlcg.Malformed, "too deep"},
		{"header is a list", headed(`["ES256"]`), wlcg.Malformed, "not a JSON object"},
		{"payload is a list", signed(`[1]`), wlcg.Malformed, "not a JSON object"},
		{"payload is null", signed(`null`), wlcg.Malformed, "not a JSON object"},
		{"payload is cut off", signed(`{"iss":"a"`), wlcg.Malformed, "not JSON"},
		{"two payloads", signed(body() + body()), wlcg.Malformed, "not JSON"},
		{"not UTF-8", signed(body("note", "\"\xff\"")), wlcg.Malformed, "not UTF-8"},
		{"sub twice", signed(`{"sub":"root",` + body()[1:]), wlcg.Malformed, `"sub" is there twice`},
		{"sub twice, once escaped", signed(`{"s\u0075b":"root",` + body()[1:]), wlcg.Malformed, `"sub" is there twice`},
		{"a member of a member twice", signed(body("act", `{"sub":"a","sub":"b"}`)), wlcg.Malformed, `"sub" is there twice`},
		{"alg twice", headed(`{"alg":"none",` + head(ec)[1:]), wlcg.Malformed, `"alg" is there twice`},
		{"claims in capitals", signed(strings.Replace(body(), `"sub"`, `"SUB"`, 1)), wlcg.BadClaim, "sub is missing"},

		// Signatures.
		{"DER", raw(asn1), wlcg.BadSignature, "instead of 64"},
		{"r is zero", raw(zeroR), wlcg.BadSignature, "is zero"},
		{"s is zero", raw(zeroS), wlcg.BadSignature, "is zero"},
		{"all zero", raw(make([]byte, 64)), wlcg.BadSignature, "is zero"},
		{"r beyond the order", h + "." + p + "." + base64.RawURLEncoding.EncodeToString(append(fill33(overflow), malleable[32:]...)), wlcg.BadSignature, "65 bytes"},
		{"of another token", h + "." + b64(body("sub", `"root"`)) + "." + s, wlcg.BadSignature, "does not verify"},
		{"RSA signature of another length", headAndBody(rs) + "." + b64(strings.Repeat("x", 255)), wlcg.BadSignature, "does not verify"},

		// Kinds.
		{"typ of a logout token", headed(head(ec, `"typ":"logout+jwt"`)), wlcg.WrongKind, "logout+jwt"},
		{"typ of a DPoP proof", headed(head(ec, `"typ":"dpop+jwt"`)), wlcg.WrongKind, "dpop+jwt"},
		{"typ of a security event", headed(head(ec, `"typ":"secevent+jwt"`)), wlcg.WrongKind, "secevent+jwt"},
		{"an ID token", signed(body("nonce", `"n"`, "scope", "")), wlcg.WrongKind, "ID token"},
		{"an ID token by at_hash", signed(body("at_hash", `"n"`, "scope", "")), wlcg.WrongKind, "ID token"},
		{"a logout token", signed(body("events", `{}`)), wlcg.WrongKind, "logout token"},
		{"no version and no typ", signed(body("wlcg.ver", "")), wlcg.WrongKind, "neither wlcg.ver"},
		{"a version to come", signed(body("wlcg.ver", `"2.0"`)), wlcg.WrongKind, "wlcg.ver"},
		{"a version that is no number", signed(body("wlcg.ver", `"1.x"`)), wlcg.WrongKind, "wlcg.ver"},
		{"SciTokens 1.0", signed(body("wlcg.ver", "", "ver", `"scitoken:1.0"`)), wlcg.WrongKind, "scitoken:1.0"},
		{"two versions", signed(body("ver", `"scitoken:2.0"`)), wlcg.BadClaim, "both"},
		{"a mytoken", craft(t, ec, head(ec), body("wlcg.ver", "", "ver", `"0.7"`, "token_type", `"mytoken"`)), wlcg.WrongKind, "0.7"},

		// Issuer and audience.
		{"iss with a slash", signed(body("iss", `"`+issuer+`/"`)), wlcg.WrongIssuer, "is from"},
		{"iss in capitals", signed(body("iss", `"https://ISSUER.example.org"`)), wlcg.WrongIssuer, "is from"},
		{"iss with a port", signed(body("iss", `"https://issuer.example.org:443"`)), wlcg.WrongIssuer, "is from"},
		{"iss that looks alike", signed(body("iss", `"https://issuer.exаmple.org"`)), wlcg.BadClaim, "iss"},
		{"iss missing", signed(body("iss", "")), wlcg.WrongIssuer, `from ""`},
		{"iss is a list", signed(body("iss", `["`+issuer+`"]`)), wlcg.BadClaim, "iss is not a text"},
		{"aud of others", signed(body("aud", `"https://other.example.org"`)), wlcg.WrongAudience, "other"},
		{"aud of everybody, not accepted here", signed(body("aud", `"`+wlcg.AnyAudience+`"`)), wlcg.WrongAudience, "any"},
		{"aud with a slash", signed(body("aud", `"`+audience+`/"`)), wlcg.WrongAudience, "is for"},
		{"aud missing", signed(body("aud", "")), wlcg.BadClaim, "aud is missing"},
		{"aud is empty", signed(body("aud", `""`)), wlcg.BadClaim, "aud is missing"},
		{"aud is an empty list", signed(body("aud", `[]`)), wlcg.BadClaim, "aud is missing"},
		{"aud is an object", signed(body("aud", `{"a":"`+audience+`"}`)), wlcg.BadClaim, "aud is not a list"},
		{"aud is a number", signed(body("aud", `5`)), wlcg.BadClaim, "aud is not a list"},
		{"aud is null", signed(body("aud", `null`)), wlcg.BadClaim, "aud is not a list"},
		{"aud is nested", signed(body("aud", `[["`+audience+`"]]`)), wlcg.BadClaim, "aud is not a list"},
		{"aud has a null", signed(body("aud", `["`+audience+`",null]`)), wlcg.BadClaim, "aud is not a list"},
		{"aud has 1,000 entries", signed(body("aud", `["`+audience+`"`+strings.Repeat(`,"a"`, 1000)+`]`)), wlcg.BadClaim, "more than"},

		// Times.
		{"expired now", signed(body("exp", fmt.Sprint(now.Unix()))), wlcg.Expired, "expired at"},
		{"exp missing", signed(body("exp", "")), wlcg.BadClaim, "exp is missing"},
		{"exp is a text", signed(body("exp", `"9999999999"`)), wlcg.BadClaim, "exp"},
		{"exp is a float", signed(body("exp", "9999999999.5")), wlcg.BadClaim, "exp"},
		{"exp has an exponent", signed(body("exp", "1e12")), wlcg.BadClaim, "exp"},
		{"exp is negative", signed(body("exp", "-1")), wlcg.BadClaim, "exp"},
		{"exp is 1e400", signed(body("exp", "1e400")), wlcg.BadClaim, "exp"},
		{"exp beyond all calendars", signed(body("exp", "9223372036854775807")), wlcg.BadClaim, "exp"},
		{"exp is null", signed(body("exp", "null")), wlcg.BadClaim, "exp"},
		{"iat in the future", signed(body("iat", fmt.Sprint(now.Unix()+300))), wlcg.NotYet, "issued in the future"},
		{"iat missing", signed(body("iat", "")), wlcg.BadClaim, "iat is missing"},
		{"nbf in the future", signed(body("nbf", fmt.Sprint(now.Unix()+30))), wlcg.NotYet, "not valid before"},
		{"exp before iat", signed(body("exp", fmt.Sprint(now.Unix()+1), "iat", fmt.Sprint(now.Unix()+1))), wlcg.NotYet, "future"},

		// Other claims.
		{"jti missing", signed(body("jti", "")), wlcg.BadClaim, "jti is missing"},
		{"sub missing", signed(body("sub", "")), wlcg.BadClaim, "sub is missing"},
		{"sub empty", signed(body("sub", `""`)), wlcg.BadClaim, "sub is missing"},
		{"sub with NUL", signed(body("sub", `"alice\u0000root"`)), wlcg.BadClaim, "sub"},
		{"sub with a line break", signed(body("sub", `"alice\nroot"`)), wlcg.BadClaim, "sub"},
		{"sub of 256", signed(body("sub", `"`+strings.Repeat("a", 256)+`"`)), wlcg.BadClaim, "255"},
		{"scope is a list", signed(body("scope", `["storage.read:/data"]`)), wlcg.BadClaim, "scope is not a text"},
		{"groups are a text", signed(body("wlcg.groups", `"/cms"`)), wlcg.BadClaim, "wlcg.groups"},
		{"a group that is none", signed(body("wlcg.groups", `["cms/../atlas"]`)), wlcg.BadClaim, "wlcg.groups"},
		{"act is a text", signed(body("act", `"root"`)), wlcg.BadClaim, "act"},
		{"RFC 9068 without client_id", craft(t, ec, head(ec, `"typ":"at+jwt"`), body("wlcg.ver", "")), wlcg.BadClaim, "client_id is missing"},
		{"SciTokens without nbf", signed(body("wlcg.ver", "", "ver", `"scitoken:2.0"`, "nbf", "")), wlcg.BadClaim, "nbf is missing"},
		{"SciTokens without scope", signed(body("wlcg.ver", "", "ver", `"scitoken:2.0"`, "scope", "")), wlcg.BadClaim, "scope is missing"},
	}
	v := verifier(ec, rs, keys()[wlcg.ES384])
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Fatalf("the token that the others are made of: %v", err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := v.Verify(t.Context(), test.token)
			refused, ok := errors.AsType[*wlcg.Error](err)
			if !ok {
				t.Fatalf("got %v, %v; want it refused", c, err)
			}
			if refused.Reason != test.reason || !strings.Contains(refused.Detail, test.detail) {
				t.Errorf("refused for %s: %s; want %s: …%s…", refused.Reason, refused.Detail, test.reason, test.detail)
			}
			if len(refused.Error()) > 600 || strings.ContainsFunc(refused.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("the refusal is not fit for a log: %q", refused.Error())
			}
			if _, err := wlcg.Inspect(test.token); err != nil { // never panics, and says the same of what it reads
				if _, ok := errors.AsType[*wlcg.Error](err); !ok {
					t.Errorf("Inspect: %v is no *Error", err)
				}
			}
		})
	}
}

// TestWeakAndAmbiguousKeys holds the verifier against key sets that an issuer should not have.
func TestWeakAndAmbiguousKeys(t *testing.T) {
	ec, rs := keys()[wlcg.ES256], keys()[wlcg.RS256]
	t.Setenv("GODEBUG", "rsa1024min=0")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak := wlcg.Key{ID: "weak", Algorithm: wlcg.RS256, Signer: small}
	one := wlcg.PublicKey{ID: rs.ID, Key: &rsa.PublicKey{N: rs.Signer.Public().(*rsa.PublicKey).N, E: 1}}
	huge := wlcg.PublicKey{ID: rs.ID, Key: &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 16383), E: 65537}}
	good, rsa256 := craft(t, ec, head(ec), body()), craft(t, rs, head(rs), body())
	for _, test := range []struct {
		name, token, detail string
		set                 wlcg.KeySet
	}{
		{"RSA of 1024 bits", craft(t, weak, head(weak), body()), "2048 to 8192", keySet(weak)},
		{"RSA with exponent 1", rsa256, "exponent", wlcg.KeySet{Keys: []wlcg.PublicKey{one}}},
		{"RSA of 16384 bits", rsa256, "2048 to 8192", wlcg.KeySet{Keys: []wlcg.PublicKey{huge}}},
		{"two keys with one id", good, "two keys", keySet(ec, ec)},
		{"an EC key of another curve", good, "another type or curve", wlcg.KeySet{Keys: []wlcg.PublicKey{{ID: ec.ID, Key: keys()[wlcg.ES384].Signer.Public()}}}},
		{"an RSA key without alg for ES256", good, "RSA key", wlcg.KeySet{Keys: []wlcg.PublicKey{{ID: ec.ID, Key: rs.Signer.Public()}}}},
		{"no key at all", good, "no key", wlcg.KeySet{}},
		{"a key of nothing", good, "<nil>", wlcg.KeySet{Keys: []wlcg.PublicKey{{ID: ec.ID}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := verifier()
			v.Keys = test.set.Fixed()
			_, err := v.Verify(t.Context(), test.token)
			refused, ok := errors.AsType[*wlcg.Error](err)
			if !ok || refused.Reason != wlcg.BadKey || !strings.Contains(refused.Detail, test.detail) {
				t.Errorf("got %v, want a refusal for the key: …%s…", err, test.detail)
			}
		})
	}
}

// TestHostileTokensCostLittle bounds what strangers can make the verifier do, in allocations, which
// unlike time are the same on every machine. A good token takes about 60.
func TestHostileTokensCostLittle(t *testing.T) {
	ec := keys()[wlcg.ES256]
	v := verifier(ec)
	v.Keys = noKeys(t)
	many := func(member string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, member, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	for name, test := range map[string]struct {
		token string
		limit float64
	}{
		"1 MiB":           {strings.Repeat("a", 1<<20), 10},
		"1 MiB of dots":   {strings.Repeat(".", 1<<20), 10},
		"1 MiB of JSON":   {"{" + strings.Repeat(`"a":1,`, 1<<17), 10},
		"1,000 members":   {craft(t, ec, head(ec), `{`+many(`"a%d":1,`, 1000)+`}`), 12000},
		"an array of 4 k": {craft(t, ec, head(ec), `{"a":[`+many(`%[1]d,`, 2000)+`]}`), 12000},
		"of nobody":       {craft(t, ec, head(ec), body("iss", `"https://evil.example"`)), 100},
	} {
		if n := testing.AllocsPerRun(5, func() {
			if _, err := v.Verify(t.Context(), test.token); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}); n > test.limit {
			t.Errorf("%s: %.0f allocations, want at most %.0f", name, n, test.limit)
		}
	}
}

func cutToken(token string) (header, payload, signature string) {
	p := strings.Split(token, ".")
	return p[0], p[1], p[2]
}

func headAndBody(k wlcg.Key) string { return b64(head(k)) + "." + b64(body()) }

func digestOf(text string) []byte {
	d := sha256.Sum256([]byte(text))
	return d[:]
}

// hs256 is a token signed with what everybody knows.
func hs256(kid string, secret []byte) string {
	input := b64(fmt.Sprintf(`{"alg":"HS256","kid":%q}`, kid)) + "." + b64(body())
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// fill33 writes a number that needs 33 bytes.
func fill33(n *big.Int) []byte { return n.FillBytes(make([]byte, 33)) }
