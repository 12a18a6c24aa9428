package broker_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
)

// swept runs a test in a bubble whose time passes at will, with the sweeper running. It begins at
// a whole second.
func swept(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Now = time.Now
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		synctest.Wait()
		test(t, w)
		cancel()
		w.check(<-done)
		w.check(w.store.Close())
	})
}

func TestSweepEndsWhatExpired(t *testing.T) {
	swept(t, func(t *testing.T, w *world) {
		active, frozen, longer, deleted := w.issue("ann", time.Minute), w.issue("ann", time.Minute), w.issue("ann", hour), w.issue("ann", hour)
		_, err := w.Freeze(t.Context(), w.as("ann"), frozen.ID, audit.Once{})
		w.check(err)
		_, err = w.End(t.Context(), w.as("ann"), deleted.ID, audit.Once{})
		w.check(err)
		time.Sleep(2 * time.Second)
		w.is(deleted.ID, credential.Ended, credential.Deleted)
		w.is(active.ID, credential.Active, "")
		time.Sleep(time.Minute)
		w.is(active.ID, credential.Ended, credential.Expired)
		w.is(frozen.ID, credential.Ended, credential.Expired)
		w.is(longer.ID, credential.Active, "")
		if a := w.actions(active.ID); !cmp.Equal(a, []string{"s3key.create", "s3key.end"}) {
			t.Errorf("recorded %q", a)
		}
		if a := w.actions(deleted.ID); !cmp.Equal(a, []string{"s3key.create", "s3key.end", "s3key.finish"}) {
			t.Errorf("recorded %q", a)
		}
		rs, err := w.store.Audit(t.Context(), audit.Filter{Subject: active.ID, Limit: 1})
		w.check(err)
		if rs[0].Actor != "lanyard" || rs[0].Detail["reason"] != "expired" {
			t.Errorf("recorded %+v", rs[0])
		}
	})
}

func TestSweepTakesManyAtOnce(t *testing.T) {
	swept(t, func(t *testing.T, w *world) {
		at := time.Now().Add(time.Minute)
		for i := range 120 {
			_, err := w.store.InsertCredential(t.Context(), credential.Credential{ID: fmt.Sprintf("crd_%03d", i), Kind: "s3key", ProjectID: w.climate.ID, OwnerID: "usr_ann",
				Name: "many", PublicID: fmt.Sprintf("LYD%017d", i), Status: credential.Active, CreatedAt: time.Now(), ExpiresAt: at, DueAt: at}, credential.State("x"), did())
			w.check(err)
		}
		time.Sleep(time.Minute + 2*time.Second)
		cs, err := w.store.ListCredentials(t.Context(), credential.Filter{Statuses: []credential.Status{credential.Ended}})
		w.check(err)
		if len(cs) != 120 {
			t.Errorf("%d ended, want 120", len(cs))
		}
	})
}

func TestSweepEndsTheKeysOfEndedProjects(t *testing.T) {
	swept(t, func(t *testing.T, w *world) {
		early := w.issue("ann", 10*time.Hour)
		frozen := w.issue("ann", 10*time.Hour)
		_, err := w.Freeze(t.Context(), w.as("ann"), frozen.ID, audit.Once{})
		w.check(err)
		p := w.climate
		p.EndsAt = time.Now().Add(hour + 10*time.Second).UTC() // sooner than anybody thought
		_, err = w.store.SaveProject(t.Context(), p, did())
		w.check(err)
		late := w.issue("ann", 0)
		if !late.ExpiresAt.Equal(p.EndsAt) {
			t.Errorf("the default reaches to %s, want %s", late.ExpiresAt, p.EndsAt)
		}
		time.Sleep(hour + 31*time.Second)
		for _, c := range []credential.Credential{early, frozen, late} {
			if got := w.stored(c.ID); got.Status != credential.Ended && got.Status != credential.Ending || got.Reason != credential.ProjectEnded {
				t.Errorf("key is %s (%s), want ended (project_ended)", got.Status, got.Reason)
			}
		}
	})
}

func TestSweepSettlesBuckets(t *testing.T) {
	for _, tc := range []struct {
		name   string
		state  bucket.State
		exists bool
		full   bool
		want   bucket.State // "" if it goes
		object bool
	}{
		{"a creation that was cut off before", bucket.Intended, false, false, "", false},
		{"a creation that was cut off after", bucket.Intended, true, false, bucket.Active, true},
		{"a deletion that was cut off before", bucket.Ending, true, false, "", false},
		{"a deletion that was cut off after", bucket.Ending, false, false, "", false},
		{"a deletion of a full bucket", bucket.Ending, true, true, bucket.Active, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			swept(t, func(t *testing.T, w *world) {
				_, err := w.store.InsertBucket(t.Context(), bucket.Bucket{ID: "bkt_1", ProjectID: w.climate.ID, Name: "results", Upstream: "climate.results", State: tc.state, CreatedAt: time.Now()}, did())
				w.check(err)
				if tc.exists {
					_ = w.objects.CreateBucket(t.Context(), "climate.results")
				}
				if tc.full {
					u := w.objects.buckets["climate.results"]
					u.Objects = 1
					w.objects.put("climate.results", u)
				}
				time.Sleep(31 * time.Second) // the sweeper has seen it once
				if w.bucketsOf()["results"] != tc.state {
					t.Error("it was settled while somebody may still be at it")
				}
				w.objects.fails(func(context.Context, string) error { return fault.New(fault.Unavailable, "down") })
				time.Sleep(2 * time.Minute)
				if w.bucketsOf()["results"] != tc.state {
					t.Error("it was settled without asking the object store")
				}
				w.objects.fails(nil)
				time.Sleep(31 * time.Second)
				if got := w.bucketsOf()["results"]; got != tc.want || w.objects.has("climate.results") != tc.object {
					t.Errorf("it is %q, at the object store: %t; want %q, %t", got, w.objects.has("climate.results"), tc.want, tc.object)
				}
			})
		})
	}
}

// broken fails as long as it is told to.
type broken struct {
	*upset
	on atomic.Bool
}

func (b *broken) ClaimDue(ctx context.Context, now time.Time, lease time.Duration, n int) ([]credential.Credential, error) {
	if b.on.Load() {
		return nil, errBroken
	}
	return b.upset.ClaimDue(ctx, now, lease, n)
}

func TestSweepGoesOnAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Now = time.Now
		var log bytes.Buffer
		w.Log = slog.New(slog.NewTextHandler(&log, nil))
		b := &broken{upset: &upset{Store: w.store}}
		b.on.Store(true)
		w.Store = b
		c := w.issue("ann", time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		b.on.Store(false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		w.is(c.ID, credential.Ended, credential.Expired)
		cancel()
		w.check(<-done)
		if fails, goes := strings.Count(log.String(), "background work fails"), strings.Count(log.String(), "background work goes on"); fails != 1 || goes != 1 {
			t.Errorf("logged %d failures and %d recoveries, want one of each:\n%s", fails, goes, log.String())
		}
		w.check(w.store.Close())
	})
}

func TestSweepForgetsWhatEndedLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		sweep := func(after time.Duration) {
			w.clock.Move(after)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			w.check(w.Run(ctx))
		}
		once := audit.Once{Key: "k", Fingerprint: "f"}
		got, err := w.Issue(t.Context(), w.as("ann"), order(time.Minute), once)
		w.check(err)
		sweep(time.Minute)
		sweep(29 * 24 * time.Hour)
		w.is(got.Credential.ID, credential.Ended, credential.Expired)
		sweep(2 * 24 * time.Hour)
		_, _, err = w.store.Credential(t.Context(), got.Credential.ID)
		refused(t, err, fault.NotFound)
		again, err := w.Issue(t.Context(), w.as("ann"), order(time.Minute), once)
		w.check(err)
		if again.Replayed {
			t.Error("the promise was kept for ever")
		}
		w.check(w.store.Close())
	})
}

func TestSweepWithoutWorkWritesNothing(t *testing.T) {
	swept(t, func(t *testing.T, w *world) {
		before := w.records()
		time.Sleep(10 * time.Minute)
		if w.records() != before {
			t.Error("the sweeper wrote something though nothing was due")
		}
	})
}

// Two servers sweep the same table: each key ends once.
func TestTwoSweepersEndEachKeyOnce(t *testing.T) {
	swept(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		second := w.another(time.Now)
		go func() { done <- second.Run(ctx) }()
		var ids []string
		for range 20 {
			ids = append(ids, w.issue("ann", time.Minute).ID)
		}
		time.Sleep(2 * time.Minute)
		for _, id := range ids {
			w.is(id, credential.Ended, credential.Expired)
			if a := w.actions(id); !cmp.Equal(a, []string{"s3key.create", "s3key.end"}) {
				t.Errorf("recorded %q", a)
			}
		}
		cancel()
		w.check(<-done)
	})
}
