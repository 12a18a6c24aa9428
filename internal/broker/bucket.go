package broker

import (
	"context"

	"github.com/lanyardhq/lanyard/internal/broker/custody"
	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/project"
)

// In the use cases below by is the owner of a key, a person or a robot, with the role in the
// project; what the key allows the gateway has judged.

// What the gateway has to tell apart among Conflict faults about buckets, by errors.Is.
var (
	// ErrBucketExists is the cause when the project has a bucket of that name already.
	ErrBucketExists = custody.ErrExists
	// ErrBucketNotEmpty is the cause when a bucket holds objects or unfinished uploads.
	ErrBucketNotEmpty = custody.ErrNotEmpty
	// ErrBucketBusy is the cause while a bucket of that name is being made or deleted.
	ErrBucketBusy = custody.ErrBusy
)

func (b *Broker) custody() custody.Custody {
	return custody.Custody{Store: b.Store, Backend: b.Backend, Now: b.Now, Work: &b.work}
}

// workIn finds a project in which by may work: as a member, while it is in force.
func (b *Broker) workIn(ctx context.Context, by identity.Actor, ref string) (project.Project, error) {
	p, err := b.gate().Project(ctx, by, ref, identity.User, identity.WriteKeys)
	if err != nil {
		return p, err
	}
	return p, p.RefuseWork(b.now())
}

// CreateBucket makes a bucket and returns once gateways know it.
func (b *Broker) CreateBucket(ctx context.Context, by identity.Actor, projectID, name string, public bool) (bucket.Bucket, error) {
	p, err := b.workIn(ctx, by, projectID)
	if err != nil {
		return bucket.Bucket{}, err
	}
	if err := bucket.CheckName(name); err != nil {
		return bucket.Bucket{}, err
	}
	made, seq, err := b.custody().Create(ctx, by, p, name, public)
	if err != nil {
		return bucket.Bucket{}, err
	}
	b.confirmed(ctx, seq, untilWorks)
	return made, nil
}

// DeleteBucket removes an empty bucket and returns once gateways know it.
func (b *Broker) DeleteBucket(ctx context.Context, by identity.Actor, projectID, name string) error {
	p, err := b.workIn(ctx, by, projectID)
	if err != nil {
		return err
	}
	seq, err := b.custody().Delete(ctx, by, p, name)
	b.confirmed(ctx, seq, untilWorks)
	return err
}

// PublishBucket lets everybody list a bucket, or its project only. Its objects carry their own ACL.
func (b *Broker) PublishBucket(ctx context.Context, by identity.Actor, projectID, name string, public bool) error {
	p, err := b.workIn(ctx, by, projectID)
	if err != nil {
		return err
	}
	seq, err := b.custody().Publish(ctx, by, p, name, public)
	b.confirmed(ctx, seq, untilWorks)
	return err
}

// MeasureProject lists a project's buckets at the object store, notes what they hold, and returns
// it. It measures one project once at a time, and rests 20 times as long as the last measuring
// took; meanwhile the answer is that of the last.
func (b *Broker) MeasureProject(ctx context.Context, projectID string) (objectstore.Usage, error) {
	return b.custody().Measure(ctx, projectID)
}
