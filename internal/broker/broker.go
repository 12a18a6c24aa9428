// Package broker holds the use cases, one file each: who may do what to a credential, a project,
// a bucket, an account, and when. Every rule stands here or in the words below; edges translate a
// protocol into one call. It imports rows 0 to 2 and declares what it needs of a database.
package broker

import (
	"context"
	"log/slog"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker/access"
	"github.com/lanyardhq/lanyard/internal/broker/bounds"
	"github.com/lanyardhq/lanyard/internal/broker/custody"
	"github.com/lanyardhq/lanyard/internal/broker/ledger"
	"github.com/lanyardhq/lanyard/internal/broker/upkeep"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/objectstore"
)

// Broker runs every credential's life. All exported fields are required.
type Broker struct {
	Kinds   map[string]credential.Kind
	Rules   map[string]credential.Lifetime // by kind
	Store   Store
	Backend objectstore.Backend
	// Gateways tells when a change has reached every gateway, so that an answer can promise it.
	Gateways Gateways
	Now      func() time.Time
	Log      *slog.Logger
	// Reveal lets owners see a secret again after creation.
	Reveal bool
	Limits Limits

	turns ledger.Turns // of accounts that create
	work  custody.Work // at the object store
}

// Gateways is what knows how far the change feed has been applied.
type Gateways interface {
	// Await returns once every live gateway has applied the change seq, or with an Unavailable
	// fault when ctx ends first. The change itself is written either way.
	Await(ctx context.Context, seq int64) error
}

// Limits bound what one account may hold of each kind; zero means none.
type Limits = bounds.Limits

// How long an answer waits for gateways to confirm what it tells. What took something away waits
// longer, because people want to hear since when it is refused.
const (
	untilWorks   = time.Second
	untilRefused = 5 * time.Second
)

// now is the time that decisions and rows are made with: UTC, whole seconds.
func (b *Broker) now() time.Time { return b.Now().UTC().Truncate(time.Second) }

func (b *Broker) gate() access.Gate { return access.Gate{Store: b.Store} }

func (b *Broker) ledger() ledger.Ledger { return ledger.Ledger{Store: b.Store, Now: b.now} }

// confirmed waits until all gateways have applied the change seq and returns when that was; zero
// if they did not within the time, or if there was no change.
func (b *Broker) confirmed(ctx context.Context, seq int64, within time.Duration) time.Time {
	if seq == 0 {
		return time.Time{}
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if b.Gateways.Await(ctx, seq) != nil {
		return time.Time{}
	}
	return b.Now().UTC()
}

// Run does what is due until ctx ends: what expired ends, what is ending is cleaned up, what a
// crash left half made is settled, what ended long ago is removed. All servers may run it.
func (b *Broker) Run(ctx context.Context) error {
	u := upkeep.Upkeep{Store: b.Store, Ledger: b.ledger(), Kinds: b.Kinds, Now: b.now, Log: b.Log}
	u.Run(ctx, upkeep.Task{Name: "buckets", Every: 30 * time.Second, Once: b.custody().Settle})
	return nil
}
