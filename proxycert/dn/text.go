package dn

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const hexDigits = "0123456789ABCDEF"

// slash writes what X509_NAME_oneline of OpenSSL writes.
func slash(rdns [][]attribute) string {
	var b strings.Builder
	for _, rdn := range rdns {
		for i, a := range rdn {
			b.WriteByte("/+"[min(i, 1)])
			b.WriteString(nameOf(a.oid))
			b.WriteByte('=')
			for _, c := range a.content {
				switch {
				case c < ' ' || c > '~':
					b.WriteString(`\x`)
					b.WriteByte(hexDigits[c>>4])
					b.WriteByte(hexDigits[c&15])
				case c == '/' || c == '+':
					b.WriteByte('\\')
					fallthrough
				default:
					b.WriteByte(c)
				}
			}
		}
	}
	return b.String()
}

// unescape resolves the escapes of the slash form. A backslash that begins none stands for itself,
// because OpenSSL does not escape it.
func unescape(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' && i+1 < len(s) {
			switch next := s[i+1]; {
			case next == '/' || next == '+':
				c = next
				i++
			case next == 'x' && i+3 < len(s):
				if b, err := hex.DecodeString(s[i+2 : i+4]); err == nil {
					c = b[0]
					i += 3
				}
			}
		}
		out = append(out, c)
	}
	return out
}

// parseSlash reads the slash form. Older tools do not escape slashes and plus signs in values, so
// one begins a part only if "TYPE=" follows.
func parseSlash(s string) ([][]attribute, error) {
	var rdns [][]attribute
	for len(s) > 0 {
		oid, value := typeAt(s[1:])
		if oid == "" {
			return nil, fmt.Errorf("name: %q begins with no known attribute type", clip(s))
		}
		end := 0
		for ; end < len(value); end++ {
			if value[end] == '\\' && end+1 < len(value) && (value[end+1] == '/' || value[end+1] == '+') {
				end++
			} else if value[end] == '/' || value[end] == '+' {
				if next, _ := typeAt(value[end+1:]); next != "" {
					break
				}
			}
		}
		a := attribute{oid: oid, content: unescape(value[:end])}
		if s[0] == '+' {
			rdns[len(rdns)-1] = append(rdns[len(rdns)-1], a)
		} else {
			rdns = append(rdns, []attribute{a})
		}
		s = value[end:]
	}
	return rdns, nil
}

// typeAt splits "TYPE=rest". The object identifier is empty if s does not begin with a known type.
func typeAt(s string) (oid, rest string) {
	const longest = 100
	i := strings.IndexByte(s[:min(len(s), longest)], '=')
	if i < 0 {
		return "", ""
	}
	return oidOf(strings.Trim(s[:i], " ")), s[i+1:]
}

// rfc2253 writes what OpenSSL writes for -nameopt RFC2253,-esc_msb.
func rfc2253(rdns [][]attribute) string {
	var b strings.Builder
	for i := len(rdns) - 1; i >= 0; i-- {
		for j := len(rdns[i]) - 1; j >= 0; j-- {
			if b.Len() > 0 {
				b.WriteByte(",+"[min(len(rdns[i])-1-j, 1)])
			}
			a := rdns[i][j]
			b.WriteString(nameOf(a.oid))
			b.WriteByte('=')
			text, ok := looseText(a)
			if _, named := shortNames[a.oid]; named && ok {
				writeEscaped(&b, string(text))
			} else {
				b.WriteString("#" + strings.ToUpper(hex.EncodeToString(encodeValue(a))))
			}
		}
	}
	return b.String()
}

func encodeValue(a attribute) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cryptobyte_asn1.Tag(a.tag), func(b *cryptobyte.Builder) { b.AddBytes(a.content) })
	return b.BytesOrPanic() // cannot: the size is bounded
}

// writeEscaped writes a value with the escapes of RFC 2253 §2.4.
func writeEscaped(b *strings.Builder, s string) {
	for i, r := range s {
		first, last := i == 0, i+utf8.RuneLen(r) == len(s)
		switch {
		case r < ' ' || r == 0x7F:
			b.WriteString(`\` + hexDigits[r>>4:r>>4+1] + hexDigits[r&15:r&15+1])
			continue
		case strings.ContainsRune(`,+"\<>;`, r), r == '#' && first, r == ' ' && (first || last):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
}

var errRFC2253 = errors.New(`name: neither "/TYPE=value/…" nor "TYPE=value,…"`)

// parseRFC2253 reads that form, and the quotes, semicolons and blanks of RFC 1779.
func parseRFC2253(s string) ([][]attribute, error) {
	var rdns [][]attribute // last part first, as written
	for separator := byte(','); strings.TrimSpace(s) != ""; {
		oid, rest := typeAt(s)
		if oid == "" {
			return nil, errRFC2253
		}
		a, n, err := readValue(rest)
		if err != nil {
			return nil, err
		}
		a.oid = oid
		if separator == '+' {
			rdns[len(rdns)-1] = append(rdns[len(rdns)-1], a)
		} else {
			rdns = append(rdns, []attribute{a})
		}
		if n == len(rest) {
			break
		}
		separator, s = rest[n], rest[n+1:]
	}
	slices.Reverse(rdns)
	return rdns, nil
}

// readValue reads one value from the beginning of s, and how long it is.
func readValue(s string) (attribute, int, error) {
	var value []byte
	quoted, kept := false, 0 // blanks behind the first kept bytes of value are the separator's
	i := 0
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted, kept = !quoted, len(value)
		case c == '\\' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b, _ := hex.DecodeString(s[i+1 : i+3])
			value = append(value, b[0])
			i, kept = i+2, len(value)
		case c == '\\' && i+1 < len(s):
			value = append(value, s[i+1])
			i, kept = i+1, len(value)
		case !quoted && ends(s[i:]):
			return finish(s, value, kept), i, nil
		case c != ' ' || quoted:
			value = append(value, c)
			kept = len(value)
		case len(value) > 0:
			value = append(value, c)
		}
	}
	if quoted {
		return attribute{}, 0, errors.New("name: a quote is not closed")
	}
	return finish(s, value, kept), i, nil
}

// ends reports whether s begins with a separator. People forget to escape those in values, so
// "TYPE=" has to follow.
func ends(s string) bool {
	if s[0] != ',' && s[0] != ';' && s[0] != '+' {
		return false
	}
	oid, _ := typeAt(s[1:])
	return oid != ""
}

// finish makes an attribute of a value. One written as "#" and hexadecimal digits is DER.
func finish(written string, value []byte, kept int) attribute {
	value = value[:kept]
	if strings.HasPrefix(strings.TrimLeft(written, " "), "#") {
		if der, err := hex.DecodeString(string(value[1:])); err == nil {
			in, content, tag := cryptobyte.String(der), cryptobyte.String(nil), cryptobyte_asn1.Tag(0)
			if in.ReadAnyASN1(&content, &tag) && in.Empty() && tag != 0 {
				return attribute{tag: uint8(tag), content: content}
			}
		}
	}
	return attribute{content: value}
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

// clip shortens text for an error.
func clip(s string) string { return s[:min(len(s), 40)] }
