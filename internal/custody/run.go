package custody

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/custody/renewal"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
)

const (
	// idle is how often we look for something to do where there was nothing.
	idle = time.Second
	// batch is how many approvals or ending grants are taken at once.
	batch = 64
)

// Run renews ahead, asks for approvals that are polled for, and revokes, until ctx ends. Then it
// begins nothing new and waits for the refreshes under way. All servers may run it. Nothing is loaded
// at its start: the table is the queue.
func (c *Custody) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	for id, p := range c.Providers {
		if p.Client == nil {
			continue
		}
		at, err := c.site(id)
		if err != nil {
			return err
		}
		loops.Go(func() { c.renewAt(ctx, at) })
	}
	for name, task := range map[string]func(context.Context) error{"poll": c.pollAll, "revoke": c.endAll, "uses": c.writeUses} {
		loops.Go(func() { c.repeat(ctx, name, task) })
	}
	loops.Wait()
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.work.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := c.writeUses(last); err != nil {
		c.Log.WarnContext(last, "uses of tokens were not written down", "err", err)
	}
	return nil
}

// repeat does a task now and then. That it fails is logged when it begins to, and when it ceases.
func (c *Custody) repeat(ctx context.Context, name string, task func(context.Context) error) {
	tick := time.NewTicker(cmp.Or(c.Every, idle))
	defer tick.Stop()
	for failing := false; ; {
		err := task(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			c.Log.ErrorContext(ctx, "work for grants fails", "task", name, "err", err)
		case err == nil && failing:
			c.Log.InfoContext(ctx, "work for grants goes on", "task", name)
		}
		failing = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// renewAt keeps the grants of one provider fresh. What is overdue goes out in the order in which it
// runs out, as many at a time as the provider's places allow.
func (c *Custody) renewAt(ctx context.Context, at *site) {
	tick := time.NewTicker(cmp.Or(c.Every, idle))
	defer tick.Stop()
	enough := max(1, at.Places()/4) // places that make a claim worth its statement
	for failing := false; ; {
		more, err := c.renewSome(ctx, at)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			c.Log.ErrorContext(ctx, "grants are not renewed", "provider", at.ID, "err", err)
		case err == nil && failing:
			c.Log.InfoContext(ctx, "grants are renewed again", "provider", at.ID)
		}
		failing = err != nil
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				waiting = false
			case <-at.Freed:
				waiting = !more || at.Room(c.Now()) < enough
			}
		}
	}
}

// renewSome begins as many renewals as there is room for. More says that there may be more to do.
func (c *Custody) renewSome(ctx context.Context, at *site) (more bool, err error) {
	now := c.now()
	n := 0
	for room := at.Room(c.Now()); n < room && at.Enter(c.Now()); n++ {
	}
	if n == 0 {
		return true, nil // there may be: nobody has looked
	}
	claims, err := c.Store.ClaimRenewals(ctx, at.ID, now, renewal.Lease, n)
	for range n - len(claims) {
		at.Leave(c.Now(), renewal.Nothing, 0)
	}
	for _, claim := range claims {
		c.renewAhead(ctx, at, claim)
	}
	return len(claims) == n, err
}

// renewAhead refreshes what was claimed. The place at the provider is taken.
func (c *Custody) renewAhead(ctx context.Context, at *site, claim grant.Claim) {
	k, needed := claim.Next(c.now())
	f := &flight{wish: k.Wish.Key(), done: make(chan struct{})}
	do := func(ctx context.Context) error {
		r := c.renewal(at, claim, k.Wish, k.UsedAt)
		defer func() { at.Leave(c.Now(), r.Verdict, r.RetryAfter) }()
		if !needed || claim.Family.Refresh == "" {
			return r.GiveBack(ctx)
		}
		err := r.Run(ctx)
		if fault.CodeOf(err) == fault.Internal {
			c.Log.ErrorContext(ctx, "a grant was not renewed", "grant", claim.Credential.ID, "err", err)
		}
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.launch(ctx, claim.Credential.ID, f, do) {
		at.Leave(c.Now(), renewal.Nothing, 0)
	}
}
