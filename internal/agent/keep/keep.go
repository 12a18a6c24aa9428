// Package keep holds the list of what an agent keeps fresh on a person's machine, and the loop that
// does so. It knows neither how a thing is renewed nor whom to ask. It imports rows 0 and 1.
package keep

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

const (
	// look is how often the list is read and the clock compared. A laptop that slept wakes up late, so
	// nothing waits longer than this at once.
	look = 10 * time.Second
	// soonest and latest bound the pause after a failure.
	soonest = 10 * time.Second
	latest  = 5 * time.Minute
	// within is how long one renewal may take.
	within = 45 * time.Second
)

// A State is a thing and what became of it.
type State struct {
	Item
	EndsAt    time.Time `json:"ends_at,omitzero"`
	RenewedAt time.Time `json:"renewed_at,omitzero"`
	NextAt    time.Time `json:"next_at"`
	// Error is why it was not renewed the last time; Hint is what to do about it.
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`

	life     time.Duration // when it was renewed
	failures int           // since then
}

// A Keeper keeps things fresh. All fields are required.
type Keeper struct {
	// List returns what to keep. While it fails, what it returned before is kept.
	List func() ([]Item, error)
	// Renew makes the thing anew and returns its end. What is there already may serve if it lives
	// longer than minimum.
	Renew func(ctx context.Context, i Item, minimum time.Duration) (time.Time, error)
	// Explain makes of an error what a person reads and what they can do.
	Explain func(error) (text, hint string)
	// Note is told, one call at a time, of what was renewed after a failure, and of new failures.
	Note func(State)
	Now  func() time.Time

	mu     sync.Mutex
	states []State
}

// Run keeps things fresh until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	for {
		k.round(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(look):
		}
	}
}

// States returns how all things are.
func (k *Keeper) States() []State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.states)
}

// round renews what is due, all at once: one that hangs holds nobody up for longer than its own time.
func (k *Keeper) round(ctx context.Context) {
	items, err := k.List()
	k.mu.Lock()
	if err == nil {
		k.states = merge(k.states, items)
	}
	due := slices.DeleteFunc(slices.Clone(k.states), func(s State) bool { return k.Now().Before(s.NextAt) })
	k.mu.Unlock()
	var renewals sync.WaitGroup
	for _, s := range due {
		renewals.Go(func() { k.renew(ctx, s) })
	}
	renewals.Wait()
}

// merge returns the states of items: those that are known keep theirs, others are due at once.
func merge(known []State, items []Item) []State {
	var all []State
	for _, i := range items {
		s := State{Item: i}
		if at := slices.IndexFunc(known, func(s State) bool { return s.same(i) }); at >= 0 {
			s = known[at]
		}
		all = append(all, s)
	}
	return all
}

func (k *Keeper) renew(ctx context.Context, s State) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	ends, err := k.Renew(ctx, s.Item, s.life/2)
	if err != nil && context.Cause(ctx) == context.Canceled { //nolint:errorlint // the cause itself
		return // the agent stops
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now, before := k.Now(), s.Error
	if err == nil {
		s.EndsAt, s.RenewedAt, s.life = ends, now, ends.Sub(now)
		s.Error, s.Hint, s.failures = "", "", 0
		s.NextAt = now.Add(max(s.life/2+jitter(s.life/20), soonest))
	} else {
		s.Error, s.Hint = k.Explain(err)
		pause := min(soonest<<min(s.failures, 10), latest)
		s.NextAt = now.Add(pause + jitter(pause/4))
		s.failures++
	}
	if at := slices.IndexFunc(k.states, func(o State) bool { return o.same(s.Item) }); at >= 0 {
		k.states[at] = s
	}
	if s.Error != before {
		k.Note(s)
	}
}

// jitter is a random time up to most, so that machines that began together do not ask together.
func jitter(most time.Duration) time.Duration {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil || most <= 0 {
		return 0
	}
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(most)) //nolint:gosec // both fit
}
