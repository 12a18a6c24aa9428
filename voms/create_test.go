package voms_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/voms"
)

// day is a template that the fixtures' authority can sign and their vomsdir vouches for.
func day() voms.Template {
	return voms.Template{VO: "lanyard", Host: "voms.lanyard.test", Port: 15000, FQANs: []string{"/lanyard"},
		NotBefore: today.Add(-5 * time.Minute), NotAfter: today.Add(12 * time.Hour)}
}

func with(change func(*voms.Template)) voms.Template {
	t := day()
	change(&t)
	return t
}

// create makes an AC by the authority voms for ada.
func create(t testing.TB, tmpl voms.Template) *voms.AC {
	t.Helper()
	aa, key := certificate(t, "voms")
	holder, _ := certificate(t, "ada")
	der, err := voms.Create(tmpl, holder, aa, key)
	if err != nil {
		t.Fatal(err)
	}
	ac, err := voms.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	return ac
}

// TestCreateAsOthersDo makes ACs again that the field's server and its tools have made. RSA
// signatures are not random, so every byte must be the same.
func TestCreateAsOthersDo(t *testing.T) {
	for name, holder := range map[string]string{
		"golden/g07-c-voms":           "ada", // made by the server
		"golden/g13-c-bits4096":       "ada", // short FQANs
		"golden/g15-c-email":          "uma",
		"golden/g17-c-robot":          "robot",
		"golden/g21-fake-ga":          "ada", // made by voms-proxy-fake
		"golden/g48-j-noregen-depth2": "ada",
	} {
		want := only(t, name)
		aa, key := certificate(t, "voms")
		user, _ := certificate(t, holder)
		got, err := voms.Create(voms.Template{VO: want.VO, Host: want.Host, Port: want.Port, FQANs: want.FQANs, Attributes: want.Attributes,
			Targets: want.Targets, NotBefore: want.NotBefore, NotAfter: want.NotAfter, Serial: want.Serial}, user, aa, key)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(got, want.Raw) {
			t.Errorf("%s: got\n%x\nwant\n%x", name, got, want.Raw)
		}
	}
}

func TestCreateAndVerify(t *testing.T) {
	var many []string
	for range 200 {
		many = append(many, "/lanyard/"+strings.Repeat("g", 200)+"/Role=NULL/Capability=NULL")
	}
	for name, tmpl := range map[string]voms.Template{
		"plain": day(),
		"attributes": with(func(t *voms.Template) {
			t.Attributes = []voms.Attribute{{"nick name", "Grüße, 1=1", "lanyard"}, {"x", "", ""}}
		}),
		"targets":   with(func(t *voms.Template) { t.Targets = []string{"a.test", "b.test"} }),
		"many":      with(func(t *voms.Template) { t.FQANs = many }),
		"serial":    with(func(t *voms.Template) { t.Serial = new(big.Int).Lsh(big.NewInt(1), 159) }),
		"dotted VO": with(func(t *voms.Template) { t.VO, t.FQANs = "beta.vo", []string{"/beta.vo/Role=x", "/beta.vo"} }),
	} {
		ac := create(t, tmpl)
		v := verifier(t)
		v.Hosts = []string{"b.test"}
		holder, _ := certificate(t, "ada")
		if err := v.Verify(ac, holder); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(ac.FQANs, tmpl.FQANs) || !slices.Equal(ac.Attributes, tmpl.Attributes) || !slices.Equal(ac.Targets, tmpl.Targets) {
			t.Errorf("%s: got %v, %v, %v", name, ac.FQANs, ac.Attributes, ac.Targets)
		}
		if other, _ := certificate(t, "bob"); reason(t, v.Verify(ac, other)) != voms.HolderMismatch {
			t.Errorf("%s: accepted for somebody else", name)
		}
	}
}

func TestCreateElliptic(t *testing.T) {
	aa, key := certificate(t, "voms-ec")
	holder, _ := certificate(t, "ecuser")
	der, err := voms.Create(with(func(t *voms.Template) { t.Host = "voms-ec.lanyard.test" }), holder, aa, key)
	if err != nil {
		t.Fatal(err)
	}
	ac, err := voms.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier(t).Verify(ac, holder); err != nil {
		t.Error(err)
	}
}

func TestCreateWithinAuthority(t *testing.T) {
	aa, _ := certificate(t, "voms")
	ac := create(t, with(func(t *voms.Template) { t.NotBefore, t.NotAfter = time.Unix(0, 0), aa.NotAfter.Add(time.Hour) }))
	if !ac.NotBefore.Equal(aa.NotBefore) || !ac.NotAfter.Equal(aa.NotAfter) {
		t.Errorf("got %v to %v, want the life of the authority's certificate", ac.NotBefore, ac.NotAfter)
	}
	if one, other := create(t, day()), create(t, day()); one.Serial.Cmp(other.Serial) == 0 || one.Serial.BitLen() < 64 {
		t.Errorf("serial numbers %v and %v are not random", one.Serial, other.Serial)
	}
}

func TestCreateRefused(t *testing.T) {
	for name, change := range map[string]func(*voms.Template){
		"no FQAN":             func(t *voms.Template) { t.FQANs = nil },
		"empty FQAN":          func(t *voms.Template) { t.FQANs = []string{"/lanyard", ""} },
		"foreign FQAN":        func(t *voms.Template) { t.FQANs = []string{"/cms"} },
		"FQAN with prefix":    func(t *voms.Template) { t.FQANs = []string{"/lanyardevil"} },
		"line break":          func(t *voms.Template) { t.FQANs = []string{"/lanyard\n/Role=admin"} },
		"long FQAN":           func(t *voms.Template) { t.FQANs = []string{"/lanyard/" + strings.Repeat("x", voms.MaxFQAN)} },
		"many FQANs":          func(t *voms.Template) { t.FQANs = slices.Repeat(t.FQANs, voms.MaxFQANs+1) },
		"many attributes":     func(t *voms.Template) { t.Attributes = make([]voms.Attribute, voms.MaxAttributes+1) },
		"many targets":        func(t *voms.Template) { t.Targets = slices.Repeat([]string{"h"}, voms.MaxTargets+1) },
		"no attribute name":   func(t *voms.Template) { t.Attributes = []voms.Attribute{{"", "v", "q"}} },
		"attribute with NUL":  func(t *voms.Template) { t.Attributes = []voms.Attribute{{"n", "a\x00b", "q"}} },
		"attribute, Latin-1":  func(t *voms.Template) { t.Attributes = []voms.Attribute{{"n", "Gr\xfc\xdfe", "q"}} },
		"long attribute":      func(t *voms.Template) { t.Attributes = []voms.Attribute{{"n", strings.Repeat("v", 1<<17), "q"}} },
		"target with a slash": func(t *voms.Template) { t.Targets = []string{"a/b"} },
		"VO with a path":      func(t *voms.Template) { t.VO, t.FQANs = "../lanyard", []string{"/../lanyard"} },
		"no host":             func(t *voms.Template) { t.Host = "" },
		"host with a path":    func(t *voms.Template) { t.Host = "../h" },
		"no port":             func(t *voms.Template) { t.Port = 0 },
		"large port":          func(t *voms.Template) { t.Port = 65536 },
		"no life":             func(t *voms.Template) { t.NotAfter = t.NotBefore },
		"no times":            func(t *voms.Template) { t.NotBefore, t.NotAfter = time.Time{}, time.Time{} },
		"long serial":         func(t *voms.Template) { t.Serial = new(big.Int).Lsh(big.NewInt(1), 160) },
		"negative serial":     func(t *voms.Template) { t.Serial = big.NewInt(-1) },
	} {
		aa, key := certificate(t, "voms")
		holder, _ := certificate(t, "ada")
		if _, err := voms.Create(with(change), holder, aa, key); err == nil {
			t.Errorf("%s: made one, want an error", name)
		}
	}
}

// authority makes a self-signed certificate with some key identifier and key usage.
func authority(t *testing.T, key crypto.Signer, id []byte, usage x509.KeyUsage) *x509.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "aa"}, SubjectKeyId: id, KeyUsage: usage,
		NotBefore: today.Add(-time.Hour), NotAfter: today.Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := keyfile.Certificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCreateParties(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := voms.KeyID(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	ada, adaKey := certificate(t, "ada")
	leaf := proxy(t, "golden/g01-c-plain").Chain[0]
	for _, test := range []struct {
		name       string
		holder, aa *x509.Certificate
		key        crypto.Signer
		ok         bool
	}{
		{"good", ada, authority(t, key, id, x509.KeyUsageDigitalSignature), key, true},
		{"no key usage", ada, authority(t, key, id, 0), key, true},
		{"another form of key identifier", ada, authority(t, key, []byte("id"), 0), key, true},
		{"key of somebody else", ada, authority(t, key, id, 0), adaKey, false},
		{"no key identifier", ada, authority(t, key, nil, 0), key, false},
		{"misleading key identifier", ada, authority(t, key, bytes.Repeat([]byte{1}, 20), 0), key, false},
		{"not for signatures", ada, authority(t, key, id, x509.KeyUsageKeyEncipherment), key, false},
		{"for a proxy", leaf, authority(t, key, id, 0), key, false},
	} {
		if _, err := voms.Create(day(), test.holder, test.aa, test.key); (err == nil) != test.ok {
			t.Errorf("%s: got %v", test.name, err)
		}
		whose := test.holder == leaf || test.key == adaKey // what is not about the authority
		if err := voms.CheckAuthority(test.aa); (err == nil) != (test.ok || whose) {
			t.Errorf("%s: the authority: %v", test.name, err)
		}
	}
}

func TestKeyID(t *testing.T) {
	aa, _ := certificate(t, "voms")
	if id, err := voms.KeyID(aa.PublicKey); err != nil || !bytes.Equal(id, aa.SubjectKeyId) {
		t.Errorf("got %x, %v, want what OpenSSL wrote: %x", id, err, aa.SubjectKeyId)
	}
	if _, err := voms.KeyID(new(rsa.PrivateKey)); err == nil {
		t.Error("took a private key")
	}
}
