// Package fault gives failures a meaning once, where they are understood, so that each edge can
// translate them once: HTTP status and problem document, exit code, S3 error, page.
//
// A fault is for what a caller caused or can act on; its message and hint reach people. Every
// other error is internal: logged, and shown as "internal error". It may be imported by all
// internal packages and imports the standard library only.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Code classifies a failure. The texts are part of the API.
type Code string

// The codes. Edges must handle each; anything that is not a *Fault counts as Internal.
const (
	Invalid         Code = "invalid"         // the request cannot be right, whoever sends it
	Unauthenticated Code = "unauthenticated" // no or no longer valid proof of who asks
	Denied          Code = "denied"          // known, but not allowed
	NotFound        Code = "not_found"       // absent, or not theirs to know of
	Conflict        Code = "conflict"        // another change came first, or the state forbids it
	Limited         Code = "limited"         // a quota, cap or rate
	Unavailable     Code = "unavailable"     // something outside does not answer; a retry is safe
	Internal        Code = "internal"        // ours to repair
)

// ErrStale is what stores return when the row has changed since it was read: read again and
// decide anew.
var ErrStale = errors.New("changed by somebody else meanwhile")

// Fault is a failure that a person may read.
type Fault struct {
	Code Code
	// Message says what happened and why, without secrets, in one sentence without a full stop.
	Message string
	// Hint says the one thing to do next; may be empty.
	Hint string
	// RetryAfter is how long to wait before a retry is useful; zero if unknown.
	RetryAfter time.Duration
	// Cause is for the log only; may be nil.
	Cause error
}

// New makes a fault of code whose message is formatted as by fmt.Sprintf.
func New(code Code, format string, args ...any) *Fault {
	return &Fault{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns a copy of f that tells what to do next.
func (f *Fault) WithHint(format string, args ...any) *Fault {
	c := *f
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithCause returns a copy of f that carries err for the log.
func (f *Fault) WithCause(err error) *Fault {
	c := *f
	c.Cause = err
	return &c
}

// Error returns the message alone; the hint is shown beside it and the cause is for the log.
func (f *Fault) Error() string { return f.Message }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Cause }

// CodeOf returns the code of the first fault in err's chain, Internal for any other error and ""
// for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Code
	}
	return Internal
}

// Public returns the fault that may be shown for err: the first in its chain, or a bare internal
// error that tells nothing of the cause.
func Public(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	return &Fault{Code: Internal, Message: "internal error", Cause: err}
}
