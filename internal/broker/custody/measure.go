package custody

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/objectstore"
)

// rest is how many times as long as a measuring took the project is left alone afterwards. So
// measuring takes at most a twentieth of the object store's time, however large the project.
const rest = 20

// measure is what is known of one project. Whoever has put something into turn may use the rest.
type measure struct {
	turn  chan struct{}
	ended time.Time
	took  time.Duration
	usage objectstore.Usage
	err   error
}

// Measure lists a project's buckets at the object store, notes what they hold, and returns it.
// Those who ask while it is being measured, or while it is left alone, get the last answer.
func (c Custody) Measure(ctx context.Context, projectID string) (objectstore.Usage, error) {
	m := c.Work.measure(projectID)
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return objectstore.Usage{}, ctx.Err()
	}
	begun := c.Now()
	if !m.ended.IsZero() && !begun.After(m.ended.Add(rest*m.took)) {
		return m.usage, m.err
	}
	usage, err := c.list(ctx, projectID)
	if ctx.Err() != nil {
		return usage, ctx.Err() // which says nothing about the project
	}
	m.ended, m.usage, m.err = c.Now(), usage, err
	m.took = m.ended.Sub(begun)
	return usage, err
}

func (w *Work) measure(projectID string) *measure {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.measures == nil {
		w.measures = map[string]*measure{}
	}
	if w.measures[projectID] == nil {
		w.measures[projectID] = &measure{turn: make(chan struct{}, 1)}
	}
	return w.measures[projectID]
}

func (c Custody) list(ctx context.Context, projectID string) (objectstore.Usage, error) {
	var sum objectstore.Usage
	all, err := c.Store.ListBuckets(ctx, projectID)
	if err != nil {
		return sum, err
	}
	for _, b := range all {
		u, err := c.Backend.Usage(ctx, b.Upstream)
		if fault.CodeOf(err) == fault.NotFound {
			continue // an intent, or being deleted
		}
		if err != nil {
			return sum, err
		}
		sum.Bytes += u.Bytes
		sum.Objects += u.Objects
	}
	return sum, c.Store.SetUsage(ctx, projectID, sum, c.now())
}
