// Package sigv2 verifies requests that carry an AWS Signature Version 2, which s3cmd with
// signature_v2, s3cmd signurl and other old clients still send: Authorization header, query, and
// POST policy form. It covers no body and few headers; version 4 is package sigv4.
//
// It imports the standard library only. Source: Amazon S3 User Guide, "Signing and authenticating
// REST requests (AWS signature version 2)".
package sigv2

import (
	"errors"
	"net/http"
	"time"
)

// Code is the S3 error code that says why a request is refused.
type Code string

// The codes that this package uses.
const (
	AccessDenied          Code = "AccessDenied"          // expired, or no date
	InvalidArgument       Code = "InvalidArgument"       // malformed header, query or form
	InvalidURI            Code = "InvalidURI"            // broken percent-encoding
	RequestTimeTooSkewed  Code = "RequestTimeTooSkewed"  // clocks differ by more than MaxSkew
	SignatureDoesNotMatch Code = "SignatureDoesNotMatch" // wrong secret, or altered on the way
)

// Error is a request that is refused for its signature.
type Error struct {
	Code Code
	// Message says in one English sentence what is wrong, without secrets.
	Message string

	stringToSign string
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// StringToSign returns the text whose HMAC did not match, for a SignatureDoesNotMatch; otherwise
// "". Session tokens and customer keys are hidden.
func (e *Error) StringToSign() string { return e.stringToSign }

// ErrUnsigned is what Parse returns for a request that carries no signature.
var ErrUnsigned = errors.New("the request is not signed")

// MaxSkew is how far the clocks of client and server may differ; AWS's value.
const MaxSkew = 15 * time.Minute

// Signature is what a request claims about its signer. It is true only after Verify.
type Signature struct {
	AccessKeyID string
	// SecurityToken is the x-amz-security-token that goes with keys of a session; a secret.
	SecurityToken string
	// ExpiresAt is when a presigned request ends; zero in other forms.
	ExpiresAt time.Time
}

// Parse reads the signature of r, as net/http's server hands it over. Errors are ErrUnsigned or
// an *Error.
func Parse(r *http.Request) (*Signature, error) { return nil, errNotWritten }

// ParsePost reads the signature from the fields of a POST form, whose names are in lower case.
// The policy itself is for sigv4.Policy to judge.
func ParsePost(fields map[string]string) (*Signature, error) { return nil, errNotWritten }

// Verify returns nil if secret made s and s is valid at now; otherwise an *Error. bucket is the
// bucket that the host name holds, "" if the path holds it.
func (s *Signature) Verify(secret, bucket string, now time.Time) error { return errNotWritten }

var errNotWritten = errors.New("not written yet")
