// Package protocol is how a client and the attribute authority of a VO ("VOMS server") talk: the two
// forms of the request and its answer (REST, GET /generate-ac, and the older XML document), and the
// client that asks a VO's servers in turn. It makes and checks no attribute certificate: that is the
// package voms. Where the servers are written down is in voms/vomses.
//
// The field has three authorities: the C server, VOMS-AA (part of INDIGO IAM), and Lanyard. They
// write refusals and warnings in three ways; all are read here, and what Lanyard writes is what the
// C and the Java client both understand. The package imports the standard library,
// proxycert/trust and voms/vomses.
package protocol

import (
	"fmt"
	"strings"
	"time"
)

// Request is what a client asks of a VO's attribute authority.
type Request struct {
	// FQANs are the attributes asked for, the primary one first: "/vo/group", "/vo/Role=r",
	// "/vo/group/Role=r". "/Role=r" asks for a role in whatever group the holder has it. None
	// means the VO's own default.
	FQANs []string
	// All asks for every attribute of the holder, roles included.
	All bool
	// List asks for the names of the holder's attributes instead of a certificate. Only the XML
	// form can say so.
	List bool
	// Lifetime is how long the certificate shall live, in whole seconds; zero means as long as
	// the server allows.
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
	NoAttributes    = 1002 // nothing is left that the holder may have
	DatabaseError   = 1003
	SuspendedUser   = 1004
	BadRequest      = 1005 // the request cannot be understood
	InternalError   = 1006
	NoSuchAttribute = 1007 // an attribute asked for is not held or does not exist
)

// codes are how the C server's REST form writes each code. Numbers that stand below 1000 are
// warnings.
var codes = map[int]struct {
	name   string
	status int
}{
	NoSuchUser:      {"NoSuchUser", 403},
	NoAttributes:    {"BadRequest", 400},
	DatabaseError:   {"InternalError", 500},
	SuspendedUser:   {"SuspendedUser", 403},
	BadRequest:      {"BadRequest", 400},
	InternalError:   {"InternalError", 500},
	NoSuchAttribute: {"BadRequest", 400},
}

const firstError = 1000

// Error is the refusal of an authority.
type Error struct {
	Code    int    // one of the constants above, or any other that a server sent
	Name    string // how REST writes it: "NoSuchUser", "SuspendedUser", "BadRequest", "InternalError"
	Message string // the server's sentence, for people; may have several lines
	HTTP    int    // the status that it comes with; 0 in the XML form
}

// NewError makes the refusal with code, a constant of this package; the message is formatted as by
// fmt.Sprintf.
func NewError(code int, format string, args ...any) *Error {
	c, known := codes[code]
	if !known {
		c = codes[InternalError]
	}
	return &Error{Code: code, Name: c.name, HTTP: c.status, Message: fmt.Sprintf(format, args...)}
}

// Error returns the server's sentence.
func (e *Error) Error() string { return e.Message }

// The limits of a request. The largest that the field's clients send have some dozen names.
const (
	maxNames = 200 // each of FQANs, order and targets
	maxName  = 255 // bytes, as in the field
)

// Check reports what in the request cannot be sent: names are put into requests without any
// escaping, because that is how servers read them.
func (r Request) Check() error {
	for _, l := range []struct {
		what  string
		names []string
		fqans bool
	}{{"attribute", r.FQANs, true}, {"attribute to order by", r.Order, true}, {"target", r.Targets, false}} {
		if len(l.names) > maxNames {
			return fmt.Errorf("there are more than %d times a %s", maxNames, l.what)
		}
		for _, n := range l.names {
			switch {
			case n == "" || len(n) > maxName || strings.ContainsFunc(n, separates):
				return fmt.Errorf("%q is no %s: 1 to %d characters of ASCII without blanks, quotes or any of , & ? # %% < > are needed",
					shorten(n), l.what, maxName)
			case l.fqans && !sayable(n):
				return fmt.Errorf("%q is no %s: /VO/GROUP... with at most one /Role=ROLE behind it, and no colon, is needed", shorten(n), l.what)
			}
		}
	}
	if r.Lifetime < 0 || r.Lifetime > maxLifetime {
		return fmt.Errorf("a lifetime of %s cannot be asked for", r.Lifetime)
	}
	return nil
}

// sayable reports whether both forms can say a FQAN: XML has a colon for /Role=.
func sayable(fqan string) bool {
	fqan = short(fqan)
	_, role, hasRole := strings.Cut(fqan, "/Role=")
	return strings.HasPrefix(fqan, "/") && !strings.Contains(fqan, ":") && (!hasRole || role != "" && !strings.Contains(role, "/Role="))
}

// maxLifetime keeps sums with times in their range.
const maxLifetime = 100 * 365 * 24 * time.Hour

// separates reports whether r has a meaning of its own in one of the forms.
func separates(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(",&?#%<>\"'\\", r)
}

func shorten(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// short cuts off the parts of a FQAN that say nothing. People copy the long form from the output of
// other tools; servers take it for a role that is called NULL.
func short(fqan string) string {
	fqan, _, _ = strings.Cut(fqan, "/Capability=")
	return strings.TrimSuffix(fqan, "/Role=NULL")
}
