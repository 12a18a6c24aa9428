package voms

import "fmt"

// A Reason is a word for why an attribute certificate was refused.
type Reason string

// The reasons.
const (
	Malformed         Reason = "malformed"          // cannot be read
	Version           Reason = "version"            // is not of version 2
	Algorithm         Reason = "algorithm"          // signed in a way that is not accepted
	Serial            Reason = "serial"             // has no usable serial number
	Expired           Reason = "expired"            // no longer valid
	NotYetValid       Reason = "not_yet_valid"      // from the future
	Extensions        Reason = "extensions"         // lacks a required extension, or one is critical that may not be
	CriticalExtension Reason = "critical_extension" // has a critical extension that is not known
	FQANs             Reason = "fqan"               // has none, or one of another VO
	Target            Reason = "target"             // meant for other hosts
	HolderMismatch    Reason = "holder"             // issued to somebody or something else
	NoAnchor          Reason = "no_anchor"          // nothing says who may speak for the VO
	AnchorMismatch    Reason = "anchor"             // signed by one who may not speak for the VO
	IssuerMismatch    Reason = "issuer"             // names another authority than the one that signed
	Authority         Reason = "authority"          // the authority's own certificate is not valid
	Signature         Reason = "signature"          // changed, or not signed by the authority
	Setup             Reason = "setup"              // the verifier lacks what it needs
)

// An Error says why an attribute certificate was refused.
type Error struct {
	Reason  Reason
	VO      string // "" where it could not be read
	Message string // for people: what was found
	Err     error  // the cause, such as a *trust.Error; may be nil
	hint    string
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Hint says what to do about it; "" where nobody but an attacker could have caused it.
func (e *Error) Hint() string { return e.hint }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func malformed(what string, err error) *Error {
	return &Error{Reason: Malformed, Message: what + " cannot be read: " + err.Error(), Err: err,
		hint: "Make a new proxy; if that has the same fault, tell those who run the VO's server."}
}

// refuse says what is wrong with ac.
func (ac *AC) refuse(reason Reason, hint, format string, args ...any) *Error {
	return &Error{Reason: reason, VO: ac.VO, hint: hint,
		Message: fmt.Sprintf("the attribute certificate of VO %q ", ac.VO) + fmt.Sprintf(format, args...)}
}
