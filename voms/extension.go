package voms

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

const (
	maxExtensions   = 64 // in one attribute certificate
	maxCertificates = 16
	maxText         = 64 << 10 // of a part of a generic attribute
	maxHost         = 1024
)

// An extension is remembered for the checks on what has to be there, and what may not be critical.
type extension struct {
	oid      string // encoded
	critical bool
}

// extension returns the extension with the encoded object identifier oid, nil if there is none.
func (ac *AC) extension(oid string) *extension {
	i := slices.IndexFunc(ac.extensions, func(e extension) bool { return e.oid == oid })
	if i < 0 {
		return nil
	}
	return &ac.extensions[i]
}

// readExtensions reads the extensions that are known here and notes which others there are.
func (ac *AC) readExtensions(extensions cryptobyte.String) error {
	for !extensions.Empty() {
		var element, oid, value cryptobyte.String
		critical := false
		if !extensions.ReadASN1(&element, asn1.SEQUENCE) || !element.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
			element.PeekASN1Tag(asn1.BOOLEAN) && !element.ReadASN1Boolean(&critical) ||
			!element.ReadASN1(&value, asn1.OCTET_STRING) || !element.Empty() {
			return errors.New("one of its extensions is malformed")
		}
		if ac.extension(string(oid)) != nil {
			return errors.New("it has an extension twice")
		}
		ac.extensions = append(ac.extensions, extension{oid: string(oid), critical: critical})
		if len(ac.extensions) > maxExtensions {
			return fmt.Errorf("it has more than %d extensions", maxExtensions)
		}
		if err := ac.readExtension(string(oid), value); err != nil {
			return err
		}
	}
	return nil
}

func (ac *AC) readExtension(oid string, value cryptobyte.String) error {
	switch oid {
	case oidAttributes:
		return ac.readAttributes(value)
	case oidCertificates:
		return ac.readCertificates(value)
	case oidTargets:
		return ac.readTargets(value)
	case oidKeyID:
		return ac.readKeyID(value)
	case oidNoRevAvail:
		if string(value) != "\x05\x00" { // NULL
			return errors.New("its noRevAvail extension is malformed")
		}
	}
	return nil
}

// readAttributes reads generic attributes. There is one list for each authority; in practice one.
// Servers before 1.9 wrote a list of no authority.
func (ac *AC) readAttributes(value cryptobyte.String) error {
	bad := errors.New("its generic attributes are malformed")
	holders, ok := only(value, asn1.SEQUENCE, asn1.SEQUENCE)
	if !ok {
		return bad
	}
	for !holders.Empty() {
		var holder, list cryptobyte.String
		if !holders.ReadASN1(&holder, asn1.SEQUENCE) || !holder.SkipASN1(asn1.SEQUENCE) ||
			!holder.ReadASN1(&list, asn1.SEQUENCE) || !holder.Empty() {
			return bad
		}
		for !list.Empty() {
			var attribute cryptobyte.String
			if !list.ReadASN1(&attribute, asn1.SEQUENCE) {
				return bad
			}
			if err := ac.readAttribute(attribute); err != nil {
				return fmt.Errorf("a generic attribute in it %w", err)
			}
		}
	}
	return nil
}

func (ac *AC) readAttribute(attribute cryptobyte.String) error {
	var parts [3]string
	for i := range parts {
		var err error
		if parts[i], err = readText(&attribute, maxText); err != nil {
			return err
		}
	}
	if !attribute.Empty() || len(ac.Attributes) == MaxAttributes {
		return fmt.Errorf("is one of more than %d, or has more than a name, a value and a qualifier", MaxAttributes)
	}
	ac.Attributes = append(ac.Attributes, Attribute{Name: parts[0], Value: parts[1], Qualifier: parts[2]})
	return nil
}

func (ac *AC) readCertificates(value cryptobyte.String) error {
	list, ok := only(value, asn1.SEQUENCE, asn1.SEQUENCE)
	if !ok || list.Empty() {
		return errors.New("its list of the authority's certificates is empty or malformed")
	}
	for !list.Empty() {
		var der cryptobyte.String
		if !list.ReadASN1Element(&der, asn1.SEQUENCE) || len(ac.Certificates) == maxCertificates {
			return fmt.Errorf("its list of the authority's certificates is malformed or longer than %d", maxCertificates)
		}
		c, err := keyfile.Certificate(der)
		if err != nil {
			return fmt.Errorf("the authority's certificate in it is malformed: %w", err)
		}
		ac.Certificates = append(ac.Certificates, c)
	}
	return nil
}

// readTargets reads the hosts that the AC is meant for. VOMS wraps a sequence around each, RFC 5755
// section 4.3.2 does not. An empty list, as by voms-proxy-fake of 2.1.0, is met by no host.
func (ac *AC) readTargets(value cryptobyte.String) error {
	bad := errors.New("its targets are not hosts")
	list, ok := only(value, asn1.SEQUENCE, asn1.SEQUENCE)
	if !ok {
		return bad
	}
	for !list.Empty() {
		var target cryptobyte.String
		if !list.ReadAnyASN1Element(&target, nil) {
			return bad
		}
		if inner, ok := only(target, asn1.SEQUENCE); ok {
			target = inner
		}
		host, ok := only(target, tag0, tagURI)
		if !ok || len(host) > maxHost || !printable(string(host)) {
			return bad
		}
		if ac.Targets = append(ac.Targets, string(host)); len(ac.Targets) > MaxTargets {
			return fmt.Errorf("it has more than %d targets", MaxTargets)
		}
	}
	return nil
}

// readKeyID reads the key identifier of AuthorityKeyIdentifier, RFC 5280 section 4.2.1.1. The
// other way to name a certificate, by issuer and serial number, is of no use here.
func (ac *AC) readKeyID(value cryptobyte.String) error {
	id, ok := only(value, asn1.SEQUENCE)
	if !ok {
		return errors.New("its authorityKeyIdentifier is malformed")
	}
	var key cryptobyte.String
	if id.ReadASN1(&key, tagKeyID) {
		ac.keyID = key
	}
	return nil
}
