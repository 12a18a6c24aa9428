package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/objectstore"
)

// Backend is an objectstore.Backend for any S3 service.
type Backend struct{ Client *Client }

// What the upstream may send where a document is expected. A page of a listing has 1000 keys of
// 1 KiB, which percent-encoding can make three times as long.
const (
	maxError = 64 << 10
	maxPage  = 8 << 20
)

// CreateBucket makes a bucket; one that we own already is no error.
func (b *Backend) CreateBucket(ctx context.Context, name string) error {
	req := &Request{Method: http.MethodPut, Bucket: name}
	if r := b.Client.region; r != "" && r != "us-east-1" { // which is where buckets are if nobody says where
		text := "<CreateBucketConfiguration><LocationConstraint>" + r + "</LocationConstraint></CreateBucketConfiguration>"
		req.Body, req.ContentLength = strings.NewReader(text), int64(len(text))
	}
	err := b.do(ctx, req, nil)
	switch code(err) {
	case "BucketAlreadyOwnedByYou":
		return nil
	case "BucketAlreadyExists":
		return fault.New(fault.Conflict, "the object store has a bucket %q that belongs to somebody else", name).WithCause(err)
	}
	return err
}

// DeleteBucket removes an empty bucket; one that is gone is no error, one with objects or
// unfinished uploads is a Conflict fault.
func (b *Backend) DeleteBucket(ctx context.Context, name string) error {
	var uploads struct {
		Upload []struct{} `xml:"Upload"`
	}
	err := b.do(ctx, &Request{Method: http.MethodGet, Bucket: name, Query: url.Values{"uploads": {""}, "max-uploads": {"1"}}}, &uploads)
	if err == nil && len(uploads.Upload) > 0 {
		return fault.New(fault.Conflict, "bucket %q has unfinished uploads", name).WithHint("finish or abort them, then delete it again")
	}
	if err == nil {
		err = b.do(ctx, &Request{Method: http.MethodDelete, Bucket: name}, nil)
	}
	switch code(err) {
	case "NoSuchBucket":
		return nil
	case "BucketNotEmpty":
		return fault.New(fault.Conflict, "bucket %q is not empty", name).WithHint("delete its objects, then delete it again").WithCause(err)
	}
	return err
}

// BucketExists reports whether the bucket is there.
func (b *Backend) BucketExists(ctx context.Context, name string) (bool, error) {
	err := b.do(ctx, &Request{Method: http.MethodHead, Bucket: name}, nil)
	if e, ok := errors.AsType[*refusal](err); ok && e.status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// page is what we read of a listing (ListObjectsV2).
type page struct {
	Contents []struct {
		Size int64
	}
	IsTruncated           bool
	NextContinuationToken string
}

// Usage measures a bucket by listing it.
func (b *Backend) Usage(ctx context.Context, name string) (objectstore.Usage, error) {
	var sum objectstore.Usage
	// Keys may have characters that XML has not, so they are asked for percent-encoded.
	q := url.Values{"list-type": {"2"}, "encoding-type": {"url"}}
	for {
		var p page
		if err := b.do(ctx, &Request{Method: http.MethodGet, Bucket: name, Query: q}, &p); err != nil {
			if code(err) == "NoSuchBucket" {
				err = fault.New(fault.NotFound, "the object store has no bucket %q", name).WithCause(err)
			}
			return objectstore.Usage{}, err
		}
		for _, o := range p.Contents {
			sum.Bytes += o.Size
			sum.Objects++
		}
		if !p.IsTruncated {
			return sum, nil
		}
		if next := p.NextContinuationToken; next == "" || next == q.Get("continuation-token") {
			return objectstore.Usage{}, fmt.Errorf("list bucket %s: the object store does not say how to go on", name)
		}
		q.Set("continuation-token", p.NextContinuationToken)
	}
}

// refusal is an answer that is an error.
type refusal struct {
	status  int
	Code    string
	Message string
}

func (r *refusal) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the object store answers %d %s %s", r.status, r.Code, r.Message))
}

// code returns the S3 error code in err, or "".
func code(err error) string {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.Code
	}
	return ""
}

// do sends req and decodes the answer into v unless it is nil. An answer that is an error comes
// back as a refusal; if it says "not now", within an Unavailable fault.
func (b *Backend) do(ctx context.Context, req *Request, v any) error {
	resp, err := b.Client.Do(ctx, req)
	if err != nil {
		return err
	}
	defer resp.Close()
	if resp.Status < 300 {
		if v == nil {
			_, err := io.CopyN(io.Discard, resp, maxError) // so that the connection can be kept
			return ignoreEOF(err)
		}
		if err := xml.NewDecoder(io.LimitReader(resp, maxPage)).Decode(v); err != nil {
			return fmt.Errorf("read the answer of the object store: %w", err)
		}
		_, err := io.CopyN(io.Discard, resp, maxError)
		return ignoreEOF(err)
	}
	r := &refusal{status: resp.Status}
	if req.Method != http.MethodHead {
		// What cannot be decoded leaves the status, which says enough.
		_ = xml.NewDecoder(io.LimitReader(resp, maxError)).Decode(r)
	}
	if r.status >= 500 || r.status == http.StatusTooManyRequests {
		return notNow(r)
	}
	return r
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
