package dn_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/lanyardhq/lanyard/proxycert/dn"
)

const (
	utf8String      = 12
	numericString   = 18
	printableString = 19
	t61String       = 20
	ia5String       = 22
	universalString = 28
	bmpString       = 30
)

type part struct {
	oid   string
	tag   uint8
	value string
}

// name encodes parts; those with a "+" before the type join the part before them.
func name(t testing.TB, parts ...part) []byte {
	t.Helper()
	var sets [][]part
	for _, p := range parts {
		if oid, joined := strings.CutPrefix(p.oid, "+"); joined {
			p.oid = oid
			sets[len(sets)-1] = append(sets[len(sets)-1], p)
		} else {
			sets = append(sets, []part{p})
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, set := range sets {
			b.AddASN1(cryptobyte_asn1.SET, func(b *cryptobyte.Builder) {
				for _, p := range set {
					b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						oid, err := x509.ParseOID(p.oid)
						if err != nil {
							t.Fatal(err)
						}
						der, _ := oid.MarshalBinary()
						b.AddASN1(cryptobyte_asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(der) })
						b.AddASN1(cryptobyte_asn1.Tag(p.tag), func(b *cryptobyte.Builder) { b.AddBytes([]byte(p.value)) })
					})
				}
			})
		}
	})
	return b.BytesOrPanic()
}

const (
	c, o, ou, cn, dc = "2.5.4.6", "2.5.4.10", "2.5.4.11", "2.5.4.3", "0.9.2342.19200300.100.1.25"
	email, uid       = "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.1"
)

// odd are names that old and careless authorities made.
func odd(t testing.TB) map[string][]byte {
	return map[string][]byte{
		"plain":          name(t, part{dc, ia5String, "test"}, part{ou, printableString, "Users"}, part{cn, utf8String, "Ada Tester"}),
		"slashes":        name(t, part{o, printableString, "a+b"}, part{cn, utf8String, "host/w1.lanyard.test/x=1"}),
		"utf8":           name(t, part{cn, utf8String, "Zoë Ünïcode"}),
		"latin1":         name(t, part{cn, t61String, "Zo\xEB"}),
		"bmp":            name(t, part{cn, bmpString, "\x00Z\x00o\x00\xEB\x20\xAC"}),
		"universal":      name(t, part{cn, universalString, "\x00\x00\x00Z\x00\x00\x20\xAC"}),
		"numeric":        name(t, part{"2.5.4.5", numericString, "12 34"}),
		"several values": name(t, part{o, printableString, "Foo"}, part{cn, utf8String, "Ada"}, part{"+" + ou, utf8String, "x+y"}, part{"+" + uid, utf8String, "a1"}),
		"email":          name(t, part{cn, utf8String, "Uma"}, part{email, ia5String, "uma@lanyard.test"}),
		"unknown type":   name(t, part{"1.2.3.4", utf8String, "x y"}, part{cn, utf8String, "Ada"}),
		"reserved":       name(t, part{cn, utf8String, `# a,b;c<d>e"f\g=h `}),
		"blanks":         name(t, part{cn, utf8String, "  Ada  "}),
		"control":        name(t, part{cn, utf8String, "a\nb\x7F\x00"}),
		"rarely used":    name(t, part{"2.5.4.15", utf8String, "x"}, part{"2.5.4.97", utf8String, "y"}, part{"1.3.6.1.4.1.311.60.2.1.3", printableString, "ZZ"}),
		"empty value":    name(t, part{cn, utf8String, ""}),
	}
}

// TestNamesLookAsInOpenSSL has certificates with odd names printed by openssl and voms-proxy-info.
func TestNamesLookAsInOpenSSL(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for what, raw := range odd(t) {
		t.Run(what, func(t *testing.T) {
			der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), RawSubject: raw,
				NotBefore: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2049, 1, 1, 0, 0, 0, 0, time.UTC)},
				&x509.Certificate{RawSubject: raw}, key.Public(), key)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "c.pem")
			if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
				t.Fatal(err)
			}
			openssl := func(form string) string {
				out, err := exec.Command("openssl", "x509", "-in", file, "-noout", "-subject", "-nameopt", form).CombinedOutput()
				if err != nil {
					t.Fatalf("openssl: %v: %s", err, out)
				}
				return strings.TrimSuffix(strings.TrimPrefix(string(out), "subject="), "\n")
			}
			if got, want := dn.Slash(raw), openssl("compat"); got != want {
				t.Errorf("slash form %s, in OpenSSL %s", got, want)
			}
			if got, want := dn.RFC2253(raw), openssl("RFC2253,-esc_msb"); got != want {
				t.Errorf("RFC 2253 form %s, in OpenSSL %s", got, want)
			}
		})
	}
}

// TestNamesLookAsInVOMS compares with what voms-proxy-info -all of both flavours printed of the
// recorded proxies. The Java flavour does not escape slashes and writes EMAILADDRESS.
func TestNamesLookAsInVOMS(t *testing.T) {
	files, err := filepath.Glob("../../testdata/voms/golden/*.pem")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d proxies found (%v)", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for flavour, exact := range map[string]bool{".c-all.txt": true, ".java-all.txt": false} {
			said, err := os.ReadFile(strings.TrimSuffix(file, ".pem") + flavour)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(said)) {
				field, want, _ := strings.Cut(strings.TrimSpace(line), " : ")
				raw, ok := map[string][]byte{"subject  ": cert.RawSubject, "issuer   ": cert.RawIssuer}[field]
				if !ok {
					continue
				}
				if got := dn.Slash(raw); exact && got != want {
					t.Errorf("%s: %s%s, should be %s", file, field, got, want)
				}
				if mine, theirs := of(t, raw), parse(t, want); !mine.Equal(theirs) {
					t.Errorf("%s: %s is another name than %s", file, mine, theirs)
				}
				if field == "issuer   " {
					break // what follows is about attribute certificates
				}
			}
		}
	}
}

func of(t testing.TB, raw []byte) dn.Name {
	t.Helper()
	n, err := dn.Of(raw)
	if err != nil {
		t.Fatalf("%x: %v", raw, err)
	}
	return n
}

func parse(t testing.TB, text string) dn.Name {
	t.Helper()
	n, err := dn.Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return n
}

func TestParseReadsWhatPeopleWrite(t *testing.T) {
	for _, c := range []struct{ text, slash string }{
		{"/DC=test/CN=Ada", "/DC=test/CN=Ada"},
		{"CN=Ada,DC=test", "/DC=test/CN=Ada"},
		{"CN=Ada, O=Foo; C=ZZ", "/C=ZZ/O=Foo/CN=Ada"},
		{"cn = Ada , dc = test", "/DC=test/CN=Ada"},
		{"/O=Grid/CN=host/w1.lanyard.test", `/O=Grid/CN=host\/w1.lanyard.test`},
		{`/O=Grid/CN=host\/w1.lanyard.test`, `/O=Grid/CN=host\/w1.lanyard.test`},
		{"/CN=http://x.test/?a=b", `/CN=http:\/\/x.test\/?a=b`},
		{`/CN=a\/CN=b`, `/CN=a\/CN=b`},
		{"/CN=a/CN=b", "/CN=a/CN=b"},
		{"/CN=a+b/OU=c+UID=d", `/CN=a\+b/OU=c+UID=d`},
		{"/CN=back\\slash", "/CN=back\\slash"},
		{`/CN=Zo\xC3\xAB`, `/CN=Zo\xC3\xAB`},
		{"/CN=Zoë", `/CN=Zo\xC3\xAB`},
		{"/CN=x/Email=a@b.test", "/CN=x/emailAddress=a@b.test"},
		{"/CN=x/E=a@b.test", "/CN=x/emailAddress=a@b.test"},
		{"/CN=x/EMAILADDRESS=a@b.test", "/CN=x/emailAddress=a@b.test"},
		{"/CN=x/USERID=a", "/CN=x/UID=a"},
		{"/CN=x/0.9.2342.19200300.100.1.1=a", "/CN=x/UID=a"},
		{"/commonName=x/oid.1.2.3.4=a", "/CN=x/1.2.3.4=a"},
		{"/S=a/ST=b/SP=c/G=d/SN=e", "/ST=a/ST=b/ST=c/GN=d/SN=e"},
		{`CN=a\,b\+c\"d\\e\C3\AB\ ,O=x`, `/O=x/CN=a,b\+c"d\e\xC3\xAB `},
		{`CN="a, CN=b ",O=x`, "/O=x/CN=a, CN=b "},
		{"CN=Foo, Inc.,O=x", "/O=x/CN=Foo, Inc."},
		{"CN=#0C03416461,O=x", "/O=x/CN=Ada"},
		{"CN=#nothing,O=x", "/O=x/CN=#nothing"},
		{"OU=b+UID=a,O=x", "/O=x/OU=b+UID=a"},
		{"", ""},
		{"/CN=", "/CN="},
	} {
		if got := parse(t, c.text).String(); got != c.slash {
			t.Errorf("%q is %q, should be %q", c.text, got, c.slash)
		}
	}
	for _, text := range []string{"/", "Ada", "/Ada", "/FOO=x", `CN="a`, "=", "/=x", "1.=x", "/3.1=x", "/1.40=x",
		"/1.02=x", strings.Repeat("/CN=x", 257), "/CN=" + strings.Repeat("x", 256<<10)} {
		if n, err := dn.Parse(text); err == nil {
			t.Errorf("%.40q is read as %s", text, n)
		}
	}
}

func TestEqual(t *testing.T) {
	latin1, bmp := odd(t)["latin1"], name(t, part{cn, bmpString, "\x00Z\x00o\x00\xEB"})
	for _, c := range []struct {
		a, b dn.Name
		want bool
	}{
		{parse(t, "/DC=test/CN=Ada"), parse(t, "/DC=TEST/CN= ada"), true},
		{parse(t, "/CN=Ada  Tester"), parse(t, "/CN=ada\ttester "), true},
		{parse(t, "/CN=x/Email=a@b"), parse(t, "EMAILADDRESS=A@B,CN=x"), true},
		{parse(t, "/CN=a/OU=b"), parse(t, "/OU=b/CN=a"), false},
		{parse(t, "/CN=a+OU=b"), parse(t, "/OU=b+CN=a"), true},
		{parse(t, "/CN=a+OU=b"), parse(t, "/CN=a/OU=b"), false},
		{parse(t, "/CN=a/CN=b"), parse(t, `/CN=a\/CN=b`), false},
		{parse(t, "/CN=AdaTester"), parse(t, "/CN=Ada Tester"), false},
		{parse(t, "/CN=Zoë"), parse(t, "/CN=ZOË"), false}, // only ASCII letters are folded
		{parse(t, "/CN=\u212Aelvin"), parse(t, "/CN=Kelvin"), false},
		{of(t, latin1), parse(t, "/CN=Zoë"), true},
		{of(t, latin1), parse(t, dn.Slash(latin1)), true},
		{of(t, bmp), parse(t, "CN=Zoë"), true},
		{of(t, name(t, part{cn, t61String, "Zoë"})), parse(t, `/CN=Zo\xC3\xAB`), true},
		{of(t, name(t, part{cn, 3, "\x00Ada"})), parse(t, `/CN=\x00Ada`), false}, // a BIT STRING
		{dn.Name{}, parse(t, ""), true},
		{dn.Name{}, parse(t, "/CN=a"), false},
	} {
		if got := c.a.Equal(c.b); got != c.want || c.b.Equal(c.a) != c.want {
			t.Errorf("%s and %s: equal %t, should be %t", c.a, c.b, got, c.want)
		}
	}
}

// TestDER checks the string types that RFC 5280 wants, and that certificates keep theirs.
func TestDER(t *testing.T) {
	got, err := parse(t, "/C=ZZ/DC=test/O=Foo & Co/CN=Zoë/Email=z@x.test/CN=Ada (1)/DC=tëst").DER()
	if err != nil {
		t.Fatal(err)
	}
	want := name(t, part{c, printableString, "ZZ"}, part{dc, ia5String, "test"}, part{o, utf8String, "Foo & Co"}, part{cn, utf8String, "Zoë"},
		part{email, ia5String, "z@x.test"}, part{cn, printableString, "Ada (1)"}, part{dc, utf8String, "tëst"})
	if !bytes.Equal(got, want) {
		t.Errorf("%x, should be %x", got, want)
	}
	kept := odd(t)["latin1"]
	if got, err := of(t, kept).DER(); err != nil || !bytes.Equal(got, kept) {
		t.Errorf("%x, should be %x (%v)", got, kept, err)
	}
}

func TestWhatIsNoNameIsRefused(t *testing.T) {
	plain := odd(t)["plain"]
	long := name(t, part{cn, utf8String, strings.Repeat("x", 65<<10)})
	var many []part
	for range 257 {
		many = append(many, part{cn, utf8String, "x"})
	}
	for _, raw := range [][]byte{nil, {0x30}, {0x30, 2, 0x31, 0}, plain[:len(plain)-1], append(bytes.Clone(plain), 0), plain[2:], long,
		name(t, many...), name(t, part{cn, 0, "x"})} {
		if _, err := dn.Of(raw); err == nil {
			t.Errorf("%.40x is read", raw)
		}
		if _, err := dn.Canonical(raw); err == nil {
			t.Errorf("%.40x has a canonical form", raw)
		}
		if s := dn.Slash(raw) + dn.RFC2253(raw); s != "" {
			t.Errorf("%.40x is shown as %.40q", raw, s)
		}
	}
	if _, err := dn.Of([]byte{0x30, 0}); err != nil {
		t.Errorf("the empty name is refused: %v", err)
	}
}

func TestFold(t *testing.T) {
	subject := of(t, name(t, part{o, utf8String, "Foo  BAR"}, part{cn, utf8String, "host/w1.Lanyard.test"}, part{email, ia5String, "A@b.test"}))
	for _, pattern := range []string{"/O=foo bar/CN=host/w1.lanyard.test/Email=a@B.test", `/o=FOO BAR/cn=host\/w1.lanyard.test/E=a@b.test`,
		`/O=Foo\x20Bar/CN=host/w1.lanyard.test/emailAddress=a@b.test`} {
		if got, want := dn.Fold(pattern), subject.Folded(); got != want {
			t.Errorf("%s folds to %s, the name to %s", pattern, got, want)
		}
	}
}

func FuzzOf(f *testing.F) {
	for _, raw := range odd(f) {
		f.Add(raw)
	}
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, err := dn.Of(raw)
		if err != nil {
			return
		}
		if again, err := n.DER(); err != nil || !of(t, again).Equal(n) {
			t.Fatalf("%x encodes as %x (%v), another name", raw, again, err)
		}
		if _, err := dn.Canonical(raw); err != nil {
			t.Fatalf("%x: %v", raw, err)
		}
		text := dn.Slash(raw)
		if ambiguous(raw, text) {
			return
		}
		for _, text := range []string{text, dn.RFC2253(raw)} {
			if got, err := dn.Parse(text); err != nil || !got.Equal(n) {
				t.Fatalf("%x is %s, which is read as %s (%v)", raw, text, got, err)
			}
		}
	})
}

type attributesSET []struct { // encoding/asn1 goes by the end of the name
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// ambiguous reports whether OpenSSL's slash form of a name does not tell all of it: backslashes are
// not escaped, two types are both called uid, wide characters are shown byte by byte, and types of
// values that are no text are not shown.
func ambiguous(raw []byte, slash string) bool {
	var rdns []attributesSET
	if rest, err := asn1.Unmarshal(raw, &rdns); err != nil || len(rest) > 0 {
		return true
	}
	text := []int{utf8String, numericString, printableString, t61String, ia5String}
	for _, rdn := range rdns {
		for _, a := range rdn {
			if a.Value.IsCompound || !slices.Contains(text, a.Value.Tag) || a.Value.Class != asn1.ClassUniversal || bytes.IndexByte(a.Value.Bytes, '\\') >= 0 {
				return true
			}
		}
	}
	return strings.Contains(slash, "uid=")
}

func FuzzParse(f *testing.F) {
	for _, raw := range odd(f) {
		f.Add(dn.Slash(raw))
		f.Add(dn.RFC2253(raw))
	}
	f.Add(`CN="a, b" ; O=#0C03416461+OU=c\C3\AB\ `)
	f.Add("/CN=a/CN=b+OID.1.2.3=x/foo=bar//E=y")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := dn.Parse(text)
		if err != nil {
			return
		}
		der, err := n.DER()
		if err != nil {
			t.Fatalf("%q cannot be encoded: %v", text, err)
		}
		if len(der) <= 64<<10 && !of(t, der).Equal(n) {
			t.Fatalf("%q is another name when encoded: %x", text, der)
		}
		dn.Fold(text)
	})
}
