package custody_test

import (
	"database/sql"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/grant"
)

var databases = []string{"sqlite", "postgres"}

// BenchmarkCachedDelivery hands out tokens that are ready, to 16 who ask at once. The goal is 5,000 a
// second with 99 % of them within 10 ms.
func BenchmarkCachedDelivery(b *testing.B) {
	for _, kind := range databases {
		b.Run(kind, func(b *testing.B) {
			w := newWorld(b, place(b, kind))
			ids := w.fill(w.alpha, 1000, time.Minute, 0)
			took := make([]time.Duration, b.N)
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range 16 {
				all.Go(func() {
					for n := next.Add(1) - 1; n < int64(b.N); n = next.Add(1) - 1 {
						begun := time.Now()
						if _, err := w.Token(b.Context(), as("ann"), ids[n%1000], custody.TokenWish{}); err != nil {
							b.Error(err)
							return
						}
						took[n] = time.Since(begun)
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// BenchmarkRenewals renews what is overdue at a provider that takes 50 ms for each. The goal is 1,000
// a second.
func BenchmarkRenewals(b *testing.B) {
	for _, kind := range databases {
		b.Run(kind, func(b *testing.B) {
			w := newWorld(b, place(b, kind))
			p := w.Providers["alpha"]
			p.Concurrency = 128
			w.Providers["alpha"] = p
			w.fill(w.alpha, b.N, 40*time.Minute, 30*time.Minute)
			renewed := make(chan struct{})
			var done atomic.Int64
			w.alpha.set(func() {
				w.alpha.took = 50 * time.Millisecond
				w.alpha.after = func(int) error {
					if done.Add(1) == int64(b.N) {
						close(renewed)
					}
					return nil
				}
			})
			b.ResetTimer()
			stop := w.run(w.Custody)
			<-renewed
			stop()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "renewals/s")
			if w.alpha.see().reused+w.alpha.see().parallel > 0 {
				b.Errorf("%d reused, %d parallel", w.alpha.see().reused, w.alpha.see().parallel)
			}
		})
	}
}

// BenchmarkStart is the time until a server with 300,000 grants hands out its first token and looks
// for its first work. The goal is 3 s.
func BenchmarkStart(b *testing.B) {
	const grants = 300_000
	for _, kind := range databases {
		b.Run(kind, func(b *testing.B) {
			c := place(b, kind)
			w := newWorld(b, c)
			first := w.fill(w.alpha, 1, 0, 0)[0]
			w.multiply(first, grants)
			for b.Loop() {
				s := w.another(w.store)
				stop := w.run(s)
				if _, err := s.TokenOf(b.Context(), first, custody.TokenWish{}); err != nil {
					b.Fatal(err)
				}
				if list := s.List(b.Context()); list[0].Health != grant.Fine {
					b.Errorf("%+v", list)
				}
				stop()
			}
		})
	}
}

// multiply makes n copies of a grant. Their tokens cannot be opened in their places.
func (w *world) multiply(id string, n int) {
	w.t.Helper()
	driver, address := "pgx", w.config.URL
	if address == "" {
		driver, address = "sqlite", "file:"+w.config.Path+"?_busy_timeout=10000"
	}
	db, err := sql.Open(driver, address)
	w.check(err)
	defer db.Close()
	const numbers = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) INSERT INTO `
	for _, text := range []string{
		`credential (id, kind, owner_id, name, public_id, spec, status, reason, created_at, expires_at, due_at, ended_at, generation, state)
			SELECT id || i, kind, owner_id, name, public_id || i, spec, status, reason, created_at, expires_at, due_at, ended_at, 0, state
			FROM credential, n WHERE id = $1`,
		`grant_family (grant_id, provider, subject, refresh, refresh_expires_at, keep_alive, health, health_since, detail, failures, renewals,
			renewed_at, due_at, runs_out_at, lease_until, attempt_at, attempts, poll_at, poll_until, generation)
			SELECT grant_id || i, provider, subject, refresh, refresh_expires_at, keep_alive, health, health_since, detail, failures, renewals,
			renewed_at, due_at, runs_out_at, lease_until, attempt_at, attempts, poll_at, poll_until, 1 FROM grant_family, n WHERE grant_id = $1`,
		`grant_token (grant_id, wish, asked, scopes, audiences, access, issued_at, expires_at, used_at, due_at)
			SELECT grant_id || i, wish, asked, scopes, audiences, access, issued_at, expires_at, used_at, due_at FROM grant_token, n WHERE grant_id = $1`,
	} {
		_, err := db.ExecContext(w.t.Context(), numbers+text, id, n)
		w.check(err)
	}
}
