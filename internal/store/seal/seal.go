// Package seal keeps secrets unreadable at rest: it encrypts single database cells under versioned
// master keys and binds each to its place, so that one copied to another row does not open. It
// imports the standard library, fault and material only.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrSealed is returned for what does not open: altered, moved from another place, or sealed with
// another key.
var ErrSealed = errors.New("sealed text does not open in this place")

// A Place is where a sealed text stands. It opens nowhere else.
type Place struct {
	Table, Column string
	// Row is the row's id, Owner who the secret belongs to.
	Row, Owner string
}

// purpose selects the derived key.
func (p Place) purpose() string { return p.Table + "." + p.Column }

// additional encodes the place and the key id so that no two places have the same encoding.
func (p Place) additional(kid string) []byte {
	var b []byte
	for _, s := range []string{p.Table, p.Column, p.Row, p.Owner, kid} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// A Box seals and opens. It is safe for concurrent use.
type Box struct {
	current string
	aeads   map[string]cipher.AEAD // by key id and purpose
}

// NewBox derives from each master key one AES-256-GCM key per purpose ("table.column") by
// HKDF-SHA256 (RFC 5869). A Box seals and opens for these purposes only.
func NewBox(keys Keys, purposes ...string) (*Box, error) {
	if _, ok := keys.ByID[keys.Current]; !ok {
		return nil, fmt.Errorf("master key %q is not among the keys", keys.Current)
	}
	b := &Box{current: keys.Current, aeads: map[string]cipher.AEAD{}}
	for kid, master := range keys.ByID {
		if !isKeyID(kid) {
			return nil, fmt.Errorf("%q is not a key id", kid)
		}
		for _, purpose := range purposes {
			key, err := hkdf.Key(sha256.New, master[:], nil, "lanyard seal v1 "+purpose, 32)
			if err != nil {
				return nil, fmt.Errorf("derive key: %w", err)
			}
			block, err := aes.NewCipher(key)
			if err != nil {
				return nil, fmt.Errorf("derive key: %w", err)
			}
			// Random nonces of 96 bits are safe for 2^32 texts under one derived key.
			if b.aeads[kid+":"+purpose], err = cipher.NewGCMWithRandomNonce(block); err != nil {
				return nil, fmt.Errorf("derive key: %w", err)
			}
		}
	}
	return b, nil
}

// Seal returns text encrypted for the place p, as "v1:", the key's id, ":", nonce and ciphertext.
func (b *Box) Seal(p Place, text []byte) ([]byte, error) {
	aead, ok := b.aeads[b.current+":"+p.purpose()]
	if !ok {
		return nil, fmt.Errorf("nothing is sealed in %s", p.purpose())
	}
	return aead.Seal([]byte("v1:"+b.current+":"), nil, text, p.additional(b.current)), nil
}

// Open returns what was sealed for the place p, or ErrSealed.
func (b *Box) Open(p Place, sealed []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(sealed, []byte("v1:"))
	if !ok {
		return nil, fmt.Errorf("%w: unknown version", ErrSealed)
	}
	kid, body, ok := bytes.Cut(rest, []byte(":"))
	if !ok || !isKeyID(string(kid)) {
		return nil, fmt.Errorf("%w: no key id", ErrSealed)
	}
	aead, ok := b.aeads[string(kid)+":"+p.purpose()]
	if !ok {
		return nil, fmt.Errorf("%w: there is no master key %s", ErrSealed, kid)
	}
	text, err := aead.Open(nil, nil, body, p.additional(string(kid)))
	if err != nil {
		return nil, ErrSealed // what the cipher says tells nothing more
	}
	return text, nil
}
