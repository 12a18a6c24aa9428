package sigv4

import (
	"fmt"
	"regexp"
)

// Code is the S3 error code that says why a request is refused. The texts are those that AWS
// sends, because clients look at them.
type Code string

// The codes that this package uses.
const (
	AccessDenied                      Code = "AccessDenied"                      // expired, not valid yet, header not signed, policy condition not met
	AuthorizationHeaderMalformed      Code = "AuthorizationHeaderMalformed"      // Authorization header
	AuthorizationQueryParametersError Code = "AuthorizationQueryParametersError" // X-Amz-… query parameters
	BadDigest                         Code = "BadDigest"                         // trailing checksum differs from the data
	EntityTooLarge                    Code = "EntityTooLarge"                    // more than content-length-range allows
	EntityTooSmall                    Code = "EntityTooSmall"                    // less than content-length-range asks for
	IncompleteBody                    Code = "IncompleteBody"                    // body shorter or longer than declared, or chunks that do not parse
	InvalidArgument                   Code = "InvalidArgument"                   // a header or form field with an impossible value
	InvalidPolicyDocument             Code = "InvalidPolicyDocument"             // POST policy that does not parse
	InvalidRequest                    Code = "InvalidRequest"                    // missing header, other algorithm
	InvalidURI                        Code = "InvalidURI"                        // broken percent-encoding
	MalformedTrailer                  Code = "MalformedTrailerError"             // trailer that was not announced, or is missing
	MissingContentLength              Code = "MissingContentLength"              // no length declared
	RequestTimeTooSkewed              Code = "RequestTimeTooSkewed"              // clocks differ by more than MaxSkew
	SignatureDoesNotMatch             Code = "SignatureDoesNotMatch"             // wrong secret, or altered on the way
	XAmzContentSHA256Mismatch         Code = "XAmzContentSHA256Mismatch"         // body differs from the signed hash
)

// Error is a request that is refused for its signature, its body or its POST policy. All errors of
// this package that a client caused have this type.
type Error struct {
	Code Code
	// Message says in one English sentence what is wrong, without secrets.
	Message string

	canonicalRequest, stringToSign string
}

func fail(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// GoString keeps %#v from printing what CanonicalRequest hides.
func (e *Error) GoString() string { return string(e.Code) + ": " + e.Message }

// CanonicalRequest returns what was signed as we understand it, for a SignatureDoesNotMatch, so
// that authors of clients can compare; otherwise "". Session tokens and customer keys are hidden.
func (e *Error) CanonicalRequest() string {
	return confidential.ReplaceAllString(e.canonicalRequest, "$1$2[redacted]")
}

// StringToSign returns the text whose HMAC did not match, for a SignatureDoesNotMatch; otherwise
// "".
func (e *Error) StringToSign() string { return e.stringToSign }

// confidential finds secrets in header lines and in the query.
var confidential = regexp.MustCompile(`(?i)(x-amz-(?:security-token|[a-z-]*customer-key):)[^\n]*|(x-amz-security-token=)[^&\n]*`)
