package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
)

// A Response is what the upstream answered. It must be closed. One goroutine uses it at a time.
type Response struct {
	Status int
	// Header has what belongs to the answer; what belonged to the connection is gone.
	Header http.Header
	// ContentLength is that of the body, or -1 if only its end will tell. The answer to HEAD
	// has the length of the body that GET would bring.
	ContentLength int64

	ctx     context.Context
	client  *Client
	conn    *conn
	forget  func() bool // stops watching ctx
	chunked io.Reader   // nil if the length is known, or the end of the connection is the body's
	left    int64       // bytes until the end of the body; -1 if unknown
	keep    bool        // the connection can be used again after the body
}

var (
	errHead     = errors.New("the head of the answer is not HTTP")
	errHeadSize = errors.New("the head of the answer is too large")
)

// readHead reads the final answer's head, which follows any number of interim ones up to eight.
func (r *Response) readHead(method string) error {
	for range 8 {
		minor, status, header, err := readHead(r.conn.br)
		if err != nil {
			return err
		}
		if status >= 200 {
			r.Status, r.Header = status, header
			return r.frame(method, minor)
		}
	}
	return errHead
}

// frame finds where the body ends (RFC 9112 §6.3) and whether the connection can be kept (§9.3).
func (r *Response) frame(method string, minor byte) error {
	h := r.Header
	r.keep = minor == '1'
	for _, v := range h["Connection"] {
		if strings.Contains(strings.ToLower(v), "close") {
			r.keep = false
		}
	}
	coding, lengths := h["Transfer-Encoding"], h["Content-Length"]
	delete(h, "Connection")
	delete(h, "Keep-Alive")
	delete(h, "Transfer-Encoding")
	r.ContentLength = -1
	if len(lengths) > 0 {
		n, err := strconv.ParseUint(lengths[0], 10, 63)
		if err != nil || len(lengths) > 1 {
			return errHead
		}
		r.ContentLength = int64(n)
	}
	switch {
	case method == http.MethodHead:
	case r.Status == http.StatusNoContent || r.Status == http.StatusNotModified:
		r.ContentLength = 0
	case len(coding) > 0:
		// A length beside a coding, or a coding in version 1.0, is how smugglers work (§6.1).
		if len(coding) > 1 || !strings.EqualFold(coding[0], "chunked") || len(lengths) > 0 || minor == '0' {
			return errHead
		}
		r.left = -1
		r.chunked = httputil.NewChunkedReader(r.conn.br)
	case len(lengths) == 0:
		r.left, r.keep = -1, false
	default:
		r.left = r.ContentLength
	}
	return nil
}

// Read reads the body. One that ends early is io.ErrUnexpectedEOF.
func (r *Response) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if err := r.conn.mayRead(r.ctx, r.client.limits.Idle); err != nil {
		return 0, err
	}
	if r.chunked != nil {
		n, err := r.chunked.Read(p)
		if errors.Is(err, io.EOF) {
			err = r.endChunks()
		}
		return n, err
	}
	if r.left > 0 {
		p = p[:min(int64(len(p)), r.left)]
	}
	n, err := r.conn.br.Read(p)
	switch {
	case r.left < 0 && err == io.EOF:
		r.left = 0
	case r.left < 0:
	default:
		r.left -= int64(n)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// endChunks reads the trailer that follows the last chunk and returns io.EOF.
func (r *Response) endChunks() error {
	br := r.conn.br
	if b, _ := br.Peek(2); string(b) == "\r\n" {
		_, _ = br.Discard(2)
	} else {
		lines, err := readLines(br)
		if err == nil {
			_, err = parseFields(lines)
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	r.left = 0
	return io.EOF
}

// spliceUnit is how much is passed on before the deadline moves: a client that takes less in
// Limits.Idle is cut off.
const spliceUnit = 1 << 20

// WriteTo passes the rest of the body to w. If w is the answer of an HTTP server on a plain TCP
// connection, the kernel does it without copies.
func (r *Response) WriteTo(w io.Writer) (written int64, err error) {
	// What is buffered goes first.
	for r.left > 0 && r.conn.br.Buffered() > 0 {
		b, _ := r.conn.br.Peek(int(min(int64(r.conn.br.Buffered()), r.left)))
		n, err := w.Write(b)
		_, _ = r.conn.br.Discard(n)
		r.left -= int64(n)
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	rf, ok := w.(io.ReaderFrom)
	if !ok || r.left < smallBody {
		n, err := r.copyTo(w)
		return written + n, err
	}
	for r.left > 0 {
		if err := r.conn.mayRead(r.ctx, r.client.limits.Idle); err != nil {
			return written, err
		}
		unit := min(r.left, spliceUnit)
		n, err := rf.ReadFrom(&io.LimitedReader{R: r.conn.Conn, N: unit})
		r.left -= n
		written += n
		if err == nil && n < unit {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

func (r *Response) copyTo(w io.Writer) (int64, error) {
	if r.left == 0 {
		return 0, nil
	}
	m := r.client.small.Get().(*message) // for its buffer
	defer m.release()
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, m.buf[:cap(m.buf)])
}

// Close gives the connection back: for another request, if the body was read to its end.
func (r *Response) Close() error {
	c := r.conn
	if c == nil {
		return nil
	}
	r.conn = nil
	if r.forget() && r.keep && r.left == 0 && c.br.Buffered() == 0 {
		r.client.pool.put(c)
	} else {
		r.client.pool.drop(c)
	}
	return nil
}
