package login

import (
	"net/netip"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// A window allows max events a minute for each key. Counts are kept per server and forgotten each
// minute, so that its size is bounded by what one minute brings.
type window struct {
	max    int
	mu     sync.Mutex
	began  time.Time
	counts map[string]int
}

// spend counts n events (0 only asks) for each key and refuses, as Limited, once a key has had
// more than its share.
func (w *window) spend(now time.Time, n int, keys ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if age := now.Sub(w.began); age >= time.Minute || age < 0 {
		w.began, w.counts = now, map[string]int{}
	}
	for _, k := range keys {
		if w.counts[k]+max(n, 1) > w.max {
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

// network is the key that limits go by: an IPv4 address, or the /64 that an IPv6 host can choose
// its addresses from.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if a = a.Unmap(); a.Is6() {
		p, _ := a.WithZone("").Prefix(64)
		return p.String()
	}
	return a.String()
}
