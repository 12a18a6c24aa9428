package gridproxy

import (
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/voms/vomses"
)

// A Reason is a word for why there is no proxy, or not a good one.
type Reason string

// The reasons.
const (
	NoCertificate Reason = "no_certificate" // certificate or key are not there
	NoProxy       Reason = "no_proxy"       // there is no proxy file
	Unreadable    Reason = "unreadable"     // a file cannot be read or understood
	FileMode      Reason = "file_mode"      // others can read a key, or it belongs to somebody else
	Passphrase    Reason = "passphrase"     // wrong or missing
	Mismatch      Reason = "mismatch"       // key and certificate are not a pair
	Expired       Reason = "expired"        // the certificate is over
	NotYetValid   Reason = "not_yet_valid"  // the certificate begins later: mostly a wrong clock
	BadRequest    Reason = "bad_request"    // what is asked for cannot be
	TrustAnchors  Reason = "trust_anchors"  // the CA directory cannot be read
	VomsDir       Reason = "voms_dir"       // the folder of LSC files cannot be read
	Vomses        Reason = "vomses"         // a file that names servers cannot be read or understood
	UnknownVO     Reason = "unknown_vo"     // no server of the VO is known
	NoAttributes  Reason = "no_attributes"  // no server gave attributes; Servers tells why
	Warning       Reason = "warning"        // a server warned and FailOnWarn is set
	BadAC         Reason = "bad_ac"         // an attribute certificate does not verify; the proxy is kept
	BadChain      Reason = "bad_chain"      // a chain does not verify; with Path the new proxy's, which is kept
	NotWritable   Reason = "not_writable"   // the proxy cannot be written
)

// Error is the error of this package's functions. Its text and code are those of Fault, which is
// for people.
type Error struct {
	Reason  Reason
	Path    string         // the file that it is about, if any
	Alias   string         // the VO that it is about, as asked for
	Known   []string       // with UnknownVO: the VOs that there are
	Servers []ServerError  // with NoAttributes: every server that was asked
	Server  *vomses.Server // with Warning
	When    time.Time      // with Expired and NotYetValid: the end, or the beginning
	Fault   *fault.Fault
}

// A ServerError is why one server gave no attributes.
type ServerError struct {
	Server vomses.Server
	Err    error // a *protocol.Error where the server answered
}

// Error implements error.
func (e *Error) Error() string { return e.Fault.Error() }

// Unwrap returns the fault, whose cause is what happened below.
func (e *Error) Unwrap() error { return e.Fault }
