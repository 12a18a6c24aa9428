package dn

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The string types that encoding/asn1 has no constant for.
const (
	tagVisibleString   = 26
	tagUniversalString = 28
)

var errNoName = errors.New("not a DER encoded distinguished name")

// decode reads a Name: a SEQUENCE of SETs of SEQUENCEs of a type and a value.
func decode(raw []byte) ([][]attribute, error) {
	if len(raw) > maxSize {
		return nil, fmt.Errorf("name of %d bytes: at most %d are read", len(raw), maxSize)
	}
	in, all := cryptobyte.String(raw), cryptobyte.String(nil)
	if !in.ReadASN1(&all, cryptobyte_asn1.SEQUENCE) || !in.Empty() {
		return nil, errNoName
	}
	var rdns [][]attribute
	for n := 0; !all.Empty(); {
		var set cryptobyte.String
		if !all.ReadASN1(&set, cryptobyte_asn1.SET) || set.Empty() {
			return nil, errNoName
		}
		var rdn []attribute
		for ; !set.Empty(); n++ {
			a, ok := readAttribute(&set)
			if !ok {
				return nil, errNoName
			}
			if n == maxAttributes {
				return nil, fmt.Errorf("name of more than %d attributes", maxAttributes)
			}
			rdn = append(rdn, a)
		}
		rdns = append(rdns, rdn)
	}
	return rdns, nil
}

func readAttribute(in *cryptobyte.String) (attribute, bool) {
	var pair, value cryptobyte.String
	var oid asn1.ObjectIdentifier
	var tag cryptobyte_asn1.Tag
	ok := in.ReadASN1(&pair, cryptobyte_asn1.SEQUENCE) && pair.ReadASN1ObjectIdentifier(&oid) &&
		pair.ReadAnyASN1(&value, &tag) && pair.Empty() && tag != 0
	return attribute{oid.String(), uint8(tag), value}, ok
}

// encode writes a Name.
func encode(rdns [][]attribute) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, rdn := range rdns {
			var members [][]byte
			for _, a := range rdn {
				if a.tag == 0 {
					a.tag, a.content = chooseType(a)
				}
				members = append(members, encodeAttribute(a))
			}
			addSet(b, members)
		}
	})
	return b.Bytes()
}

// addSet writes a SET OF, whose members DER has in ascending order.
func addSet(b *cryptobyte.Builder, members [][]byte) {
	slices.SortFunc(members, bytes.Compare)
	b.AddASN1(cryptobyte_asn1.SET, func(b *cryptobyte.Builder) {
		for _, m := range members {
			b.AddBytes(m)
		}
	})
}

func encodeAttribute(a attribute) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(arcs(a.oid))
		b.AddASN1(cryptobyte_asn1.Tag(a.tag), func(b *cryptobyte.Builder) { b.AddBytes(a.content) })
	})
	return b.BytesOrPanic() // cannot: the type was checked when it was read, the size is bounded
}

// chooseType picks the string type for a value that somebody wrote.
func chooseType(a attribute) (uint8, []byte) {
	text, _ := looseText(a)
	switch {
	case (a.oid == oidDomainComponent || a.oid == oidEmailAddress) && ascii(text):
		return asn1.TagIA5String, text
	case printable(text):
		return asn1.TagPrintableString, text
	}
	return asn1.TagUTF8String, text
}

func ascii(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c >= 0x80 }) }

func printable(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		return !letter && !strings.ContainsRune(" '()+,-./:=?", rune(c))
	})
}

// arcs splits a dotted object identifier, which must be one.
func arcs(oid string) asn1.ObjectIdentifier {
	var out asn1.ObjectIdentifier
	for part := range strings.SplitSeq(oid, ".") {
		n, _ := strconv.ParseInt(part, 10, 32)
		out = append(out, int(n))
	}
	return out
}

// dotted reports whether s is an object identifier whose numbers fit.
func dotted(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) < 2 || len(parts) > 32 {
		return false
	}
	var numbers []int64
	for _, part := range parts {
		n, err := strconv.ParseInt(part, 10, 32)
		if err != nil || n < 0 || part != strconv.FormatInt(n, 10) {
			return false
		}
		numbers = append(numbers, n)
	}
	return numbers[0] == 2 || numbers[0] < 2 && numbers[1] < 40
}

// canonical writes the parts of a name without the outer SEQUENCE. Values that text takes for
// characters are folded and become UTF8Strings.
func canonical(rdns [][]attribute, text func(attribute) ([]byte, bool)) []byte {
	var b cryptobyte.Builder
	for _, rdn := range rdns {
		var members [][]byte
		for _, a := range rdn {
			if s, ok := text(a); ok {
				a.tag, a.content = asn1.TagUTF8String, foldBytes(s)
			}
			members = append(members, encodeAttribute(a))
		}
		addSet(&b, members)
	}
	return b.BytesOrPanic() // cannot: sizes are bounded
}

// strictText returns a value in UTF-8 as OpenSSL understands its string type, false for one that it
// does not take for characters.
func strictText(a attribute) ([]byte, bool) {
	switch a.tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, tagVisibleString:
		return a.content, true
	case asn1.TagT61String:
		return latin1(a.content), true
	case asn1.TagBMPString:
		return bmp(a.content)
	case tagUniversalString:
		return universal(a.content)
	}
	return a.content, false
}

// looseText returns a value in UTF-8. What is no UTF-8 is Latin-1, whatever the type says: old
// authorities put either into a T61String, and text that people wrote has no type at all.
func looseText(a attribute) ([]byte, bool) {
	switch a.tag {
	case asn1.TagBMPString, tagUniversalString:
		return strictText(a)
	case 0, asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, tagVisibleString,
		asn1.TagT61String, asn1.TagNumericString, asn1.TagGeneralString:
		if utf8.Valid(a.content) {
			return a.content, true
		}
		return latin1(a.content), true
	}
	return a.content, false
}

func latin1(b []byte) []byte {
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}

func bmp(b []byte) ([]byte, bool) {
	if len(b)%2 != 0 {
		return b, false
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return []byte(string(utf16.Decode(units))), true
}

func universal(b []byte) ([]byte, bool) {
	if len(b)%4 != 0 {
		return b, false
	}
	var out []byte
	for i := 0; i < len(b); i += 4 {
		out = utf8.AppendRune(out, rune(min(binary.BigEndian.Uint32(b[i:]), utf8.MaxRune+1)))
	}
	return out, true
}
