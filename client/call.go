package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
)

const (
	attempts   = 4                      // of one call, the first included
	firstPause = 250 * time.Millisecond // doubled after each attempt, with jitter
	// longestPause is what a person would sit through; a server that wants more is told on.
	longestPause = 10 * time.Second
	maxAnswer    = 16 << 20 // bytes
)

// A call is one request, as often as it is sent.
type call struct {
	method string
	path   []string // below /api/v1, unescaped
	query  url.Values
	in     any // the body; nil for none
	// single calls are not sent again once they may have arrived: the server would refuse the
	// repetition of what it did.
	single bool
}

// get sends a safe request and decodes its answer.
func get[T any](ctx context.Context, c *Client, q url.Values, path ...string) (T, error) {
	return send[T](ctx, c, call{method: http.MethodGet, path: path, query: q})
}

// send sends a request and decodes its answer.
func send[T any](ctx context.Context, c *Client, k call) (T, error) {
	var out T
	text, err := c.do(ctx, k)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(text, &out); err != nil {
		// The error of encoding/json can quote the answer, which may hold a secret.
		return out, &api.Problem{Code: api.Internal, Detail: c.name + " answered what cannot be read; it may be of another version"}
	}
	return out, nil
}

// do sends k until it is answered or trying longer is of no use, and returns the answer's body.
func (c *Client) do(ctx context.Context, k call) ([]byte, error) {
	address, err := c.address(k)
	if err != nil {
		return nil, err
	}
	var body []byte
	if k.in != nil {
		if body, err = json.Marshal(k.in); err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, overallTimeout)
	defer cancel()

	key := newKey()
	for n := 1; ; n++ {
		text, err := c.once(ctx, k.method, address, key, body)
		pause, again := worthRepeating(err, n)
		if !again || k.single && !unsent(err) {
			return text, c.explain(caller, err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, c.explain(caller, ctx.Err())
		}
	}
}

// address returns the URL of k.
func (c *Client) address(k call) (string, error) {
	u := *c.base
	escaped := make([]string, len(k.path))
	for i, s := range k.path {
		if s == "" || s == "." || s == ".." {
			return "", &api.Problem{Status: 400, Code: api.Invalid, Detail: fmt.Sprintf("%q is not an id or name", s)}
		}
		escaped[i] = url.PathEscape(s)
	}
	u.Path = "/api/v1/" + strings.Join(k.path, "/")
	u.RawPath = "/api/v1/" + strings.Join(escaped, "/")
	u.RawQuery = k.query.Encode()
	return u.String(), nil
}

// once sends the request one time. Failures are *api.Problem, or whatever the transport or the
// token's source says.
func (c *Client) once(ctx context.Context, method, address, key string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	if c.options.UserAgent != "" {
		r.Header.Set("User-Agent", c.options.UserAgent)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if method != http.MethodGet {
		r.Header.Set("Idempotency-Key", key)
	}
	if c.options.Token != nil {
		token, err := c.options.Token(ctx)
		if err != nil {
			return nil, &tokenError{err}
		}
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	w, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer w.Body.Close()
	text, err := io.ReadAll(io.LimitReader(w.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if w.StatusCode/100 == 2 {
		return text, nil
	}
	return nil, c.problem(w, text)
}

// problem reads a refusal. What no Lanyard server wrote, such as a proxy's error page, is named as
// such and not shown.
func (c *Client) problem(w *http.Response, text []byte) *api.Problem {
	p := new(api.Problem)
	kind, _, _ := mime.ParseMediaType(w.Header.Get("Content-Type"))
	if kind != "application/problem+json" || json.Unmarshal(text, p) != nil || p.Detail == "" {
		p = &api.Problem{Code: api.CodeOf(w.StatusCode), Title: http.StatusText(w.StatusCode),
			Detail: fmt.Sprintf("%s answered %s, but not as a Lanyard server does", c.name, w.Status)}
		if to, err := w.Location(); err == nil && w.StatusCode/100 == 3 {
			p.Hint = fmt.Sprintf("it points to %s://%s; use that address if your site moved", to.Scheme, to.Host)
		}
	}
	p.Status = w.StatusCode
	if p.RetryAfter == 0 {
		p.RetryAfter, _ = strconv.ParseInt(w.Header.Get("Retry-After"), 10, 64)
	}
	return p
}

// unsent reports whether err means that no connection was made.
func unsent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// worthRepeating tells whether, and after which pause, attempt n is worth being followed by
// another. Requests that change something carry an Idempotency-Key or set a state, so they are as
// safe to repeat as the others.
func worthRepeating(err error, n int) (time.Duration, bool) {
	if err == nil || n >= attempts || !passing(err) {
		return 0, false
	}
	pause := firstPause << (n - 1)
	pause += rand.N(pause) //nolint:gosec // no secret: it keeps many clients from coming back at once
	if p, ok := errors.AsType[*api.Problem](err); ok {
		pause = max(pause, time.Duration(p.RetryAfter)*time.Second)
	}
	return pause, pause <= longestPause
}
