package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/feed"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

// feedKept is how long changes are kept for readers that were away, and how long after its end a
// credential is shown to gateways, so that they can explain.
const feedKept = 24 * time.Hour

// signal tells everybody who waits that the feed has grown.
type signal struct {
	mu    sync.Mutex
	heard chan struct{} // closed at the next entry
	last  int64
}

func (g *signal) sound(seq int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if seq > g.last {
		g.last = seq
		close(g.heard)
		g.heard = make(chan struct{})
	}
}

// Changed returns a channel that is closed when there are more changes: at once after those of
// this server; within half a second, while Run runs, after those of others. Take it before reading
// Changes.
func (s *Store) Changed() <-chan struct{} {
	s.signal.mu.Lock()
	defer s.signal.mu.Unlock()
	return s.signal.heard
}

// newest returns the number of the newest entry.
func (s *Store) newest(ctx context.Context) (int64, error) {
	return database.One(ctx, s.db, "feed", func(r database.Row) (seq int64, err error) {
		return seq, r.Scan(&seq)
	}, `SELECT coalesce(max(seq), 0) FROM feed`)
}

// listen sounds the signal for what other servers committed.
func (s *Store) listen(ctx context.Context) error {
	seq, err := s.newest(ctx)
	if err == nil {
		s.signal.sound(seq)
	}
	return err
}

// purgeFeed forgets entries before the time. The newest stays, so that numbers never begin anew.
func (s *Store) purgeFeed(ctx context.Context, before time.Time) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.readHeads(ctx); err != nil {
			return err
		}
		_, err := t.Exec(ctx, `DELETE FROM feed WHERE at < $1 AND seq < $2`, before, t.fed)
		return err
	})
}

// Snapshot returns all that gateways need: keys that are in force or ended less than a day
// ago, these without state; projects; active buckets.
func (s *Store) Snapshot(ctx context.Context) (feed.Snapshot, error) {
	// The number is read first. What changes meanwhile is seen early, and comes again as a change,
	// which does no harm.
	seq, err := s.newest(ctx)
	if err != nil {
		return feed.Snapshot{}, err
	}
	snapshot := feed.Snapshot{Seq: seq}
	var c database.Conditions
	c.Add("(c.status <> ? OR c.ended_at > ?)", string(credential.Ended), s.now().Add(-feedKept))
	if snapshot.Credentials, err = s.held(ctx, c); err != nil {
		return feed.Snapshot{}, err
	}
	if snapshot.Projects, err = database.List(ctx, s.db, scanProject, selectProject); err != nil {
		return feed.Snapshot{}, fmt.Errorf("read projects: %w", err)
	}
	if snapshot.Buckets, err = database.List(ctx, s.db, scanBucket, selectBucket+` WHERE state = $1`, string(bucket.Active)); err != nil {
		return feed.Snapshot{}, fmt.Errorf("read buckets: %w", err)
	}
	return snapshot, nil
}

// gatewayKind is the kind of credential that gateways honour. They get no other: what they have no
// use for cannot leak there.
const gatewayKind = "s3key"

// held returns credentials as gateways hold them. One whose state does not open was tampered with:
// it is left out, which refuses it, and does not keep the others from working.
func (s *Store) held(ctx context.Context, c database.Conditions) ([]feed.Held, error) {
	c.Equal("c.kind", gatewayKind)
	rows, err := database.List(ctx, s.db, scanCredential, selectCredential+c.String(), c.Args...)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	all := make([]feed.Held, 0, len(rows))
	for _, r := range rows {
		h := feed.Held{Credential: r.Credential}
		if h.Status != credential.Ending && h.Status != credential.Ended {
			if h.State, err = s.open(r); err != nil {
				s.log.ErrorContext(ctx, "credential is withheld from gateways", "err", err)
				continue
			}
		}
		all = append(all, h)
	}
	return all, nil
}

// Changes returns the entries after the number, in commit order and at most limit, with things as
// they are now. It returns feed.ErrTooOld if the next one has been forgotten.
func (s *Store) Changes(ctx context.Context, after int64, limited int) ([]feed.Entry, error) {
	entries, err := database.List(ctx, s.db, func(r database.Row) (e feed.Entry, err error) {
		return e, r.Scan(&e.Seq, &e.Topic, &e.ID)
	}, `SELECT seq, topic, subject FROM feed WHERE seq > $1 ORDER BY seq`+database.Limit(limited), after)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read changes: %w", err)
	case len(entries) == 0:
		return nil, s.checkAhead(ctx, after)
	case entries[0].Seq != after+1:
		return nil, feed.ErrTooOld
	}
	return entries, s.fill(ctx, entries)
}

// checkAhead refuses to go on if the database knows less than its readers: then it was restored
// from a backup, and what was revoked since would be in force again.
func (s *Store) checkAhead(ctx context.Context, after int64) error {
	if newest, err := s.newest(ctx); err != nil || newest >= after {
		return err
	}
	return fault.New(fault.Unavailable, "the database is older than what gateways have seen of it").
		WithHint("if it was restored on purpose, restart the gateways")
}

// fill adds the things to entries, each read once.
func (s *Store) fill(ctx context.Context, entries []feed.Entry) error {
	changed := map[feed.Topic][]string{}
	seen := map[string]bool{}
	for _, e := range entries {
		if !seen[e.ID] {
			seen[e.ID] = true
			changed[e.Topic] = append(changed[e.Topic], e.ID)
		}
	}
	credentials, projects, buckets := map[string]*feed.Held{}, map[string]*project.Project{}, map[string]*bucket.Bucket{}
	for topic, ids := range changed {
		var c database.Conditions
		var err error
		switch topic {
		case feed.Credential:
			c.In("c.id", ids)
			var all []feed.Held
			all, err = s.held(ctx, c)
			index(credentials, all, func(h *feed.Held) string { return h.ID })
		case feed.Project:
			c.In("id", ids)
			var all []project.Project
			all, err = database.List(ctx, s.db, scanProject, selectProject+c.String(), c.Args...)
			index(projects, all, func(p *project.Project) string { return p.ID })
		case feed.Bucket:
			c.In("id", ids)
			var all []bucket.Bucket
			all, err = database.List(ctx, s.db, scanBucket, selectBucket+c.String(), c.Args...)
			index(buckets, all, func(b *bucket.Bucket) string { return b.ID })
		}
		if err != nil {
			return fmt.Errorf("read changed %ss: %w", topic, err)
		}
	}
	for i, e := range entries {
		entries[i].Credential, entries[i].Project, entries[i].Bucket = credentials[e.ID], projects[e.ID], buckets[e.ID]
	}
	return nil
}

func index[T any](by map[string]*T, all []T, id func(*T) string) {
	for i := range all {
		by[id(&all[i])] = &all[i]
	}
}
