package keep_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyardhq/lanyard/internal/agent/keep"
	"github.com/lanyardhq/lanyard/internal/fault"
)

// A world is what an agent keeps fresh, and from where.
type world struct {
	mu       sync.Mutex
	items    []keep.Item
	listErr  error
	life     time.Duration
	down     bool
	hang     string // what never answers
	renewals []string
	ends     map[string]time.Time
	least    time.Duration // that anything had left when it was renewed
	notes    []string
}

func (w *world) keeper() *keep.Keeper {
	w.ends, w.least = map[string]time.Time{}, time.Hour
	return &keep.Keeper{
		List:    func() ([]keep.Item, error) { w.mu.Lock(); defer w.mu.Unlock(); return slices.Clone(w.items), w.listErr },
		Renew:   w.renew,
		Explain: func(err error) (string, string) { return err.Error(), "do something" },
		Note:    func(s keep.State) { w.notes = append(w.notes, s.Title+": "+s.Error) },
		Now:     time.Now,
	}
}

func (w *world) renew(ctx context.Context, i keep.Item, minimum time.Duration) (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hang == i.Title {
		w.mu.Unlock()
		<-ctx.Done()
		w.mu.Lock()
		return time.Time{}, ctx.Err()
	}
	if w.down {
		return time.Time{}, errors.New("no answer")
	}
	now := time.Now()
	if end, ok := w.ends[i.Title]; ok {
		w.least = min(w.least, end.Sub(now))
		if minimum > w.life/2 || minimum > 0 && end.Sub(now) >= minimum {
			return time.Time{}, fmt.Errorf("asked for %s of %s", minimum, end.Sub(now))
		}
	}
	w.ends[i.Title] = now.Add(w.life)
	w.renewals = append(w.renewals, i.Title)
	return now.Add(w.life), nil
}

// TestADay renews at half of the life and a little more, each at its own time.
func TestADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{life: time.Hour, items: []keep.Item{{Kind: keep.Token, Title: "a"}, {Kind: keep.Token, Title: "b"}}}
		k := w.keeper()
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		if err := k.Run(ctx); err != nil {
			t.Error(err)
		}
		if n := len(w.renewals); n < 86 || n > 98 {
			t.Errorf("%d renewals in a day", n)
		}
		if w.least < 26*time.Minute || w.least > 30*time.Minute {
			t.Errorf("the least that was left is %s", w.least)
		}
		if len(w.notes) > 0 {
			t.Errorf("noted %q", w.notes)
		}
	})
}

// TestOutage tries again and again, with pauses, and goes on when the server is back.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{life: time.Hour, items: []keep.Item{{Kind: keep.Token, Title: "a"}}}
		k := w.keeper()
		go func() { _ = k.Run(t.Context()) }()
		pass(25 * time.Minute)
		set := func(down bool) { w.mu.Lock(); w.down = down; w.mu.Unlock() }
		set(true)
		pass(20 * time.Minute)
		states := k.States()
		if len(states) != 1 || states[0].Error != "no answer" || states[0].Hint != "do something" || time.Until(states[0].NextAt) > 7*time.Minute {
			t.Errorf("while it is down: %+v", states)
		}
		set(false)
		pass(7 * time.Minute)
		states = k.States()
		if states[0].Error != "" || time.Until(states[0].EndsAt) < 50*time.Minute || w.least < 5*time.Minute {
			t.Errorf("afterwards: %+v, least %s", states, w.least)
		}
		if want := []string{"a: no answer", "a: "}; !slices.Equal(w.notes, want) {
			t.Errorf("noted %q", w.notes)
		}
	})
}

// TestTheListChanges while the agent runs: what is new is due at once, what is gone is left alone.
func TestTheListChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{life: time.Hour, items: []keep.Item{{Kind: keep.Token, Title: "a"}}}
		k := w.keeper()
		go func() { _ = k.Run(t.Context()) }()
		pass(time.Minute)
		w.mu.Lock()
		w.items = append(w.items, keep.Item{Kind: keep.Token, Title: "b"})
		w.mu.Unlock()
		pass(time.Minute)
		w.mu.Lock()
		w.items, w.listErr = nil, errors.New("the disk is gone") // what is known is kept
		w.mu.Unlock()
		pass(75 * time.Minute)
		w.mu.Lock()
		w.items, w.listErr = []keep.Item{{Kind: keep.Token, Title: "b", Scopes: []string{"read"}}}, nil // another "b"
		w.mu.Unlock()
		pass(time.Minute)
		if got := strings.Join(slices.Sorted(slices.Values(w.renewals)), ""); got != "aaabbbb" || len(k.States()) != 1 || k.States()[0].Title != "b" {
			t.Errorf("renewed %s; %+v", got, k.States())
		}
	})
}

// TestOneThatHangs holds the others up for a minute at most.
func TestOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{life: time.Hour, hang: "b", items: []keep.Item{{Kind: keep.Token, Title: "a"}, {Kind: keep.Token, Title: "b"}}}
		k := w.keeper()
		go func() { _ = k.Run(t.Context()) }()
		pass(12 * time.Hour)
		if len(w.renewals) < 20 || w.least < 25*time.Minute {
			t.Errorf("%d renewals, the least that was left is %s", len(w.renewals), w.least)
		}
		if s := k.States()[1]; s.Error != context.DeadlineExceeded.Error() {
			t.Errorf("%+v", s)
		}
	})
}

func TestList(t *testing.T) {
	l := keep.List{Path: filepath.Join(t.TempDir(), "sub", "list.json")}
	if all, err := l.Read(); err != nil || all != nil {
		t.Error(all, err)
	}
	token := keep.Item{Kind: keep.Token, Ref: "wlcg", Title: "wlcg", Path: "/run/bt_u1000", Scopes: []string{"read"}}
	key := keep.Item{Kind: keep.Key, Ref: "crd_1", Title: "rclone on laptop", Life: 3600}
	other := keep.Item{Kind: keep.Token, Ref: "helmholtz", Title: "helmholtz", Path: token.Path}
	for _, i := range []keep.Item{token, key, other} { // the third takes the file of the first
		if err := l.Put(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	all, err := l.Read()
	if err != nil || len(all) != 2 || all[0].Title != key.Title || all[1].Ref != "helmholtz" {
		t.Errorf("%+v %v", all, err)
	}
	if info, err := os.Stat(l.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	for name, n := range map[string]int{"rclone on laptop": 1, token.Path: 1, "nothing": 0} {
		if dropped, err := l.Drop(t.Context(), name); err != nil || len(dropped) != n {
			t.Errorf("%s: dropped %v, %v", name, dropped, err)
		}
	}
	for n := range 101 {
		err = l.Put(t.Context(), keep.Item{Kind: keep.Key, Title: fmt.Sprint(n)})
	}
	if fault.CodeOf(err) != fault.Limited {
		t.Errorf("too many: %v", err)
	}
	if err := os.WriteFile(l.Path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(); err == nil {
		t.Error("what cannot be read is taken for nothing")
	}
}

// pass lets time go by, and everything happen that happens until then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
