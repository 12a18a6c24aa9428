package shortkey_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/shortkey"
	"github.com/lanyardhq/lanyard/material"
)

const life = 8 * time.Hour

// service is the API's part that deals with keys, inside the test.
type service struct {
	mu       sync.Mutex
	max      time.Duration
	made     int
	extended int
	ended    map[string]bool
	down     bool
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errors.New("network is down")
	}
	var o api.CredentialOrder
	if r.Body != nil {
		if text, err := io.ReadAll(r.Body); err != nil || len(text) > 0 && json.Unmarshal(text, &o) != nil {
			return nil, errors.New("bad request")
		}
	}
	want := time.Duration(o.Life) * time.Second
	if want > s.max {
		return answer(429, api.Problem{Code: api.Limited, Detail: "too long"}), nil
	}
	id, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/credentials/"), "/extend")
	switch {
	case r.Method == http.MethodGet:
		state := "active"
		if s.ended[id] {
			state = "ended"
		}
		return answer(200, api.Credential{ID: id, State: state}), nil
	case !ok:
		s.made++
		id = fmt.Sprintf("crd_%d", s.made)
		if want == 0 {
			want = min(s.max, time.Hour)
		}
	case s.ended[id]:
		return answer(409, api.Problem{Code: api.Conflict, Detail: "it has ended"}), nil
	default:
		s.extended++
		if want == 0 {
			want = s.max
		}
	}
	return answer(200, api.Credential{ID: id, AccessKeyID: "LYD" + id, SecretAccessKey: material.Secret("secret of " + id), Endpoint: "http://s3", Region: "r",
		ExpiresAt: time.Now().Add(want).UTC(), EndsInSeconds: int64(want.Seconds())}), nil
}

func answer(status int, v any) *http.Response {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if status != 200 {
		h.Set("Content-Type", "application/problem+json")
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(bytes.NewReader(text))}
}

func newClient(t *testing.T, s *service) *client.Client {
	t.Helper()
	c, err := client.New("https://lanyard.test", client.Options{Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newPocket(dir string) *shortkey.Pocket {
	return &shortkey.Pocket{Dir: dir, Owner: "abc", Now: time.Now}
}

var order = shortkey.Order{Project: "462000008", Name: "programs on x", Life: life}

func TestKeyIsCachedExtendedAndReplaced(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &service{max: 168 * time.Hour, ended: map[string]bool{}}
		c, p := newClient(t, s), newPocket(dir)
		get := func(want string, made, extended int) {
			t.Helper()
			k, err := p.Get(t.Context(), c, order)
			if err != nil || k.ID != want || s.made != made || s.extended != extended {
				t.Fatalf("got %s (%d made, %d extended) %v, want %s %d %d", k.ID, s.made, s.extended, err, want, made, extended)
			}
			if left := time.Until(k.ExpiresAt); err == nil && left < life/4 && !s.down {
				t.Errorf("only %s of life are left", left)
			}
		}
		get("crd_1", 1, 0)
		get("crd_1", 1, 0)
		time.Sleep(life * 3 / 4)
		get("crd_1", 1, 0) // just a quarter left
		time.Sleep(time.Second)
		if _, ok := p.Cached(order.Project); ok {
			t.Error("less than a quarter is handed out without asking")
		}
		get("crd_1", 1, 1)

		// An outage shorter than a quarter of the life is not noticed.
		time.Sleep(life * 7 / 8)
		s.down = true
		get("crd_1", 1, 1)
		s.down = false
		get("crd_1", 1, 2)

		// Ended by somebody: another one is made.
		s.ended["crd_1"] = true
		time.Sleep(life * 7 / 8)
		get("crd_2", 2, 2)

		// Expired while the machine slept.
		time.Sleep(2 * life)
		get("crd_3", 3, 2)
		s.down = true
		time.Sleep(2 * life)
		if _, err := p.Get(t.Context(), c, order); err == nil {
			t.Error("an expired key is handed out")
		}
	})
}

func TestKeyThatWasEndedElsewhere(t *testing.T) {
	s := &service{max: 168 * time.Hour, ended: map[string]bool{}}
	c, p := newClient(t, s), newPocket(t.TempDir())
	verified := func(want string) {
		t.Helper()
		if k, err := p.Verified(t.Context(), c, order); err != nil || k.ID != want {
			t.Errorf("got %s %v, want %s", k.ID, err, want)
		}
	}
	verified("crd_1")
	verified("crd_1")
	s.ended["crd_1"] = true
	verified("crd_2")
	s.down = true
	verified("crd_2") // a server that is down takes nothing away
}

func TestProjectThatAllowsLess(t *testing.T) {
	s := &service{max: 30 * time.Minute}
	k, err := newPocket(t.TempDir()).Get(t.Context(), newClient(t, s), order)
	if err != nil || k.Life != 1800 {
		t.Error(k.Life, err)
	}
}

func TestManyAtOnceShareOneKey(t *testing.T) {
	dir, s := t.TempDir(), &service{max: 168 * time.Hour}
	c := newClient(t, s)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if k, err := newPocket(dir).Get(t.Context(), c, order); err != nil || k.ID != "crd_1" {
				t.Error(k.ID, err)
			}
		})
	}
	wg.Wait()
	if s.made != 1 {
		t.Errorf("%d keys were made", s.made)
	}
}

func TestCacheIsPrivate(t *testing.T) {
	dir, s := t.TempDir(), &service{max: 168 * time.Hour}
	c, p := newClient(t, s), newPocket(dir)
	if _, err := p.Get(t.Context(), c, order); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if i, err := os.Stat(files[0]); err != nil || i.Mode().Perm() != 0o600 {
		t.Error(i.Mode(), err)
	}
	other := newPocket(dir)
	other.Owner = "def"
	if _, ok := other.Cached(order.Project); ok {
		t.Error("a key of one account is handed to another")
	}
	if _, ok := p.Cached("462-000008"); ok {
		t.Error("a key of one project is handed out for another")
	}
	if dropped := p.Drop("https://other.test"); dropped != nil {
		t.Error("a key of another server was dropped")
	}
	if dropped := p.Drop(c.Server()); len(dropped) != 1 || dropped[0].ID != "crd_1" {
		t.Error(dropped)
	}
	if _, ok := p.Cached(order.Project); ok {
		t.Error("a dropped key is handed out")
	}
	if _, err := p.Get(t.Context(), c, order); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(files[0], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.Cached(order.Project); ok {
		t.Error("a file that others can write is believed")
	}
}

func TestLoanOutlivesOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{max: 168 * time.Hour, ended: map[string]bool{}}
		c := newClient(t, s)
		k, err := shortkey.Lend(t.Context(), c, shortkey.Order{Project: "p", Name: "exec", Life: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var warned int
		var wg sync.WaitGroup
		locked := func(do func()) { s.mu.Lock(); defer s.mu.Unlock(); do() }
		wg.Go(func() {
			shortkey.Keep(ctx, c, k, time.Hour, func(error) { locked(func() { warned++ }) })
		})
		time.Sleep(3*time.Hour + time.Minute)
		locked(func() {
			if s.extended != 6 || warned != 0 {
				t.Errorf("%d extensions, %d warnings in 3 hours", s.extended, warned)
			}
			s.down = true
		})
		time.Sleep(40 * time.Minute) // it is due after half an hour, and is then tried every 3 minutes
		locked(func() { s.down = false })
		time.Sleep(4 * time.Minute)
		locked(func() {
			if warned == 0 || s.extended != 7 {
				t.Errorf("%d warnings, %d extensions after the outage", warned, s.extended)
			}
			s.ended[k.ID] = true
		})
		wg.Wait() // it gives up by itself
		cancel()
	})
}
