// Package proxy is the kind of credential whose material is an X.509 proxy for one identity, with
// the attributes of virtual organisations (VOs). It knows four ways by which the server comes to
// something that proxies can be made below: see Way. It imports rows 0 and 1; authorities and keys
// are handed to it.
//
// What is stored is a chain and, by three of the ways, its private key; nothing else that is
// secret. Passphrases are used once and forgotten.
package proxy

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
)

// Name is the kind's name in orders and rows.
const Name = "proxy"

const (
	// usualLife is how long a proxy lives that is handed out, as the grid's tools have it.
	usualLife = 12 * time.Hour
	// earlier is how much a proxy begins before now, because clocks differ.
	earlier = 5 * time.Minute
)

// CA is the authority that certifies people without a certificate.
type CA interface {
	// Certify signs a certificate for the account's public key.
	Certify(ctx context.Context, who identity.Account, public crypto.PublicKey, serial *big.Int, notAfter time.Time) (*x509.Certificate, error)
}

// Keys has private keys ready.
type Keys interface {
	Take(context.Context) (crypto.Signer, error)
}

// Kind keeps and makes proxies. CA and Link may be nil, all else is required.
type Kind struct {
	// Trust returns the authorities that are trusted now, the server's own among them.
	Trust   func() (*trust.Store, error)
	Options trust.Options
	// Legacy accepts proxies older than RFC 3820.
	Legacy bool
	// Anchors say who may speak for which VO.
	Anchors voms.Anchors
	Keys    Keys
	// CA serves the way Certificate; nil where there is none.
	CA CA
	// Attributes gets an attribute certificate of the VO for the holder c. What it refuses is a fault
	// that names the server. Without fqans the VO decides.
	Attributes func(ctx context.Context, c proxycert.Credential, vo string, fqans []string, life time.Duration) (ac []byte, warnings []string, err error)
	// Link notes that certificates with these names, in slash form, are the account's, which has
	// proved it. If they are somebody else's already it returns a Conflict fault. Nil for not at all.
	Link func(ctx context.Context, accountID, subject, issuer string) error
	// StoredSecrets allows the way Secrets.
	StoredSecrets bool
	Now           func() time.Time
}

// Name implements credential.Kind.
func (k *Kind) Name() string { return Name }

// Make implements credential.Kind.
func (k *Kind) Make(ctx context.Context, o credential.Order) (credential.Made, error) {
	want, err := parseOrder(o)
	if err != nil {
		return credential.Made{}, err
	}
	switch want.Way {
	case Upload:
		return k.upload(want)
	case Delegation:
		return k.intend(ctx, want)
	case Certificate:
		return k.certify(ctx, want, o)
	default:
		return k.storeSecrets(want)
	}
}

// publicID names a credential that no serial number names.
func publicID() string { return "PX" + rand.Text()[:18] }

// Material implements credential.Kind: certificates without key, and the request of a delegation.
func (k *Kind) Material(_ context.Context, c credential.Credential, s credential.State) (material.Material, error) {
	spec, held, err := open(c, s)
	if err != nil {
		return material.Material{}, err
	}
	x := &material.Proxy{Request: held.Request, Subject: spec.Subject, Identity: spec.Identity, Limited: spec.Limited,
		VOs: spec.VOMS, AttributesExpireAt: spec.AttributesExpireAt, Warnings: spec.Warnings}
	if held.Chain != "" {
		parsed, err := held.credential()
		if err != nil {
			return material.Material{}, err
		}
		parsed.Key = nil
		text, err := parsed.PEM()
		if err != nil {
			return material.Material{}, err
		}
		x.PEM = material.Secret(text)
	}
	return material.Material{ExpiresAt: c.ExpiresAt, X509: x}, nil
}

// Bound implements credential.Bounded: nothing made below a chain outlives it.
func (k *Kind) Bound(c credential.Credential) time.Time {
	spec, err := ParseSpec(c.Spec)
	if err != nil {
		return time.Time{}
	}
	return spec.ChainExpiresAt
}

// judge verifies a chain as of now, leaf first, and says what is wrong with it as an Invalid fault.
func (k *Kind) judge(chain []*x509.Certificate) (proxycert.Result, error) {
	store, err := k.Trust()
	if err != nil {
		return proxycert.Result{}, fault.New(fault.Unavailable, "the trusted authorities cannot be read").WithHint("tell the people who run this server").WithCause(err)
	}
	r, err := proxycert.Verifier{Trust: store, Options: k.Options, At: k.Now(), AllowLegacy: k.Legacy, AllowDraft: k.Legacy}.Verify(chain)
	if err != nil {
		return r, explain(err)
	}
	return r, nil
}

// describe fills in what a spec says of a verified chain.
func (s Spec) describe(r proxycert.Result) Spec {
	s.Identity, s.Subject = r.Identity, dn.Slash(r.Chain[0].RawSubject)
	s.Issuer = dn.Slash(r.EndEntity.RawIssuer)
	s.Limited = s.Limited || r.Limited
	s.ChainExpiresAt = r.ExpiresAt.UTC().Truncate(time.Second)
	return s
}
