package subgrant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/identity"
)

// Ended sub-grants are remembered for a while, for those who ask what they were.
const (
	remembered = 30 * 24 * time.Hour
	sweepEvery = time.Minute
)

// Run ends grants that nobody holds any more and forgets what is over, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log().WarnContext(ctx, "upkeep of mytokens is late", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sweep does once what Run does.
func (s *Service) Sweep(ctx context.Context) error {
	now := s.now()
	if err := s.Store.PurgeDelegations(ctx, now, now.Add(-remembered)); err != nil {
		return err
	}
	ids, err := s.Store.Unheld(ctx, now)
	for _, id := range ids {
		if e := s.Grants.EndGrant(ctx, identity.System(), id); e != nil && !absent(e) {
			err = errors.Join(err, fmt.Errorf("end grant %s: %w", id, e))
		}
	}
	return err
}
