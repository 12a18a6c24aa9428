package sigv4

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Signer signs requests with one key. Several goroutines may use it.
type Signer struct {
	accessKeyID, region string
	// key returns the derived key of a day. It is a closure so that nothing that prints a Signer
	// can print the secret.
	key func(date string) *signingKey
}

// NewSigner returns a signer for service s3 in region.
func NewSigner(accessKeyID, secret, region string) *Signer {
	var keys keyCache
	return &Signer{accessKeyID, region, func(date string) *signingKey { return keys.get(secret, date, region) }}
}

// Sign sets X-Amz-Date, X-Amz-Content-Sha256 and Authorization in r.Header. It covers method,
// r.Host (else r.URL.Host), r.URL.Path, r.URL.RawQuery and the X-Amz- headers, so these must not
// change afterwards; the path should be sent as EncodePath(r.URL.Path). payloadHash is the hex
// SHA-256 of the body, EmptyPayload or UnsignedPayload. The error is an *Error for a query whose
// percent-encoding is broken.
func (s *Signer) Sign(r *http.Request, payloadHash string, now time.Time) error {
	timestamp := now.UTC().Format(timeFormat)
	scope := timestamp[:8] + "/" + s.region + "/s3/aws4_request"
	set := []string{timestamp, payloadHash, ""} // one allocation for the values of three headers
	r.Header["X-Amz-Date"], r.Header["X-Amz-Content-Sha256"] = set[0:1:1], set[1:2:2]
	headers := signedNames(r.Header)

	key := s.key(timestamp[:8])
	w := key.take()
	defer key.give(w)
	b, ok := w.appendCanonical(w.buf[:0], r, "", headers, payloadHash)
	if !ok {
		return errURI
	}
	n := len(b)
	b = appendStringToSign(b, timestamp, scope, b)
	w.buf = hex.AppendEncode(b, w.sign(b[n:]))
	signature := w.buf[len(b):]
	set[2] = algorithm + " Credential=" + s.accessKeyID + "/" + scope + ",SignedHeaders=" + headers + ",Signature=" + string(signature)
	r.Header["Authorization"] = set[2:]
	return nil
}

// signedNames returns the list of signed headers: host and all that begin with x-amz-. Keys of h
// are in canonical form.
func signedNames(h http.Header) string {
	const usual = "host;x-amz-content-sha256;x-amz-date"
	var space [16]string
	names := append(space[:0], "host")
	for name := range h {
		if strings.HasPrefix(name, "X-Amz-") {
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
