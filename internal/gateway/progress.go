package gateway

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/lanyardhq/lanyard/internal/gateway/s3api"
)

// stall is how long a client may go without sending or taking anything of a body. The whole may
// take any time; what stands still must not hold a connection to the store.
const stall = 2 * time.Minute

// deadline moves a deadline of the connection while there is progress. Renewing it costs little,
// and is not done at every step.
type deadline struct {
	set  func(time.Time) error
	now  func() time.Time
	next time.Time
}

func (d *deadline) renew() {
	if now := d.now(); now.After(d.next) {
		_ = d.set(now.Add(stall)) // a connection without deadlines is a test's
		d.next = now.Add(stall / 8)
	}
}

// lift ends the watch: what the server does with the connection afterwards is its own affair.
func (d *deadline) lift() { _ = d.set(time.Time{}) }

// incoming is the body of a request.
type incoming struct {
	io.ReadCloser
	deadline
	begun bool // somebody has read of it, so a client that waits for "100 Continue" has got it
}

func (b *incoming) Read(p []byte) (int, error) {
	b.begun = true
	b.renew()
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	b.lift()
	switch {
	case errors.Is(err, io.EOF):
		return n, io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, &s3api.Error{Code: s3api.RequestTimeout, Message: "the body stood still for too long; nothing was stored", Cause: err}
	}
	return n, &s3api.Error{Code: s3api.IncompleteBody, Message: "the request ended before its body was complete; nothing was stored", Cause: err}
}

// outgoing is the body of an answer. It lets the kernel pass bytes on where w does.
type outgoing struct {
	w http.ResponseWriter
	deadline
}

func (b *outgoing) Write(p []byte) (int, error) {
	b.renew()
	return b.w.Write(p)
}

// ReadFrom implements io.ReaderFrom.
func (b *outgoing) ReadFrom(r io.Reader) (int64, error) {
	b.renew()
	if rf, ok := b.w.(io.ReaderFrom); ok {
		return rf.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{b.w}, r)
}

// watch has the body of the request watched, if there is one.
func (c *call) watch() {
	if c.r.ContentLength == 0 {
		return
	}
	rc := http.NewResponseController(c.w)
	c.body = &incoming{ReadCloser: c.r.Body, deadline: deadline{set: rc.SetReadDeadline, now: c.Now}}
	// The server's own request stays as it is: net/http looks at the type of its body.
	watched := *c.r
	watched.Body = c.body
	c.r = &watched
}

// writer is where the body of an answer goes.
func (c *call) writer() *outgoing {
	rc := http.NewResponseController(c.w)
	return &outgoing{w: c.w, deadline: deadline{set: rc.SetWriteDeadline, now: c.Now}}
}
