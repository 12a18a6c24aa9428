package voms

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
	Extensions        Reason = "extensions"         // a required extension is missing or critical
	CriticalExtension Reason = "critical_extension" // has a critical extension that is not known
	FQANs             Reason = "fqan"               // has none, or one of another VO
	Target            Reason = "target"             // meant for other hosts
	HolderMismatch    Reason = "holder"             // issued to somebody or something else
	NoAnchor          Reason = "no_anchor"          // nothing says who may speak for the VO
	AnchorMismatch    Reason = "anchor"             // signed by one who may not speak for the VO
	Authority         Reason = "authority"          // the authority's certificate is not valid; see Err
	IssuerMismatch    Reason = "issuer"             // names another authority than the one that signed
	Signature         Reason = "signature"          // changed, or not signed by the authority
	Setup             Reason = "setup"              // the verifier lacks what it needs
)

// An Error says why an attribute certificate was refused.
type Error struct {
	Reason  Reason
	VO      string // if it is known
	Message string // a sentence for people
	Hint    string // what to do about it; may be empty
	Err     error  // the cause, such as a *trust.Error; may be nil
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
