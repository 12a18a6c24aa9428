package s3

import (
	"context"
	"errors"

	"github.com/lanyardhq/lanyard/internal/objectstore"
)

// Backend is an objectstore.Backend for any S3 service.
type Backend struct{ Client *Client }

// CreateBucket makes a bucket; one that we own already is no error.
func (b *Backend) CreateBucket(ctx context.Context, name string) error { return errNotWritten }

// DeleteBucket removes an empty bucket; one that is gone is no error.
func (b *Backend) DeleteBucket(ctx context.Context, name string) error { return errNotWritten }

// BucketExists reports whether the bucket is there.
func (b *Backend) BucketExists(ctx context.Context, name string) (bool, error) {
	return false, errNotWritten
}

// Usage measures a bucket by listing it.
func (b *Backend) Usage(ctx context.Context, name string) (objectstore.Usage, error) {
	return objectstore.Usage{}, errNotWritten
}

var errNotWritten = errors.New("not written yet")
