package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/feed"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
)

// raw is the database beneath, for tests that alter what nobody should alter.
func (w *world) raw(t testing.TB, text string, args ...any) {
	t.Helper()
	driver, address := "pgx", w.config.URL
	if w.config.Path != "" {
		driver, address = "sqlite", "file:"+w.config.Path+"?_busy_timeout=5000"
	}
	db, err := sql.Open(driver, address)
	check(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), text, args...)
	check(t, err)
}

func TestSnapshotHoldsWhatGatewaysNeed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for n := range 6 {
			w.insert(t, n)
		}
		save := func(cs ...credential.Credential) {
			_, err := w.SaveCredentials(t.Context(), cs, changed)
			check(t, err)
		}
		frozen, err := key(1).Freeze(start, credential.FrozenByOwner)
		check(t, err)
		old, recent := key(4).End(start.Add(-25*time.Hour), credential.Expired), key(5).End(start.Add(-time.Hour), credential.Expired)
		save(frozen, key(3).End(start, credential.Deleted), old.Finish(), recent.Finish())
		for i, state := range []bucket.State{bucket.Intended, bucket.Active, bucket.Ending} {
			b := bucket.Bucket{ID: fmt.Sprintf("bkt_%d", i), ProjectID: "prj_1", Name: fmt.Sprintf("b%d", i), Upstream: fmt.Sprintf("u%d", i), State: state}
			_, err := w.InsertBucket(t.Context(), b, did("bucket.create", b.ID))
			check(t, err)
		}
		s, err := w.Snapshot(t.Context())
		check(t, err)
		got := map[string]string{}
		for _, h := range s.Credentials {
			got[h.ID] = fmt.Sprintf("%s %s", h.Status, []byte(h.State))
		}
		want := map[string]string{"crd_00000": "active secret-00000", "crd_00001": "frozen secret-00001", "crd_00002": "active secret-00002",
			"crd_00003": "ending ", "crd_00005": "ended "}
		for id, state := range want {
			if got[id] != state {
				t.Errorf("%s is %q, want %q", id, got[id], state)
			}
		}
		if len(got) != len(want) {
			t.Errorf("credentials: %v", got)
		}
		if len(s.Projects) != 1 || len(s.Buckets) != 1 || s.Buckets[0].ID != "bkt_1" {
			t.Errorf("projects %v, buckets %v", s.Projects, s.Buckets)
		}
		if more := w.seen(t, s.Seq); more != "" {
			t.Errorf("after the snapshot comes %q", more)
		}
		es, err := w.Changes(t.Context(), s.Seq-4, 2) // of the seven newest: ended credentials, then buckets
		check(t, err)
		if len(es) != 2 || es[0].Credential == nil || es[0].Credential.State != nil || es[1].Bucket == nil {
			t.Errorf("changes: %+v", es)
		}
	})
}

// TestFeedHasNoGaps reads the feed while many write: what was read is never followed by an entry
// with a lower number.
func TestFeedHasNoGaps(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const writers, each = 8, 25
		stores := []*store.Store{w.Store, w.Store}
		if w.config.URL != "" {
			stores[1] = another(t, w.config)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { w.Run(ctx) })
			defer wg.Wait()
			defer cancel()
		}
		first, err := w.Snapshot(t.Context())
		check(t, err)
		var wg sync.WaitGroup
		for g := range writers {
			wg.Go(func() {
				for i := range each {
					c := key(g*each + i)
					if _, err := stores[g%2].InsertCredential(t.Context(), c, secretOf(1), did("s3key.create", c.ID)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		seen := map[string]bool{}
		for after := first.Seq; len(seen) < writers*each; {
			changed := w.Changed()
			es, err := w.Changes(t.Context(), after, 7)
			check(t, err)
			for _, e := range es {
				if e.Seq != after+1 || e.Credential == nil {
					t.Fatalf("after %d comes %+v", after, e)
				}
				after = e.Seq
				seen[e.ID] = true
			}
			if len(es) == 0 && len(seen) < writers*each {
				select {
				case <-changed:
				case <-time.After(3 * time.Minute):
					t.Fatalf("nobody tells of more than %d changes", len(seen))
				}
			}
		}
		wg.Wait()
		w.verified(t)
	})
}

func TestFeedForgets(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.insert(t, 1)
		check(t, w.PurgeFeed(t.Context(), start.Add(-time.Second)))
		if got := w.seen(t, 0); got != "prj_1 crd_00001" {
			t.Errorf("the feed says %q", got)
		}
		check(t, w.PurgeFeed(t.Context(), start.Add(time.Second)))
		if _, err := w.Changes(t.Context(), 0, 10); !errors.Is(err, feed.ErrTooOld) {
			t.Errorf("a forgotten change: %v", err)
		}
		if got := w.seen(t, 1); got != "crd_00001" { // the newest is always kept, so that numbers go on
			t.Errorf("the feed says %q", got)
		}
		w.insert(t, 2)
		if got := w.seen(t, 2); got != "crd_00002" {
			t.Errorf("the feed says %q", got)
		}
		_, err := w.Changes(t.Context(), 99, 10) // as after a restore from a backup
		refused(t, err, fault.Unavailable)
	})
}

func TestAuditChain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		odd := did("s3key.create", "crd_00001")
		odd.Record.Address, odd.Record.ActorName = "bad \xff utf-8", "nul \x00 byte"
		odd.Record.Detail = map[string]string{"a": "\xff", "b": "\x00", "": "😀 <&>\u2028"}
		_, err := w.InsertCredential(t.Context(), key(1), secretOf(1), odd)
		check(t, err)
		for n := range 5 {
			w.insert(t, n+2)
		}
		none := did("s3key.create", "crd_00009")
		none.Record.Detail, none.Record.Project = nil, "prj_2"
		_, err = w.InsertCredential(t.Context(), key(9), secretOf(9), none)
		check(t, err)
		w.verified(t)
		for _, test := range []struct {
			f    audit.Filter
			want []int64
		}{
			{audit.Filter{Limit: 3}, []int64{9, 8, 7}},
			{audit.Filter{Limit: 2, Before: 3}, []int64{2, 1}},
			{audit.Filter{Subject: "crd_00001"}, []int64{3}},
			{audit.Filter{Project: "prj_2"}, []int64{9}},
			{audit.Filter{Actor: "usr_1", Before: 2}, []int64{1}},
			{audit.Filter{Actor: "nobody"}, nil},
		} {
			rs, err := w.Audit(t.Context(), test.f)
			check(t, err)
			var got []int64
			for _, r := range rs {
				got = append(got, r.Seq)
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("%+v: %v, want %v", test.f, got, test.want)
			}
		}
		for _, harm := range []struct {
			do, undo string
			bad      int64
		}{
			{`UPDATE audit SET actor = 'usr_2' WHERE seq = 4`, `UPDATE audit SET actor = 'usr_1' WHERE seq = 4`, 4},
			{`UPDATE audit SET seq = 99 WHERE seq = 9`, `UPDATE audit SET seq = 9 WHERE seq = 99`, 9},
			{`UPDATE audit SET seq = 0 WHERE seq = 1`, `UPDATE audit SET seq = 1 WHERE seq = 0`, 1},
			{`DELETE FROM audit WHERE seq = 5`, ``, 5},
		} {
			w.raw(t, harm.do)
			if bad, err := w.VerifyAudit(t.Context()); bad != harm.bad || err != nil {
				t.Errorf("after %s: %d, %v", harm.do, bad, err)
			}
			if harm.undo != "" {
				w.raw(t, harm.undo)
				w.verified(t)
			}
		}
	})
}

func TestOncePromise(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		once := audit.Once{Key: "retry-1", Fingerprint: "f1"}
		change := did("s3key.create", "crd_00001")
		change.Once = once
		if id, err := w.Done(t.Context(), "usr_1", once); id != "" || err != nil {
			t.Errorf("before: %q, %v", id, err)
		}
		_, err := w.InsertCredential(t.Context(), key(1), secretOf(1), change)
		check(t, err)
		if id, err := w.Done(t.Context(), "usr_1", once); id != "crd_00001" || err != nil {
			t.Errorf("after: %q, %v", id, err)
		}
		if id, err := w.Done(t.Context(), "usr_2", once); id != "" || err != nil {
			t.Errorf("somebody else's key: %q, %v", id, err)
		}
		_, err = w.Done(t.Context(), "usr_1", audit.Once{Key: once.Key, Fingerprint: "f2"})
		refused(t, err, fault.Conflict)

		// Twenty requests with one key, of which none saw another: one is done.
		change.Once.Key = "retry-2"
		var wg sync.WaitGroup
		errs := make([]error, 20)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = w.InsertCredential(t.Context(), key(100+i), secretOf(1), change)
			})
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
			} else if !errors.Is(err, fault.ErrStale) {
				t.Error(err)
			}
		}
		cs, err := w.ListCredentials(t.Context(), credential.Filter{})
		check(t, err)
		if made != 1 || len(cs) != 2 {
			t.Errorf("%d succeeded and %d were made", made, len(cs)-1)
		}
		w.verified(t)
	})
}

func TestSwappedSecretsDoNotOpen(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		check(t, w.InsertAccount(t.Context(), person("usr_2"), did("account.create", "usr_2")))
		for n := range 4 {
			w.insert(t, n)
		}
		w.raw(t, `CREATE TABLE stolen AS SELECT id, state FROM credential`)
		w.raw(t, `UPDATE credential SET state = (SELECT state FROM stolen WHERE stolen.id = 'crd_00001') WHERE id = 'crd_00000'`)
		w.raw(t, `UPDATE credential SET state = (SELECT state FROM stolen WHERE stolen.id = 'crd_00000') WHERE id = 'crd_00001'`)
		w.raw(t, `UPDATE credential SET owner_id = 'usr_2' WHERE id = 'crd_00002'`)
		for n := range 3 {
			if _, state, err := w.Credential(t.Context(), key(n).ID); !errors.Is(err, seal.ErrSealed) || state != nil {
				t.Errorf("key %d opens in the wrong place: %v", n, err)
			}
		}
		s, err := w.Snapshot(t.Context())
		check(t, err)
		if len(s.Credentials) != 1 || s.Credentials[0].ID != "crd_00003" {
			t.Errorf("gateways get %v", s.Credentials)
		}
		if got := w.seen(t, 1); got != "-crd_00000 -crd_00001 -crd_00002 crd_00003" {
			t.Errorf("the feed says %q", got)
		}
	})
}

func TestGatewaysGetNothingThatTheyHaveNoUseFor(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		proxy := key(1)
		proxy.Kind = "proxy"
		_, err := w.InsertCredential(t.Context(), proxy, secretOf(1), did("proxy.create", proxy.ID))
		check(t, err)
		w.insert(t, 2)
		snapshot, err := w.Snapshot(t.Context())
		check(t, err)
		if len(snapshot.Credentials) != 1 || snapshot.Credentials[0].Kind != "s3key" {
			t.Errorf("the snapshot has %v", snapshot.Credentials)
		}
		entries, err := w.Changes(t.Context(), snapshot.Seq-2, 10)
		check(t, err)
		if len(entries) != 2 || entries[0].ID != proxy.ID || entries[0].Credential != nil || entries[1].Credential == nil {
			t.Errorf("the changes are %v", entries)
		}
	})
}
