package store_test

import (
	"fmt"
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
					postgres.run(b, "ALTER SYSTEM SET fsync = on")
					postgres.run(b, "SELECT pg_reload_conf()")
				}
				var n atomic.Int64
				b.SetParallelism(callers) // times GOMAXPROCS
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						c := key(int(n.Add(1)))
						change := did("s3key.create", c.ID)
						change.Once = audit.Once{Key: c.ID, Fingerprint: "f"}
						if _, err := w.InsertCredential(b.Context(), c, secretOf(1), change); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "inserts/s")
			})
		}
	}
}
