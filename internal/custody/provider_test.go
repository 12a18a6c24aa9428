package custody_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/provider"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/material"
)

// field is two servers on one PostgreSQL that keep grants at an independent provider, which rotates
// refresh tokens and ends the family when one is used twice.
type field struct {
	*world
	provider *providertest.Provider
	servers  [2]*custody.Custody
	ids      []string
}

func newField(t *testing.T, grants int, o providertest.Options) *field {
	t.Helper()
	f := &field{world: newWorld(t, place(t, "postgres")), provider: providertest.Start(t, o)}
	second, err := store.Open(t.Context(), f.config)
	f.check(err)
	t.Cleanup(func() { f.check(second.Close()) })
	for i, s := range []*store.Store{f.store, second} {
		c := f.another(s)
		c.Log = slog.New(slog.DiscardHandler)
		config := f.provider.Config("basic")
		config.Rotates = "always"
		config.Concurrency = 32
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 64
		t.Cleanup(transport.CloseIdleConnections)
		client, err := provider.New(config, providertest.Redirect, transport, time.Now)
		f.check(err)
		c.Providers["nop"] = custody.Provider{Provider: config, Client: client}
		f.servers[i] = c
	}
	f.Custody = f.servers[0]
	f.broker.Kinds[grant.Kind] = kindOf(f.servers[0])
	f.Issue = func(ctx context.Context, by identity.Actor, o credential.Order, once audit.Once) (credential.Credential, error) {
		got, err := f.broker.Issue(ctx, by, o, once)
		return got.Credential, err
	}
	for range grants {
		c := f.order("ann", "nop")
		to, err := f.Begin(t.Context(), as("ann"), c.ID)
		f.check(err)
		_, err = f.servers[1].Callback(t.Context(), as("ann"), "nop", f.provider.Approve(t, to))
		f.check(err)
		f.ids = append(f.ids, c.ID)
	}
	for _, c := range f.servers {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = c.Run(ctx) })
		t.Cleanup(func() { cancel(); all.Wait() })
	}
	return f
}

// refreshes asks both servers for new tokens of all grants, crosswise, until the provider has granted
// n refreshes or all grants are lost. What goes wrong is told to failed.
func (f *field) refreshes(n int, failed func(id string, took time.Duration, err error)) {
	var all sync.WaitGroup
	var mu sync.Mutex
	lost := map[string]bool{}
	var done atomic.Bool
	for worker := range 24 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for i := 0; !done.Load(); i++ {
				id := f.ids[random.IntN(len(f.ids))]
				mu.Lock()
				skip := lost[id]
				mu.Unlock()
				if skip {
					continue
				}
				begun := time.Now()
				_, err := f.servers[worker%2].TokenOf(f.t.Context(), id, force)
				if err != nil {
					mu.Lock()
					if fault.CodeOf(err) == fault.Conflict {
						lost[id] = true
					}
					failed(id, time.Since(begun), err)
					done.CompareAndSwap(false, len(lost) == len(f.ids))
					mu.Unlock()
				}
				if granted, _ := f.provider.Refreshes(); granted >= n {
					done.Store(true)
				}
			}
		})
	}
	all.Wait()
}

// healths counts the grants by their health.
func (f *field) healths() map[grant.Health]int {
	f.t.Helper()
	families, err := f.store.Families(f.t.Context(), f.ids)
	f.check(err)
	n := map[grant.Health]int{}
	for _, one := range families {
		n[one.Health]++
	}
	return n
}

// soak is how much more a test does that is run for long.
func soak() int {
	if os.Getenv("LANYARD_SOAK") == "1" {
		return 10
	}
	return 1
}

func TestTwoServersNeverUseATokenTwice(t *testing.T) {
	f := newField(t, 60, providertest.Options{Rotate: true, AccessTTL: 10 * time.Second}) // renewed ahead each 4 s besides
	n := 10_000 * soak()
	begun := time.Now()
	f.refreshes(n, func(id string, took time.Duration, err error) {
		if fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("%s after %s: %v", id, took, err)
		}
	})
	granted, reused := f.provider.Refreshes()
	t.Logf("%d refreshes in %s", granted, time.Since(begun))
	if granted < n || reused > 0 {
		t.Errorf("%d granted, %d used again", granted, reused)
	}
	until(t, func() bool { return f.healths()[grant.Fine] == len(f.ids) }) // a busy provider may have been tried again
}

func TestNoMoreIsLostThanAnswers(t *testing.T) {
	f := newField(t, 60, providertest.Options{Rotate: true})
	var mu sync.Mutex
	droppedAt := map[material.Secret]time.Time{} // by the refresh token whose answer it was
	drop := providertest.OfRefreshes(providertest.Drop, 0.01, 7)
	f.provider.Inject(func(r *http.Request) providertest.Fault {
		fault := drop(r)
		if fault == providertest.Drop {
			mu.Lock()
			defer mu.Unlock()
			droppedAt[material.Secret(r.PostForm.Get("refresh_token"))] = time.Now()
		}
		return fault
	})
	var slow []string // the two seconds are held by TestALostAnswerEndsAFamilyThatCannotBearIt, in a bubble
	n := 2_000 * soak()
	f.refreshes(n, func(id string, _ time.Duration, err error) {
		_, one, findErr := f.Find(t.Context(), as("ann"), id)
		mu.Lock()
		took := time.Since(droppedAt[f.family(id).Refresh])
		mu.Unlock()
		if fault.CodeOf(err) == fault.Conflict && (findErr != nil || one.Health != grant.NeedsSignIn || took > 20*time.Second) {
			slow = append(slow, fmt.Sprintf("%s after %s: %s, %v", id, took, one.Health, err))
		}
	})
	dropped := f.provider.Injected(providertest.Drop)
	healths := f.healths()
	t.Logf("%d answers dropped, grants are %v", dropped, healths)
	if lost := healths[grant.NeedsSignIn]; dropped < 5 || lost > dropped || lost+healths[grant.Fine]+healths[grant.Retrying] != len(f.ids) {
		t.Errorf("%d answers dropped, and grants are %v", dropped, healths)
	}
	for _, one := range slow {
		t.Error("not seen soon: " + one)
	}
	// Whoever signs in again goes on with the same grant.
	f.provider.Inject(nil)
	for _, id := range f.ids {
		_, one, err := f.Find(t.Context(), as("ann"), id)
		f.check(err)
		if one.Health != grant.NeedsSignIn {
			continue
		}
		to, err := f.Begin(t.Context(), as("ann"), id)
		f.check(err)
		if _, err := f.Callback(t.Context(), as("ann"), "nop", f.provider.Approve(t, to)); err != nil {
			t.Fatal(err)
		}
		f.token(id, force)
		break
	}
}

func TestRevocationAtTheProvider(t *testing.T) {
	f := newField(t, 1, providertest.Options{Rotate: true})
	refresh := f.family(f.ids[0]).Refresh
	_, err := f.broker.End(t.Context(), as("ann"), f.ids[0], once("end"))
	f.check(err)
	until(t, func() bool {
		_, one, err := f.Find(t.Context(), as("ann"), f.ids[0])
		return err == nil && one.DueAt.IsZero() && one.Detail != ""
	})
	if _, err := f.servers[0].Providers["nop"].Client.Refresh(t.Context(), refresh, grant.Wish{}); err == nil {
		t.Error("the refresh token lives on")
	}
}
