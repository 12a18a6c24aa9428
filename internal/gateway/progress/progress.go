// Package progress watches the bodies of requests and answers: the whole may take any time, but one
// that stands still is cut off, because it would hold a connection to the store for nothing. It
// imports the standard library only.
package progress

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// stall is how long a client may go without sending or taking anything of a body.
const stall = 2 * time.Minute

// How reading the body of a request fails, apart from io.EOF.
var (
	ErrStalled = errors.New("the body stood still for too long")
	ErrCut     = errors.New("the body ended early")
)

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

// Lift ends the watch: what the server does with the connection afterwards is its own affair.
func (d *deadline) Lift() { _ = d.set(time.Time{}) }

// In is the body of a request.
type In struct {
	io.ReadCloser
	deadline
	begun bool
}

// Watch returns r with its body watched, and the body. r itself stays as it is: net/http looks at
// the type of its body.
func Watch(w http.ResponseWriter, r *http.Request, now func() time.Time) (*http.Request, *In) {
	in := &In{ReadCloser: r.Body, deadline: deadline{set: http.NewResponseController(w).SetReadDeadline, now: now}}
	watched := *r
	watched.Body = in
	return &watched, in
}

// Begun reports whether somebody has read of the body: then a client that waits for "100 Continue"
// has got it.
func (b *In) Begun() bool { return b.begun }

// Read implements io.Reader.
func (b *In) Read(p []byte) (int, error) {
	b.begun = true
	b.renew()
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	b.Lift()
	switch {
	case errors.Is(err, io.EOF):
		return n, io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, ErrStalled
	}
	return n, fmt.Errorf("%w: %w", ErrCut, err)
}

// Out is the body of an answer. It lets the kernel pass bytes on where the server does.
type Out struct {
	w http.ResponseWriter
	n int64
	deadline
}

// NewOut returns the body of the answer w. Lift it when it is complete.
func NewOut(w http.ResponseWriter, now func() time.Time) *Out {
	return &Out{w: w, deadline: deadline{set: http.NewResponseController(w).SetWriteDeadline, now: now}}
}

// Written is how many bytes were written.
func (b *Out) Written() int64 { return b.n }

// Write implements io.Writer.
func (b *Out) Write(p []byte) (int, error) {
	b.renew()
	n, err := b.w.Write(p)
	b.n += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom.
func (b *Out) ReadFrom(r io.Reader) (n int64, err error) {
	b.renew()
	if rf, ok := b.w.(io.ReaderFrom); ok {
		n, err = rf.ReadFrom(r)
	} else {
		n, err = io.Copy(struct{ io.Writer }{b.w}, r)
	}
	b.n += n
	return n, err
}
