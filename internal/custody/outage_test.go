package custody_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// fill makes n grants of ann's at a provider that were approved one after the other, the first of them
// that long ago and the last that long. Their tokens are in use.
func (w *world) fill(f *fake, n int, first, last time.Duration) []string {
	w.t.Helper()
	ids := make([]string, n)
	var all sync.WaitGroup
	var failed error
	var mu sync.Mutex
	work := make(chan int)
	for range 64 {
		all.Go(func() {
			for i := range work {
				if err := w.insert(f, ids[i], time.Now().UTC().Truncate(time.Second).Add(-first+(first-last)*time.Duration(i)/time.Duration(n))); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	for i := range ids {
		ids[i] = fmt.Sprintf("crd_%s%d", f.name, i)
		work <- i
	}
	close(work)
	all.Wait()
	w.check(failed)
	return ids
}

// insert makes a grant that was approved at the time.
func (w *world) insert(f *fake, id string, at time.Time) error {
	var got grant.Tokens
	f.set(func() { got = f.grantFamily() })
	got.AccessExpiresAt = at.Add(f.life)
	c := credential.Credential{ID: id, Kind: grant.Kind, OwnerID: "usr_ann", Name: id, PublicID: id, Status: credential.Intended,
		Spec: grant.Spec{Provider: f.name, Scopes: []string{"openid"}}.Encode(), CreatedAt: at, ExpiresAt: at.Add(7 * 24 * time.Hour)}
	ctx := context.Background()
	change := audit.Change{Record: audit.By(identity.System(), at, "grant.create", id, "")}
	if _, err := w.store.InsertCredential(ctx, c, nil, change); err != nil {
		return err
	}
	c.Status, c.DueAt = credential.Active, c.ExpiresAt
	claim := grant.Claim{Family: grant.Family{GrantID: id, Provider: f.name, Refresh: got.Refresh, Health: grant.Fine, RenewedAt: at}}
	k := grant.Keep(got, grant.Wish{}, at, time.Now())
	claim.Put(k)
	claim.Plan(at)
	return w.store.SaveApproval(ctx, c, claim.Family, k, change)
}

// TestAnOutageOfTwentyMinutes has consumers look each minute while a provider is away.
func TestAnOutageOfTwentyMinutes(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		const n = 200
		w.alpha.took = 50 * time.Millisecond
		ids := w.fill(w.alpha, n, 24*time.Minute, 0)
		named := map[string]string{} // what the provider calls them
		for _, id := range ids {
			named[w.alpha.byToken[w.family(id).Refresh].name] = id
		}
		defer w.run(w.Custody)()
		pass(time.Minute)
		w.alpha.set(func() { w.alpha.before, w.alpha.refreshed = down, nil })
		ends := map[string]time.Time{} // when the tokens run out that there are when the provider comes back
		for range 20 {
			pass(time.Minute)
			for _, id := range ids {
				got := w.token(id, custody.TokenWish{})
				ends[id] = got.AccessExpiresAt
				if left := time.Until(got.AccessExpiresAt); left < 15*time.Minute {
					t.Fatalf("%s has %s left of an hour", id, left)
				}
			}
		}
		if tries := w.alpha.see().n; tries > 3*n {
			t.Errorf("%d requests to a provider that is down", tries)
		}
		w.alpha.set(func() { w.alpha.before = nil })
		pass(20 * time.Second)
		var order []time.Time
		for _, name := range w.alpha.see().refreshed {
			order = append(order, ends[named[name]])
		}
		// Sixteen are under way at once, and the first of them was a probe.
		late := 0
		for i := range order[1:] {
			if i > 16 && slices.MinFunc(order[i:], time.Time.Compare).Before(order[i-16]) {
				late++
			}
		}
		if len(order) < n*20/25 || late > 0 {
			t.Errorf("%d refreshed, %d of them after others that ran out later", len(order), late)
		}
		for _, id := range ids {
			if left := w.left(id); left < 15*time.Minute {
				t.Errorf("%s has %s left of an hour", id, left)
			}
		}
		if w.alpha.see().reused+w.alpha.see().parallel > 0 || w.alpha.see().most > 16 {
			t.Errorf("%d reused, %d parallel, %d at once", w.alpha.see().reused, w.alpha.see().parallel, w.alpha.see().most)
		}
	})
}

// TestAProviderThatHangs has beta's grants renewed on time while nothing comes back from alpha.
func TestAProviderThatHangs(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.beta.life = 10 * time.Minute
		w.fill(w.alpha, 100, 40*time.Minute, 0)
		ids := w.fill(w.beta, 40, 4*time.Minute, 0)
		w.alpha.took = time.Hour
		defer w.run(w.Custody)()
		for range 600 {
			pass(time.Second)
			families, err := w.store.Families(t.Context(), ids)
			w.check(err)
			for _, f := range families {
				if over := time.Since(f.DueAt); over > 2*time.Second {
					t.Fatalf("%s waits for %s", f.GrantID, over)
				}
				if f.Health != grant.Fine {
					t.Fatalf("%+v", f)
				}
			}
		}
		begun := time.Now()
		w.token(ids[0], force)
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("a token of a healthy provider took %s", took)
		}
	})
}
