package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lanyardhq/lanyard/internal/audit"
)

// BenchmarkInsertCredential creates keys as a request does: once-only promise, credential, audit
// record and feed entry in one transaction that is on disk when it returns.
func BenchmarkInsertCredential(b *testing.B) {
	for _, kind := range []string{"sqlite", "postgres"} {
		for _, callers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", kind, callers), func(b *testing.B) {
				w := open(b, kind)
				if kind == "postgres" {
					postgres.Run(b, "ALTER SYSTEM SET fsync = on")
					postgres.Run(b, "SELECT pg_reload_conf()")
				}
				var n atomic.Int64
				var wg sync.WaitGroup
				b.ResetTimer()
				for range callers {
					wg.Go(func() {
						for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
							c := key(int(i))
							change := did("s3key.create", c.ID)
							change.Once = audit.Once{Key: c.ID, Fingerprint: "f"}
							if _, err := w.InsertCredential(b.Context(), c, secretOf(1), change); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "inserts/s")
			})
		}
	}
}
