package keyfile

import (
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	constructed = 0x20
	octetString = 0x04
	contextZero = 0xA0
	maxDepth    = 24
)

var errBER = errors.New("malformed or too deeply nested")

// toDER rewrites the first element of ber, as browsers write PKCS #12, in lengths and octet strings
// of the definite form. What stands inside octet strings is left alone.
func toDER(ber []byte) ([]byte, error) {
	out, _, err := rewrite(ber, maxDepth)
	return out, err
}

// rewrite returns the first element of in, rewritten, and what follows it.
func rewrite(in []byte, depth int) (out, rest []byte, err error) {
	if depth == 0 || len(in) < 2 || in[0]&0x1F == 0x1F {
		return nil, nil, errBER
	}
	tag := in[0]
	content, rest, definite, err := length(in[1:])
	switch {
	case err != nil:
		return nil, nil, err
	case tag&constructed == 0 && !definite:
		return nil, nil, errBER
	case tag&constructed == 0:
		return element(tag, content), rest, nil
	}
	body, after, err := members(content, definite, tag == octetString|constructed, depth)
	if err != nil {
		return nil, nil, err
	}
	if !definite {
		rest = after
	}
	if tag == octetString|constructed {
		tag = octetString
	}
	return element(tag, body), rest, nil
}

// members rewrites what stands inside a constructed element: all of in if its length is definite,
// else up to two zeroes, behind which after begins. Pieces of an octet string are joined.
func members(in []byte, definite, pieces bool, depth int) (body, after []byte, err error) {
	for !definite || len(in) > 0 {
		if !definite && len(in) >= 2 && in[0] == 0 && in[1] == 0 {
			return body, in[2:], nil
		}
		var inner []byte
		if inner, in, err = rewrite(in, depth-1); err != nil {
			return nil, nil, err
		}
		if pieces {
			if inner, err = octets(inner); err != nil {
				return nil, nil, err
			}
		}
		body = append(body, inner...)
	}
	return body, nil, nil
}

// length splits what stands behind a tag. Content of indefinite length runs on to the end of in.
func length(in []byte) (content, rest []byte, definite bool, err error) {
	n, in := int(in[0]), in[1:]
	switch {
	case n == 0x80:
		return in, nil, false, nil
	case n > 0x84 || n > 0x80 && len(in) < n-0x80:
		return nil, nil, false, errBER
	case n > 0x80:
		var long [4]byte
		copy(long[4-(n-0x80):], in[:n-0x80])
		in, n = in[n-0x80:], int(binary.BigEndian.Uint32(long[:]))
	}
	if n > len(in) {
		return nil, nil, false, errBER
	}
	return in[:n], in[n:], true, nil
}

func element(tag byte, content []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cryptobyte_asn1.Tag(tag), func(b *cryptobyte.Builder) { b.AddBytes(content) })
	return b.BytesOrPanic() // cannot: one-byte tag, size bounded
}

// octets joins the octet strings that der is made of.
func octets(der []byte) ([]byte, error) {
	var out []byte
	for in := cryptobyte.String(der); !in.Empty(); {
		var part cryptobyte.String
		if !in.ReadASN1(&part, cryptobyte_asn1.OCTET_STRING) {
			return nil, errBER
		}
		out = append(out, part...)
	}
	return out, nil
}
