package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/access"
	"github.com/lanyardhq/lanyard/internal/broker/bounds"
	"github.com/lanyardhq/lanyard/internal/broker/ledger"
	"github.com/lanyardhq/lanyard/internal/broker/standing"
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

// Issue makes the credential that by orders, active at once unless its kind waits for somebody to
// Complete it. o.ProjectID may be an id or a name; it is empty for a personal one.
// A request that repeats an earlier one under the same promise gets the same answer.
func (b *Broker) Issue(ctx context.Context, by identity.Actor, o credential.Order, once audit.Once) (Issued, error) {
	p, err := b.place(ctx, by, o)
	if err != nil {
		return Issued{}, err
	}
	o.ProjectID = p.ID
	got, seq, err := b.issue(ctx, by, p, o, once)
	if errors.Is(err, fault.ErrStale) { // another server has just done the same
		got, err = b.issuedBefore(ctx, by, once)
		if err == nil && !got.Replayed {
			err = fault.New(fault.Conflict, "the %s was not made because something else came first", credential.Noun(o.Kind)).WithHint("try again")
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

// place judges whether by may make what is ordered where it is ordered, and finds the project.
func (b *Broker) place(ctx context.Context, by identity.Actor, o credential.Order) (p project.Project, err error) {
	if _, personal := b.Kinds[o.Kind].(credential.Personal); personal && o.ProjectID == "" {
		err = b.gate().Admit(ctx, by, access.Writes(o.Kind))
	} else {
		p, err = b.gate().Project(ctx, by, o.ProjectID, identity.User, access.Writes(o.Kind))
	}
	if err == nil && by.AccountID == "" {
		err = fault.New(fault.Denied, "a %s belongs to an account, and the operator has none", credential.Noun(o.Kind)).WithHint("sign in as a member of the project, or make a robot there")
	}
	return p, err
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
	expires, err := b.bounds().Expiry(p, o.Kind, o.Life, o.Until)
	if err != nil {
		return Issued{}, 0, err
	}
	if err := b.bounds().More(ctx, by, p, o.Kind); err != nil {
		return Issued{}, 0, err
	}
	if o.Owner, err = b.Store.Account(ctx, by.AccountID); err != nil {
		return Issued{}, 0, err
	}
	o.Life, o.Until = 0, expires
	made, err := kind.Make(ctx, o)
	if err != nil {
		return Issued{}, 0, err
	}
	now := b.now()
	c := credential.Credential{ID: "crd_" + rand.Text(), Kind: o.Kind, ProjectID: p.ID, ProjectName: p.Name,
		OwnerID: by.AccountID, OwnerName: by.Name, Name: o.Name, PublicID: made.PublicID, Spec: made.Spec,
		Status: credential.Active, CreatedAt: now}
	c.ExpiresAt = b.bounds().Within(c, expires)
	c.DueAt = c.ExpiresAt
	if made.Waits {
		c.Status, c.DueAt = credential.Intended, now.Add(credential.Patience)
	}
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
	return errors.Join(standing.Refuse(c, why), err)
}

// Again returns the secret of an own credential once more, where the operator allows it, and
// records that it did. It takes the scope that creates keys: who sees a secret can use it.
func (b *Broker) Again(ctx context.Context, by identity.Actor, ref string) (Issued, error) {
	for range ledger.Tries {
		c, state, err := b.gate().Own(ctx, by, ref)
		if err != nil {
			return Issued{}, err
		}
		switch _, anew := b.Kinds[c.Kind].(credential.Retriever); {
		case anew:
			return Issued{}, fault.New(fault.Conflict, "a %s has no secret that could be shown again: it is made anew each time", credential.Noun(c.Kind)).WithHint("fetch a new one")
		case !b.Reveal:
			return Issued{}, fault.New(fault.Denied, "secrets are shown only once, when a key is created").WithHint("create a new key")
		case c.Status != credential.Active && c.Status != credential.Frozen:
			return Issued{}, fault.New(fault.Conflict, "%s %s has ended", c.Kind, c.PublicID).WithHint("create a new key")
		case len(state) == 0:
			return Issued{}, fault.New(fault.Conflict, "a %s has no secret that could be shown again", credential.Noun(c.Kind)).WithHint("ask for what comes of it")
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
	return b.bounds().Lifetime(p, kind)
}

func (b *Broker) bounds() bounds.Bounds {
	return bounds.Bounds{Rules: b.Rules, Kinds: b.Kinds, Limits: b.Limits, Store: b.Store, Now: b.now}
}
