package deliver_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
)

func TestExclusiveLetsOneInAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "x.lock")
	var inside, most, done int
	var mu sync.Mutex
	note := func(by int) {
		mu.Lock()
		defer mu.Unlock()
		inside += by
		most = max(most, inside)
		done++
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			err := deliver.Exclusive(t.Context(), path, func(context.Context) error {
				note(+1)
				note(-1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most != 1 || done != 16 {
		t.Errorf("%d at once, %d steps", most, done)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the lease was left behind")
	}
}

func TestExclusiveTakesOverAnAbandonedLease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	if err := os.WriteFile(path, []byte("login1 4711 DEAD\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		begin, ran := time.Now(), 0
		for range 2 {
			if err := deliver.Exclusive(t.Context(), path, func(context.Context) error { ran++; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(begin); ran != 2 || waited < 20*time.Second || waited > 21*time.Second {
			t.Errorf("ran %d times after %s", ran, waited)
		}
	})
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestExclusiveGivesUpWithItsCaller(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	if err := os.WriteFile(path, []byte("login1 4711 BUSY\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := deliver.Exclusive(ctx, path, func(context.Context) error { t.Error("ran"); return nil })
		if fault.CodeOf(err) != fault.Unavailable {
			t.Error(err)
		}
	})
}
