package keyfile

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	maxCertificates = 1000     // in one file; bundles of all web authorities have some 150
	maxRSA          = 16 << 10 // bits; checking signatures of longer keys takes strangers' time
)

// Certificates returns all certificates of a PEM file in their order, or the one of a DER file.
// Other PEM blocks are passed over, but a block that is cut off or garbled is an error: the chain
// would silently end there.
func Certificates(data []byte) ([]*x509.Certificate, error) {
	begins := bytes.Count(data, []byte("-----BEGIN "))
	if begins == 0 && len(data) > 0 && data[0] == 0x30 {
		c, err := Certificate(data)
		if err != nil {
			return nil, err
		}
		return []*x509.Certificate{c}, nil
	}
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		begins--
		if block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			continue
		}
		if len(all) == maxCertificates {
			return nil, fmt.Errorf("more than %d certificates in one file", maxCertificates)
		}
		c, err := Certificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(all)+1, err)
		}
		all = append(all, c)
	}
	switch {
	case begins != 0:
		return nil, errors.New("a PEM block is cut off or garbled")
	case len(all) == 0:
		return nil, errors.New("no certificate found")
	}
	return all, nil
}

// Certificate parses one DER certificate. Other than x509.ParseCertificate it takes negative serial
// numbers, which old grid tools made, and names with characters that their string type does not
// allow. Signatures can be checked as ever: Raw, RawTBSCertificate, RawSubject and RawIssuer are
// the original bytes.
// An RSA key of more than 16,384 bits is an error.
func Certificate(der []byte) (*x509.Certificate, error) {
	c, err := parseCertificate(der)
	if err != nil {
		return nil, err
	}
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSA {
		return nil, fmt.Errorf("an RSA key of %d bits: at most %d are taken", key.N.BitLen(), maxRSA)
	}
	return c, nil
}

func parseCertificate(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err == nil {
		return c, nil
	}
	clean := bytes.Clone(der)
	if p, ok := locate(clean); ok {
		p.mend()
		if c, again := x509.ParseCertificate(clean); again == nil {
			p, _ = locate(der)
			c.Raw, c.RawTBSCertificate, c.RawIssuer, c.RawSubject = der, p.tbs, p.issuer, p.subject
			c.SerialNumber = p.number
			return c, nil
		}
	}
	return nil, err
}

// parts are places in the bytes of a certificate.
type parts struct {
	tbs, serial, issuer, subject cryptobyte.String // serial without tag and length
	number                       *big.Int
}

func locate(der []byte) (parts, bool) {
	p := parts{number: new(big.Int)}
	in := cryptobyte.String(der)
	var outer, tbs, serial, skipped cryptobyte.String
	ok := in.ReadASN1(&outer, cryptobyte_asn1.SEQUENCE) && outer.ReadASN1Element(&p.tbs, cryptobyte_asn1.SEQUENCE)
	inner := p.tbs
	ok = ok && inner.ReadASN1(&tbs, cryptobyte_asn1.SEQUENCE) &&
		tbs.SkipOptionalASN1(cryptobyte_asn1.Tag(0).ContextSpecific().Constructed()) &&
		tbs.ReadASN1Element(&serial, cryptobyte_asn1.INTEGER)
	number := serial
	ok = ok && number.ReadASN1Integer(p.number) && serial.ReadASN1(&p.serial, cryptobyte_asn1.INTEGER) &&
		tbs.ReadASN1(&skipped, cryptobyte_asn1.SEQUENCE) && // the signature algorithm
		tbs.ReadASN1Element(&p.issuer, cryptobyte_asn1.SEQUENCE) &&
		tbs.ReadASN1(&skipped, cryptobyte_asn1.SEQUENCE) && // the validity
		tbs.ReadASN1Element(&p.subject, cryptobyte_asn1.SEQUENCE)
	return p, ok
}

// mend makes in place what crypto/x509 accepts: a positive serial number, and T61String, in which
// it takes every byte, as the type of values that break the rules of theirs.
func (p parts) mend() {
	if len(p.serial) > 0 && p.serial[0] >= 0x80 {
		p.serial[0] = 1 // another number, but of the same length and minimal
	}
	for _, name := range []cryptobyte.String{p.issuer, p.subject} {
		var rdns, rdn, pair, oid, value cryptobyte.String
		ok := name.ReadASN1(&rdns, cryptobyte_asn1.SEQUENCE)
		for ok && !rdns.Empty() {
			ok = rdns.ReadASN1(&rdn, cryptobyte_asn1.SET)
			for ok && !rdn.Empty() {
				var tag cryptobyte_asn1.Tag
				ok = rdn.ReadASN1(&pair, cryptobyte_asn1.SEQUENCE) && pair.ReadASN1(&oid, cryptobyte_asn1.OBJECT_IDENTIFIER) &&
					pair.ReadAnyASN1Element(&value, &tag)
				content := value
				if ok && content.ReadAnyASN1(&content, &tag) && !wellFormed(tag, content) {
					value[0] = asn1.TagT61String
				}
			}
		}
	}
}

// wellFormed reports whether crypto/x509 takes such a value.
func wellFormed(tag cryptobyte_asn1.Tag, value []byte) bool {
	only := func(allowed func(byte) bool) bool {
		return !slices.ContainsFunc(value, func(c byte) bool { return !allowed(c) })
	}
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	switch tag {
	case asn1.TagT61String:
		return true
	case asn1.TagPrintableString:
		return only(func(c byte) bool {
			return digit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(" '()+,-./:=?*&", c) >= 0
		})
	case asn1.TagNumericString:
		return only(func(c byte) bool { return digit(c) || c == ' ' })
	case asn1.TagIA5String:
		return only(func(c byte) bool { return c < utf8.RuneSelf })
	case asn1.TagUTF8String:
		return utf8.Valid(value)
	case asn1.TagBMPString:
		return len(value)%2 == 0
	}
	return false
}
