package proxycert

import (
	"crypto/x509"
	"encoding/asn1"
)

// Info is what makes a certificate a proxy.
type Info struct {
	Kind Kind
	// Limited is true for proxies that may not start jobs.
	Limited bool
	// Language and Policy are those of the proxyCertInfo extension; nil for legacy proxies.
	Language asn1.ObjectIdentifier
	Policy   []byte
	// PathLength is how many proxies may stand below this one; nil means as many as you like.
	PathLength *int
	// Name is the common name that the proxy adds to its issuer's subject: a number, for most.
	Name string
}

// Inspect returns what makes c a proxy. For any other certificate Kind is None. The error is an
// *Error and means that c claims to be a proxy and is none.
func Inspect(c *x509.Certificate) (Info, error) { return Info{}, errNotYet }

// Extension returns the value of the extension in which VOMS keeps attribute certificates, and nil
// if c has none.
func Extension(c *x509.Certificate) []byte { return nil }
