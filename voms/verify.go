package voms

import (
	"bytes"
	"crypto/x509"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/trust"
)

// Skew is by how much clocks may differ: an AC counts this much before its time and after it.
const Skew = 300 * time.Second

const maxSerial = 20 // bytes; RFC 5755 section 4.2.5

// A Verifier decides whether an attribute certificate counts. Trust, Anchors and At are required:
// without them it accepts nothing.
type Verifier struct {
	Trust   *trust.Store
	Options trust.Options
	Anchors Anchors
	At      time.Time // the moment of the decision
	Hosts   []string  // names of this host, short and full; for ACs that name their targets
}

// Verify checks that ac is valid and was issued to holder, the end-entity certificate of the
// proxy. Before, the caller has verified the proxy and its chain down to holder. The error is an
// *Error.
//
// It checks all that RFC 5755 section 5 and GFD.182 ask, and more than the field's own libraries:
// version, both algorithms, FQANs within the VO, targets whether critical or not, revocation
// lists, and signing policies for the authority's certificate. An AC without any FQAN, which the C
// library accepts and the Java library does not, is refused.
func (v Verifier) Verify(ac *AC, holder *x509.Certificate) error {
	if v.Trust == nil || v.At.IsZero() || ac == nil || ac.signed == nil || holder == nil {
		return &Error{Reason: Setup, Message: "nothing can be verified without trusted authorities, a time, an attribute certificate that was read, and its holder's certificate"}
	}
	algorithm, err := ac.checkForm(v.Options)
	if err != nil {
		return err
	}
	if err := v.checkUse(ac, holder); err != nil {
		return err
	}
	chains, err := v.Anchors.chains(ac)
	if err != nil {
		return err
	}
	for _, chain := range chains {
		if err = v.checkSigner(ac, chain, algorithm); err == nil {
			return nil
		}
	}
	return err
}

// checkForm checks what can be said of ac alone, and returns how it was signed.
func (ac *AC) checkForm(o trust.Options) (x509.SignatureAlgorithm, *Error) {
	switch {
	case ac.Version != 2:
		return 0, ac.refuse(Version, "", "is of version %d, not 2", ac.Version)
	case ac.Serial.Sign() < 0 || ac.Serial.BitLen() > 8*maxSerial:
		return 0, ac.refuse(Serial, "", "has a serial number that is negative or longer than %d bytes", maxSerial)
	case len(ac.FQANs) == 0:
		return 0, ac.refuse(FQANs, "", "has no FQAN")
	}
	for _, fqan := range ac.FQANs {
		if !inVO(fqan, ac.VO) {
			return 0, ac.refuse(FQANs, "", "has the FQAN %s of another VO", fqan)
		}
	}
	if err := ac.checkExtensions(); err != nil {
		return 0, err
	}
	return ac.checkAlgorithm(o)
}

// checkExtensions wants the extensions that RFC 5755 and VOMS require, and that only targets are
// critical.
func (ac *AC) checkExtensions() *Error {
	if ac.extension(oidNoRevAvail) == nil || ac.keyID == nil {
		return ac.refuse(Extensions, "", "lacks noRevAvail or the identifier of the authority's key")
	}
	for _, e := range ac.extensions {
		switch {
		case !e.critical || e.oid == oidTargets:
		case e.oid == oidNoRevAvail || e.oid == oidKeyID || e.oid == oidAttributes || e.oid == oidCertificates:
			return ac.refuse(Extensions, "", "has a critical extension %s, which must not be critical", dotted(e.oid))
		default:
			return ac.refuse(CriticalExtension, "", "has a critical extension %s that is not known here", dotted(e.oid))
		}
	}
	return nil
}

func (ac *AC) checkAlgorithm(o trust.Options) (x509.SignatureAlgorithm, *Error) {
	const hint = "Tell those who run the VO's server."
	algorithm := algorithmOf(ac.signatureAlgorithm)
	switch {
	case !bytes.Equal(ac.algorithm, ac.signatureAlgorithm):
		return 0, ac.refuse(Algorithm, "", "names one signature algorithm inside and another outside")
	case algorithm == x509.UnknownSignatureAlgorithm:
		return 0, ac.refuse(Algorithm, hint, "is signed with an algorithm that is not known here")
	case algorithm == x509.MD5WithRSA:
		return 0, ac.refuse(Algorithm, hint, "is signed with %v, which can be forged", algorithm)
	case !o.AllowSHA1 && (algorithm == x509.SHA1WithRSA || algorithm == x509.ECDSAWithSHA1):
		return 0, ac.refuse(Algorithm, hint, "is signed with %v, which is not allowed here", algorithm)
	}
	return algorithm, nil
}

// checkUse checks that ac is used in its time, where it was meant to be, and by its holder.
func (v Verifier) checkUse(ac *AC, holder *x509.Certificate) *Error {
	switch {
	case v.At.Add(Skew).Before(ac.NotBefore):
		return ac.refuse(NotYetValid, "Set the clock of this machine right; if it is right, make a new proxy.",
			"is valid only from %s, and it is %s", stamp(ac.NotBefore), stamp(v.At))
	case v.At.Add(-Skew).After(ac.NotAfter):
		return ac.refuse(Expired, "Make a new proxy.", "was valid until %s, and it is %s", stamp(ac.NotAfter), stamp(v.At))
	case !v.targeted(ac):
		return ac.refuse(Target, "Make a proxy without targets, or with this host among them.",
			"is meant for %s, and this host is %s", strings.Join(ac.Targets, ", "), strings.Join(v.Hosts, ", "))
	case !sameName(ac.Holder.Raw, holder.RawSubject) && !sameName(ac.Holder.Raw, holder.RawIssuer):
		return ac.refuse(HolderMismatch, "Make a new proxy.", "was issued to %s, and this proxy is one of %s", ac.Holder.Name, dn.Slash(holder.RawSubject))
	case ac.Holder.Serial.Cmp(holder.SerialNumber) != 0:
		return ac.refuse(HolderMismatch, "Make a new proxy.", "was issued to the certificate %s with the serial number %X; that of this proxy's certificate is %X",
			ac.Holder.Name, ac.Holder.Serial, holder.SerialNumber)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// targeted reports whether ac may be used on this host. A target without a domain is met by a host
// of that name in any domain, but a host that does not know its domain meets no full name: the
// same short names are everywhere.
func (v Verifier) targeted(ac *AC) bool {
	if ac.extension(oidTargets) == nil {
		return true
	}
	for _, target := range ac.Targets {
		target = strings.TrimSuffix(target, ".")
		for _, host := range v.Hosts {
			host = strings.TrimSuffix(host, ".")
			short, _, _ := strings.Cut(host, ".")
			if host != "" && (strings.EqualFold(target, host) || strings.EqualFold(target, short)) {
				return true
			}
		}
	}
	return false
}

// checkSigner checks that the authority whose certificate is chain[0] signed ac, and may.
func (v Verifier) checkSigner(ac *AC, chain []*x509.Certificate, algorithm x509.SignatureAlgorithm) *Error {
	aa := chain[0]
	switch {
	case !sameName(ac.RawIssuer, aa.RawSubject):
		return ac.refuse(IssuerMismatch, "", "names %s as its issuer, and was signed by %s", ac.Issuer, dn.Slash(aa.RawSubject))
	case !identifies(ac.keyID, aa):
		return ac.refuse(IssuerMismatch, "", "names another key than that of %s", ac.Issuer)
	case aa.KeyUsage != 0 && aa.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return ac.refuse(Authority, "Tell those who run the VO's server.", "was signed by %s, whose certificate is not for signatures", ac.Issuer)
	}
	if _, err := v.Trust.Verify(chain, v.At, v.Options); err != nil {
		e := ac.refuse(Authority, "Check that the trust directory has the authority that issued this certificate, with a current revocation list (fetch-crl); if so, tell those who run the VO's server.",
			"was signed by %s, whose certificate is not valid: %v", ac.Issuer, err)
		e.Err = err
		return e
	}
	if err := aa.CheckSignature(algorithm, ac.signed, ac.signature); err != nil {
		e := ac.refuse(Signature, "", "was changed, or was not signed by %s", ac.Issuer)
		e.Err = err
		return e
	}
	return nil
}
