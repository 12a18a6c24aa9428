// Package dn is about distinguished names as the grid writes them: in OpenSSL's slash form and in
// that of RFC 2253, made from the bytes of a certificate and compared as the grid's tools compare
// them. It imports the standard library and golang.org/x/crypto only.
package dn

import "errors"

var errNotYet = errors.New("not written yet")

// A Name is a distinguished name that can be compared.
type Name struct{ slash string }

// Slash returns the slash form of a DER Name.
func Slash(rawName []byte) string { return "" }

// RFC2253 returns the form of RFC 2253 of a DER Name.
func RFC2253(rawName []byte) string { return "" }

// Of reads a DER Name.
func Of(rawName []byte) (Name, error) { return Name{}, errNotYet }

// Parse reads a name in either text form.
func Parse(text string) (Name, error) { return Name{}, errNotYet }

// Equal reports whether both are the same name.
func (n Name) Equal(o Name) bool { return n == o }

// String returns the slash form.
func (n Name) String() string { return n.slash }

// DER returns the encoding.
func (n Name) DER() ([]byte, error) { return nil, errNotYet }
