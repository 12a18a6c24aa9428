// Package limit bounds how often something may be tried, by whom or from where. It imports row 0.
package limit

import (
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// A Window allows Max events a minute for each key. Counts are kept per server and forgotten each
// minute, so that its size is bounded by what one minute brings.
type Window struct {
	Max    int
	mu     sync.Mutex
	began  time.Time
	counts map[string]int
}

// Spend counts n events (0 only asks) for each key and refuses, as Limited, once a key has had
// more than its share.
func (w *Window) Spend(now time.Time, n int, keys ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if age := now.Sub(w.began); age >= time.Minute || age < 0 {
		w.began, w.counts = now, map[string]int{}
	}
	for _, k := range keys {
		if w.counts[k]+max(n, 1) > w.Max {
			f := fault.New(fault.Limited, "too many attempts").WithHint("wait a minute, then try again")
			f.RetryAfter = w.began.Add(time.Minute).Sub(now)
			return f
		}
	}
	for _, k := range keys {
		w.counts[k] += n
	}
	return nil
}
