package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lanyardhq/lanyard/internal/gateway/form"
	"github.com/lanyardhq/lanyard/internal/gateway/s3api"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
	"github.com/lanyardhq/lanyard/sigv4"
)

// post takes an upload from a browser: a form whose fields carry a signed policy, and the file.
func (c *call) post() error {
	if c.r.ContentLength < 0 {
		return s3api.Errorf(s3api.MissingContentLength, "the request does not say how long its body is; send Content-Length")
	}
	f, err := form.Read(c.r)
	if err != nil {
		e := explain(err)
		e.Code = s3api.MalformedPost
		return e
	}
	// What a header says does not sign a form.
	if c.key, err = c.signer.Form(f.Fields, c.at.HostBucket, c.now); err != nil {
		return err
	}
	f.Fields["key"] = strings.ReplaceAll(f.Fields["key"], "${filename}", f.FileName)
	if c.at.Key = f.Fields["key"]; c.at.Key == "" {
		return s3api.Errorf(s3api.InvalidArgument, "the form has no key")
	}
	if err := s3api.CheckKey(c.at.Key); err != nil {
		return err
	}
	if err := c.enter(); err != nil {
		return err
	}
	policy, err := sigv4.ParsePolicy(f.Fields["policy"])
	if err != nil {
		return err
	}
	if err := policy.Check(f.Fields, c.at.Bucket, c.now); err != nil {
		return err
	}
	return c.postFile(f, policy)
}

// postFile stores the file. The store wants to know its length first, which stands nowhere in the
// form, so it rests on disk meanwhile.
func (c *call) postFile(f *form.Form, policy *sigv4.Policy) error {
	head, err := postHeaders(f.Fields)
	if err != nil {
		return err
	}
	hold, err := c.meter.Reserve(c.r.Context(), c.owner, c.r.ContentLength, "")
	if err != nil {
		return err
	}
	spool, size, err := f.Spool(policy.MaxSize)
	if err == nil {
		defer spool.Close()
		err = policy.CheckSize(size)
	}
	if err != nil {
		hold.End(false)
		return err
	}
	resp, err := c.send(&s3.Request{Method: http.MethodPut, Bucket: c.place.Upstream, Key: c.at.Key, Header: head}, spool, size, hold)
	if err != nil {
		return err
	}
	defer resp.Close()
	return c.answerPost(f.Fields, resp.Header.Get("Etag"))
}

// postHeaders makes headers of the fields that are to be some.
func postHeaders(fields map[string]string) ([]s3.Field, error) {
	if fields["tagging"] != "" {
		return nil, s3api.Errorf(s3api.NotImplemented, "the form field tagging is not served here; nothing was stored")
	}
	public, err := s3api.CannedACL(fields["acl"])
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	for name, value := range fields {
		if name = http.CanonicalHeaderKey(name); s3api.IsContent(name) || strings.HasPrefix(name, "X-Amz-") {
			h.Set(name, value)
		}
	}
	head, err := s3api.Pass(h)
	return s3api.Publish(head, public), err
}

// answerPost answers as the form wishes: with a redirect, or with status 200, 201 or 204.
func (c *call) answerPost(fields map[string]string, etag string) error {
	location := c.location(c.at.Key)
	h := c.w.Header()
	h.Set("Etag", etag)
	h.Set("Location", location)
	next, err := url.Parse(fields["success_action_redirect"])
	if err == nil && (next.Scheme == "http" || next.Scheme == "https") {
		q := next.Query()
		q.Set("bucket", c.at.Bucket)
		q.Set("key", c.at.Key)
		q.Set("etag", etag)
		next.RawQuery = q.Encode()
		h.Set("Location", next.String())
		c.answer(http.StatusSeeOther, nil)
		return nil
	}
	switch fields["success_action_status"] {
	case "200":
		c.answer(http.StatusOK, nil)
	case "201":
		body, err := s3api.Encode(s3api.PostResult{Location: location, Bucket: c.at.Bucket, Key: c.at.Key, ETag: etag})
		if err != nil {
			return err
		}
		h.Set("Content-Type", "application/xml")
		c.answer(http.StatusCreated, body)
	default:
		c.begin(http.StatusNoContent)
	}
	return nil
}
