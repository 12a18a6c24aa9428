package s3

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strings"
)

// readHead reads status line and header of one answer (RFC 9112 §4 and §5). It takes what servers
// send and refuses everything else; the head must fit into br's buffer. If the connection ends
// before its first byte, the error is the reader's own.
//
// http.ReadResponse has no bound, and allocates three times as often.
func readHead(br *bufio.Reader) (minor byte, status int, h http.Header, err error) {
	head, err := readLines(br)
	if err != nil {
		return 0, 0, nil, err
	}
	line, rest, _ := strings.Cut(head, "\r\n")
	if !clean(line) || len(line) < 12 || line[:7] != "HTTP/1." || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return 0, 0, nil, errHead
	}
	for _, d := range []byte(line[9:12]) {
		if d < '0' || d > '9' {
			return 0, 0, nil, errHead
		}
		status = status*10 + int(d-'0')
	}
	h, err = parseFields(rest)
	if minor = line[7]; minor != '0' && minor != '1' || status < 100 {
		err = errHead
	}
	return minor, status, h, err
}

// readLines returns the text up to the empty line, without it.
func readLines(br *bufio.Reader) (string, error) {
	for n := 1; ; {
		_, err := br.Peek(n)
		b, _ := br.Peek(br.Buffered())
		if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
			head := string(b[:i+2])
			_, _ = br.Discard(i + 4)
			return head, nil
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return "", errHeadSize
		case err == io.EOF && len(b) > 0:
			return "", io.ErrUnexpectedEOF
		case err != nil:
			return "", err
		}
		n = len(b) + 1
	}
}

// parseFields parses lines of "name: value".
func parseFields(lines string) (http.Header, error) {
	n := strings.Count(lines, "\r\n")
	h, values := make(http.Header, n), make([]string, n)
	for i := range n {
		line, rest, _ := strings.Cut(lines, "\r\n")
		lines = rest
		name, value, ok := strings.Cut(line, ":")
		if !ok || !token(name) || !clean(value) {
			return nil, errHead
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		values[i] = strings.Trim(value, " \t")
		if old, ok := h[name]; ok {
			h[name] = append(old, values[i])
		} else {
			h[name] = values[i : i+1 : i+1]
		}
	}
	return h, nil
}

// token reports whether s can be the name of a field (RFC 9110 §5.6.2).
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' {
			continue
		}
		if strings.IndexByte("!#$%&'*+.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}
