// Package opaque makes what is only ever compared: our tokens, of a form that secret scanners and
// typing mistakes meet, and the hashes that the store knows them by. It imports material.
package opaque

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"

	"github.com/lanyardhq/lanyard/material"
)

// Our tokens read lyt_ + 52 base-32 characters (260 random bits) + 7 that are the CRC-32 (IEEE) of
// those, so that secret scanners recognise them and a mistyped one never reaches the database.
const (
	tokenPrefix = "lyt_"
	tokenBody   = 52
	tokenSum    = 7
)

// Mint makes a new token and the hash that the store knows it by.
func Mint() (text material.Secret, hash string) { return written(Random()) }

// written returns the token with the body.
func written(body string) (text material.Secret, hash string) {
	s := tokenPrefix + body + checksum(body)
	return material.Secret(s), Digest(s)
}

// Successor derives the refresh token that takes the place of another, by HMAC-SHA-512 of a random
// salt under that token's text. The salt is stored and the text is not: only both together tell
// it, so whoever shows the token again can be given the same successor, and a copy of the database
// is worth nothing.
func Successor(token material.Secret, salt string) (text material.Secret, hash string) {
	mac := hmac.New(sha512.New, []byte(token.Reveal()))
	mac.Write([]byte("refresh\n" + salt))
	return written(base32.StdEncoding.EncodeToString(mac.Sum(nil))[:tokenBody])
}

// WellFormed reports whether the checksum of a token fits.
func WellFormed(token material.Secret) bool {
	s, ok := strings.CutPrefix(token.Reveal(), tokenPrefix)
	return ok && len(s) == tokenBody+tokenSum && checksum(s[:tokenBody]) == s[tokenBody:]
}

func checksum(body string) string {
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body)))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum)
}

// Random returns 52 letters and digits, 260 bits.
func Random() string { return rand.Text() + rand.Text() }

// Digest is how every secret that is only ever compared is kept: hex SHA-256. What it is made of
// is random enough to need no salt.
func Digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Equal compares in a time that tells nothing of where they differ.
func Equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
