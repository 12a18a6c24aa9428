// Package keyfile reads private keys and certificates in every form that grid users keep them in.
// It imports the standard library and golang.org/x/crypto only.
package keyfile

import (
	"crypto"
	"crypto/x509"
	"errors"
)

var errNotYet = errors.New("not written yet")

// A Passphrase is asked for at most once, and only if something is encrypted. Nil means that none
// is to be had.
type Passphrase func() ([]byte, error)

// ErrPassphrase is wrapped by errors that a wrong or missing passphrase causes.
var ErrPassphrase = errors.New("wrong passphrase")

// Key returns the first private key in a PEM file.
func Key(pem []byte, p Passphrase) (crypto.Signer, error) { return nil, errNotYet }

// PKCS12 returns the key and the certificates of a PKCS#12 file, the key's certificate first.
func PKCS12(der []byte, p Passphrase) (crypto.Signer, []*x509.Certificate, error) {
	return nil, nil, errNotYet
}

// Certificates returns all certificates of a PEM file, or of one DER certificate, in order.
func Certificates(data []byte) ([]*x509.Certificate, error) { return nil, errNotYet }

// Certificate parses one DER certificate.
func Certificate(der []byte) (*x509.Certificate, error) { return nil, errNotYet }

// Marshal returns the PEM form of key: PKCS#1 for RSA, SEC 1 for elliptic curves.
func Marshal(key crypto.Signer) ([]byte, error) { return nil, errNotYet }
