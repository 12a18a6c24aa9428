// Package dn is about distinguished names as the grid writes them: in OpenSSL's slash form
// (/DC=org/CN=Ada) and in that of RFC 2253 (CN=Ada,DC=org). It makes both from the bytes of a
// certificate, reads both as people and tools write them, and compares names as the grid's tools
// do. Names stay in the order and with the string types of their encoding, which crypto/x509/pkix
// does not keep.
//
// It imports the standard library and golang.org/x/crypto only.
package dn

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Limits on what is read: names of real certificates stay far below.
const (
	maxSize       = 64 << 10    // bytes of DER
	maxText       = 4 * maxSize // each byte may be written as \xHH
	maxAttributes = 256
)

// A Name is a distinguished name that can be compared. The zero Name is the empty name.
type Name struct {
	rdns [][]attribute
	key  string // equal for equal names
}

// An attribute is one TYPE=value of a name.
type attribute struct {
	oid     string // dotted
	tag     uint8  // of the value's ASN.1 type, 0 if the name was read from text
	content []byte // the value's bytes without tag and length
}

// Of reads the DER encoding of a Name (RFC 5280 §4.1.2.4), as in RawSubject and RawIssuer of an
// x509.Certificate.
func Of(rawName []byte) (Name, error) {
	rdns, err := decode(rawName)
	if err != nil {
		return Name{}, err
	}
	return newName(rdns), nil
}

// Parse reads a name in slash form, if it begins with a slash, or else in the form of RFC 2253.
// Types may have any of their usual names in upper or lower case: E, Email and emailAddress are one,
// so are UID and USERID, and ST, S and SP. In slash form "\/", "\+" and "\xHH" stand for a
// character of a value; a slash that no "TYPE=" follows belongs to the value before it.
func Parse(text string) (Name, error) {
	if len(text) > maxText {
		return Name{}, fmt.Errorf("name of %d bytes: at most %d are read", len(text), maxText)
	}
	parse := parseRFC2253
	if strings.HasPrefix(text, "/") {
		parse = parseSlash
	}
	rdns, err := parse(text)
	if err != nil {
		return Name{}, err
	}
	if n := count(rdns); n > maxAttributes {
		return Name{}, fmt.Errorf("name of %d attributes: at most %d are read", n, maxAttributes)
	}
	return newName(rdns), nil
}

func newName(rdns [][]attribute) Name {
	return Name{rdns: rdns, key: string(canonical(rdns, looseText))}
}

// Equal reports whether both are the same name: the same types in the same order, with values that
// differ at most in ASCII case, in blanks, or in the string type that encodes them (RFC 5280 §7.1).
func (n Name) Equal(o Name) bool { return n.key == o.key }

// Key returns a text of 64 hexadecimal digits that equal names share, for maps and databases.
func (n Name) Key() string {
	sum := sha256.Sum256([]byte(n.key))
	return hex.EncodeToString(sum[:])
}

// String returns the slash form.
func (n Name) String() string { return slash(n.rdns) }

// DER returns the encoding. In a Name of Parse, values of DC and emailAddress become IA5Strings, all
// others PrintableStrings where they can be and else UTF8Strings (RFC 5280 §4.1.2.4).
func (n Name) DER() ([]byte, error) { return encode(n.rdns) }

// Slash returns the DER encoded name as OpenSSL 3.0.19 and voms-proxy-info print it: bytes outside
// 0x20-0x7E as \xHH, slashes and plus signs inside values behind a backslash. It returns "" for
// what is no name.
func Slash(rawName []byte) string {
	rdns, err := decode(rawName)
	if err != nil {
		return ""
	}
	return slash(rdns)
}

// RFC2253 returns the DER encoded name in the form of RFC 2253: last part first, in UTF-8. Types
// have OpenSSL's names; values of types without a name are written as "#" and the hexadecimal
// encoding. It returns "" for what is no name.
func RFC2253(rawName []byte) string {
	rdns, err := decode(rawName)
	if err != nil {
		return ""
	}
	return rfc2253(rdns)
}

// Canonical returns the bytes over which OpenSSL takes the hash that names the files of a CA: the
// parts of the name in sequence, values as UTF8Strings in lower case with single blanks.
func Canonical(rawName []byte) ([]byte, error) {
	rdns, err := decode(rawName)
	if err != nil {
		return nil, err
	}
	return canonical(rdns, strictText), nil
}

// Folded returns the name for matching against a pattern that Fold has folded.
func (n Name) Folded() string {
	var b strings.Builder
	for _, rdn := range n.rdns {
		for i, a := range rdn {
			b.WriteByte("/+"[min(i, 1)])
			b.WriteString(nameOf(a.oid))
			b.WriteByte('=')
			text, _ := looseText(a)
			b.Write(text)
		}
	}
	return foldText(b.String())
}

// Fold brings a pattern in slash form, of a signing policy say, to the form that Folded has: lower
// case, single blanks, no escapes, and one spelling of each type.
func Fold(pattern string) string { return foldText(string(unescape(pattern))) }

var typeSpellings = strings.NewReplacer("/email=", "/emailaddress=", "/e=", "/emailaddress=", "/userid=", "/uid=")

func foldText(s string) string { return typeSpellings.Replace(string(foldBytes([]byte(s)))) }

// foldBytes lowers ASCII letters and folds blanks to single ones, none at the ends. It leaves other
// characters alone, as OpenSSL does: two that merely look alike must not become equal.
func foldBytes(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, word := range bytes.FieldsFunc(b, func(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' }) {
		if len(out) > 0 {
			out = append(out, ' ')
		}
		for _, c := range word {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			out = append(out, c)
		}
	}
	return out
}

func count(rdns [][]attribute) int {
	n := 0
	for _, rdn := range rdns {
		n += len(rdn)
	}
	return n
}
