package store

import (
	"context"
	"time"
)

// PurgeFeed is what Run does now and then.
func (s *Store) PurgeFeed(ctx context.Context, before time.Time) error {
	return s.purgeFeed(ctx, before)
}

// Tidy is what Run does now and then.
func (s *Store) Tidy() { s.db.Tidy() }
