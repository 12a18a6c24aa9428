package voms

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lanyardhq/lanyard/proxycert/dn"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Encoded object identifiers. Kept as bytes, because those of unknown extensions may have arcs
// that fit no integer.
const (
	oidFQANs        = "\x2b\x06\x01\x04\x01\xbe\x45\x64\x64\x04" // 1.3.6.1.4.1.8005.100.100.4
	oidCertificates = "\x2b\x06\x01\x04\x01\xbe\x45\x64\x64\x0a" // 1.3.6.1.4.1.8005.100.100.10
	oidAttributes   = "\x2b\x06\x01\x04\x01\xbe\x45\x64\x64\x0b" // 1.3.6.1.4.1.8005.100.100.11
	oidKeyID        = "\x55\x1d\x23"                             // 2.5.29.35, authorityKeyIdentifier
	oidTargets      = "\x55\x1d\x37"                             // 2.5.29.55, targetInformation
	oidNoRevAvail   = "\x55\x1d\x38"                             // 2.5.29.56
)

// The tags of the choices in GeneralName, of IMPLICIT [0], and of EXPLICIT ones.
var (
	tag0         = asn1.Tag(0).ContextSpecific().Constructed()
	tagDirectory = asn1.Tag(4).ContextSpecific().Constructed()
	tagURI       = asn1.Tag(6).ContextSpecific()
	tagKeyID     = asn1.Tag(0).ContextSpecific()
)

// Parse reads one attribute certificate, DER. The error is an *Error with the Reason Malformed.
// It refuses what is not in the form of RFC 5755 and GFD.182, VO and host names that are not safe
// as file names, and text with anything but printable UTF-8 in it, because tools show an FQAN on
// a line of its own and a line break would forge the next one. What is well-formed but not
// acceptable, such as another version, is left to Verify.
func Parse(der []byte) (*AC, error) {
	ac := &AC{Raw: bytes.Clone(der)}
	if err := ac.read(); err != nil {
		return nil, malformed("the attribute certificate", err)
	}
	return ac, nil
}

// only returns what s holds, where it holds just one element, with the first tag, in which there is
// just one element with the second, and so on.
func only(s cryptobyte.String, tags ...asn1.Tag) (inner cryptobyte.String, ok bool) {
	for _, tag := range tags {
		if !s.ReadASN1(&inner, tag) || !s.Empty() {
			return nil, false
		}
		s = inner
	}
	return s, true
}

func (ac *AC) read() error {
	if len(ac.Raw) > MaxExtension {
		return fmt.Errorf("it is longer than %d bytes", MaxExtension)
	}
	cert, ok := only(ac.Raw, asn1.SEQUENCE)
	var signed, algorithm cryptobyte.String
	if !ok || !cert.ReadASN1Element(&signed, asn1.SEQUENCE) || !cert.ReadASN1Element(&algorithm, asn1.SEQUENCE) ||
		!cert.ReadASN1BitStringAsBytes(&ac.signature) || !cert.Empty() {
		return errors.New("it is not made of contents, algorithm and signature")
	}
	ac.signed, ac.signatureAlgorithm = signed, algorithm
	info, _ := only(signed, asn1.SEQUENCE)
	return ac.readInfo(info)
}

// readInfo reads AttributeCertificateInfo of RFC 5755 section 4.1. The issuer's unique identifier,
// which nobody sets and which conforming authorities must not set, is not known here.
func (ac *AC) readInfo(info cryptobyte.String) error {
	var holder, issuer, algorithm, validity, attributes, extensions cryptobyte.String
	ac.Serial = new(big.Int)
	if !info.ReadASN1Integer(&ac.Version) || !info.ReadASN1(&holder, asn1.SEQUENCE) ||
		!info.ReadASN1(&issuer, tag0) || !info.ReadASN1Element(&algorithm, asn1.SEQUENCE) ||
		!info.ReadASN1Integer(ac.Serial) || !info.ReadASN1(&validity, asn1.SEQUENCE) ||
		!info.ReadASN1(&attributes, asn1.SEQUENCE) || !info.ReadASN1(&extensions, asn1.SEQUENCE) || !info.Empty() {
		return errors.New("something is missing in it, out of order, or more than is known")
	}
	ac.Version++ // v1 is 0
	ac.algorithm = algorithm
	names, _ := only(issuer, asn1.SEQUENCE)
	if ac.RawIssuer, ac.Issuer = readName(names); ac.Issuer == "" {
		return errors.New("its issuer is not given by one distinguished name")
	}
	return cmp.Or(ac.readHolder(holder), ac.readValidity(validity), ac.readFQANs(attributes), ac.readExtensions(extensions))
}

// readHolder reads a Holder of the one form that VOMS uses: a certificate's name and number.
func (ac *AC) readHolder(holder cryptobyte.String) error {
	var names cryptobyte.String
	ac.Holder.Serial = new(big.Int)
	id, ok := only(holder, tag0)
	if !ok || !id.ReadASN1(&names, asn1.SEQUENCE) || !id.ReadASN1Integer(ac.Holder.Serial) || !id.Empty() {
		return errors.New("its holder is not given by the name and the serial number of a certificate")
	}
	if ac.Holder.Raw, ac.Holder.Name = readName(names); ac.Holder.Name == "" {
		return errors.New("its holder is not given by one distinguished name")
	}
	return nil
}

func (ac *AC) readValidity(validity cryptobyte.String) error {
	if !validity.ReadASN1GeneralizedTime(&ac.NotBefore) || !validity.ReadASN1GeneralizedTime(&ac.NotAfter) || !validity.Empty() {
		return errors.New("its validity is not given by two times of the form YYYYMMDDhhmmssZ")
	}
	return nil
}

// readName reads GeneralNames with exactly one name, a distinguished one. Otherwise slash is "".
func readName(names cryptobyte.String) (raw []byte, slash string) {
	raw, _ = only(names, tagDirectory)
	return raw, dn.Slash(raw)
}

// readFQANs finds the attribute with VO, authority and FQANs: an IetfAttrSyntax, and only one.
func (ac *AC) readFQANs(attributes cryptobyte.String) error {
	var found cryptobyte.String
	for !attributes.Empty() {
		var attribute, oid cryptobyte.String
		if !attributes.ReadASN1(&attribute, asn1.SEQUENCE) || !attribute.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
			return errors.New("one of its attributes is malformed")
		}
		if string(oid) != oidFQANs {
			continue
		}
		if found != nil {
			return errors.New("it has two lists of FQANs")
		}
		found = attribute
	}
	if found == nil {
		return errors.New("it has no list of FQANs")
	}
	var names, fqans cryptobyte.String
	value, ok := only(found, asn1.SET, asn1.SEQUENCE)
	if !ok || !value.ReadASN1(&names, tag0) || !value.ReadASN1(&fqans, asn1.SEQUENCE) || !value.Empty() {
		return errors.New("it does not have one list of FQANs by one authority")
	}
	for !fqans.Empty() {
		fqan, err := readText(&fqans, MaxFQAN)
		if err != nil {
			return fmt.Errorf("an FQAN in it %w", err)
		}
		if ac.FQANs = append(ac.FQANs, fqan); len(ac.FQANs) > MaxFQANs {
			return fmt.Errorf("it has more than %d FQANs", MaxFQANs)
		}
	}
	return ac.readAuthority(names)
}

// readAuthority reads the policyAuthority, vo://host:port. It is no URL: a VO's name may have
// characters that no URL scheme has.
func (ac *AC) readAuthority(names cryptobyte.String) error {
	if inner, ok := only(names, asn1.SEQUENCE); ok { // an explicit tag, as by the Java library before 3.3.6
		names = inner
	}
	uri, ok := only(names, tagURI)
	vo, rest, _ := strings.Cut(string(uri), "://")
	host, digits, _ := strings.Cut(rest, ":")
	port, err := strconv.ParseUint(digits, 10, 16)
	if !ok || !safeName(vo) || !safeName(host) || err != nil || port == 0 {
		return fmt.Errorf("its VO is not given by one URI of the form VO://HOST:PORT, but by %q", uri)
	}
	ac.VO, ac.Host, ac.Port = vo, host, int(port)
	return nil
}

// safeName reports whether a VO or a host may have this name. It is what keeps file names made of
// it within their folder.
func safeName(name string) bool {
	if name == "" || len(name) > MaxFQAN || name[0] == '.' || name[0] == '-' {
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || c == '/' || c == '\\' || c == ':' {
			return false
		}
	}
	return true
}

// readText reads an OCTET STRING with at most limit bytes of printable text.
func readText(s *cryptobyte.String, limit int) (string, error) {
	var text cryptobyte.String
	if !s.ReadASN1(&text, asn1.OCTET_STRING) {
		return "", errors.New("is no OCTET STRING")
	}
	if len(text) > limit {
		return "", fmt.Errorf("is longer than %d bytes", limit)
	}
	if !printable(string(text)) {
		return "", fmt.Errorf("has characters that cannot be shown: %+q", text)
	}
	return string(text), nil
}

func printable(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
