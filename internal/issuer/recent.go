package issuer

import (
	"crypto/sha256"
	"sync"
	"time"
)

// How often exchanges of one kind are recorded, and how many kinds are remembered: jobs ask every
// few minutes, and nobody shall be able to fill the disk by asking. When there are more, all are
// forgotten, and recorded again.
const (
	recordEvery = time.Hour
	kindsKept   = 50_000
)

// recent remembers, by hash, what was recorded lately.
type recent struct {
	mu   sync.Mutex
	last map[[sha256.Size]byte]time.Time
}

// fresh reports whether nothing of the kind was recorded lately, and notes that it now is.
func (r *recent) fresh(kind string, now time.Time) bool {
	key := sha256.Sum256([]byte(kind))
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.last[key]; ok && now.Sub(at) < recordEvery {
		return false
	}
	if r.last == nil || len(r.last) >= kindsKept {
		r.last = map[[sha256.Size]byte]time.Time{}
	}
	r.last[key] = now
	return true
}

// forget takes back that it was recorded.
func (r *recent) forget(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, sha256.Sum256([]byte(kind)))
}
