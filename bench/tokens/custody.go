package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/identity"
)

// The goals of custody.
const (
	goalReady      = 3 * time.Second
	goalDeliveries = 5000
	goalDelivered  = 10 * time.Millisecond
	goalRenewals   = 1000
)

// custody measures a server that has nothing to keep, and then the same with many grants: how long it
// takes to start, its memory, and how fast it hands out tokens that are ready.
func (b *bench) custody(ctx context.Context) (table, error) {
	t := table{title: fmt.Sprintf("Custody of %d grants on SQLite", b.grants), lines: [][]string{{"what", "measured", "goal"}}}
	add := func(what, measured, goal string) { t.lines = append(t.lines, []string{what, measured, goal}) }
	at, err := b.newSite(ctx, "custody", "http://127.0.0.1:1", "")
	if err != nil {
		return t, err
	}
	x, err := at.start(ctx)
	if err != nil {
		return t, err
	}
	_, err = x.signIn(ctx) // so that there is an account
	x.stop()
	if err != nil {
		return t, fmt.Errorf("%w\n%s", err, &x.log)
	}
	if x, err = at.start(ctx); err != nil {
		return t, err
	}
	empty, err := x.idle(ctx)
	x.stop()
	if err != nil {
		return t, err
	}
	add("start of a server without grants", ms(x.took)+" ms", "")

	mine, took, err := b.fillFor(ctx, at)
	if err != nil {
		return t, err
	}
	add("putting them in", fmt.Sprintf("%s, %s on disk", took.Round(time.Second), mib(at.size())), "")
	if x, err = at.start(ctx); err != nil {
		return t, err
	}
	defer x.stop()
	add("start until it serves", ms(x.took)+" ms", verdict("≤ 3 s", x.took <= goalReady))
	full, err := x.idle(ctx)
	if err != nil {
		return t, err
	}
	add("resident memory, idle", mib(full)+"; without grants "+mib(empty), "")
	for _, clients := range []int{1, 16} {
		l, err := b.deliveries(ctx, x, mine, clients)
		if err != nil {
			return t, fmt.Errorf("%w\n%s", err, &x.log)
		}
		goal := ""
		if clients > 1 {
			goal = verdict(fmt.Sprintf("≥ %d/s", goalDeliveries), l.rate >= goalDeliveries) + "; " + verdict("p99 ≤ 10 ms", l.p99 <= goalDelivered)
		}
		add(fmt.Sprintf("tokens that are ready, over the API, %d at once", clients),
			fmt.Sprintf("%.0f/s, p50 %s ms, p99 %s ms, CPU %d µs", l.rate, ms(l.p50), ms(l.p99), l.cpu.Microseconds()), goal)
	}
	peak, err := x.Memory("VmHWM")
	add("the most memory during all of that", mib(peak), "")
	return t, err
}

// fillFor fills the database of a site that does not run. It returns the grants of the person.
func (b *bench) fillFor(ctx context.Context, at site) ([]string, time.Duration, error) {
	began := time.Now()
	s, err := at.open(ctx, "")
	if err != nil {
		return nil, 0, err
	}
	defer s.Close()
	people, err := s.ListAccounts(ctx, identity.Filter{})
	if err != nil {
		return nil, 0, err
	}
	ids, err := filling{Store: s, grants: b.grants, owner: people[0].ID, say: true}.fill(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("fill the database: %w", err)
	}
	return ids[:min(each, len(ids))], time.Since(began), s.Close()
}

// idle is the resident size of a server that has just started and was asked nothing.
func (x *server) idle(ctx context.Context) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(2 * time.Second):
		return x.Memory("VmRSS")
	}
}

// deliveries asks for access tokens of grants whose tokens are fresh.
func (b *bench) deliveries(ctx context.Context, x *server, grants []string, clients int) (load, error) {
	i, err := x.issuer(ctx)
	if err != nil {
		return load{}, err
	}
	t, err := i.approve(ctx, "tokens:read tokens:write", url.Values{})
	if err != nil {
		return load{}, err
	}
	header := "Content-Type: application/json\r\nAuthorization: Bearer " + t.Access
	work := func(c *conn) error {
		body, err := c.post("/api/v1/credentials/"+grants[rand.IntN(len(grants))]+"/token", header, "{}")
		if err == nil && !strings.Contains(string(body), `"access_token"`) {
			err = fmt.Errorf("there is no token: %.200s", body)
		}
		return err
	}
	var workers []worker
	for range clients {
		workers = append(workers, work)
	}
	rounds, within := 3, 3*time.Second
	if b.quick {
		rounds, within = 1, 2*time.Second
	}
	var all []load
	for range rounds {
		l, err := drive(ctx, x.portal, x.Process, workers, within)
		if err != nil {
			return load{}, err
		}
		all = append(all, l)
	}
	return median(all), nil
}
