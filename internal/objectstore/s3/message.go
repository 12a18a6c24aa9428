package s3

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/lanyardhq/lanyard/internal/fault"
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
	client *Client
	req    *Request
	buf    []byte
	left   int64 // bytes of the body that are still to be read
	large  bool
}

// compose signs req and reads its body, or the beginning of a large one: no connection waits for
// a slow sender of a small body.
func (c *Client) compose(req *Request) (*message, error) {
	m := &message{client: c, req: req, left: req.ContentLength, large: req.ContentLength > smallBody}
	if m.large {
		m.buf = *c.large.Get().(*[]byte)
	} else {
		m.buf = *c.small.Get().(*[]byte)
	}
	if err := m.writeHead(); err != nil {
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
	buf := m.buf[:0]
	if m.large {
		m.client.large.Put(&buf)
	} else {
		m.client.small.Put(&buf)
	}
}

// repeatable reports whether m can be sent a second time, after a connection was lost of which
// nobody knows what the upstream has read from it.
func (m *message) repeatable() bool { return m.left == 0 && m.req.Method != http.MethodPost }

// bodyError is what reading the body of a request failed with: the sender's fault.
type bodyError struct{ error }

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
		return n, bodyError{err}
	}
	return n, nil
}

// writeHead appends request line and header to buf (RFC 9112 §3 and §5).
func (m *message) writeHead() error {
	c, req := m.client, m.req
	path := "/"
	if req.Bucket != "" {
		path += escapePath(req.Bucket)
	}
	if req.Key != "" {
		path += "/" + escapePath(req.Key)
	}
	query := ""
	if len(req.Query) > 0 {
		query = strings.ReplaceAll(req.Query.Encode(), "+", "%20") // as AWS signs it
	}
	b := append(m.buf, req.Method...)
	b = append(b, ' ')
	b = append(b, path...)
	if query != "" {
		b = append(b, '?')
		b = append(b, query...)
	}
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, c.signer.host...)
	b = append(b, "\r\n"...)
	for _, f := range req.Header {
		if !clean(f.Name) || !clean(f.Value) {
			return fault.New(fault.Invalid, "a header of the request has a control character")
		}
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	if req.ContentLength > 0 || req.Method == http.MethodPut || req.Method == http.MethodPost {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, req.ContentLength, 10)
		b = append(b, "\r\n"...)
	}
	b = c.signer.sign(b, req, path, query, c.now())
	m.buf = append(b, "\r\n"...)
	return nil
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
