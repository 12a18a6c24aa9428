package s3

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/lanyardhq/lanyard/internal/objectstore"
)

const (
	// readBuffer holds the head of an answer, which may not be larger, and with it a small body.
	readBuffer = 16 << 10
	// keptFor is how long an unused connection is kept; services close theirs after 30 s or more.
	keptFor = 25 * time.Second
)

// past is a deadline that interrupts.
var past = time.Unix(1, 0)

// A conn is one connection. One goroutine uses it at a time; abort may be called beside it.
type conn struct {
	net.Conn // bare, so that the kernel can splice from it; a *tls.Conn over TLS
	br       *bufio.Reader
	now      func() time.Time
	used     bool      // has carried an answer
	usedAt   time.Time // the last time
	// The deadlines that are set. They are moved only when half of the time is over, so that a
	// small request pays for none.
	readBy, writeBy time.Time
}

// mayRead lets reads wait for d from now, give or take half of it; for ever if d is 0.
func (c *conn) mayRead(ctx context.Context, d time.Duration) error {
	return c.move(ctx, &c.readBy, c.SetReadDeadline, d)
}

// mayWrite is mayRead for writes.
func (c *conn) mayWrite(ctx context.Context, d time.Duration) error {
	return c.move(ctx, &c.writeBy, c.SetWriteDeadline, d)
}

func (c *conn) move(ctx context.Context, by *time.Time, set func(time.Time) error, d time.Duration) error {
	var want time.Time
	if d > 0 {
		want = c.now().Add(d)
	}
	if early := want.Sub(*by); d == 0 || early < 0 || early > d/2 {
		if err := set(want); err != nil {
			return err
		}
		*by = want
	}
	return ctx.Err() // after the deadline: abort may have come before it, and must not be undone
}

// abort interrupts whoever reads or writes.
func (c *conn) abort() { _ = c.SetDeadline(past) }

// alive reports whether an unused connection is still open and silent. It costs a system call, so
// only requests ask that cannot be sent twice.
func (c *conn) alive() bool {
	inner := c.Conn
	if t, ok := inner.(*tls.Conn); ok {
		inner = t.NetConn()
	}
	s, ok := inner.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	var b [1]byte
	var peekErr error
	err = raw.Control(func(fd uintptr) {
		_, _, peekErr = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err == nil && errors.Is(peekErr, syscall.EAGAIN)
}

// A pool keeps the connections to one address.
type pool struct {
	network, address string
	tls              *tls.Config
	limits           Limits
	now              func() time.Time
	slots            chan struct{} // one for each open connection that is in use

	mu     sync.Mutex
	idle   []*conn // the longest unused first
	closed bool
}

func newPool(u objectstore.Upstream, l Limits, now func() time.Time) *pool {
	p := &pool{network: u.Network, address: u.Address, limits: l, now: now, slots: make(chan struct{}, l.Conns)}
	if u.TLS {
		name := u.Host
		if host, _, err := net.SplitHostPort(u.Host); err == nil {
			name = host
		}
		p.tls = &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12}
	}
	return p
}

// get returns a connection that was used before or, if there is none or fresh is set, a new one.
// The caller hands it to put or drop.
func (p *pool) get(ctx context.Context, fresh bool) (*conn, error) {
	if err := p.enter(ctx); err != nil {
		return nil, err
	}
	if !fresh {
		if c := p.takeIdle(); c != nil {
			return c, nil
		}
	}
	c, err := p.dial(ctx)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return c, nil
}

// enter waits for a free slot.
func (p *pool) enter(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	wait := time.NewTimer(p.limits.Wait)
	defer wait.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return fmt.Errorf("all %d connections are busy", p.limits.Conns)
	}
}

func (p *pool) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.limits.Dial)
	defer cancel()
	var d net.Dialer
	nc, err := d.DialContext(ctx, p.network, p.address)
	if err != nil {
		return nil, err
	}
	if p.tls != nil {
		t := tls.Client(nc, p.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = nc.Close()
			return nil, err
		}
		nc = t
	}
	return &conn{Conn: nc, br: bufio.NewReaderSize(nc, readBuffer), now: p.now}, nil
}

// takeIdle returns the connection that was used last, or nil.
func (p *pool) takeIdle() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeOld(p.now())
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	c := p.idle[last]
	p.idle = slices.Delete(p.idle, last, last+1)
	return c
}

// put keeps c for another request.
func (p *pool) put(c *conn) {
	c.used, c.usedAt = true, p.now()
	p.mu.Lock()
	p.closeOld(c.usedAt)
	if p.closed {
		_ = c.Close()
	} else {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	<-p.slots
}

// drop closes c.
func (p *pool) drop(c *conn) {
	_ = c.Close()
	<-p.slots
}

// closeOld closes what has not been used for long. It needs the lock.
func (p *pool) closeOld(now time.Time) {
	n := 0
	for n < len(p.idle) && now.Sub(p.idle[n].usedAt) > keptFor {
		_ = p.idle[n].Close()
		n++
	}
	p.idle = slices.Delete(p.idle, 0, n)
}

// flush closes all connections that are not in use.
func (p *pool) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		_ = c.Close()
	}
	p.idle = nil
}

// close is flush, once and for all.
func (p *pool) close() {
	p.flush()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
}
