package proxycert

import "errors"

var errNotYet = errors.New("not written yet")

// Reason is a word for why something is refused.
type Reason string

// Error says which certificate is refused and why.
type Error struct {
	Reason  Reason
	Subject string // of the certificate at fault, in slash form; "" if it is about none
	Detail  string // what was found
}

// Error implements error.
func (e *Error) Error() string { return e.Detail }

// Hint says what to do about it; "" where nobody but an attacker could have caused it.
func (e *Error) Hint() string { return "" }
