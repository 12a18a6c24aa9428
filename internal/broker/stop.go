package broker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// "Stop everything of X": one command, and a receipt of what ended. What is stopped as a whole
// keeps its credentials, frozen for that reason; readmitting brings back exactly those.

// batch bounds how many rows one transaction changes.
const batch = 500

// FreezeAccount stops a person or robot: nothing of theirs is accepted, they are signed out, and
// sign-in is refused. Ref is an id or a subject. A robot keeps its token, which is refused while
// the robot is frozen, since nobody could give it the same one again.
func (b *Broker) FreezeAccount(ctx context.Context, by identity.Actor, ref, reason string) (Receipt, error) {
	if err := judgeStop(by, reason); err != nil {
		return Receipt{}, err
	}
	a, err := b.account(ctx, ref)
	if err != nil {
		return Receipt{}, err
	}
	return b.stop(ctx, by, credential.Filter{OwnerID: a.ID}, credential.AccountFrozen, func() (seq int64, sessions int, err error) {
		now := b.now()
		if a, err = b.Store.Account(ctx, a.ID); err != nil { // it may have changed meanwhile
			return 0, 0, err
		}
		if !a.Frozen() {
			a.FrozenAt = now
		}
		a.FreezeReason = reason
		change := audit.Change{Record: audit.By(by, now, "account.freeze", a.ID, a.Project).With("reason", reason)}
		if err := b.Store.SaveAccount(ctx, a, change); err != nil || a.Kind == identity.Robot {
			return 0, 0, err
		}
		change = audit.Change{Record: audit.By(by, now, "account.sign_out", a.ID, "")}
		sessions, err = b.Store.EndSessions(ctx, a.ID, "", now, change)
		return 0, sessions, err
	})
}

// ThawAccount readmits a person or robot, with the credentials that their freeze stopped.
func (b *Broker) ThawAccount(ctx context.Context, by identity.Actor, ref string) (Receipt, error) {
	if err := operator(by); err != nil {
		return Receipt{}, err
	}
	a, err := b.account(ctx, ref)
	if err != nil {
		return Receipt{}, err
	}
	if a.Frozen() {
		a.FrozenAt, a.FreezeReason = time.Time{}, ""
		change := audit.Change{Record: audit.By(by, b.now(), "account.thaw", a.ID, a.Project)}
		if err := b.Store.SaveAccount(ctx, a, change); err != nil {
			return Receipt{}, err
		}
	}
	return b.readmit(ctx, by, credential.Filter{OwnerID: a.ID}, credential.AccountFrozen)
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
		if p, err = b.Store.Project(ctx, p.ID); err != nil { // it may have changed meanwhile
			return 0, 0, err
		}
		if p.FrozenAt.IsZero() {
			p.FrozenAt = b.now()
		}
		p.FreezeReason = reason
		change := audit.Change{Record: audit.By(by, b.now(), "project.freeze", p.ID, p.ID).With("reason", reason)}
		seq, err = b.Store.SaveProject(ctx, p, change)
		return seq, 0, err
	})
}

// ThawProject readmits a project, with the credentials that its freeze stopped.
func (b *Broker) ThawProject(ctx context.Context, by identity.Actor, ref string) (Receipt, error) {
	if err := operator(by); err != nil {
		return Receipt{}, err
	}
	p, err := b.Store.Project(ctx, ref)
	if err != nil {
		return Receipt{}, err
	}
	if !p.FrozenAt.IsZero() {
		p.FrozenAt, p.FreezeReason = time.Time{}, ""
		change := audit.Change{Record: audit.By(by, b.now(), "project.thaw", p.ID, p.ID)}
		if _, err := b.Store.SaveProject(ctx, p, change); err != nil {
			return Receipt{}, err
		}
	}
	return b.readmit(ctx, by, credential.Filter{ProjectID: p.ID}, credential.ProjectFrozen)
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
		now := b.now()
		change := audit.Change{Record: audit.By(by, now, "provider.freeze", issuer, "").With("reason", reason)}
		if err := b.Store.FreezeProvider(ctx, issuer, true, change); err != nil {
			return 0, 0, err
		}
		change = audit.Change{Record: audit.By(by, now, "provider.sign_out", issuer, "")}
		sessions, err = b.Store.EndSessions(ctx, "", issuer, now, change)
		return 0, sessions, err
	})
}

// ThawProvider readmits an identity provider, with the credentials that its freeze stopped.
func (b *Broker) ThawProvider(ctx context.Context, by identity.Actor, issuer string) (Receipt, error) {
	if err := operator(by); err != nil {
		return Receipt{}, err
	}
	frozen, err := b.Store.ListFrozenProviders(ctx)
	if err != nil {
		return Receipt{}, err
	}
	if slices.Contains(frozen, issuer) {
		change := audit.Change{Record: audit.By(by, b.now(), "provider.thaw", issuer, "")}
		if err := b.Store.FreezeProvider(ctx, issuer, false, change); err != nil {
			return Receipt{}, err
		}
	}
	return b.readmit(ctx, by, credential.Filter{Issuer: issuer}, credential.ProviderFrozen)
}

func judgeStop(by identity.Actor, reason string) error {
	if err := operator(by); err != nil {
		return err
	}
	if utf8.RuneCountInString(reason) > 200 || !utf8.ValidString(reason) || strings.ContainsFunc(reason, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fault.New(fault.Invalid, "a reason is one line of at most 200 characters").WithHint("the people concerned will read it")
	}
	return nil
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
	first, seq1, err := b.each(ctx, by, f, "freeze", freeze)
	r.Credentials = first
	if err != nil {
		return r, err
	}
	seq2, sessions, err := mark()
	r.Sessions = sessions
	if err != nil {
		return r, err
	}
	late, seq3, err := b.each(ctx, by, f, "freeze", freeze)
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
	thawed, seq, err := b.each(ctx, by, f, "thaw", func(c credential.Credential) (credential.Credential, error) {
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

// each decides about all credentials that f selects and writes them in batches, and returns those
// that changed. Credentials about which decide returns a fault (they have expired, say) are passed
// over.
func (b *Broker) each(ctx context.Context, by identity.Actor, f credential.Filter, verb string, decide decision) (changed []credential.Credential, seq int64, err error) {
	f.Limit = batch
	for {
		page, err := b.Store.ListCredentials(ctx, f)
		if err != nil || len(page) == 0 {
			return changed, seq, err
		}
		done, s, err := b.amendAll(ctx, by, page, verb, decide)
		changed, seq = append(changed, done...), max(seq, s)
		if err != nil || len(page) < batch {
			return changed, seq, err
		}
		f.Before = page[len(page)-1].ID
	}
}

// amendAll decides about one batch and writes it in one transaction; if another change came
// between, then one by one.
func (b *Broker) amendAll(ctx context.Context, by identity.Actor, page []credential.Credential, verb string, decide decision) (changed []credential.Credential, seq int64, err error) {
	for _, c := range page {
		next, err := decide(c)
		if fault.CodeOf(err) == fault.Conflict {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		if !same(c, next) {
			changed = append(changed, next)
		}
	}
	if len(changed) == 0 {
		return nil, 0, nil
	}
	seq, err = b.save(ctx, by, audit.Once{}, verb, changed...)
	if !errors.Is(err, fault.ErrStale) {
		return changed, seq, err
	}
	changed, seq = nil, 0
	for _, c := range page {
		next, s, err := b.amend(ctx, by, c, audit.Once{}, verb, decide)
		if fault.CodeOf(err) == fault.Conflict && !errors.Is(err, errBeaten) {
			continue
		}
		if err != nil {
			return changed, seq, err
		}
		if s != 0 {
			changed, seq = append(changed, next), max(seq, s)
		}
	}
	return changed, seq, nil
}

// account finds an account by id, or by a subject that only one has.
func (b *Broker) account(ctx context.Context, ref string) (identity.Account, error) {
	a, err := b.Store.Account(ctx, ref)
	if fault.CodeOf(err) != fault.NotFound {
		return a, err
	}
	found, err := b.Store.ListAccounts(ctx, identity.Filter{Subject: ref, Limit: 2})
	switch {
	case err != nil:
		return identity.Account{}, err
	case ref == "" || len(found) == 0:
		return identity.Account{}, fault.New(fault.NotFound, "there is no account %.80q", ref).WithHint("give an account's id (usr_…) or its subject; it exists once somebody has signed in")
	case len(found) > 1:
		return identity.Account{}, fault.New(fault.Conflict, "several accounts have the subject %.80q", ref).WithHint("give the id (usr_…) of the one that you mean")
	}
	return found[0], nil
}
