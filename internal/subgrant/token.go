package subgrant

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/subgrant/wire"
	"github.com/lanyardhq/lanyard/material"
)

// show verifies a token and says which sub-grant it names. It does not judge whether it is in force.
func (s *Service) show(ctx context.Context, token material.Secret) (delegation.Shown, error) {
	text := token.Reveal()
	switch {
	case text == "":
		return delegation.Shown{}, delegation.Malformed("no mytoken found in request")
	case len(text) < wire.MinToken:
		return delegation.Shown{}, delegation.Invalid("token not valid")
	case strings.Contains(text, "."):
		return s.maker().Read(token)
	}
	c, err := s.Store.Code(ctx, wire.Hash(token))
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
		r.short, c = wire.Short(next)
		r.change.Codes = append(r.change.Codes, c)
	}
	return r, nil
}

// updated is the reply's token_update of a use, nil if the token stays.
func (s *Service) updated(r used, shown delegation.Shown) (*Issued, error) {
	if r.update == nil {
		return nil, nil
	}
	issued, err := s.maker().Issued(*r.update, shown.Form, r.short, s.now())
	return &issued, err
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
	r, internal := wire.Refusal(err)
	switch {
	case internal && ctx.Err() != nil: // who asked has left, or could not be answered in time
		return delegation.Unavailable("the answer took too long")
	case internal:
		s.log().ErrorContext(ctx, "a use of a mytoken failed", "err", err)
	}
	return r
}
