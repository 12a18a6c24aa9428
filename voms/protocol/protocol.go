// Package protocol is how a client and the attribute authority of a VO ("VOMS server") talk: where
// the servers of a VO are written down (vomses files), the two forms of the request and its answer
// (REST, /generate-ac, and the older XML document), and the client that asks a VO's servers in
// turn. It makes and checks no attribute certificate: that is package voms.
//
// It imports the standard library, proxycert/trust and proxycert/dn.
package protocol

import (
	"fmt"
	"time"
)

// Request is what a client asks of a VO's attribute authority.
type Request struct {
	// FQANs are the attributes asked for, the primary one first: "/vo/group", "/vo/Role=r",
	// "/vo/group/Role=r". "/Role=r" asks for a role in whatever group the holder has it. None
	// means the VO's own default.
	FQANs []string
	// All asks for every attribute of the holder, roles too.
	All bool
	// List asks for the names of the holder's attributes instead of a certificate.
	List bool
	// Lifetime is how long the certificate shall live; zero means as long as the server allows.
	Lifetime time.Duration
	// Order moves attributes that the answer has anyway to the front.
	Order []string
	// Targets are the host names that alone may accept the certificate; none means any.
	Targets []string
}

// Answer is what an authority gives.
type Answer struct {
	AC       []byte   // one attribute certificate, DER; nil if a list was asked for
	Warnings []string // sentences for the person, each one line
	List     []string // the holder's FQANs, if a list was asked for
}

// The codes of refusals. Their numbers are those of the XML form and of VOMS-AA.
const (
	NoSuchUser      = 1001 // the holder is no member of the VO
	NoSuchAttribute = 1002 // an attribute asked for is not held or does not exist
	DatabaseError   = 1003
	SuspendedUser   = 1004
	BadRequest      = 1005 // the request cannot be understood
	InternalError   = 1006
)

// Error is the refusal of an authority.
type Error struct {
	Code    int    // a number from the constants above, or any other that a server sent; 0 if none
	Name    string // how REST writes it: "NoSuchUser", "SuspendedUser", "BadRequest", "InternalError"
	Message string // the server's sentence, for people
	HTTP    int    // the status that it comes with; 0 in the XML form
}

// NewError makes the refusal with code, its name and its status; the message is formatted as by
// fmt.Sprintf.
func NewError(code int, format string, args ...any) *Error {
	e := &Error{Code: code, Message: fmt.Sprintf(format, args...)}
	return e
}

// Error returns the server's sentence.
func (e *Error) Error() string { return e.Message }
