package custody

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/ledger"
	"github.com/lanyardhq/lanyard/internal/broker/standing"
	"github.com/lanyardhq/lanyard/internal/credential"
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

// declined ends a grant that waited for the approval which why refuses, so that nobody waits on, and
// returns it with why. One that is in force stays as it is: what was declined is its repair.
func (c *Custody) declined(ctx context.Context, by identity.Actor, at *site, id string, why error) (credential.Credential, error) {
	for range rounds {
		one, _, err := c.Store.Credential(ctx, id)
		if err != nil {
			return one, err
		}
		if one.Status != credential.Intended {
			return one, why
		}
		one = one.End(c.now(), credential.Declined)
		record := ledger.Record(by, c.now(), "decline", one).With("provider", at.ID).With("answer", fault.Public(why).Message)
		err = c.Store.SaveNarrowed(ctx, one, audit.Change{Record: record})
		if err == nil {
			err = why
		}
		if !errors.Is(err, fault.ErrStale) {
			return one, err
		}
	}
	return credential.Credential{ID: id}, ledger.ErrBeaten
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
