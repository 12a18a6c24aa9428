package broker

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

// A bucket exists at the object store and in our table. What is to be done is written down first,
// then done, then written down as done; what a crash leaves between, the sweeper settles. In the
// use cases below by is the owner of a key, or its robot, with a role in the project.

// What the gateway has to tell apart among Conflict faults about buckets, by errors.Is.
var (
	// ErrBucketExists is the cause when the project has a bucket of that name already.
	ErrBucketExists = errors.New("bucket exists")
	// ErrBucketNotEmpty is the cause when a bucket holds objects or unfinished uploads.
	ErrBucketNotEmpty = errors.New("bucket is not empty")
	// ErrBucketBusy is the cause while a bucket of that name is being made or deleted.
	ErrBucketBusy = errors.New("bucket is being made or deleted")
)

// untilGivenUp bounds how long the object store may take to make or delete a bucket.
const untilGivenUp = 10 * time.Second

// CreateBucket makes a bucket and returns once gateways know it.
func (b *Broker) CreateBucket(ctx context.Context, by identity.Actor, projectID, name string, public bool) (bucket.Bucket, error) {
	p, err := b.project(ctx, by, projectID, identity.User, identity.WriteKeys)
	if err != nil {
		return bucket.Bucket{}, err
	}
	if err := b.inForce(p); err != nil {
		return bucket.Bucket{}, err
	}
	if err := bucket.CheckName(name); err != nil {
		return bucket.Bucket{}, err
	}
	leave, free := b.buckets.enter(p.ID + "/" + name)
	if !free {
		return bucket.Bucket{}, busyBucket(name)
	}
	defer leave()
	bk, err := b.intend(ctx, by, p, name, public)
	if err != nil {
		return bucket.Bucket{}, err
	}
	// Whoever asked may go away now; what was begun is brought to an end.
	ctx = context.WithoutCancel(ctx)
	err = b.atBackend(ctx, func(ctx context.Context) error { return b.Backend.CreateBucket(ctx, bk.Upstream) })
	if f, ok := errors.AsType[*fault.Fault](err); ok && f.Code != fault.Unavailable {
		// A clear no: nothing was made. (Of an unclear answer the sweeper finds out.)
		_, gone := b.saveBucket(ctx, by, bk, true, "refuse")
		return bucket.Bucket{}, errors.Join(f, gone)
	}
	if err != nil {
		return bucket.Bucket{}, err
	}
	bk.State = bucket.Active
	seq, err := b.saveBucket(ctx, by, bk, false, "create")
	if err != nil {
		return bucket.Bucket{}, err
	}
	b.confirmed(ctx, seq, untilWorks)
	return bk, nil
}

// intend writes down that a bucket is to be made, or finds that somebody of the project already
// wanted it and did not get an answer.
func (b *Broker) intend(ctx context.Context, by identity.Actor, p project.Project, name string, public bool) (bucket.Bucket, error) {
	defer b.turns.take(p.ID)()
	have, err := b.Store.ListBuckets(ctx, p.ID)
	if err != nil {
		return bucket.Bucket{}, err
	}
	for _, bk := range have {
		switch {
		case bk.Name != name:
		case bk.State == bucket.Active:
			return bk, fault.New(fault.Conflict, "project %s has a bucket %s already", p.Name, name).WithHint("use it, or choose another name").WithCause(ErrBucketExists)
		case bk.State == bucket.Intended:
			bk.PublicRead = public
			return bk, nil
		default:
			return bk, busyBucket(name)
		}
	}
	if p.QuotaBuckets > 0 && int64(len(have)) >= p.QuotaBuckets {
		return bucket.Bucket{}, fault.New(fault.Limited, "project %s has %d buckets, and no more are allowed", p.Name, len(have)).WithHint("delete one that is no longer needed, or ask for a larger quota")
	}
	bk := bucket.Bucket{ID: "bkt_" + rand.Text(), ProjectID: p.ID, Name: name, Upstream: bucket.UpstreamName(p.Name, name),
		PublicRead: public, State: bucket.Intended, CreatedBy: by.AccountID, CreatedAt: b.now()}
	_, err = b.Store.InsertBucket(ctx, bk, b.bucketChange(by, bk, "intend"))
	if errors.Is(err, fault.ErrStale) {
		err = busyBucket(name)
	}
	return bk, err
}

// DeleteBucket removes an empty bucket.
func (b *Broker) DeleteBucket(ctx context.Context, by identity.Actor, projectID, name string) error {
	p, err := b.project(ctx, by, projectID, identity.User, identity.WriteKeys)
	if err != nil {
		return err
	}
	leave, free := b.buckets.enter(p.ID + "/" + name)
	if !free {
		return busyBucket(name)
	}
	defer leave()
	bk, err := b.bucket(ctx, p, name)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if bk.State == bucket.Active {
		bk.State = bucket.Ending
		if _, err := b.saveBucket(ctx, by, bk, false, "end"); err != nil {
			return err
		}
	}
	return b.finishDelete(ctx, by, bk)
}

// finishDelete removes a bucket that is ending, or makes it active again if it is not empty.
func (b *Broker) finishDelete(ctx context.Context, by identity.Actor, bk bucket.Bucket) error {
	err := b.atBackend(ctx, func(ctx context.Context) error { return b.Backend.DeleteBucket(ctx, bk.Upstream) })
	if fault.CodeOf(err) == fault.Conflict {
		bk.State = bucket.Active
		_, saved := b.saveBucket(ctx, by, bk, false, "keep")
		return errors.Join(fault.New(fault.Conflict, "bucket %s is not empty", bk.Name).WithHint("delete its objects, all their versions and unfinished uploads first").WithCause(ErrBucketNotEmpty), saved)
	}
	if err != nil {
		return err // unclear: the sweeper tries again
	}
	seq, err := b.saveBucket(ctx, by, bk, true, "delete")
	if err != nil {
		return err
	}
	b.confirmed(ctx, seq, untilWorks)
	return nil
}

// PublishBucket lets everybody list a bucket, or its project only. Its objects carry their own ACL.
func (b *Broker) PublishBucket(ctx context.Context, by identity.Actor, projectID, name string, public bool) error {
	p, err := b.project(ctx, by, projectID, identity.User, identity.WriteKeys)
	if err != nil {
		return err
	}
	leave, free := b.buckets.enter(p.ID + "/" + name)
	if !free {
		return busyBucket(name)
	}
	defer leave()
	bk, err := b.bucket(ctx, p, name)
	if err != nil {
		return err
	}
	if bk.State != bucket.Active {
		return busyBucket(name)
	}
	if bk.PublicRead == public {
		return nil
	}
	verb := "publish"
	if !public {
		verb = "unpublish"
	}
	bk.PublicRead = public
	seq, err := b.saveBucket(ctx, by, bk, false, verb)
	if err != nil {
		return err
	}
	b.confirmed(ctx, seq, untilWorks)
	return nil
}

// bucket finds a bucket that is there or on its way out.
func (b *Broker) bucket(ctx context.Context, p project.Project, name string) (bucket.Bucket, error) {
	if err := b.inForce(p); err != nil {
		return bucket.Bucket{}, err
	}
	bk, err := b.Store.Bucket(ctx, p.ID, name)
	if fault.CodeOf(err) == fault.NotFound || err == nil && bk.State == bucket.Intended {
		return bucket.Bucket{}, fault.New(fault.NotFound, "project %s has no bucket %.80q", p.Name, name)
	}
	return bk, err
}

// settleBucket brings a bucket to an end whose making or deleting was cut off.
func (b *Broker) settleBucket(ctx context.Context, bk bucket.Bucket) error {
	leave, free := b.buckets.enter(bk.ProjectID + "/" + bk.Name)
	if !free {
		return nil // somebody is at it
	}
	defer leave()
	now, err := b.Store.Bucket(ctx, bk.ProjectID, bk.Name)
	if fault.CodeOf(err) == fault.NotFound || err == nil && (now.ID != bk.ID || now.State == bucket.Active) {
		return nil // it is settled
	}
	if err != nil {
		return err
	}
	by := identity.System()
	if now.State == bucket.Ending {
		err := b.finishDelete(ctx, by, now)
		if errors.Is(err, ErrBucketNotEmpty) {
			return nil
		}
		return err
	}
	var exists bool
	err = b.atBackend(ctx, func(ctx context.Context) error {
		exists, err = b.Backend.BucketExists(ctx, now.Upstream)
		return err
	})
	if err != nil {
		return err
	}
	verb := "forget"
	if exists {
		now.State, verb = bucket.Active, "create"
	}
	_, err = b.saveBucket(ctx, by, now, !exists, verb)
	return err
}

// atBackend asks the object store, with a deadline: one that hangs is Unavailable.
func (b *Broker) atBackend(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, untilGivenUp)
	defer cancel()
	err := ask(ctx)
	if err != nil && ctx.Err() != nil {
		return fault.New(fault.Unavailable, "the object store did not answer within %s", untilGivenUp).WithHint("try again in a minute").WithCause(err)
	}
	return err
}

func (b *Broker) saveBucket(ctx context.Context, by identity.Actor, bk bucket.Bucket, gone bool, verb string) (int64, error) {
	return b.Store.SaveBucket(ctx, bk, gone, b.bucketChange(by, bk, verb))
}

func (b *Broker) bucketChange(by identity.Actor, bk bucket.Bucket, verb string) audit.Change {
	r := audit.By(by, b.now(), "bucket."+verb, bk.ID, bk.ProjectID).With("name", bk.Name).With("state", string(bk.State))
	if bk.PublicRead {
		r = r.With("public", "true")
	}
	return audit.Change{Record: r}
}

func busyBucket(name string) error {
	return fault.New(fault.Conflict, "bucket %s is being made or deleted", name).WithHint("try again in a minute").WithCause(ErrBucketBusy)
}

// measures keeps, by project, what the last measuring found.
type measures struct {
	mu sync.Mutex
	of map[string]*measure
}

// measure is one project's. Whoever has put something into turn may use the rest.
type measure struct {
	turn  chan struct{}
	ended time.Time
	took  time.Duration
	usage objectstore.Usage
	err   error
}

func (ms *measures) project(id string) *measure {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if ms.of == nil {
		ms.of = map[string]*measure{}
	}
	if ms.of[id] == nil {
		ms.of[id] = &measure{turn: make(chan struct{}, 1)}
	}
	return ms.of[id]
}

// MeasureProject lists a project's buckets at the object store, notes what they hold, and returns
// it. It measures one project once at a time, and rests 20 times as long as the last measuring
// took; meanwhile the answer is that of the last. So measuring takes at most a twentieth of the
// object store's time, however large the project.
func (b *Broker) MeasureProject(ctx context.Context, projectID string) (objectstore.Usage, error) {
	m := b.measures.project(projectID)
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return objectstore.Usage{}, ctx.Err()
	}
	begun := b.Now()
	if !m.ended.IsZero() && !begun.After(m.ended.Add(20*m.took)) {
		return m.usage, m.err
	}
	usage, err := b.measure(ctx, projectID)
	if ctx.Err() != nil {
		return usage, ctx.Err() // says nothing about the project
	}
	m.ended, m.usage, m.err = b.Now(), usage, err
	m.took = m.ended.Sub(begun)
	return usage, err
}

func (b *Broker) measure(ctx context.Context, projectID string) (objectstore.Usage, error) {
	var sum objectstore.Usage
	all, err := b.Store.ListBuckets(ctx, projectID)
	if err != nil {
		return sum, err
	}
	for _, bk := range all {
		u, err := b.Backend.Usage(ctx, bk.Upstream)
		if fault.CodeOf(err) == fault.NotFound {
			continue // an intent, or being deleted
		}
		if err != nil {
			return sum, err
		}
		sum.Bytes += u.Bytes
		sum.Objects += u.Objects
	}
	return sum, b.Store.SetUsage(ctx, projectID, sum, b.now())
}
