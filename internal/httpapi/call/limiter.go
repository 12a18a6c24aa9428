package call

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A limiter grants each token so many requests a minute. It remembers tokens for one to two
// minutes, after which their allowance is full again anyway, and so many of them at most.
type limiter struct {
	perMinute int

	mu           sync.Mutex
	young, old   map[[32]byte]*rate.Limiter // by the token's hash
	turnedOverAt time.Time
}

// remembered bounds each of the two maps: about 150 bytes an entry.
const remembered = 50_000

func newLimiter(perMinute int) *limiter { return &limiter{perMinute: perMinute} }

// take counts one request and returns how long to wait if that is one too many.
func (l *limiter) take(token [32]byte, now time.Time) time.Duration {
	if l.perMinute <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.young == nil || now.Sub(l.turnedOverAt) >= time.Minute || len(l.young) >= remembered {
		l.old, l.young, l.turnedOverAt = l.young, map[[32]byte]*rate.Limiter{}, now
	}
	one, ok := l.young[token]
	if !ok {
		if one, ok = l.old[token]; !ok {
			one = rate.NewLimiter(rate.Limit(float64(l.perMinute)/60), l.perMinute)
		}
		l.young[token] = one
	}
	r := one.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}
