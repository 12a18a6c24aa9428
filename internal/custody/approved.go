package custody

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/ledger"
	"github.com/lanyardhq/lanyard/internal/broker/standing"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody/renewal"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// saveApproval writes what came of an approval. A grant that is in force keeps its identity, so that
// who uses it goes on. The refresh token that it had is not revoked: some providers would end the
// new one with it.
func (c *Custody) saveApproval(ctx context.Context, by identity.Actor, one credential.Credential, spec grant.Spec, old grant.Family, got grant.Tokens) (credential.Credential, error) {
	now := c.now()
	verb := "approve"
	if one.Status == credential.Active {
		verb = "repair"
	}
	if len(got.Scopes) > 0 {
		spec.Scopes = slices.Clone(got.Scopes)
	}
	spec.Narrowed = false // the provider has seen what there is
	next, err := one.Complete(now, one.ExpiresAt)
	if err != nil {
		return one, err
	}
	next.Spec = spec.Encode()
	f := grant.Family{GrantID: one.ID, Provider: spec.Provider, Subject: got.Subject, Refresh: got.Refresh,
		RefreshExpiresAt: got.RefreshExpiresAt, KeepAlive: true, Health: grant.Fine, HealthSince: now, Renewals: old.Renewals, RenewedAt: now}
	if f.Subject == "" {
		f.Subject = old.Subject
	}
	claim := grant.Claim{Credential: next, Family: f}
	k := grant.Keep(got, grant.Wish{}, now, now)
	claim.Put(k)
	claim.Plan(now)
	record := ledger.Record(by, now, verb, next).With("provider", spec.Provider).With("scopes", strings.Join(spec.Scopes, " "))
	if f.Subject != "" {
		record = record.With("subject", f.Subject)
	}
	if err := c.Store.SaveApproval(ctx, next, claim.Family, k, audit.Change{Record: record}); err != nil {
		return one, err
	}
	next.Generation++
	return next, nil
}

// stillAllowed freezes a grant if its owner or project was stopped while it was approved: see
// standing.Obstacle.
func (c *Custody) stillAllowed(ctx context.Context, one credential.Credential) error {
	for range rounds {
		why, err := standing.Obstacle(ctx, c.Store, c.now(), one)
		if err != nil || why == "" {
			return err
		}
		frozen, err := one.Freeze(c.now(), why)
		if err != nil {
			return err
		}
		record := ledger.Record(identity.System(), c.now(), "freeze", frozen)
		err = c.Store.SaveNarrowed(ctx, frozen, audit.Change{Record: record})
		if !errors.Is(err, fault.ErrStale) {
			return errors.Join(standing.Refuse(one, why), err)
		}
		if one, _, err = c.Store.Credential(ctx, one.ID); err != nil {
			return err
		}
	}
	return ledger.ErrBeaten
}

// Narrow takes scopes and audiences away from a grant, for good: it keeps those of w. Tokens that are
// kept are dropped; those that were handed out live to their end.
func (c *Custody) Narrow(ctx context.Context, by identity.Actor, ref string, w grant.Wish, once audit.Once) (credential.Credential, error) {
	for range rounds {
		one, err := c.own(ctx, by, ref)
		if err != nil {
			return one, err
		}
		if once.Key != "" {
			if done, err := c.Store.Done(ctx, audit.Name(by), once); err != nil || done != "" {
				return one, err
			}
		}
		next, err := c.narrowed(one, w)
		if err != nil || string(next.Spec) == string(one.Spec) {
			return one, err
		}
		record := ledger.Record(by, c.now(), "narrow", next).With("rights", string(next.Spec)).With("before", string(one.Spec))
		err = c.Store.SaveNarrowed(ctx, next, audit.Change{Record: record, Once: once})
		if !errors.Is(err, fault.ErrStale) {
			next.Generation++
			return next, err
		}
	}
	return credential.Credential{}, ledger.ErrBeaten
}

func (c *Custody) narrowed(one credential.Credential, w grant.Wish) (credential.Credential, error) {
	spec, err := grant.ParseSpec(one.Spec)
	if err != nil {
		return one, err
	}
	if one.Status != credential.Intended && one.Status != credential.Active && one.Status != credential.Frozen {
		return one, one.Refusal(c.now())
	}
	keep, err := spec.Narrow(w)
	if err != nil {
		return one, err
	}
	spec.Narrowed = spec.Narrowed || one.Status != credential.Intended && len(w.Scopes) > 0 && (grant.Wish{Scopes: spec.Scopes}).Key() != (grant.Wish{Scopes: keep.Scopes}).Key()
	spec.Scopes, spec.Audiences = keep.Scopes, keep.Audiences
	one.Spec = spec.Encode()
	return one, nil
}

// pollAll asks for approvals that are polled for.
func (c *Custody) pollAll(ctx context.Context) error {
	now := c.now()
	ids, err := c.Store.ClaimPolls(ctx, now, now.Add(renewal.Lease), batch)
	for _, id := range ids {
		c.work.Go(func() {
			// Who has approved must not be forgotten because this server stops.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightLife)
			defer cancel()
			if err := c.poll(ctx, id, now.Add(renewal.Lease)); err != nil {
				c.Log.WarnContext(ctx, "an approval was not polled for", "grant", id, "err", err)
			}
		})
	}
	return err
}

// poll asks for one approval, which is claimed until the time claimed.
func (c *Custody) poll(ctx context.Context, id string, claimed time.Time) error {
	claim, err := c.Store.Whole(ctx, id)
	if err != nil {
		return err
	}
	p, err := c.pendingOf(claim)
	if err != nil {
		return errors.Join(err, c.Store.SavePoll(ctx, id, claimed, time.Time{}, fault.Public(err).Message))
	}
	at, err := c.site(p.Provider)
	if err != nil {
		return err
	}
	next := c.now().Add(max(p.Interval, shortestPoll))
	soon, cancel := context.WithTimeout(ctx, queue)
	defer cancel()
	if !at.Await(soon, c.Now) {
		return c.Store.SavePoll(ctx, id, claimed, next, "")
	}
	got, err := at.Client.Poll(ctx, p.Data)
	refusal, refused := errors.AsType[*grant.Refusal](err)
	again := errors.Is(err, grant.ErrPending) || refused && refusal.Class == grant.Again || fault.CodeOf(err) == fault.Unavailable
	v := renewal.Answers
	if err != nil && again && !errors.Is(err, grant.ErrPending) {
		v = renewal.Fails
	}
	at.Leave(c.Now(), v, 0)
	switch {
	case again:
		return c.Store.SavePoll(ctx, id, claimed, next, "")
	case err == nil:
		_, err = c.approved(ctx, p.By, at, id, got)
	}
	if err != nil { // the page shows it
		return errors.Join(err, c.Store.SavePoll(ctx, id, claimed, time.Time{}, fault.Public(err).Message))
	}
	return nil
}
