package broker_test

import (
	"testing"

	"github.com/lanyardhq/lanyard/internal/audit"
)

// BenchmarkIssue makes keys one after the other, and 16 at a time.
func BenchmarkIssue(b *testing.B) {
	b.Run("1", func(b *testing.B) {
		w := newWorld(b)
		ann := w.as("ann")
		for b.Loop() {
			if _, err := w.Issue(b.Context(), ann, order(hour), audit.Once{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("16", func(b *testing.B) {
		w := newWorld(b)
		ann := w.as("ann")
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := w.Issue(b.Context(), ann, order(hour), audit.Once{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}
