package keytable

import (
	"context"
	"errors"
	"time"

	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/feed"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/internal/project"
)

const (
	// beat is how often the feed is asked without a call: it bounds how late the changes of other
	// servers come, and is the heartbeat that Age measures.
	beat = 250 * time.Millisecond
	// batch bounds the entries that are read at once.
	batch = 1000
)

// Run feeds the table until ctx ends. A source that fails is asked again at the next beat.
func (t *Table) Run(ctx context.Context) error {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	lost := false
	for {
		changed := t.source.Changed() // before reading: what comes after it closes this one
		more, err := t.step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !lost:
			t.log.ErrorContext(ctx, "contact to the change feed lost", "err", err)
			lost, changed = true, nil
		case err != nil:
			changed = nil // a source that fails is not asked in a tight loop
		case lost:
			t.log.InfoContext(ctx, "contact to the change feed is back")
			lost = false
		}
		if more {
			continue
		}
		select {
		case <-changed:
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// step reads the snapshot if there was none yet, or if it was too long ago, else the next changes,
// and reports whether there may be more.
func (t *Table) step(ctx context.Context) (more bool, err error) {
	// An answer that hangs must not pass for contact.
	ctx, cancel := context.WithTimeout(ctx, 20*beat)
	defer cancel()
	asked := t.now()
	t.mu.RLock()
	first, after := t.fed.IsZero(), t.applied
	t.mu.RUnlock()
	if first {
		return t.begin(ctx, asked)
	}
	entries, err := t.source.Changes(ctx, after, batch)
	if errors.Is(err, feed.ErrTooOld) {
		return t.begin(ctx, asked)
	}
	if err != nil {
		return false, err
	}
	more = len(entries) == batch
	t.apply(entries, asked, more)
	return more, nil
}

// begin reads everything that holds.
func (t *Table) begin(ctx context.Context, asked time.Time) (more bool, err error) {
	snapshot, err := t.source.Snapshot(ctx)
	if err != nil {
		return false, err
	}
	t.load(snapshot, asked)
	return true, nil
}

func (t *Table) reset() {
	t.keys, t.ids = map[string]*Key{}, map[string]string{}
	t.projects, t.names = map[string]*project.Project{}, map[string]string{}
	t.buckets, t.places = map[string]map[string]*bucket.Bucket{}, map[string]*bucket.Bucket{}
}

func (t *Table) load(s feed.Snapshot, asked time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reset()
	for _, p := range s.Projects {
		t.setProject(p.ID, &p)
	}
	for _, b := range s.Buckets {
		t.setBucket(b.ID, &b)
	}
	for _, h := range s.Credentials {
		t.setCredential(h.ID, &h)
	}
	t.advance(s.Seq)
	t.fed = asked
}

func (t *Table) apply(entries []feed.Entry, asked time.Time, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range entries {
		switch e.Topic {
		case feed.Project:
			t.setProject(e.ID, e.Project)
		case feed.Bucket:
			t.setBucket(e.ID, e.Bucket)
		case feed.Credential:
			t.setCredential(e.ID, e.Credential)
		}
		t.advance(e.Seq)
	}
	if !more {
		t.fed = asked
	}
}

func (t *Table) advance(seq int64) {
	if seq > t.applied {
		t.applied = seq
		close(t.moved)
		t.moved = make(chan struct{})
	}
}

// The setters forget what stood under the id before, because names may have changed, and keep the
// new thing unless it is nil.

func (t *Table) setProject(id string, p *project.Project) {
	if old := t.projects[id]; old != nil {
		delete(t.projects, id)
		if t.names[old.Name] == id {
			delete(t.names, old.Name)
		}
	}
	if p != nil {
		t.projects[id] = p
		t.names[p.Name] = id
	}
}

func (t *Table) setBucket(id string, b *bucket.Bucket) {
	if old := t.places[id]; old != nil {
		delete(t.places, id)
		if of := t.buckets[old.ProjectID]; of[old.Name] == old {
			delete(of, old.Name)
		}
	}
	if b == nil {
		return
	}
	t.places[id] = b
	if t.buckets[b.ProjectID] == nil {
		t.buckets[b.ProjectID] = map[string]*bucket.Bucket{}
	}
	t.buckets[b.ProjectID][b.Name] = b
}

// setCredential keeps what is refused too, so that a gateway can tell why, but without its secret.
func (t *Table) setCredential(id string, h *feed.Held) {
	delete(t.keys, t.ids[id])
	delete(t.ids, id)
	if h == nil || h.Kind != s3key.Name || h.PublicID == "" {
		return
	}
	k := &Key{Credential: h.Credential}
	if k.Status == credential.Active {
		var err error
		if k.Secret, k.Rights, err = s3key.Open(h.Credential, h.State); err != nil {
			t.log.Error("an S3 key cannot be read and is refused", "credential", h.ID, "err", err)
		}
	}
	t.ids[id] = h.PublicID
	t.keys[h.PublicID] = k
}
