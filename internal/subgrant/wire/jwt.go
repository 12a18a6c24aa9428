package wire

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha3"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	_ "crypto/sha512" // the hash of ES384

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/wlcg"
)

// Algorithm signs mytokens. Clients take a token for a JWT only if the length of its signature is a
// multiple of 3 bytes, which is not so for ES256; ES384 is a quarter of the work of ES512.
const Algorithm = wlcg.ES384

const (
	// header is the only one that our tokens have. There is no key id: it has always been so, and
	// libraries of others do not expect one.
	header    = `{"alg":"ES384","typ":"MT+JWT"}`
	signature = 96 // bytes: r and s
)

// claims are what a token says, in this order.
type claims struct {
	Version      string                  `json:"ver"`
	Type         string                  `json:"token_type"`
	Issuer       string                  `json:"iss"`
	Subject      string                  `json:"sub"`
	Seq          int64                   `json:"seq_no"`
	Name         string                  `json:"name,omitempty"`
	Audience     string                  `json:"aud"`
	OIDCSubject  string                  `json:"oidc_sub"`
	OIDCIssuer   string                  `json:"oidc_iss"`
	Capabilities delegation.Capabilities `json:"capabilities"`
	Expires      int64                   `json:"exp,omitempty"`
	NotBefore    int64                   `json:"nbf"`
	IssuedAt     int64                   `json:"iat"`
	AuthTime     int64                   `json:"auth_time"`
	ID           string                  `json:"jti"`
	Restrictions any                     `json:"restrictions,omitempty"`
	Rotation     *delegation.Rotation    `json:"rotation,omitempty"`
}

// claimsOf are those of the token of g in force.
func (m Maker) claimsOf(g delegation.SubGrant) claims {
	sum := sha3.Sum256([]byte(g.Subject + "@" + g.Issuer))
	c := claims{Version: "0.7", Type: "mytoken", Issuer: m.Issuer, Audience: m.Issuer, Subject: base64.StdEncoding.EncodeToString(sum[:]),
		Seq: g.Seq, Name: g.Name, OIDCSubject: g.Subject, OIDCIssuer: g.Issuer, Capabilities: g.Capabilities,
		IssuedAt: g.IssuedAt.Unix(), NotBefore: g.IssuedAt.Unix(), AuthTime: g.CreatedAt.Unix(), ID: g.ID}
	if begin := delegation.Beginning(g.Clauses); begin.After(g.IssuedAt) {
		c.NotBefore = begin.Unix()
	}
	if !g.ExpiresAt.IsZero() {
		c.Expires = g.ExpiresAt.Unix()
	}
	if len(g.Clauses) > 0 {
		c.Restrictions = g.Clauses
	}
	if g.Rotation.Active() {
		c.Rotation = &g.Rotation
	}
	return c
}

// Describe is what the token of g says, with the uses so far in each restriction.
func (m Maker) Describe(g delegation.SubGrant) (json.RawMessage, error) {
	c := m.claimsOf(g)
	if len(g.Clauses) > 0 {
		used := make([]delegation.Used, len(g.Clauses))
		for i, clause := range g.Clauses {
			used[i] = delegation.Used{Clause: clause, Count: g.Counts[i]}
		}
		c.Restrictions = used
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode claims: %w", err)
	}
	return text, nil
}

func unsigned(c claims) (string, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encode token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(body), nil
}

// length is that of the JWT of g.
func (m Maker) length(g delegation.SubGrant) (int, error) {
	text, err := unsigned(m.claimsOf(g))
	return len(text) + 1 + base64.RawURLEncoding.EncodedLen(signature), err
}

// sign makes the JWT of g.
func (m Maker) sign(g delegation.SubGrant, now time.Time) (material.Secret, error) {
	text, err := unsigned(m.claimsOf(g))
	if err != nil {
		return "", err
	}
	key, err := m.Keys.Signer(Algorithm, now)
	if err != nil {
		return "", err
	}
	der, err := key.Signer.Sign(rand.Reader, digest(text), crypto.SHA384)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	var n struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &n); err != nil || len(rest) > 0 || n.R.BitLen() > 8*signature/2 || n.S.BitLen() > 8*signature/2 {
		return "", errors.New("sign token: the key makes other signatures than " + Algorithm)
	}
	raw := make([]byte, signature)
	n.R.FillBytes(raw[:signature/2])
	n.S.FillBytes(raw[signature/2:])
	return material.Secret(text + "." + base64.RawURLEncoding.EncodeToString(raw)), nil
}

func digest(text string) []byte {
	h := crypto.SHA384.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Read verifies a JWT and says what it names. Everything but the header that we write is refused
// unread, so that there is nothing to choose for who made it. What it says besides id and seq_no is
// not believed: the row is.
func (m Maker) Read(token material.Secret) (delegation.Shown, error) {
	parts := strings.SplitN(token.Reveal(), ".", 4)
	if len(parts) != 3 {
		return delegation.Shown{}, delegation.Malformed("token contains an invalid number of segments")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if parts[0] != base64.RawURLEncoding.EncodeToString([]byte(header)) || err != nil || len(raw) != signature {
		return delegation.Shown{}, delegation.Malformed("token is none of this server")
	}
	if !m.signed(parts[0]+"."+parts[1], raw) {
		return delegation.Shown{}, delegation.Malformed("crypto/ecdsa: verification error")
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return delegation.Shown{}, fmt.Errorf("decode a token of ours: %w", err)
	}
	var c claims
	if err := json.Unmarshal(body, &c); err != nil {
		return delegation.Shown{}, fmt.Errorf("decode a token of ours: %w", err)
	}
	if c.Type != "mytoken" || c.Issuer != m.Issuer || c.Audience != m.Issuer {
		return delegation.Shown{}, delegation.Malformed("invalid issuer")
	}
	shown := delegation.Shown{ID: c.ID, Seq: c.Seq, Form: delegation.FormToken}
	if c.Expires > 0 {
		shown.ExpiresAt = time.Unix(c.Expires, 0).UTC()
	}
	return shown, nil
}

func (m Maker) signed(text string, raw []byte) bool {
	sum := digest(text)
	r, t := new(big.Int).SetBytes(raw[:signature/2]), new(big.Int).SetBytes(raw[signature/2:])
	for _, k := range m.Keys.Published(Algorithm).Keys {
		if key, ok := k.Key.(*ecdsa.PublicKey); ok && ecdsa.Verify(key, sum, r, t) {
			return true
		}
	}
	return false
}
