package sigv4

import (
	"net/http"
	"time"
)

// UnsignedPayload stands for the hash of a body that is not covered by the signature.
const UnsignedPayload = "UNSIGNED-PAYLOAD"

// EmptyPayload is the hash of an empty body.
const EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// Signer signs requests with one key. It is safe for use by several goroutines.
type Signer struct{}

// NewSigner returns a signer for service s3 in region.
func NewSigner(accessKeyID, secret, region string) *Signer { return &Signer{} }

// Sign sets X-Amz-Date, X-Amz-Content-Sha256 and Authorization in r.Header. It covers method,
// r.Host (else r.URL.Host), r.URL.Path, r.URL.RawQuery and the X-Amz- headers, so these must not
// change afterwards; the path should be sent as EncodePath(r.URL.Path). payloadHash is the hex
// SHA-256 of the body, EmptyPayload or UnsignedPayload.
func (s *Signer) Sign(r *http.Request, payloadHash string, now time.Time) error {
	return errNotWritten
}

// EncodePath percent-encodes a decoded path as AWS does: all but A-Z a-z 0-9 - . _ ~ and /.
func EncodePath(path string) string { return path }
