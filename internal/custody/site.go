package custody

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/grant"
)

const (
	// concurrency is how many requests are under way at one provider, unless it is configured.
	concurrency = 16
	// tripped is after how many failures in a row a provider counts as down.
	tripped = 3
	// probes of a provider that is down are at most this far apart, so that its return is noticed soon.
	probes = 5 * time.Second
	// longestRetryAfter is how long we leave a provider alone at most because it asks us to.
	longestRetryAfter = 5 * time.Minute
)

// site is one provider as this server sees it. Providers share nothing, so a sick one holds up
// nobody else: each has its own places for requests, and its own breaker. The breaker opens after
// failures in a row; then one request at a time probes, until one is answered.
type site struct {
	Provider
	places chan struct{}
	freed  chan struct{} // told when a place becomes free

	mu       sync.Mutex
	failures int // in a row
	since    time.Time
	state    grant.Health
	closedAt time.Time // when the next probe may be sent
	probing  bool
}

func newSite(p Provider) *site {
	return &site{Provider: p, places: make(chan struct{}, cmp.Or(max(p.Concurrency, 0), concurrency)), freed: make(chan struct{}, 1), state: grant.Fine}
}

// verdict is what a request told about a provider.
type verdict int

const (
	nothing  verdict = iota // none was made
	answers                 // it works, whatever it said about the grant
	fails                   // it does not
	rejected                // it works, and refuses us
)

func (s *site) health() (grant.Health, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.since
}

// down reports whether the breaker is open, and for how long nothing is tried.
func (s *site) down(now time.Time) (bool, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failures >= tripped, max(0, s.closedAt.Sub(now))
}

// admit reports whether the breaker lets a request through. Each that it lets through must leave.
func (s *site) admit(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures < tripped {
		return true
	}
	if s.probing || now.Before(s.closedAt) {
		return false
	}
	s.probing = true
	return true
}

// enter takes a place at the provider if there is one and the breaker lets us through.
func (s *site) enter(now time.Time) bool {
	select {
	case s.places <- struct{}{}:
	default:
		return false
	}
	if !s.admit(now) {
		<-s.places
		return false
	}
	return true
}

// await is enter for who can wait for a place.
func (s *site) await(ctx context.Context, now func() time.Time) bool {
	select {
	case s.places <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if !s.admit(now()) {
		<-s.places
		return false
	}
	return true
}

// leave gives the place back and tells what the request found.
func (s *site) leave(now time.Time, v verdict, retryAfter time.Duration) {
	s.mu.Lock()
	s.probing = false
	switch v {
	case nothing:
	case answers:
		s.failures, s.state, s.since = 0, grant.Fine, time.Time{}
	case fails, rejected:
		if s.failures == 0 {
			s.since = now
		}
		s.failures++
		s.state = grant.Retrying
		if v == rejected {
			s.state = grant.NeedsOperator
		}
		pause := min(time.Second<<min(s.failures-1, 10), probes)
		s.closedAt = now.Add(max(pause, min(retryAfter, longestRetryAfter)))
	}
	s.mu.Unlock()
	<-s.places
	select {
	case s.freed <- struct{}{}:
	default:
	}
}

// room is how many more requests can be begun now.
func (s *site) room(now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	free := cap(s.places) - len(s.places)
	switch {
	case s.failures < tripped:
		return free
	case s.probing || now.Before(s.closedAt):
		return 0
	}
	return min(free, 1)
}

// failing reports whether the last request failed, and others before it: then it is not about one grant.
func (s *site) failing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failures > 0
}
