package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/sigv4"
)

// A target is an S3 service and the key for it.
type target struct{ Address, Region, AccessKey, SecretKey string }

// request returns the head of a signed request; hash is that of the body, in hex, or
// sigv4.UnsignedPayload.
func (t target) request(s *sigv4.Signer, method, path, query, hash string, size int) ([]byte, error) {
	r := &http.Request{Method: method, Host: t.Address, URL: &url.URL{Path: "/" + path, RawQuery: query}, Header: http.Header{}}
	if err := s.Sign(r, hash, time.Now()); err != nil {
		return nil, err
	}
	if query != "" {
		query = "?" + query
	}
	b := fmt.Appendf(nil, "%s %s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: lanyard-bench\r\n", method, sigv4.EncodePath(r.URL.Path), query, t.Address)
	for _, name := range []string{"X-Amz-Date", "X-Amz-Content-Sha256", "Authorization"} {
		b = fmt.Appendf(b, "%s: %s\r\n", name, r.Header.Get(name))
	}
	if method == http.MethodPut {
		b = fmt.Appendf(b, "Content-Length: %d\r\n", size)
	}
	return append(b, "\r\n"...), nil
}

func (t target) signer() *sigv4.Signer { return sigv4.NewSigner(t.AccessKey, t.SecretKey, t.Region) }

// once sends one request over a connection of its own and returns the body of the answer.
func (t target) once(method, path, query string, body []byte) ([]byte, error) {
	c, err := dial(t.Address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	head, err := t.request(t.signer(), method, path, query, hexSHA256(body), len(body))
	if err != nil {
		return nil, err
	}
	var got bytes.Buffer
	_, status, err := c.exchange(head, body, &got)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s /%s: status %d: %s", method, path, status, got.Bytes())
	}
	return got.Bytes(), err
}

func hexSHA256(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// A conn is one connection of a client that costs next to nothing, so that the servers have the
// machine: what it understands of HTTP is what these servers answer.
type conn struct {
	net.Conn
	buf  []byte
	from int // of what was read and not used
	to   int
}

func dial(address string) (*conn, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, buf: make([]byte, 256<<10)}, nil
}

// exchange sends a request and reads the answer to its end, into sink if that is not nil.
func (c *conn) exchange(head, body []byte, sink io.Writer) (size int64, status int, err error) {
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return 0, 0, err
	}
	whole := net.Buffers{head}
	if len(body) > 0 {
		whole = append(whole, body)
	}
	if _, err := whole.WriteTo(c.Conn); err != nil {
		return 0, 0, err
	}
	status, length, err := c.readHead()
	switch {
	case err != nil:
	case head[0] == 'H' || status == http.StatusNoContent:
	case length < 0:
		size, err = c.readChunks(sink)
	default:
		size, err = length, c.read(length, sink)
	}
	return size, status, err
}

// readHead returns the status and the length of the body, -1 if that comes in chunks.
func (c *conn) readHead() (status int, length int64, err error) {
	end := -1
	for {
		if end = bytes.Index(c.buf[c.from:c.to], []byte("\r\n\r\n")); end >= 0 {
			break
		}
		if err := c.fill(); err != nil {
			return 0, 0, err
		}
	}
	head := string(c.buf[c.from : c.from+end])
	c.from += end + len("\r\n\r\n")
	line, fields, _ := strings.Cut(head, "\r\n")
	if len(line) < len("HTTP/1.1 200") {
		return 0, 0, fmt.Errorf("%.40q is no HTTP", line)
	}
	if status, err = strconv.Atoi(line[9:12]); err != nil {
		return 0, 0, err
	}
	length = -1
	for field := range strings.SplitSeq(fields, "\r\n") {
		name, value, _ := strings.Cut(field, ": ")
		if len(name) == len("Content-Length") && strings.EqualFold(name, "Content-Length") {
			length, err = strconv.ParseInt(value, 10, 64)
		}
	}
	return status, length, err
}

// fill reads what is there.
func (c *conn) fill() error {
	if c.from == c.to {
		c.from, c.to = 0, 0
	}
	if c.to == len(c.buf) {
		c.to = copy(c.buf, c.buf[c.from:c.to])
		c.from = 0
	}
	n, err := c.Read(c.buf[c.to:])
	c.to += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// read passes n bytes to sink.
func (c *conn) read(n int64, sink io.Writer) error {
	for n > 0 {
		if c.from == c.to {
			if err := c.fill(); err != nil {
				return err
			}
		}
		part := c.buf[c.from:min(int64(c.to), int64(c.from)+n)]
		if sink != nil {
			if _, err := sink.Write(part); err != nil {
				return err
			}
		}
		c.from += len(part)
		n -= int64(len(part))
	}
	return nil
}

// readChunks reads a body in chunks (RFC 9112 §7.1) without trailers.
func (c *conn) readChunks(sink io.Writer) (total int64, err error) {
	for {
		line, err := c.line()
		if err != nil {
			return total, err
		}
		n, err := strconv.ParseInt(line, 16, 63)
		if err != nil {
			return total, err
		}
		if err := c.read(n, sink); err != nil {
			return total, err
		}
		if _, err := c.line(); err != nil || n == 0 {
			return total, err
		}
		total += n
	}
}

func (c *conn) line() (string, error) {
	for {
		if line, _, ok := bytes.Cut(c.buf[c.from:c.to], []byte("\r\n")); ok {
			c.from += len(line) + len("\r\n")
			return string(line), nil
		}
		if err := c.fill(); err != nil {
			return "", err
		}
	}
}
