// Package meter keeps a gateway's accounts: what projects have written since they were last
// measured, against their quota, and who used which key. It imports rows 0 to 2.
//
// A quota is held softly: between two measurements replaced objects count twice and deleted ones
// still count, so a project that seems full is measured once more before it is refused. Parts of
// unfinished uploads are in no measurement, so they are counted by upload until it ends.
package meter

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/project"
)

// Broker is who measures and who keeps what is reported.
type Broker interface {
	// MeasureProject may answer with its last result if it is asked sooner than 20 times the time
	// that one took.
	MeasureProject(ctx context.Context, projectID string) (objectstore.Usage, error)
	RecordUses(ctx context.Context, uses []credential.Use) error
}

const (
	// patience is how long a request waits for its project to be measured.
	patience = 2 * time.Second
	// rest is how many times as long as the last measuring took we wait before the next, so that
	// the broker does not answer with what we know already.
	rest = 21
	// settle is how long after a write a project is measured in the background.
	settle = 10 * time.Second
	// report is how often uses of keys are reported.
	report = 5 * time.Second
)

// Meter is safe for concurrent use.
type Meter struct {
	broker Broker
	now    func() time.Time
	log    *slog.Logger

	mu     sync.Mutex
	tallys map[string]*tally // by project id

	usesMu sync.RWMutex
	uses   map[string]credential.Use // by credential id, not reported yet
}

// New returns a meter.
func New(b Broker, now func() time.Time, log *slog.Logger) *Meter {
	return &Meter{broker: b, now: now, log: log, tallys: map[string]*tally{}, uses: map[string]credential.Use{}}
}

// tally is one project's account. All but turn is guarded by the meter's lock.
type tally struct {
	used   int64     // as last measured
	at     time.Time // when that was
	took   time.Duration
	added  int64            // written since
	flying int64            // promised to requests that have not ended
	parts  map[string]int64 // of unfinished uploads, by upload id
	inPart int64            // all of them
	dirty  bool
	turn   chan struct{} // held by who measures
}

// tally returns the account of the project, with the measurement that came by the feed if it is
// newer than our own.
func (m *Meter) tally(id string, p *project.Project) *tally {
	t := m.tallys[id]
	if t == nil {
		t = &tally{parts: map[string]int64{}, turn: make(chan struct{}, 1)}
		m.tallys[id] = t
	}
	if p != nil && p.UsedAt.After(t.at) {
		t.used, t.at, t.added = p.UsedBytes, p.UsedAt, 0
	}
	return t
}

// held is all that counts against the quota.
func (t *tally) held() int64 { return t.used + t.added + t.flying + t.inPart }

// A Hold is a promise of space to one request.
type Hold struct {
	meter   *Meter
	project string
	upload  string // of which it is a part; empty for an object
	size    int64
}

// Reserve promises size bytes of p's quota, or tells as a Limited fault why it cannot be. Upload is
// the id of the upload of which they are a part, empty for an object. The caller ends the hold.
func (m *Meter) Reserve(ctx context.Context, p *project.Project, size int64, upload string) (*Hold, error) {
	hold := &Hold{meter: m, project: p.ID, upload: upload, size: size}
	if m.take(p, size) {
		return hold, nil
	}
	// It may have deleted since.
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := m.measure(short, p.ID); err != nil && ctx.Err() == nil {
		m.log.WarnContext(ctx, "a project that seems full could not be measured", "project", p.Name, "err", err)
	}
	if m.take(p, size) {
		return hold, nil
	}
	m.mu.Lock()
	t := m.tally(p.ID, p)
	used := t.held()
	m.mu.Unlock()
	return nil, fault.New(fault.Limited, "project %s uses %s of its quota of %s, so %s more do not fit", p.Name, Bytes(used), Bytes(p.QuotaBytes), Bytes(size)).
		WithHint("delete what is no longer needed, or ask for a larger quota")
}

func (m *Meter) take(p *project.Project, size int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tally(p.ID, p)
	if p.QuotaBytes > 0 && size > 0 && t.held() > p.QuotaBytes-size {
		return false
	}
	t.flying += size
	return true
}

// End ends the hold; written tells whether the bytes were taken by the store.
func (h *Hold) End(written bool) {
	h.meter.mu.Lock()
	defer h.meter.mu.Unlock()
	t := h.meter.tally(h.project, nil)
	t.flying -= h.size
	t.dirty = true // what failed may have left something too
	switch {
	case !written:
	case h.upload != "":
		t.parts[h.upload] += h.size
		t.inPart += h.size
	default:
		t.added += h.size
	}
}

// Uploaded notes that an upload ended: with its parts as an object, or without anything.
func (m *Meter) Uploaded(projectID, upload string, completed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tally(projectID, nil)
	t.dirty = true
	if completed {
		t.added += t.parts[upload]
	}
	t.inPart -= t.parts[upload]
	delete(t.parts, upload)
}

// Touch notes that something was deleted from the project.
func (m *Meter) Touch(projectID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tally(projectID, nil).dirty = true
}

// measure has the project measured, unless that was done a moment ago. Whoever comes meanwhile
// waits and takes the same result.
func (m *Meter) measure(ctx context.Context, id string) error {
	m.mu.Lock()
	t := m.tally(id, nil)
	m.mu.Unlock()
	asked := m.now()
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	m.mu.Lock()
	fresh := t.took > 0 && m.now().Before(t.at.Add(rest*t.took)) || t.took > 0 && t.at.After(asked)
	before := t.added
	if !fresh {
		t.dirty = false
	}
	m.mu.Unlock()
	if fresh {
		return nil
	}
	begun := m.now()
	u, err := m.broker.MeasureProject(ctx, id)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		t.dirty = true
		return err
	}
	t.used, t.at = u.Bytes, m.now()
	t.took = max(t.at.Sub(begun), time.Millisecond)
	t.added = max(t.added-before, 0) // what was written meanwhile may not be in it
	return nil
}

// due returns the projects that were written to and have not been measured for a while.
func (m *Meter) due() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for id, t := range m.tallys {
		if t.dirty && !m.now().Before(t.at.Add(max(settle, rest*t.took))) {
			ids = append(ids, id)
		}
	}
	return ids
}
