package wire

import (
	"crypto/rand"
	"crypto/sha256"
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/material"
)

// Lengths of codes in letters of the alphabet, 5.6 bits each.
const (
	alphabet    = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
	codeLetters = 24
	shortLength = 64
)

const (
	// MinToken is how many bytes a token has at least: that is how short tokens and transfer codes
	// are told apart.
	MinToken = 32
	// CodeLife is how long codes live, other than short tokens.
	CodeLife = 300 * time.Second
)

// NewCode makes a code of a flow and its hash, which is all that is stored.
func NewCode() (material.Secret, []byte) { return code(codeLetters) }

func code(letters int) (material.Secret, []byte) {
	text := make([]byte, 0, letters)
	for random := make([]byte, 2*letters); len(text) < letters; {
		_, _ = rand.Read(random) // never fails
		for _, b := range random {
			// Bytes beyond the last multiple are thrown away, so that all letters are equally likely.
			if int(b) < 256/len(alphabet)*len(alphabet) && len(text) < letters {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return material.Secret(text), Hash(material.Secret(text))
}

// Hash is what the store finds a code by.
func Hash(code material.Secret) []byte {
	sum := sha256.Sum256([]byte(code.Reveal()))
	return sum[:]
}

// Short makes a short token of g.
func Short(g delegation.SubGrant) (material.Secret, delegation.Code) {
	text, sum := code(shortLength)
	return text, delegation.Code{Hash: sum, Purpose: delegation.ForShort, SubGrantID: g.ID, Seq: g.Seq, Form: delegation.FormShort, ExpiresAt: g.ExpiresAt}
}

// Transfer makes a transfer code that is changed into the token of g in a form.
func Transfer(g delegation.SubGrant, form delegation.Form, now time.Time) (material.Secret, delegation.Code) {
	text, sum := code(codeLetters)
	return text, delegation.Code{Hash: sum, Purpose: delegation.ForTransfer, SubGrantID: g.ID, Seq: g.Seq, Form: form, ExpiresAt: now.Add(CodeLife)}
}
