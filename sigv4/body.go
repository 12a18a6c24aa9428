package sigv4

import "net/http"

// Body is the payload of a request: decoded from aws-chunked, and compared with the hash, chunk
// signatures and trailing checksum that the client declared. Data is passed on as it comes, in
// bounded memory, but the last bytes only after everything has been found right; so a caller that
// passes on N bytes and stops at an error never completes a bad upload.
type Body struct{}

// NewBody returns the payload of r. s is what Verify accepted, nil for a request without a
// signature of version 4. It reads nothing yet; what the headers declare is judged here.
func NewBody(r *http.Request, s *Signature) (*Body, error) { return nil, errNotWritten }

// Len returns the declared length of the decoded payload in bytes, -1 if there is none declared.
func (b *Body) Len() int64 { return -1 }

// Chunked tells whether the request is aws-chunked, which its Content-Encoding may say as well.
func (b *Body) Chunked() bool { return false }

// Checksum returns the trailing checksum, such as ("x-amz-checksum-crc32", "y8vL3w=="), once Read
// has returned the last bytes; empty if the client sent none.
func (b *Body) Checksum() (name, value string) { return "", "" }

// Read implements io.Reader. An *Error says what was wrong; other errors are those of the
// connection.
func (b *Body) Read(p []byte) (int, error) { return 0, errNotWritten }
