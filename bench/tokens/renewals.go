package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/store/storetest"
)

// renewals lets many grants become due at once while no server runs, starts one, and looks at how fast
// it renews them.
func (b *bench) renewals(ctx context.Context) (table, error) {
	grants := 20_000
	if b.quick {
		grants = 4000
	}
	t := table{title: fmt.Sprintf("Renewals of %d grants that are due, by one server, at a provider that takes %d ms", grants, answersAfter.Milliseconds()),
		lines: [][]string{{"database", "per second", "CPU per renewal, µs", "renewed", "refresh tokens reused", "goal"}}}
	var cluster storetest.Cluster
	defer cluster.Stop()
	if err := cluster.Start("fsync=on"); err != nil {
		return t, fmt.Errorf("start PostgreSQL: %w", err)
	}
	for _, database := range []struct{ name, url string }{{"SQLite", ""}, {"PostgreSQL", cluster.Address("postgres")}} {
		line, err := b.renew(ctx, database.name, database.url, grants)
		if err != nil {
			return t, fmt.Errorf("%s: %w", database.name, err)
		}
		t.lines = append(t.lines, line)
	}
	return t, nil
}

func (b *bench) renew(ctx context.Context, name, url string, grants int) ([]string, error) {
	p := newProvider()
	defer p.Close()
	at, err := b.newSite(ctx, "renew-"+name, p.URL, url)
	if err != nil {
		return nil, err
	}
	s, err := at.open(ctx, url)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	say("%d grants on %s", grants, name)
	ids, err := filling{Store: s, grants: grants, age: life / 2}.fill(ctx)
	if err != nil {
		return nil, fmt.Errorf("fill the database: %w", err)
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	x, err := at.start(ctx)
	if err != nil {
		return nil, err
	}
	defer x.stop()
	before, err := x.CPU()
	if err != nil {
		return nil, err
	}
	done, _, _ := p.answered()
	begun := done
	for end := time.Now().Add(3 * time.Minute); done < grants && time.Now().Before(end); done, _, _ = p.answered() {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	after, err := x.CPU()
	if err != nil {
		return nil, err
	}
	x.stop() // which waits for what is under way
	n, rate, reused := p.answered()
	if n == begun {
		return nil, fmt.Errorf("nothing was renewed\n%s", &x.log)
	}
	if s, err = at.open(ctx, url); err != nil {
		return nil, err
	}
	defer s.Close()
	families, err := s.Families(ctx, ids)
	if err != nil {
		return nil, err
	}
	renewed := 0
	for _, f := range families {
		if f.Renewals == 1 && f.Failures == 0 && f.AttemptAt.IsZero() {
			renewed++
		}
	}
	return []string{name, fmt.Sprintf("%.0f", rate), fmt.Sprint(((after - before) / time.Duration(done-begun)).Microseconds()), fmt.Sprintf("%d of %d", renewed, grants),
		fmt.Sprint(reused), verdict(fmt.Sprintf("≥ %d/s", goalRenewals), rate >= goalRenewals)}, nil
}
