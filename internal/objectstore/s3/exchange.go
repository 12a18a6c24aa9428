package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// errStale is what try returns for a kept connection that turns out to be closed, when sending the
// request again can do no harm.
var errStale = errors.New("the upstream has closed the connection")

// try sends m over one connection; fresh asks for a new one.
func (c *Client) try(ctx context.Context, m *message, fresh bool) (*Response, error) {
	cn, err := c.pool.get(ctx, fresh)
	if err != nil {
		return nil, err
	}
	if cn.used && (m.left > 0 || !m.repeatable()) && !cn.alive() { // it will be too late later
		c.pool.flush()
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
	send := c.send
	if m.home == c.large {
		send = c.sendLarge
	}
	err := send(r, m)
	if hopeless(err) {
		return err
	}
	if err := r.conn.mayRead(r.ctx, c.patience(m.req)); err != nil {
		return err
	}
	// An upstream that refuses a body may close while we still write. Its answer can be read all
	// the same, and says more than that we could not write.
	if headErr := r.readHead(m.req.Method); headErr != nil {
		return errors.Join(err, headErr)
	}
	r.keep = r.keep && err == nil
	return nil
}

// hopeless reports whether no answer can come after sending has failed with err.
func hopeless(err error) bool {
	_, ours := errors.AsType[*bodyError](err)
	return ours || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func (c *Client) send(r *Response, m *message) error {
	if err := r.conn.mayWrite(r.ctx, c.limits.Idle); err != nil {
		return err
	}
	_, err := r.conn.Write(m.buf)
	return err
}

// errEarly ends sendLarge when the answer comes before the end of the body.
var errEarly = errors.New("answered before the end of the body")

// sendLarge is send for bodies that do not fit into a socket's buffer: it listens for an answer
// that comes early, because an upstream that has refused may have stopped to read.
func (c *Client) sendLarge(r *Response, m *message) error {
	cn := r.conn
	if err := cn.mayRead(r.ctx, 0); err != nil {
		return err
	}
	var answered atomic.Bool
	var listener sync.WaitGroup
	listener.Go(func() {
		_, _ = cn.br.Peek(1) // an error comes up again when the head is read
		answered.Store(true)
		_ = cn.SetWriteDeadline(past)
	})
	err := c.sendAll(r, m, &answered)
	if answered.Load() && err != nil {
		err = errEarly
	}
	if hopeless(err) || cn.mayRead(r.ctx, c.patience(m.req)) != nil {
		cn.abort()
	}
	listener.Wait()
	cn.writeBy = past
	return err
}

func (c *Client) sendAll(r *Response, m *message, answered *atomic.Bool) error {
	for {
		if err := r.conn.mayWrite(r.ctx, c.limits.Idle); err != nil {
			return err
		}
		if answered.Load() { // after mayWrite, which may have undone the listener's deadline
			return errEarly
		}
		if _, err := r.conn.Write(m.buf); err != nil {
			return err
		}
		if m.left == 0 {
			return nil
		}
		m.gone = true
		n, err := m.more(m.buf[:cap(m.buf)])
		if err != nil {
			return err
		}
		m.buf = m.buf[:n]
	}
}

// patience is how long the answer to req may take.
func (c *Client) patience(req *Request) time.Duration {
	if req.Method == http.MethodPost || slices.ContainsFunc(req.Header, func(f Field) bool { return strings.EqualFold(f.Name, "x-amz-copy-source") }) {
		return c.limits.Long
	}
	return c.limits.Answer
}
