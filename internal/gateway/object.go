package gateway

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/gateway/progress"
	"github.com/lanyardhq/lanyard/internal/gateway/s3api"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
)

// request is what the store is asked on behalf of the call, without a body.
func (c *call) request() *s3.Request {
	return &s3.Request{Method: c.r.Method, Bucket: c.place.Upstream, Key: c.at.Key, Query: c.op.Pass(c.query).Values(), Header: c.head}
}

// ask sends a request to the store. Answers that are errors come back as errors. The caller
// closes the response.
func (c *call) ask(req *s3.Request) (*s3.Response, error) {
	resp, err := c.Upstream.Do(c.r.Context(), req)
	if err != nil {
		return nil, err
	}
	if resp.Status >= 300 && resp.Status != http.StatusNotModified {
		err := c.storeError(resp, req.Method == http.MethodHead)
		_ = resp.Close()
		return nil, err
	}
	return resp, nil
}

// storeError tells the store's error in the client's words.
func (c *call) storeError(resp *s3.Response, head bool) error {
	var body io.Reader = resp
	if head {
		body = nil
	}
	err := s3api.StoreError(resp.Status, body)
	e, ok := errors.AsType[*s3api.Error](err)
	if ok && !c.own && resp.Status < 500 && !unmet(e) && !c.place.PublicRead {
		return denied() // whether the object is there is not theirs to know
	}
	if ok {
		e.Message = strings.ReplaceAll(e.Message, c.place.Upstream, c.place.Name)
	}
	return err
}

// forward passes a request without a body on, and the answer back as it is.
func (c *call) forward() error {
	resp, err := c.ask(c.request())
	if !c.own && c.op != s3api.Preflight {
		resp, err = c.onlyPublic(resp, err)
	}
	if err != nil {
		return err
	}
	defer resp.Close()
	switch {
	case c.op == s3api.AbortMultipartUpload:
		c.meter.Uploaded(c.owner.ID, c.upload(), false)
	case c.op.Writes():
		c.meter.Touch(c.owner.ID)
	}
	return c.pipe(resp)
}

// onlyPublic admits the answer to somebody from outside if the object is published. Answers that
// do not show it, because a condition or range was not met, need a second look.
func (c *call) onlyPublic(resp *s3.Response, err error) (*s3.Response, error) {
	if err != nil && !unmet(err) {
		return nil, err
	}
	mark := resp
	if err != nil || resp.Status == http.StatusNotModified {
		var lookErr error
		mark, lookErr = c.ask(&s3.Request{Method: http.MethodHead, Bucket: c.place.Upstream, Key: c.at.Key})
		if lookErr != nil {
			mark = nil
		} else {
			_ = mark.Close()
		}
	}
	if mark != nil && s3api.IsPublic(mark.Header) {
		return resp, err
	}
	if resp != nil {
		_ = resp.Close()
	}
	return nil, denied()
}

// unmet reports whether the store refused a condition or a range.
func unmet(err error) bool {
	e, ok := errors.AsType[*s3api.Error](err)
	return ok && (e.HTTPStatus == http.StatusPreconditionFailed || e.HTTPStatus == http.StatusRequestedRangeNotSatisfiable)
}

// pipe passes an answer back.
func (c *call) pipe(resp *s3.Response) error {
	c.copyHeader(resp)
	if resp.ContentLength >= 0 && resp.Status != http.StatusNoContent && resp.Status != http.StatusNotModified {
		c.w.Header()["Content-Length"] = []string{strconv.FormatInt(resp.ContentLength, 10)}
	}
	c.begin(resp.Status)
	if c.r.Method == http.MethodHead {
		return nil
	}
	if 0 <= resp.ContentLength && resp.ContentLength <= unwatched {
		n, err := resp.WriteTo(c.w)
		c.sent += n
		return err
	}
	return c.pour(func(out io.Writer) error {
		_, err := resp.WriteTo(out)
		return err
	})
}

// unwatched is the size of answers that the kernel takes at once, however slow the client.
const unwatched = 64 << 10

func (c *call) copyHeader(resp *s3.Response) {
	h := c.w.Header()
	for name, values := range resp.Header {
		if !s3api.ComesBack(name) {
			continue
		}
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			name = strings.ToLower(name) // as AWS writes them: some clients show names as they come
		}
		h[name] = values
	}
}

// begin sends the head of an answer; what follows is its body, if any.
func (c *call) begin(status int) {
	c.status = status
	c.w.WriteHeader(status)
}

// rewritten passes a request on whose answer is a document that names the store's bucket and
// owner, which are not the client's.
func (c *call) rewritten() error {
	req := c.request()
	if c.op == s3api.CreateMultipartUpload {
		public, err := s3api.CannedACL(c.r.Header.Get("X-Amz-Acl"))
		if err != nil {
			return err
		}
		req.Header = s3api.Publish(c.head, public)
	}
	resp, err := c.ask(req)
	if err != nil {
		return err
	}
	defer resp.Close()
	return c.rewrite(resp)
}

func (c *call) rewrite(resp *s3.Response) error {
	c.copyHeader(resp)
	c.w.Header().Set("Content-Type", "application/xml")
	c.begin(resp.Status)
	return c.pour(func(out io.Writer) error { return s3api.Rewrite(out, resp, c.names()) })
}

// pour sends the body of an answer, watched and counted.
func (c *call) pour(write func(out io.Writer) error) error {
	out := progress.NewOut(c.w, c.Now)
	err := write(out)
	c.sent += out.Written()
	if err == nil {
		out.Lift()
	}
	return err
}

// names are what documents of the store must call things.
func (c *call) names() s3api.Names {
	return s3api.Names{Bucket: c.place.Name, Project: c.owner.Name, Location: c.location(c.at.Key),
		Encode: c.op.Lists() && c.query.Get("encoding-type") == "url"}
}

// whole reads a document of the store. One that is cut off is the store's failure.
func whole(resp *s3.Response, v any) error {
	if err := s3api.Decode(resp, v); err != nil {
		return fault.New(fault.Unavailable, "the object store's answer cannot be read").WithHint("try again in a moment").WithCause(err)
	}
	return nil
}
