package storage_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/wlcg"
	"github.com/lanyardhq/lanyard/wlcg/storage"
)

var (
	now         = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	expectation = storage.Expectation{Now: now, Issuer: "https://issuer.example.org", Audience: "https://storage.example.org"}
)

func signed(t testing.TB, k wlcg.Key, change map[string]any) string {
	t.Helper()
	m := map[string]any{"iss": "https://issuer.example.org", "sub": "alice", "jti": "1", "aud": "https://storage.example.org",
		"iat": now.Unix(), "nbf": now.Unix() - 60, "exp": now.Unix() + 3600, "scope": "storage.read:/data", "wlcg.ver": "1.0"}
	maps.Copy(m, change)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	token, err := wlcg.Sign(k, "JWT", m)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func key(t testing.TB, algorithm string, curve elliptic.Curve) wlcg.Key {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return wlcg.Key{ID: "k", Algorithm: algorithm, Signer: k}
}

func TestExplain(t *testing.T) {
	k := key(t, wlcg.ES256, elliptic.P256())
	type change = map[string]any
	for _, test := range []struct {
		name   string
		change change
		want   string // in one finding; empty: none
	}{
		{"good", nil, ""},
		{"for everybody", change{"aud": wlcg.AnyAudience}, ""},
		{"several scopes", change{"scope": "openid storage.read:/data storage.modify:/data compute.create"}, ""},
		{"a SciToken", change{"wlcg.ver": nil, "ver": "scitoken:2.0", "scope": "read:/data write:/data", "aud": "ANY"}, ""},
		{"expired", change{"exp": now.Unix()}, "all: refused: it expired at 2026-11-21T12:00:00Z"},
		{"early", change{"nbf": now.Unix() + 1}, "all: refused: it is not valid before"},
		{"issued later", change{"iat": now.Unix() + 1}, "XRootD: refused: it says"},
		{"another audience", change{"aud": []string{"https://a", "https://b"}}, `the audience is "https://a https://b", expected is https://storage.example.org`},
		{"ANY in WLCG", change{"aud": "ANY"}, `the audience is "ANY"`},
		{"a slash behind the audience", change{"aud": "https://storage.example.org/"}, `audience "https://storage.example.org/" is configured without`},
		{"another issuer", change{"iss": "https://other.example.org"}, `the issuer is "https://other.example.org"`},
		{"an issuer without TLS", change{"iss": "http://issuer.example.org"}, "https only"},
		{"no jti", change{"jti": nil}, "StoRM WebDAV: refused: jti is missing"},
		{"no scope", change{"scope": nil}, "scope is missing"},
		{"SciTokens with WLCG's scopes", change{"wlcg.ver": nil, "ver": "scitoken:2.0"}, "means nothing in a SciToken"},
		{"no version", change{"wlcg.ver": nil}, "wlcg.ver is missing"},
		{"a later version", change{"wlcg.ver": "1.3"}, `wlcg.ver is "1.3"`},
		{"no path", change{"scope": "storage.read"}, "XRootD: \"storage.read\" has no path and opens everything"},
		{"no path at dCache", change{"scope": "storage.read"}, "dCache: \"storage.read\" has no path and is refused"},
		{"a relative path", change{"scope": "storage.read:data"}, "does not begin with a slash"},
		{"dots", change{"scope": "storage.read:/data/.."}, "XRootD: \"storage.read:/data/..\" is read as the shorter path"},
		{"an escape", change{"scope": "storage.read:/d%61ta"}, "percent-escapes are not decoded"},
		{"a slash at the end", change{"scope": "storage.read:/data/"}, "for the directory only"},
		{"a regular expression", change{"scope": "storage.read:/da(ta)+"}, "StoRM WebDAV: \"storage.read:/da(ta)+\" is read as a regular expression"},
		{"modify alone", change{"scope": "storage.modify:/data"}, "cannot be read back"},
		{"create alone", change{"scope": "storage.create:/data"}, "xrdcp cannot write"},
		{"stage alone", change{"scope": "storage.stage:/data"}, "stage does not include read"},
		{"names that begin alike", change{"scope": "storage.read:/data storage.read:/data2"}, `a right for "/data" is one for "/data2", too`},
		{"unreadable", change{"exp": "soon"}, "cannot be expected to read the token: exp is not"},
	} {
		found := storage.Explain(signed(t, k, test.change), expectation)
		var texts []string
		for _, f := range found {
			texts = append(texts, f.String())
		}
		if test.want == "" && len(texts) > 0 || test.want != "" && !slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, test.want) }) {
			t.Errorf("%s: %q, want %q", test.name, texts, test.want)
		}
	}
	found := storage.Explain(signed(t, key(t, wlcg.ES384, elliptic.P384()), nil), expectation)
	if len(found) != 1 || !strings.Contains(found[0].What, `"ES384"`) {
		t.Errorf("an algorithm that storage does not know: %v", found)
	}
	if found := storage.Explain("lyt_opaque", expectation); len(found) != 1 {
		t.Errorf("no JWT: %v", found)
	}
	if found := storage.Explain(signed(t, k, change{"exp": 1, "aud": "x"}), storage.Expectation{}); len(found) > 0 {
		t.Errorf("what is not asked is answered: %v", found)
	}
}

func TestConfusable(t *testing.T) {
	got := storage.Confusable([]string{"/data2", "/data", "/data/x", "/data/xy", "/", "/a", "/data", "/data2/b", "/dat"})
	want := [][2]string{{"/dat", "/data"}, {"/dat", "/data/x"}, {"/dat", "/data/xy"}, {"/dat", "/data2"}, {"/dat", "/data2/b"},
		{"/data", "/data2"}, {"/data", "/data2/b"}, {"/data/x", "/data/xy"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := storage.Confusable([]string{"/a", "/b", "/a/b", ""}); len(got) > 0 {
		t.Error(got)
	}
}

// FuzzExplain: no token makes it panic or say something that a terminal obeys.
func FuzzExplain(f *testing.F) {
	k := key(f, wlcg.ES256, elliptic.P256())
	f.Add("storage.read:/data storage.modify:/a..b openid", "https://a", "1.0")
	f.Add("storage.read storage.read: :/ read:x", "", "2")
	f.Fuzz(func(t *testing.T, scope, audience, version string) {
		if len(scope)+len(audience)+len(version) > 2000 {
			return
		}
		for _, finding := range storage.Explain(signed(t, k, map[string]any{"scope": scope, "aud": audience, "wlcg.ver": version}), expectation) {
			if strings.ContainsFunc(finding.String(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%q", finding.String())
			}
		}
	})
}
