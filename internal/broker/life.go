package broker

import (
	"context"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/access"
	"github.com/lanyardhq/lanyard/internal/broker/ledger"
	"github.com/lanyardhq/lanyard/internal/broker/standing"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// Extend moves the end of an active credential later: to now + life, to until, or as late as
// allowed if both are zero. It never shortens: who asks for less than there is gets what there is.
func (b *Broker) Extend(ctx context.Context, by identity.Actor, ref string, life time.Duration, until time.Time, once audit.Once) (credential.Credential, error) {
	c, _, err := b.gate().Credential(ctx, by, ref, access.Writes)
	if err != nil {
		return c, err
	}
	p, err := standing.Project(ctx, b.Store, c.ProjectID)
	if err != nil {
		return c, err
	}
	if life == 0 && until.IsZero() {
		life = b.Lifetime(p, c.Kind).Max
	}
	c, _, err = b.ledger().Change(ctx, by, c, once, "extend", func(c credential.Credential) (credential.Credential, error) {
		if !c.Usable(b.now()) {
			return c.Extend(b.now(), c.ExpiresAt) // which tells why not
		}
		if err := p.RefuseWork(b.now()); err != nil {
			return c, err
		}
		at, err := b.bounds().Expiry(p, c.Kind, life, until)
		if err != nil || !at.After(c.ExpiresAt) {
			return c, err
		}
		if at = b.bounds().Within(c, at); !at.After(c.ExpiresAt) {
			return c, fault.New(fault.Limited, "%s %s ends with the certificate that it is made from, at %s", credential.Noun(c.Kind), c.PublicID, at.Format(time.RFC3339)).
				WithHint("complete it with a newer chain if it is a delegation, or create a new one")
		}
		return c.Extend(b.now(), at)
	})
	return c, err
}

// Freeze refuses a credential until it is thawed. What the operator froze the operator alone thaws.
func (b *Broker) Freeze(ctx context.Context, by identity.Actor, ref string, once audit.Once) (Receipt, error) {
	why := credential.FrozenByOwner
	if by.Operator {
		why = credential.Stopped
	}
	return b.stopOne(ctx, by, ref, once, "freeze", func(c credential.Credential) (credential.Credential, error) {
		return c.Freeze(b.now(), why)
	})
}

// End takes a credential out of force for good. Ending what has ended changes nothing.
func (b *Broker) End(ctx context.Context, by identity.Actor, ref string, once audit.Once) (Receipt, error) {
	return b.stopOne(ctx, by, ref, once, "end", func(c credential.Credential) (credential.Credential, error) {
		return c.End(b.now(), credential.Deleted), nil
	})
}

func (b *Broker) stopOne(ctx context.Context, by identity.Actor, ref string, once audit.Once, verb string, decide ledger.Decision) (Receipt, error) {
	c, _, err := b.gate().Credential(ctx, by, ref, access.Writes)
	if err != nil {
		return Receipt{}, err
	}
	c, seq, err := b.ledger().Change(ctx, by, c, once, verb, decide)
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{Credentials: []credential.Credential{c}, RefusedSince: b.confirmed(ctx, seq, untilRefused)}, nil
}

// Thaw brings a frozen credential back, if by may lift that freeze and nothing else forbids it.
func (b *Broker) Thaw(ctx context.Context, by identity.Actor, ref string, once audit.Once) (Receipt, error) {
	c, _, err := b.gate().Credential(ctx, by, ref, access.Writes)
	if err != nil {
		return Receipt{}, err
	}
	c, seq, err := b.ledger().Change(ctx, by, c, once, "thaw", func(c credential.Credential) (credential.Credential, error) {
		thawed, err := c.Thaw(b.now(), access.Lifts(by, c))
		if err != nil || ledger.Same(c, thawed) {
			return c, err
		}
		why, err := b.obstacle(ctx, c)
		if why != "" {
			err = standing.Refuse(c, why)
		}
		return thawed, err
	})
	if err != nil {
		return Receipt{}, err
	}
	why, err := b.stopping().Refreeze(ctx, c)
	if err != nil {
		return Receipt{}, err
	}
	if why != "" {
		return Receipt{}, standing.Refuse(c, why)
	}
	b.confirmed(ctx, seq, untilWorks)
	return Receipt{Credentials: []credential.Credential{c}}, nil
}

// obstacle returns why c may not be in force whatever its owner wants, or "".
func (b *Broker) obstacle(ctx context.Context, c credential.Credential) (credential.Reason, error) {
	return standing.Obstacle(ctx, b.Store, b.now(), c)
}

// RecordUses notes what gateways report of accepted credentials.
func (b *Broker) RecordUses(ctx context.Context, uses []credential.Use) error {
	for chunk := range slices.Chunk(uses, ledger.Batch) {
		if err := b.Store.SaveUses(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}
