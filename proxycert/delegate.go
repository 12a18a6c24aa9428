package proxycert

import (
	"crypto"
	"crypto/x509"
)

// Request returns a PEM signing request for key: what the receiver of a delegation sends.
func Request(key crypto.Signer) ([]byte, error) { return nil, errNotYet }

// Sign answers a signing request: a new proxy for the request's key, then the issuer's chain.
func Sign(issuer Credential, request []byte, t Template) ([]*x509.Certificate, error) {
	return nil, errNotYet
}

// Complete joins key and the chain that somebody made with Sign.
func Complete(key crypto.Signer, chain []*x509.Certificate) (Credential, error) {
	return Credential{}, errNotYet
}
