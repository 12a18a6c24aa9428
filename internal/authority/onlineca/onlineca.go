// Package onlineca is Lanyard's certification authority for people without a certificate: it signs
// short-lived end-entity certificates for accounts, host certificates for attribute authorities,
// and the list of what was revoked. It imports rows 0 and 1 and declares what it needs of a
// database.
package onlineca

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"math/big"
	"time"

	"github.com/lanyardhq/lanyard/internal/identity"
)

var errNotYet = errors.New("not written yet")

// CA is the authority. It is safe for concurrent use.
type CA struct{}

// Certify signs a certificate for the account's public key.
func (c *CA) Certify(ctx context.Context, who identity.Account, public crypto.PublicKey, serial *big.Int, notAfter time.Time) (*x509.Certificate, error) {
	return nil, errNotYet
}

// Chain returns what stands above the certificates that the CA issues, up to its root.
func (c *CA) Chain() []*x509.Certificate { return nil }

// CRL returns the certificate revocation list, DER.
func (c *CA) CRL(ctx context.Context) ([]byte, error) { return nil, errNotYet }
