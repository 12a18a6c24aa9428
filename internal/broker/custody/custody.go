// Package custody keeps buckets at the object store and the rows that describe them in step. What
// is to be done is written down first, then done, then written down as done; what a crash leaves
// between, Settle finds. It knows no permissions. It imports rows 0 and 1.
package custody

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/project"
)

// Store is what custody needs of a database: part of the broker's, see there.
type Store interface {
	InsertBucket(context.Context, bucket.Bucket, audit.Change) (seq int64, err error)
	// SaveBucket writes it, or removes it if gone.
	SaveBucket(ctx context.Context, b bucket.Bucket, gone bool, change audit.Change) (seq int64, err error)
	Bucket(ctx context.Context, projectID, name string) (bucket.Bucket, error)
	// ListBuckets returns those of a project, or of all if it is empty, by name.
	ListBuckets(ctx context.Context, projectID string) ([]bucket.Bucket, error)
	// SetUsage replaces a project's measured use.
	SetUsage(ctx context.Context, projectID string, u objectstore.Usage, at time.Time) error
}

// Custody makes, deletes and measures buckets. All fields are required.
type Custody struct {
	Store   Store
	Backend objectstore.Backend
	Now     func() time.Time
	Work    *Work
}

// Work is what goes on in this server. The zero value is ready.
type Work struct {
	mu       sync.Mutex
	busy     map[string]bool         // project/bucket
	intents  sync.Mutex              // one intent at a time, so that quotas count right
	measures map[string]*measure     // by project
	before   map[string]bucket.State // by bucket: what Settle found unsettled the last time
}

// What callers have to tell apart among Conflict faults, by errors.Is.
var (
	ErrExists   = errors.New("bucket exists")
	ErrNotEmpty = errors.New("bucket is not empty")
	ErrBusy     = errors.New("bucket is being made or deleted")
)

// patience bounds how long the object store may take to answer.
const patience = 10 * time.Second

// Create makes a bucket in p, whatever p's state.
func (c Custody) Create(ctx context.Context, by identity.Actor, p project.Project, name string, public bool) (b bucket.Bucket, seq int64, err error) {
	leave, err := c.Work.enter(p.ID, name)
	if err != nil {
		return b, 0, err
	}
	defer leave()
	if b, err = c.intend(ctx, by, p, name, public); err != nil {
		return b, 0, err
	}
	// Whoever asked may go away now; what was begun is brought to an end.
	ctx = context.WithoutCancel(ctx)
	err = ask(ctx, func(ctx context.Context) error { return c.Backend.CreateBucket(ctx, b.Upstream) })
	if f, ok := errors.AsType[*fault.Fault](err); ok && f.Code != fault.Unavailable {
		// A clear no: nothing was made. (What an unclear answer meant, Settle finds out.)
		_, gone := c.save(ctx, by, b, true, "refuse")
		return b, 0, errors.Join(f, gone)
	}
	if err != nil {
		return b, 0, err
	}
	b.State = bucket.Active
	seq, err = c.save(ctx, by, b, false, "create")
	return b, seq, err
}

// intend writes down that a bucket is to be made, or finds that somebody of the project already
// wanted it and did not get an answer.
func (c Custody) intend(ctx context.Context, by identity.Actor, p project.Project, name string, public bool) (bucket.Bucket, error) {
	c.Work.intents.Lock()
	defer c.Work.intents.Unlock()
	have, err := c.Store.ListBuckets(ctx, p.ID)
	if err != nil {
		return bucket.Bucket{}, err
	}
	for _, b := range have {
		switch {
		case b.Name != name:
		case b.State == bucket.Active:
			return b, fault.New(fault.Conflict, "project %s has a bucket %s already", p.Name, name).WithHint("use it, or choose another name").WithCause(ErrExists)
		case b.State == bucket.Intended:
			b.PublicRead = public
			return b, nil
		default:
			return b, busy(name)
		}
	}
	if p.QuotaBuckets > 0 && int64(len(have)) >= p.QuotaBuckets {
		return bucket.Bucket{}, fault.New(fault.Limited, "project %s has %d buckets, and no more are allowed", p.Name, len(have)).WithHint("delete one that is no longer needed, or ask for a larger quota")
	}
	b := bucket.Bucket{ID: "bkt_" + rand.Text(), ProjectID: p.ID, Name: name, Upstream: bucket.UpstreamName(p.Name, name),
		PublicRead: public, State: bucket.Intended, CreatedBy: by.AccountID, CreatedAt: c.now()}
	_, err = c.Store.InsertBucket(ctx, b, c.change(by, b, "intend"))
	if errors.Is(err, fault.ErrStale) {
		err = busy(name)
	}
	return b, err
}

// Delete removes an empty bucket.
func (c Custody) Delete(ctx context.Context, by identity.Actor, p project.Project, name string) (seq int64, err error) {
	leave, err := c.Work.enter(p.ID, name)
	if err != nil {
		return 0, err
	}
	defer leave()
	b, err := c.find(ctx, p, name)
	if err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx)
	if b.State == bucket.Active {
		b.State = bucket.Ending
		if _, err := c.save(ctx, by, b, false, "end"); err != nil {
			return 0, err
		}
	}
	return c.finish(ctx, by, b)
}

// finish removes a bucket that is ending, or makes it active again if it is not empty.
func (c Custody) finish(ctx context.Context, by identity.Actor, b bucket.Bucket) (seq int64, err error) {
	err = ask(ctx, func(ctx context.Context) error { return c.Backend.DeleteBucket(ctx, b.Upstream) })
	if fault.CodeOf(err) == fault.Conflict {
		b.State = bucket.Active
		_, saved := c.save(ctx, by, b, false, "keep")
		full := fault.New(fault.Conflict, "bucket %s is not empty", b.Name).WithHint("delete its objects, all their versions and unfinished uploads first").WithCause(ErrNotEmpty)
		return 0, errors.Join(full, saved)
	}
	if err != nil {
		return 0, err // unclear: Settle tries again
	}
	return c.save(ctx, by, b, true, "delete")
}

// Publish lets everybody list a bucket, or its project only. Its objects carry their own ACL.
// Seq is 0 if that is so already.
func (c Custody) Publish(ctx context.Context, by identity.Actor, p project.Project, name string, public bool) (seq int64, err error) {
	leave, err := c.Work.enter(p.ID, name)
	if err != nil {
		return 0, err
	}
	defer leave()
	b, err := c.find(ctx, p, name)
	switch {
	case err != nil:
		return 0, err
	case b.State != bucket.Active:
		return 0, busy(name)
	case b.PublicRead == public:
		return 0, nil
	}
	verb := "publish"
	if !public {
		verb = "unpublish"
	}
	b.PublicRead = public
	return c.save(ctx, by, b, false, verb)
}

// find finds a bucket that is there or on its way out.
func (c Custody) find(ctx context.Context, p project.Project, name string) (bucket.Bucket, error) {
	b, err := c.Store.Bucket(ctx, p.ID, name)
	if fault.CodeOf(err) == fault.NotFound || err == nil && b.State == bucket.Intended {
		return b, fault.New(fault.NotFound, "project %s has no bucket %.80q", p.Name, name)
	}
	return b, err
}

// ask asks the object store, with a deadline: one that hangs is Unavailable.
func ask(ctx context.Context, question func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := question(ctx)
	if err != nil && ctx.Err() != nil {
		return fault.New(fault.Unavailable, "the object store did not answer within %s", patience).WithHint("try again in a minute").WithCause(err)
	}
	return err
}

func (c Custody) now() time.Time { return c.Now().UTC().Truncate(time.Second) }

func (c Custody) save(ctx context.Context, by identity.Actor, b bucket.Bucket, gone bool, verb string) (int64, error) {
	return c.Store.SaveBucket(ctx, b, gone, c.change(by, b, verb))
}

func (c Custody) change(by identity.Actor, b bucket.Bucket, verb string) audit.Change {
	r := audit.By(by, c.now(), "bucket."+verb, b.ID, b.ProjectID).With("name", b.Name).With("state", string(b.State))
	if b.PublicRead {
		r = r.With("public", "true")
	}
	return audit.Change{Record: r}
}

func busy(name string) error {
	return fault.New(fault.Conflict, "bucket %s is being made or deleted", name).WithHint("try again in a minute").WithCause(ErrBusy)
}

// enter takes a bucket's name until leave is called, so that one thing is done with it at a time
// in this server; a Conflict fault if somebody has it.
func (w *Work) enter(projectID, name string) (leave func(), err error) {
	key := projectID + "/" + name
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[key] {
		return nil, busy(name)
	}
	if w.busy == nil {
		w.busy = map[string]bool{}
	}
	w.busy[key] = true
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.busy, key)
	}, nil
}
