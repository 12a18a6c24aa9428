// Package sigv2 verifies requests that carry an AWS Signature Version 2, which s3cmd with
// signature_v2, s3cmd signurl and other old clients still send: Authorization header, query, and
// POST policy form. It covers neither body nor most headers nor most of the query; version 4 is
// package sigv4.
//
// It imports the standard library only. Source: Amazon S3 User Guide, "Signing and authenticating
// REST requests (AWS signature version 2)".
package sigv2

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the format prescribes HMAC-SHA1, which is not broken
	"net/http"
	"time"
)

// MaxSkew is how far the clocks of client and server may differ. It is AWS's value, which clients
// count on.
const MaxSkew = 15 * time.Minute

// Signature is what a request claims about its signer. It is true only after Verify.
type Signature struct {
	AccessKeyID string
	// SecurityToken is the x-amz-security-token that goes with keys of a session; a secret.
	SecurityToken string
	// ExpiresAt is when a presigned request ends; zero in other forms.
	ExpiresAt time.Time

	request   *http.Request // nil in a form
	policy    string        // the text that a form signs
	signedAt  time.Time     // of the header form
	date      string        // fourth line of what is signed, as sent
	signature [sha1.Size]byte
}

// String names the signer; it is what fmt prints, so that a token is not.
func (s *Signature) String() string { return "version 2 signature of " + s.AccessKeyID }

// GoString is String, for %#v.
func (s *Signature) GoString() string { return s.String() }

// Verify returns nil if secret made s and s is valid at now; otherwise an *Error. It compares in
// constant time. bucket is the bucket that the host name holds, "" if the path holds it. For an
// unknown access key verify with a random secret and refuse whatever comes.
func (s *Signature) Verify(secret, bucket string, now time.Time) error {
	if skew := now.Sub(s.signedAt); !s.signedAt.IsZero() && (skew > MaxSkew || skew < -MaxSkew) {
		return fail(RequestTimeTooSkewed, "The difference between the request time and the server's time is too large.")
	}
	if !s.ExpiresAt.IsZero() && now.After(s.ExpiresAt) {
		return fail(AccessDenied, "Request has expired")
	}
	text := s.policy
	if s.request != nil {
		var ok bool
		if text, ok = s.stringToSign(bucket); !ok {
			return fail(InvalidURI, "Couldn't parse the specified URI.")
		}
	}
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(text))
	if !hmac.Equal(mac.Sum(nil), s.signature[:]) {
		e := fail(SignatureDoesNotMatch, "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
		e.stringToSign = text
		return e
	}
	return nil
}
