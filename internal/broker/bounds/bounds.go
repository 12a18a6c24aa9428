// Package bounds says how long credentials may live and how many somebody may have. It imports rows
// 0 and 1.
package bounds

import (
	"context"
	"errors"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// Limits bound what one account may hold of each kind; zero means none.
type Limits struct {
	KeysPerAccount int // live ones of one account in one project
	KeysPerHour    int // created by one account
}

// Store is what is asked: part of the broker's.
type Store interface {
	ListCredentials(context.Context, credential.Filter) ([]credential.Credential, error)
}

// Bounds judge by the rules and limits of an installation. All fields are required.
type Bounds struct {
	Rules  map[string]credential.Lifetime // by kind
	Kinds  map[string]credential.Kind
	Limits Limits
	Store  Store
	Now    func() time.Time // whole seconds, UTC
}

// More refuses one more credential to an account that has had enough.
func (b Bounds) More(ctx context.Context, by identity.Actor, p project.Project, kind string) error {
	if n := b.Limits.KeysPerAccount; n > 0 {
		live, err := b.Store.ListCredentials(ctx, credential.Filter{Kind: kind, ProjectID: p.ID, OwnerID: by.AccountID,
			Statuses: []credential.Status{credential.Intended, credential.Active, credential.Frozen}, Limit: n})
		if err != nil {
			return err
		}
		if len(live) >= n {
			return fault.New(fault.Limited, "you have %d %s%s, and no more are allowed", len(live), credential.Nouns(kind), in(p)).WithHint("delete one that you no longer need")
		}
	}
	if n := b.Limits.KeysPerHour; n > 0 {
		now := b.Now()
		recent, err := b.Store.ListCredentials(ctx, credential.Filter{Kind: kind, OwnerID: by.AccountID, CreatedAfter: now.Add(-time.Hour), Limit: n})
		if err != nil {
			return err
		}
		if len(recent) >= n {
			f := fault.New(fault.Limited, "you have made %d %s within an hour, and no more are allowed", len(recent), credential.Nouns(kind)).WithHint("wait, or use one that you have")
			f.RetryAfter = max(time.Second, recent[len(recent)-1].CreatedAt.Add(time.Hour).Sub(now))
			return f
		}
	}
	return nil
}

// in says where, for messages.
func in(p project.Project) string {
	if p.ID == "" {
		return ""
	}
	return " in project " + p.Name
}

// Lifetime is the rule for credentials of a kind that are made or extended in p now: the
// installation's, narrowed by the project's and by the project's end.
func (b Bounds) Lifetime(p project.Project, kind string) credential.Lifetime {
	l := b.Rules[kind].Narrow(p.DefaultLife, p.MaxLife)
	if !p.EndsAt.IsZero() {
		left := max(0, p.EndsAt.Sub(b.Now()))
		l.Default, l.Max = min(l.Default, left), min(l.Max, left)
	}
	return l
}

// Within returns at, or the latest end that c can have if that is earlier.
func (b Bounds) Within(c credential.Credential, at time.Time) time.Time {
	kind, ok := b.Kinds[c.Kind].(credential.Bounded)
	if !ok {
		return at
	}
	if bound := kind.Bound(c); !bound.IsZero() && bound.Before(at) {
		return bound.UTC().Truncate(time.Second)
	}
	return at
}

// Expiry judges how long somebody wants a credential in p.
func (b Bounds) Expiry(p project.Project, kind string, life time.Duration, until time.Time) (time.Time, error) {
	at, err := b.Lifetime(p, kind).Expiry(b.Now(), life, until)
	f, limited := errors.AsType[*fault.Fault](err)
	if limited && f.Code == fault.Limited && !p.EndsAt.IsZero() && p.EndsAt.Before(b.Now().Add(b.Rules[kind].Narrow(p.DefaultLife, p.MaxLife).Max)) {
		return at, f.WithHint("project %s ends at %s, and nothing in it lives longer", p.Name, p.EndsAt.Format(time.RFC3339))
	}
	return at, err
}
