package voms

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A Template is what an attribute certificate shall say. VO, Host, Port, FQANs, NotBefore and
// NotAfter are required.
type Template struct {
	VO, Host   string // host and port of the attribute authority
	Port       int
	FQANs      []string // primary first, each in the form in which it shall stand there
	Attributes []Attribute
	Targets    []string  // hosts; empty: all
	NotBefore  time.Time // both are cut to the life of the authority's certificate
	NotAfter   time.Time
	Serial     *big.Int // nil: 128 random bits
}

// Create issues an attribute certificate (DER) to holder, an end-entity certificate, by the
// authority with the certificate aa and its key. It has the layout of the field's own server, byte
// for byte where there is a choice: the holder is given by subject and serial number, against RFC
// 5755, because that is what everybody reads, and aa is the only certificate inside. Every reader
// understands signatures of RSA keys; the Java library no others.
//
// Create refuses to make what Verify or the field's libraries would refuse; see CheckAuthority.
func Create(t Template, holder, aa *x509.Certificate, key crypto.Signer) ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if err := checkParties(holder, aa, key); err != nil {
		return nil, err
	}
	if t.NotBefore.Before(aa.NotBefore) {
		t.NotBefore = aa.NotBefore
	}
	if t.NotAfter.After(aa.NotAfter) {
		t.NotAfter = aa.NotAfter
	}
	if !t.NotBefore.Before(t.NotAfter) {
		return nil, fmt.Errorf("the attribute certificate would end before it begins: the authority's certificate is valid from %s to %s",
			stamp(aa.NotBefore), stamp(aa.NotAfter))
	}
	if t.Serial == nil {
		t.Serial = randomSerial()
	}
	algorithm, hash, err := signing(aa)
	if err != nil {
		return nil, err
	}
	var info, b cryptobyte.Builder
	t.addInfo(&info, holder, aa, algorithm)
	signed, err := info.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode attribute certificate: %w", err)
	}
	digest := hash.New()
	digest.Write(signed)
	signature, err := key.Sign(rand.Reader, digest.Sum(nil), hash)
	if err != nil {
		return nil, fmt.Errorf("sign attribute certificate: %w", err)
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(signed)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

func randomSerial() *big.Int {
	var random [16]byte
	rand.Read(random[:]) // never fails
	return new(big.Int).SetBytes(random[:])
}

// check refuses what readers refuse.
func (t Template) check() error {
	switch {
	case !word(t.VO) || !safeName(t.VO):
		return fmt.Errorf("%q cannot be the name of a VO: it needs letters, digits and _.- only", t.VO)
	case !safeName(t.Host) || t.Port < 1 || t.Port > 65535:
		return fmt.Errorf("%q with port %d cannot be the address of an attribute authority", t.Host, t.Port)
	case len(t.FQANs) == 0:
		return errors.New("an attribute certificate needs at least one FQAN")
	case len(t.FQANs) > MaxFQANs || len(t.Attributes) > MaxAttributes || len(t.Targets) > MaxTargets:
		return fmt.Errorf("an attribute certificate holds at most %d FQANs, %d attributes and %d targets", MaxFQANs, MaxAttributes, MaxTargets)
	case t.Serial != nil && (t.Serial.Sign() <= 0 || t.Serial.BitLen() > 8*maxSerial):
		return fmt.Errorf("a serial number is positive and at most %d bytes long", maxSerial)
	}
	return t.checkLists()
}

func (t Template) checkLists() error {
	for _, text := range t.FQANs {
		f, err := ParseFQAN(text)
		if err != nil {
			return err
		}
		if f.VO() != t.VO {
			return fmt.Errorf("%q is no FQAN of the VO %s", text, t.VO)
		}
	}
	for _, a := range t.Attributes {
		if a.Name == "" || max(len(a.Name), len(a.Value), len(a.Qualifier)) > maxText || !printable(a.Name+a.Value+a.Qualifier) {
			return fmt.Errorf("the attribute %q has no name, is too long or has characters that cannot be shown", a.Name)
		}
	}
	for _, host := range t.Targets {
		if !safeName(host) {
			return fmt.Errorf("%q cannot be the name of a target host", host)
		}
	}
	return nil
}

// checkParties refuses certificates with which nobody could verify the result.
func checkParties(holder, aa *x509.Certificate, key crypto.Signer) error {
	if info, err := proxycert.Inspect(holder); err != nil {
		return err
	} else if info.Kind != proxycert.None {
		return errors.New("the holder of an attribute certificate is a person's certificate, not a proxy")
	}
	if public, ok := aa.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(key.Public()) {
		return errors.New("the key of the attribute authority does not belong to its certificate")
	}
	return CheckAuthority(aa)
}

// CheckAuthority says why nobody could verify attribute certificates of the authority with the
// certificate aa; Create makes none then. Java finds the authority by its subjectKeyIdentifier. The
// C library computes one from the key, and looks at those of 20 bytes only: no attribute certificate
// can name such a key in a way that both accept, unless it is the hash that KeyID returns.
func CheckAuthority(aa *x509.Certificate) error {
	switch {
	case len(aa.SubjectKeyId) == 0:
		return errors.New("the certificate of the attribute authority has no subjectKeyIdentifier, which readers of its attribute certificates need")
	case len(aa.SubjectKeyId) == 20 && !bytes.Equal(aa.SubjectKeyId, keyID(aa.RawSubjectPublicKeyInfo)):
		return errors.New("the certificate of the attribute authority has a subjectKeyIdentifier that is not the SHA-1 hash of its key, with which the C library compares")
	case aa.KeyUsage != 0 && aa.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("the certificate of the attribute authority is not for signatures: its keyUsage lacks digitalSignature")
	}
	return nil
}

// nest adds an element with the first tag, in it one with the second and so on, around content.
// It is what the function only takes off.
func nest(b *cryptobyte.Builder, content cryptobyte.BuilderContinuation, tags ...asn1.Tag) {
	if len(tags) == 0 {
		content(b)
		return
	}
	b.AddASN1(tags[0], func(b *cryptobyte.Builder) { nest(b, content, tags[1:]...) })
}

// raw adds bytes as they are.
func raw(bytes []byte) cryptobyte.BuilderContinuation {
	return func(b *cryptobyte.Builder) { b.AddBytes(bytes) }
}

// addInfo adds AttributeCertificateInfo of RFC 5755 section 4.1.
func (t Template) addInfo(b *cryptobyte.Builder, holder, aa *x509.Certificate, algorithm []byte) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1) // v2
		nest(b, func(b *cryptobyte.Builder) {
			nest(b, raw(holder.RawSubject), asn1.SEQUENCE, tagDirectory)
			b.AddASN1BigInt(holder.SerialNumber)
		}, asn1.SEQUENCE, tag0)
		nest(b, raw(aa.RawSubject), tag0, asn1.SEQUENCE, tagDirectory)
		b.AddBytes(algorithm)
		b.AddASN1BigInt(t.Serial)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1GeneralizedTime(t.NotBefore.UTC())
			b.AddASN1GeneralizedTime(t.NotAfter.UTC())
		})
		nest(b, func(b *cryptobyte.Builder) {
			addOID(b, oidFQANs)
			nest(b, t.addFQANs, asn1.SET, asn1.SEQUENCE)
		}, asn1.SEQUENCE, asn1.SEQUENCE)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { t.addExtensions(b, aa) })
	})
}

func (t Template) uri() []byte {
	return []byte(t.VO + "://" + net.JoinHostPort(t.Host, strconv.Itoa(t.Port)))
}

func (t Template) addFQANs(b *cryptobyte.Builder) {
	nest(b, raw(t.uri()), tag0, tagURI)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, fqan := range t.FQANs {
			b.AddASN1OctetString([]byte(fqan))
		}
	})
}

// addExtensions adds the extensions in the order of the field's own server.
func (t Template) addExtensions(b *cryptobyte.Builder, aa *x509.Certificate) {
	add := func(oid string, critical bool, content cryptobyte.BuilderContinuation, tags ...asn1.Tag) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addOID(b, oid)
			if critical {
				b.AddASN1Boolean(true)
			}
			b.AddASN1(asn1.OCTET_STRING, func(b *cryptobyte.Builder) { nest(b, content, tags...) })
		})
	}
	if len(t.Attributes) > 0 {
		add(oidAttributes, false, t.addAttributes, asn1.SEQUENCE, asn1.SEQUENCE, asn1.SEQUENCE)
	}
	add(oidCertificates, false, raw(aa.Raw), asn1.SEQUENCE, asn1.SEQUENCE)
	add(oidNoRevAvail, false, raw(nil), asn1.NULL)
	add(oidKeyID, false, raw(aa.SubjectKeyId), asn1.SEQUENCE, tagKeyID)
	if len(t.Targets) > 0 {
		add(oidTargets, true, t.addTargets, asn1.SEQUENCE, asn1.SEQUENCE)
	}
}

func (t Template) addAttributes(b *cryptobyte.Builder) {
	nest(b, raw(t.uri()), asn1.SEQUENCE, tagURI)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, a := range t.Attributes {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1OctetString([]byte(a.Name))
				b.AddASN1OctetString([]byte(a.Value))
				b.AddASN1OctetString([]byte(a.Qualifier))
			})
		}
	})
}

// addTargets wraps a sequence around each target, which RFC 5755 does not but everybody here does.
func (t Template) addTargets(b *cryptobyte.Builder) {
	for _, host := range t.Targets {
		nest(b, raw([]byte(host)), asn1.SEQUENCE, tag0, tagURI)
	}
}
