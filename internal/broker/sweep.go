package broker

import (
	"context"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker/ledger"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

const (
	claimed = 50               // credentials at a time
	lease   = 30 * time.Second // that no other server gets them
	// remembered is how long lists show what has ended, and promises of once-only hold (they need
	// a day).
	remembered = 30 * 24 * time.Hour
)

// Run does what is due until ctx ends: what expired ends, what is ending is cleaned up, what a
// crash left half made is settled, what ended long ago is removed. All servers may run it. Each
// task has its own loop, so that a sick object store delays nothing else.
func (b *Broker) Run(ctx context.Context) error {
	projects := ended{}
	var all sync.WaitGroup
	for _, t := range []task{
		{"due", time.Second, b.sweepDue},
		{"buckets", 30 * time.Second, b.custody().Settle},
		{"projects", 30 * time.Second, func(ctx context.Context) error { return b.sweepProjects(ctx, projects) }},
		{"purge", 24 * time.Hour, func(ctx context.Context) error {
			return b.Store.PurgeCredentials(ctx, b.now().Add(-remembered))
		}},
	} {
		all.Go(func() { b.repeat(ctx, t) })
	}
	all.Wait()
	return nil
}

type task struct {
	name  string
	every time.Duration
	once  func(context.Context) error
}

// repeat runs a task at once and then every so often. One that fails is tried again within a
// minute, and logged when it begins and when it ceases to fail.
func (b *Broker) repeat(ctx context.Context, t task) {
	failing := false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := t.once(ctx)
		wait := t.every
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = min(wait, time.Minute)
			if !failing {
				b.Log.ErrorContext(ctx, "background work fails", "task", t.name, "err", err)
			}
		case failing:
			b.Log.InfoContext(ctx, "background work goes on", "task", t.name)
		}
		failing = err != nil
		timer.Reset(wait)
	}
}

// sweepDue ends what has expired and finishes what is ending.
func (b *Broker) sweepDue(ctx context.Context) error {
	for {
		cs, err := b.Store.ClaimDue(ctx, b.now(), lease, claimed)
		if err != nil {
			return err
		}
		// Nothing outside needs cleaning up yet, so what expires is finished in the same step.
		if _, _, err := b.ledger().ChangeThese(ctx, identity.System(), cs, "end", b.expire(ctx)); err != nil {
			return err
		}
		_, _, err = b.ledger().ChangeThese(ctx, identity.System(), cs, "finish", func(c credential.Credential) (credential.Credential, error) {
			return c.Finish(), nil
		})
		if err != nil || len(cs) < claimed {
			return err
		}
	}
}

// expire decides about credentials whose time is over, and names the project's end as the reason
// where that is what cut it short.
func (b *Broker) expire(ctx context.Context) ledger.Decision {
	return func(c credential.Credential) (credential.Credential, error) {
		over := c.Status == credential.Intended || c.Status == credential.Active || c.Status == credential.Frozen
		if !over || b.now().Before(c.ExpiresAt) {
			return c, nil
		}
		p, err := b.Store.Project(ctx, c.ProjectID)
		if err != nil && fault.CodeOf(err) != fault.NotFound {
			return c, err
		}
		why := credential.Expired
		if !p.EndsAt.IsZero() && !c.ExpiresAt.Before(p.EndsAt) {
			why = credential.ProjectEnded
		}
		return c.End(b.now(), why).Finish(), nil
	}
}

// ended are the projects whose keys have been ended, by id, with the end that they had then.
type ended map[string]time.Time

// sweepProjects ends the keys of projects that have ended. Those that were made before somebody
// chose an earlier end are not due by themselves yet.
func (b *Broker) sweepProjects(ctx context.Context, done ended) error {
	ps, err := b.Store.ListProjects(ctx, "")
	if err != nil {
		return err
	}
	for _, p := range ps {
		if p.EndsAt.IsZero() || b.now().Before(p.EndsAt) || done[p.ID].Equal(p.EndsAt) {
			continue
		}
		f := credential.Filter{ProjectID: p.ID, Statuses: []credential.Status{credential.Intended, credential.Active, credential.Frozen}}
		_, _, err := b.ledger().ChangeAll(ctx, identity.System(), f, "end", func(c credential.Credential) (credential.Credential, error) {
			return c.End(b.now(), credential.ProjectEnded), nil
		})
		if err != nil {
			return err
		}
		done[p.ID] = p.EndsAt
	}
	return nil
}
