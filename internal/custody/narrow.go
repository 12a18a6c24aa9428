package custody

import (
	"context"
	"errors"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/ledger"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
)

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
