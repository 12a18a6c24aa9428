// Package gridtest is a grid for tests: a certification authority, people with certificates, and a VO
// "climate" whose server answers in memory. It imports rows 0 and 1.
package gridtest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // key identifiers are SHA-1 (RFC 5280 §4.2.1.2)
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
)

// VO is the one whose server answers, Host the name of that server.
const (
	VO   = "climate"
	Host = "voms.example.test"
)

// Grid is a world of certificates. Its methods may be called at once.
type Grid struct {
	t    testing.TB
	Root proxycert.Credential // the authority; its certificate is Root.Chain[0]
	aa   proxycert.Credential
	now  func() time.Time

	mu      sync.Mutex
	refuse  error
	revoked []*big.Int
	linked  map[string]string
}

// New makes a grid whose clock is now.
func New(t testing.TB, now func() time.Time) *Grid {
	g := &Grid{t: t, now: now, linked: map[string]string{}}
	key := g.key()
	root := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		NotBefore: now().Add(-time.Hour), NotAfter: now().Add(10 * 365 * 24 * time.Hour)}
	g.Root = proxycert.Credential{Key: key}
	g.Root.Chain = []*x509.Certificate{g.sign(root, "/DC=test/CN=Test CA", key.Public())}
	key = g.key()
	g.aa = proxycert.Credential{Key: key, Chain: []*x509.Certificate{g.sign(&x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: now().Add(-time.Hour), NotAfter: now().Add(365 * 24 * time.Hour)}, "/DC=test/CN="+Host, key.Public())}}
	return g
}

func (g *Grid) check(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// key is on a curve, because making it takes no time.
func (g *Grid) key() crypto.Signer {
	g.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.check(err)
	return key
}

// sign makes a certificate of the authority's.
func (g *Grid) sign(c *x509.Certificate, name string, public crypto.PublicKey) *x509.Certificate {
	g.t.Helper()
	parsed, err := dn.Parse(name)
	g.check(err)
	c.RawSubject, err = parsed.DER()
	g.check(err)
	if c.SerialNumber == nil {
		c.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
		g.check(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	g.check(err)
	if id, err := voms.KeyID(public); err == nil {
		c.SubjectKeyId = id
	} else {
		sum := sha1.Sum(spki) //nolint:gosec // see above
		c.SubjectKeyId = sum[:]
	}
	parent := c
	if len(g.Root.Chain) > 0 {
		parent = g.Root.Chain[0]
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, g.Root.Key)
	g.check(err)
	made, err := keyfile.Certificate(der)
	g.check(err)
	return made
}

// Person makes somebody's certificate and key.
func (g *Grid) Person(name string, life time.Duration) proxycert.Credential {
	g.t.Helper()
	key := g.key()
	return proxycert.Credential{Key: key, Chain: []*x509.Certificate{g.sign(&x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: g.now().Add(-time.Hour), NotAfter: g.now().Add(life)}, "/DC=test/CN="+name, key.Public())}}
}

// Proxy makes a proxy below c; t needs no times, then it lives 12 hours.
func (g *Grid) Proxy(c proxycert.Credential, t proxycert.Template) proxycert.Credential {
	g.t.Helper()
	made, err := proxycert.New(c, g.key(), g.timed(t))
	g.check(err)
	return made
}

// Answer signs a request: the chain in PEM.
func (g *Grid) Answer(c proxycert.Credential, request string, t proxycert.Template) string {
	g.t.Helper()
	chain, err := proxycert.Sign(c, []byte(request), g.timed(t))
	g.check(err)
	return g.PEM(proxycert.Credential{Chain: chain})
}

func (g *Grid) timed(t proxycert.Template) proxycert.Template {
	if t.NotBefore.IsZero() {
		t.NotBefore = g.now().Add(-5 * time.Minute)
	}
	if t.NotAfter.IsZero() {
		t.NotAfter = g.now().Add(12 * time.Hour)
	}
	return t
}

// PEM writes c as the tools do.
func (g *Grid) PEM(c proxycert.Credential) string {
	g.t.Helper()
	text, err := c.PEM()
	g.check(err)
	return string(text)
}

// Request makes a signing request and its key.
func (g *Grid) Request() (string, crypto.Signer) {
	g.t.Helper()
	key := g.key()
	text, err := proxycert.Request(key)
	g.check(err)
	return string(text), key
}

// Extension makes the value of the extension with an AC for the holder.
func (g *Grid) Extension(holder proxycert.Credential, vo string, life time.Duration, fqans ...string) []byte {
	g.t.Helper()
	ac, err := g.ac(holder, vo, fqans, life)
	g.check(err)
	value, err := voms.Extension(ac)
	g.check(err)
	return value
}

func (g *Grid) ac(holder proxycert.Credential, vo string, fqans []string, life time.Duration) ([]byte, error) {
	return voms.Create(voms.Template{VO: vo, Host: Host, Port: 15000, FQANs: fqans, NotBefore: g.now(), NotAfter: g.now().Add(life)},
		holder.EndEntity(), g.aa.Chain[0], g.aa.Key)
}

// Trust, Anchors, Take, Certify, Attributes and Link are what a proxy.Kind asks for.

// Trust trusts the authority, with what it has revoked.
func (g *Grid) Trust() (*trust.Store, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: g.now().Add(-time.Hour), NextUpdate: g.now().Add(time.Hour)}
	for _, n := range g.revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: n, RevocationTime: g.now()})
	}
	crl, err := x509.CreateRevocationList(rand.Reader, list, g.Root.Chain[0], g.Root.Key)
	if err != nil {
		return nil, err
	}
	return trust.New(nil).With(g.Root.Chain, [][]byte{crl}), nil
}

// Revoke puts a certificate on the authority's list.
func (g *Grid) Revoke(c *x509.Certificate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.revoked = append(g.revoked, c.SerialNumber)
}

// Anchors say that the server speaks for the VO.
func (g *Grid) Anchors() voms.Anchors {
	return voms.Anchors{Known: map[string]voms.LSC{VO + "/" + Host: voms.LSCOf(g.aa.Chain...)}}
}

// Take makes a key.
func (g *Grid) Take(context.Context) (crypto.Signer, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// Certify signs a certificate as an online authority does.
func (g *Grid) Certify(_ context.Context, who identity.Account, public crypto.PublicKey, serial *big.Int, notAfter time.Time) (*x509.Certificate, error) {
	return g.sign(&x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature, SerialNumber: serial,
		NotBefore: g.now().Add(-5 * time.Minute), NotAfter: notAfter}, "/DC=test/O=People/CN="+who.Name, public), nil
}

// Refuse makes the VO's server answer with err; nil makes it work again.
func (g *Grid) Refuse(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse = err
}

// Attributes is the VO's server: everybody is a member and has what they ask for.
func (g *Grid) Attributes(_ context.Context, c proxycert.Credential, vo string, fqans []string, life time.Duration) ([]byte, []string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.refuse != nil:
		return nil, nil, g.refuse
	case vo != VO:
		return nil, nil, fault.New(fault.Unavailable, "no server of it is known here").WithHint("add its vomses file")
	case len(fqans) == 0:
		fqans = []string{"/" + VO}
	}
	ac, err := g.ac(c, vo, fqans, min(life, 12*time.Hour))
	return ac, []string{"be quick"}, err
}

// Link notes whose a certificate is.
func (g *Grid) Link(_ context.Context, accountID, subject, _ string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if whose := g.linked[subject]; whose != "" && whose != accountID {
		return fault.New(fault.Conflict, "it is somebody else's")
	}
	g.linked[subject] = accountID
	return nil
}

// LinkedTo returns whose a certificate is, "" if nobody's.
func (g *Grid) LinkedTo(subject string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.linked[subject]
}

// Certificates counts the certificates in PEM text, and Keys its private keys.
func Certificates(text string) (certificates, keys int) {
	for b, rest := pem.Decode([]byte(text)); b != nil; b, rest = pem.Decode(rest) {
		if b.Type == "CERTIFICATE" {
			certificates++
		} else {
			keys++
		}
	}
	return certificates, keys
}
