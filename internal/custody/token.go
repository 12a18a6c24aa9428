package custody

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker/access"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// TokenWish says how an access token shall be.
type TokenWish struct {
	grant.Wish
	// MinValid is the life that it must have left; 0: half of what is usual. Less is given while the
	// provider does not answer.
	MinValid time.Duration
	// Force asks for a new one, whatever is ready.
	Force bool
}

const (
	// patience is how long somebody who could do with the token that is ready waits for a new one.
	patience = 2 * time.Second
	// rounds is how often we look again because others were busy with the same grant.
	rounds = 5
	// usesKept bounds the uses that are yet to be written down.
	usesKept = 100_000
)

// Delivered is an access token and the grant that it is of.
type Delivered struct {
	grant.Tokens
	GrantID, Provider string
}

// Token returns an access token of one of by's own grants: ref is an id, a name, or a provider's id.
func (c *Custody) Token(ctx context.Context, by identity.Actor, ref string, w TokenWish) (Delivered, error) {
	// Who is stopped need not be looked up: nothing of theirs is in force.
	if err := access.Covers(by, identity.WriteTokens); err != nil {
		return Delivered{}, err
	}
	id, err := c.resolve(ctx, by, ref)
	if err != nil {
		return Delivered{}, err
	}
	own := func(one credential.Credential) bool { return by.AccountID != "" && one.OwnerID == by.AccountID }
	got, err := c.token(ctx, id, w, own)
	if fault.CodeOf(err) == fault.NotFound { // it looks the same as somebody else's
		err = fault.New(fault.NotFound, "you have no grant %.60q", ref)
	}
	return got, err
}

// TokenOf is Token where the caller has judged already who asks.
func (c *Custody) TokenOf(ctx context.Context, grantID string, w TokenWish) (grant.Tokens, error) {
	got, err := c.token(ctx, grantID, w, func(credential.Credential) bool { return true })
	return got.Tokens, err
}

// token hands out what is kept, and refreshes first where that is not good enough. Whatever a refresh
// brings is handed out only once it is read back from the database, by a look that also tells whether
// the grant is still in force.
//
// Nothing that was read for an earlier request is used: who or what was stopped is refused by the
// next one, at every server.
func (c *Custody) token(ctx context.Context, id string, w TokenWish, theirs func(credential.Credential) bool) (Delivered, error) {
	begun := c.now()
	var refreshed *flight
	for range rounds {
		h, err := c.look(ctx, id, w.Wish, theirs)
		switch {
		case err != nil:
			return Delivered{}, err
		case h.at.Type == grant.Lanyard:
			return c.mint(ctx, h)
		case c.good(h, w, refreshed, begun):
			c.noteUse(id, h.wish, h.kept, c.now())
			return h.deliver(h.kept.Tokens), nil
		case refreshed.serves(h.wish):
			return c.fallback(h, w, refreshed.err)
		}
		if refreshed, err = c.join(ctx, h.at, id, h.wish, !w.Force && h.kept.Valid(c.now())); err != nil {
			return c.fallback(h, w, err)
		}
	}
	return Delivered{}, fault.New(fault.Unavailable, "others refresh this grant at the same time").WithHint("try again")
}

// held is what is there of a grant for a wish.
type held struct {
	credential credential.Credential
	at         *site
	wish       grant.Wish
	kept       grant.Kept
}

func (h held) deliver(t grant.Tokens) Delivered {
	return Delivered{Tokens: t, GrantID: h.credential.ID, Provider: h.at.ID}
}

// look reads what is there.
func (c *Custody) look(ctx context.Context, id string, w grant.Wish, theirs func(credential.Credential) bool) (h held, err error) {
	h.wish = w
	for {
		asked := h.wish.Key()
		r, err := c.Store.Ready(ctx, id, asked)
		if err == nil && !theirs(r.Credential) {
			err = fault.New(fault.NotFound, "there is no such grant")
		}
		if err != nil {
			return h, err
		}
		h.credential, h.kept = r.Credential, r.Kept
		h.at, h.wish, err = c.judge(r, w)
		if err != nil || h.at.Type == grant.Lanyard || h.wish.Key() == asked {
			return h, err
		}
		// It wishes for exactly what the grant is.
	}
}

// good reports whether what is kept can be handed out: because it fits, or because nothing newer can
// be had after a refresh since the caller began, by us or by another server.
func (c *Custody) good(h held, w TokenWish, refreshed *flight, begun time.Time) bool {
	now := c.now()
	if refreshed.serves(h.wish) && refreshed.err == nil || h.kept.IssuedAt.After(begun) {
		return h.kept.Valid(now)
	}
	return !w.Force && h.kept.Fits(now, w.MinValid)
}

// judge says whether the grant can yield what is wished for, and fills in the wish. A wish for exactly
// what the grant is comes back empty.
func (c *Custody) judge(r grant.Ready, w grant.Wish) (*site, grant.Wish, error) {
	one := r.Credential
	spec, err := grant.ParseSpec(one.Spec)
	if err != nil {
		return nil, w, err
	}
	if one.Status == credential.Intended && one.Over(c.now()) == "" {
		return nil, w, fault.New(fault.Conflict, "nobody has approved %s yet", one.Name).WithHint("open %s, or give it up with: lanyard token revoke %s", c.page(one.ID), one.ID)
	}
	if err := one.Refusal(c.now()); err != nil {
		return nil, w, err
	}
	if r.Health == grant.NeedsSignIn {
		return nil, w, fault.New(fault.Conflict, "%s refuses this grant since %s: %s", spec.Provider, r.HealthSince.Format(time.RFC3339), r.Detail).
			WithHint("sign in again: lanyard token approve %s", spec.Provider)
	}
	narrow, err := spec.Narrow(w)
	if err != nil {
		return nil, w, err
	}
	at, err := c.site(spec.Provider)
	if at != nil && at.Type == grant.Lanyard {
		return at, narrow, err
	}
	if err == nil && w.Key() != "" && narrow.Key() == (grant.Wish{Scopes: spec.Scopes, Audiences: spec.Audiences}).Key() {
		w = grant.Wish{}
	}
	return at, w, err
}

// mint has our own issuer make a token. There is no refresh token behind it, and nothing to be kept.
func (c *Custody) mint(ctx context.Context, h held) (Delivered, error) {
	if c.Mint == nil {
		return Delivered{}, fault.New(fault.Unavailable, "this server makes no tokens of its own").WithHint("ask the people who run it")
	}
	t, err := c.Mint.Mint(ctx, h.credential, h.wish)
	return h.deliver(t), err
}

// fallback hands out what is kept where nothing newer can be had now.
func (c *Custody) fallback(h held, w TokenWish, why error) (Delivered, error) {
	now := c.now()
	switch {
	case why == nil:
		why = fault.New(fault.Unavailable, "%s gave a token that is over already", h.at.Name()).WithHint("tell the people who run this server: the clocks may differ")
	case !w.Force && h.kept.Valid(now) && fault.CodeOf(why) == fault.Unavailable:
		c.noteUse(h.credential.ID, h.wish, h.kept, now)
		return h.deliver(h.kept.Tokens), nil
	}
	return Delivered{}, why
}

// noteUse remembers that somebody asked for k, to be written down later: only what is in use is
// renewed ahead.
func (c *Custody) noteUse(id string, w grant.Wish, k grant.Kept, now time.Time) {
	if !k.Stale(now) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.uses == nil {
		c.uses = map[grant.Use]bool{}
	}
	if len(c.uses) < usesKept {
		c.uses[grant.Use{GrantID: id, Wish: w.Key()}] = true
	}
}

// writeUses writes down what was noted.
func (c *Custody) writeUses(ctx context.Context) error {
	c.mu.Lock()
	noted := c.uses
	c.uses = nil
	c.mu.Unlock()
	const portion = 500 // so that others can write in between
	var uses []grant.Use
	for u := range noted {
		u.At = c.now()
		if uses = append(uses, u); len(uses) == portion {
			if err := c.Store.SaveTokenUses(ctx, uses); err != nil {
				return err
			}
			uses = uses[:0]
		}
	}
	if len(uses) == 0 {
		return nil
	}
	return c.Store.SaveTokenUses(ctx, uses)
}
