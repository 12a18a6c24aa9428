package sigv4

import (
	"bytes"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// appendCanonical appends the canonical request, which is what a signature covers:
//
//	method \n path \n query \n header lines \n names of signed headers \n payload hash
//
// sent is the path as it is on the wire, or "" to encode r.URL.Path by AWS's rule. False means
// that the percent-encoding of the query is broken.
func (w *workspace) appendCanonical(b []byte, r *http.Request, sent, headers, payload string) ([]byte, bool) {
	b = append(b, r.Method...)
	b = append(b, '\n')
	switch {
	case sent != "":
		b = append(b, sent...)
	case r.URL.Path == "":
		b = append(b, '/')
	default:
		b = appendEncoded(b, r.URL.Path, '/')
	}
	b = append(b, '\n')
	b, ok := w.appendQuery(b, r.URL.RawQuery)
	b = append(b, '\n')
	for name := range strings.SplitSeq(headers, ";") {
		b = append(b, name...)
		b = append(b, ':')
		b = appendHeader(b, r, name)
		b = append(b, '\n')
	}
	b = append(b, '\n')
	b = append(b, headers...)
	b = append(b, '\n')
	return append(b, payload...), ok
}

const upperHex = "0123456789ABCDEF"

// appendEncoded appends text, percent-encoded but for A-Z a-z 0-9 - . _ ~ and the byte safe.
func appendEncoded(b []byte, text string, safe byte) []byte {
	for i := range len(text) {
		b = appendByte(b, text[i], safe)
	}
	return b
}

func appendByte(b []byte, c, safe byte) []byte {
	if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~' || c == safe {
		return append(b, c)
	}
	return append(b, '%', upperHex[c>>4], upperHex[c&15])
}

// param is one parameter of a query: positions in the workspace's text of its encoded name and
// value.
type param struct{ from, value, to int }

// appendQuery appends the canonical query: every name and value decoded and encoded again by
// AWS's rule, "=" even where there is no value, sorted by name and then by value, X-Amz-Signature
// left out.
func (w *workspace) appendQuery(b []byte, raw string) ([]byte, bool) {
	if raw == "" {
		return b, true
	}
	text, params := w.text[:0], w.params[:0]
	defer func() { w.text, w.params = text, params }()
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if pair == "" || name == "X-Amz-Signature" {
			continue
		}
		var ok1, ok2 bool
		p := param{from: len(text)}
		text, ok1 = appendRecoded(text, name)
		p.value = len(text)
		text, ok2 = appendRecoded(text, value)
		p.to = len(text)
		if !ok1 || !ok2 {
			return b, false
		}
		params = append(params, p)
	}
	slices.SortFunc(params, func(x, y param) int {
		if c := bytes.Compare(text[x.from:x.value], text[y.from:y.value]); c != 0 {
			return c
		}
		return bytes.Compare(text[x.value:x.to], text[y.value:y.to])
	})
	for i, p := range params {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, text[p.from:p.value]...)
		b = append(b, '=')
		b = append(b, text[p.value:p.to]...)
	}
	return b, true
}

// appendRecoded appends a percent-encoded text in AWS's encoding; + means a space. It reports
// false if the encoding is broken.
func appendRecoded(b []byte, text string) ([]byte, bool) {
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(text) {
				return b, false
			}
			high, low := unhex(text[i+1]), unhex(text[i+2])
			if high > 15 || low > 15 {
				return b, false
			}
			c, i = high<<4|low, i+2
		}
		b = appendByte(b, c, '-')
	}
	return b, true
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// values returns the values of a header by its lower-case name, without allocating.
func values(h http.Header, name string) []string {
	var space [64]byte
	if len(name) > len(space) {
		return h[textproto.CanonicalMIMEHeaderKey(name)]
	}
	key := append(space[:0], name...)
	upper := true
	for i, c := range key {
		if upper && 'a' <= c && c <= 'z' {
			key[i] = c - 'a' + 'A'
		}
		upper = c == '-'
	}
	return h[string(key)]
}

// appendHeader appends the values of a header: runs of blanks as one, none at the ends, commas
// between values. Headers that net/http moves elsewhere are taken from there.
func appendHeader(b []byte, r *http.Request, name string) []byte {
	if name == "host" {
		return appendTrimmed(b, hostOf(r))
	}
	found := values(r.Header, name)
	for i, v := range found {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTrimmed(b, v)
	}
	if len(found) > 0 {
		return b
	}
	switch name {
	case "content-length":
		if r.ContentLength >= 0 {
			b = strconv.AppendInt(b, r.ContentLength, 10)
		}
	case "transfer-encoding":
		for i, v := range r.TransferEncoding {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, v...)
		}
	case "expect":
		// HTTP/2 removes the header; 100-continue is the only value that there is.
		b = append(b, "100-continue"...)
	}
	return b
}

func hostOf(r *http.Request) string {
	if r.Host == "" && r.URL != nil {
		return r.URL.Host // a request that is being sent
	}
	return r.Host
}

func appendTrimmed(b []byte, value string) []byte {
	value = strings.Trim(value, " \t")
	blank := false
	for i := range len(value) {
		c := value[i]
		if c == ' ' || c == '\t' {
			blank = true
			continue
		}
		if blank {
			b, blank = append(b, ' '), false
		}
		b = append(b, c)
	}
	return b
}
