package custody

import (
	"context"
	"errors"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody/renewal"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
)

const (
	// flightLife bounds a refresh with all its waits.
	flightLife = 45 * time.Second
	// look is how often we look whether another server has finished.
	look = 50 * time.Millisecond
)

// A flight is a refresh under way in this server, for all who wait for it. It goes on when they leave:
// what the provider gave must be kept.
type flight struct {
	wish string // its key
	done chan struct{}
	err  error
	// again says that another server was at it: who waits looks at what is there now.
	again bool
}

func (f *flight) serves(w grant.Wish) bool { return f != nil && f.wish == w.Key() && !f.again }

var errStopping = fault.New(fault.Unavailable, "this server stops").WithHint("try again")

// errSlow is for who has something to fall back on.
var errSlow = fault.New(fault.Unavailable, "the provider takes long to answer").WithHint("try again later")

// join waits for the refresh of a grant that is under way, or begins one. Who could do without waits
// for a short time only.
func (c *Custody) join(ctx context.Context, at *site, id string, w grant.Wish, without bool) (*flight, error) {
	now := c.now()
	if down, wait := at.Down(now); down && wait > 0 {
		return nil, c.unavailable(at, wait)
	}
	f, err := c.begin(ctx, at, id, w)
	if err != nil {
		return nil, err
	}
	var enough <-chan time.Time
	if without {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-f.done:
		return f, nil
	case <-enough:
		return nil, errSlow
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "nobody waits any more").WithCause(ctx.Err())
	}
}

// unavailable tells that the provider is down.
func (c *Custody) unavailable(at *site, wait time.Duration) error {
	f := fault.New(fault.Unavailable, "%s does not answer", at.Name()).WithHint("try again later; nothing needs to be approved anew")
	f.RetryAfter = max(wait, time.Second)
	return f
}

// begin returns the flight of the grant, which it starts if there is none.
func (c *Custody) begin(ctx context.Context, at *site, id string, w grant.Wish) (*flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[id]; f != nil {
		return f, nil
	}
	f := &flight{wish: w.Key(), done: make(chan struct{})}
	if !c.launch(ctx, id, f, func(ctx context.Context) error { return c.fly(ctx, at, id, w) }) {
		return nil, errStopping
	}
	return f, nil
}

// launch runs a refresh to its end, as the flight of the grant, unless this server stops: a refresh
// that is cut off costs the grant. The caller holds c.mu.
func (c *Custody) launch(ctx context.Context, id string, f *flight, do func(context.Context) error) bool {
	if c.closing {
		return false
	}
	if c.flights == nil {
		c.flights = map[string]*flight{}
	}
	c.flights[id] = f
	ctx = context.WithoutCancel(ctx)
	c.work.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, flightLife)
		defer cancel()
		f.err = do(ctx)
		if f.again = errors.Is(f.err, fault.ErrStale); f.again {
			f.err = nil
		}
		c.mu.Lock()
		if c.flights[id] == f {
			delete(c.flights, id)
		}
		c.mu.Unlock()
		close(f.done)
	})
	return true
}

// fly refreshes because somebody asks. ErrStale means that another server was at it.
func (c *Custody) fly(ctx context.Context, at *site, id string, w grant.Wish) error {
	if !at.Await(ctx, c.Now) {
		return c.unavailable(at, time.Second)
	}
	v, retryAfter := renewal.Nothing, time.Duration(0)
	defer func() { at.Leave(c.Now(), v, retryAfter) }()
	claim, err := c.Store.Whole(ctx, id)
	if err != nil {
		return err
	}
	if claim.Family.LeaseUntil.After(c.now()) {
		return c.waitForOthers(ctx, claim.Family)
	}
	if claim.Family.Refresh == "" || claim.Credential.Status != credential.Active {
		return fault.ErrStale // it has changed: who waits will see how
	}
	if claim.Family, err = c.Store.Attempt(ctx, claim.Family, c.now(), renewal.Lease); err != nil {
		return err
	}
	r := c.renewal(at, claim, w, c.now())
	err = r.Run(ctx)
	v, retryAfter = r.Verdict, r.RetryAfter
	return err
}

// renewal is one refresh of what is claimed.
func (c *Custody) renewal(at *site, claim grant.Claim, w grant.Wish, usedAt time.Time) *renewal.Renewal {
	return &renewal.Renewal{Claim: claim, Store: c.Store, At: at.Site, Client: at.Client, Wish: w, UsedAt: usedAt, Now: c.now}
}

// waitForOthers waits until the server that has the lease is done, or the lease is over.
func (c *Custody) waitForOthers(ctx context.Context, f grant.Family) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "another server refreshes this grant, and takes long").WithHint("try again")
		}
		_, now, err := c.Store.Grant(ctx, f.GrantID)
		if err != nil {
			return err
		}
		if now.Generation != f.Generation || !now.LeaseUntil.After(c.now()) {
			return fault.ErrStale
		}
	}
}
