// Package s3 speaks to one S3 service as a client: connections that are kept, requests that are
// signed with one credential, bodies that the kernel passes on where it can. Client carries single
// requests for the gateway; Backend, on top of it, does what the broker decides about buckets.
//
// It imports rows 0 and 1.
package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/lanyardhq/lanyard/internal/objectstore"
)

var errNotWritten = errors.New("not written yet")

// Limits bound what a client takes of the upstream and of its callers' patience. A zero field
// means the default.
type Limits struct {
	Conns  int           // open connections to each address; 512
	Wait   time.Duration // for one of them to become free; 10 s
	Dial   time.Duration // to connect, TLS included; 5 s
	Answer time.Duration // from the last byte of a request to the head of its answer; 5 min
	Idle   time.Duration // without any progress in a body; 2 min
}

// A Client holds connections to one S3 service. It is safe for concurrent use.
type Client struct{}

// New returns a client of u. It connects when it is first used.
func New(u objectstore.Upstream, l Limits, now func() time.Time) *Client { return &Client{} }

// A Field is one line of a header.
type Field struct{ Name, Value string }

// A Request is what the upstream is asked. The client adds Host, Content-Length, Authorization and
// the X-Amz headers that belong to the signature; Header must not name these.
type Request struct {
	Method string
	// Path is what stands in the request line, percent-escaped as AWS does it: "/bucket/key".
	Path string
	// Query is without the question mark, escaped; parameters may be in any order.
	Query  string
	Header []Field
	// Body has exactly ContentLength bytes; nil if that is 0. Do reads it before it returns and
	// never after; it does not close it.
	Body          io.Reader
	ContentLength int64
}

// A Response is what the upstream answered. It must be closed.
type Response struct {
	Status int
	Header http.Header
	// ContentLength is that of the body, or -1 if only its end will tell. The answer to HEAD has
	// the length of the body that GET would have.
	ContentLength int64
}

// Do sends a request and returns when the head of its answer is there. An upstream that cannot be
// reached, answers nonsense or not at all is an Unavailable fault with a cause.
func (c *Client) Do(ctx context.Context, req *Request) (*Response, error) { return nil, errNotWritten }

// Close closes the connections that are not in use, and the others as soon as they are free.
func (c *Client) Close() {}

// Read reads the body. A body that ends early is io.ErrUnexpectedEOF.
func (r *Response) Read(p []byte) (int, error) { return 0, errNotWritten }

// WriteTo passes the rest of the body to w: through the kernel alone if w is the answer of an HTTP
// server on a plain TCP connection.
func (r *Response) WriteTo(w io.Writer) (int64, error) { return 0, errNotWritten }

// Close gives the connection back: for another request if the body was read to its end.
func (r *Response) Close() error { return nil }
