package subgrant

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/material"
)

// Lengths of codes in letters of the alphabet, 5.6 bits each. A token has at least minToken bytes:
// that is how short tokens and transfer codes are told apart.
const (
	alphabet    = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
	codeLetters = 24
	shortLength = 64
	minToken    = 32
)

// code makes a random code and its hash, which is all that is stored.
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
	return material.Secret(text), hash(string(text))
}

func hash(code string) []byte {
	sum := sha256.Sum256([]byte(code))
	return sum[:]
}

// show verifies a token and says which sub-grant it names. It does not judge whether it is in force.
func (s *Service) show(ctx context.Context, token material.Secret) (delegation.Shown, error) {
	text := token.Reveal()
	switch {
	case text == "":
		return delegation.Shown{}, delegation.Malformed("no mytoken found in request")
	case len(text) < minToken:
		return delegation.Shown{}, delegation.Invalid("token not valid")
	case strings.Contains(text, "."):
		return s.read(text)
	}
	c, err := s.Store.Code(ctx, hash(text))
	if fault.CodeOf(err) == fault.NotFound || err == nil && c.Purpose != delegation.ForShort {
		return delegation.Shown{}, delegation.Malformed("token contains an invalid number of segments")
	}
	return delegation.Shown{ID: c.SubGrantID, Seq: c.Seq, Form: delegation.FormShort, ExpiresAt: c.ExpiresAt}, err
}

// present verifies a token and judges whether it is in force. One that was replaced ends its
// sub-grant, if that is how its rotation was asked for.
func (s *Service) present(ctx context.Context, token material.Secret, from Asker) (delegation.Shown, delegation.Chain, error) {
	shown, err := s.show(ctx, token)
	if err != nil {
		return shown, delegation.Chain{}, err
	}
	now := s.now()
	if end := shown.ExpiresAt; !end.IsZero() && !now.Before(end) {
		return shown, delegation.Chain{}, delegation.Expired(end, now)
	}
	chain, err := s.Store.Chain(ctx, shown.ID)
	if fault.CodeOf(err) == fault.NotFound {
		return shown, chain, delegation.BadToken()
	}
	if err != nil {
		return shown, chain, err
	}
	refusal, replay := chain.Refusal(shown, now)
	if replay {
		if err := s.replayed(ctx, shown, from); err != nil {
			return shown, chain, err
		}
	}
	if refusal != nil {
		return shown, chain, refusal
	}
	return shown, chain, nil
}

// again judges in a transaction what present judged before. A token that was replaced since then is
// refused like any, but its use is no replay: it was good when the request came.
func again(chain delegation.Chain, shown delegation.Shown, now time.Time) error {
	if refusal, _ := chain.Refusal(shown, now); refusal != nil {
		return refusal
	}
	return nil
}

// used is what the use of a token changes.
type used struct {
	chain    delegation.Chain
	decision delegation.Decision
	change   delegation.Change
	update   *delegation.SubGrant // with its next token
	short    material.Secret      // that token, if it is a short one
}

// use decides about one use of the token, counts it and replaces the token if that is to be.
func (s *Service) use(chain delegation.Chain, shown delegation.Shown, u delegation.Use) (used, error) {
	if err := again(chain, shown, u.At); err != nil {
		return used{}, err
	}
	decision, err := chain.Decide(u)
	if err != nil {
		return used{}, err
	}
	r := used{chain: chain, decision: decision}
	r.change.Save = chain.Counted(decision, u.AT)
	next, rotates := chain.Links[0].Rotated(u.AT, u.At)
	if !rotates {
		return r, nil
	}
	if len(r.change.Save) > 0 && r.change.Save[0].ID == next.ID {
		next.Counts = r.change.Save[0].Counts
		r.change.Save = r.change.Save[1:]
	}
	r.change.Save = append(r.change.Save, next)
	r.update = &next
	if shown.Form == delegation.FormShort {
		var c delegation.Code
		r.short, c = shortOf(next)
		r.change.Codes = append(r.change.Codes, c)
	}
	return r, nil
}

func shortOf(g delegation.SubGrant) (material.Secret, delegation.Code) {
	text, sum := code(shortLength)
	return text, delegation.Code{Hash: sum, Purpose: delegation.ForShort, SubGrantID: g.ID, Seq: g.Seq, Form: delegation.FormShort, ExpiresAt: g.ExpiresAt}
}

// updated is the reply's token_update of a use, nil if the token stays.
func (s *Service) updated(r used, shown delegation.Shown) (*Issued, error) {
	if r.update == nil {
		return nil, nil
	}
	issued, err := s.issued(*r.update, shown.Form, r.short)
	return &issued, err
}

// issued describes the token of g in force. A JWT is signed; a short token is given.
func (s *Service) issued(g delegation.SubGrant, form delegation.Form, short material.Secret) (Issued, error) {
	i := Issued{ID: g.ID, Form: form, Token: short, ExpiresAt: g.ExpiresAt, Capabilities: g.Capabilities, Clauses: g.Clauses, Rotation: g.Rotation}
	if !g.ExpiresAt.IsZero() {
		i.ExpiresIn = g.ExpiresAt.Sub(s.now())
	}
	if form == delegation.FormToken {
		jwt, err := s.sign(g)
		if err != nil {
			return Issued{}, err
		}
		i.Token = material.Secret(jwt)
	}
	return i, nil
}

// A handover is the way in which a new token reaches its holder.
type handover struct {
	form   delegation.Form
	secret material.Secret // the short token or the transfer code
	codes  []delegation.Code
}

// hand chooses the form of a new token: the one asked for, but none that is longer than the asker
// can keep.
func (s *Service) hand(g delegation.SubGrant, w delegation.Wish, now time.Time) (handover, error) {
	h := handover{form: w.Form}
	if h.form == "" {
		h.form = delegation.FormToken
	}
	if w.MaxLen > 0 {
		length, err := s.length(g)
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
		text, c := shortOf(g)
		h.secret, h.codes = text, []delegation.Code{c}
	case delegation.FormTransfer:
		text, c := transferOf(g, delegation.FormToken, now)
		c.Sole = true
		h.secret, h.codes = text, []delegation.Code{c}
	}
	return h, nil
}

func transferOf(g delegation.SubGrant, form delegation.Form, now time.Time) (material.Secret, delegation.Code) {
	text, sum := code(codeLetters)
	return text, delegation.Code{Hash: sum, Purpose: delegation.ForTransfer, SubGrantID: g.ID, Seq: g.Seq, Form: form, ExpiresAt: now.Add(codeLife)}
}

// delivered is what the asker gets.
func (s *Service) delivered(g delegation.SubGrant, h handover) (Issued, error) {
	i, err := s.issued(g, h.form, "")
	switch h.form {
	case delegation.FormShort:
		i.Token = h.secret
	case delegation.FormTransfer:
		i.Code, i.ExpiresAt, i.ExpiresIn = h.secret, h.codes[0].ExpiresAt, codeLife
	}
	return i, err
}

// event is one that from caused.
func (a Asker) event(id, name, comment string, at time.Time) delegation.Event {
	return delegation.Event{SubGrantID: id, At: at, Name: name, Comment: grant.Clean(comment, 200), Address: a.Address, UserAgent: grant.Clean(a.UserAgent, 200)}
}

// addr is the asker's address; invalid if it is none, and then in no network.
func (a Asker) addr() netip.Addr {
	addr, err := netip.ParseAddr(a.Address)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// refusal makes what a store or a use case returns a refusal of the protocol.
func (s *Service) refusal(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*delegation.Error](err); ok {
		return e
	}
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		switch f.Code {
		case fault.NotFound:
			return delegation.BadToken()
		case fault.Limited:
			if f.RetryAfter > 0 {
				return delegation.TooMany(f.Message, f.RetryAfter)
			}
			return delegation.Invalid("%s", f.Message)
		case fault.Invalid, fault.Denied:
			return delegation.Invalid("%s", f.Message)
		case fault.Unavailable:
			return delegation.Unavailable(f.Message)
		}
	}
	s.log().ErrorContext(ctx, "a use of a mytoken failed", "err", err)
	return delegation.Unavailable("internal error")
}
