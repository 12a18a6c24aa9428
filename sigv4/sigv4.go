// Package sigv4 verifies requests that carry an AWS Signature Version 4, and signs requests for
// an upstream, as S3 does: Authorization header, presigned query, POST policy form, and bodies
// that are hashed, unsigned or sent in (signed) chunks with trailing checksums.
//
// A server calls Parse, looks up the secret of AccessKeyID, calls Verifier.Verify, and reads the
// payload through NewBody:
//
//	sig, err := sigv4.Parse(r)
//	err = verifier.Verify(sig, secret, now)
//	body, err := sigv4.NewBody(r, sig)
//
// For an unknown access key call Verify all the same, with a random secret made at start, and
// refuse whatever it answers: both ways then do the same work in the same time.
//
// It is public and imports the standard library only. Source of the formats: Amazon S3 API
// Reference, "Authenticating Requests (AWS Signature Version 4)".
package sigv4

import (
	"errors"
	"net/http"
	"time"
)

// ErrUnsigned is what Parse returns for an anonymous request: no Authorization header and no
// signature in the query.
var ErrUnsigned = errors.New("the request is not signed")

// ErrOtherScheme is what Parse returns for a request that is signed, but not by version 4.
var ErrOtherScheme = fail(InvalidRequest, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")

// Form is where a signature stands.
type Form int

// The forms.
const (
	Header Form = iota // Authorization header
	Query              // presigned URL
	Post               // fields of an HTML form, signing its policy
)

// Signature is what a request claims about its signer. It is true only after Verifier.Verify. One
// goroutine at a time may use it.
type Signature struct {
	Form        Form
	AccessKeyID string
	// Region is whatever the client used; clients of stores other than AWS make names up.
	Region string
	// SecurityToken is the X-Amz-Security-Token that goes with keys of a session; a secret.
	SecurityToken string
	// SignedAt is the time the client signed at, by its own clock.
	SignedAt time.Time
	// Expires is how long after SignedAt a presigned request is valid; zero in other forms.
	Expires time.Duration

	request   *http.Request // nil in a form
	policy    string        // the text that a form signs
	date      string        // yyyymmdd, of the scope
	scope     string        // date/region/s3/aws4_request
	timestamp string        // SignedAt in the basic ISO 8601 form that is signed
	headers   string        // names of the signed headers: lower case, sorted, joined by ;
	payload   string        // last line of the canonical request
	signature [32]byte
	key       *signingKey // set by Verify, for the chunks of the body
}

// String names the signer; it is what fmt prints, so that a token is not.
func (s *Signature) String() string { return "signature of " + s.AccessKeyID + " at " + s.timestamp }

// GoString is String, for %#v.
func (s *Signature) GoString() string { return s.String() }

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
)

// Parse reads the signature of r, as net/http's server hands it over: neither URL nor Host nor
// headers changed. Errors are ErrUnsigned, ErrOtherScheme or an *Error.
func Parse(r *http.Request) (*Signature, error) {
	query, v4, v2, err := readQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	auth := r.Header["Authorization"]
	var s *Signature
	switch {
	case len(auth) > 0 && (v4 || v2):
		err = fail(InvalidArgument, "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified")
	case len(auth) > 1:
		err = fail(InvalidArgument, "Only one Authorization header is allowed")
	case len(auth) == 1:
		s, err = parseHeader(r, auth[0])
	case v4:
		s, err = parsePresigned(r, query)
	case v2:
		err = ErrOtherScheme
	default:
		err = ErrUnsigned
	}
	if err == nil {
		err = s.checkRequest()
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}
