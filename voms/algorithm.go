package voms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // names keys, protects nothing
	"crypto/x509"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// algorithms are the signature algorithms that are known here.
var algorithms = []struct {
	id   x509.SignatureAlgorithm
	oid  string // encoded
	hash crypto.Hash
	null bool // has a parameter, NULL
}{
	{x509.MD5WithRSA, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", crypto.MD5, true},
	{x509.SHA1WithRSA, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", crypto.SHA1, true},
	{x509.SHA256WithRSA, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", crypto.SHA256, true},
	{x509.SHA384WithRSA, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", crypto.SHA384, true},
	{x509.SHA512WithRSA, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", crypto.SHA512, true},
	{x509.ECDSAWithSHA1, "\x2a\x86\x48\xce\x3d\x04\x01", crypto.SHA1, false},
	{x509.ECDSAWithSHA256, "\x2a\x86\x48\xce\x3d\x04\x03\x02", crypto.SHA256, false},
	{x509.ECDSAWithSHA384, "\x2a\x86\x48\xce\x3d\x04\x03\x03", crypto.SHA384, false},
	{x509.ECDSAWithSHA512, "\x2a\x86\x48\xce\x3d\x04\x03\x04", crypto.SHA512, false},
}

// algorithmOf returns what an encoded AlgorithmIdentifier names.
func algorithmOf(der []byte) x509.SignatureAlgorithm {
	input := cryptobyte.String(der)
	var id, oid cryptobyte.String
	if !input.ReadASN1(&id, asn1.SEQUENCE) || !id.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
		return x509.UnknownSignatureAlgorithm
	}
	for _, a := range algorithms {
		if a.oid == string(oid) && (len(id) == 0 || a.null && string(id) == "\x05\x00") {
			return a.id
		}
	}
	return x509.UnknownSignatureAlgorithm
}

// signing returns the encoded AlgorithmIdentifier and the hash with which a key of aa signs: the
// hash of aa's own signature, or SHA-256 where that is too weak or not known.
func signing(aa *x509.Certificate) ([]byte, crypto.Hash, error) {
	hash := crypto.SHA256
	for _, a := range algorithms {
		if a.id == aa.SignatureAlgorithm && a.hash.Size() > hash.Size() {
			hash = a.hash
		}
	}
	_, isRSA := aa.PublicKey.(*rsa.PublicKey)
	_, isECDSA := aa.PublicKey.(*ecdsa.PublicKey)
	var b cryptobyte.Builder
	for _, a := range algorithms {
		if a.hash == hash && a.null == isRSA && isRSA != isECDSA {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addOID(b, a.oid)
				if a.null {
					b.AddASN1NULL()
				}
			})
			der, err := b.Bytes()
			return der, hash, err
		}
	}
	return nil, 0, fmt.Errorf("an attribute authority needs an RSA or ECDSA key, not one for %v", aa.PublicKeyAlgorithm)
}

func addOID(b *cryptobyte.Builder, oid string) {
	b.AddASN1(asn1.OBJECT_IDENTIFIER, raw([]byte(oid)))
}

// dotted returns an encoded object identifier for people.
func dotted(oid string) string {
	var id x509.OID
	if err := id.UnmarshalBinary([]byte(oid)); err != nil {
		return fmt.Sprintf("%x", oid)
	}
	return id.String()
}

// KeyID returns the SHA-1 hash of a public key's bits: the subjectKeyIdentifier that the
// certificate of an attribute authority has to have, because the C library compares an AC with
// this hash and the Java library with the extension. (RFC 5280 section 4.2.1.2, method 1.)
func KeyID(public crypto.PublicKey) ([]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return keyID(spki), nil
}

// keyID returns the hash of the key in an encoded SubjectPublicKeyInfo, nil if it is none.
func keyID(spki []byte) []byte {
	input := cryptobyte.String(spki)
	var info cryptobyte.String
	var bits []byte
	if !input.ReadASN1(&info, asn1.SEQUENCE) || !info.SkipASN1(asn1.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&bits) {
		return nil
	}
	sum := sha1.Sum(bits) //nolint:gosec // names keys, protects nothing
	return sum[:]
}

// identifies reports whether id names the key of c, in the one way or the other.
func identifies(id []byte, c *x509.Certificate) bool {
	return len(id) > 0 && (bytes.Equal(id, c.SubjectKeyId) || bytes.Equal(id, keyID(c.RawSubjectPublicKeyInfo)))
}
