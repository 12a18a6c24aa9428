package gateway

import (
	"bytes"
	"crypto/md5" //nolint:gosec // Content-MD5 guards against accidents, and stores ask for it
	"encoding/base64"
	"io"
	"net/http"
	"strings"

	"github.com/lanyardhq/lanyard/internal/gateway/meter"
	"github.com/lanyardhq/lanyard/internal/gateway/s3api"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
	"github.com/lanyardhq/lanyard/sigv4"
)

// put passes an object or a part on. Length and quota are judged before the body is read; what the
// signature says of the body is judged before its last bytes leave, so a bad upload never
// completes.
func (c *call) put() error {
	public, err := s3api.CannedACL(c.r.Header.Get("X-Amz-Acl"))
	if err != nil {
		return err
	}
	body, err := sigv4.NewBody(c.r, c.sig)
	if err != nil {
		return err
	}
	if body.Len() < 0 {
		return s3api.Errorf(s3api.MissingContentLength, "the request does not say how long its body is; send Content-Length")
	}
	hold, err := c.meter.Reserve(c.r.Context(), c.owner, body.Len(), c.upload())
	if err != nil {
		return err
	}
	req := c.request()
	if c.op == s3api.PutObject {
		req.Header = s3api.Publish(c.head, public)
	}
	resp, err := c.send(req, body, body.Len(), hold)
	if err != nil {
		return err
	}
	defer resp.Close()
	// We have verified a trailing checksum; the store has not seen it and cannot confirm it.
	if name, value := body.Checksum(); name != "" {
		c.w.Header().Set(name, value)
	}
	return c.pipe(resp)
}

// send passes a body on and ends the hold that was made for it.
func (c *call) send(req *s3.Request, body io.Reader, size int64, hold *meter.Hold) (*s3.Response, error) {
	written := false
	defer func() { hold.End(written) }()
	req.Body, req.ContentLength = body, size
	if size == 0 { // there may be a signature all the same
		if _, err := io.Copy(io.Discard, body); err != nil {
			return nil, err
		}
		req.Body = nil
	}
	resp, err := c.ask(req)
	if err != nil {
		return nil, err
	}
	written = true
	c.received += size
	return resp, nil
}

// sendDocument asks with a document of ours as the body.
func (c *call) sendDocument(body []byte) (*s3.Response, error) {
	sum := md5.Sum(body) //nolint:gosec // see the import
	req := c.request()
	req.Header = append(s3api.Without(c.head, s3api.IsDigest), s3.Field{Name: "Content-Md5", Value: base64.StdEncoding.EncodeToString(sum[:])})
	req.Body, req.ContentLength = bytes.NewReader(body), int64(len(body))
	return c.ask(req)
}

// putDocument passes on a request whose body is a small document, as it is.
func (c *call) putDocument() error {
	body, err := c.document()
	if err != nil {
		return err
	}
	resp, err := c.sendDocument(body)
	if err != nil {
		return err
	}
	defer resp.Close()
	return c.pipe(resp)
}

// complete makes an object of uploaded parts.
func (c *call) complete() error {
	body, err := c.document()
	if err != nil {
		return err
	}
	var parts s3api.Completion
	if err := s3api.Decode(bytes.NewReader(body), &parts); err != nil {
		return err
	}
	parts.XMLName.Space = ""
	if body, err = s3api.Encode(parts); err != nil {
		return err
	}
	resp, err := c.sendDocument(body)
	if err != nil {
		return err
	}
	defer resp.Close()
	if err := c.result(resp); err != nil {
		return err
	}
	c.meter.Uploaded(c.owner.ID, c.upload(), true)
	return nil
}

// upload is the id of the upload that the call is about; empty if there is none.
func (c *call) upload() string {
	if c.op == s3api.PutObject {
		return ""
	}
	return c.query.Get("uploadId")
}

// result answers with the short document of an operation that may have failed after the store
// began to answer with status 200.
func (c *call) result(resp *s3.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp, 1<<20))
	if err != nil {
		return whole(resp, nil)
	}
	var doc s3api.ErrorDocument
	if s3api.Decode(bytes.NewReader(text), &doc) == nil { // the root element is Error
		return s3api.Errorf(doc.Code, "%s", strings.ReplaceAll(doc.Message, c.place.Upstream, c.place.Name))
	}
	var out bytes.Buffer
	if err := s3api.Rewrite(&out, bytes.NewReader(text), c.names()); err != nil {
		return err
	}
	c.copyHeader(resp)
	c.w.Header().Set("Content-Type", "application/xml")
	c.answer(http.StatusOK, out.Bytes())
	return nil
}

// location is the URL of an object of the call's bucket, as this client would write it.
func (c *call) location(key string) string {
	scheme := "http://"
	if c.r.TLS != nil {
		scheme = "https://"
	}
	path := c.r.URL.EscapedPath()
	if c.op == s3api.PostObject {
		path = strings.TrimSuffix(path, "/") + "/" + sigv4.EncodePath(key)
	}
	return scheme + c.r.Host + path
}
