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
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/objectstore"
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
	pool   *pool
	signer *signer
	limits Limits
	now    func() time.Time
	// Buffers, as *[]byte, for the head of a request with a small body and for large bodies.
	small, large sync.Pool
}

// New returns a client of u. It connects when it is first used.
func New(u objectstore.Upstream, l Limits, now func() time.Time) *Client {
	l = l.orDefault()
	c := &Client{pool: newPool(u, l, now), signer: newSigner(u), limits: l, now: now}
	c.small.New = func() any { b := make([]byte, 0, headRoom+smallBody); return &b }
	c.large.New = func() any { b := make([]byte, 0, largeBuffer); return &b }
	return c
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
	var body bodyError
	switch {
	case err == nil:
		return resp, nil
	case errors.As(err, &body):
		return nil, fmt.Errorf("read the body of the request: %w", body.error)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("ask the object store: %w", context.Cause(ctx))
	}
	f := fault.New(fault.Unavailable, "the object store does not answer").WithHint("try again in a moment").WithCause(err)
	f.RetryAfter = time.Second
	return nil, f
}

// errStale is what try returns for a kept connection that turns out to be closed, when sending the
// request again can do no harm.
var errStale = errors.New("the upstream has closed the connection")

// try sends m over one connection; fresh asks for a new one.
func (c *Client) try(ctx context.Context, m *message, fresh bool) (*Response, error) {
	cn, err := c.pool.get(ctx, fresh)
	if err != nil {
		return nil, err
	}
	if cn.used && !m.repeatable() && !cn.alive() {
		c.pool.drop(cn)
		return nil, errStale
	}
	r := &Response{ctx: ctx, client: c, conn: cn}
	r.forget = context.AfterFunc(ctx, cn.abort)
	if err := c.exchange(r, m); err != nil {
		r.forget()
		if cn.used && m.repeatable() && closedUnheard(cn, err) {
			c.pool.flush() // the others are as old: let not each of them fail once
			err = errStale
		}
		c.pool.drop(cn)
		return nil, err
	}
	return r, nil
}

// closedUnheard reports whether the upstream closed cn without a word.
func closedUnheard(cn *conn, err error) bool {
	return cn.br.Buffered() == 0 &&
		(errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET))
}

// exchange writes m and reads the head of the answer into r.
func (c *Client) exchange(r *Response, m *message) error {
	cn := r.conn
	if err := cn.mayWrite(r.ctx, c.limits.Idle); err != nil {
		return err
	}
	_, err := cn.Write(m.buf)
	if err == nil && m.left > 0 {
		err = c.stream(r, m)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, new(bodyError)) {
		return err
	}
	if err := cn.mayRead(r.ctx, c.patience(m.req)); err != nil {
		return err
	}
	// An upstream that refuses a body may close while we still write. Its answer can be read all
	// the same, and says more than that we could not write.
	if headErr := r.readHead(m.req.Method); headErr != nil {
		return cmp.Or(err, headErr)
	}
	r.keep = r.keep && err == nil
	return nil
}

// errEarly ends stream when the answer comes before the body has been sent.
var errEarly = errors.New("answered before the end of the body")

// stream writes what is left of the body while it listens for an answer that comes early: an
// upstream that has refused may have stopped to read.
func (c *Client) stream(r *Response, m *message) error {
	cn := r.conn
	var answered atomic.Bool
	var listener sync.WaitGroup
	if err := cn.mayRead(r.ctx, 0); err != nil {
		return err
	}
	listener.Go(func() {
		_, _ = cn.br.Peek(1) // an error will come up again when the head is read
		answered.Store(true)
		_ = cn.SetWriteDeadline(past)
	})
	err := c.copyBody(r, m, &answered)
	if err == nil || answered.Load() {
		err = cmp.Or(cn.mayRead(r.ctx, c.patience(m.req)), err)
	} else {
		cn.abort()
	}
	listener.Wait()
	cn.writeBy = past
	return err
}

func (c *Client) copyBody(r *Response, m *message, answered *atomic.Bool) error {
	for m.left > 0 {
		n, err := m.more(m.buf[:cap(m.buf)])
		if err != nil {
			return err
		}
		if err := r.conn.mayWrite(r.ctx, c.limits.Idle); err != nil {
			return err
		}
		if answered.Load() { // after mayWrite, which may have undone the listener's deadline
			return errEarly
		}
		if _, err := r.conn.Write(m.buf[:n]); err != nil {
			if answered.Load() {
				return errEarly
			}
			return err
		}
	}
	return nil
}

// patience is how long the answer to req may take.
func (c *Client) patience(req *Request) time.Duration {
	if req.Method == http.MethodPost || slices.ContainsFunc(req.Header, func(f Field) bool { return strings.EqualFold(f.Name, "x-amz-copy-source") }) {
		return c.limits.Long
	}
	return c.limits.Answer
}
