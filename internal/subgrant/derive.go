package subgrant

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/subgrant/wire"
	"github.com/lanyardhq/lanyard/material"
)

// newSubGrant is one for w with the clauses that it gets.
func newSubGrant(w delegation.Wish, clauses []delegation.Clause, from Asker, now time.Time) delegation.SubGrant {
	g := delegation.SubGrant{ID: "sgr_" + rand.Text(), Name: grant.Clean(w.Name, 100), Application: grant.Clean(w.Application, 100), Address: from.Address,
		UserAgent: grant.Clean(from.UserAgent, 200), Seq: 1, Clauses: clauses, Counts: make([]delegation.Count, len(clauses)),
		CreatedAt: now, IssuedAt: now, ExpiresAt: delegation.End(clauses)}
	if w.Rotation != nil && w.Rotation.Active() {
		g.Rotation = *w.Rotation
	}
	return g
}

// created is the audit record of a new sub-grant.
func created(g delegation.SubGrant, from Asker, now time.Time) audit.Record {
	return recorded(g, from, now, "subgrant.create").With("parent", g.MadeFrom).With("name", g.Name).With("application", g.Application)
}

// recorded starts the record of what somebody did by a token: the account behind it is who acts.
func recorded(g delegation.SubGrant, from Asker, now time.Time, action string) audit.Record {
	by := identity.Actor{AccountID: g.OwnerID, Name: g.OwnerName, Kind: identity.Person, Address: from.Address}
	return audit.By(by, now, action, g.ID, "").With("grant", g.GrantID).With("client", grant.Clean(from.UserAgent, 200))
}

// Derive makes a sub-grant below the one whose token is shown. It never has more than that one:
// what goes beyond is refused if the wish is strict, else cut; if nothing is left it is refused too.
func (s *Service) Derive(ctx context.Context, token material.Secret, w delegation.Wish, from Asker) (Issued, error) {
	i, err := s.derive(ctx, token, w, from)
	return i, s.refusal(ctx, err)
}

func (s *Service) derive(ctx context.Context, token material.Secret, w delegation.Wish, from Asker) (Issued, error) {
	now := s.now()
	w, err := s.Library.Expand(w, now)
	if err != nil {
		return Issued{}, err
	}
	if w.Clauses, err = delegation.Located(w.Clauses, from.addr()); err != nil {
		return Issued{}, err
	}
	shown, chain, err := s.present(ctx, token, from)
	if err != nil {
		return Issued{}, err
	}
	// Rights never change, so what there is to give is judged before the transaction: others wait for that.
	parent := chain.Links[0]
	if err := capable(parent, w.Issuer, delegation.CapabilityCreate); err != nil {
		return Issued{}, err
	}
	g, err := child(chain, w, from, now)
	if err != nil {
		return Issued{}, err
	}
	h, err := s.maker().Hand(g, w, now)
	if err != nil {
		return Issued{}, err
	}
	var u used
	err = s.Store.Decide(ctx, shown.ID, func(c delegation.Chain) (delegation.Change, error) {
		var err error
		if u, err = s.use(c, shown, delegation.Use{Address: from.addr(), At: now}); err != nil {
			return delegation.Change{}, err
		}
		u.change.Insert = []delegation.SubGrant{g}
		u.change.Codes = append(u.change.Codes, h.Codes...)
		u.change.Events = append(u.change.Events,
			from.event(g.ID, "created", "Used grant_type mytoken", now), from.event(g.ID, "inherited_RT", "Got RT from parent", now),
			from.event(parent.ID, "MT_created", "Created MT "+g.Name, now))
		u.change.Records = []audit.Record{created(g, from, now)}
		return u.noted(from, now), nil
	})
	if err != nil {
		return Issued{}, err
	}
	i, err := s.maker().Delivered(g, h, now)
	if err == nil {
		i.Update, err = s.updated(u, shown)
	}
	return i, err
}

// capable refuses a use that needs a capability which g lacks, or means another provider.
func capable(g delegation.SubGrant, issuer, capability string) error {
	if !sameIssuer(issuer, g) {
		return delegation.WrongIssuer()
	}
	if !g.Capabilities.Covers(capability) {
		return delegation.Incapable()
	}
	return nil
}

// sameIssuer reports whether a request that names a provider, or none, can mean g's.
func sameIssuer(issuer string, g delegation.SubGrant) bool {
	return issuer == "" || sameURL(issuer, g.Issuer)
}

// noted is the change with the event of a token that was replaced.
func (u used) noted(from Asker, now time.Time) delegation.Change {
	if u.update != nil {
		u.change.Events = append(u.change.Events, from.event(u.update.ID, "token_rotated", "", now))
	}
	return u.change
}

// child is the sub-grant for w below the first link of c.
func child(c delegation.Chain, w delegation.Wish, from Asker, now time.Time) (delegation.SubGrant, error) {
	parent := c.Links[0]
	if len(c.Links) >= delegation.MaxDepth {
		return delegation.SubGrant{}, delegation.Invalid("there are %d generations of mytokens already", delegation.MaxDepth)
	}
	capabilities := parent.Capabilities
	if w.Capabilities != nil {
		if capabilities = parent.Capabilities.Intersect(w.Capabilities); len(capabilities) == 0 {
			return delegation.SubGrant{}, delegation.NoCapability()
		}
	}
	clauses, exact, err := delegation.Tighten(parent.Clauses, w.Clauses)
	if err == nil && w.Strict && !exact {
		err = delegation.TooWide()
	}
	if err == nil {
		clauses, err = delegation.Cap(clauses, c.Holder.Grant.ExpiresAt)
	}
	if err != nil {
		return delegation.SubGrant{}, err
	}
	if end := delegation.End(clauses); !end.IsZero() && !end.After(now) {
		return delegation.SubGrant{}, delegation.Invalid("token would already be expired")
	}
	g := newSubGrant(w, clauses, from, now)
	g.GrantID, g.OwnerID, g.OwnerName, g.Provider, g.Issuer, g.Subject = parent.GrantID, parent.OwnerID, parent.OwnerName, parent.Provider, parent.Issuer, parent.Subject
	g.MadeFrom, g.ParentID, g.Capabilities = parent.ID, parent.ID, capabilities
	return g, nil
}

// Transfer makes a code for the token that is shown. It needs no capability and counts as no use.
func (s *Service) Transfer(ctx context.Context, token material.Secret, from Asker) (Transferred, error) {
	t, err := s.transfer(ctx, token, from)
	return t, s.refusal(ctx, err)
}

func (s *Service) transfer(ctx context.Context, token material.Secret, from Asker) (Transferred, error) {
	shown, _, err := s.present(ctx, token, from)
	if err != nil {
		return Transferred{}, err
	}
	now := s.now()
	var t Transferred
	err = s.Store.Decide(ctx, shown.ID, func(c delegation.Chain) (delegation.Change, error) {
		if err := again(c, shown, now); err != nil {
			return delegation.Change{}, err
		}
		text, sum := wire.Transfer(c.Links[0], shown.Form, now)
		t = Transferred{Code: text, ExpiresAt: sum.ExpiresAt, ExpiresIn: wire.CodeLife}
		return delegation.Change{Codes: []delegation.Code{sum},
			Events: []delegation.Event{from.event(shown.ID, "transfer_code_created", "token type: "+string(shown.Form), now)}}, nil
	})
	return t, err
}

// Redeem changes a transfer code into the token, once: the same one as far as anybody can tell, or
// for a short token another that is as good. A code for a token that was replaced is void.
func (s *Service) Redeem(ctx context.Context, transfer material.Secret, from Asker) (Issued, error) {
	i, err := s.redeem(ctx, transfer, from)
	return i, s.refusal(ctx, err)
}

func (s *Service) redeem(ctx context.Context, transfer material.Secret, from Asker) (Issued, error) {
	now := s.now()
	c, err := s.transferCode(ctx, transfer)
	if err != nil {
		return Issued{}, err
	}
	if !now.Before(c.ExpiresAt) {
		return Issued{}, wire.ExpiredCode()
	}
	shown := delegation.Shown{ID: c.SubGrantID, Seq: c.Seq, Form: c.Form}
	var g delegation.SubGrant
	var short material.Secret
	err = s.Store.Decide(ctx, c.SubGrantID, func(chain delegation.Chain) (delegation.Change, error) {
		if err := again(chain, shown, now); err != nil {
			return delegation.Change{}, wire.BadCode()
		}
		g = chain.Links[0]
		change := delegation.Change{Spend: [][]byte{c.Hash}, Events: []delegation.Event{from.event(g.ID, "transfer_code_used", "", now)}}
		if c.Form == delegation.FormShort {
			var sum delegation.Code
			short, sum = wire.Short(g)
			change.Codes = []delegation.Code{sum}
		}
		return change, nil
	})
	if absent(err) {
		return Issued{}, wire.BadCode()
	}
	if err != nil {
		return Issued{}, err
	}
	return s.maker().Issued(g, c.Form, short, now)
}

// transferCode finds a transfer code.
func (s *Service) transferCode(ctx context.Context, transfer material.Secret) (delegation.Code, error) {
	c, err := s.Store.Code(ctx, wire.Hash(transfer))
	if absent(err) || err == nil && c.Purpose != delegation.ForTransfer {
		return c, wire.BadCode()
	}
	return c, err
}
