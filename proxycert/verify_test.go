package proxycert_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/proxycert/trust"
)

var (
	keyUsageID = asn1.ObjectIdentifier{2, 5, 29, 15}
	usage      = pkix.Extension{Id: keyUsageID, Critical: true, Value: []byte{3, 2, 5, 0xA0}}
)

// The values of proxyCertInfo that voms-x509.md saw on the wire.
const (
	inheritAll  = "\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x15\x01"
	lengthOne   = "\x30\x0f\x02\x01\x01\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x15\x01"
	limitedOnly = "\x30\x0f\x30\x0d\x06\x0b\x2b\x06\x01\x04\x01\x9b\x50\x01\x01\x01\x09"
)

func pci(value string) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 14}, Critical: true, Value: []byte(value)}
}

// forge makes what Create refuses to make. Where c says nothing, it is a proxy like any other, but
// for the extensions: those are c's.
func forge(t testing.TB, issuer proxycert.Credential, key crypto.Signer, c x509.Certificate) proxycert.Credential {
	t.Helper()
	c.SerialNumber = big.NewInt(4711)
	if c.RawSubject == nil {
		c.RawSubject = add(t, issuer.Chain[0].RawSubject, "4711")
	}
	if c.NotBefore.IsZero() {
		c.NotBefore = now.Add(-5 * time.Minute)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = now.Add(12 * time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, issuer.Chain[0], key.Public(), issuer.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return proxycert.Credential{Chain: append([]*x509.Certificate{cert}, issuer.Chain...), Key: key}
}

// add puts common names behind a Name, each as a part of its own.
func add(t testing.TB, name []byte, commonNames ...string) []byte {
	t.Helper()
	var parts []asn1.RawValue
	if _, err := asn1.Unmarshal(name, &parts); err != nil {
		t.Fatal(err)
	}
	for _, cn := range commonNames {
		parts = append(parts, asn1.RawValue{FullBytes: rdn(t, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: cn})})
	}
	der, err := asn1.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func rdn(t testing.TB, values ...pkix.AttributeTypeAndValue) []byte {
	t.Helper()
	der, err := asn1.Marshal(pkix.RelativeDistinguishedNameSET(values))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// addPart puts one part with the given attributes behind a Name.
func addPart(t testing.TB, name []byte, values ...pkix.AttributeTypeAndValue) []byte {
	t.Helper()
	var parts []asn1.RawValue
	if _, err := asn1.Unmarshal(name, &parts); err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(append(parts, asn1.RawValue{FullBytes: rdn(t, values...)}))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// patched returns c's leaf with bytes replaced, wherever they stand.
func patched(t testing.TB, c proxycert.Credential, old, new string) proxycert.Credential {
	t.Helper()
	raw := bytes.ReplaceAll(c.Chain[0].Raw, []byte(old), []byte(new))
	cert, err := keyfile.Certificate(raw)
	if err != nil || bytes.Equal(raw, c.Chain[0].Raw) {
		t.Fatal(err, "or nothing to patch")
	}
	return proxycert.Credential{Chain: append([]*x509.Certificate{cert}, c.Chain[1:]...), Key: c.Key}
}

func TestVerifyRefuses(t *testing.T) {
	k := keys()
	ada := user(t, "ada")
	name := ada.Chain[0].RawSubject
	good := []pkix.Extension{usage, pci(inheritAll)}
	full := makeProxy(t, ada, k[0], day())
	legacy := makeProxy(t, ada, k[0], with(func(t *proxycert.Template) { t.Kind = proxycert.Legacy }))
	cn := pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "1"}
	ou := pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "1"}
	from := func(c x509.Certificate) proxycert.Credential { return forge(t, ada, k[0], c) }
	ext := func(e ...pkix.Extension) proxycert.Credential {
		return from(x509.Certificate{ExtraExtensions: append(slices.Clone(good), e...)})
	}
	info := func(value string) proxycert.Credential {
		return from(x509.Certificate{ExtraExtensions: []pkix.Extension{usage, pci(value)}})
	}
	plain := pci(inheritAll)
	plain.Critical = false
	draft := pci(inheritAll)
	draft.Id = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3536, 1, 222}
	sized := func(bits uint) proxycert.Credential {
		n := new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1)
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), RawSubject: add(t, name, "1"), NotBefore: now, NotAfter: now.Add(time.Hour), ExtraExtensions: good},
			ada.Chain[0], &rsa.PublicKey{N: n, E: 65537}, ada.Key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return proxycert.Credential{Chain: append([]*x509.Certificate{c}, ada.Chain...)}
	}
	imposter := forge(t, user(t, "fxca"), k[2], x509.Certificate{RawSubject: name})
	for what, c := range map[string]struct {
		chain proxycert.Credential
		want  proxycert.Reason
	}{
		"path length 1 exceeded":        {forge(t, forge(t, info(lengthOne), k[1], x509.Certificate{ExtraExtensions: good}), k[2], x509.Certificate{ExtraExtensions: good}), proxycert.PathLength},
		"RFC below legacy":              {forge(t, legacy, k[1], x509.Certificate{ExtraExtensions: good}), proxycert.MixedKinds},
		"draft below RFC":               {forge(t, full, k[1], x509.Certificate{ExtraExtensions: []pkix.Extension{usage, draft}}), proxycert.MixedKinds},
		"full below limited":            {forge(t, info(limitedOnly), k[1], x509.Certificate{ExtraExtensions: good}), proxycert.Unlimited},
		"proxyCertInfo not critical":    {from(x509.Certificate{ExtraExtensions: []pkix.Extension{usage, plain}}), proxycert.Constraint},
		"proxyCertInfo of both kinds":   {ext(draft), proxycert.Malformed},
		"bytes after proxyCertInfo":     {info(inheritAll + "\x05\x00"), proxycert.Malformed},
		"bytes within proxyCertInfo":    {info("\x30\x0e\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x15\x01\x05\x00"), proxycert.Malformed},
		"negative path length":          {info("\x30\x0f\x02\x01\xff\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x15\x01"), proxycert.Malformed},
		"huge path length":              {info("\x30\x13\x02\x05\x01\x00\x00\x00\x00\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x15\x01"), proxycert.Malformed},
		"inherit-all with a policy":     {info("\x30\x0f\x30\x0d\x06\x08\x2b\x06\x01\x05\x05\x07\x15\x01\x04\x01x"), proxycert.Malformed},
		"subject of somebody else":      {from(x509.Certificate{ExtraExtensions: good, RawSubject: add(t, user(t, "bob").Chain[0].RawSubject, "1")}), proxycert.BadName},
		"subject is the issuer":         {from(x509.Certificate{ExtraExtensions: good, RawSubject: name}), proxycert.BadName},
		"two common names":              {from(x509.Certificate{ExtraExtensions: good, RawSubject: add(t, name, "1", "2")}), proxycert.BadName},
		"two common names in one part":  {from(x509.Certificate{ExtraExtensions: good, RawSubject: addPart(t, name, cn, pkix.AttributeTypeAndValue{Type: cn.Type, Value: "2"})}), proxycert.BadName},
		"a common name and a unit":      {from(x509.Certificate{ExtraExtensions: good, RawSubject: addPart(t, name, cn, ou)}), proxycert.BadName},
		"a unit instead":                {from(x509.Certificate{ExtraExtensions: good, RawSubject: addPart(t, name, ou)}), proxycert.BadName},
		"an empty common name":          {from(x509.Certificate{ExtraExtensions: good, RawSubject: add(t, name, "")}), proxycert.BadName},
		"signed with another key":       {proxycert.Credential{Chain: []*x509.Certificate{forge(t, imposter, k[0], x509.Certificate{ExtraExtensions: good}).Chain[0], ada.Chain[0]}}, proxycert.Signature},
		"an authority":                  {ext(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}), proxycert.Constraint},
		"issuer alternative name":       {ext(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 18}, Value: []byte("\x30\x03\x82\x01a")}), proxycert.Constraint},
		"subject alternative name":      {ext(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: []byte("\x30\x03\x82\x01a")}), proxycert.Constraint},
		"unknown critical extension":    {ext(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}), proxycert.CriticalExtension},
		"critical name constraints":     {ext(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Critical: true, Value: []byte("\x30\x07\xa0\x05\x30\x03\x82\x01a")}), proxycert.CriticalExtension},
		"keyCertSign":                   {from(x509.Certificate{ExtraExtensions: []pkix.Extension{{Id: keyUsageID, Critical: true, Value: []byte{3, 2, 2, 0xA4}}, pci(inheritAll)}}), proxycert.KeyUsage},
		"MD5":                           {patched(t, full, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04"), proxycert.Algorithm},
		"SHA-1":                         {from(x509.Certificate{ExtraExtensions: good, SignatureAlgorithm: x509.SHA1WithRSA}), proxycert.Algorithm},
		"RSA 512":                       {sized(512), proxycert.Algorithm},
		"RSA 9000":                      {sized(9000), proxycert.Algorithm},
		"P-224":                         {forge(t, ada, ecKey(t, elliptic.P224()), x509.Certificate{ExtraExtensions: good}), proxycert.Algorithm},
		"proxy expired":                 {from(x509.Certificate{ExtraExtensions: good, NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Second)}), proxycert.Expired},
		"proxy of tomorrow":             {from(x509.Certificate{ExtraExtensions: good, NotBefore: now.Add(time.Second)}), proxycert.NotYetValid},
		"middle proxy expired":          {forge(t, from(x509.Certificate{ExtraExtensions: good, NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)}), k[1], x509.Certificate{ExtraExtensions: good}), proxycert.Expired},
		"person of tomorrow":            {forge(t, user(t, "future"), k[0], x509.Certificate{ExtraExtensions: good}), proxycert.NotYetValid},
		"person of an unknown CA":       {forge(t, user(t, "unt"), k[0], x509.Certificate{ExtraExtensions: good}), proxycert.UnknownCA},
		"issued by an authority":        {forge(t, user(t, "fxca"), k[0], x509.Certificate{ExtraExtensions: good}), proxycert.Constraint},
		"person without certificate":    {proxycert.Credential{Chain: full.Chain[:1]}, proxycert.Incomplete},
		"nobody":                        {proxycert.Credential{}, proxycert.Incomplete},
		"far too many":                  {proxycert.Credential{Chain: slices.Repeat(ada.Chain, 33)}, proxycert.Malformed},
		"proxies of another chain":      {proxycert.Credential{Chain: slices.Concat(makeProxy(t, user(t, "bob"), k[1], day()).Chain, full.Chain)}, proxycert.Unrelated},
		"a person, and a proxy of hers": {proxycert.Credential{Chain: []*x509.Certificate{ada.Chain[0], full.Chain[0]}}, proxycert.Unrelated},
	} {
		v := verifier(t)
		v.AllowLegacy, v.AllowDraft = true, true
		got, err := v.Verify(c.chain.Chain)
		if r := reason(t, err); r != c.want {
			t.Errorf("%s: %v; want %q", what, err, c.want)
		}
		if len(got.Path) > 0 {
			t.Errorf("%s: refused, but with a path", what)
		}
	}
}

// TestNobodyPassesAsAProxy has certificates that look like proxies to string surgery: those are
// certificates that a person issued, and a person is no authority.
func TestNobodyPassesAsAProxy(t *testing.T) {
	k := keys()
	ada := user(t, "ada")
	v := verifier(t)
	v.AllowLegacy, v.AllowDraft, v.AllowIndependent = true, true, true
	for what, subject := range map[string][]byte{
		"CN=Proxy":              add(t, ada.Chain[0].RawSubject, "Proxy"),
		"CN=limited  proxy":     add(t, ada.Chain[0].RawSubject, "limited  proxy"),
		"a number, no PCI":      add(t, ada.Chain[0].RawSubject, "12345"),
		"proxy of another name": add(t, user(t, "bob").Chain[0].RawSubject, "proxy"),
		"another name":          user(t, "bob").Chain[0].RawSubject,
	} {
		c := forge(t, ada, k[0], x509.Certificate{RawSubject: subject, ExtraExtensions: []pkix.Extension{usage}})
		if kind := inspect(t, c.Chain[0]).Kind; kind != proxycert.None {
			t.Errorf("%s is taken for a %s proxy", what, kind)
		}
		if _, err := v.Verify(c.Chain); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}

func TestVerifyAccepts(t *testing.T) {
	k := keys()
	ada := user(t, "ada")
	good := []pkix.Extension{usage, pci(inheritAll)}
	three := makeProxy(t, makeProxy(t, makeProxy(t, ada, k[0], day()), k[1], day()), k[2], day())
	r, err := verifier(t).Verify(three.Chain)
	if err != nil || len(r.Chain) != 4 || r.EndEntity != ada.Chain[0] || r.Identity != "/DC=test/DC=lanyard/OU=Users/CN=Ada Tester" || r.Kind != proxycert.RFC {
		t.Errorf("depth 3: %+v, %v", r, err)
	}
	mixed := []*x509.Certificate{three.Chain[0], three.Chain[3], three.Chain[1], user(t, "fxca").Chain[0], three.Chain[2]}
	if got, err := verifier(t).Verify(mixed); err != nil || !slices.Equal(got.Chain, r.Chain) {
		t.Errorf("out of order: %+v, %v", got.Chain, err)
	}
	beyond := forge(t, ada, k[0], x509.Certificate{ExtraExtensions: good, NotAfter: ada.Chain[0].NotAfter.AddDate(1, 0, 0)})
	if r, err := verifier(t).Verify(beyond.Chain); err != nil || r.ExpiresAt.After(ada.Chain[0].NotAfter) {
		t.Errorf("beyond the person's certificate: ends %s, %v", r.ExpiresAt, err)
	}
	old := verifier(t)
	old.Options.AllowSHA1 = true
	sha1 := forge(t, ada, k[0], x509.Certificate{ExtraExtensions: good, SignatureAlgorithm: x509.SHA1WithRSA})
	if _, err := old.Verify(sha1.Chain); err != nil {
		t.Errorf("SHA-1 where it is allowed: %v", err)
	}
	for _, at := range []time.Time{three.Chain[0].NotBefore, three.Chain[0].NotAfter} {
		v := verifier(t)
		if v.At = at; at.IsZero() {
			t.Fatal("no time")
		}
		if _, err := v.Verify(three.Chain); err != nil {
			t.Errorf("at its very limit %s: %v", at, err)
		}
	}
	if _, err := (proxycert.Verifier{At: now}).Verify(three.Chain); reason(t, err) != proxycert.UnknownCA {
		t.Errorf("without authorities: %v", err)
	}
}

// TestRenewedCertificates has two of the same name in one chain: the signature tells which one the
// proxy is below.
func TestRenewedCertificates(t *testing.T) {
	k := keys()
	ada := user(t, "ada")
	proxy := makeProxy(t, ada, k[0], day())
	renewed := forge(t, user(t, "fxca"), k[1], x509.Certificate{RawSubject: ada.Chain[0].RawSubject}).Chain[0]
	for _, rest := range [][]*x509.Certificate{{ada.Chain[0], renewed}, {renewed, ada.Chain[0]}} {
		r, err := verifier(t).Verify(append([]*x509.Certificate{proxy.Chain[0]}, rest...))
		if err != nil || r.EndEntity != ada.Chain[0] {
			t.Errorf("%v, below %v", err, r.EndEntity)
		}
	}
}

func TestEveryReasonIsExplained(t *testing.T) {
	for _, r := range []proxycert.Reason{
		proxycert.UnknownCA, proxycert.Expired, proxycert.NotYetValid, proxycert.Revoked, proxycert.CRLExpired,
		proxycert.Namespace, proxycert.Signature, proxycert.Algorithm, proxycert.Constraint, proxycert.CriticalExtension,
		proxycert.Malformed, proxycert.Incomplete, proxycert.Unrelated, proxycert.KeyMismatch, proxycert.BadName,
		proxycert.BadKind, proxycert.MixedKinds, proxycert.PathLength, proxycert.Unlimited, proxycert.NoRights, proxycert.KeyUsage,
	} {
		e := &proxycert.Error{Reason: r}
		if e.Error() == "" || e.Hint() == "" {
			t.Errorf("%s: %q, %q", r, e.Error(), e.Hint())
		}
	}
	_, err := verifier(t).Verify(parse(t, fixtures+"hostile/h19-eec-revoked.pem").Chain)
	if e, ok := errors.AsType[*trust.Error](err); !ok || e.Reason != trust.Revoked {
		t.Errorf("what the trust directory said is lost: %v", err)
	}
}
