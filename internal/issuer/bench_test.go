package issuer_test

import (
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/standin"
)

// workers is how many clients ask at once.
const workers = 16

// each has workers do b.N requests together; do gets the worker's own state.
func each[T any](b *testing.B, begin func() T, do func(*testing.B, *T)) {
	b.Helper()
	states := make([]T, workers)
	for i := range states {
		states[i] = begin()
	}
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for i := range states {
		wg.Go(func() {
			for range (b.N + workers - 1 - i) / workers {
				do(b, &states[i])
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// fast is a world at the true time, with tokens for a storage that takes ES256.
func fast(b *testing.B) *world {
	w := newWorldAt(b, standin.NewClock(time.Now()))
	w.signIn()
	w.join("user")
	return w
}

func (w *world) must(b *testing.B, form url.Values) map[string]any {
	a := w.post("/token", form, nil)
	if a.status != http.StatusOK {
		b.Errorf("%d %s", a.status, a.body)
	}
	return a.json
}

func BenchmarkRefresh(b *testing.B) {
	w := fast(b)
	begin := func() any {
		return w.tokens("scope", "offline_access storage.read:/climate", "resource", store1)["refresh_token"]
	}
	each(b, begin, func(b *testing.B, token *any) { *token = w.must(b, refresh(*token))["refresh_token"] })
}

func BenchmarkExchange(b *testing.B) {
	w := fast(b)
	begin := func() any { return w.tokens("scope", "storage.read:/climate", "resource", store1)["access_token"] }
	each(b, begin, func(b *testing.B, token *any) {
		w.must(b, with(exchange(*token), "client_id", "lanyard-cli", "scope", "storage.read:/climate/a"))
	})
}
