package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/custody/renewal"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
)

// queue is how long polls and revocations wait for a place at a provider.
const queue = 5 * time.Second

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
	case errors.Is(err, grant.ErrDeclined):
		_, err = c.declined(ctx, p.By, at, id, err)
	}
	if err != nil { // the page shows it
		return errors.Join(err, c.Store.SavePoll(ctx, id, claimed, time.Time{}, fault.Public(err).Message))
	}
	return nil
}

// pendingOf returns what is remembered of the approval that is polled for.
func (c *Custody) pendingOf(claim grant.Claim) (p pending, err error) {
	if c.now().After(claim.Family.PollUntil) {
		return p, fault.New(fault.Conflict, "nobody approved in time").WithHint("begin again from the page of the grant")
	}
	if _, err := claim.Credential.Complete(c.now(), claim.Credential.ExpiresAt); err != nil {
		return p, err
	}
	if err := json.Unmarshal(claim.Family.Pending, &p); err != nil {
		return p, fmt.Errorf("decode approval of %s: %w", claim.Credential.ID, err)
	}
	return p, nil
}
