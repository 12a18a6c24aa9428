package custody

import (
	"context"
	"errors"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/ledger"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody/renewal"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// errBusy says that others are to be served at the provider first, or that it is down.
var errBusy = errors.New("no place at the provider")

// longestPause is between two tries to revoke.
const longestPause = time.Hour

// endAll works on grants that are ending: they are refused already, and end when their providers
// know.
func (c *Custody) endAll(ctx context.Context) error {
	ids, err := c.Store.ClaimEnding(ctx, c.now(), renewal.Lease, batch)
	for _, id := range ids {
		c.work.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightLife)
			defer cancel()
			if err := c.end(ctx, id); err != nil && !errors.Is(err, fault.ErrStale) { // stale: done by others
				c.Log.WarnContext(ctx, "an ending grant waits", "grant", id, "err", err)
			}
		})
	}
	return err
}

// end revokes one grant at its provider, or writes down why it could not and when to try again.
func (c *Custody) end(ctx context.Context, id string) error {
	claim, err := c.Store.Whole(ctx, id)
	if err != nil {
		return err
	}
	one, f := claim.Credential, claim.Family
	if one.Status != credential.Ending {
		return nil
	}
	if f.LeaseUntil.After(c.now()) { // a refresh is under way, and brings another token
		one.DueAt = c.now().Add(time.Second)
		return c.Store.SaveEnding(ctx, one, f, audit.Change{})
	}
	receipt, err := c.revoke(ctx, one, f)
	if errors.Is(err, errBusy) {
		one.DueAt = c.now().Add(5 * time.Second)
		return c.Store.SaveEnding(ctx, one, f, audit.Change{})
	}
	if err != nil {
		f.Failures++
		f.Detail = grant.Clean("not revoked at the provider yet: "+reason(err), 300)
		pause := min(2*time.Second<<min(f.Failures, 20), longestPause)
		if later := fault.Public(err).RetryAfter; later > 0 {
			pause = min(max(pause, later), longestPause)
		}
		one.DueAt = c.now().Add(pause)
		return errors.Join(err, c.Store.SaveEnding(ctx, one, f, audit.Change{}))
	}
	f.Failures, f.Detail = 0, grant.Clean(receipt, 300)
	one = one.Finish()
	record := ledger.Record(identity.System(), c.now(), "finish", one).With("receipt", f.Detail)
	if f.Provider != "" {
		record = record.With("provider", f.Provider)
	}
	return c.Store.SaveEnding(ctx, one, f, audit.Change{Record: record})
}

// reason is what people may read of an error.
func reason(err error) string {
	if refusal, ok := errors.AsType[*grant.Refusal](err); ok {
		return refusal.Error()
	}
	return fault.Public(err).Message
}

// revoke returns the receipt of what was revoked. What cannot be revoked any more needs no try.
func (c *Custody) revoke(ctx context.Context, one credential.Credential, f grant.Family) (receipt string, err error) {
	spec, err := grant.ParseSpec(one.Spec)
	if err != nil {
		return "", err
	}
	switch {
	case c.Providers[spec.Provider].Type == grant.Lanyard:
		return "tokens that this server made for it are refused", nil
	case f.Refresh == "":
		return "nobody had approved it, so there was nothing to revoke", nil
	case !f.RefreshExpiresAt.IsZero() && !c.now().Before(f.RefreshExpiresAt):
		return "the refresh token had expired at " + f.RefreshExpiresAt.Format(time.RFC3339), nil
	}
	at, err := c.site(spec.Provider)
	if err != nil {
		return "", err
	}
	soon, cancel := context.WithTimeout(ctx, queue)
	defer cancel()
	if !at.Await(soon, c.Now) {
		return "", errBusy
	}
	defer at.Leave(c.Now(), renewal.Nothing, 0) // it tells nothing about refreshes
	ctx, stop := context.WithTimeout(ctx, renewal.Deadline)
	defer stop()
	receipt, err = at.Client.Revoke(ctx, f.Refresh)
	if refusal, ok := errors.AsType[*grant.Refusal](err); ok {
		if refusal.Class == grant.Dead { // the provider does not know it any more
			return "the provider had ended it already: " + refusal.Error(), nil
		}
		waits := fault.New(fault.Unavailable, "%s has not revoked it: %s", at.Name(), refusal.Error()).WithCause(err)
		waits.RetryAfter = refusal.RetryAfter
		return "", waits
	}
	return receipt, err
}
