package trust_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/proxycert/trust"
)

const pki = "../../testdata/voms/pki"

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func fixture(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(pki, "certs", name+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := keyfile.Certificates(data)
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

// An entity is a certificate with its key.
type entity struct {
	*x509.Certificate
	key crypto.Signer
}

func name(t testing.TB, slash string) []byte {
	t.Helper()
	n, err := dn.Parse(slash)
	if err != nil {
		t.Fatal(err)
	}
	der, err := n.DER()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// issue makes a certificate for subject, by itself if issuer is nil, with what change does to it.
func issue(t testing.TB, issuer *entity, subject string, change func(*x509.Certificate)) *entity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issueFor(t, issuer, subject, key, change)
}

func issueFor(t testing.TB, issuer *entity, subject string, key crypto.Signer, change func(*x509.Certificate)) *entity {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: serial, RawSubject: name(t, subject), NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0),
		SubjectKeyId: []byte{1}} // the same for all, so that nothing goes by it
	if change != nil {
		change(c)
	}
	if issuer == nil {
		issuer = &entity{c, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, issuer.Certificate, key.Public(), issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := keyfile.Certificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &entity{got, key}
}

// authority makes a certificate an authority's.
func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
}

// crl returns a revocation list (DER) of ca, valid for a day from the given time.
func crl(t testing.TB, ca *entity, from time.Time, revoked ...*entity) []byte {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(from.Unix()), ThisUpdate: from, NextUpdate: from.AddDate(0, 0, 1)}
	for _, r := range revoked {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: r.SerialNumber, RevocationTime: from})
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, ca.Certificate, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func put(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func encode(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func load(t testing.TB, dir string) *trust.Store {
	t.Helper()
	s, err := trust.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reason returns the word for why the chain is refused, "" if it is not.
func reason(t testing.TB, s *trust.Store, o trust.Options, chain ...*x509.Certificate) trust.Reason {
	t.Helper()
	_, err := s.Verify(chain, now, o)
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*trust.Error](err)
	if !ok || e.Detail == "" {
		t.Fatalf("not an Error that says why: %#v", err)
	}
	t.Log(err)
	return e.Reason
}

func expect(t testing.TB, what string, got, want trust.Reason) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, should be %q", what, got, want)
	}
}

// extension is one with nothing inside.
func extension(critical bool, oid ...int) pkix.Extension {
	return pkix.Extension{Id: oid, Critical: critical, Value: []byte{5, 0}}
}
