package broker_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/objectstore"
)

// bucketsOf returns the buckets of climate with their states.
func (w *world) bucketsOf() map[string]bucket.State {
	w.t.Helper()
	bs, err := w.store.ListBuckets(w.t.Context(), w.climate.ID)
	w.check(err)
	got := map[string]bucket.State{}
	for _, b := range bs {
		got[b.Name] = b.State
	}
	return got
}

func TestBucketsComeAndGo(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	b, err := w.CreateBucket(t.Context(), ann, w.climate.ID, "results", true)
	w.check(err)
	if b.Upstream != "climate.results" || b.State != bucket.Active || !b.PublicRead || b.CreatedBy != "usr_ann" || !w.objects.has("climate.results") {
		t.Errorf("made %+v", b)
	}
	_, err = w.CreateBucket(t.Context(), w.as("bob"), "climate", "results", false)
	refused(t, err, fault.Conflict)
	if !errors.Is(err, broker.ErrBucketExists) {
		t.Errorf("%v is not recognised as %v", err, broker.ErrBucketExists)
	}
	w.check(w.PublishBucket(t.Context(), ann, "climate", "results", false))
	w.check(w.PublishBucket(t.Context(), ann, "climate", "results", false)) // nothing to do
	back, err := w.store.Bucket(t.Context(), w.climate.ID, "results")
	w.check(err)
	if back.PublicRead {
		t.Error("it is still public")
	}

	w.objects.put("climate.results", objectstore.Usage{Bytes: 5, Objects: 1})
	err = w.DeleteBucket(t.Context(), ann, "climate", "results")
	refused(t, err, fault.Conflict)
	if !errors.Is(err, broker.ErrBucketNotEmpty) || w.bucketsOf()["results"] != bucket.Active {
		t.Errorf("got %v, bucket is %s", err, w.bucketsOf()["results"])
	}
	w.objects.put("climate.results", objectstore.Usage{})
	w.check(w.DeleteBucket(t.Context(), ann, "climate", "results"))
	if len(w.bucketsOf()) != 0 || w.objects.has("climate.results") {
		t.Error("it is still there")
	}
	err = w.DeleteBucket(t.Context(), ann, "climate", "results")
	refused(t, err, fault.NotFound)
	refused(t, w.PublishBucket(t.Context(), ann, "climate", "results", true), fault.NotFound)
	want := []string{"bucket.intend", "bucket.create", "bucket.unpublish", "bucket.end", "bucket.keep", "bucket.end", "bucket.delete"}
	if a := w.actions(b.ID); !cmp.Equal(a, want) {
		t.Errorf("recorded %q, want %q", a, want)
	}
}

func TestCreateBucketRefuses(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"", "ab", "UPPER", "a..b", "192.168.0.1", "../etc", "a%2fb", "\u00fcber", strings.Repeat("a", 64)} {
		_, err := w.CreateBucket(t.Context(), w.as("ann"), "climate", name, false)
		refused(t, err, fault.Invalid)
	}
	_, err := w.FreezeProject(t.Context(), operator(), "climate", "")
	w.check(err)
	_, err = w.CreateBucket(t.Context(), w.as("ann"), "climate", "results", false)
	refused(t, err, fault.Conflict)
	if errors.Is(err, broker.ErrBucketExists) || errors.Is(err, broker.ErrBucketBusy) {
		t.Errorf("%v is taken for something else", err)
	}
	if n := len(w.bucketsOf()); n != 0 {
		t.Errorf("%d buckets were made", n)
	}
}

func TestBucketQuotaHoldsWhenManyAskAtOnce(t *testing.T) {
	w := newWorld(t)
	p := w.climate
	p.QuotaBuckets = 3
	_, err := w.store.SaveProject(t.Context(), p, did())
	w.check(err)
	ann := w.as("ann")
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			_, err := w.CreateBucket(t.Context(), ann, "climate", "bucket-"+string(rune('a'+i)), false)
			if err != nil && fault.CodeOf(err) != fault.Limited {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(w.bucketsOf()); n != 3 {
		t.Errorf("%d buckets, want 3", n)
	}
}

func TestOneBucketAtATime(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	inside, leave := make(chan struct{}), make(chan struct{})
	w.objects.fails(func(context.Context, string) error {
		close(inside)
		<-leave
		return nil
	})
	made := make(chan error)
	go func() {
		_, err := w.CreateBucket(t.Context(), ann, "climate", "results", false)
		made <- err
	}()
	<-inside
	w.objects.fails(nil)
	_, err := w.CreateBucket(t.Context(), ann, "climate", "results", false)
	if !errors.Is(err, broker.ErrBucketBusy) {
		t.Errorf("a second creation: %v, want %v", err, broker.ErrBucketBusy)
	}
	if err := w.DeleteBucket(t.Context(), ann, "climate", "results"); !errors.Is(err, broker.ErrBucketBusy) {
		t.Errorf("a deletion: %v, want %v", err, broker.ErrBucketBusy)
	}
	if _, err := w.CreateBucket(t.Context(), ann, "climate", "others", false); err != nil {
		t.Errorf("another bucket: %v", err)
	}
	close(leave)
	w.check(<-made)
}

func TestTheObjectStoreSaysNo(t *testing.T) {
	w := newWorld(t)
	w.objects.fails(func(context.Context, string) error { return fault.New(fault.Limited, "no more buckets") })
	_, err := w.CreateBucket(t.Context(), w.as("ann"), "climate", "results", false)
	refused(t, err, fault.Limited)
	if n := len(w.bucketsOf()); n != 0 {
		t.Error("the intent was left behind")
	}
}

func TestTheObjectStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		hang := func(ctx context.Context, what string) error {
			<-ctx.Done()
			return ctx.Err()
		}
		w.objects.fails(hang)
		begun := time.Now()
		_, err := w.CreateBucket(t.Context(), w.as("ann"), "climate", "results", false)
		refused(t, err, fault.Unavailable)
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %s to give up", took)
		}
		if w.bucketsOf()["results"] != bucket.Intended {
			t.Error("the intent was forgotten, though nobody knows whether the bucket exists")
		}
		w.objects.fails(nil)
		_, err = w.CreateBucket(t.Context(), w.as("ann"), "climate", "results", false)
		w.check(err) // who asks again gets it
		if w.bucketsOf()["results"] != bucket.Active {
			t.Error("it is not active")
		}
		w.objects.fails(hang)
		refused(t, w.DeleteBucket(t.Context(), w.as("ann"), "climate", "results"), fault.Unavailable)
		if w.bucketsOf()["results"] != bucket.Ending {
			t.Error("the deletion was forgotten")
		}
		_, err = w.CreateBucket(t.Context(), w.as("ann"), "climate", "results", false)
		if !errors.Is(err, broker.ErrBucketBusy) {
			t.Errorf("a bucket that is being deleted was made: %v", err)
		}
		w.objects.fails(nil)
		w.check(w.DeleteBucket(t.Context(), w.as("ann"), "climate", "results"))
		w.check(w.store.Close())
	})
}

// Whoever asked and went away does not leave something half made.
func TestCreateBucketIsFinishedWithoutTheCaller(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.objects.fails(func(at context.Context, what string) error {
		cancel()
		return at.Err()
	})
	_, err := w.CreateBucket(ctx, w.as("ann"), "climate", "results", false)
	w.check(err)
	if w.bucketsOf()["results"] != bucket.Active {
		t.Error("it is not active")
	}
}

func TestMeasureProject(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"one", "two", "gone"} {
		_, err := w.CreateBucket(t.Context(), w.as("ann"), "climate", name, false)
		w.check(err)
	}
	w.objects.put("climate.one", objectstore.Usage{Bytes: 10, Objects: 1})
	w.objects.put("climate.two", objectstore.Usage{Bytes: 200, Objects: 2})
	delete(w.objects.buckets, "climate.gone") // somebody took it away behind us
	takes := 2 * time.Second
	w.objects.fails(func(_ context.Context, what string) error {
		if strings.HasPrefix(what, "list") {
			w.clock.Move(takes)
		}
		return nil
	})
	measure := func(bytes, listed int64) {
		t.Helper()
		u, err := w.MeasureProject(t.Context(), w.climate.ID)
		w.check(err)
		if u.Bytes != bytes || int64(w.objects.listed) != listed {
			t.Errorf("%d bytes after listing %d buckets, want %d and %d", u.Bytes, w.objects.listed, bytes, listed)
		}
	}
	measure(210, 3)
	p, err := w.store.Project(t.Context(), "climate")
	w.check(err)
	if p.UsedBytes != 210 || p.UsedObjects != 3 || !p.UsedAt.Equal(start.Add(6*time.Second)) {
		t.Errorf("noted %d bytes, %d objects at %s", p.UsedBytes, p.UsedObjects, p.UsedAt)
	}
	w.objects.put("climate.one", objectstore.Usage{Bytes: 1000, Objects: 1})
	w.clock.Move(120 * time.Second) // 20 times what it took
	measure(210, 3)
	w.clock.Move(time.Second)
	measure(1200, 6)

	w.clock.Move(hour)
	w.objects.fails(func(context.Context, string) error { return fault.New(fault.Unavailable, "down") })
	_, err = w.MeasureProject(t.Context(), w.climate.ID)
	refused(t, err, fault.Unavailable)
	if p, err := w.store.Project(t.Context(), "climate"); err != nil || p.UsedBytes != 1200 {
		t.Errorf("a failed measuring changed the use to %d, %v", p.UsedBytes, err)
	}
}

func TestMeasureProjectOnceAtATime(t *testing.T) {
	w := newWorld(t)
	_, err := w.CreateBucket(t.Context(), w.as("ann"), "climate", "one", false)
	w.check(err)
	inside, leave := make(chan struct{}, 16), make(chan struct{})
	w.objects.fails(func(context.Context, string) error {
		inside <- struct{}{}
		<-leave
		return nil
	})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if _, err := w.MeasureProject(t.Context(), w.climate.ID); err != nil {
				t.Error(err)
			}
		})
	}
	<-inside
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.MeasureProject(impatient, w.climate.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("who does not want to wait got %v", err)
	}
	close(leave)
	all.Wait()
	if w.objects.listed != 1 {
		t.Errorf("listed %d times, want once", w.objects.listed)
	}
}
