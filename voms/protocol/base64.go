package protocol

import (
	"encoding/base64"
	"errors"
	"strings"
)

// private is the alphabet of VOMS' own base64, without padding and line ends. The C server writes
// it to clients that do not ask for the usual one. We read it and never write it.
var private = base64.NewEncoding("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789[]").WithPadding(base64.NoPadding)

var errBase64 = errors.New("is not in base64")

// decode reads either encoding. The field's clients tell them apart by the line end that the usual
// one has; where it is missing, VOMS-AA may still have meant the usual one, which looks says by
// looking at the result.
func decode(text string, looks func([]byte) bool) ([]byte, error) {
	trimmed := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, text)
	usual, err := base64.StdEncoding.DecodeString(trimmed)
	if err == nil && (strings.Contains(text, "\n") || looks(usual)) {
		return usual, nil
	}
	if own, err := private.DecodeString(trimmed); err == nil && !strings.Contains(text, "\n") {
		return own, nil
	}
	return nil, errBase64
}

// looksLikeAC reports whether data begins as a SEQUENCE in DER does.
func looksLikeAC(data []byte) bool { return len(data) > 1 && data[0] == 0x30 }

// looksLikeList reports whether data begins as a FQAN does.
func looksLikeList(data []byte) bool { return len(data) > 1 && data[0] == '/' }

// encode writes the usual base64 in lines of 64 characters, the last one ended too: the C client
// takes a text without any line end for the private encoding.
func encode(data []byte) string {
	const width = 64
	text := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	b.Grow(len(text) + len(text)/width + 1)
	for len(text) > width {
		b.WriteString(text[:width])
		b.WriteByte('\n')
		text = text[width:]
	}
	b.WriteString(text)
	b.WriteByte('\n')
	return b.String()
}
