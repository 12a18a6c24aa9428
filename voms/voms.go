// Package voms is about the attribute certificates with which virtual organisations say what a
// person may do: it reads, verifies and creates them, as RFC 5755 and the field's own extensions
// (GFD.182) have them, together with fully qualified attribute names (FQANs) and the LSC files
// that say whose word counts for a VO.
//
// Reading is strict about form, so that whatever was read can be shown and used as a file name
// without harm. Whether it is true is for a Verifier to say. Every attribute certificate is judged
// by itself: a bad one does not take away what a good one beside it says.
//
// The package imports the standard library, golang.org/x/crypto and the packages proxycert, dn,
// keyfile and trust only, and never asks for the time.
package voms

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The limits of what is read and made. What is in use stays far below them.
const (
	MaxExtension  = 512 << 10 // bytes
	MaxACs        = 32        // in one proxy
	MaxFQANs      = 1000
	MaxFQAN       = 255 // bytes
	MaxAttributes = 1000
	MaxTargets    = 64
)

// An AC is an attribute certificate as Parse read it. Nothing in it can be relied on before a
// Verifier has accepted it.
type AC struct {
	Raw          []byte // the whole certificate, DER
	Version      int    // 2
	VO           string // printable, and safe as a file name; so is Host
	Host         string // of the VO's attribute authority, as the AC names it; finds the LSC file
	Port         int
	Holder       Holder
	Issuer       string // the attribute authority's name, in slash form
	RawIssuer    []byte // the same, DER
	Serial       *big.Int
	NotBefore    time.Time
	NotAfter     time.Time
	FQANs        []string // primary first, in the form in which the AC has them; see ParseFQAN
	Attributes   []Attribute
	Targets      []string            // hosts that the AC is meant for; nil mostly, which means all
	Certificates []*x509.Certificate // of the attribute authority, its own first

	signed             []byte // what the signature covers
	algorithm          []byte // AlgorithmIdentifier within signed
	signatureAlgorithm []byte // AlgorithmIdentifier beside the signature
	signature          []byte
	extensions         []extension
	keyID              []byte // of the authority's key; nil if the AC does not say
}

// A Holder is whom an AC was issued to.
type Holder struct {
	Name   string   // in slash form
	Raw    []byte   // the same, DER
	Serial *big.Int // of the end-entity certificate
}

// An Attribute is a generic attribute. The qualifier is the VO for what hangs on the person, and
// a group or a role for what hangs on that. Values and qualifiers may be empty.
type Attribute struct{ Name, Value, Qualifier string }

// String returns "name = value (qualifier)".
func (a Attribute) String() string { return a.Name + " = " + a.Value + " (" + a.Qualifier + ")" }

// URI returns the authority's address, host:port.
func (ac *AC) URI() string { return net.JoinHostPort(ac.Host, strconv.Itoa(ac.Port)) }

// Parsed is one attribute certificate of several, or why it could not be read.
type Parsed struct {
	AC  *AC
	Err error // an *Error with the Reason Malformed
}

// FromChain reads the attribute certificates of a proxy. chain goes from leaf to end-entity; the
// first certificate that has the extension counts, and hides those of the others. No extension at
// all is no error.
func FromChain(chain []*x509.Certificate) ([]Parsed, error) {
	for _, c := range chain {
		if value := proxycert.Extension(c); value != nil {
			return ParseExtension(value)
		}
	}
	return nil, nil
}

// ParseExtension reads the value of a proxy's attribute certificate extension. The error, an
// *Error with the Reason Malformed, says that the list itself is broken, too long or empty.
func ParseExtension(value []byte) ([]Parsed, error) {
	list, err := readList(value)
	if err != nil {
		return nil, malformed("the proxy's extension for attribute certificates", err)
	}
	all := make([]Parsed, 0, len(list))
	for _, der := range list {
		ac, err := Parse(der)
		all = append(all, Parsed{AC: ac, Err: err})
	}
	return all, nil
}

// readList takes the two sequences off that VOMS wraps around attribute certificates.
func readList(value []byte) ([][]byte, error) {
	if len(value) > MaxExtension {
		return nil, fmt.Errorf("it is longer than %d bytes", MaxExtension)
	}
	acs, ok := only(value, asn1.SEQUENCE, asn1.SEQUENCE)
	if !ok {
		return nil, errors.New("it is no list of certificates, or something follows the list")
	}
	var list [][]byte
	for !acs.Empty() {
		var ac cryptobyte.String
		if !acs.ReadASN1Element(&ac, asn1.SEQUENCE) {
			return nil, errors.New("something in the list is no certificate")
		}
		if list = append(list, ac); len(list) > MaxACs {
			return nil, fmt.Errorf("it has more than %d certificates", MaxACs)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("its list is empty")
	}
	return list, nil
}

// Extension returns the value of the extension for the given certificates (DER), in their order:
// what proxycert.Template takes as Attributes.
func Extension(acs ...[]byte) ([]byte, error) {
	var b cryptobyte.Builder
	nest(&b, raw(bytes.Join(acs, nil)), asn1.SEQUENCE, asn1.SEQUENCE)
	value, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode attribute certificates: %w", err)
	}
	all, err := ParseExtension(value)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		if one.Err != nil {
			return nil, one.Err
		}
	}
	return value, nil
}
