package shortkey

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/client"
)

// Lend makes a key of its own for one piece of work.
func Lend(ctx context.Context, c *client.Client, o Order) (Key, error) { return create(ctx, c, o) }

// Keep extends the key again and again, at half of its life, until ctx ends or the key is of no
// more use. After a failure it tries sooner, so that an outage shorter than half of the life does
// no harm; warn is told of each failure.
func Keep(ctx context.Context, c *client.Client, k Key, life time.Duration, warn func(error)) {
	for pause := lifeOf(k) / 2; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		next, err := extend(ctx, c, k, life)
		switch {
		case err == nil:
			k = next
			pause = lifeOf(k) / 2
		case ctx.Err() != nil:
			return
		default:
			warn(err)
			if gone(err) {
				return
			}
			pause = max(lifeOf(k)/20, time.Second)
		}
	}
}

// lifeOf is never zero, whatever a server answers.
func lifeOf(k Key) time.Duration { return max(time.Duration(k.Life)*time.Second, 2*time.Second) }
