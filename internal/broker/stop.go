package broker

import (
	"context"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/access"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// "Stop everything of X": one command, and a receipt of what ended. What is stopped as a whole
// keeps its credentials, frozen for that reason; readmitting brings back exactly those.

// FreezeAccount stops a person or robot: nothing of theirs is accepted, they are signed out, and
// sign-in is refused. Ref is an id or a subject. A robot keeps its token, which is refused while
// the robot is frozen, since nobody could give it the same one again.
func (b *Broker) FreezeAccount(ctx context.Context, by identity.Actor, ref, reason string) (Receipt, error) {
	if err := judgeStop(by, reason); err != nil {
		return Receipt{}, err
	}
	a, err := b.gate().Account(ctx, ref)
	if err != nil {
		return Receipt{}, err
	}
	return b.stop(ctx, by, credential.Filter{OwnerID: a.ID}, credential.AccountFrozen, func() (seq int64, sessions int, err error) {
		if err := b.markAccount(ctx, by, a.ID, "freeze", b.now(), reason); err != nil || a.Kind == identity.Robot {
			return 0, 0, err
		}
		record := audit.By(by, b.now(), "account.sign_out", a.ID, "")
		sessions, err = b.Store.EndSessions(ctx, a.ID, "", b.now(), audit.Change{Record: record})
		return 0, sessions, err
	})
}

// ThawAccount readmits a person or robot, with the credentials that their freeze stopped.
func (b *Broker) ThawAccount(ctx context.Context, by identity.Actor, ref string) (Receipt, error) {
	if err := access.Operator(by); err != nil {
		return Receipt{}, err
	}
	a, err := b.gate().Account(ctx, ref)
	if err == nil && a.Frozen() {
		err = b.markAccount(ctx, by, a.ID, "thaw", time.Time{}, "")
	}
	if err != nil {
		return Receipt{}, err
	}
	return b.readmit(ctx, by, credential.Filter{OwnerID: a.ID}, credential.AccountFrozen)
}

// markAccount notes that an account is stopped since at, or no longer if that is zero.
func (b *Broker) markAccount(ctx context.Context, by identity.Actor, id, verb string, at time.Time, reason string) error {
	a, err := b.Store.Account(ctx, id)
	if err != nil {
		return err
	}
	if at.IsZero() || !a.Frozen() {
		a.FrozenAt = at
	}
	a.FreezeReason = reason
	record := audit.By(by, b.now(), "account."+verb, a.ID, a.Project).With("reason", reason)
	return b.Store.SaveAccount(ctx, a, audit.Change{Record: record})
}

// FreezeProject stops a project: its keys are refused, and nothing new is made in it.
func (b *Broker) FreezeProject(ctx context.Context, by identity.Actor, ref, reason string) (Receipt, error) {
	if err := judgeStop(by, reason); err != nil {
		return Receipt{}, err
	}
	p, err := b.Store.Project(ctx, ref)
	if err != nil {
		return Receipt{}, err
	}
	return b.stop(ctx, by, credential.Filter{ProjectID: p.ID}, credential.ProjectFrozen, func() (seq int64, sessions int, err error) {
		seq, err = b.markProject(ctx, by, p.ID, "freeze", b.now(), reason)
		return seq, 0, err
	})
}

// ThawProject readmits a project, with the credentials that its freeze stopped.
func (b *Broker) ThawProject(ctx context.Context, by identity.Actor, ref string) (Receipt, error) {
	if err := access.Operator(by); err != nil {
		return Receipt{}, err
	}
	p, err := b.Store.Project(ctx, ref)
	if err == nil && !p.FrozenAt.IsZero() {
		_, err = b.markProject(ctx, by, p.ID, "thaw", time.Time{}, "")
	}
	if err != nil {
		return Receipt{}, err
	}
	return b.readmit(ctx, by, credential.Filter{ProjectID: p.ID}, credential.ProjectFrozen)
}

// markProject notes that a project is stopped since at, or no longer if that is zero.
func (b *Broker) markProject(ctx context.Context, by identity.Actor, id, verb string, at time.Time, reason string) (seq int64, err error) {
	p, err := b.Store.Project(ctx, id)
	if err != nil {
		return 0, err
	}
	if at.IsZero() || p.FrozenAt.IsZero() {
		p.FrozenAt = at
	}
	p.FreezeReason = reason
	record := audit.By(by, b.now(), "project."+verb, p.ID, p.ID).With("reason", reason)
	return b.Store.SaveProject(ctx, p, audit.Change{Record: record})
}

// FreezeProvider stops everybody whom an identity provider vouches for.
func (b *Broker) FreezeProvider(ctx context.Context, by identity.Actor, issuer, reason string) (Receipt, error) {
	if err := judgeStop(by, reason); err != nil {
		return Receipt{}, err
	}
	if issuer == "" {
		return Receipt{}, fault.New(fault.Invalid, "no identity provider was named").WithHint("give its issuer URL")
	}
	return b.stop(ctx, by, credential.Filter{Issuer: issuer}, credential.ProviderFrozen, func() (seq int64, sessions int, err error) {
		record := audit.By(by, b.now(), "provider.freeze", issuer, "").With("reason", reason)
		if err := b.Store.FreezeProvider(ctx, issuer, true, audit.Change{Record: record}); err != nil {
			return 0, 0, err
		}
		record = audit.By(by, b.now(), "provider.sign_out", issuer, "")
		sessions, err = b.Store.EndSessions(ctx, "", issuer, b.now(), audit.Change{Record: record})
		return 0, sessions, err
	})
}

// ThawProvider readmits an identity provider, with the credentials that its freeze stopped.
func (b *Broker) ThawProvider(ctx context.Context, by identity.Actor, issuer string) (Receipt, error) {
	if err := access.Operator(by); err != nil {
		return Receipt{}, err
	}
	frozen, err := b.Store.ListFrozenProviders(ctx)
	if err == nil && slices.Contains(frozen, issuer) {
		record := audit.By(by, b.now(), "provider.thaw", issuer, "")
		err = b.Store.FreezeProvider(ctx, issuer, false, audit.Change{Record: record})
	}
	if err != nil {
		return Receipt{}, err
	}
	return b.readmit(ctx, by, credential.Filter{Issuer: issuer}, credential.ProviderFrozen)
}

func judgeStop(by identity.Actor, reason string) error {
	if err := access.Operator(by); err != nil {
		return err
	}
	return identity.CheckReason(reason)
}

// stop freezes what f selects, and mark writes down that the whole is stopped. The credentials go
// first, so that a crash leaves too much frozen and never too little, and once more afterwards,
// for what came into force meanwhile.
func (b *Broker) stop(ctx context.Context, by identity.Actor, f credential.Filter, why credential.Reason, mark func() (seq int64, sessions int, err error)) (Receipt, error) {
	freeze := func(c credential.Credential) (credential.Credential, error) {
		if c.Status != credential.Active {
			return c, nil
		}
		return c.Freeze(b.now(), why)
	}
	f.Statuses = []credential.Status{credential.Active}
	r := Receipt{}
	first, seq1, err := b.ledger().ChangeAll(ctx, by, f, "freeze", freeze)
	r.Credentials = first
	if err != nil {
		return r, err
	}
	seq2, sessions, err := mark()
	r.Sessions = sessions
	if err != nil {
		return r, err
	}
	late, seq3, err := b.ledger().ChangeAll(ctx, by, f, "freeze", freeze)
	r.Credentials = append(r.Credentials, late...)
	if err != nil {
		return r, err
	}
	r.RefusedSince = b.confirmed(ctx, max(seq1, seq2, seq3), untilRefused)
	return r, nil
}

// readmit thaws what f selects and was frozen for the reason why. Where something else is stopped
// too, the credential stays frozen, for that reason from now on.
func (b *Broker) readmit(ctx context.Context, by identity.Actor, f credential.Filter, why credential.Reason) (Receipt, error) {
	f.Statuses = []credential.Status{credential.Frozen}
	thawed, seq, err := b.ledger().ChangeAll(ctx, by, f, "thaw", func(c credential.Credential) (credential.Credential, error) {
		if c.Reason != why {
			return c, nil
		}
		thawed, err := c.Thaw(b.now(), why)
		if err != nil {
			return c, err
		}
		other, err := b.obstacle(ctx, c)
		if err != nil || other == "" {
			return thawed, err
		}
		return thawed.Freeze(b.now(), other)
	})
	if err != nil {
		return Receipt{Credentials: thawed}, err
	}
	r := Receipt{}
	for _, c := range thawed {
		if c.Status != credential.Active {
			continue
		}
		other, err := b.refreeze(ctx, c)
		if err != nil {
			return r, err
		}
		if other == "" {
			r.Credentials = append(r.Credentials, c)
		}
	}
	b.confirmed(ctx, seq, untilWorks)
	return r, nil
}
