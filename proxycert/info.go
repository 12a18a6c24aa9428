package proxycert

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"math"

	"golang.org/x/crypto/cryptobyte"
	cb "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// The extensions and attributes that this package looks at.
var (
	oidProxyCertInfo      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 14}
	oidDraftProxyCertInfo = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3536, 1, 222}
	oidAttributes         = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 5}
	oidKeyUsage           = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName     = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidIssuerAltName      = asn1.ObjectIdentifier{2, 5, 29, 18}
	oidBasicConstraints   = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidAuthorityKeyID     = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidExtKeyUsage        = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidCommonName         = asn1.ObjectIdentifier{2, 5, 4, 3}
)

// The common names of legacy proxies.
const (
	legacyFull    = "proxy"
	legacyLimited = "limited proxy"
)

// Info is what makes a certificate a proxy.
type Info struct {
	Kind Kind
	// Limited is true for proxies that may not start jobs. It says nothing of the proxies above:
	// see Credential.Limited.
	Limited bool
	// Language and Policy are those of the proxyCertInfo extension; nil for legacy proxies.
	Language asn1.ObjectIdentifier
	Policy   []byte
	// PathLength is how many proxies may stand below this one; nil means any number.
	PathLength *int
	// Name is the common name that the proxy adds to its issuer's subject: a number, for most.
	Name string
}

// Inspect returns what makes c a proxy. For any other certificate Kind is None. The error is an
// *Error and means that c claims to be a proxy, but in a way that cannot be understood; Kind is set
// even then. Whether c is a good proxy is for a Verifier to say.
func Inspect(c *x509.Certificate) (Info, error) {
	rfc, draft := extension(c, oidProxyCertInfo), extension(c, oidDraftProxyCertInfo)
	prefix, name := splitName(c.RawSubject)
	info := Info{Name: name}
	switch {
	case rfc != nil && draft != nil:
		info.Kind = RFC
		return info, refuse(Malformed, c, "it has proxyCertInfo extensions of two kinds")
	case rfc != nil:
		info.Kind = RFC
		if !info.readRFC(rfc) {
			return info, refuse(Malformed, c, "its proxyCertInfo extension is not as RFC 3820 section 3.8 says")
		}
	case draft != nil:
		info.Kind = Draft
		if !info.readDraft(draft) {
			return info, refuse(Malformed, c, "its proxyCertInfo extension is not as the Globus draft says")
		}
	case (name == legacyFull || name == legacyLimited) && sameName(prefix, c.RawIssuer):
		info.Kind, info.Limited = Legacy, name == legacyLimited
	default:
		return Info{}, nil
	}
	info.Limited = info.Limited || info.Language.Equal(LanguageLimited)
	return info, nil
}

// Extension returns the value of the extension in which VOMS keeps attribute certificates, and nil
// if c has none.
func Extension(c *x509.Certificate) []byte { return extension(c, oidAttributes) }

func extension(c *x509.Certificate, oid asn1.ObjectIdentifier) []byte {
	for i := range c.Extensions {
		if c.Extensions[i].Id.Equal(oid) {
			return c.Extensions[i].Value
		}
	}
	return nil
}

// readRFC reads SEQUENCE { pCPathLenConstraint INTEGER OPTIONAL, proxyPolicy }.
func (i *Info) readRFC(value []byte) bool {
	s, seq := cryptobyte.String(value), cryptobyte.String(nil)
	if !s.ReadASN1(&seq, cb.SEQUENCE) || !s.Empty() {
		return false
	}
	if seq.PeekASN1Tag(cb.INTEGER) && !i.readPathLength(&seq) {
		return false
	}
	return i.readPolicy(&seq) && seq.Empty()
}

// readDraft reads SEQUENCE { proxyPolicy, [1] EXPLICIT INTEGER OPTIONAL }.
func (i *Info) readDraft(value []byte) bool {
	s, seq := cryptobyte.String(value), cryptobyte.String(nil)
	if !s.ReadASN1(&seq, cb.SEQUENCE) || !s.Empty() || !i.readPolicy(&seq) {
		return false
	}
	if seq.Empty() {
		return true
	}
	var length cryptobyte.String
	return seq.ReadASN1(&length, cb.Tag(1).ContextSpecific().Constructed()) && seq.Empty() &&
		i.readPathLength(&length) && length.Empty()
}

// readPolicy reads SEQUENCE { policyLanguage OBJECT IDENTIFIER, policy OCTET STRING OPTIONAL }.
func (i *Info) readPolicy(s *cryptobyte.String) bool {
	var policy cryptobyte.String
	if !s.ReadASN1(&policy, cb.SEQUENCE) || !policy.ReadASN1ObjectIdentifier(&i.Language) {
		return false
	}
	return policy.Empty() || policy.ReadASN1Bytes(&i.Policy, cb.OCTET_STRING) && policy.Empty()
}

func (i *Info) readPathLength(s *cryptobyte.String) bool {
	var n int64
	if !s.ReadASN1Integer(&n) || n < 0 || n > math.MaxInt32 {
		return false
	}
	i.PathLength = new(int(n))
	return true
}

// splitName takes the last part off a DER Name: it returns the Name without it, and the part's text
// if the part is exactly one common name. The text is "" otherwise.
func splitName(raw []byte) (prefix []byte, last string) {
	s, parts := cryptobyte.String(raw), cryptobyte.String(nil)
	if !s.ReadASN1(&parts, cb.SEQUENCE) || !s.Empty() {
		return nil, ""
	}
	all, part := []byte(parts), cryptobyte.String(nil)
	rest := len(all)
	for !parts.Empty() {
		rest = len(parts)
		if !parts.ReadASN1(&part, cb.SET) {
			return nil, ""
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cb.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(all[:len(all)-rest]) })
	prefix, err := b.Bytes()
	if err != nil {
		return nil, ""
	}
	var attribute, value cryptobyte.String
	var oid asn1.ObjectIdentifier
	var tag cb.Tag
	if !part.ReadASN1(&attribute, cb.SEQUENCE) || !part.Empty() || !attribute.ReadASN1ObjectIdentifier(&oid) ||
		!oid.Equal(oidCommonName) || !attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
		return prefix, ""
	}
	return prefix, string(value)
}

// sameName compares two DER Names: by their bytes, and if these differ as names, because some tools
// encode a name anew when they put it into a proxy.
func sameName(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := dn.Of(a)
	y, errY := dn.Of(b)
	return errX == nil && errY == nil && x.Equal(y)
}
