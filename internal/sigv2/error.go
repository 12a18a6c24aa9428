package sigv2

import (
	"errors"
	"fmt"
	"regexp"
)

// Code is the S3 error code that says why a request is refused, as in package sigv4.
type Code string

// The codes that this package uses.
const (
	AccessDenied          Code = "AccessDenied"          // expired, or no date
	InvalidArgument       Code = "InvalidArgument"       // malformed header, query or form
	InvalidURI            Code = "InvalidURI"            // broken percent-encoding
	RequestTimeTooSkewed  Code = "RequestTimeTooSkewed"  // clocks differ by more than MaxSkew
	SignatureDoesNotMatch Code = "SignatureDoesNotMatch" // wrong secret, or altered on the way
)

// ErrUnsigned is what Parse returns for a request that carries no signature.
var ErrUnsigned = errors.New("the request is not signed")

// Error is a request that is refused for its signature.
type Error struct {
	Code Code
	// Message says in one English sentence what is wrong, without secrets.
	Message string

	stringToSign string
}

func fail(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// GoString keeps %#v from printing what StringToSign hides.
func (e *Error) GoString() string { return string(e.Code) + ": " + e.Message }

// StringToSign returns the text whose HMAC did not match, for a SignatureDoesNotMatch; otherwise
// "". Session tokens and customer keys are hidden.
func (e *Error) StringToSign() string {
	return confidential.ReplaceAllString(e.stringToSign, "$1[redacted]")
}

var confidential = regexp.MustCompile(`(x-amz-(?:security-token|[a-z-]*customer-key):)[^\n]*`)
