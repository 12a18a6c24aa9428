// Package renewal is one refresh of one family: the request, and what is written down of it before
// anybody sees an access token. And it is the place where requests to a provider wait for each other,
// apart from those to all other providers. It imports rows 0 and 1.
package renewal

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

// Site is one provider as this server sees it. Providers share nothing, so a sick one holds up
// nobody else: each has its own places for requests, and its own breaker. The breaker opens after
// failures in a row; then one request at a time probes, until one is answered.
type Site struct {
	grant.Provider
	// Freed is told when a place becomes free.
	Freed  chan struct{}
	places chan struct{}

	mu       sync.Mutex
	failures int // in a row
	since    time.Time
	state    grant.Health
	closedAt time.Time // when the next probe may be sent
	probing  bool
}

// NewSite makes the site of a provider.
func NewSite(p grant.Provider) *Site {
	return &Site{Provider: p, places: make(chan struct{}, cmp.Or(max(p.Concurrency, 0), concurrency)), Freed: make(chan struct{}, 1), state: grant.Fine}
}

// Name is what people call the provider.
func (s *Site) Name() string { return cmp.Or(s.Title, s.ID) }

// Places is how many requests may be under way at once.
func (s *Site) Places() int { return cap(s.places) }

// Verdict is what a request told about a provider.
type Verdict int

// The verdicts.
const (
	Nothing  Verdict = iota // none was made
	Answers                 // it works, whatever it said about the grant
	Fails                   // it does not
	Rejected                // it works, and refuses us
)

// Health is how the provider fares, and since when; the time is zero while it is fine.
func (s *Site) Health() (grant.Health, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.since
}

// Down reports whether the breaker is open, and for how long nothing is tried.
func (s *Site) Down(now time.Time) (bool, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failures >= tripped, max(0, s.closedAt.Sub(now))
}

// admit reports whether the breaker lets a request through. Each that it lets through must leave.
func (s *Site) admit(now time.Time) bool {
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

// Enter takes a place at the provider if there is one and the breaker lets us through.
func (s *Site) Enter(now time.Time) bool {
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

// Await is Enter for who can wait for a place.
func (s *Site) Await(ctx context.Context, now func() time.Time) bool {
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

// Leave gives the place back and tells what the request found.
func (s *Site) Leave(now time.Time, v Verdict, retryAfter time.Duration) {
	s.mu.Lock()
	s.probing = false
	switch v {
	case Nothing:
	case Answers:
		s.failures, s.state, s.since = 0, grant.Fine, time.Time{}
	case Fails, Rejected:
		if s.failures == 0 {
			s.since = now
		}
		s.failures++
		s.state = grant.Retrying
		if v == Rejected {
			s.state = grant.NeedsOperator
		}
		pause := min(time.Second<<min(s.failures-1, 10), probes)
		s.closedAt = now.Add(max(pause, min(retryAfter, longestRetryAfter)))
	}
	s.mu.Unlock()
	<-s.places
	select {
	case s.Freed <- struct{}{}:
	default:
	}
}

// Room is how many more requests can be begun now.
func (s *Site) Room(now time.Time) int {
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
func (s *Site) failing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failures > 0
}
