// Package gateway is the S3 edge: it verifies who signed a request with keys held in memory,
// decides tenancy, rights and quota, and passes the request on, signed anew, to the object store
// behind. Buckets are the broker's to make; objects are the store's to keep; nothing is kept here.
//
// It imports rows 0 to 3.
package gateway

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/gateway/keytable"
	"github.com/lanyardhq/lanyard/internal/gateway/meter"
	"github.com/lanyardhq/lanyard/internal/gateway/progress"
	"github.com/lanyardhq/lanyard/internal/gateway/s3api"
	"github.com/lanyardhq/lanyard/internal/gateway/signer"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
)

// Broker is what a gateway asks of the use cases.
type Broker interface {
	CreateBucket(ctx context.Context, by identity.Actor, projectID, name string, public bool) (bucket.Bucket, error)
	DeleteBucket(ctx context.Context, by identity.Actor, projectID, name string) error
	PublishBucket(ctx context.Context, by identity.Actor, projectID, name string, public bool) error
	meter.Broker
}

// Upstream is the object store behind; *s3.Client is one.
type Upstream interface {
	Do(ctx context.Context, r *s3.Request) (*s3.Response, error)
}

// Config is what a gateway is made of. All fields are required, but SigV2 may be false.
type Config struct {
	Table    *keytable.Table
	Broker   Broker
	Upstream Upstream
	// Hosts are the names under which clients reach us, without port: "127.0.0.1",
	// "s3.example.org". Bucket and project hosts stand below them.
	Hosts []string
	// Region is what GetBucketLocation answers. Clients may sign for any other.
	Region string
	// SigV2 admits signatures of version 2.
	SigV2 bool
	Now   func() time.Time
	Log   *slog.Logger
}

// How old the table may be: without contact to the feed nobody knows which keys have been revoked.
const (
	maxAgeWrite = 5 * time.Second
	maxAgeRead  = 60 * time.Second
)

// A Gateway is an http.Handler for S3 clients. It does not use http.ServeMux, which redirects
// paths that are legal keys.
type Gateway struct {
	Config
	hosts   s3api.Hosts
	signer  *signer.Signer
	meter   *meter.Meter
	metrics *metrics
	// Request ids are a random name of this process and a number.
	process string
	serial  atomic.Uint64
}

// New returns a gateway that serves once Run feeds its table.
func New(c Config) (*Gateway, error) {
	hosts, err := s3api.NewHosts(c.Hosts)
	if err != nil {
		return nil, err
	}
	return &Gateway{Config: c, hosts: hosts, signer: signer.New(c.Table, c.SigV2), meter: meter.New(c.Broker, c.Now, c.Log),
		metrics: newMetrics(), process: rand.Text()[:10]}, nil
}

// Run feeds the key table, measures projects that were written to and reports uses of keys, until
// ctx ends. What is known then is reported still.
func (g *Gateway) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.Table.Run(ctx) })
	group.Go(func() error { return g.meter.Run(ctx) })
	return group.Wait()
}

// Collectors are the gateway's metrics.
func (g *Gateway) Collectors() []prometheus.Collector { return g.metrics.collectors() }

// ServeHTTP answers one S3 request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Gateway: g, w: w, r: r, now: g.Now(), id: g.process + strconv.FormatUint(g.serial.Add(1), 36)}
	w.Header()["X-Amz-Request-Id"] = []string{c.id}
	if r.ContentLength != 0 {
		c.r, c.body = progress.Watch(w, r, g.Now)
	}
	err := c.serve()
	if err != nil {
		c.refuse(err)
	}
	c.record(err)
}

func (g *Gateway) isProject(name string) bool { return g.Table.ProjectNamed(name) != nil }
