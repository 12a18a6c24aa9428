// Package objectstore says what an object store behind the gateway must be: an S3 service that is
// reached with one credential. Words only; it imports material.
package objectstore

import (
	"context"

	"github.com/lanyardhq/lanyard/material"
)

// An Upstream is where and how an S3 service is reached.
type Upstream struct {
	// Network and Address are as for net.Dial: "tcp" and "host:port", or "unix" and a path.
	Network, Address string
	// TLS is true for https; Host is the Host header and the name on the certificate.
	TLS  bool
	Host string
	// Region is what the service wants in signatures.
	Region string
	Keys   material.S3Keys
}

// Usage is what a bucket holds.
type Usage struct {
	Bytes, Objects int64
}

// A Backend does at the object store what the broker decides about buckets. Names are the
// store's own. A store that does not answer is an Unavailable fault.
type Backend interface {
	// CreateBucket makes a bucket; one that we own already is no error.
	CreateBucket(ctx context.Context, name string) error
	// DeleteBucket removes an empty bucket; one that is gone is no error, one with objects or
	// unfinished uploads is a Conflict fault.
	DeleteBucket(ctx context.Context, name string) error
	// BucketExists reports whether the bucket is there.
	BucketExists(ctx context.Context, name string) (bool, error)
	// Usage measures a bucket by listing it.
	Usage(ctx context.Context, name string) (Usage, error)
}
