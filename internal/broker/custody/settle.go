package custody

import (
	"context"
	"errors"

	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// Settle brings buckets to an end whose making or deleting was cut off, by a crash or because the
// object store did not answer: those that it finds unsettled for the second time. Call it in one
// place, with a pause that is longer than making or deleting may take, 30 seconds say.
func (c Custody) Settle(ctx context.Context) error {
	all, err := c.Store.ListBuckets(ctx, "")
	if err != nil {
		return err
	}
	found := map[string]bucket.State{}
	var failed error
	for _, b := range all {
		if b.State == bucket.Active {
			continue
		}
		found[b.ID] = b.State
		if c.Work.before[b.ID] == b.State {
			if err := c.settle(ctx, b); err != nil {
				failed = errors.Join(failed, err)
			}
		}
	}
	c.Work.before = found
	return failed
}

func (c Custody) settle(ctx context.Context, b bucket.Bucket) error {
	leave, err := c.Work.enter(b.ProjectID, b.Name)
	if err != nil {
		return nil // somebody is at it
	}
	defer leave()
	now, err := c.Store.Bucket(ctx, b.ProjectID, b.Name)
	switch {
	case fault.CodeOf(err) == fault.NotFound, err == nil && (now.ID != b.ID || now.State != b.State):
		return nil // it went on
	case err != nil:
		return err
	}
	by := identity.System()
	if b.State == bucket.Ending {
		_, err := c.finish(ctx, by, now)
		if errors.Is(err, ErrNotEmpty) {
			return nil
		}
		return err
	}
	var exists bool
	err = ask(ctx, func(ctx context.Context) (err error) {
		exists, err = c.Backend.BucketExists(ctx, now.Upstream)
		return err
	})
	if err != nil {
		return err
	}
	verb := "forget"
	if exists {
		now.State, verb = bucket.Active, "create"
	}
	_, err = c.save(ctx, by, now, !exists, verb)
	return err
}
