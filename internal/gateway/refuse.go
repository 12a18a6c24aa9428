package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/gateway/progress"
	"github.com/lanyardhq/lanyard/internal/gateway/s3api"
	"github.com/lanyardhq/lanyard/internal/sigv2"
	"github.com/lanyardhq/lanyard/sigv4"
)

// explain turns whatever went wrong into what the client is told. It is the one place where
// errors of other packages become S3's.
func explain(err error) *s3api.Error {
	if e, ok := errors.AsType[*s3api.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return &s3api.Error{Code: s3api.Code(e.Code), Message: e.Message, StringToSign: e.StringToSign(), CanonicalRequest: e.CanonicalRequest()}
	}
	if e, ok := errors.AsType[*sigv2.Error](err); ok {
		return &s3api.Error{Code: s3api.Code(e.Code), Message: e.Message, StringToSign: e.StringToSign()}
	}
	if f, ok := errors.AsType[*fault.Fault](err); ok && f.Code != fault.Internal {
		return explainFault(f)
	}
	switch {
	case errors.Is(err, progress.ErrStalled):
		return &s3api.Error{Code: s3api.RequestTimeout, Message: "the body stood still for too long; nothing was stored", Cause: err}
	case errors.Is(err, progress.ErrCut):
		return &s3api.Error{Code: s3api.IncompleteBody, Message: "the request ended before its body was complete; nothing was stored", Cause: err}
	case errors.Is(err, syscall.ENOSPC):
		return &s3api.Error{Code: s3api.ServiceUnavailable, Message: "this gateway has no room left; tell the people who run this installation", RetryAfter: time.Minute, Cause: err}
	case errors.Is(err, context.Canceled):
		return &s3api.Error{Code: s3api.IncompleteBody, Message: "the client went away", Cause: err}
	}
	return &s3api.Error{Code: s3api.InternalError, Message: "internal error; tell the request id to the people who run this installation", Cause: err}
}

// codes translates faults of the broker and of the object store.
var codes = map[fault.Code]s3api.Code{
	fault.Invalid:         s3api.InvalidArgument,
	fault.Unauthenticated: s3api.AccessDenied,
	fault.Denied:          s3api.AccessDenied,
	fault.NotFound:        s3api.NoSuchBucket,
	fault.Conflict:        s3api.OperationAborted,
	fault.Limited:         s3api.QuotaExceeded,
	fault.Unavailable:     s3api.ServiceUnavailable,
}

func explainFault(f *fault.Fault) *s3api.Error {
	e := &s3api.Error{Code: codes[f.Code], Message: f.Message, RetryAfter: f.RetryAfter, Cause: f.Cause}
	if f.Hint != "" {
		e.Message += "; " + f.Hint
	}
	switch {
	case errors.Is(f, broker.ErrBucketExists):
		e.Code = s3api.BucketAlreadyOwnedByYou
	case errors.Is(f, broker.ErrBucketNotEmpty):
		e.Code = s3api.BucketNotEmpty
	case f.Code == fault.Unavailable:
		e.RetryAfter = max(f.RetryAfter, time.Second)
	}
	return e
}

// refuse answers with err, unless an answer has begun. Answers to HEAD have no body, so the error
// stands in headers too.
func (c *call) refuse(err error) {
	if c.status != 0 {
		// The client must not take what it has for all there is.
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Unix(1, 0))
		return
	}
	e := explain(err)
	body, encErr := s3api.Encode(s3api.ErrorDocument{Code: e.Code, Message: e.Message, Resource: c.r.URL.EscapedPath(),
		RequestID: c.id, StringToSign: e.StringToSign, CanonicalRequest: e.CanonicalRequest})
	if encErr != nil {
		body = nil
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("X-Amz-Error-Code", string(e.Code))
	h.Set("X-Amz-Error-Message", e.HeaderText())
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	// A client that is still sending sees the answer only if it is not cut off.
	late := c.body != nil && (c.body.Begun() || c.r.Header.Get("Expect") == "")
	rc := http.NewResponseController(c.w)
	if late {
		_ = rc.EnableFullDuplex() // HTTP/2 is so anyway
	}
	c.answer(e.Status(), body)
	if late {
		_ = rc.Flush()
		c.drain()
	}
}

// drainBytes bounds what is read in vain.
const drainBytes = 256 << 20

// drain reads what a client goes on sending after it was refused: several clients look at the
// answer only after that, and report a broken connection otherwise.
func (c *call) drain() { _, _ = io.CopyN(io.Discard, c.body, drainBytes) }

// answer writes a whole answer.
func (c *call) answer(status int, body []byte) {
	c.status = status
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		n, _ := c.w.Write(body) // a client that has gone away needs no answer
		c.sent += int64(n)
	}
}

// answerXML answers with a document.
func (c *call) answerXML(v any) error {
	body, err := s3api.Encode(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/xml")
	c.answer(http.StatusOK, body)
	return nil
}
