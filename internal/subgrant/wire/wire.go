// Package wire makes and reads what stands for a sub-grant outside: signed tokens, short tokens,
// transfer codes and the codes of flows, and the refusals that the holder of one gets. It decides
// nothing about rights and keeps nothing: of codes the hash is for the store, the text for the holder.
//
// It imports rows 0 and 1 only.
package wire

import (
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/wlcg"
)

// Keys are those that tokens are signed with, such as *signing.Keys.
type Keys interface {
	// Signer is the key of an algorithm that signs at now.
	Signer(algorithm string, now time.Time) (wlcg.Key, error)
	// Published are all keys of algorithms that tokens in circulation may be signed with.
	Published(algorithms ...string) wlcg.KeySet
}

// Maker makes tokens.
type Maker struct {
	// Issuer is the URL of the facade without a slash at its end: iss and aud of every token.
	Issuer string
	Keys   Keys
}

// Issued is a token as its holder gets it. Clauses and Capabilities are those that it has, which can
// be fewer than were asked for.
type Issued struct {
	ID   string // mom_id
	Form delegation.Form
	// Token is the JWT or the short token, or empty if Code is set: the transfer code.
	Token, Code material.Secret
	// ExpiresAt is the token's end, or the transfer code's. Both are zero for a token without end.
	ExpiresAt    time.Time
	ExpiresIn    time.Duration
	Capabilities delegation.Capabilities
	Clauses      []delegation.Clause
	Rotation     delegation.Rotation
	// Update replaces the token that was shown; nil if it stays.
	Update *Issued
}

// Issued describes the token of g in force. A JWT is signed; a short token is given.
func (m Maker) Issued(g delegation.SubGrant, form delegation.Form, short material.Secret, now time.Time) (Issued, error) {
	i := Issued{ID: g.ID, Form: form, Token: short, ExpiresAt: g.ExpiresAt, Capabilities: g.Capabilities, Clauses: g.Clauses, Rotation: g.Rotation}
	if !g.ExpiresAt.IsZero() {
		i.ExpiresIn = g.ExpiresAt.Sub(now)
	}
	var err error
	if form == delegation.FormToken {
		i.Token, err = m.sign(g, now)
	}
	return i, err
}

// A Handover is the way in which a new token reaches its holder.
type Handover struct {
	form   delegation.Form
	secret material.Secret // the short token or the transfer code
	// Codes are for the store, to be written with the sub-grant.
	Codes []delegation.Code
}

// Hand chooses the form of the token of g, which is new: the one that w asks for, but none that is
// longer than the asker can keep.
func (m Maker) Hand(g delegation.SubGrant, w delegation.Wish, now time.Time) (Handover, error) {
	h := Handover{form: w.Form}
	if h.form == "" {
		h.form = delegation.FormToken
	}
	if w.MaxLen > 0 {
		length, err := m.length(g)
		if err != nil {
			return h, err
		}
		switch {
		case length <= w.MaxLen:
			h.form = delegation.FormToken
		case shortLength <= w.MaxLen:
			h.form = delegation.FormShort
		default:
			h.form = delegation.FormTransfer
		}
	}
	switch h.form {
	case delegation.FormShort:
		text, c := Short(g)
		h.secret, h.Codes = text, []delegation.Code{c}
	case delegation.FormTransfer:
		text, c := Transfer(g, delegation.FormToken, now)
		c.Sole = true
		h.secret, h.Codes = text, []delegation.Code{c}
	}
	return h, nil
}

// Delivered is what the holder of g gets by h, once that is written down.
func (m Maker) Delivered(g delegation.SubGrant, h Handover, now time.Time) (Issued, error) {
	i, err := m.Issued(g, h.form, "", now)
	switch h.form {
	case delegation.FormShort:
		i.Token = h.secret
	case delegation.FormTransfer:
		i.Code, i.ExpiresAt, i.ExpiresIn = h.secret, h.Codes[0].ExpiresAt, CodeLife
	}
	return i, err
}
