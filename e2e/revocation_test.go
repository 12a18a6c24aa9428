package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRevocation deletes keys while a client loops on HEAD with each: refused within a second of
// the answer to the deletion, and from then on.
func TestRevocation(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	robot, _ := s.signIn("anna").robot(projectA)
	web := &http.Client{Timeout: patience}
	first := createKey(t, robot, projectA, "first")
	if status, answer, err := signed(t.Context(), web, first, http.MethodPut, s.s3+"/data", ""); err != nil || status != http.StatusOK {
		t.Fatal(status, answer, err)
	}
	worst := -time.Hour
	for range 20 {
		k := createKey(t, robot, projectA, "looped")
		var acknowledged atomic.Int64 // Unix nanoseconds
		var last atomic.Int64         // when a request that was accepted had been sent
		loop, stop := context.WithCancel(t.Context())
		var looping sync.WaitGroup
		var accepted, refused atomic.Int64
		for range 2 {
			looping.Go(func() {
				for loop.Err() == nil {
					sent := time.Now().UnixNano()
					status, _, err := signed(loop, web, k, http.MethodHead, s.s3+"/data", "")
					if err == nil && status == http.StatusOK {
						accepted.Add(1)
						last.Store(max(last.Load(), sent))
					} else if err == nil {
						refused.Add(1)
					}
				}
			})
		}
		wait(t, patience, "the key to be used", func() bool { return accepted.Load() > 20 })
		if _, err := robot.DeleteCredential(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		acknowledged.Store(time.Now().UnixNano())
		wait(t, patience, "the key to be refused", func() bool { return refused.Load() > 20 })
		stop()
		looping.Wait()
		worst = max(worst, time.Duration(last.Load()-acknowledged.Load()))
		status, answer, err := signed(t.Context(), web, k, http.MethodHead, s.s3+"/data", "")
		if err != nil || status != http.StatusForbidden || !strings.Contains(answer, "deleted") {
			t.Errorf("a deleted key gets %d %q %v", status, answer, err)
		}
	}
	t.Logf("the last request that was accepted was sent %s after the acknowledgement (negative: before it)", worst)
	if worst > time.Second {
		t.Errorf("a deleted key was accepted %s after the acknowledgement", worst)
	}
}

// TestExpiry uses a key to its end: accepted before, refused after, to the second.
func TestExpiry(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	robot, _ := s.signIn("anna").robot(projectA)
	web := &http.Client{Timeout: patience}
	k := createKey(t, robot, projectA, "first")
	if status, answer, err := signed(t.Context(), web, k, http.MethodPut, s.s3+"/data", ""); err != nil || status != http.StatusOK {
		t.Fatal(status, answer, err)
	}
	short, err := robot.CreateCredential(t.Context(), orderFor(projectA, "short", 3))
	if err != nil {
		t.Fatal(err)
	}
	for {
		before := time.Now()
		status, answer, err := signed(t.Context(), web, short, http.MethodHead, s.s3+"/data", "")
		after := time.Now()
		switch {
		case err != nil:
			t.Fatal(err)
		case status == http.StatusOK && !before.Before(short.ExpiresAt):
			t.Fatalf("accepted %s after its end", before.Sub(short.ExpiresAt))
		case status != http.StatusOK && after.Before(short.ExpiresAt):
			t.Fatalf("refused %s before its end: %s", short.ExpiresAt.Sub(after), answer)
		case status == http.StatusForbidden && strings.Contains(answer, "expired"):
			return
		case status != http.StatusOK:
			t.Fatalf("%d %s", status, answer)
		}
	}
}
