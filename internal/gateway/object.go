package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
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

// ours are errors by which the store refuses the gateway, not the client.
const ours = " AuthorizationHeaderMalformed InvalidAccessKeyId SignatureDoesNotMatch RequestTimeTooSkewed ExpiredToken InvalidToken InvalidTokenId InvalidClientTokenId SignatureVersionNotSupported "

// storeError reads the store's error and tells it in the client's words.
func (c *call) storeError(resp *s3.Response, head bool) error {
	var doc s3api.ErrorDocument
	if !head {
		// What does not parse is told by its status.
		_ = s3api.Decode(io.LimitReader(resp, 64<<10), &doc)
	}
	if doc.Code == "" {
		doc.Code = codeOf(resp.Status)
	}
	e := &s3api.Error{Code: doc.Code, HTTPStatus: resp.Status, Message: strings.ReplaceAll(doc.Message, c.place.Upstream, c.place.Name)}
	if e.Message == "" {
		e.Message = "the object store answered: " + strconv.Itoa(resp.Status) + " " + http.StatusText(resp.Status)
	}
	switch {
	case strings.Contains(ours, " "+string(doc.Code)+" "):
		return fmt.Errorf("the object store refuses the gateway's own credential: %s: %s", doc.Code, doc.Message)
	case resp.Status >= 500:
		e.RetryAfter = time.Second
	case !c.own && !unmet(e) && !c.place.PublicRead:
		return denied() // whether the object is there is not theirs to know
	}
	return e
}

// codeOf names an error of which only the status is known, as for HEAD.
func codeOf(status int) s3api.Code {
	switch status {
	case http.StatusNotFound:
		return "NoSuchKey"
	case http.StatusForbidden:
		return s3api.AccessDenied
	case http.StatusPreconditionFailed:
		return "PreconditionFailed"
	case http.StatusRequestedRangeNotSatisfiable:
		return "InvalidRange"
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		return s3api.SlowDown
	}
	if status >= 500 {
		return s3api.InternalError
	}
	return s3api.InvalidRequest
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
	if c.op.Writes() {
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
	out := c.writer()
	n, err := resp.WriteTo(out)
	c.sent += n
	if err == nil {
		out.lift()
	}
	return err
}

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
	out := c.writer()
	count := &counter{w: out}
	err := s3api.Rewrite(count, resp, c.names())
	c.sent += count.n
	if err == nil {
		out.lift()
	}
	return err
}

// names are what documents of the store must call things.
func (c *call) names() s3api.Names {
	return s3api.Names{Bucket: c.place.Name, Project: c.owner.Name, Location: c.location(c.at.Key),
		Encode: c.op.Lists() && c.query.Get("encoding-type") == "url"}
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// whole reads a document of the store. One that is cut off is the store's failure.
func whole(resp *s3.Response, v any) error {
	if err := s3api.Decode(resp, v); err != nil {
		return fault.New(fault.Unavailable, "the object store's answer cannot be read").WithHint("try again in a moment").WithCause(err)
	}
	return nil
}
