package proxycert_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/proxycert/trust"
)

const fixtures = "../testdata/voms/"

// now is the date of all verdicts: the fixtures are judged as their INDEX was made.
var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// user returns one of the fixtures' people, with the key.
func user(t testing.TB, name string) proxycert.Credential {
	t.Helper()
	certs, err := keyfile.Certificates(read(t, fixtures+"pki/certs/"+name+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := keyfile.Key(read(t, fixtures+"pki/certs/"+name+".key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return proxycert.Credential{Chain: certs[:1], Key: key}
}

func parse(t testing.TB, path string) proxycert.Credential {
	t.Helper()
	c, err := proxycert.Parse(read(t, path), nil)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return c
}

var authorities = sync.OnceValues(func() (*trust.Store, error) { return trust.Load(fixtures + "pki/certificates") })

// verifier is the strict one, with the fixtures' authorities.
func verifier(t testing.TB) proxycert.Verifier {
	t.Helper()
	s, err := authorities()
	if err != nil {
		t.Fatal(err)
	}
	return proxycert.Verifier{Trust: s, At: now}
}

var keys = sync.OnceValue(func() (k [3]*rsa.PrivateKey) {
	for i := range k {
		k[i], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	return k
})

func ecKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// day is a template of twelve hours around now.
func day() proxycert.Template {
	return proxycert.Template{NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(12 * time.Hour)}
}

func with(change func(*proxycert.Template)) proxycert.Template {
	t := day()
	change(&t)
	return t
}

func makeProxy(t testing.TB, issuer proxycert.Credential, key crypto.Signer, tmpl proxycert.Template) proxycert.Credential {
	t.Helper()
	c, err := proxycert.New(issuer, key, tmpl)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// reason is the word of err, "" for none; any error but ours fails the test.
func reason(t testing.TB, err error) proxycert.Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*proxycert.Error](err)
	if !ok {
		t.Fatalf("%v is a %T", err, err)
	}
	if text := e.Error(); e.Hint() == "" || strings.HasPrefix(text, ":") || strings.HasPrefix(text, " (") {
		t.Errorf("%s is not explained: %q, hint %q", e.Reason, text, e.Hint())
	}
	return e.Reason
}

// judge is what a reader of a file does: parse it, then verify the chain.
func judge(v proxycert.Verifier, data []byte) (proxycert.Result, error) {
	c, err := proxycert.Parse(data, nil)
	if err != nil {
		return proxycert.Result{}, err
	}
	return v.Verify(c.Chain)
}

// index reads an INDEX.tsv: one map per row, by the names of its first line.
func index(t *testing.T, path string) []map[string]string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(string(read(t, path))), "\n")
	head := strings.Split(lines[0], "\t")
	var rows []map[string]string
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, field := range strings.Split(line, "\t") {
			row[head[i]] = field
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no rows", path)
	}
	return rows
}

// refused says why hostile chains are refused. What is not here is accepted.
var refused = map[string]proxycert.Reason{
	"c03-legacy-full":            proxycert.BadKind,
	"c05-draft":                  proxycert.BadKind,
	"c07-anylanguage-policy":     proxycert.NoRights,
	"h01-pathlen0-exceeded":      proxycert.PathLength,
	"h03-full-below-limited":     proxycert.Unlimited,
	"h05-mixed-legacy-below-rfc": proxycert.MixedKinds,
	"h07-pci-double":             proxycert.Malformed,
	"h09-two-cn-added":           proxycert.BadName,
	"h11-issuer-name-mismatch":   proxycert.Incomplete,
	"h13-sig-flipped":            proxycert.Signature,
	"h15-proxy-expired":          proxycert.Expired,
	"h17-eec-expired":            proxycert.Expired,
	"h19-eec-revoked":            proxycert.Revoked,
	"h21-namespace-violation":    proxycert.Namespace,
	"h23-san-in-proxy":           proxycert.Constraint,
	"h25-no-digitalsignature":    proxycert.KeyUsage,
	"h27-sha1":                   proxycert.Algorithm,
	"h29-missing-eec":            proxycert.Incomplete,
	"h31-eec-signs-eec":          proxycert.Unrelated,
	"h33-empty-file":             proxycert.Malformed,
	"x46-acs-critical":           proxycert.CriticalExtension,
	"g03-c-legacy":               proxycert.BadKind,
	"g05-c-draft":                proxycert.BadKind,
	"g11-c-voms-legacy":          proxycert.BadKind,
	"g23-fake-expired-proxy":     proxycert.Expired,
	"g29-globus-legacy":          proxycert.BadKind,
	"g31-globus-independent":     proxycert.NoRights,
	"g33-tampered-fqan":          proxycert.Signature,
	"g46-j-draft":                proxycert.BadKind,
}

// lenient are those that a Verifier with every switch on accepts all the same.
var lenient = map[string]func(proxycert.Result) bool{
	"c03-legacy-full":        func(r proxycert.Result) bool { return r.Kind == proxycert.Legacy && !r.Limited },
	"c05-draft":              func(r proxycert.Result) bool { return r.Kind == proxycert.Draft },
	"c07-anylanguage-policy": func(r proxycert.Result) bool { return r.Independent },
	"h27-sha1":               func(r proxycert.Result) bool { return r.Kind == proxycert.RFC },
	"g03-c-legacy":           func(r proxycert.Result) bool { return r.Kind == proxycert.Legacy },
	"g05-c-draft":            func(r proxycert.Result) bool { return r.Kind == proxycert.Draft },
	"g11-c-voms-legacy":      func(r proxycert.Result) bool { return r.Kind == proxycert.Legacy },
	"g29-globus-legacy":      func(r proxycert.Result) bool { return r.Kind == proxycert.Legacy },
	"g31-globus-independent": func(r proxycert.Result) bool { return r.Independent },
	"g46-j-draft":            func(r proxycert.Result) bool { return r.Kind == proxycert.Draft },
}

// wanted reports whether a verdict is one that INDEX asks for. For files about attribute
// certificates it speaks of these, and their chains are good.
func wanted(row map[string]string, accepted bool, name string) bool {
	switch w := row["wanted"]; {
	case name[0] == 'v' || name[0] == 'x':
		return accepted || name == "x46-acs-critical"
	case w == "accept" && (strings.Contains(name, "legacy") || strings.Contains(name, "draft")), w == "policy", w == "reject-or-limited", w == "reject-or-accept":
		return true // behind a switch, or either is fine: the table of reasons decides
	case w == "accept" || w == "accept-eec":
		return accepted
	case w == "reject":
		return !accepted
	}
	return false
}

func TestHostileChainsGetTheirVerdict(t *testing.T) {
	all := verifier(t)
	all.AllowLegacy, all.AllowDraft, all.AllowIndependent, all.Options.AllowSHA1 = true, true, true, true
	for _, row := range index(t, fixtures+"hostile/INDEX.tsv") {
		name := row["name"]
		data := read(t, fixtures+"hostile/"+name+".pem")
		got, err := judge(verifier(t), data)
		if r := reason(t, err); r != refused[name] {
			t.Errorf("%s (%s): %v; want reason %q", name, row["what"], err, refused[name])
		}
		if !wanted(row, err == nil, name) {
			t.Errorf("%s: accepted %t, INDEX wants %s", name, err == nil, row["wanted"])
		}
		if err == nil && (got.EndEntity == nil || got.Identity == "" || got.ExpiresAt.Before(now) || len(got.Path) == 0) {
			t.Errorf("%s: accepted with %+v", name, got)
		}
		if (name == "c15-eec-only") != (err == nil && got.Kind == proxycert.None) {
			t.Errorf("%s: kind %s", name, got.Kind)
		}
		judgeLeniently(t, all, name, data)
	}
}

func judgeLeniently(t *testing.T, all proxycert.Verifier, name string, data []byte) {
	t.Helper()
	got, err := judge(all, data)
	check, ok := lenient[name]
	ok = ok || refused[name] == ""
	if ok != (err == nil) || err == nil && check != nil && !check(got) {
		t.Errorf("%s with every switch on: %+v, %v", name, got, err)
	}
}

func TestGoldenProxiesAreReadAsTheirToolsReadThem(t *testing.T) {
	all := verifier(t)
	all.AllowLegacy, all.AllowDraft, all.AllowIndependent = true, true, true
	for _, row := range index(t, fixtures+"golden/INDEX.tsv") {
		name := row["name"]
		data := read(t, fixtures+"golden/"+name+".pem")
		got, err := judge(verifier(t), data)
		if r := reason(t, err); r != refused[name] {
			t.Errorf("%s: %v; want reason %q", name, err, refused[name])
		}
		if canl := row["Java canl chain"]; refused[name] == "" && canl != "ok" || strings.HasPrefix(canl, "bad") && err == nil {
			t.Errorf("%s: accepted %t, Java says %s", name, err == nil, canl)
		}
		judgeLeniently(t, all, name, data)

		c := parse(t, fixtures+"golden/"+name+".pem")
		leaf, info := c.Chain[0], inspect(t, c.Chain[0])
		shown := map[string]string{}
		for _, line := range strings.Split(string(read(t, fixtures+"golden/"+name+".java-all.txt")), "\n") {
			label, value, _ := strings.Cut(line, ":")
			if label = strings.TrimSpace(label); shown[label] == "" { // the block of the proxy comes first
				shown[label] = strings.TrimSpace(value)
			}
		}
		for label, ours := range map[string]string{
			"subject": dn.Slash(leaf.RawSubject), "issuer": dn.Slash(leaf.RawIssuer), "identity": c.Identity(),
		} {
			mine, err1 := dn.Parse(ours)
			theirs, err2 := dn.Parse(shown[label])
			if err1 != nil || err2 != nil || !mine.Equal(theirs) {
				t.Errorf("%s: %s is %q; voms-proxy-info says %q", name, label, ours, shown[label])
			}
		}
		if got := javaType(info); got != shown["type"] {
			t.Errorf("%s: type %q; voms-proxy-info says %q", name, got, shown["type"])
		}
		if err == nil && got.Limited != strings.Contains(name, "limited") {
			t.Errorf("%s: limited is %t", name, got.Limited)
		}
	}
}

func inspect(t testing.TB, c *x509.Certificate) proxycert.Info {
	t.Helper()
	info, err := proxycert.Inspect(c)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// javaType says a kind in the words of the Java client.
func javaType(i proxycert.Info) string {
	switch {
	case i.Kind == proxycert.Legacy && i.Limited:
		return "limited legacy globus proxy"
	case i.Kind == proxycert.Legacy:
		return "full legacy globus proxy"
	case i.Kind == proxycert.Draft:
		return "Proxy draft (pre-RFC) impersonation proxy"
	case i.Limited:
		return "RFC3820 compliant limited proxy"
	case i.Kind == proxycert.RFC:
		return "RFC3820 compliant impersonation proxy"
	}
	return "EEC"
}

// TestFixturesAreAllThere keeps the two tests above honest.
func TestFixturesAreAllThere(t *testing.T) {
	for dir, want := range map[string]int{"golden": 20, "hostile": 50} {
		files, err := filepath.Glob(fixtures + dir + "/*.pem")
		if rows := index(t, fixtures+dir+"/INDEX.tsv"); err != nil || len(rows) != len(files) || len(rows) < want {
			t.Errorf("%s: %d files, %d rows", dir, len(files), len(rows))
		}
	}
}
