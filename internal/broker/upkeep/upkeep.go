// Package upkeep does what is due without anybody asking: what expired ends, what nobody completed is
// given up, what is ending is cleaned up, what ended long ago is removed. It imports rows 0 and 1.
package upkeep

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// Store is what upkeep needs of a database: part of the broker's.
type Store interface {
	ClaimDue(ctx context.Context, now time.Time, lease time.Duration, n int) ([]credential.Credential, error)
	PurgeCredentials(ctx context.Context, before time.Time) error
	Project(ctx context.Context, ref string) (project.Project, error)
	ListProjects(ctx context.Context, accountID string) ([]project.Project, error)
}

// Ledger is what upkeep changes credentials with: see the package ledger.
type Ledger interface {
	ChangeThese(ctx context.Context, by identity.Actor, page []credential.Credential, verb string, decide decision) ([]credential.Credential, int64, error)
	ChangeAll(ctx context.Context, by identity.Actor, f credential.Filter, verb string, decide decision) ([]credential.Credential, int64, error)
}

type decision = func(credential.Credential) (credential.Credential, error)

// Upkeep works on Store. All fields are required.
type Upkeep struct {
	Store  Store
	Ledger Ledger
	Kinds  map[string]credential.Kind
	Now    func() time.Time // whole seconds, UTC
	Log    *slog.Logger
}

const (
	claimed = 50               // credentials at a time
	lease   = 30 * time.Second // that no other server gets them
	// remembered is how long lists show what has ended, and promises of once-only hold (they need
	// a day).
	remembered = 30 * 24 * time.Hour
)

// A Task is run at once and then Every so often.
type Task struct {
	Name  string
	Every time.Duration
	Once  func(context.Context) error
}

// Run does what is due, and more, until ctx ends. All servers may run it. Each task has its own
// loop, so that one which hangs delays nothing else.
func (u Upkeep) Run(ctx context.Context, more ...Task) {
	projects := ended{}
	var all sync.WaitGroup
	for _, t := range append([]Task{
		{"due", time.Second, u.sweepDue},
		{"projects", 30 * time.Second, func(ctx context.Context) error { return u.sweepProjects(ctx, projects) }},
		{"purge", 24 * time.Hour, func(ctx context.Context) error {
			return u.Store.PurgeCredentials(ctx, u.Now().Add(-remembered))
		}},
	}, more...) {
		all.Go(func() { u.repeat(ctx, t) })
	}
	all.Wait()
}

// repeat runs a task. One that fails is tried again within a minute, and logged when it begins and
// when it ceases to fail.
func (u Upkeep) repeat(ctx context.Context, t Task) {
	failing := false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := t.Once(ctx)
		wait := t.Every
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = min(wait, time.Minute)
			if !failing {
				u.Log.ErrorContext(ctx, "background work fails", "task", t.Name, "err", err)
			}
		case failing:
			u.Log.InfoContext(ctx, "background work goes on", "task", t.Name)
		}
		failing = err != nil
		timer.Reset(wait)
	}
}

// sweepDue ends what has expired or was never completed, and finishes what is ending.
func (u Upkeep) sweepDue(ctx context.Context) error {
	for {
		cs, err := u.Store.ClaimDue(ctx, u.Now(), lease, claimed)
		if err != nil {
			return err
		}
		if _, _, err := u.Ledger.ChangeThese(ctx, identity.System(), cs, "end", u.expire(ctx)); err != nil {
			return err
		}
		_, _, err = u.Ledger.ChangeThese(ctx, identity.System(), cs, "finish", func(c credential.Credential) (credential.Credential, error) {
			return u.finish(c), nil
		})
		if err != nil || len(cs) < claimed {
			return err
		}
	}
}

// expire decides about credentials whose time is over, and names the project's end as the reason
// where that is what cut it short.
func (u Upkeep) expire(ctx context.Context) decision {
	return func(c credential.Credential) (credential.Credential, error) {
		why := c.Over(u.Now())
		if why == "" {
			return c, nil
		}
		var p project.Project // the zero one ends nothing
		if c.ProjectID != "" {
			var err error
			if p, err = u.Store.Project(ctx, c.ProjectID); err != nil && fault.CodeOf(err) != fault.NotFound {
				return c, err
			}
		}
		if why == credential.Expired && !p.EndsAt.IsZero() && !c.ExpiresAt.Before(p.EndsAt) {
			why = credential.ProjectEnded
		}
		return u.finish(c.End(u.Now(), why)), nil
	}
}

// finish marks the clean-up as done of what has nothing outside to be cleaned up.
func (u Upkeep) finish(c credential.Credential) credential.Credential {
	if _, lingers := u.Kinds[c.Kind].(credential.Lingering); lingers {
		return c
	}
	return c.Finish()
}

// ended are the projects whose keys have been ended, by id, with the end that they had then.
type ended map[string]time.Time

// sweepProjects ends the keys of projects that have ended. Those that were made before somebody
// chose an earlier end are not due by themselves yet.
func (u Upkeep) sweepProjects(ctx context.Context, done ended) error {
	ps, err := u.Store.ListProjects(ctx, "")
	if err != nil {
		return err
	}
	for _, p := range ps {
		if p.EndsAt.IsZero() || u.Now().Before(p.EndsAt) || done[p.ID].Equal(p.EndsAt) {
			continue
		}
		f := credential.Filter{ProjectID: p.ID, Statuses: []credential.Status{credential.Intended, credential.Active, credential.Frozen}}
		_, _, err := u.Ledger.ChangeAll(ctx, identity.System(), f, "end", func(c credential.Credential) (credential.Credential, error) {
			return c.End(u.Now(), credential.ProjectEnded), nil
		})
		if err != nil {
			return err
		}
		done[p.ID] = p.EndsAt
	}
	return nil
}
