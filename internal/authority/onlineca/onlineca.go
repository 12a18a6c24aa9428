// Package onlineca is Lanyard's certification authority for people without a certificate: it signs
// short-lived end-entity certificates for accounts, host certificates for attribute authorities,
// and the list of what was revoked. docs/protocols/x509.md has the profile. It imports rows 0 and 1
// and declares what it needs of a database.
package onlineca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // RFC 5280 §4.2.1.2 names keys by SHA-1; nothing rests on it
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// The profile. People's certificates keep within what the IGTF's SLCS profile allows.
const (
	MaxLife  = 11 * 24 * time.Hour
	backdate = 5 * time.Minute // for clocks that are late
	rootLife = 20 * 365 * 24 * time.Hour
	rootBits = 3072
)

// Store is what the authority needs of a database.
type Store interface {
	// KeyPair returns the key of that name, a NotFound fault if there is none.
	KeyPair(ctx context.Context, name string) (vo.KeyPair, error)
	// KeepKeyPair adds k, or puts it in the place of the one with the id old. If another server did
	// so before, nothing is written and the answer is false.
	KeepKeyPair(ctx context.Context, k vo.KeyPair, old string, r audit.Record) (bool, error)
	// CertificateSubject returns the name that the account has in certificates, which is the
	// proposed one if it has none that begins with base.
	CertificateSubject(ctx context.Context, accountID, base, proposed string) (string, error)
	// Revoked lists the certificates that are not to be honoured at now though their time has not
	// come.
	Revoked(ctx context.Context, now time.Time) ([]vo.Revocation, error)
	// RevocationList returns the list that was published last, a NotFound fault if none was.
	RevocationList(ctx context.Context, name string) (vo.RevocationList, error)
	// KeepRevocationList replaces the list with the number before l's. If another server did so
	// before, nothing is written and the answer is false.
	KeepRevocationList(ctx context.Context, name string, l vo.RevocationList) (bool, error)
}

// Config is what a CA is made of. Store, Base and Now are required.
type Config struct {
	Store Store
	// Base is what all names begin with, in slash form: /DC=org/DC=example. It must not be shared
	// with another authority.
	Base string
	// Organisations say what people's identity providers are called, by issuer.
	Organisations map[string]string
	// Policy is the object identifier of the policy that certificates name; empty: none.
	Policy string
	// CRL is the address of the revocation list; empty: none is named.
	CRL string
	Now func() time.Time
}

// CA is the authority. It is safe for concurrent use.
type CA struct {
	c      Config
	base   string // normalised
	key    *rsa.PrivateKey
	root   *x509.Certificate
	policy []x509.OID

	published published
}

// Open takes the CA's key from the database, or makes it where there is none, which takes some
// seconds. Servers that share a database share the CA.
func Open(ctx context.Context, c Config) (*CA, error) {
	base, err := CheckBase(c.Base)
	if err != nil {
		return nil, err
	}
	a := &CA{c: c, base: base}
	if c.Policy != "" {
		oid, err := x509.ParseOID(c.Policy)
		if err != nil {
			return nil, fault.New(fault.Invalid, "%q is not an object identifier, such as 1.3.6.1.4.1.99999.1.1", c.Policy)
		}
		a.policy = []x509.OID{oid}
	}
	const name = "ca"
	k, err := c.Store.KeyPair(ctx, name)
	if fault.CodeOf(err) == fault.NotFound {
		if err := a.found(ctx, name); err != nil {
			return nil, err
		}
		k, err = c.Store.KeyPair(ctx, name) // ours, or that of a server that was faster
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of the online CA: %w", err)
	}
	if a.root, a.key, err = openPair(k); err != nil {
		return nil, err
	}
	if !c.Now().Before(a.root.NotAfter) {
		return nil, fault.New(fault.Invalid, "the certificate of the online CA expired at %s", a.root.NotAfter.Format(time.RFC3339))
	}
	return a, nil
}

// CheckBase returns base as names are written, or what is wrong with it, as an Invalid fault.
func CheckBase(base string) (string, error) {
	name, err := dn.Parse(base)
	if err == nil {
		_, err = name.DER()
	}
	if err != nil || name.Equal(dn.Name{}) || !strings.HasPrefix(base, "/") || strings.ContainsAny(base, `*?"'\`) || !ascii(base) {
		return "", fault.New(fault.Invalid, "%q is not what names can begin with: write it like /DC=org/DC=example", base)
	}
	return name.String(), nil
}

// found makes the root.
func (a *CA) found(ctx context.Context, name string) error {
	key, err := rsa.GenerateKey(rand.Reader, rootBits)
	if err != nil {
		return fmt.Errorf("make the key of the online CA: %w", err)
	}
	id, err := keyID(&key.PublicKey)
	if err != nil {
		return err
	}
	// The key's name is in the CA's own, so that a CA that was made anew is never taken for the old.
	subject, err := a.der("/CN=Lanyard CA " + hex.EncodeToString(id[:4]))
	if err != nil {
		return err
	}
	now := a.c.Now().UTC().Truncate(time.Second)
	t := &x509.Certificate{RawSubject: subject, SerialNumber: serial(), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(rootLife),
		BasicConstraintsValid: true, IsCA: true, MaxPathLen: 0, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId: id, AuthorityKeyId: id, SignatureAlgorithm: x509.SHA256WithRSA}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("sign the certificate of the online CA: %w", err)
	}
	return a.keep(ctx, name, key, der, t.NotAfter, "", "ca.create")
}

// keep stores a key pair, unless another server was faster: then that one's is as good.
func (a *CA) keep(ctx context.Context, name string, key *rsa.PrivateKey, der []byte, end time.Time, old, action string) error {
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key %s: %w", name, err)
	}
	k := vo.KeyPair{ID: "key_" + rand.Text(), Name: name, Private: material.Secret(private), Certificate: der, NotAfter: end}
	r := audit.By(identity.System(), a.c.Now(), action, k.ID, "").With("name", name).With("until", end.Format(time.RFC3339))
	if _, err := a.c.Store.KeepKeyPair(ctx, k, old, r); err != nil {
		return fmt.Errorf("keep the key %s: %w", name, err)
	}
	return nil
}

func openPair(k vo.KeyPair) (*x509.Certificate, *rsa.PrivateKey, error) {
	private, err := x509.ParsePKCS8PrivateKey([]byte(k.Private.Reveal()))
	if err != nil {
		return nil, nil, fmt.Errorf("decode the key %s: %w", k.Name, err)
	}
	key, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("the key %s is not an RSA key", k.Name)
	}
	cert, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		return nil, nil, fmt.Errorf("decode the certificate of %s: %w", k.Name, err)
	}
	return cert, key, nil
}

// Certify signs a certificate for the account's public key, until notAfter. The serial number is the
// caller's, who finds the certificate's owner by it. Keys that are too weak, and ends beyond
// MaxLife, are Invalid and Limited faults.
func (a *CA) Certify(ctx context.Context, who identity.Account, public crypto.PublicKey, number *big.Int, notAfter time.Time) (*x509.Certificate, error) {
	now := a.c.Now().UTC().Truncate(time.Second)
	notAfter = notAfter.UTC().Truncate(time.Second)
	switch {
	case number == nil || number.Sign() <= 0 || number.BitLen() > 159: // RFC 5280 §4.1.2.2
		return nil, errors.New("sign certificate: the serial number is not one of 20 octets")
	case !notAfter.After(now):
		return nil, fault.New(fault.Invalid, "%s has already passed", notAfter.Format(time.RFC3339))
	case notAfter.After(now.Add(MaxLife)):
		return nil, fault.New(fault.Limited, "the online CA signs for at most 11 days").WithHint("ask for 11 days or less; ask again when they are over")
	}
	if err := checkKey(public); err != nil {
		return nil, err
	}
	text, err := a.c.Store.CertificateSubject(ctx, who.ID, a.base+"/", a.base+a.subject(who))
	if err != nil {
		return nil, err
	}
	return a.sign(&x509.Certificate{SerialNumber: number, NotBefore: now.Add(-backdate), NotAfter: notAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, Policies: a.policy}, strings.TrimPrefix(text, a.base), public)
}

// sign fills in what all certificates have alike. rest is what follows the base in the subject.
func (a *CA) sign(t *x509.Certificate, rest string, public crypto.PublicKey) (*x509.Certificate, error) {
	var err error
	if t.RawSubject, err = a.der(rest); err != nil {
		return nil, err
	}
	if t.SubjectKeyId, err = keyID(public); err != nil {
		return nil, err
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	if _, ok := public.(*rsa.PublicKey); ok {
		t.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	t.BasicConstraintsValid, t.SignatureAlgorithm = true, x509.SHA256WithRSA
	if a.c.CRL != "" {
		t.CRLDistributionPoints = []string{a.c.CRL}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.root, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// der encodes a name below the base.
func (a *CA) der(rest string) ([]byte, error) {
	name, err := dn.Parse(a.base + rest)
	if err != nil {
		return nil, fmt.Errorf("make the name of a certificate: %w", err)
	}
	return name.DER()
}

// Chain returns what stands above the certificates that the CA issues, up to its root, which is the
// only one.
func (a *CA) Chain() []*x509.Certificate { return []*x509.Certificate{a.root} }

// Issued reports whether the path, from an end-entity certificate to a trusted authority, ends at
// this CA. Foreign means that it ends elsewhere but claims our name: that proves nothing.
func (a *CA) Issued(path []*x509.Certificate) (own, foreign bool) {
	if len(path) == 0 {
		return false, true
	}
	own = path[len(path)-1].Equal(a.root)
	return own, !own && bytes.Equal(path[0].RawIssuer, a.root.RawSubject)
}

// SigningPolicy is the text of the file that tells which names this CA may sign (Globus EACL).
func (a *CA) SigningPolicy() string {
	return fmt.Sprintf("access_id_CA      X509    '%s'\npos_rights        globus  CA:sign\ncond_subjects     globus  '\"%s/*\"'\n",
		dn.Slash(a.root.RawSubject), a.base)
}

// keyID names a key by SHA-1 over its bits (RFC 5280 §4.2.1.2, method 1).
func keyID(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	sum := sha1.Sum(info.Key.Bytes) //nolint:gosec // see the import
	return sum[:], nil
}

// serial returns 127 random bits.
func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[0] &= 0x7f
	b[15] |= 1
	return new(big.Int).SetBytes(b[:])
}
