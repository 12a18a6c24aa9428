package voms_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The parts of AttributeCertificateInfo, in order.
const (
	version = iota
	holderPart
	issuerPart
	algorithmPart
	serialPart
	validityPart
	attributesPart
	extensionsPart
)

// forge changes parts of an AC and has the authority voms sign the result, as nobody who is in
// his right mind would.
func forge(t testing.TB, der []byte, change func(parts [][]byte)) []byte {
	t.Helper()
	input := cryptobyte.String(der)
	var cert, info, part, algorithm cryptobyte.String
	var parts [][]byte
	if !input.ReadASN1(&cert, asn1.SEQUENCE) || !cert.ReadASN1(&info, asn1.SEQUENCE) || !cert.ReadASN1Element(&algorithm, asn1.SEQUENCE) {
		t.Fatal("the AC to change is none")
	}
	for info.ReadAnyASN1Element(&part, nil) {
		parts = append(parts, part)
	}
	change(parts)
	signed := element(asn1.SEQUENCE, parts...)
	_, key := certificate(t, "voms")
	sum := sha256.Sum256(signed)
	signature, err := sign(key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return element(asn1.SEQUENCE, signed, algorithm, element(asn1.BIT_STRING, []byte{0}, signature))
}

func sign(key crypto.Signer, sum []byte) ([]byte, error) {
	return key.Sign(rand.Reader, sum, crypto.SHA256)
}

// element encodes contents under tag.
func element(tag asn1.Tag, contents ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(contents, nil)) })
	return b.BytesOrPanic()
}

// replace swaps one text in a part for another of the same length.
func replace(part int, old, new string) func([][]byte) {
	return func(parts [][]byte) { parts[part] = bytes.Replace(parts[part], []byte(old), []byte(new), 1) }
}

// judge parses and verifies an AC that was issued to ada.
func judge(t testing.TB, v voms.Verifier, der []byte) error {
	t.Helper()
	ac, err := voms.Parse(der)
	if err != nil {
		return err
	}
	holder, _ := certificate(t, "ada")
	return v.Verify(ac, holder)
}

const (
	oidSHA256      = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"
	oidMD5         = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04"
	oidSHA384      = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"
	oidPSS         = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
	extNoRevAvail  = "\x06\x03\x55\x1d\x38"
	extUnknown     = "\x06\x03\x55\x1d\x7f"
	nonCriticalNRA = "\x30\x09" + extNoRevAvail + "\x04\x02\x05\x00"
	criticalNRA    = "\x30\x0c" + extNoRevAvail + "\x01\x01\xff\x04\x02\x05\x00"
)

// grow replaces a text within the extensions, its last if there are several because the authority's
// certificate stands there too, by one of another length.
func grow(old, new string) func([][]byte) {
	return func(parts [][]byte) {
		var list cryptobyte.String
		part := cryptobyte.String(parts[extensionsPart])
		part.ReadASN1(&list, asn1.SEQUENCE)
		before, after := list, []byte(nil)
		if i := bytes.LastIndex(list, []byte(old)); i >= 0 {
			before, after = list[:i], list[i+len(old):]
		}
		parts[extensionsPart] = element(asn1.SEQUENCE, before, []byte(new), after)
	}
}

// TestForged has what only an authority could make, and none should.
func TestForged(t *testing.T) {
	der := create(t, with(func(t *voms.Template) {
		t.FQANs = []string{"/lanyard/aaaa", "/lanyard/bbbb"}
		t.Attributes = []voms.Attribute{{Name: "nick", Value: "ada", Qualifier: "lanyard"}}
	})).Raw
	for _, test := range []struct {
		name   string
		change func([][]byte)
		want   voms.Reason
	}{
		{"nothing", func([][]byte) {}, ""},
		{"another VO's FQAN second", replace(attributesPart, "/lanyard/bbbb", "/lanyardXbbbb"), voms.FQANs},
		{"NUL in FQAN", replace(attributesPart, "/lanyard/bbbb", "/lanyard/bb\x00b"), voms.Malformed},
		{"escape sequence in FQAN", replace(attributesPart, "/lanyard/bbbb", "/lanyard/\x1b[0m"), voms.Malformed},
		{"line separator in FQAN", replace(attributesPart, "/lanyard/bbbb", "/lanyard/\u2028b"), voms.Malformed},
		{"broken UTF-8 in FQAN", replace(attributesPart, "/lanyard/bbbb", "/lanyard/b\xffbb"), voms.Malformed},
		{"line break in attribute", replace(extensionsPart, "nick", "ni\nk"), voms.Malformed},
		{"VO that leads elsewhere", replace(attributesPart, "lanyard://", "../yard://"), voms.Malformed},
		{"host that leads elsewhere", replace(attributesPart, "//voms.lanyard.test", "//../../nyard.test"), voms.Malformed},
		{"no scheme", replace(attributesPart, "lanyard://", "lanyard:x/"), voms.Malformed},
		{"no port", replace(attributesPart, ":15000", ".15000"), voms.Malformed},
		{"port with two colons", replace(attributesPart, ":15000", ":1:000"), voms.Malformed},
		{"inner algorithm", replace(algorithmPart, oidSHA256, oidSHA384), voms.Algorithm},
		{"UTCTime", func(p [][]byte) {
			p[validityPart] = element(asn1.SEQUENCE, element(asn1.UTCTime, []byte("260101000000Z")), element(asn1.UTCTime, []byte("270101000000Z")))
		}, voms.Malformed},
		{"time with an offset", replace(validityPart, "20261121115500Z", "2026112111+0100"), voms.Malformed},
		{"no serial", func(p [][]byte) { p[serialPart] = element(asn1.NULL) }, voms.Malformed},
		{"long serial", func(p [][]byte) { p[serialPart] = element(asn1.INTEGER, bytes.Repeat([]byte{1}, 21)) }, voms.Serial},
		{"negative serial", func(p [][]byte) { p[serialPart] = element(asn1.INTEGER, []byte{0x80}) }, voms.Serial},
		{"critical noRevAvail", grow(nonCriticalNRA, criticalNRA), voms.Extensions},
		{"noRevAvail with content", grow(nonCriticalNRA, "\x30\x0a"+extNoRevAvail+"\x04\x03\x02\x01\x00"), voms.Malformed},
		{"noRevAvail twice", grow(nonCriticalNRA, nonCriticalNRA+nonCriticalNRA), voms.Malformed},
		{"unknown critical extension", grow(nonCriticalNRA, nonCriticalNRA+"\x30\x0c"+extUnknown+"\x01\x01\xff\x04\x02\x05\x00"), voms.CriticalExtension},
		{"unknown extension", grow(nonCriticalNRA, nonCriticalNRA+"\x30\x09"+extUnknown+"\x04\x02\x05\x00"), ""},
		{"no key identifier", grow("\x06\x03\x55\x1d\x23", "\x06\x03\x55\x1d\x7f"), voms.Extensions},
		{"no certificates", grow("\xbe\x45\x64\x64\x0a", "\xbe\x45\x64\x64\x63"), voms.AnchorMismatch},
		{"empty certificates", func(p [][]byte) {
			p[extensionsPart] = element(asn1.SEQUENCE, element(asn1.SEQUENCE, []byte("\x06\x0a\x2b\x06\x01\x04\x01\xbe\x45\x64\x64\x0a"), []byte("\x04\x04\x30\x02\x30\x00")))
		}, voms.Malformed},
		{"no extensions", func(p [][]byte) { p[extensionsPart] = nil }, voms.Malformed},
		{"holder of two names", func(p [][]byte) {
			var holder, id, names cryptobyte.String
			part := cryptobyte.String(p[holderPart])
			part.ReadASN1(&holder, asn1.SEQUENCE)
			holder.ReadAnyASN1(&id, nil)
			id.ReadASN1(&names, asn1.SEQUENCE)
			p[holderPart] = element(asn1.SEQUENCE, element(0xa0, element(asn1.SEQUENCE, names, names), id))
		}, voms.Malformed},
		{"explicit tag around the VO", func(p [][]byte) {
			uri := element(0x86, []byte("lanyard://voms.lanyard.test:15000"))
			p[attributesPart] = element(asn1.SEQUENCE, element(asn1.SEQUENCE, []byte("\x06\x0a\x2b\x06\x01\x04\x01\xbe\x45\x64\x64\x04"),
				element(asn1.SET, element(asn1.SEQUENCE, element(0xa0, element(asn1.SEQUENCE, uri)), element(asn1.SEQUENCE, element(asn1.OCTET_STRING, []byte("/lanyard")))))))
		}, ""}, // as by the Java library before 3.3.6
		{"two VOs", func(p [][]byte) {
			uri := element(0x86, []byte("lanyard://voms.lanyard.test:15000"))
			p[attributesPart] = element(asn1.SEQUENCE, element(asn1.SEQUENCE, []byte("\x06\x0a\x2b\x06\x01\x04\x01\xbe\x45\x64\x64\x04"),
				element(asn1.SET, element(asn1.SEQUENCE, element(0xa0, uri, uri), element(asn1.SEQUENCE, element(asn1.OCTET_STRING, []byte("/lanyard")))))))
		}, voms.Malformed},
	} {
		if got := reason(t, judge(t, verifier(t), forge(t, der, test.change))); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	for name, oid := range map[string]string{"MD5": oidMD5, "PSS": oidPSS} {
		if got := reason(t, judge(t, verifier(t), bytes.ReplaceAll(der, []byte(oidSHA256), []byte(oid)))); got != voms.Algorithm {
			// The authority's own certificate inside says so, too, but is not reached.
			t.Errorf("%s: got %q, want %q", name, got, voms.Algorithm)
		}
	}
}

// TestBounds checks that no list can be as long as one likes.
func TestBounds(t *testing.T) {
	der := create(t, day()).Raw
	list := func(n int, one []byte) []byte { return bytes.Repeat(one, n) }
	fqans := func(n int, fqan string) func([][]byte) {
		return func(p [][]byte) {
			p[attributesPart] = element(asn1.SEQUENCE, element(asn1.SEQUENCE, []byte("\x06\x0a\x2b\x06\x01\x04\x01\xbe\x45\x64\x64\x04"),
				element(asn1.SET, element(asn1.SEQUENCE, element(0xa0, element(0x86, []byte("lanyard://voms.lanyard.test:15000"))),
					element(asn1.SEQUENCE, list(n, element(asn1.OCTET_STRING, []byte(fqan))))))))
		}
	}
	extension := func(oid string, value []byte) func([][]byte) {
		return grow(nonCriticalNRA, nonCriticalNRA+string(element(asn1.SEQUENCE, element(asn1.OBJECT_IDENTIFIER, []byte(oid)), element(asn1.OCTET_STRING, value))))
	}
	text := element(asn1.OCTET_STRING, []byte("x"))
	attributes := func(n int) []byte {
		return element(asn1.SEQUENCE, element(asn1.SEQUENCE, element(asn1.SEQUENCE, element(asn1.SEQUENCE),
			element(asn1.SEQUENCE, list(n, element(asn1.SEQUENCE, text, text, text))))))
	}
	targets := func(n int) []byte {
		return element(asn1.SEQUENCE, element(asn1.SEQUENCE, list(n, element(asn1.SEQUENCE, element(0xa0, element(0x86, []byte("h")))))))
	}
	for _, test := range []struct {
		name   string
		change func([][]byte)
		ok     bool
	}{
		{"FQANs", fqans(voms.MaxFQANs, "/lanyard"), true},
		{"too many FQANs", fqans(voms.MaxFQANs+1, "/lanyard"), false},
		{"FQAN", fqans(1, "/"+strings.Repeat("x", voms.MaxFQAN-1)), true},
		{"too long FQAN", fqans(1, "/"+strings.Repeat("x", voms.MaxFQAN)), false},
		{"attributes", extension("\x2b\x06\x01\x04\x01\xbe\x45\x64\x64\x0b", attributes(voms.MaxAttributes)), true},
		{"too many attributes", extension("\x2b\x06\x01\x04\x01\xbe\x45\x64\x64\x0b", attributes(voms.MaxAttributes+1)), false},
		{"targets", extension("\x55\x1d\x37", targets(voms.MaxTargets)), true},
		{"too many targets", extension("\x55\x1d\x37", targets(voms.MaxTargets+1)), false},
		{"size", extension(extUnknown, make([]byte, voms.MaxExtension)), false},
	} {
		if _, err := voms.Parse(forge(t, der, test.change)); (err == nil) != test.ok {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
	for n, ok := range map[int]bool{0: false, 1: true, voms.MaxACs: true, voms.MaxACs + 1: false} {
		value := element(asn1.SEQUENCE, element(asn1.SEQUENCE, list(n, der)))
		if all, err := voms.ParseExtension(value); (err == nil) != ok || ok && len(all) != n {
			t.Errorf("%d ACs: got %d, %v", n, len(all), err)
		}
	}
	value := element(asn1.SEQUENCE, element(asn1.SEQUENCE, der))
	if _, err := voms.ParseExtension(append(value, 0)); reason(t, err) != voms.Malformed {
		t.Errorf("bytes after the list: got %v", err)
	}
	if _, err := voms.ParseExtension(element(asn1.SEQUENCE, element(asn1.SEQUENCE, der), []byte{5, 0})); reason(t, err) != voms.Malformed {
		t.Errorf("something beside the list: got %v", err)
	}
	if _, err := voms.Parse(append(bytes.Clone(der), 0)); reason(t, err) != voms.Malformed {
		t.Errorf("bytes after the AC: got %v", err)
	}
}

func TestExtension(t *testing.T) {
	one, other := create(t, day()).Raw, create(t, day()).Raw
	value, err := voms.Extension(one, other)
	if err != nil {
		t.Fatal(err)
	}
	all, err := voms.ParseExtension(value)
	if err != nil || len(all) != 2 || !bytes.Equal(all[0].AC.Raw, one) || !bytes.Equal(all[1].AC.Raw, other) {
		t.Errorf("got %v, %v, want both in order", all, err)
	}
	for name, acs := range map[string][][]byte{"none": nil, "garbage": {one, []byte("hello")}, "cut": {one[:100]}} {
		if _, err := voms.Extension(acs...); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func TestTimes(t *testing.T) {
	ac := create(t, day())
	holder, _ := certificate(t, "ada")
	for _, test := range []struct {
		at   time.Time
		want voms.Reason
	}{
		{ac.NotBefore, ""},
		{ac.NotBefore.Add(-voms.Skew), ""},
		{ac.NotBefore.Add(-voms.Skew - time.Second), voms.NotYetValid},
		{ac.NotAfter.Add(voms.Skew), ""},
		{ac.NotAfter.Add(voms.Skew + time.Second), voms.Expired},
	} {
		v := verifier(t)
		v.At = test.at
		if got := reason(t, v.Verify(ac, holder)); got != test.want {
			t.Errorf("at %v: got %q, want %q", test.at, got, test.want)
		}
	}
}

func TestTargets(t *testing.T) {
	holder, _ := certificate(t, "ada")
	for _, test := range []struct {
		targets, hosts string
		want           bool
	}{
		{"", "", true}, {"", "a.test", true},
		{"a.test", "", false}, {"a.test", "b.test", false}, {"a.test", "a.test", true},
		{"b.test a.test", "a.test", true}, {"A.Test", "a.tesT", true}, {"a.test.", "a.test", true}, {"a.test", "a.test.", true},
		{"a", "a.test", true}, {"a", "a", true}, {"a", "b.a", false},
		{"a.test", "a", false}, {"a.test", "a a.test", true}, {"a.test", "a.test.org", false},
	} {
		ac := create(t, with(func(t *voms.Template) { t.Targets = strings.Fields(test.targets) }))
		v := verifier(t)
		v.Hosts = append(strings.Fields(test.hosts), "")
		want := voms.Target
		if test.want {
			want = ""
		}
		if got := reason(t, v.Verify(ac, holder)); got != want {
			t.Errorf("targets %q on host %q: got %q, want %q", test.targets, test.hosts, got, want)
		}
	}
}

// TestHolderForms accepts the name of RFC 5755, the holder's issuer, beside VOMS' own.
func TestHolderForms(t *testing.T) {
	der := create(t, day()).Raw
	ada, _ := certificate(t, "ada")
	holder := func(name []byte, serial int64) func([][]byte) {
		return func(p [][]byte) {
			var b cryptobyte.Builder
			b.AddASN1BigInt(big.NewInt(serial))
			p[holderPart] = element(asn1.SEQUENCE, element(0xa0, element(asn1.SEQUENCE, element(0xa4, name)), b.BytesOrPanic()))
		}
	}
	serial := ada.SerialNumber.Int64()
	for _, test := range []struct {
		name   string
		change func([][]byte)
		want   voms.Reason
	}{
		{"subject", holder(ada.RawSubject, serial), ""},
		{"issuer", holder(ada.RawIssuer, serial), ""},
		{"subject, other number", holder(ada.RawSubject, serial+1), voms.HolderMismatch},
		{"issuer, other number", holder(ada.RawIssuer, serial+1), voms.HolderMismatch},
		{"empty name", holder([]byte{0x30, 0}, serial), voms.Malformed},
		{"no name", holder([]byte{5, 0}, serial), voms.Malformed},
	} {
		if got := reason(t, judge(t, verifier(t), forge(t, der, test.change))); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// TestSetup checks that nothing is verified by a verifier that nobody has set up.
func TestSetup(t *testing.T) {
	ac := create(t, day())
	holder, _ := certificate(t, "ada")
	good := verifier(t)
	for name, test := range map[string]struct {
		v      voms.Verifier
		ac     *voms.AC
		holder *x509.Certificate
		want   voms.Reason
	}{
		"good":       {good, ac, holder, ""},
		"nothing":    {voms.Verifier{}, ac, holder, voms.Setup},
		"no trust":   {voms.Verifier{Anchors: good.Anchors, At: today}, ac, holder, voms.Setup},
		"no CA":      {voms.Verifier{Trust: trust.New(nil), Anchors: good.Anchors, At: today}, ac, holder, voms.Authority},
		"no time":    {voms.Verifier{Trust: good.Trust, Anchors: good.Anchors}, ac, holder, voms.Setup},
		"no anchors": {voms.Verifier{Trust: good.Trust, At: today}, ac, holder, voms.NoAnchor},
		"no holder":  {good, ac, nil, voms.Setup},
		"no AC":      {good, nil, holder, voms.Setup},
		"not parsed": {good, &voms.AC{VO: "lanyard", FQANs: []string{"/lanyard"}}, holder, voms.Setup},
	} {
		if got := reason(t, test.v.Verify(test.ac, test.holder)); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAnchors(t *testing.T) {
	aa, _ := certificate(t, "voms")
	pem := read(t, fixtures+"/pki/vomsdir-pem/delta/voms.lanyard.test.pem")
	lsc := []byte(voms.LSCOf(aa).String())
	foreign := []byte("/CN=somebody\n/CN=else\n")
	known := func(vo string, l voms.LSC) map[string]voms.LSC {
		return map[string]voms.LSC{vo + "/voms.lanyard.test": l}
	}
	for _, test := range []struct {
		name  string
		files map[string][]byte
		known map[string]voms.LSC
		want  voms.Reason
		hint  string // part of it
	}{
		{"LSC", map[string][]byte{"delta/voms.lanyard.test.lsc": lsc}, nil, "", ""},
		{"nothing", nil, nil, voms.NoAnchor, "Get the file"},
		{"LSC of another VO", map[string][]byte{"lanyard/voms.lanyard.test.lsc": lsc}, nil, voms.NoAnchor, "Get the file"},
		{"LSC of another host", map[string][]byte{"delta/voms2.lanyard.test.lsc": lsc}, nil, voms.NoAnchor, "Get the file"},
		{"LSC of another authority", map[string][]byte{"delta/voms.lanyard.test.lsc": foreign}, nil, voms.AnchorMismatch, "current LSC file"},
		{"broken LSC", map[string][]byte{"delta/voms.lanyard.test.lsc": []byte("/CN=a\n")}, nil, voms.NoAnchor, "Replace the file"},
		{"broken LSC of another VO", map[string][]byte{"delta/voms.lanyard.test.lsc": lsc, "lanyard/voms.lanyard.test.lsc": []byte("x")}, nil, "", ""},
		{"certificate", map[string][]byte{"delta/any.pem": pem}, nil, "", ""},
		{"certificate beside a broken LSC", map[string][]byte{"delta/any.pem": pem, "delta/voms.lanyard.test.lsc": nil}, nil, "", ""},
		{"certificate of another VO", map[string][]byte{"lanyard/any.pem": pem}, nil, voms.NoAnchor, "Get the file"},
		{"certificate of no VO", map[string][]byte{"any.pem": pem}, nil, voms.NoAnchor, "Get the file"},
		{"garbage for a certificate", map[string][]byte{"delta/any.pem": []byte("hello"), "delta/b.pem": pem}, nil, "", ""},
		{"known", nil, known("delta", voms.LSCOf(aa)), "", ""},
		{"known for another VO", nil, known("lanyard", voms.LSCOf(aa)), voms.NoAnchor, ""},
		{"known otherwise", map[string][]byte{"delta/voms.lanyard.test.lsc": lsc}, known("delta", voms.LSC{}), voms.AnchorMismatch, ""},
	} {
		v := verifier(t)
		v.Anchors = voms.Anchors{Dir: t.TempDir(), Known: test.known}
		for name, text := range test.files {
			write(t, filepath.Join(v.Anchors.Dir, name), text)
		}
		err := judge(t, v, create(t, with(func(t *voms.Template) { t.VO, t.FQANs = "delta", []string{"/delta"} })).Raw)
		if got := reason(t, err); got != test.want {
			t.Errorf("%s: got %q, want %q: %v", test.name, got, test.want, err)
		}
		if e, ok := errors.AsType[*voms.Error](err); ok && (!strings.Contains(e.Hint(), test.hint) || e.VO != "delta") {
			t.Errorf("%s: got VO %s and hint %q, want %q", test.name, e.VO, e.Hint(), test.hint)
		}
	}
}

// TestAuthority checks that the reason for which an authority's certificate is refused is told.
func TestAuthority(t *testing.T) {
	holder, _ := certificate(t, "ada")
	for name, want := range map[string]trust.Reason{
		"voms-expired": trust.Expired, "voms-revoked": trust.Revoked, "voms-untrusted": trust.UnknownCA, "voms-nsviol": trust.Namespace,
	} {
		aa, key := certificate(t, name)
		der, err := voms.Create(with(func(t *voms.Template) { t.NotBefore = aa.NotBefore }), holder, aa, key)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v := verifier(t)
		v.At = aa.NotBefore.Add(time.Hour)
		if name == "voms-expired" {
			v.At = aa.NotAfter.Add(time.Second) // within the skew of the AC, but not of its authority
		}
		v.Anchors.Known = map[string]voms.LSC{"lanyard/voms.lanyard.test": voms.LSCOf(aa)}
		err = judge(t, v, der)
		e, ok := errors.AsType[*trust.Error](err)
		if reason(t, err) != voms.Authority || !ok || e.Reason != want {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}
