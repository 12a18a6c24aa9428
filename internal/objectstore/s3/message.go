package s3

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/sigv4"
)

const (
	// smallBody is what leaves together with the head in one write.
	smallBody = 16 << 10
	// headRoom is for the head; services refuse more than 8 KiB or so. A larger one still works.
	headRoom = 4 << 10
	// largeBuffer is the unit in which large bodies are copied.
	largeBuffer = 256 << 10
)

// A message is a request as it leaves: buf has the head and the beginning of the body.
type message struct {
	req  *Request
	buf  []byte
	left int64 // bytes of the body that are still to be read
	gone bool  // buf has later parts of the body: the beginning cannot be sent again
	home *sync.Pool
	// What the signer wants to see, kept for its memory.
	signed http.Request
	url    url.URL
}

func messages(size int) *sync.Pool {
	p := new(sync.Pool)
	p.New = func() any {
		m := &message{buf: make([]byte, 0, size), home: p}
		m.signed.URL, m.signed.Header = &m.url, make(http.Header)
		return m
	}
	return p
}

// compose signs req and reads its body, or the beginning of a large one: no connection waits for
// a slow sender of a small body.
func (c *Client) compose(req *Request) (*message, error) {
	home := c.small
	if req.ContentLength > smallBody {
		home = c.large
	}
	m := home.Get().(*message)
	m.req, m.left, m.gone = req, req.ContentLength, false
	if err := c.writeHead(m); err != nil {
		m.release()
		return nil, err
	}
	head := len(m.buf)
	n, err := m.more(m.buf[head:cap(m.buf)])
	m.buf = m.buf[:head+n]
	if err != nil {
		m.release()
		return nil, err
	}
	return m, nil
}

func (m *message) release() {
	m.req, m.buf = nil, m.buf[:0]
	clear(m.signed.Header)
	m.home.Put(m)
}

// repeatable reports whether m can be sent a second time, after a connection was lost of which
// nobody knows what the upstream has read from it.
func (m *message) repeatable() bool { return !m.gone && m.req.Method != http.MethodPost }

// bodyError is what reading the body of a request failed with: not the upstream's fault.
type bodyError struct{ cause error }

func (e *bodyError) Error() string { return "read the body of the request: " + e.cause.Error() }
func (e *bodyError) Unwrap() error { return e.cause }

var errLength = errors.New("it is longer than was announced")

// more reads the next bytes of the body into p, as many as fit or are left. With the last ones it
// makes sure that none follow, because a reader that checks a digest tells at the end.
func (m *message) more(p []byte) (int, error) {
	if m.left == 0 {
		return 0, nil
	}
	p = p[:min(int64(len(p)), m.left)]
	n, err := io.ReadFull(m.req.Body, p)
	m.left -= int64(n)
	if err == nil && m.left == 0 {
		var beyond [1]byte
		if _, err = io.ReadFull(m.req.Body, beyond[:]); err == nil {
			err = errLength
		} else if err == io.EOF {
			return n, nil
		}
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return n, &bodyError{err}
	}
	return n, nil
}

// writeHead appends request line and header to m.buf (RFC 9112 §3 and §5).
func (c *Client) writeHead(m *message) error {
	req := m.req
	if err := c.sign(m); err != nil {
		return err
	}
	b := append(m.buf, req.Method...)
	b = append(b, ' ')
	b = append(b, sigv4.EncodePath(m.url.Path)...)
	if m.url.RawQuery != "" {
		b = append(b, '?')
		b = append(b, m.url.RawQuery...)
	}
	b = append(b, " HTTP/1.1\r\n"...)
	b = appendField(b, "Host", m.signed.Host)
	for _, f := range req.Header {
		b = appendField(b, f.Name, f.Value)
	}
	for _, name := range []string{"X-Amz-Date", "X-Amz-Content-Sha256", "Authorization"} {
		b = appendField(b, name, m.signed.Header[name][0])
	}
	if c.token != "" {
		b = appendField(b, securityToken, c.token.Reveal())
	}
	if req.ContentLength > 0 || req.Method == http.MethodPut || req.Method == http.MethodPost {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, req.ContentLength, 10)
		b = append(b, "\r\n"...)
	}
	m.buf = append(b, "\r\n"...)
	return nil
}

const securityToken = "X-Amz-Security-Token" //nolint:gosec // a name, no secret

// sign fills in m.signed. The body is left out of the signature: it is on its way from one server
// to the next, and hashing it would cost more than all else.
func (c *Client) sign(m *message) error {
	req := m.req
	m.signed.Method, m.signed.Host = req.Method, c.host
	m.url.Path, m.url.RawQuery = "/", ""
	if req.Bucket != "" {
		m.url.Path += req.Bucket
	}
	if req.Key != "" {
		m.url.Path += "/" + req.Key
	}
	if len(req.Query) > 0 {
		m.url.RawQuery = strings.ReplaceAll(req.Query.Encode(), "+", "%20") // a space, as AWS signs it
	}
	for _, f := range req.Header {
		if !clean(f.Name) || !clean(f.Value) {
			return fault.New(fault.Invalid, "a header of the request has a control character")
		}
		if len(f.Name) > 6 && strings.EqualFold(f.Name[:6], "x-amz-") {
			m.signed.Header.Add(f.Name, f.Value)
		}
	}
	if c.token != "" {
		m.signed.Header.Set(securityToken, c.token.Reveal())
	}
	return c.signer.Sign(&m.signed, sigv4.UnsignedPayload, c.now())
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// clean reports whether s cannot break out of its line.
func clean(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
