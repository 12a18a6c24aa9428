// Package proxycert makes, reads and verifies X.509 proxy certificates: RFC 3820, and the two older
// forms that the grid still knows, the GT3 draft and the legacy "CN=proxy" of Globus 2.
//
// A proxy is a short-lived certificate that somebody's own certificate, or another proxy, signs.
// Whoever holds it and its key acts for that person. crypto/x509 refuses proxies, because they hold
// a critical extension that it does not know and because their issuer is no authority; this package
// walks them itself and leaves the path from the person's certificate to an authority to the
// package trust.
//
// What it makes carries the extensions and encodings of the C tools (voms-proxy-init 2), which
// every peer takes. What it accepts is strict where those tools are lax. It imports the standard
// library, golang.org/x/crypto and the packages below it only, and never asks for the time.
package proxycert

import (
	"encoding/asn1"
)

// Kind is a form of proxy certificate.
type Kind int

// The kinds, in the order of their age.
const (
	None   Kind = iota // no proxy: the certificate of a person, a host or an authority
	Legacy             // Globus 2: the last common name is "proxy" or "limited proxy"
	Draft              // Globus 3: proxyCertInfo under Globus's own object identifier
	RFC                // RFC 3820
)

// String returns a word for messages.
func (k Kind) String() string {
	switch k {
	case Legacy:
		return "legacy"
	case Draft:
		return "draft"
	case RFC:
		return "RFC 3820"
	default:
		return "none"
	}
}

// The policy languages of RFC 3820 section 3.8.2 and of Globus.
var (
	LanguageAny         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 21, 0}
	LanguageInheritAll  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 21, 1}         // all rights of the issuer: the normal proxy
	LanguageIndependent = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 21, 2}         // no right of the issuer
	LanguageGeneric     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3536, 1, 1, 1, 8} // a policy in words that only its services know
	LanguageLimited     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3536, 1, 1, 1, 9} // all rights but that of starting jobs
)
