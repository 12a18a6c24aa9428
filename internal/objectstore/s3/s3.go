// Package s3 speaks to one S3 service as a client: connections that are kept, requests that are
// signed with one credential, bodies that the kernel passes on where it can. Client carries single
// requests for the gateway; Backend, on top of it, does what the broker decides about buckets.
//
// Client is not net/http's, because a gateway pays for every hand-over between goroutines and for
// every copy. Here the goroutine that asks also writes and reads, a small request leaves in one
// system call, and a large answer goes from socket to socket by splice(2).
//
// It imports rows 0 and 1.
package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/sigv4"
)

// Limits bound what a client takes of the upstream and of its callers' patience. A zero field
// means the default.
type Limits struct {
	Conns  int           // open connections; 512
	Wait   time.Duration // for one of them to become free; 10 s
	Dial   time.Duration // to connect, TLS included; 5 s
	Answer time.Duration // for the head of an answer, after the request was sent; 1 min
	Long   time.Duration // the same for what may take long: copies and completed uploads; 15 min
	Idle   time.Duration // without any progress in a body; 2 min
}

func (l Limits) orDefault() Limits {
	l.Conns = cmp.Or(l.Conns, 512)
	l.Wait = cmp.Or(l.Wait, 10*time.Second)
	l.Dial = cmp.Or(l.Dial, 5*time.Second)
	l.Answer = cmp.Or(l.Answer, time.Minute)
	l.Long = cmp.Or(l.Long, 15*time.Minute)
	l.Idle = cmp.Or(l.Idle, 2*time.Minute)
	return l
}

// A Field is one line of a header.
type Field struct{ Name, Value string }

// A Request is what the upstream is asked.
type Request struct {
	Method string
	// Bucket and Key are as people write them, not escaped; a request for a bucket has no Key, one
	// for the service neither.
	Bucket, Key string
	Query       url.Values
	// Header is sent besides what the client writes itself: Host, Content-Length, and the fields
	// that belong to the signature.
	Header []Field
	// Body has exactly ContentLength bytes; nil if that is 0. Do reads it to its end before the
	// last bytes leave, so a reader that checks a digest there can still stop the request. It is
	// not read after Do returns, and not closed.
	Body          io.Reader
	ContentLength int64
}

// A Client holds connections to one S3 service. It is safe for concurrent use.
type Client struct {
	pool         *pool
	host, region string
	signer       *sigv4.Signer
	token        material.Secret // of a session; usually empty
	limits       Limits
	now          func() time.Time
	small, large *sync.Pool // messages with small bodies or none, and with large ones
}

// New returns a client of u. It connects when it is first used. Signatures are dated by now, and
// deadlines counted from it, so it must be the real clock.
func New(u objectstore.Upstream, l Limits, now func() time.Time) *Client {
	l = l.orDefault()
	return &Client{
		pool:   newPool(u, l, now),
		host:   u.Host,
		region: u.Region,
		signer: sigv4.NewSigner(u.Keys.AccessKeyID, u.Keys.SecretAccessKey.Reveal(), u.Region),
		token:  u.Keys.SessionToken,
		limits: l, now: now,
		small: messages(headRoom + smallBody), large: messages(largeBuffer),
	}
}

// Close closes the connections that nobody uses, and the others once they are given back.
func (c *Client) Close() { c.pool.close() }

// Do sends a request and returns when the head of its answer is there; the caller closes the
// response. An upstream that cannot be reached, answers nonsense or nothing is an Unavailable
// fault with a cause. A failing req.Body and the end of ctx are returned as they are, wrapped.
func (c *Client) Do(ctx context.Context, req *Request) (*Response, error) {
	m, err := c.compose(req)
	if err != nil {
		return nil, err
	}
	defer m.release()
	resp, err := c.try(ctx, m, false)
	if errors.Is(err, errStale) {
		resp, err = c.try(ctx, m, true)
	}
	switch _, ours := errors.AsType[*bodyError](err); {
	case err == nil:
		return resp, nil
	case ours:
		return nil, err
	case ctx.Err() != nil:
		return nil, fmt.Errorf("ask the object store: %w", context.Cause(ctx))
	}
	return nil, notNow(err)
}

// notNow is the fault for an upstream that cannot answer because of err.
func notNow(err error) *fault.Fault {
	f := fault.New(fault.Unavailable, "the object store does not answer").WithHint("try again in a moment").WithCause(err)
	f.RetryAfter = time.Second
	return f
}
