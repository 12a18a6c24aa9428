package keytable_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/feed"
	"github.com/lanyardhq/lanyard/internal/gateway/keytable"
	"github.com/lanyardhq/lanyard/internal/project"
)

// source is a feed in memory.
type source struct {
	mu      sync.Mutex
	start   feed.Snapshot
	entries []feed.Entry
	changed chan struct{}
	silent  bool // do not call when something changes, as for other servers' changes
	err     error

	forgotten int64 // entries up to this one are gone
}

func (s *source) Snapshot(context.Context) (feed.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.start, s.err
}

func (s *source) Changes(_ context.Context, after int64, limit int) ([]feed.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []feed.Entry
	if after < s.forgotten {
		return nil, feed.ErrTooOld
	}
	for _, e := range s.entries {
		if e.Seq > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, s.err
}

func (s *source) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *source) add(e feed.Entry) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Seq = int64(len(s.entries)) + s.start.Seq + 1
	s.entries = append(s.entries, e)
	if !s.silent {
		close(s.changed)
		s.changed = make(chan struct{})
	}
	return e.Seq
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func held(n int, status credential.Status) feed.Held {
	return feed.Held{Credential: credential.Credential{ID: fmt.Sprintf("crd_%d", n), Kind: "s3key", ProjectID: "prj_1",
		PublicID: fmt.Sprintf("LYD%017d", n), Status: status, ExpiresAt: time.Unix(1<<40, 0)},
		State: credential.State(strings.Repeat("s", 40))}
}

func start(t *testing.T, s *source) *keytable.Table {
	t.Helper()
	s.changed = make(chan struct{})
	table := keytable.New(s, time.Now, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- table.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return table
}

func TestTableFollowsTheFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{start: feed.Snapshot{Seq: 7,
			Credentials: []feed.Held{held(1, credential.Active), held(2, credential.Ended)},
			Projects:    []project.Project{{ID: "prj_1", Name: "climate"}},
			Buckets: []bucket.Bucket{{ID: "bkt_1", ProjectID: "prj_1", Name: "data", State: bucket.Active},
				{ID: "bkt_2", ProjectID: "prj_1", Name: "later", State: bucket.Intended}}}}
		table := start(t, s)
		if err := table.Await(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
		k, p := table.Key("LYD00000000000000001")
		if k == nil || p == nil || p.Name != "climate" || len(k.Secret) != 40 {
			t.Fatalf("key 1 is %v of %v", k, p)
		}
		if k, _ := table.Key("LYD00000000000000002"); k == nil || k.Secret != "" {
			t.Errorf("an ended key is %v: it should be known, without its secret", k)
		}
		if table.Bucket("prj_1", "data") == nil || table.Bucket("prj_1", "later") != nil || len(table.Buckets("prj_1")) != 1 {
			t.Error("buckets: want data alone")
		}

		for _, change := range []struct {
			entry feed.Entry
			holds func() bool
		}{
			{feed.Entry{Topic: feed.Credential, ID: "crd_1", Credential: new(held(1, credential.Frozen))},
				func() bool { k, _ := table.Key("LYD00000000000000001"); return k.Secret == "" }},
			{feed.Entry{Topic: feed.Credential, ID: "crd_1", Credential: new(held(1, credential.Active))},
				func() bool { k, _ := table.Key("LYD00000000000000001"); return k.Secret != "" }},
			{feed.Entry{Topic: feed.Credential, ID: "crd_1"},
				func() bool { k, _ := table.Key("LYD00000000000000001"); return k == nil }},
			{feed.Entry{Topic: feed.Project, ID: "prj_1", Project: &project.Project{ID: "prj_1", Name: "weather"}},
				func() bool { return table.ProjectNamed("weather") != nil && table.ProjectNamed("climate") == nil }},
			{feed.Entry{Topic: feed.Bucket, ID: "bkt_2", Bucket: &bucket.Bucket{ID: "bkt_2", ProjectID: "prj_1", Name: "later", State: bucket.Active}},
				func() bool { return table.Bucket("prj_1", "later") != nil }},
			{feed.Entry{Topic: feed.Bucket, ID: "bkt_2"},
				func() bool { return table.Bucket("prj_1", "later") == nil }},
		} {
			if err := table.Await(t.Context(), s.add(change.entry)); err != nil {
				t.Fatal(err)
			}
			if !change.holds() {
				t.Errorf("after %s %s the table holds something else", change.entry.Topic, change.entry.ID)
			}
		}
	})
}

func TestBigBacklogIsReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		table := start(t, s)
		began := time.Now()
		var last int64
		for n := range 5000 {
			last = s.add(feed.Entry{Topic: feed.Credential, ID: fmt.Sprintf("crd_%d", n), Credential: new(held(n, credential.Active))})
		}
		if err := table.Await(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		if k, _ := table.Key("LYD00000000000004999"); k == nil || time.Since(began) > 300*time.Millisecond {
			t.Errorf("after %v the last key is %v", time.Since(began), k)
		}
	})
}

func TestChangesOfOtherServersComeWithoutACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{silent: true}
		table := start(t, s)
		synctest.Wait()
		began := time.Now()
		if err := table.Await(t.Context(), s.add(feed.Entry{Topic: feed.Project, ID: "prj_9", Project: &project.Project{ID: "prj_9"}})); err != nil {
			t.Fatal(err)
		}
		if late := time.Since(began); late > 500*time.Millisecond {
			t.Errorf("applied after %v", late)
		}
	})
}

func TestAfterTooLongASilenceTheTableBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{start: feed.Snapshot{Seq: 1, Credentials: []feed.Held{held(1, credential.Active)}}}
		table := start(t, s)
		synctest.Wait()
		s.mu.Lock()
		s.start = feed.Snapshot{Seq: 90, Credentials: []feed.Held{held(2, credential.Active)}}
		s.forgotten = 80
		s.mu.Unlock()
		if err := table.Await(t.Context(), 90); err != nil {
			t.Fatal(err)
		}
		gone, _ := table.Key("LYD00000000000000001")
		here, _ := table.Key("LYD00000000000000002")
		if gone != nil || here == nil {
			t.Errorf("the table holds %v and %v", gone, here)
		}
	})
}

func TestLostContactShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{err: errors.New("down")}
		table := start(t, s)
		time.Sleep(time.Second)
		if table.Age() < 24*time.Hour {
			t.Errorf("never fed, but its age is %v", table.Age())
		}
		s.fail(nil)
		time.Sleep(time.Second)
		if table.Age() > time.Second {
			t.Errorf("fed, but its age is %v", table.Age())
		}
		s.fail(errors.New("down"))
		time.Sleep(6 * time.Second)
		if table.Age() < 5*time.Second {
			t.Errorf("lost for 6 s, but its age is %v", table.Age())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := table.Await(ctx, 99); fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("awaiting what does not come: %v", err)
		}
	})
}
