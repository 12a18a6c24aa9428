package grant

import (
	"math/rand/v2"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
)

// Kept is an access token that is kept ready for one wish.
type Kept struct {
	Tokens // Refresh is empty
	Wish   Wish
	// IssuedAt is when it was given, and UsedAt when somebody last asked for it.
	IssuedAt, UsedAt time.Time
	// DueAt is when to renew it ahead, as long as it is in use.
	DueAt time.Time
}

// Keep returns what is kept of tokens that were given at now for somebody's wish. They are due for
// renewal at 40 % of their life and up to a hundredth of it later. That is early in the span up to
// 50 % on purpose: a quarter of the life is left when the provider then fails for a third of it.
func Keep(t Tokens, w Wish, now, usedAt time.Time) Kept {
	t.Refresh = ""
	life := max(0, t.AccessExpiresAt.Sub(now))
	return Kept{Tokens: t, Wish: w, IssuedAt: now, UsedAt: usedAt, DueAt: now.Add(life*40/100 + rand.N(life/100+1))} //nolint:gosec // spreads load
}

func (k Kept) life() time.Duration { return k.AccessExpiresAt.Sub(k.IssuedAt) }

// Valid reports whether there is a token and it is honoured at now.
func (k Kept) Valid(now time.Time) bool { return k.Access != "" && now.Before(k.AccessExpiresAt) }

// Fits reports whether the token is good enough to hand out at now: it has the life wished for left,
// and half of its own. A life that no new token would have much longer is not waited for.
func (k Kept) Fits(now time.Time, least time.Duration) bool {
	need := min(max(least, k.life()/2), k.life()*9/10)
	return k.Valid(now) && k.AccessExpiresAt.Sub(now) >= need
}

// InUse reports whether somebody asked lately, so that the token is to be renewed ahead: within two
// of its lives. Whoever keeps a token fresh asks at least once in each.
func (k Kept) InUse(now time.Time) bool { return now.Sub(k.UsedAt) < 2*k.life() }

// Stale reports whether UsedAt is so old that another use is worth writing down.
func (k Kept) Stale(now time.Time) bool { return now.Sub(k.UsedAt) > k.life()/4 }

// Ready is a token that is kept ready, and what says whether it may be handed out.
type Ready struct {
	Credential credential.Credential // without what does not say that
	// Health, HealthSince and Detail are the family's.
	Health      Health
	HealthSince time.Time
	Detail      string
	Kept        Kept // without its Wish and DueAt
}

// A Use is somebody's asking for a token of the wish with this key.
type Use struct {
	GrantID, Wish string
	At            time.Time
}

// A Claim is a grant that one server works on, with what is kept of it; the access tokens themselves
// are left out.
type Claim struct {
	Credential credential.Credential
	Family     Family
	Kept       []Kept
}

// Put replaces what is kept for the wish of k.
func (c *Claim) Put(k Kept) {
	kept := []Kept{k}
	for _, old := range c.Kept {
		if old.Wish.Key() != k.Wish.Key() {
			kept = append(kept, old)
		}
	}
	c.Kept = kept
}

// Plan sets when the family is due next and when what is in use runs out. Tokens in use are renewed
// ahead; a refresh token that lives longer by being used is used at half of its life, also when
// nobody asks.
func (c *Claim) Plan(now time.Time) {
	f := &c.Family
	f.DueAt, f.RunsOutAt = time.Time{}, time.Time{}
	for _, k := range c.Kept {
		if k.InUse(now) {
			f.DueAt, f.RunsOutAt = first(f.DueAt, k.DueAt), first(f.RunsOutAt, k.AccessExpiresAt)
		}
	}
	if at := f.idleAt(); !at.IsZero() {
		f.DueAt, f.RunsOutAt = first(f.DueAt, at), first(f.RunsOutAt, f.RefreshExpiresAt)
	}
}

// idleAt is when to use a refresh token that dies of not being used; zero: never.
func (f Family) idleAt() time.Time {
	if !f.KeepAlive || f.RefreshExpiresAt.IsZero() {
		return time.Time{}
	}
	return f.RenewedAt.Add(max(f.RefreshExpiresAt.Sub(f.RenewedAt)/2, time.Second))
}

// Outlives notes until when a provider says that the refresh token lives, and whether that is later
// for its having been used. Answers that follow each other at once tell nothing about that.
func (f *Family) Outlives(until, now time.Time) {
	if until.IsZero() {
		return
	}
	if since := now.Sub(f.RenewedAt); since >= 10*time.Second {
		f.KeepAlive = until.Sub(f.RefreshExpiresAt) >= since/2
	}
	f.RefreshExpiresAt = until
}

// Next returns the wish to refresh for: that in use which runs out first of those that are due, or
// else the grant's own. Needed is false if neither anybody nor the refresh token needs it, and the
// last try did not fail: while we say that we go on trying, we do.
func (c *Claim) Next(now time.Time) (w Kept, needed bool) {
	for _, k := range c.Kept {
		if k.Wish.Key() == "" && !needed {
			w = k
		}
		if k.InUse(now) && !now.Before(k.DueAt) && (!needed || k.AccessExpiresAt.Before(w.AccessExpiresAt)) {
			w, needed = k, true
		}
	}
	idle := c.Family.idleAt()
	failed := c.Family.Health == Retrying || c.Family.Health == NeedsOperator
	return w, needed || failed || !idle.IsZero() && !now.Before(idle)
}

// first returns the earlier of two times, of which the zero one is never.
func first(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
