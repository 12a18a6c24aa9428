package broker

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker/upkeep"
)

// Run does what is due until ctx ends: what expired ends, what is ending is cleaned up, what a
// crash left half made is settled, what ended long ago is removed. All servers may run it.
func (b *Broker) Run(ctx context.Context) error {
	u := upkeep.Upkeep{Store: b.Store, Ledger: b.ledger(), Now: b.now, Log: b.Log}
	u.Run(ctx, upkeep.Task{Name: "buckets", Every: 30 * time.Second, Once: b.custody().Settle})
	return nil
}
