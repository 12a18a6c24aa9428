package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/ledger"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/material"
)

// Issued is a credential with its material.
type Issued struct {
	Credential credential.Credential
	Material   material.Material
	// Replayed is true if an earlier request under the same once-only promise made it.
	Replayed bool
}

// Issue makes the credential that by orders, active at once. o.ProjectID may be an id or a name.
// A request that repeats an earlier one under the same promise gets the same answer.
func (b *Broker) Issue(ctx context.Context, by identity.Actor, o credential.Order, once audit.Once) (Issued, error) {
	p, err := b.project(ctx, by, o.ProjectID, identity.User, identity.WriteKeys)
	if err != nil {
		return Issued{}, err
	}
	if by.AccountID == "" {
		return Issued{}, fault.New(fault.Denied, "a key belongs to an account, and the operator has none").WithHint("sign in as a member of project %s, or make a robot there", p.Name)
	}
	o.ProjectID = p.ID
	got, seq, err := b.issue(ctx, by, p, o, once)
	if errors.Is(err, fault.ErrStale) { // another server has just done the same
		got, err = b.issuedBefore(ctx, by, once)
		if err == nil && !got.Replayed {
			err = fault.New(fault.Conflict, "the key was not made because something else came first").WithHint("try again")
		}
	}
	if err != nil || got.Replayed {
		return got, err
	}
	if err := b.stillAllowed(ctx, got.Credential); err != nil {
		return Issued{}, err
	}
	b.confirmed(ctx, seq, untilWorks) // so that the key works at once; it is made either way
	return got, nil
}

func (b *Broker) issue(ctx context.Context, by identity.Actor, p project.Project, o credential.Order, once audit.Once) (Issued, int64, error) {
	if b.Limits != (Limits{}) {
		defer b.turns.Take(by.AccountID)()
	}
	if got, err := b.issuedBefore(ctx, by, once); err != nil || got.Replayed {
		return got, 0, err
	}
	kind, ok := b.Kinds[o.Kind]
	if !ok {
		return Issued{}, 0, fault.New(fault.Invalid, "there is no kind of credential %.40q", o.Kind)
	}
	if err := credential.CheckName(o.Name); err != nil {
		return Issued{}, 0, err
	}
	if err := p.RefuseWork(b.now()); err != nil {
		return Issued{}, 0, err
	}
	expires, err := b.expiry(p, o.Kind, o.Life, o.Until)
	if err != nil {
		return Issued{}, 0, err
	}
	if err := b.withinLimits(ctx, by, p); err != nil {
		return Issued{}, 0, err
	}
	made, err := kind.Make(ctx, o)
	if err != nil {
		return Issued{}, 0, err
	}
	now := b.now()
	c := credential.Credential{ID: "crd_" + rand.Text(), Kind: o.Kind, ProjectID: p.ID, ProjectName: p.Name,
		OwnerID: by.AccountID, OwnerName: by.Name, Name: o.Name, PublicID: made.PublicID, Spec: made.Spec,
		Status: credential.Active, CreatedAt: now, ExpiresAt: expires, DueAt: expires}
	m, err := kind.Material(ctx, c, made.State)
	if err != nil {
		return Issued{}, 0, err
	}
	record := ledger.Record(by, now, "create", c).With("rights", string(c.Spec))
	seq, err := b.Store.InsertCredential(ctx, c, made.State, audit.Change{Record: record, Once: once})
	return Issued{Credential: c, Material: m}, seq, err
}

// issuedBefore returns what by was issued earlier under the same promise, marked as Replayed, or
// nothing.
func (b *Broker) issuedBefore(ctx context.Context, by identity.Actor, once audit.Once) (Issued, error) {
	id, err := b.ledger().Done(ctx, by, once)
	if err != nil || id == "" {
		return Issued{}, err
	}
	c, state, err := b.Store.Credential(ctx, id)
	if err != nil {
		return Issued{}, err
	}
	if c.Status == credential.Ending || c.Status == credential.Ended { // its secret is destroyed
		return Issued{}, fault.New(fault.Conflict, "%s %s, which this request made, has ended", c.Kind, c.PublicID).WithHint("create a new one")
	}
	m, err := b.material(ctx, c, state)
	return Issued{Credential: c, Material: m, Replayed: true}, err
}

// stillAllowed ends a new credential if its owner or project was stopped while it was made.
func (b *Broker) stillAllowed(ctx context.Context, c credential.Credential) error {
	why, err := b.obstacle(ctx, c)
	if err != nil || why == "" {
		return err
	}
	_, _, err = b.ledger().Change(ctx, identity.System(), c, audit.Once{}, "end", func(c credential.Credential) (credential.Credential, error) {
		return c.End(b.now(), why), nil
	})
	return errors.Join(refuse(c, why), err)
}

// withinLimits refuses one more credential to an account that has had enough.
func (b *Broker) withinLimits(ctx context.Context, by identity.Actor, p project.Project) error {
	if n := b.Limits.KeysPerAccount; n > 0 {
		live, err := b.Store.ListCredentials(ctx, credential.Filter{ProjectID: p.ID, OwnerID: by.AccountID,
			Statuses: []credential.Status{credential.Intended, credential.Active, credential.Frozen}, Limit: n})
		if err != nil {
			return err
		}
		if len(live) >= n {
			return fault.New(fault.Limited, "you have %d keys in project %s, and no more are allowed", len(live), p.Name).WithHint("delete one that you no longer need")
		}
	}
	if n := b.Limits.KeysPerHour; n > 0 {
		now := b.now()
		recent, err := b.Store.ListCredentials(ctx, credential.Filter{OwnerID: by.AccountID, CreatedAfter: now.Add(-time.Hour), Limit: n})
		if err != nil {
			return err
		}
		if len(recent) >= n {
			f := fault.New(fault.Limited, "you have made %d keys within an hour, and no more are allowed", len(recent)).WithHint("wait, or use a key that you have")
			f.RetryAfter = max(time.Second, recent[len(recent)-1].CreatedAt.Add(time.Hour).Sub(now))
			return f
		}
	}
	return nil
}

// Again returns the secret of an own credential once more, where the operator allows it, and
// records that it did. It takes the scope that creates keys: who sees a secret can use it.
func (b *Broker) Again(ctx context.Context, by identity.Actor, ref string) (Issued, error) {
	for range ledger.Tries {
		c, state, err := b.credential(ctx, by, ref, identity.WriteKeys)
		switch {
		case err != nil:
			return Issued{}, err
		case !b.Reveal:
			return Issued{}, fault.New(fault.Denied, "secrets are shown only once, when a key is created").WithHint("create a new key")
		case by.AccountID == "" || c.OwnerID != by.AccountID:
			return Issued{}, fault.New(fault.Denied, "only its owner may see the secret of %s %s", c.Kind, c.PublicID)
		case c.Status != credential.Active && c.Status != credential.Frozen:
			return Issued{}, fault.New(fault.Conflict, "%s %s has ended", c.Kind, c.PublicID).WithHint("create a new key")
		}
		m, err := b.material(ctx, c, state)
		if err != nil {
			return Issued{}, err
		}
		_, err = b.ledger().Save(ctx, by, audit.Once{}, "reveal", c)
		if !errors.Is(err, fault.ErrStale) {
			return Issued{Credential: c, Material: m}, err
		}
	}
	return Issued{}, ledger.ErrBeaten
}

func (b *Broker) material(ctx context.Context, c credential.Credential, s credential.State) (material.Material, error) {
	kind, ok := b.Kinds[c.Kind]
	if !ok {
		return material.Material{}, fmt.Errorf("credential %s is of the kind %s, which this server does not have", c.ID, c.Kind)
	}
	return kind.Material(ctx, c, s)
}

// Lifetime is the rule for credentials of a kind that are made or extended in p now: the
// installation's, narrowed by the project's and by the project's end.
func (b *Broker) Lifetime(p project.Project, kind string) credential.Lifetime {
	l := b.Rules[kind].Narrow(p.DefaultLife, p.MaxLife)
	if !p.EndsAt.IsZero() {
		left := max(0, p.EndsAt.Sub(b.now()))
		l.Default, l.Max = min(l.Default, left), min(l.Max, left)
	}
	return l
}

// expiry judges how long somebody wants a credential in p.
func (b *Broker) expiry(p project.Project, kind string, life time.Duration, until time.Time) (time.Time, error) {
	at, err := b.Lifetime(p, kind).Expiry(b.now(), life, until)
	f, limited := errors.AsType[*fault.Fault](err)
	if limited && f.Code == fault.Limited && !p.EndsAt.IsZero() && p.EndsAt.Before(b.now().Add(b.Rules[kind].Narrow(p.DefaultLife, p.MaxLife).Max)) {
		return at, f.WithHint("project %s ends at %s, and nothing in it lives longer", p.Name, p.EndsAt.Format(time.RFC3339))
	}
	return at, err
}
