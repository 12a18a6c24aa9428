package sigv4

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Signer signs requests with one key. Several goroutines may use it.
type Signer struct {
	accessKeyID, region string
	// derive makes the key of a day. It is a closure so that nothing that prints a Signer can
	// print the secret.
	derive func(date string) *signingKey
	today  atomic.Pointer[dayKey]
}

// dayKey is the derived key of a day. Two requests at midnight may each derive one.
type dayKey struct {
	date  string
	scope string
	key   *signingKey
}

// NewSigner returns a signer for service s3 in region.
func NewSigner(accessKeyID, secret, region string) *Signer {
	return &Signer{accessKeyID: accessKeyID, region: region, derive: func(date string) *signingKey {
		return deriveKey(secret, date, region)
	}}
}

// Sign sets X-Amz-Date, X-Amz-Content-Sha256 and Authorization in r.Header. It covers method,
// r.Host (else r.URL.Host), r.URL.Path, r.URL.RawQuery and the X-Amz- headers, so these must not
// change afterwards; the path should be sent as EncodePath(r.URL.Path). payloadHash is the hex
// SHA-256 of the body, EmptyPayload or UnsignedPayload. The error is an *Error for a query whose
// percent-encoding is broken.
func (s *Signer) Sign(r *http.Request, payloadHash string, now time.Time) error {
	timestamp := now.UTC().Format(timeFormat)
	day := s.day(timestamp[:8])
	set := []string{timestamp, payloadHash, ""} // one allocation for the values of three headers
	r.Header["X-Amz-Date"], r.Header["X-Amz-Content-Sha256"] = set[0:1:1], set[1:2:2]
	headers := signedNames(r.Header)

	w := day.key.take()
	defer day.key.give(w)
	b, ok := w.appendCanonical(w.buf[:0], r, "", headers, payloadHash)
	if !ok {
		return errURI
	}
	n := len(b)
	b = appendStringToSign(b, timestamp, day.scope, b)
	mac := w.sign(b[n:])

	b = append(b[:0], algorithm+" Credential="...)
	b = append(b, s.accessKeyID...)
	b = append(b, '/')
	b = append(b, day.scope...)
	b = append(b, ",SignedHeaders="...)
	b = append(b, headers...)
	b = append(b, ",Signature="...)
	b = hex.AppendEncode(b, mac)
	set[2], w.buf = string(b), b
	r.Header["Authorization"] = set[2:]
	return nil
}

func (s *Signer) day(date string) *dayKey {
	if d := s.today.Load(); d != nil && d.date == date {
		return d
	}
	d := &dayKey{date: date, scope: date + "/" + s.region + "/s3/aws4_request", key: s.derive(date)}
	s.today.Store(d)
	return d
}

// signedNames returns the list of signed headers: host and all that begin with x-amz-.
func signedNames(h http.Header) string {
	const usual = "host;x-amz-content-sha256;x-amz-date"
	var space [16]string
	names := append(space[:0], "host")
	for name := range h {
		if len(name) > 6 && strings.EqualFold(name[:6], "x-amz-") {
			names = append(names, strings.ToLower(name))
		}
	}
	if len(names) == 3 {
		return usual // the two that Sign has set
	}
	slices.Sort(names)
	return strings.Join(names, ";")
}

// EncodePath percent-encodes a decoded path as AWS does: all but A-Z a-z 0-9 - . _ ~ and /.
func EncodePath(path string) string { return string(appendEncoded(nil, path, '/')) }
