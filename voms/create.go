package voms

import (
	"crypto"
	"crypto/x509"
	"math/big"
	"time"
)

// A Template is what an attribute certificate shall say.
type Template struct {
	VO, Host   string // host and port of the attribute authority
	Port       int
	FQANs      []string // primary first
	Attributes []Attribute
	Targets    []string
	NotBefore  time.Time
	NotAfter   time.Time
	Serial     *big.Int // nil: 128 random bits
}

// Create issues an attribute certificate (DER) to holder, an end-entity certificate, by the
// authority with the certificate aa and its key.
func Create(t Template, holder, aa *x509.Certificate, key crypto.Signer) ([]byte, error) {
	return nil, errNotYet
}
