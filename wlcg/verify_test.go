package wlcg_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/wlcg"
)

// all is every claim that there is.
func all() wlcg.Claims {
	c := claims()
	c.NotBefore = now.Add(-time.Second)
	c.Audience = []string{audience, wlcg.AnyAudience}
	c.Scope = []string{"storage.read:/data", "storage.modify:/data/out", "compute.create", "openid", "wlcg.groups:/cms"}
	c.Groups = []string{"/cms/uscms", "/cms"}
	c.AuthTime, c.ACR = now.Add(-time.Hour), "https://refeds.org/profile/mfa"
	c.Actor = &wlcg.Actor{Issuer: issuer, Subject: "hub", Actor: &wlcg.Actor{ClientID: "reana"}}
	c.Extra = map[string]any{"eduperson_assurance": []any{"a", "b"}, "email": "ä@example.org"}
	return c
}

func TestWhatIsMintedIsRead(t *testing.T) {
	scitoken := claims()
	scitoken.Scope = []string{"read:/data", "write:/data/out", "queue"}
	rfc := claims()
	rfc.Scope = []string{"read", "storage.read:/data", "https://api.example.org/x"}
	for _, test := range []struct {
		name         string
		claims       wlcg.Claims
		profile      wlcg.Profile
		alg, version string
		typ          string
	}{
		{"WLCG", all(), wlcg.WLCG, wlcg.ES256, "1.0", "at+jwt"},
		{"WLCG with RSA", all(), wlcg.WLCG, wlcg.RS256, "1.0", "at+jwt"},
		{"SciTokens", scitoken, wlcg.SciTokens, wlcg.ES256, "scitoken:2.0", "JWT"},
		{"RFC 9068", rfc, wlcg.RFC9068, wlcg.RS256, "", "at+jwt"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := keys()[test.alg]
			token := mint(t, test.claims, k, test.profile)
			v := verifier(keys()[wlcg.ES256], keys()[wlcg.RS256])
			v.Profiles = []wlcg.Profile{test.profile}
			got, err := v.Verify(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			want := test.claims
			want.Header = wlcg.Header{Algorithm: test.alg, KeyID: k.ID, Type: test.typ}
			want.Version = test.version
			if want.NotBefore.IsZero() {
				want.NotBefore = now.Add(-time.Minute)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if got.Profile() != test.profile {
				t.Errorf("profile %v", got.Profile())
			}
			if inspected, err := wlcg.Inspect(token); err != nil || cmp.Diff(got, inspected) != "" {
				t.Errorf("Inspect: %v, %s", err, cmp.Diff(got, inspected))
			}
			v.Profiles = []wlcg.Profile{(test.profile + 1) % 3}
			if _, err := v.Verify(t.Context(), token); reason(err) != wlcg.WrongKind {
				t.Errorf("where the profile is not accepted: %v", err)
			}
		})
	}
}

func reason(err error) wlcg.Reason {
	if refused, ok := errors.AsType[*wlcg.Error](err); ok {
		return refused.Reason
	}
	return ""
}

// TestOthersTokensAreRead reads what other issuers of the field write.
func TestOthersTokensAreRead(t *testing.T) {
	ec := keys()[wlcg.ES256]
	for name, token := range map[string]string{
		"a list of audiences":                   craft(t, ec, head(ec), body("aud", `["https://a.example","`+audience+`"]`)),
		"a later minor version":                 craft(t, ec, head(ec), body("wlcg.ver", `"1.3"`)),
		"SciTokens' other spelling":             craft(t, ec, head(ec), body("wlcg.ver", "", "ver", `"scitokens:2.0"`)),
		"typ in capitals":                       craft(t, ec, head(ec, `"typ":"AT+JWT"`), body("client_id", `"x"`)),
		"typ in full":                           craft(t, ec, head(ec, `"typ":"application/at+jwt"`), body("client_id", `"x"`)),
		"no nbf":                                craft(t, ec, head(ec), body("nbf", "")),
		"double blanks":                         craft(t, ec, head(ec), body("scope", `" storage.read:/data  openid "`)),
		"groups only":                           craft(t, ec, head(ec), body("scope", "", "wlcg.groups", `["/cms"]`)),
		"a nonce beside a scope":                craft(t, ec, head(ec), body("nonce", `"n"`)),
		"members that point to keys, unused":    craft(t, ec, head(ec, `"jku":"https://evil.example","x5t":"a"`), body()),
		"large numbers and nested extra claims": craft(t, ec, head(ec), body("n", "123456789012345678901234567890", "o", `{"a":[{"b":1}]}`)),
	} {
		if _, err := verifier(ec).Verify(t.Context(), token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClocksMayBeApart(t *testing.T) {
	ec := keys()[wlcg.ES256]
	c := claims()
	c.NotBefore = now
	token := mint(t, c, ec, wlcg.WLCG)
	for _, test := range []struct {
		at, skew time.Duration
		want     wlcg.Reason
	}{
		{0, 0, ""},
		{-time.Second, 0, wlcg.NotYet},
		{-time.Minute, time.Minute, ""},
		{-61 * time.Second, time.Minute, wlcg.NotYet},
		{time.Hour - time.Second, 0, ""},
		{time.Hour, 0, wlcg.Expired},
		{time.Hour + 59*time.Second, time.Minute, ""},
		{time.Hour + time.Minute, time.Minute, wlcg.Expired},
	} {
		v := verifier(ec)
		v.Skew, v.Now = test.skew, func() time.Time { return now.Add(test.at) }
		if _, err := v.Verify(t.Context(), token); reason(err) != test.want || test.want == "" && err != nil {
			t.Errorf("%v after its issue with a skew of %v: %v, want %q", test.at, test.skew, err, test.want)
		}
	}
}

func TestAudiences(t *testing.T) {
	ec := keys()[wlcg.ES256]
	c := claims()
	c.Audience = []string{wlcg.AnyAudience}
	token := mint(t, c, ec, wlcg.WLCG)
	v := verifier(ec)
	v.Audiences = []string{"https://b.example", wlcg.AnyAudience}
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("for everybody, and accepted: %v", err)
	}
	v.Audiences, v.EveryAudience = nil, true
	if _, err := v.Verify(t.Context(), mint(t, claims(), ec, wlcg.WLCG)); err != nil {
		t.Errorf("whatever the audience: %v", err)
	}
	v.EveryAudience = false
	if _, err := v.Verify(t.Context(), token); err == nil || reason(err) != "" {
		t.Errorf("a verifier without audiences: %v", err)
	}
	if _, err := (wlcg.Verifier{}).Verify(t.Context(), token); err == nil {
		t.Error("an empty verifier accepts")
	}
}

// TestKeysAreAskedForLate: strangers' tokens do not make the verifier ask for keys, and an issuer
// that does not answer is no refusal of the token.
func TestKeysAreAskedForLate(t *testing.T) {
	ec := keys()[wlcg.ES256]
	v := verifier()
	v.Keys = noKeys(t)
	for _, token := range []string{
		craft(t, ec, head(ec), body("iss", `"https://evil.example"`)),
		craft(t, ec, `{"alg":"ES256"}`, body()),
		craft(t, ec, `{"alg":"ES384","kid":"x"}`, body()),
	} {
		if _, err := v.Verify(t.Context(), token); reason(err) == "" {
			t.Errorf("not refused: %v", err)
		}
	}
	down := errors.New("connection refused")
	v.Keys = func(_ context.Context, kid string) (wlcg.KeySet, error) {
		if kid != ec.ID {
			t.Errorf("asked for %q", kid)
		}
		return wlcg.KeySet{}, down
	}
	if _, err := v.Verify(t.Context(), craft(t, ec, head(ec), body())); !errors.Is(err, down) || reason(err) != "" {
		t.Errorf("an issuer that is down: %v", err)
	}
}

// TestOpen reads tokens of other kinds, and only with the algorithms that are named.
func TestOpen(t *testing.T) {
	for _, alg := range []string{wlcg.ES256, wlcg.RS256, wlcg.ES384, wlcg.ES512} {
		k := keys()[alg]
		token, err := wlcg.Sign(k, "MT+JWT", map[string]any{"token_type": "mytoken", "seq_no": 3})
		if err != nil {
			t.Fatal(err)
		}
		h, payload, err := wlcg.Open(token, keySet(k), wlcg.ES256, alg)
		if err != nil || h != (wlcg.Header{Algorithm: alg, KeyID: k.ID, Type: "MT+JWT"}) || string(payload) != `{"seq_no":3,"token_type":"mytoken"}` {
			t.Errorf("%s: %v %s %v", alg, h, payload, err)
		}
		if _, _, err := wlcg.Open(token, keySet(k)); reason(err) != wlcg.BadAlgorithm {
			t.Errorf("%s without algorithms: %v", alg, err)
		}
		head, payload64, signature := cutToken(token)
		flipped := []byte(signature)
		flipped[10] = map[bool]byte{true: 'B', false: 'A'}[flipped[10] == 'A']
		if _, _, err := wlcg.Open(head+"."+payload64+"."+string(flipped), keySet(k), alg); reason(err) != wlcg.BadSignature {
			t.Errorf("%s with a changed signature: %v", alg, err)
		}
	}
	if _, _, err := wlcg.Open(hs256("k", nil), wlcg.KeySet{}, "HS256", "none"); reason(err) != wlcg.BadAlgorithm {
		t.Errorf("an algorithm that is named but none of ours: %v", err)
	}
}

// TestAgainstGoJose has another implementation verify what is signed here, and sign what is verified.
func TestAgainstGoJose(t *testing.T) {
	for _, alg := range []string{wlcg.ES256, wlcg.RS256, wlcg.ES384, wlcg.ES512} {
		k := keys()[alg]
		for range 50 { // r and s begin with a zero now and then
			token, err := wlcg.Sign(k, "JWT", map[string]string{"a": "b"})
			if err != nil {
				t.Fatal(err)
			}
			jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatal(err)
			}
			if payload, err := jws.Verify(k.Signer.Public()); err != nil || string(payload) != `{"a":"b"}` || jws.Signatures[0].Header.KeyID != k.ID {
				t.Fatalf("%s: go-jose says %v of %s", alg, err, payload)
			}
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: jose.JSONWebKey{Key: k.Signer, KeyID: k.ID}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			jws, err := signer.Sign([]byte(body()))
			if err != nil {
				t.Fatal(err)
			}
			token, err := jws.CompactSerialize()
			if err != nil {
				t.Fatal(err)
			}
			v := verifier(k)
			v.Algorithms = []string{alg}
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatalf("%s of go-jose: %v", alg, err)
			}
		}
	}
}

func TestMintRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		profile wlcg.Profile
		change  func(*wlcg.Claims)
		want    string
	}{
		{"no issuer", wlcg.WLCG, func(c *wlcg.Claims) { c.Issuer = "" }, "iss is missing"},
		{"an issuer with a slash", wlcg.WLCG, func(c *wlcg.Claims) { c.Issuer += "/" }, "slash"},
		{"no subject", wlcg.WLCG, func(c *wlcg.Claims) { c.Subject = "" }, "sub is missing"},
		{"a subject of two lines", wlcg.WLCG, func(c *wlcg.Claims) { c.Subject = "a\nb" }, "sub has"},
		{"a long subject", wlcg.WLCG, func(c *wlcg.Claims) { c.Subject = strings.Repeat("a", 256) }, "255"},
		{"no id", wlcg.WLCG, func(c *wlcg.Claims) { c.ID = "" }, "jti is missing"},
		{"no audience", wlcg.WLCG, func(c *wlcg.Claims) { c.Audience = nil }, "aud"},
		{"an empty audience", wlcg.WLCG, func(c *wlcg.Claims) { c.Audience = []string{""} }, "aud is missing"},
		{"no time of issue", wlcg.WLCG, func(c *wlcg.Claims) { c.IssuedAt = time.Time{} }, "iat"},
		{"an expiry in the past", wlcg.WLCG, func(c *wlcg.Claims) { c.ExpiresAt = now }, "expire"},
		{"a scope without its path", wlcg.WLCG, func(c *wlcg.Claims) { c.Scope = []string{"storage.read"} }, "path is missing"},
		{"a path that goes up", wlcg.WLCG, func(c *wlcg.Claims) { c.Scope = []string{"storage.read:/data/.."} }, `".."`},
		{"a scope with a quote", wlcg.WLCG, func(c *wlcg.Claims) { c.Scope = []string{`a"b`} }, "no scope has"},
		{"an empty scope", wlcg.WLCG, func(c *wlcg.Claims) { c.Scope = []string{""} }, "no scope has"},
		{"two scopes in one", wlcg.WLCG, func(c *wlcg.Claims) { c.Scope = []string{"openid storage.read:/"} }, "no scope has"},
		{"SciTokens' scope", wlcg.WLCG, func(c *wlcg.Claims) { c.Scope = []string{"read:/data"} }, "another profile"},
		{"WLCG's scope in SciTokens", wlcg.SciTokens, func(*wlcg.Claims) {}, "another profile"},
		{"SciTokens without a scope", wlcg.SciTokens, func(c *wlcg.Claims) { c.Scope = nil }, "scope"},
		{"RFC 9068 without a client", wlcg.RFC9068, func(c *wlcg.Claims) { c.ClientID = "" }, "client"},
		{"a bare path in RFC 9068", wlcg.RFC9068, func(c *wlcg.Claims) { c.Scope = []string{"storage.read"} }, "path is missing"},
		{"groups in RFC 9068", wlcg.RFC9068, func(c *wlcg.Claims) { c.Groups = []string{"/cms"} }, "groups"},
		{"a group that is none", wlcg.WLCG, func(c *wlcg.Claims) { c.Groups = []string{"cms"} }, "group"},
		{"nine actors", wlcg.WLCG, func(c *wlcg.Claims) {
			for range 9 {
				c.Actor = &wlcg.Actor{Subject: "hub", Actor: c.Actor}
			}
		}, "8 actors"},
		{"an actor who acts for itself", wlcg.WLCG, func(c *wlcg.Claims) {
			c.Actor = &wlcg.Actor{Subject: "hub"}
			c.Actor.Actor = c.Actor
		}, "8 actors"},
		{"an extra claim with a field", wlcg.WLCG, func(c *wlcg.Claims) { c.Extra = map[string]any{"sub": "root"} }, "extra claim sub"},
		{"an extra claim that is no JSON", wlcg.WLCG, func(c *wlcg.Claims) { c.Extra = map[string]any{"x": make(chan int)} }, "chan int"},
		{"too much", wlcg.WLCG, func(c *wlcg.Claims) { c.Extra = map[string]any{"x": strings.Repeat("x", wlcg.MaxToken)} }, "limit"},
	} {
		c := claims()
		test.change(&c)
		if token, err := c.Mint(keys()[wlcg.ES256], test.profile); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %q, %v", test.name, token, err)
		}
	}
}

func TestSignRefusesKeys(t *testing.T) {
	ec, rs := keys()[wlcg.ES256], keys()[wlcg.RS256]
	for name, k := range map[string]wlcg.Key{
		"nothing":           {},
		"no private key":    {ID: "k", Algorithm: wlcg.ES256},
		"no id":             {Algorithm: wlcg.ES256, Signer: ec.Signer},
		"an id of blanks":   {ID: "a b", Algorithm: wlcg.ES256, Signer: ec.Signer},
		"another algorithm": {ID: "k", Algorithm: "EdDSA", Signer: ec.Signer},
		"another curve":     {ID: "k", Algorithm: wlcg.ES512, Signer: ec.Signer},
		"RSA for ES256":     {ID: "k", Algorithm: wlcg.ES256, Signer: rs.Signer},
		"EC for RS256":      {ID: "k", Algorithm: wlcg.RS256, Signer: ec.Signer},
	} {
		if _, err := wlcg.Sign(k, "", map[string]string{}); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	for _, payload := range []any{nil, []string{"a"}, "text", fmt.Sprint} {
		if _, err := wlcg.Sign(ec, "", payload); err == nil {
			t.Errorf("%T: signed", payload)
		}
	}
}

// TestTheDefaultTokenIsTheFieldsOwn holds each claim of the default access token as storage reads it.
func TestTheDefaultTokenIsTheFieldsOwn(t *testing.T) {
	c := claims()
	c.Groups = []string{"/cms"}
	_, payload, err := wlcg.Open(mint(t, c, keys()[wlcg.ES256], wlcg.WLCG), keySet(keys()[wlcg.ES256]), wlcg.ES256)
	want := `{"aud":"https://storage.example.org:1094","client_id":"cli","exp":1795266000,"iat":1795262400,"iss":"https://issuer.example.org",` +
		`"jti":"1","nbf":1795262340,"scope":"storage.read:/data","sub":"usr_alice","wlcg.groups":["/cms"],"wlcg.ver":"1.0"}`
	if err != nil || string(payload) != want {
		t.Errorf("got  %s\nwant %s\n%v", payload, want, err)
	}
}
