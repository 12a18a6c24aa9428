package broker

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// LongestLife returns how far from now an extension of a credential of the kind in the project may
// reach. It tells nothing to who has not seen such a credential already.
func (b *Broker) LongestLife(ctx context.Context, projectID, kind string) (time.Duration, error) {
	p, err := b.Store.Project(ctx, projectID)
	if err != nil {
		return 0, err
	}
	return b.Lifetime(p, kind).Max, nil
}

// VerifyAudit walks the hash chain of the audit trail and returns the first sequence number that
// does not fit, or 0. It is for the operator.
func (b *Broker) VerifyAudit(ctx context.Context, by identity.Actor) (bad int64, err error) {
	if !by.Operator {
		return 0, fault.New(fault.Denied, "only the operator may do this").WithHint("ask the people who run this installation")
	}
	return b.Store.VerifyAudit(ctx)
}
