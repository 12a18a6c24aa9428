package oidcsocket

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/crypto/nacl/box"
	"golang.org/x/crypto/nacl/secretbox"
)

// Messages are encrypted with XSalsa20-Poly1305 under a key that both sides agree on by X25519 (NaCl's
// crypto_box_beforenm). What is encrypted is LEN:NONCE:CIPHER: the length of the plain text in
// decimal, then 24 and LEN+16 bytes in base64.

const (
	keyText   = 44 // characters of a public key
	nonceText = 32 // characters of a nonce
	maxDigits = 6  // of LEN
)

var errSealed = errors.New("Bad Request: could not decrypt") //nolint:staticcheck // a text of the protocol

// agree answers the client's public key with our own, and returns the common key.
func agree(theirs []byte) (common *[32]byte, ours []byte, err error) {
	var peer [32]byte
	raw, err := base64.StdEncoding.Strict().DecodeString(string(theirs))
	if err != nil || len(raw) != len(peer) {
		return nil, nil, errors.New("Bad Request: that is no public key") //nolint:staticcheck // a text of the protocol
	}
	copy(peer[:], raw)
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	defer clear(private[:])
	common = new([32]byte)
	box.Precompute(common, &peer, private)
	return common, []byte(base64.StdEncoding.EncodeToString(public[:])), nil
}

// sealedLength is how long the encrypted message that begins with head is; 0 if too little of it is
// there to know.
func sealedLength(head []byte) (int, error) {
	digits := bytes.IndexByte(head, ':')
	if digits < 0 && len(head) <= maxDigits {
		return 0, nil
	}
	if digits <= 0 || digits > maxDigits {
		return 0, errSealed
	}
	n, err := strconv.ParseUint(string(head[:digits]), 10, 32)
	if err != nil {
		return 0, errSealed
	}
	whole := digits + 1 + nonceText + 1 + base64.StdEncoding.EncodedLen(int(n)+secretbox.Overhead)
	if whole > maxMessage {
		return 0, errSealed
	}
	return whole, nil
}

// open decrypts a message of the length that sealedLength says.
func open(message []byte, key *[32]byte) ([]byte, error) {
	parts := bytes.Split(message, []byte(":"))
	if len(parts) != 3 {
		return nil, errSealed
	}
	var nonce [24]byte
	n, nonceErr := base64.StdEncoding.Strict().DecodeString(string(parts[1]))
	sealed, err := base64.StdEncoding.Strict().DecodeString(string(parts[2]))
	if err != nil || nonceErr != nil || len(n) != len(nonce) || strconv.Itoa(len(sealed)-secretbox.Overhead) != string(parts[0]) {
		return nil, errSealed
	}
	copy(nonce[:], n)
	plain, ok := secretbox.Open(nil, sealed, &nonce, key)
	if !ok {
		return nil, errSealed
	}
	return plain, nil
}

// seal encrypts a message.
func seal(plain []byte, key *[32]byte) ([]byte, error) {
	var nonce [24]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, err
	}
	encode := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, "%d:%s:%s", len(plain), encode(nonce[:]), encode(secretbox.Seal(nil, plain, &nonce, key))), nil
}
