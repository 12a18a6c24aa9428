package trust

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// Limits on what a stranger's chain can cost.
const (
	maxChain      = 100     // certificates
	maxPath       = 10      // certificates of one path
	maxSignatures = 50      // that are checked
	maxKey        = 8 << 10 // bits of an RSA key
)

// Verify builds a path from chain[0] to a trusted authority and returns it: chain[0] first, the
// self-signed certificate of the authority last. The other certificates of chain may serve as
// intermediate authorities; their order does not matter. Times are checked at at.
//
// An error is an *Error. Of several paths that fail it tells of the one that went furthest.
func (s *Store) Verify(chain []*x509.Certificate, at time.Time, o Options) ([]*x509.Certificate, error) {
	if len(chain) == 0 || chain[0] == nil {
		return nil, &Error{UnknownCA, "", "there is no certificate"}
	}
	if len(chain) > maxChain {
		return nil, refuse(Constraint, chain[0], "comes with more than %d others", maxChain-1)
	}
	v := search{Store: s, pool: chain[1:], at: at, options: o, signatures: maxSignatures}
	if err := v.own(chain[0]); err != nil {
		return nil, err
	}
	path := v.extend(chain[:1:1])
	if path == nil {
		return nil, v.furthest
	}
	if err := constrained(path, at); err != nil {
		return nil, err
	}
	return path, nil
}

// A search is for one path.
type search struct {
	*Store
	pool       []*x509.Certificate
	at         time.Time
	options    Options
	signatures int // that may still be checked
	furthest   *Error
	depth      int // of the path that failed with furthest
}

// extend completes path, nil if it cannot.
func (v *search) extend(path []*x509.Certificate) []*x509.Certificate {
	c := path[len(path)-1]
	if bytes.Equal(c.RawSubject, c.RawIssuer) && v.find(c) != nil {
		if err := v.rules(path); err != nil {
			v.failed(path, err)
			return nil
		}
		return path
	}
	issuers := v.issuers(c)
	if len(issuers) == 0 {
		v.failed(path, refuse(UnknownCA, c, "its issuer %s is not a trusted authority", dn.Slash(c.RawIssuer)))
	}
	for _, ca := range issuers {
		if slices.ContainsFunc(path, ca.Equal) {
			continue
		}
		if err := v.link(path, ca); err != nil {
			v.failed(path, err)
			continue
		}
		if whole := v.extend(append(slices.Clip(path), ca)); whole != nil {
			return whole
		}
	}
	if v.furthest == nil {
		v.failed(path, refuse(UnknownCA, c, "its issuer is itself, and is not a trusted authority"))
	}
	return nil
}

func (v *search) failed(path []*x509.Certificate, err *Error) {
	if v.furthest == nil || len(path) > v.depth {
		v.furthest, v.depth = err, len(path)
	}
}

// issuers returns the certificates with the name of c's issuer: trusted ones first, then those of
// the chain. Names are compared as bytes; only if none is the same byte for byte, as names.
func (v *search) issuers(c *x509.Certificate) []*x509.Certificate {
	var found []*x509.Certificate
	for _, a := range v.bySubject[string(c.RawIssuer)] {
		found = append(found, a.cert)
	}
	for _, p := range v.pool {
		if p != nil && bytes.Equal(p.RawSubject, c.RawIssuer) && v.find(p) == nil {
			found = append(found, p)
		}
	}
	name, err := dn.Of(c.RawIssuer)
	if len(found) > 0 || err != nil {
		return found
	}
	for _, a := range v.all {
		if a.name.Equal(name) {
			found = append(found, a.cert)
		}
	}
	for _, p := range v.pool {
		if p == nil || v.find(p) != nil {
			continue
		}
		if subject, err := dn.Of(p.RawSubject); err == nil && subject.Equal(name) {
			found = append(found, p)
		}
	}
	return found
}

// link checks that ca signed the last certificate of path and is an authority at all.
func (v *search) link(path []*x509.Certificate, ca *x509.Certificate) *Error {
	c := path[len(path)-1]
	if len(path) == maxPath || v.signatures == 0 {
		return refuse(Constraint, c, "leads too far to an authority")
	}
	v.signatures--
	if err := v.signature(c, ca); err != nil {
		return err
	}
	if err := authorised(path, ca); err != nil {
		return err
	}
	return v.own(ca)
}

// rules applies revocation lists, signing policies and namespaces to a path that leads to a trusted
// authority, from there downwards: who is above has to be in order before what it says counts.
func (v *search) rules(path []*x509.Certificate) *Error {
	for i := len(path) - 1; i > 0; i-- {
		c, issuer := path[i-1], v.find(path[i])
		if issuer == nil { // what the directory says holds for authorities of the chain too
			issuer, _ = v.sources.authority(path[i])
		}
		if err := issuer.revocation(c, v.at, v.options.RequireCRL); err != nil {
			return err
		}
		if err := issuer.permits(c, v.options.RequireSigningPolicy && !issuer.given); err != nil {
			return err
		}
	}
	return nil
}

// own checks what a certificate says of itself.
func (v *search) own(c *x509.Certificate) *Error {
	switch {
	case v.at.Before(c.NotBefore):
		return refuse(NotYetValid, c, "is not valid before %s", stamp(c.NotBefore))
	case v.at.After(c.NotAfter):
		return refuse(Expired, c, "expired on %s", stamp(c.NotAfter))
	case len(c.UnhandledCriticalExtensions) > 0:
		var oids []string
		for _, oid := range c.UnhandledCriticalExtensions {
			oids = append(oids, oid.String())
		}
		return refuse(CriticalExtension, c, "has critical extensions that are not understood: %s", strings.Join(oids, ", "))
	}
	return nil
}

func (v *search) signature(c, ca *x509.Certificate) *Error {
	switch c.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1:
		if !v.options.AllowSHA1 {
			return refuse(Algorithm, c, "is signed with %s, which is too weak", c.SignatureAlgorithm)
		}
	case x509.MD2WithRSA, x509.MD5WithRSA:
		return refuse(Algorithm, c, "is signed with %s, which is broken", c.SignatureAlgorithm)
	case x509.UnknownSignatureAlgorithm, x509.DSAWithSHA1, x509.DSAWithSHA256:
		return refuse(Algorithm, c, "is signed with an algorithm that is not supported")
	}
	if !affordable(ca.PublicKey) {
		return refuse(Algorithm, c, "its issuer has a key of more than %d bits", maxKey)
	}
	if ca.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
		return refuse(Signature, c, "its signature is not by the key of %s", dn.Slash(ca.RawSubject))
	}
	return nil
}

// affordable reports whether a signature of that key can be checked in reasonable time.
func affordable(public any) bool {
	key, ok := public.(*rsa.PublicKey)
	return !ok || key.N.BitLen() <= maxKey
}

// authorised checks that ca may sign certificates, at the end of path (RFC 5280 §6.1.4 k to n).
func authorised(path []*x509.Certificate, ca *x509.Certificate) *Error {
	c := path[len(path)-1]
	// Version 1 has no extensions. Such a certificate is an authority only by being trusted as one.
	old := ca.Version < 3 && bytes.Equal(ca.RawSubject, ca.RawIssuer)
	if !old && (!ca.BasicConstraintsValid || !ca.IsCA) {
		return refuse(Constraint, c, "its issuer %s is not an authority", dn.Slash(ca.RawSubject))
	}
	if mayNot(ca, x509.KeyUsageCertSign) {
		return refuse(Constraint, c, "its issuer %s may not sign certificates", dn.Slash(ca.RawSubject))
	}
	between := 0
	for _, p := range path[1:] {
		if !bytes.Equal(p.RawSubject, p.RawIssuer) {
			between++
		}
	}
	if limited := ca.MaxPathLen > 0 || ca.MaxPathLenZero; limited && between > ca.MaxPathLen {
		return refuse(Constraint, c, "%s allows only %d authorities below it", dn.Slash(ca.RawSubject), ca.MaxPathLen)
	}
	return nil
}

var (
	oidKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 15}

	// Extensions whose rules run along a path. Grid authorities hardly have them.
	oidsOfPaths = []asn1.ObjectIdentifier{
		{2, 5, 29, 30}, // name constraints
		{2, 5, 29, 36}, // policy constraints
		{2, 5, 29, 54}, // inhibit any policy
	}
)

// mayNot reports whether the key of c is limited to other uses.
func mayNot(c *x509.Certificate, use x509.KeyUsage) bool {
	return c.KeyUsage&use == 0 && hasExtension(c, oidKeyUsage)
}

func hasExtension(c *x509.Certificate, oids ...asn1.ObjectIdentifier) bool {
	for _, e := range c.Extensions {
		if slices.ContainsFunc(oids, e.Id.Equal) {
			return true
		}
	}
	return false
}

// constrained applies the constraints on names and policies that authorities on the path make. Then
// crypto/x509 has to agree: it knows these rules, and all else has been checked.
func constrained(path []*x509.Certificate, at time.Time) error {
	if !slices.ContainsFunc(path, func(c *x509.Certificate) bool { return hasExtension(c, oidsOfPaths...) }) {
		return nil
	}
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	for i, c := range path {
		if i == len(path)-1 {
			o.Roots.AddCert(c)
		} else if i > 0 {
			o.Intermediates.AddCert(c)
		}
	}
	if _, err := path[0].Verify(o); err != nil {
		return refuse(Constraint, path[0], "breaks a constraint of an authority above it: %v", err)
	}
	return nil
}
