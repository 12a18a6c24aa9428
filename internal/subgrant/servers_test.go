package subgrant_test

import (
	"sync"
	"testing"

	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/internal/subgrant"
	"github.com/lanyardhq/lanyard/material"
)

// second is another server on the world's database.
func (w *world) second() *subgrant.Service {
	w.t.Helper()
	s, err := store.Open(w.t.Context(), w.config)
	check(w.t, err)
	w.t.Cleanup(func() { check(w.t, s.Close()) })
	other := *w.Service
	other.Flows, other.Store = s, s
	return &other
}

func TestTwoServersCountTogether(t *testing.T) {
	w := newWorld(t, store.Config{Keys: seal.NewKeys(), URL: postgres.NewDatabase(t)})
	servers := []*subgrant.Service{w.Service, w.second()}
	root := w.root(`{"capabilities":["AT","create_mytoken"],"restrictions":[{"usages_AT":9}]}`)
	child := w.derive(root, `{"restrictions":[{"usages_AT":9}]}`)
	given := atOnce(30, func(n int) error {
		token := []material.Secret{root.Token, child.Token}[n/2%2]
		_, err := servers[n%2].AccessToken(t.Context(), token, subgrant.AccessWish{}, here)
		return err
	}, func(err error) {
		if err.Error() != restricted {
			t.Error(err)
		}
	})
	if given != 9 {
		t.Errorf("%d were given, 9 are allowed", given)
	}
}

func TestTwoServersRotateOnce(t *testing.T) {
	w := newWorld(t, store.Config{Keys: seal.NewKeys(), URL: postgres.NewDatabase(t)})
	root := w.root(`{"rotation":{"on_AT":true,"auto_revoke":true}}`)
	const n = 6
	var arrived sync.WaitGroup
	arrived.Add(n)
	servers := []*subgrant.Service{w.Service, w.second()}
	grants := w.Grants
	for _, s := range servers {
		s.Grants = &meeting{Grants: grants, arrived: &arrived}
	}
	var mu sync.Mutex
	var next *subgrant.Issued
	given := atOnce(n, func(i int) error {
		a, err := servers[i%2].AccessToken(t.Context(), root.Token, subgrant.AccessWish{}, here)
		if err == nil {
			mu.Lock()
			next = a.Update
			mu.Unlock()
		}
		return err
	}, func(err error) {
		if err.Error() != badToken {
			t.Error(err)
		}
	})
	for _, s := range servers {
		s.Grants = grants
	}
	if given != 1 || next == nil {
		t.Fatalf("%d successors", given)
	}
	w.works("the successor", *next)
}

// A code is good once, whichever server it is shown to.
func TestTwoServersSpendACodeOnce(t *testing.T) {
	w := newWorld(t, store.Config{Keys: seal.NewKeys(), URL: postgres.NewDatabase(t)})
	servers := []*subgrant.Service{w.Service, w.second()}
	f := w.flow(`{"response_type":"transfer_code"}`)
	issued := make(chan subgrant.Issued, 8)
	bad := func(err error) { w.refuses("used already", err, badCode) }
	if n := atOnce(8, func(n int) error {
		i, err := servers[n%2].Poll(t.Context(), f.PollingCode, here)
		if err == nil {
			issued <- i
		}
		return err
	}, bad); n != 1 {
		t.Fatalf("one polling code gave %d tokens", n)
	}
	code := (<-issued).Code
	if n := atOnce(8, func(n int) error {
		_, err := servers[n%2].Redeem(t.Context(), code, here)
		return err
	}, bad); n != 1 {
		t.Errorf("one transfer code gave %d tokens", n)
	}
}

// atOnce does something n times at once and returns how often that went well.
func atOnce(n int, do func(int) error, failed func(error)) (good int) {
	var wg sync.WaitGroup
	results := make(chan error, n)
	for i := range n {
		wg.Go(func() { results <- do(i) })
	}
	wg.Wait()
	close(results)
	for err := range results {
		if err == nil {
			good++
		} else {
			failed(err)
		}
	}
	return good
}
