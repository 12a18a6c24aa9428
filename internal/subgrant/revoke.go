package subgrant

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/subgrant/wire"
	"github.com/lanyardhq/lanyard/material"
)

// Revoke ends the sub-grant of the token or code that is shown, or another by its id. What is
// revoked, expired or none of ours already needs no revoking, and that is no error. Update is set if
// that used the token.
func (s *Service) Revoke(ctx context.Context, token material.Secret, w RevokeWish, from Asker) (update *Issued, err error) {
	switch {
	case token == "":
		err = delegation.Invalid("no token given")
	case w.ID != "":
		update, err = s.revokeOther(ctx, token, w, from)
	case len(token.Reveal()) < wire.MinToken:
		err = s.revokeCode(ctx, token, from)
	default:
		err = s.revokeSelf(ctx, token, w, from)
	}
	return update, s.refusal(ctx, err)
}

// errNothing says that there is nothing to change.
var errNothing = errors.New("nothing to change")

func (s *Service) revokeSelf(ctx context.Context, token material.Secret, w RevokeWish, from Asker) error {
	shown, err := s.show(ctx, token)
	if _, refused := errors.AsType[*delegation.Error](err); refused {
		return nil
	}
	if err != nil {
		return err
	}
	now := s.now()
	var grantID string
	err = s.Store.Withdraw(ctx, shown.ID, func(c delegation.Chain) (delegation.Change, error) {
		g := c.Links[0]
		grantID = g.GrantID
		if _, replay := c.Refusal(shown, now); replay { // who has the newest is not known
			return ending(g, from, now, true, delegation.Replayed), nil
		}
		if !sameIssuer(w.Issuer, g) {
			return delegation.Change{}, delegation.WrongIssuer()
		}
		if !g.EndedAt.IsZero() || shown.Seq != g.Seq {
			return delegation.Change{}, errNothing
		}
		return ending(g, from, now, w.Recursive, delegation.Revoked), nil
	})
	if errors.Is(err, errNothing) || absent(err) {
		return nil
	}
	if err == nil {
		s.release(ctx, grantID)
	}
	return err
}

// ending is the change that ends g. The owner is told of a replay.
func ending(g delegation.SubGrant, from Asker, now time.Time, recursive bool, why delegation.Reason) delegation.Change {
	record := recorded(g, from, now, "subgrant.revoke").With("reason", string(why))
	if recursive {
		record = record.With("recursive", "yes")
	}
	change := delegation.Change{End: []string{g.ID}, Reason: why, Recursive: recursive, At: now, By: from.event(g.ID, "", "", now),
		Records: []audit.Record{record}}
	if why == delegation.Replayed {
		change.Notices = []notice.Notice{notice.OfMytoken(g.OwnerID, g.GrantID, g.Name, now, from.Address, from.UserAgent)}
	}
	return change
}

// revokeCode voids a transfer code, and the token if nobody else was given it.
func (s *Service) revokeCode(ctx context.Context, transfer material.Secret, from Asker) error {
	c, err := s.transferCode(ctx, transfer)
	if _, refused := errors.AsType[*delegation.Error](err); refused {
		return nil
	}
	if err != nil {
		return err
	}
	var grantID string
	err = s.Store.Withdraw(ctx, c.SubGrantID, func(chain delegation.Chain) (delegation.Change, error) {
		g, change := chain.Links[0], delegation.Change{}
		grantID = g.GrantID
		if c.Sole && g.EndedAt.IsZero() {
			change = ending(g, from, s.now(), true, delegation.Revoked)
		}
		change.Spend = [][]byte{c.Hash}
		return change, nil
	})
	if absent(err) {
		return nil
	}
	if err == nil {
		s.release(ctx, grantID)
	}
	return err
}

// revokeOther ends a sub-grant by its id: one below the token's, or any of the account with the
// capability for it. It is a use of the token.
func (s *Service) revokeOther(ctx context.Context, token material.Secret, w RevokeWish, from Asker) (*Issued, error) {
	shown, mine, err := s.present(ctx, token, from)
	if err != nil {
		return nil, err
	}
	theirs, err := s.Store.Chain(ctx, w.ID)
	if absent(err) || err == nil && theirs.Links[0].OwnerID != mine.Links[0].OwnerID {
		return nil, delegation.NotTheirs("revoke this mom_id")
	}
	if err != nil {
		return nil, err
	}
	target, now := theirs.Links[0], s.now()
	var u used
	err = s.Store.Withdraw(ctx, shown.ID, func(c delegation.Chain) (delegation.Change, error) {
		self := c.Links[0]
		above := slices.ContainsFunc(theirs.Links, func(l delegation.SubGrant) bool { return l.ID == self.ID })
		switch {
		case !sameIssuer(w.Issuer, self):
			return delegation.Change{}, delegation.WrongIssuer()
		case !above && !self.Capabilities.Covers(delegation.CapabilityRevoke):
			return delegation.Change{}, delegation.NoAncestor()
		}
		var err error
		if u, err = s.use(c, shown, delegation.Use{Address: from.addr(), At: now}); err != nil {
			return delegation.Change{}, err
		}
		change := u.noted(from, now)
		end := ending(target, from, now, w.Recursive, delegation.Revoked)
		change.End, change.Reason, change.Recursive, change.At, change.By = end.End, end.Reason, end.Recursive, end.At, end.By
		if target.EndedAt.IsZero() {
			change.Records = append(change.Records, end.Records...)
		}
		change.Events = append(change.Events, from.event(self.ID, "revoked_other_token", "mom_id: "+target.ID, now))
		return change, nil
	})
	if err != nil {
		return nil, err
	}
	s.release(ctx, target.GrantID)
	if above := u.chain.Links[0].ID; above == target.ID {
		return nil, nil // it revoked itself
	}
	return s.updated(u, shown)
}

// replayed ends the sub-grant of a token that was replaced and is shown again, and all below it: who
// has the newest is not known.
func (s *Service) replayed(ctx context.Context, shown delegation.Shown, from Asker) error {
	now := s.now()
	var grantID string
	err := s.Store.Withdraw(ctx, shown.ID, func(c delegation.Chain) (delegation.Change, error) {
		grantID = c.Links[0].GrantID
		if _, replay := c.Refusal(shown, now); !replay {
			return delegation.Change{}, errNothing
		}
		return ending(c.Links[0], from, now, true, delegation.Replayed), nil
	})
	if errors.Is(err, errNothing) || absent(err) {
		return nil
	}
	if err == nil {
		s.release(ctx, grantID)
	}
	return err
}

// release ends a grant that nobody holds any more. If that cannot be done now, Run does it later.
func (s *Service) release(ctx context.Context, grantID string) {
	held, err := s.Store.SubGrants(ctx, delegation.Filter{GrantID: grantID})
	if err == nil && slices.ContainsFunc(held, func(g delegation.SubGrant) bool { return g.Alive(s.now()) }) {
		return
	}
	if err == nil {
		err = s.Grants.EndGrant(ctx, identity.System(), grantID)
	}
	if err != nil && !absent(err) {
		s.log().WarnContext(ctx, "a grant that nobody holds has not ended yet", "grant", grantID, "err", err)
	}
}

// mine finds a sub-grant of by's; all are the operator's.
func (s *Service) mine(ctx context.Context, by identity.Actor, id string, scope identity.Scope) (delegation.SubGrant, error) {
	unknown := fault.New(fault.NotFound, "there is no such sub-grant").WithHint("the page of the grant lists those that there are")
	c, err := s.Store.Chain(ctx, id)
	switch {
	case absent(err) || err == nil && !owns(by, c.Links[0].OwnerID, scope):
		return delegation.SubGrant{}, unknown
	case err != nil:
		return delegation.SubGrant{}, err
	}
	return c.Links[0], nil
}

func owns(by identity.Actor, ownerID string, scope identity.Scope) bool {
	return by.Operator || by.AccountID != "" && by.AccountID == ownerID && by.Holds(scope)
}

// End ends a sub-grant of by's, and those below it if recursive; else they move up. With the last
// that is in force its grant ends.
func (s *Service) End(ctx context.Context, by identity.Actor, id string, recursive bool) error {
	g, err := s.mine(ctx, by, id, identity.WriteTokens)
	if err != nil {
		return err
	}
	now := s.now()
	err = s.Store.Withdraw(ctx, id, func(c delegation.Chain) (delegation.Change, error) {
		g = c.Links[0]
		if !g.EndedAt.IsZero() {
			return delegation.Change{}, errNothing
		}
		change := ending(g, Asker{Address: by.Address, UserAgent: by.Client}, now, recursive, delegation.Revoked)
		change.Records = []audit.Record{audit.By(by, now, "subgrant.revoke", g.ID, "").With("grant", g.GrantID).With("reason", string(delegation.Revoked))}
		return change, nil
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	if err == nil {
		s.release(ctx, g.GrantID)
	}
	return err
}
