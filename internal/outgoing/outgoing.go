// Package outgoing makes the HTTP client for requests to providers, who may be slow, down or not as
// they should be. It imports the standard library only.
package outgoing

import (
	"net/http"
	"time"
)

const (
	deadline = 10 * time.Second // of one request with its answer
	maxBody  = 1 << 20          // bytes of an answer
)

// Client makes a client on transport, the usual one if nil: each request has a deadline, answers are
// cut off where they are too large, and redirects are not followed, since all addresses are known.
func Client(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = http.DefaultTransport
	}
	return &http.Client{Timeout: deadline, Transport: bounded{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// bounded cuts answers off that are too large.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxBody)
	}
	return resp, err
}
