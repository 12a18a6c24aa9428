package minting

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/wlcg"
)

// Verify returns the claims of an access token that we minted, for whatever audience, if it is in
// force and nobody denied it. All else is ErrToken; what is wrong with our database is not.
func (m *Minter) Verify(ctx context.Context, token material.Secret) (wlcg.Claims, error) {
	v := wlcg.Verifier{Issuer: m.c.Issuer, EveryAudience: true, Algorithms: algorithms, Now: m.c.Now,
		Profiles: []wlcg.Profile{wlcg.WLCG, wlcg.SciTokens, wlcg.RFC9068}, Keys: m.c.Keys.Published(algorithms...).Fixed()}
	c, err := v.Verify(ctx, token.Reveal())
	if err != nil {
		return wlcg.Claims{}, refused(ErrToken, "the token is refused: %v", err)
	}
	if Family(c) == "" || c.ID == "" { // signed by us, but no access token: an ID token
		return wlcg.Claims{}, ErrToken
	}
	denied, err := m.denied.any(ctx, m.now(), c.IssuedAt, c.ID, Family(c), c.Subject)
	if err != nil {
		return wlcg.Claims{}, err
	}
	if denied {
		return wlcg.Claims{}, ErrToken
	}
	return c, nil
}

// Family returns the session or grant that a token of ours hangs on.
func Family(c wlcg.Claims) string {
	id, _ := c.Extra[familyClaim].(string)
	return id
}

// MayAct returns the client that a token of ours allows to act with it, "" for nobody.
func MayAct(c wlcg.Claims) string {
	may, _ := c.Extra[mayActClaim].(map[string]any)
	client, _ := may["sub"].(string)
	return client
}

// Deny takes back what was minted until now with the id, or for the session, grant or account of
// that id. Ends of sessions and grants, and stopped accounts, are noted with the change itself and
// need no call.
func (m *Minter) Deny(ctx context.Context, by identity.Actor, id, reason string) error {
	now := m.now()
	record := audit.By(by, now, "token.deny", id, "").With("reason", reason)
	if err := m.c.Store.Deny(ctx, session.Taken(id, now), record); err != nil {
		return fmt.Errorf("deny %s: %w", id, err)
	}
	return nil
}

// lookAgain is how long the list is believed without asking the database: a server that cannot hear
// of denials must not honour what was denied.
const lookAgain = 5 * time.Second

// denials are the list of what is denied, as far as it was read. The change feed says when there is
// more.
type denials struct {
	store   Store
	mu      sync.Mutex
	list    map[string]session.Denial
	seq     int64
	readAt  time.Time
	changed <-chan struct{}
}

// any reports whether something issued at the time is denied by one of the ids.
func (d *denials) any(ctx context.Context, now, issued time.Time, ids ...string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stale(now) {
		if err := d.read(ctx, now); err != nil {
			return false, fault.New(fault.Unavailable, "it cannot be seen whether the token was taken back").WithHint("try again in a few seconds").WithCause(err)
		}
	}
	for _, id := range ids {
		if v, ok := d.list[id]; ok && !issued.After(v.At) {
			return true, nil
		}
	}
	return false, nil
}

func (d *denials) stale(now time.Time) bool {
	select {
	case <-d.changed:
		return true
	default: // of nil too
		age := now.Sub(d.readAt)
		return d.changed == nil || age >= lookAgain || age < 0
	}
}

func (d *denials) read(ctx context.Context, now time.Time) error {
	changed := d.store.Changed()
	more, err := d.store.Denials(ctx, d.seq)
	if err != nil {
		return err
	}
	if d.list == nil {
		d.list = map[string]session.Denial{}
	}
	for _, v := range more {
		d.list[v.ID], d.seq = v, v.Seq
	}
	if len(more) > 0 {
		for id, v := range d.list {
			if now.After(v.Until) {
				delete(d.list, id)
			}
		}
	}
	d.changed, d.readAt = changed, now
	return nil
}
