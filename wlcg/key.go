package wlcg

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The algorithms of RFC 7518 that this package signs and verifies with. Storage knows the first two.
const (
	ES256 = "ES256"
	RS256 = "RS256"
	ES384 = "ES384"
	ES512 = "ES512"
)

// An algorithm is one of RFC 7518, section 3.1.
type algorithm struct {
	hash  crypto.Hash
	curve elliptic.Curve // nil for RSA
}

var algorithms = map[string]algorithm{
	ES256: {crypto.SHA256, elliptic.P256()},
	RS256: {crypto.SHA256, nil},
	ES384: {crypto.SHA384, elliptic.P384()},
	ES512: {crypto.SHA512, elliptic.P521()},
}

// RSA keys are as long as RFC 7518, section 3.3, asks for, and not so long that strangers' tokens
// take our time.
const (
	minRSA = 2048
	maxRSA = 8192
)

// half is the length of r, and of s, in a signature.
func (a algorithm) half() int { return (a.curve.Params().BitSize + 7) / 8 }

// fits tells what is wrong with a key for the algorithm, nil if nothing.
func (a algorithm) fits(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		switch {
		case a.curve != nil:
			return errors.New("the key is an RSA key")
		case k.N == nil || k.N.BitLen() < minRSA || k.N.BitLen() > maxRSA:
			return fmt.Errorf("RSA keys must have %d to %d bits", minRSA, maxRSA)
		case k.E < 3 || k.E%2 == 0 || k.E > 1<<31-1:
			return fmt.Errorf("the RSA key's exponent is %d", k.E)
		}
		return nil
	case *ecdsa.PublicKey:
		if a.curve == nil || k.Curve != a.curve {
			return errors.New("the key is of another type or curve")
		}
		return nil
	}
	return fmt.Errorf("the key is a %T", key)
}

// algorithmFor is the algorithm that a key is for, empty if none.
func algorithmFor(key crypto.PublicKey) string {
	for name, a := range algorithms {
		if a.fits(key) == nil {
			return name
		}
	}
	return ""
}

// A Key signs tokens. It is safe for concurrent use if its Signer is, as those of crypto/ecdsa and
// crypto/rsa are.
type Key struct {
	ID        string        // the kid of its tokens
	Algorithm string        // ES256, RS256, ES384 or ES512
	Signer    crypto.Signer // an ECDSA key of the algorithm's curve, or RSA of 2048 to 8192 bits
}

// check tells what is wrong with the key, and returns its algorithm.
func (k Key) check() (algorithm, error) {
	a, ok := algorithms[k.Algorithm]
	switch {
	case !ok:
		return a, fmt.Errorf("no signing key of algorithm %s", quote(k.Algorithm))
	case k.Signer == nil:
		return a, errors.New("a signing key without a private key")
	case !validKeyID(k.ID):
		return a, errors.New("signing keys need an id of 1 to 256 printable characters")
	}
	if err := a.fits(k.Signer.Public()); err != nil {
		return a, fmt.Errorf("signing key %s: %w", k.ID, err)
	}
	return a, nil
}

// validKeyID holds of ids that may be asked for at an issuer: short, printable, without blanks.
func validKeyID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= 256
}

// Public is the key as others verify with it.
func (k Key) Public() PublicKey {
	p := PublicKey{ID: k.ID, Algorithm: k.Algorithm}
	if k.Signer != nil {
		p.Key = k.Signer.Public()
	}
	return p
}

// sign makes the signature of RFC 7518, sections 3.3 and 3.4.
func (a algorithm) sign(s crypto.Signer, input []byte) ([]byte, error) {
	signature, err := s.Sign(rand.Reader, a.digest(input), a.hash)
	if err != nil || a.curve == nil {
		return signature, err
	}
	var inner cryptobyte.String
	var x, y []byte
	der := cryptobyte.String(signature)
	n := a.half()
	if !der.ReadASN1(&inner, asn1.SEQUENCE) || !inner.ReadASN1Integer(&x) || !inner.ReadASN1Integer(&y) || len(x) > n || len(y) > n {
		return nil, errors.New("the signer did not make an ECDSA signature")
	}
	fixed := make([]byte, 2*n)
	copy(fixed[n-len(x):], x)
	copy(fixed[2*n-len(y):], y)
	return fixed, nil
}

// verify checks a signature by a key that fits.
func (a algorithm) verify(key crypto.PublicKey, input, signature []byte) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(k, a.hash, a.digest(input), signature) != nil {
			return refuse(BadSignature, "the signature does not verify")
		}
	case *ecdsa.PublicKey:
		n := a.half()
		if len(signature) != 2*n { // also all that are written as DER
			return refuse(BadSignature, "the signature has %d bytes instead of %d", len(signature), 2*n)
		}
		r, s := new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])
		if r.Sign() == 0 || s.Sign() == 0 {
			return refuse(BadSignature, "the signature is zero")
		}
		var b cryptobyte.Builder
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1BigInt(r)
			b.AddASN1BigInt(s)
		})
		der, err := b.Bytes()
		if err != nil || !ecdsa.VerifyASN1(k, a.digest(input), der) {
			return refuse(BadSignature, "the signature does not verify")
		}
	}
	return nil
}

func (a algorithm) digest(input []byte) []byte {
	h := a.hash.New()
	h.Write(input)
	return h.Sum(nil)
}
