// Package keytable keeps in memory what a gateway decides by: S3 keys, projects and buckets, fed
// by the ordered change feed. Readers take no part in the feeding and never wait for it; what they
// get is immutable. It imports rows 0 to 2.
package keytable

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/feed"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/material"
)

// Source is where the feed comes from.
type Source interface {
	// Snapshot returns everything that holds.
	Snapshot(ctx context.Context) (feed.Snapshot, error)
	// Changes returns at most limit entries after the sequence number, in order.
	Changes(ctx context.Context, after int64, limit int) ([]feed.Entry, error)
	// Changed returns a channel that is closed when there may be more; others' changes may come
	// without it.
	Changed() <-chan struct{}
}

// Key is an S3 key as the feed last showed it.
type Key struct {
	credential.Credential
	// Secret is empty unless the key is active: what is refused needs none.
	Secret material.Secret
	Rights s3key.Rights
}

// Table is fed by Run and may be read by everybody meanwhile.
type Table struct {
	source Source
	now    func() time.Time
	log    *slog.Logger

	mu       sync.RWMutex
	keys     map[string]*Key             // by access key id
	ids      map[string]string           // credential id → access key id
	projects map[string]*project.Project // by id
	names    map[string]string           // project name → id
	buckets  map[string]map[string]*bucket.Bucket
	places   map[string]*bucket.Bucket // by bucket id
	applied  int64
	moved    chan struct{} // closed when applied has grown
	fed      time.Time     // the feed was known to be complete at that moment; zero: never
}

// New returns an empty table, which knows nothing until Run has read the first snapshot.
func New(source Source, now func() time.Time, log *slog.Logger) *Table {
	t := &Table{source: source, now: now, log: log, moved: make(chan struct{})}
	t.reset()
	return t
}

// Key returns the key with the access key id and its project; nil if the feed does not show it.
func (t *Table) Key(accessKeyID string) (*Key, *project.Project) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	k := t.keys[accessKeyID]
	if k == nil {
		return nil, nil
	}
	return k, t.projects[k.ProjectID]
}

// Project returns the project with the id, or nil.
func (t *Table) Project(id string) *project.Project {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.projects[id]
}

// ProjectNamed returns the project with the name, or nil.
func (t *Table) ProjectNamed(name string) *project.Project {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.projects[t.names[name]]
}

// Bucket returns the project's bucket of that name if it can be used, or nil.
func (t *Table) Bucket(projectID, name string) *bucket.Bucket {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if b := t.buckets[projectID][name]; b != nil && b.State == bucket.Active {
		return b
	}
	return nil
}

// Buckets returns the project's buckets that can be used, by name.
func (t *Table) Buckets(projectID string) []*bucket.Bucket {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var list []*bucket.Bucket
	for _, b := range t.buckets[projectID] {
		if b.State == bucket.Active {
			list = append(list, b)
		}
	}
	slices.SortFunc(list, func(a, b *bucket.Bucket) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Age tells how long the table may have missed changes; it is very long before the first
// snapshot.
func (t *Table) Age() time.Duration {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.now().Sub(t.fed)
}

// Await returns once the change seq is applied, or with an Unavailable fault when ctx ends first.
// It makes a Table a broker.Gateways.
func (t *Table) Await(ctx context.Context, seq int64) error {
	for {
		t.mu.RLock()
		applied, moved := t.applied, t.moved
		t.mu.RUnlock()
		if applied >= seq {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "the change is written, but the gateway has not confirmed it yet").WithCause(ctx.Err())
		}
	}
}
