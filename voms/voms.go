// Package voms is about the attribute certificates with which virtual organisations say what a
// person may do: it reads, prints, verifies and creates them, as RFC 5755 and the field's own
// extensions (GFD.182) have them, together with fully qualified attribute names (FQANs) and the
// LSC files that say whose word counts for a VO. It imports the standard library,
// golang.org/x/crypto and the packages proxycert, dn, keyfile and trust only.
package voms

import (
	"crypto/x509"
	"errors"
	"math/big"
	"time"
)

var errNotYet = errors.New("voms: not written yet")

// An AC is an attribute certificate as Parse read it. Nothing in it can be relied on before a
// Verifier has accepted it.
type AC struct {
	Raw          []byte // the whole certificate, DER
	Version      int    // 2
	VO           string
	Host         string // of the VO's attribute authority, as the AC names it; finds the LSC file
	Port         int
	Holder       Holder
	Issuer       string // the attribute authority's name, in slash form
	RawIssuer    []byte // the same, DER
	Serial       *big.Int
	NotBefore    time.Time
	NotAfter     time.Time
	FQANs        []string // primary first, in the form in which the AC has them
	Attributes   []Attribute
	Targets      []string            // hosts that the AC is meant for; empty: all
	Certificates []*x509.Certificate // of the attribute authority, its own first
}

// A Holder is whom an AC was issued to.
type Holder struct {
	Name   string   // in slash form
	Raw    []byte   // the same, DER
	Serial *big.Int // of the end-entity certificate
}

// An Attribute is a generic attribute. The qualifier is the VO for what hangs on the person, and
// a group or a role for what hangs on that.
type Attribute struct{ Name, Value, Qualifier string }

// String returns "name = value (qualifier)".
func (a Attribute) String() string { return a.Name + " = " + a.Value + " (" + a.Qualifier + ")" }

// URI returns the authority's host and port, as host:port.
func (ac *AC) URI() string { return "" }

// Parse reads one attribute certificate, DER.
func Parse(der []byte) (*AC, error) { return nil, errNotYet }

// Parsed is one attribute certificate of several, or why it could not be read.
type Parsed struct {
	AC  *AC
	Err error
}

// FromChain reads the attribute certificates of a proxy. chain goes from leaf to end-entity; the
// first certificate that has the extension counts. No extension at all is no error.
func FromChain(chain []*x509.Certificate) ([]Parsed, error) { return nil, errNotYet }

// ParseExtension reads the value of a proxy's attribute certificate extension.
func ParseExtension(value []byte) ([]Parsed, error) { return nil, errNotYet }

// Extension returns the value of the extension for the given certificates (DER).
func Extension(acs ...[]byte) ([]byte, error) { return nil, errNotYet }
