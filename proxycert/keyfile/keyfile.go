// Package keyfile reads private keys and certificates in every form that grid users keep them in:
// PEM keys of OpenSSL's traditional kind, PKCS #8 and SEC 1, plain and encrypted, PKCS #12 of old
// and new tools and of browsers, and certificates that crypto/x509 alone refuses.
//
// It imports the standard library and golang.org/x/crypto only. Files are the caller's business; a
// hostile one costs about a second at most.
package keyfile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// A Passphrase is asked for at most once in each call, and only if something is encrypted. Nil means
// that none is to be had.
type Passphrase func() ([]byte, error)

// ErrPassphrase is what errors are (errors.Is) that a wrong or missing passphrase causes.
var ErrPassphrase = errors.New("wrong or missing passphrase")

const (
	errWrong   = passphraseError("wrong passphrase")
	errMissing = passphraseError("it is encrypted, and there is no passphrase")
)

type passphraseError string

func (e passphraseError) Error() string      { return string(e) }
func (passphraseError) Is(target error) bool { return target == ErrPassphrase }

// Key returns the first private key in a PEM file: PKCS #1 and SEC 1, both also with the DEK-Info
// header of OpenSSL (RFC 1423), PKCS #8 plain (RFC 5208) and encrypted (RFC 8018: PBES2 with PBKDF2
// or scrypt, PBES1, and the schemes of PKCS #12).
func Key(data []byte, p Passphrase) (crypto.Signer, error) {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return nil, errors.New("no private key found")
		}
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		key, err := open(block, &opener{ask: p, left: maxWork})
		if err != nil {
			return nil, fmt.Errorf("read private key: %w", err)
		}
		return key, nil
	}
}

func open(block *pem.Block, o *opener) (crypto.Signer, error) {
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY":
		return o.shrouded(block.Bytes)
	case x509.IsEncryptedPEMBlock(block): //nolint:staticcheck // weak, but it is what users have
		passphrase, err := o.passphrase()
		if err != nil {
			return nil, err
		}
		der, err := x509.DecryptPEMBlock(block, passphrase) //nolint:staticcheck // as above
		if errors.Is(err, x509.IncorrectPasswordError) {
			return nil, errWrong
		}
		if err != nil {
			return nil, err
		}
		return o.decrypted(der)
	}
	return parse(block.Bytes)
}

// parse reads an unencrypted key of any of the three forms, which tell themselves apart. Labels of
// PEM blocks are not always right.
func parse(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, nil
}

// Marshal returns the PEM form of key that old and new tools alike read: PKCS #1 for RSA, SEC 1 for
// elliptic curves, PKCS #8 for all others.
func Marshal(key crypto.Signer) ([]byte, error) {
	var block pem.Block
	var err error
	switch key := key.(type) {
	case *rsa.PrivateKey:
		block.Type, block.Bytes = "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)
	case *ecdsa.PrivateKey:
		block.Type = "EC PRIVATE KEY"
		block.Bytes, err = x509.MarshalECPrivateKey(key)
	default:
		block.Type = "PRIVATE KEY"
		block.Bytes, err = x509.MarshalPKCS8PrivateKey(key)
	}
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&block), nil
}
