// Package stopping is "stop everything of X": one command, and a receipt of what ended. What is
// stopped as a whole keeps its credentials, frozen for that reason; readmitting brings back exactly
// those. It imports rows 0 and 1.
package stopping

import (
	"context"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/access"
	"github.com/lanyardhq/lanyard/internal/broker/ledger"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// Store is what stopping needs of a database: part of the broker's.
type Store interface {
	Account(ctx context.Context, id string) (identity.Account, error)
	SaveAccount(context.Context, identity.Account, audit.Change) error
	// EndSessions signs accounts out everywhere: those of one account, or of one issuer.
	EndSessions(ctx context.Context, accountID, issuer string, at time.Time, change audit.Change) (n int, err error)
	Project(ctx context.Context, ref string) (project.Project, error)
	SaveProject(context.Context, project.Project, audit.Change) (seq int64, err error)
	FreezeProvider(ctx context.Context, issuer string, frozen bool, change audit.Change) error
	ListFrozenProviders(context.Context) ([]string, error)
	Credential(ctx context.Context, ref string) (credential.Credential, credential.State, error)
}

// Stopping stops and readmits. All fields are required.
type Stopping struct {
	Store  Store
	Gate   access.Gate
	Ledger ledger.Ledger
	Now    func() time.Time
	// Obstacle returns why a credential may not be in force whatever its owner wants, or "".
	Obstacle func(context.Context, credential.Credential) (credential.Reason, error)
	// Refused waits until all gateways have applied the change seq and returns when that was; zero
	// if they did not in time. Works is the same for what was readmitted, and waits shorter.
	Refused, Works func(ctx context.Context, seq int64) time.Time
}

// Receipt tells what a change stopped or brought back.
type Receipt struct {
	Credentials []credential.Credential
	Sessions    int // signed out
	// RefusedSince is when the last gateway confirmed; zero if not all did in time, or if there
	// was nothing to change.
	RefusedSince time.Time
}

// FreezeAccount stops a person or robot: nothing of theirs is accepted, they are signed out, and
// sign-in is refused. Ref is an id or a subject. A robot keeps its token, which is refused while
// the robot is frozen, since nobody could give it the same one again.
func (s Stopping) FreezeAccount(ctx context.Context, by identity.Actor, ref, reason string) (Receipt, error) {
	if err := judgeStop(by, reason); err != nil {
		return Receipt{}, err
	}
	a, err := s.Gate.Account(ctx, ref)
	if err != nil {
		return Receipt{}, err
	}
	return s.Stop(ctx, by, credential.Filter{OwnerID: a.ID}, credential.AccountFrozen, func() (seq int64, sessions int, err error) {
		if err := s.markAccount(ctx, by, a.ID, "freeze", s.Now(), reason); err != nil || a.Kind == identity.Robot {
			return 0, 0, err
		}
		record := audit.By(by, s.Now(), "account.sign_out", a.ID, "")
		sessions, err = s.Store.EndSessions(ctx, a.ID, "", s.Now(), audit.Change{Record: record})
		return 0, sessions, err
	})
}

// ThawAccount readmits a person or robot, with the credentials that their freeze stopped.
func (s Stopping) ThawAccount(ctx context.Context, by identity.Actor, ref string) (Receipt, error) {
	if err := access.Operator(by); err != nil {
		return Receipt{}, err
	}
	a, err := s.Gate.Account(ctx, ref)
	if err == nil && a.Frozen() {
		err = s.markAccount(ctx, by, a.ID, "thaw", time.Time{}, "")
	}
	if err != nil {
		return Receipt{}, err
	}
	return s.readmit(ctx, by, credential.Filter{OwnerID: a.ID}, credential.AccountFrozen)
}

// markAccount notes that an account is stopped since at, or no longer if that is zero.
func (s Stopping) markAccount(ctx context.Context, by identity.Actor, id, verb string, at time.Time, reason string) error {
	a, err := s.Store.Account(ctx, id)
	if err != nil {
		return err
	}
	if at.IsZero() || !a.Frozen() {
		a.FrozenAt = at
	}
	a.FreezeReason = reason
	record := audit.By(by, s.Now(), "account."+verb, a.ID, a.Project).With("reason", reason)
	return s.Store.SaveAccount(ctx, a, audit.Change{Record: record})
}

// FreezeProject stops a project: its keys are refused, and nothing new is made in it.
func (s Stopping) FreezeProject(ctx context.Context, by identity.Actor, ref, reason string) (Receipt, error) {
	if err := judgeStop(by, reason); err != nil {
		return Receipt{}, err
	}
	p, err := s.Store.Project(ctx, ref)
	if err != nil {
		return Receipt{}, err
	}
	return s.Stop(ctx, by, credential.Filter{ProjectID: p.ID}, credential.ProjectFrozen, func() (seq int64, sessions int, err error) {
		seq, err = s.markProject(ctx, by, p.ID, "freeze", s.Now(), reason)
		return seq, 0, err
	})
}

// ThawProject readmits a project, with the credentials that its freeze stopped.
func (s Stopping) ThawProject(ctx context.Context, by identity.Actor, ref string) (Receipt, error) {
	if err := access.Operator(by); err != nil {
		return Receipt{}, err
	}
	p, err := s.Store.Project(ctx, ref)
	if err == nil && !p.FrozenAt.IsZero() {
		_, err = s.markProject(ctx, by, p.ID, "thaw", time.Time{}, "")
	}
	if err != nil {
		return Receipt{}, err
	}
	return s.readmit(ctx, by, credential.Filter{ProjectID: p.ID}, credential.ProjectFrozen)
}

// markProject notes that a project is stopped since at, or no longer if that is zero.
func (s Stopping) markProject(ctx context.Context, by identity.Actor, id, verb string, at time.Time, reason string) (seq int64, err error) {
	p, err := s.Store.Project(ctx, id)
	if err != nil {
		return 0, err
	}
	if at.IsZero() || p.FrozenAt.IsZero() {
		p.FrozenAt = at
	}
	p.FreezeReason = reason
	record := audit.By(by, s.Now(), "project."+verb, p.ID, p.ID).With("reason", reason)
	return s.Store.SaveProject(ctx, p, audit.Change{Record: record})
}

// FreezeProvider stops everybody whom an identity provider vouches for.
func (s Stopping) FreezeProvider(ctx context.Context, by identity.Actor, issuer, reason string) (Receipt, error) {
	if err := judgeStop(by, reason); err != nil {
		return Receipt{}, err
	}
	if issuer == "" {
		return Receipt{}, fault.New(fault.Invalid, "no identity provider was named").WithHint("give its issuer URL")
	}
	return s.Stop(ctx, by, credential.Filter{Issuer: issuer}, credential.ProviderFrozen, func() (seq int64, sessions int, err error) {
		record := audit.By(by, s.Now(), "provider.freeze", issuer, "").With("reason", reason)
		if err := s.Store.FreezeProvider(ctx, issuer, true, audit.Change{Record: record}); err != nil {
			return 0, 0, err
		}
		record = audit.By(by, s.Now(), "provider.sign_out", issuer, "")
		sessions, err = s.Store.EndSessions(ctx, "", issuer, s.Now(), audit.Change{Record: record})
		return 0, sessions, err
	})
}

// ThawProvider readmits an identity provider, with the credentials that its freeze stopped.
func (s Stopping) ThawProvider(ctx context.Context, by identity.Actor, issuer string) (Receipt, error) {
	if err := access.Operator(by); err != nil {
		return Receipt{}, err
	}
	frozen, err := s.Store.ListFrozenProviders(ctx)
	if err == nil && slices.Contains(frozen, issuer) {
		record := audit.By(by, s.Now(), "provider.thaw", issuer, "")
		err = s.Store.FreezeProvider(ctx, issuer, false, audit.Change{Record: record})
	}
	if err != nil {
		return Receipt{}, err
	}
	return s.readmit(ctx, by, credential.Filter{Issuer: issuer}, credential.ProviderFrozen)
}

func judgeStop(by identity.Actor, reason string) error {
	if err := access.Operator(by); err != nil {
		return err
	}
	return identity.CheckReason(reason)
}

// Stop freezes what f selects, and mark writes down that the whole is stopped. The credentials go
// first, so that a crash leaves too much frozen and never too little, and once more afterwards,
// for what came into force meanwhile.
func (s Stopping) Stop(ctx context.Context, by identity.Actor, f credential.Filter, why credential.Reason, mark func() (seq int64, sessions int, err error)) (Receipt, error) {
	freeze := func(c credential.Credential) (credential.Credential, error) {
		if c.Status != credential.Active {
			return c, nil
		}
		return c.Freeze(s.Now(), why)
	}
	f.Statuses = []credential.Status{credential.Active}
	r := Receipt{}
	first, seq1, err := s.Ledger.ChangeAll(ctx, by, f, "freeze", freeze)
	r.Credentials = first
	if err != nil {
		return r, err
	}
	seq2, sessions, err := mark()
	r.Sessions = sessions
	if err != nil {
		return r, err
	}
	late, seq3, err := s.Ledger.ChangeAll(ctx, by, f, "freeze", freeze)
	r.Credentials = append(r.Credentials, late...)
	if err != nil {
		return r, err
	}
	r.RefusedSince = s.Refused(ctx, max(seq1, seq2, seq3))
	return r, nil
}

// readmit thaws what f selects and was frozen for the reason why. Where something else is stopped
// too, the credential stays frozen, for that reason from now on.
func (s Stopping) readmit(ctx context.Context, by identity.Actor, f credential.Filter, why credential.Reason) (Receipt, error) {
	f.Statuses = []credential.Status{credential.Frozen}
	thawed, seq, err := s.Ledger.ChangeAll(ctx, by, f, "thaw", func(c credential.Credential) (credential.Credential, error) {
		if c.Reason != why {
			return c, nil
		}
		thawed, err := c.Thaw(s.Now(), why)
		if err != nil {
			return c, err
		}
		other, err := s.Obstacle(ctx, c)
		if err != nil || other == "" {
			return thawed, err
		}
		return thawed.Freeze(s.Now(), other)
	})
	if err != nil {
		return Receipt{Credentials: thawed}, err
	}
	r := Receipt{}
	for _, c := range thawed {
		if c.Status != credential.Active {
			continue
		}
		other, err := s.Refreeze(ctx, c)
		if err != nil {
			return r, err
		}
		if other == "" {
			r.Credentials = append(r.Credentials, c)
		}
	}
	s.Works(ctx, seq)
	return r, nil
}

// Refreeze stops a credential again if an obstacle came up while it was thawed, and returns which.
func (s Stopping) Refreeze(ctx context.Context, c credential.Credential) (credential.Reason, error) {
	why, err := s.Obstacle(ctx, c)
	if err != nil || why == "" {
		return "", err
	}
	c, _, err = s.Store.Credential(ctx, c.ID)
	if err != nil {
		return why, err
	}
	_, _, err = s.Ledger.Change(ctx, identity.System(), c, audit.Once{}, "freeze", func(c credential.Credential) (credential.Credential, error) {
		if c.Status != credential.Active {
			return c, nil
		}
		return c.Freeze(s.Now(), why)
	})
	return why, err
}
