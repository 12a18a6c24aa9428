package sigv4

import (
	"bytes"
	"cmp"
	"net/http"
	"net/textproto"
	"net/url"
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
	b = appendLines(b, r.Method)
	if sent != "" {
		b = append(b, sent...)
	} else {
		b = appendEncoded(b, cmp.Or(r.URL.Path, "/"), '/')
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
	b = appendLines(b, "", headers)
	return append(b, payload...), ok
}

func appendLines(b []byte, lines ...string) []byte {
	for _, line := range lines {
		b = append(b, line...)
		b = append(b, '\n')
	}
	return b
}

// appendEncoded appends text, percent-encoded but for A-Z a-z 0-9 - . _ ~ and the byte safe.
func appendEncoded(b []byte, text string, safe byte) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		c := text[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '-' || c == '.' || c == '_' || c == '~' || c == safe {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

// param is one parameter of a query: where its encoded name and value stand in the workspace's
// text.
type param struct{ from, value, to int }

// appendQuery appends the canonical query: every name and value decoded, + being a space, and
// encoded again by AWS's rule; "=" even where there is no value; sorted by encoded name, then by
// encoded value; X-Amz-Signature left out.
func (w *workspace) appendQuery(b []byte, raw string) ([]byte, bool) {
	text, params := w.text[:0], w.params[:0]
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if pair == "" || name == "X-Amz-Signature" {
			continue
		}
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return b, false
		}
		p := param{from: len(text)}
		text = appendEncoded(text, name, '-')
		p.value = len(text)
		text = appendEncoded(text, value, '-')
		p.to = len(text)
		params = append(params, p)
	}
	w.text, w.params = text, params
	slices.SortFunc(params, func(x, y param) int {
		return cmp.Or(bytes.Compare(text[x.from:x.value], text[y.from:y.value]), bytes.Compare(text[x.value:x.to], text[y.value:y.to]))
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

// values returns the values of a header by its lower-case name, as textproto would find them but
// without allocating.
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

// appendHeader appends the values of a header, with commas between them. Headers that net/http
// moves elsewhere are taken from there.
func appendHeader(b []byte, r *http.Request, name string) []byte {
	if name == "host" {
		return appendTrimmed(b, cmp.Or(r.Host, r.URL.Host)) // the latter in requests that are being sent
	}
	found := values(r.Header, name)
	for i, v := range found {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTrimmed(b, v)
	}
	switch {
	case len(found) > 0:
	case name == "content-length" && r.ContentLength >= 0:
		b = strconv.AppendInt(b, r.ContentLength, 10)
	case name == "transfer-encoding":
		b = append(b, strings.Join(r.TransferEncoding, ",")...)
	case name == "expect":
		b = append(b, "100-continue"...) // HTTP/2 removes the header, and there is no other value
	}
	return b
}

// appendTrimmed appends value with runs of blanks as one and none at its ends.
func appendTrimmed(b []byte, value string) []byte {
	first := true
	for word := range strings.FieldsFuncSeq(value, func(c rune) bool { return c == ' ' || c == '\t' }) {
		if !first {
			b = append(b, ' ')
		}
		b, first = append(b, word...), false
	}
	return b
}
