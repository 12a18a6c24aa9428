package meter_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/gateway/meter"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/project"
)

// broker counts what it is asked.
type broker struct {
	mu       sync.Mutex
	bytes    int64
	took     time.Duration
	measured int
	uses     []credential.Use
	err      error
}

func (b *broker) MeasureProject(ctx context.Context, _ string) (objectstore.Usage, error) {
	select {
	case <-time.After(b.took):
	case <-ctx.Done():
		return objectstore.Usage{}, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.measured++
	return objectstore.Usage{Bytes: b.bytes}, b.err
}

func (b *broker) RecordUses(_ context.Context, uses []credential.Use) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.uses = append(b.uses, uses...)
	}
	return b.err
}

func (b *broker) set(bytes int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes, b.err = bytes, err
}

func (b *broker) asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.measured
}

func newMeter(b *broker) *meter.Meter { return meter.New(b, time.Now, slog.New(slog.DiscardHandler)) }

func reserve(t *testing.T, m *meter.Meter, p *project.Project, n int64) *meter.Hold {
	t.Helper()
	h, err := m.Reserve(t.Context(), p, n, "")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestQuotaCountsWhatIsFlyingAndWhatWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{bytes: 50}
		m := newMeter(b)
		p := &project.Project{ID: "prj_1", Name: "climate", QuotaBytes: 100, UsedBytes: 50, UsedAt: time.Now()}
		first := reserve(t, m, p, 30)
		if _, err := m.Reserve(t.Context(), p, 30, ""); fault.CodeOf(err) != fault.Limited {
			t.Fatalf("30 more beside 30 in flight: %v", err)
		}
		reserve(t, m, p, 20).End(false)
		first.End(true)
		b.set(80, nil)
		time.Sleep(time.Minute)
		if _, err := m.Reserve(t.Context(), p, 21, ""); fault.CodeOf(err) != fault.Limited ||
			!strings.Contains(err.Error(), "80 bytes of its quota of 100 bytes") {
			t.Errorf("21 more after 80: %v", err)
		}
		reserve(t, m, p, 20).End(true)
		reserve(t, m, p, 0).End(true) // nothing always fits
		reserve(t, m, &project.Project{ID: "prj_2"}, 1<<62).End(true)
		never := &project.Project{ID: "prj_3", QuotaBytes: 100} // never measured
		reserve(t, m, never, 60).End(true)
		b.set(60, nil)
		if _, err := m.Reserve(t.Context(), never, 60, ""); fault.CodeOf(err) != fault.Limited {
			t.Errorf("60 and 60 more: %v", err)
		}
	})
}

func TestFullProjectIsMeasuredOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{bytes: 10, took: 100 * time.Millisecond}
		m := newMeter(b)
		p := &project.Project{ID: "prj_1", QuotaBytes: 100, UsedBytes: 100, UsedAt: time.Now()}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if h, err := m.Reserve(t.Context(), p, 1, ""); err != nil {
					t.Error(err)
				} else {
					h.End(true)
				}
			})
		}
		wg.Wait()
		if b.asked() != 1 {
			t.Errorf("measured %d times for 20 requests at once", b.asked())
		}
		b.set(100, nil)
		for range 20 {
			_, _ = m.Reserve(t.Context(), p, 80, "")
		}
		if b.asked() != 1 {
			t.Errorf("measured %d times within the rest", b.asked())
		}
	})
}

func TestSlowMeasuringDelaysOneRequestALittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{took: time.Hour}
		m := newMeter(b)
		begun := time.Now()
		_, err := m.Reserve(t.Context(), &project.Project{ID: "prj_1", QuotaBytes: 100, UsedBytes: 100, UsedAt: begun}, 1, "")
		if fault.CodeOf(err) != fault.Limited || time.Since(begun) > 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

func TestRunMeasuresAndReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{bytes: 7}
		m := newMeter(b)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		time.Sleep(time.Minute)
		if b.asked() != 0 {
			t.Error("measured without need")
		}
		m.Touch("prj_1")
		time.Sleep(time.Minute)
		if b.asked() != 1 {
			t.Errorf("measured %d times after one delete", b.asked())
		}
		at := time.Now()
		m.Used("crd_1", at, "rclone/v1.60.1-DEV linux", "10.0.0.1")
		m.Used("crd_1", at.Add(time.Millisecond), "never/seen", "10.0.0.2")
		b.set(7, errors.New("down"))
		time.Sleep(2 * time.Second * 5)
		m.Used("crd_2", time.Now(), "\x1b[31m evil", "10.0.0.1")
		b.set(7, nil)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		by := map[string]string{}
		for _, u := range b.uses {
			by[u.CredentialID] = u.By
		}
		if len(b.uses) != 2 || by["crd_1"] != "rclone/v1.60.1-DEV from 10.0.0.1" || by["crd_2"] != "[31m from 10.0.0.1" {
			t.Errorf("reported %v", b.uses)
		}
	})
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 999: "999 bytes", 1500: "1.5 kB", 999_999: "1.0 MB", 150_000_000_000: "150 GB"} {
		if got := meter.Bytes(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

// Parts of an unfinished upload are in no measurement, and count all the same.
func TestQuotaCountsPartsUntilTheirUploadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{bytes: 10}
		m := newMeter(b)
		p := &project.Project{ID: "prj_1", Name: "climate", QuotaBytes: 100, UsedBytes: 10, UsedAt: time.Now()}
		part := func(upload string, n int64) error {
			h, err := m.Reserve(t.Context(), p, n, upload)
			if err == nil {
				h.End(true)
			}
			return err
		}
		for _, upload := range []string{"one", "one", "two"} {
			if err := part(upload, 30); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if err := part("two", 1); fault.CodeOf(err) != fault.Limited {
			t.Errorf("beside 10 measured bytes and 90 in parts one more byte fits: %v", err)
		}
		m.Uploaded(p.ID, "two", false)
		if err := part("one", 30); err != nil {
			t.Errorf("after an upload was given up: %v", err)
		}
		m.Uploaded(p.ID, "one", true)
		time.Sleep(time.Minute)
		if err := part("three", 1); err != nil {
			t.Errorf("the object of an upload counts until it is measured, and is measured then: %v", err)
		}
	})
}
