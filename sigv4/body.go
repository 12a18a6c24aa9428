package sigv4

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// UnsignedPayload stands for the hash of a body that the signature does not cover.
const UnsignedPayload = "UNSIGNED-PAYLOAD"

// EmptyPayload is the hash of an empty body.
const EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// The values of X-Amz-Content-Sha256 that announce aws-chunked bodies.
const (
	unsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	signedChunks    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
)

// checkPayload refuses values of X-Amz-Content-Sha256 that we cannot check the body by.
func checkPayload(payload string) error {
	switch payload {
	case UnsignedPayload, unsignedTrailer, signedChunks, signedTrailer:
		return nil
	}
	if len(payload) != len(EmptyPayload) || strings.Trim(payload, "0123456789abcdefABCDEF") != "" {
		return fail(InvalidArgument, "x-amz-content-sha256 must be %s, %s, %s, %s or a valid sha256 value.",
			UnsignedPayload, unsignedTrailer, signedChunks, signedTrailer)
	}
	return nil
}

// Body is the payload of a request: decoded from aws-chunked, and compared with the hash, chunk
// signatures and trailing checksum that the client declared. Data is passed on as it comes, in
// bounded memory, but the last bytes only after everything has been found right; so a caller that
// passes on Len bytes, or what comes until io.EOF, and stops at an error, never completes a bad
// upload. Read it to io.EOF even if Len is 0: there may be signatures to check.
type Body struct {
	source source
	length int64
	left   int64 // payload bytes that have not been read; counts only if length is not negative
	err    error // how reading has ended
}

// source yields the payload of one body form.
type source interface {
	io.Reader
	// end checks what can be checked only when all of the payload has been read.
	end() error
}

// NewBody returns the payload of r. s is what Verify accepted, nil for a request without a
// signature of version 4. It reads nothing yet; what the headers declare is judged here.
func NewBody(r *http.Request, s *Signature) (*Body, error) {
	payload := declaredPayload(r, s)
	if err := checkPayload(payload); err != nil {
		return nil, err
	}
	if strings.HasPrefix(payload, "STREAMING-") {
		return newChunkedBody(r, s, payload)
	}
	b := &Body{length: r.ContentLength, left: r.ContentLength}
	if payload == UnsignedPayload {
		b.source = plain{r.Body}
		return b, nil
	}
	b.source = &hashed{body: r.Body, want: strings.ToLower(payload), hash: sha256.New()}
	switch {
	case b.length < 0:
		return nil, fail(MissingContentLength, "You must provide the Content-Length HTTP header.")
	case b.length == 0 && strings.ToLower(payload) != EmptyPayload:
		return nil, b.source.end()
	}
	return b, nil
}

// declaredPayload returns X-Amz-Content-Sha256 or what stands for it. Without a signature of
// version 4 in a header, clients may send chunks, too, and say so in Content-Encoding alone.
func declaredPayload(r *http.Request, s *Signature) string {
	payload := cmp.Or(r.Header.Get("X-Amz-Content-Sha256"), UnsignedPayload)
	if s != nil {
		payload = s.payload
	}
	if payload == UnsignedPayload && (s == nil || s.Form == Query) && r.Header.Get("X-Amz-Decoded-Content-Length") != "" &&
		strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
		return unsignedTrailer
	}
	return payload
}

func newChunkedBody(r *http.Request, s *Signature, payload string) (*Body, error) {
	length, err := strconv.ParseUint(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 63)
	if err != nil {
		return nil, fail(MissingContentLength, "You must provide the x-amz-decoded-content-length HTTP header.")
	}
	c := &chunks{in: bufio.NewReaderSize(r.Body, maxLine), budget: int64(length)}
	if payload != unsignedTrailer {
		if s == nil || s.key == nil {
			return nil, fail(InvalidRequest, "Signed chunks need a signed request.")
		}
		c.chain = &chain{s: s, previous: hex.EncodeToString(s.signature[:]), hash: sha256.New()}
		c.sums = append(c.sums, c.chain.hash)
	}
	if payload != signedChunks {
		if c.trailer, err = newTrailer(r.Header.Get("X-Amz-Trailer")); err != nil {
			return nil, err
		}
		if c.trailer.hash != nil {
			c.sums = append(c.sums, c.trailer.hash)
		}
	}
	return &Body{source: c, length: int64(length), left: int64(length)}, nil
}

// Len returns the declared length of the decoded payload in bytes, -1 if none is declared.
func (b *Body) Len() int64 { return b.length }

// Chunked tells whether the request is aws-chunked; its Content-Encoding then says so as well,
// which must not reach the stored object.
func (b *Body) Chunked() bool { _, ok := b.source.(*chunks); return ok }

// Checksum returns the trailing checksum, such as ("x-amz-checksum-crc32", "y8vL3w=="), once Read
// has returned the last bytes; empty if the client sent none.
func (b *Body) Checksum() (name, value string) {
	if c, ok := b.source.(*chunks); ok && c.trailer != nil {
		return c.trailer.name, c.trailer.value
	}
	return "", ""
}

// Read implements io.Reader. An *Error says what was wrong; other errors are those of the
// connection.
func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	if b.length < 0 {
		return b.source.Read(p)
	}
	n := 0
	if b.left > 0 {
		n, b.err = b.source.Read(p[:min(int64(len(p)), b.left)])
		b.left -= int64(n)
	}
	if b.left > 0 {
		b.err = incomplete(b.err)
		return n, b.err
	}
	if b.err = b.source.end(); b.err != nil {
		b.err = incomplete(b.err)
		return 0, b.err
	}
	b.err = io.EOF
	return n, nil
}

// incomplete turns an end that comes too early into the client's error.
func incomplete(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fail(IncompleteBody, "You did not provide the number of bytes specified by the Content-Length HTTP header")
	}
	return err
}

// plain is a body that nothing is known of.
type plain struct{ io.Reader }

func (plain) end() error { return nil }

// hashed is a body whose hash is signed.
type hashed struct {
	body io.Reader
	want string
	hash hash.Hash
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.body.Read(p)
	h.hash.Write(p[:n])
	return n, err
}

func (h *hashed) end() error {
	got := hex.EncodeToString(h.hash.Sum(nil))
	if got != h.want {
		return fail(XAmzContentSHA256Mismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return nil
}
