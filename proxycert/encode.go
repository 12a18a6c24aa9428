package proxycert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // names keys, protects nothing
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cb "golang.org/x/crypto/cryptobyte/asn1"
)

// tbsCertificate is what is signed of a certificate (RFC 5280 section 4.1). It is not left to
// crypto/x509, which encodes the issuer's name anew. Times are UTCTime through 2049 and
// GeneralizedTime from 2050: services that cannot read the second refuse such a proxy, but then its
// issuer's certificate has the same form.
type tbsCertificate struct {
	Version    int `asn1:"explicit,tag:0"` // 2 stands for version 3
	Serial     *big.Int
	Algorithm  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	Validity   struct{ NotBefore, NotAfter time.Time }
	Subject    asn1.RawValue
	PublicKey  asn1.RawValue
	Extensions []pkix.Extension `asn1:"explicit,tag:3"`
}

// sign returns the whole certificate. The hash is that of like, the issuing certificate's own
// signature: whoever accepts that can compute it.
func (c tbsCertificate) sign(key crypto.Signer, like x509.SignatureAlgorithm) ([]byte, error) {
	hash, last := crypto.SHA256, 0
	switch like {
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		hash, last = crypto.SHA384, 1
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		hash, last = crypto.SHA512, 2
	}
	switch key.Public().(type) { // RFC 4055 section 5, RFC 5758 section 3.2
	case *rsa.PublicKey:
		c.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11 + last}
		c.Algorithm.Parameters = asn1.NullRawValue
	case *ecdsa.PublicKey:
		c.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2 + last}
	default:
		return nil, errors.New("only RSA and ECDSA keys can sign proxies")
	}
	tbs, err := asn1.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode the proxy: %w", err)
	}
	h := hash.New()
	h.Write(tbs)
	signature, err := key.Sign(rand.Reader, h.Sum(nil), hash)
	if err != nil {
		return nil, fmt.Errorf("sign the proxy: %w", err)
	}
	return asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, c.Algorithm, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
}

// number names a proxy as the C tools do: the first four bytes of the SHA-1 of its
// SubjectPublicKeyInfo, in little-endian order. It is the serial number too, so it is not 0.
func number(spki []byte) uint64 {
	sum := sha1.Sum(spki) //nolint:gosec // a name that need not be hard to find twice
	return max(1, uint64(binary.LittleEndian.Uint32(sum[:4])))
}

// subjectBelow adds one common name to the bytes of a Name.
func subjectBelow(issuer []byte, name string) ([]byte, error) {
	s, parts := cryptobyte.String(issuer), cryptobyte.String(nil)
	if !s.ReadASN1(&parts, cb.SEQUENCE) || !s.Empty() {
		return nil, errors.New("the issuer's subject is not a Name")
	}
	var b cryptobyte.Builder
	b.AddASN1(cb.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(parts)
		b.AddASN1(cb.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(cb.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidCommonName)
				b.AddASN1(cb.PrintableString, func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
			})
		})
	})
	return b.Bytes()
}

// extensions returns those of a proxy in the order of the C tools: attributes, keyUsage,
// basicConstraints, authorityKeyIdentifier, proxyCertInfo.
func (t Template) extensions(parent *x509.Certificate, info Info) ([]pkix.Extension, error) {
	var all []pkix.Extension
	if t.Attributes != nil {
		all = append(all, pkix.Extension{Id: oidAttributes, Value: t.Attributes})
	}
	all = append(all, t.Extra...)
	if extension(parent, oidKeyUsage) != nil {
		all = append(all, pkix.Extension{Id: oidKeyUsage, Critical: true, Value: keyUsage(parent.KeyUsage)})
	}
	all = append(all, pkix.Extension{Id: oidBasicConstraints, Critical: true, Value: []byte{0x30, 0}}) // no authority
	id, err := authorityKeyID(parent)
	if err != nil {
		return nil, err
	}
	all = append(all, pkix.Extension{Id: oidAuthorityKeyID, Value: id})
	if info.Kind != Legacy {
		value, err := info.encode()
		if err != nil {
			return nil, fmt.Errorf("encode proxyCertInfo: %w", err)
		}
		oid := oidProxyCertInfo
		if info.Kind == Draft {
			oid = oidDraftProxyCertInfo
		}
		all = append(all, pkix.Extension{Id: oid, Critical: true, Value: value})
	}
	for i, e := range all {
		if slices.ContainsFunc(all[:i], func(o pkix.Extension) bool { return o.Id.Equal(e.Id) }) {
			return nil, fmt.Errorf("extension %s is there twice", e.Id)
		}
	}
	return all, nil
}

// keyUsage takes from the issuer's bits those that a proxy must not have: it certifies nobody, and
// what it signs binds nobody.
func keyUsage(issuer x509.KeyUsage) []byte {
	bits := issuer &^ (x509.KeyUsageCertSign | x509.KeyUsageContentCommitment)
	var b [2]byte // named bits, the first in the highest position
	length := 0
	for i := range 9 {
		if bits&(1<<i) != 0 {
			b[i/8] |= 0x80 >> (i % 8)
			length = i + 1
		}
	}
	whole := (length + 7) / 8
	return append([]byte{byte(cb.BIT_STRING), byte(whole + 1), byte(whole*8 - length)}, b[:whole]...)
}

// authorityKeyID names the issuer's key: as its certificate does, else by its SHA-1 (RFC 5280
// section 4.2.1.2, method 1).
func authorityKeyID(parent *x509.Certificate) ([]byte, error) {
	id := parent.SubjectKeyId
	if len(id) == 0 {
		s, info, key := cryptobyte.String(parent.RawSubjectPublicKeyInfo), cryptobyte.String(nil), []byte(nil)
		if !s.ReadASN1(&info, cb.SEQUENCE) || !info.SkipASN1(cb.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&key) {
			return nil, errors.New("the issuer's key cannot be read")
		}
		sum := sha1.Sum(key) //nolint:gosec // an identifier
		id = sum[:]
	}
	var b cryptobyte.Builder
	b.AddASN1(cb.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cb.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(id) })
	})
	return b.Bytes()
}

// encode returns the value of the proxyCertInfo extension; readRFC and readDraft tell the forms.
func (i Info) encode() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cb.SEQUENCE, func(b *cryptobyte.Builder) {
		if i.PathLength != nil && i.Kind == RFC {
			b.AddASN1Int64(int64(*i.PathLength))
		}
		b.AddASN1(cb.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(i.Language)
			if i.Policy != nil {
				b.AddASN1OctetString(i.Policy)
			}
		})
		if i.PathLength != nil && i.Kind == Draft {
			b.AddASN1(cb.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1Int64(int64(*i.PathLength))
			})
		}
	})
	return b.Bytes()
}
