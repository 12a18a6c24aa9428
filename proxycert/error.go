package proxycert

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/lanyardhq/lanyard/proxycert/trust"
)

// Reason is a word for why something is refused. Programs may compare it; people are shown the
// sentence and the hint.
type Reason string

// The reasons that the path from the end-entity to an authority can give. They are the words of the
// package trust, and proxies are refused with the same ones where they fit.
const (
	UnknownCA         = Reason(trust.UnknownCA)
	Expired           = Reason(trust.Expired)
	NotYetValid       = Reason(trust.NotYetValid)
	Revoked           = Reason(trust.Revoked)
	CRLExpired        = Reason(trust.CRLExpired)
	Namespace         = Reason(trust.Namespace)
	Signature         = Reason(trust.Signature)
	Algorithm         = Reason(trust.Algorithm)
	Constraint        = Reason(trust.Constraint)
	CriticalExtension = Reason(trust.CriticalExtension)
)

// The reasons that only proxies and their files give.
const (
	Malformed   Reason = "malformed"    // no PEM, no DER, or too much of it
	Incomplete  Reason = "incomplete"   // the end-entity certificate or one before it is missing
	Unrelated   Reason = "unrelated"    // a certificate that belongs to another chain
	KeyMismatch Reason = "key_mismatch" // the key belongs to another certificate
	BadName     Reason = "proxy_name"   // the subject is not the issuer's and one common name
	BadKind     Reason = "proxy_kind"   // a kind that is not allowed here
	MixedKinds  Reason = "mixed_kinds"  // kinds that differ within a chain
	PathLength  Reason = "path_length"  // more proxies than one of them allows
	Unlimited   Reason = "unlimited"    // a proxy with more rights than a limited one above it
	NoRights    Reason = "no_rights"    // a policy that hands on no rights, or rights unknown here
	KeyUsage    Reason = "key_usage"    // an issuer without digitalSignature, a proxy with keyCertSign
)

// explanations says each reason in a sentence, and what its victim can do about it.
var explanations = map[Reason]struct{ sentence, hint string }{
	UnknownCA:         {"the certificate's authority is not trusted here", "Check that the trust directory (X509_CERT_DIR, usually /etc/grid-security/certificates) holds the authority that issued the certificate and those above it."},
	Expired:           {"a certificate of the chain has expired", "Make a new proxy; if your own certificate has expired, renew it at its authority first."},
	NotYetValid:       {"a certificate of the chain is not valid yet", "Compare the clocks of both machines."},
	Revoked:           {"a certificate of the chain is revoked", "Ask its authority for a new certificate."},
	CRLExpired:        {"the authority's revocation list is out of date", "Have the revocation lists of the trust directory fetched again (fetch-crl)."},
	Namespace:         {"the authority may not issue certificates with such a name", "Compare the subject with the authority's signing_policy or namespaces file."},
	Signature:         {"a signature of the chain does not verify", "The file is damaged or was tampered with: make a new proxy."},
	Algorithm:         {"a certificate uses an algorithm or a key that is too weak", "Make a new proxy with a current tool: RSA of 2048 bits and SHA-256."},
	Constraint:        {"a certificate may not be used in this place", "Make a new proxy with a current tool, from a certificate of your own and not from an authority's."},
	CriticalExtension: {"a certificate has a critical extension that is not understood", "Make a new proxy without that extension."},
	Malformed:         {"this is no proxy that can be read", "Make a new proxy; if the file was copied, copy it again."},
	Incomplete:        {"the chain of certificates is incomplete", "The file must hold the proxy and all certificates up to that of the person: copy the whole file."},
	Unrelated:         {"a certificate does not belong to the chain", "Remove what belongs to another proxy, or make a new one."},
	KeyMismatch:       {"the private key does not belong to the certificate", "Use the key that the certificate was made for."},
	BadName:           {"a proxy's subject is not its issuer's subject with one common name added", "Make a new proxy from your certificate."},
	BadKind:           {"this kind of proxy is not accepted here", "Make an RFC 3820 proxy: leave out -old and -proxyver."},
	MixedKinds:        {"proxies of different kinds cannot stand in one chain", "Make a new proxy of the same kind as the one that it is made from."},
	PathLength:        {"a proxy of the chain allows no further proxy below it", "Make a new proxy from your certificate, with a greater path length or none."},
	Unlimited:         {"below a limited proxy every proxy must be limited", "Make a new proxy from your certificate, or a limited one from this."},
	NoRights:          {"the proxy carries none of its owner's rights, or only rights of a policy that is not known here", "Make a proxy without -independent and without a policy."},
	KeyUsage:          {"a certificate's key usage does not fit proxies", "Use a certificate whose key usage has digitalSignature."},
}

// Error says which certificate is refused and why. Everything that this package refuses because of
// what a certificate, a proxy file or a signing request holds has this type.
type Error struct {
	Reason  Reason
	Subject string // of the certificate at fault, in slash form; "" if it is about none
	Detail  string // what was found; "" if the reason says it all
	cause   error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(explanations[e.Reason].sentence)
	if e.Subject != "" {
		b.WriteString(" (" + e.Subject + ")")
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	return b.String()
}

// Unwrap returns the trust.Error or the parser's error behind e, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// Hint says in a sentence what to do about it.
func (e *Error) Hint() string { return explanations[e.Reason].hint }

// refuse returns an Error about c, which may be nil.
func refuse(r Reason, c *x509.Certificate, format string, args ...any) *Error {
	e := &Error{Reason: r, Detail: fmt.Sprintf(format, args...)}
	if c != nil {
		e.Subject = slashOf(c)
	}
	return e
}

// untrusted turns what trust says into an Error.
func untrusted(err error) *Error {
	if t, ok := errors.AsType[*trust.Error](err); ok {
		return &Error{Reason: Reason(t.Reason), Subject: t.Subject, Detail: t.Detail, cause: err}
	}
	return &Error{Reason: UnknownCA, Detail: err.Error(), cause: err}
}
