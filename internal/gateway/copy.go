package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/gateway/s3api"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
	"github.com/lanyardhq/lanyard/sigv4"
)

// maxCopy is the largest object that one request copies, as in S3.
const maxCopy = 5 << 30

// source is the object that a copy is made of.
type source struct {
	place        *bucket.Bucket
	key, version string
	own          bool
}

// copySource finds the object that is to be copied and judges the right to read it. An object of
// another project must be public, which its metadata tells.
func (c *call) copySource() (source, error) {
	at, version, err := s3api.ParseCopySource(c.r.Header.Get("X-Amz-Copy-Source"))
	if err != nil {
		return source{}, err
	}
	owner, name, key := c.owner, at.Bucket, at.Key
	if at.Project != "" {
		owner = c.Table.ProjectNamed(at.Project)
	}
	if owner == nil || !owner.InForce(c.now) {
		return source{}, denied()
	}
	src := source{key: key, version: version, own: owner.ID == c.key.ProjectID, place: c.Table.Bucket(owner.ID, name)}
	rights := c.key.Rights
	switch {
	case !src.own && src.place == nil:
		return src, denied()
	case src.own && !rights.Allows(s3key.Read, name, key):
		return src, c.overreach()
	case src.place == nil:
		return src, s3api.Errorf(s3api.NoSuchBucket, "project %s has no bucket %.63s to copy from", owner.Name, name)
	}
	return src, nil
}

// field is the header by which the store finds the source.
func (s source) field() s3.Field {
	value := sigv4.EncodePath("/" + s.place.Upstream + "/" + s.key)
	if s.version != "" {
		value += "?versionId=" + url.QueryEscape(s.version)
	}
	return s3.Field{Name: "X-Amz-Copy-Source", Value: value}
}

// info asks for the source's metadata.
func (c *call) info(s source) (*s3.Response, error) {
	there := *c
	there.place, there.own = s.place, s.own
	req := &s3.Request{Method: http.MethodHead, Bucket: s.place.Upstream, Key: s.key}
	if s.version != "" {
		req.Query = url.Values{"versionId": {s.version}}
	}
	resp, err := there.ask(req)
	if err != nil {
		return nil, err
	}
	if !s.own && !s3api.IsPublic(resp.Header) {
		err = denied()
	}
	_ = resp.Close()
	return resp, err
}

// copy makes an object or a part of an object that is there already.
func (c *call) copy() error {
	src, err := c.copySource()
	if err != nil {
		return err
	}
	public, err := s3api.CannedACL(c.r.Header.Get("X-Amz-Acl"))
	if err != nil {
		return err
	}
	info, err := c.info(src)
	if err != nil {
		return err
	}
	size := max(info.ContentLength, 0)
	req := c.request()
	if c.op == s3api.UploadPartCopy {
		size = s3api.RangeSize(c.r.Header.Get("X-Amz-Copy-Source-Range"), size)
	} else {
		req.Header = copyHeaders(c.head, info, public)
	}
	if size > maxCopy {
		return s3api.Errorf(s3api.InvalidRequest, "the source has %d bytes, and one request copies at most %d: copy it in parts", size, int64(maxCopy))
	}
	req.Header = append(req.Header, src.field())
	hold, err := c.meter.Reserve(c.r.Context(), c.owner, size, c.upload())
	if err != nil {
		return err
	}
	resp, err := c.ask(req)
	hold.End(err == nil)
	if err != nil {
		return err
	}
	defer resp.Close()
	return c.result(resp)
}

// copyHeaders returns the headers of a copy whose ACL is as wanted. An ACL is not copied, but our
// mark of it is metadata, which is: so where they differ, all metadata is written anew.
func copyHeaders(head []s3.Field, info *s3.Response, public bool) []s3.Field {
	for _, f := range head {
		if f.Name == "X-Amz-Metadata-Directive" && strings.EqualFold(f.Value, "REPLACE") {
			return s3api.Publish(head, public)
		}
	}
	if public == (s3api.IsPublic(info.Header)) {
		return head
	}
	head = s3api.Without(head, func(name string) bool { return s3api.IsContent(name) || name == "X-Amz-Metadata-Directive" })
	return s3api.Publish(append(head, kept(info)...), public)
}

// kept returns what writes the metadata of an object, but for our mark, unchanged to a copy of it,
// provided that it is still the same object.
func kept(info *s3.Response) []s3.Field {
	fields := []s3.Field{{Name: "X-Amz-Metadata-Directive", Value: "REPLACE"}}
	for name, values := range info.Header {
		if s3api.IsContent(name) && name != s3api.PublicMark && len(values) > 0 {
			fields = append(fields, s3.Field{Name: name, Value: values[0]})
		}
	}
	return append(fields, s3.Field{Name: "X-Amz-Copy-Source-If-Match", Value: info.Header.Get("Etag")})
}

// objectACL shows or sets an object's ACL. The store keeps it as metadata, and changes metadata by
// a copy of the object onto itself.
func (c *call) objectACL() error {
	src := source{place: c.place, key: c.at.Key, version: c.query.Get("versionId"), own: true}
	want := false
	if c.op == s3api.PutObjectACL {
		var err error
		if want, err = c.wantedACL(); err != nil {
			return err
		}
	}
	info, err := c.info(src)
	if err != nil {
		return err
	}
	public := s3api.IsPublic(info.Header)
	switch {
	case c.op == s3api.GetObjectACL:
		return c.answerXML(s3api.NewACL(c.owner.Name, public))
	case want == public:
		c.answer(http.StatusOK, nil)
		return nil
	case info.ContentLength > maxCopy:
		return s3api.Errorf(s3api.NotImplemented, "the ACL of an object of more than %d bytes cannot be changed here; upload it again with the ACL", int64(maxCopy))
	}
	resp, err := c.ask(&s3.Request{Method: http.MethodPut, Bucket: c.place.Upstream, Key: c.at.Key,
		Header: s3api.Publish(append(kept(info), src.field()), want)})
	if err != nil {
		return err
	}
	defer resp.Close()
	c.answer(http.StatusOK, nil)
	return nil
}
