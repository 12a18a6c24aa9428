package sigv4

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"
)

// maxLine bounds the lines between the data: chunk headers take some 90 bytes, trailers 110. It is
// also the buffer of the reader, so longer ones cost no memory.
const maxLine = 4096

// maxTrailers bounds the lines after the last chunk, blank ones included.
const maxTrailers = 8

// chunks decodes aws-chunked, which stands inside of whatever framing HTTP uses:
//
//	size in hex [;chunk-signature=…] CRLF data CRLF … 0[;chunk-signature=…] CRLF trailers CRLF
//
// Chunks can have any size; they are not buffered.
type chunks struct {
	in      *bufio.Reader
	budget  int64 // declared bytes that no chunk has claimed
	left    int64 // bytes of the open chunk that have not been read
	open    bool
	chain   *chain   // nil if the chunks are not signed
	trailer *trailer // nil if there is none
	sums    []hash.Hash
}

func badChunk(what string) *Error {
	return fail(IncompleteBody, "The aws-chunked body is broken: %s", what)
}

// Read returns data of one chunk. Its caller asks for no more than was declared in total.
func (c *chunks) Read(p []byte) (int, error) {
	if c.left == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
		if c.left == 0 {
			return 0, badChunk("it ends before x-amz-decoded-content-length")
		}
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	for _, sum := range c.sums {
		sum.Write(p[:n])
	}
	return n, err
}

// next closes the open chunk, whose data has all been read, and reads the header of another.
func (c *chunks) next() error {
	if c.open {
		if err := c.close(); err != nil {
			return err
		}
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	digits, extension, _ := strings.Cut(string(line), ";")
	size, err := strconv.ParseUint(digits, 16, 63)
	if err != nil {
		return badChunk("a chunk has no size")
	}
	if int64(size) > c.budget {
		return badChunk("it is longer than x-amz-decoded-content-length")
	}
	if c.chain != nil {
		if err := c.chain.expect(extension); err != nil {
			return err
		}
	}
	c.open, c.left = true, int64(size)
	c.budget -= c.left
	return nil
}

// close reads the end of a chunk's data and checks its signature.
func (c *chunks) close() error {
	c.open = false
	end, err := c.in.Peek(2)
	if err != nil {
		return err
	}
	if string(end) != "\r\n" {
		return badChunk("the data of a chunk does not end where its size says")
	}
	if _, err := c.in.Discard(2); err != nil {
		return err
	}
	if c.chain != nil {
		return c.chain.check()
	}
	return nil
}

// end reads what follows the data: the empty chunk and the trailers.
func (c *chunks) end() error {
	if err := c.next(); err != nil {
		return err
	}
	if c.left > 0 {
		return badChunk("it is longer than x-amz-decoded-content-length")
	}
	if c.chain != nil {
		if err := c.chain.check(); err != nil {
			return err
		}
	}
	if err := c.readTrailers(); err != nil {
		return err
	}
	if c.trailer != nil {
		return c.trailer.check(c.chain)
	}
	return nil
}

// readTrailers reads to the end of the stream. Lines may end in a bare LF, and blank lines may
// stand anywhere or be missing: AWS's own examples and several clients disagree on them.
func (c *chunks) readTrailers() error {
	for range maxTrailers {
		line, err := c.line()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case len(line) == 0:
		case c.trailer == nil:
			return badChunk("there is something after its end")
		default:
			if err := c.trailer.set(line); err != nil {
				return err
			}
		}
	}
	return malformedTrailer()
}

// line returns the next line without its end; it is valid until the next read.
func (c *chunks) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, badChunk("a line between the chunks is too long")
	case err != nil && len(line) == 0:
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// chain checks the signatures of chunks, each of which covers the one before.
type chain struct {
	s        *Signature
	previous string // signature in hex
	declared [32]byte
	hash     hash.Hash // of the open chunk
}

// expect takes the signature that a chunk header declares.
func (c *chain) expect(extension string) error {
	digits, ok := strings.CutPrefix(extension, "chunk-signature=")
	if !ok || !parseMAC(&c.declared, digits) {
		return badChunk("a chunk has no signature")
	}
	return nil
}

// check compares the declared signature with the data since the last check.
func (c *chain) check() error {
	sum := c.hash.Sum(nil)
	c.hash.Reset()
	return c.compare(sum, &c.declared, "AWS4-HMAC-SHA256-PAYLOAD", c.s.timestamp, c.s.scope, c.previous, EmptyPayload)
}

// compare checks one link, which signs lines and a hash.
func (c *chain) compare(sum []byte, declared *[32]byte, lines ...string) error {
	w := c.s.key.take()
	defer c.s.key.give(w)
	w.buf = hex.AppendEncode(appendLines(w.buf[:0], lines...), sum)
	mac := w.sign(w.buf)
	if !hmac.Equal(mac, declared[:]) {
		return mismatch("", string(w.buf))
	}
	c.previous = hex.EncodeToString(mac)
	return nil
}
