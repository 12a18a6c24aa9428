package proxycert

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

// The limits of what Parse reads and Verify looks at.
const (
	MaxFile         = 1 << 20 // bytes
	MaxCertificates = 32
)

// A Credential is a proxy or a person's certificate, with its key.
type Credential struct {
	// Chain is the certificate whose key Key is, then its issuers up to the end-entity
	// certificate. No authority is among them.
	Chain []*x509.Certificate
	// Key belongs to Chain[0]. It is nil where only certificates are at hand.
	Key crypto.Signer
}

// Parse reads a proxy file.
func Parse(data []byte, p keyfile.Passphrase) (Credential, error) { return Credential{}, errNotYet }

// EndEntity returns the certificate of the person or host, nil if the chain does not reach it.
func (c Credential) EndEntity() *x509.Certificate { return nil }

// Identity returns the end-entity's subject in slash form.
func (c Credential) Identity() string { return "" }

// Limited reports whether any proxy of the chain is limited.
func (c Credential) Limited() bool { return false }

// NotAfter returns when the first certificate of the chain ends.
func (c Credential) NotAfter() time.Time { return time.Time{} }

// PEM returns the proxy file.
func (c Credential) PEM() ([]byte, error) { return nil, errNotYet }

// TLS returns the credential for a connection.
func (c Credential) TLS() tls.Certificate { return tls.Certificate{} }
