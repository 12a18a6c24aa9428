package s3_test

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
)

var _ objectstore.Backend = (*s3.Backend)(nil)

func TestBackend(t *testing.T) {
	for name, start := range map[string]func(testing.TB) objectstore.Upstream{"engine": engine, "minio": minio} {
		t.Run(name, func(t *testing.T) {
			u := start(t)
			client := s3.New(u, s3.Limits{}, time.Now)
			t.Cleanup(client.Close)
			b := &s3.Backend{Client: client}
			t.Run("buckets", func(t *testing.T) { buckets(t, b) })
			t.Run("usage", func(t *testing.T) { usage(t, b) })
			t.Run("uploads", func(t *testing.T) { uploads(t, b, name) })
			t.Run("objects", func(t *testing.T) { roundTrip(t, client) })
			t.Run("wrong keys", func(t *testing.T) {
				wrong := u
				wrong.Keys.SecretAccessKey += "x"
				_, err := (&s3.Backend{Client: s3.New(wrong, s3.Limits{}, time.Now)}).Usage(t.Context(), "usage")
				if fault.CodeOf(err) != fault.Internal || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
					t.Error(err) // it is the operator's to repair
				}
			})
		})
	}
}

func buckets(t *testing.T, b *s3.Backend) {
	ctx := t.Context()
	exists := func(want bool) {
		t.Helper()
		if got, err := b.BucketExists(ctx, "proj.data"); got != want || err != nil {
			t.Fatalf("exists: %v, %v; want %v", got, err, want)
		}
	}
	exists(false)
	for range 2 {
		if err := b.CreateBucket(ctx, "proj.data"); err != nil {
			t.Fatal(err)
		}
		exists(true)
	}
	put(t, b.Client, "proj.data", "o", "x")
	if err := b.DeleteBucket(ctx, "proj.data"); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("deleting a full bucket: %v", err)
	}
	exists(true)
	ask(t, b.Client, &s3.Request{Method: "DELETE", Bucket: "proj.data", Key: "o"}, 204)
	for range 2 {
		if err := b.DeleteBucket(ctx, "proj.data"); err != nil {
			t.Fatal(err)
		}
		exists(false)
	}
}

func usage(t *testing.T, b *s3.Backend) {
	ctx := t.Context()
	if _, err := b.Usage(ctx, "usage"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("usage of no bucket: %v", err)
	}
	if err := b.CreateBucket(ctx, "usage"); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Usage(ctx, "usage"); err != nil || got != (objectstore.Usage{}) {
		t.Errorf("empty: %v, %v", got, err)
	}
	const n = 1100 // more than a page
	var g errgroup.Group
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error {
			put(t, b.Client, "usage", fmt.Sprintf("dir %d/ä&<%d>+\x01", i%7, i), "12345")
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Usage(ctx, "usage"); err != nil || got != (objectstore.Usage{Bytes: 5 * n, Objects: n}) {
		t.Errorf("%+v, %v; want %d objects of 5 bytes", got, err, n)
	}
}

// uploads carries out a multipart upload and looks at the bucket meanwhile.
func uploads(t *testing.T, b *s3.Backend, store string) {
	if err := b.CreateBucket(t.Context(), "uploads"); err != nil {
		t.Fatal(err)
	}
	var begun struct{ UploadId string }
	decode(t, ask(t, b.Client, &s3.Request{Method: "POST", Bucket: "uploads", Key: "big", Query: url.Values{"uploads": {""}}}, 200), &begun)
	if store == "engine" { // MinIO shows uploads to those only who know the key
		if err := b.DeleteBucket(t.Context(), "uploads"); fault.CodeOf(err) != fault.Conflict {
			t.Errorf("deleting a bucket with an unfinished upload: %v", err)
		}
	}
	part := bytes.Repeat([]byte("0123456789abcdef"), 5<<16)
	done := "<CompleteMultipartUpload>"
	for i := 1; i <= 2; i++ {
		resp, err := b.Client.Do(t.Context(), &s3.Request{Method: "PUT", Bucket: "uploads", Key: "big", Body: bytes.NewReader(part), ContentLength: int64(len(part)),
			Query: url.Values{"partNumber": {fmt.Sprint(i)}, "uploadId": {begun.UploadId}}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Close()
		done += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i, resp.Header.Get("Etag"))
	}
	done += "</CompleteMultipartUpload>"
	ask(t, b.Client, &s3.Request{Method: "POST", Bucket: "uploads", Key: "big", Query: url.Values{"uploadId": {begun.UploadId}},
		Body: strings.NewReader(done), ContentLength: int64(len(done))}, 200)
	if got, err := b.Usage(t.Context(), "uploads"); err != nil || got != (objectstore.Usage{Bytes: 2 * int64(len(part)), Objects: 1}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// roundTrip passes bodies of all sizes, and parts of them.
func roundTrip(t *testing.T, c *s3.Client) {
	ask(t, c, &s3.Request{Method: "PUT", Bucket: "objects"}, 200)
	for _, size := range []int{0, 1, 4096, 16<<10 + 1, 1 << 20, 9<<20 + 5} {
		content := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		put(t, c, "objects", "dir/o", content)
		ask(t, c, &s3.Request{Method: "PUT", Bucket: "objects", Key: "copy", Header: []s3.Field{{Name: "X-Amz-Copy-Source", Value: "/objects/dir/o"}}}, 200)
		for _, key := range []string{"dir/o", "copy"} {
			if got := ask(t, c, &s3.Request{Method: "GET", Bucket: "objects", Key: key}, 200); got != content {
				t.Errorf("%d bytes came back as %d from %s", size, len(got), key)
			}
		}
		if size < 4096 {
			continue
		}
		part := &s3.Request{Method: "GET", Bucket: "objects", Key: "dir/o", Header: []s3.Field{{Name: "Range", Value: fmt.Sprintf("bytes=7-%d", size-3)}}}
		if got := ask(t, c, part, 206); got != content[7:size-2] {
			t.Errorf("a part of %d bytes came back as %d", size-9, len(got))
		}
	}
}

func TestBackendDown(t *testing.T) {
	b := &s3.Backend{Client: s3.New(to("unix", t.TempDir()+"/none"), s3.Limits{}, time.Now)}
	_, existsErr := b.BucketExists(t.Context(), "b")
	_, usageErr := b.Usage(t.Context(), "b")
	for _, err := range []error{b.CreateBucket(t.Context(), "b"), b.DeleteBucket(t.Context(), "b"), existsErr, usageErr} {
		if fault.CodeOf(err) != fault.Unavailable {
			t.Error(err)
		}
	}
}

// TestBackendAnswers holds what services say that neither the engine nor MinIO does here.
func TestBackendAnswers(t *testing.T) {
	document := func(status, text string) string {
		return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s", status, len(text), text)
	}
	create := func(b *s3.Backend) error { return b.CreateBucket(t.Context(), "b") }
	remove := func(b *s3.Backend) error { return b.DeleteBucket(t.Context(), "b") }
	exists := func(b *s3.Backend) error { _, err := b.BucketExists(t.Context(), "b"); return err }
	measure := func(b *s3.Backend) error { _, err := b.Usage(t.Context(), "b"); return err }
	for _, tt := range []struct {
		name, answer string
		call         func(*s3.Backend) error
		want         fault.Code
	}{
		{"owned by us", document("409 Conflict", "<Error><Code>BucketAlreadyOwnedByYou</Code></Error>"), create, ""},
		{"owned by others", document("409 Conflict", "<Error><Code>BucketAlreadyExists</Code></Error>"), create, fault.Conflict},
		{"busy", document("503 Slow Down", "<Error><Code>SlowDown</Code></Error>"), create, fault.Unavailable},
		{"a proxy's page", document("502 Bad Gateway", "<html><body><p>oops<br></html>"), remove, fault.Unavailable},
		{"too many", document("429 Too Many Requests", ""), remove, fault.Unavailable},
		{"forbidden", document("403 Forbidden", "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"), remove, fault.Internal},
		{"forbidden head", "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n", exists, fault.Internal},
		{"no XML", document("200 OK", "hello"), measure, fault.Internal},
		{"no token", document("200 OK", "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"), measure, fault.Internal},
		{"the same token", document("200 OK", "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></ListBucketResult>"), measure, fault.Internal},
		{"endless", document("200 OK", "<ListBucketResult>"+strings.Repeat("<Contents><Size>1</Size></Contents>", 1<<18)), measure, fault.Internal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := play(t, func(_ int, c *bufio.ReadWriter, _ net.Conn) {
				for {
					if _, _, err := request(c); err != nil {
						return
					}
					say(c, tt.answer)
				}
			})
			if err := tt.call(&s3.Backend{Client: s.client(s3.Limits{})}); fault.CodeOf(err) != tt.want {
				t.Errorf("%q: %v", fault.CodeOf(err), err)
			}
		})
	}
}

func TestBucketInAnotherRegion(t *testing.T) {
	seen := make(chan string, 1)
	s := play(t, func(_ int, c *bufio.ReadWriter, _ net.Conn) {
		if _, b, err := request(c); err == nil {
			seen <- string(b)
			say(c, answer(""))
		}
	})
	s.at.Region = "eu-north-1"
	if err := (&s3.Backend{Client: s.client(s3.Limits{})}).CreateBucket(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if got := <-seen; !strings.Contains(got, "<LocationConstraint>eu-north-1</LocationConstraint>") {
		t.Errorf("sent %q", got)
	}
}

func put(t *testing.T, c *s3.Client, bucket, key, content string) {
	t.Helper()
	ask(t, c, &s3.Request{Method: "PUT", Bucket: bucket, Key: key, Body: strings.NewReader(content), ContentLength: int64(len(content))}, 200)
}

// ask sends req, expects status, and returns the body.
func ask(t *testing.T, c *s3.Client, req *s3.Request, status int) string {
	t.Helper()
	resp, err := c.Do(t.Context(), req)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer resp.Close()
	b, err := io.ReadAll(resp)
	if err != nil || resp.Status != status {
		t.Errorf("%s %s/%s: status %d, want %d, %v: %.300s", req.Method, req.Bucket, req.Key, resp.Status, status, err, b)
	}
	return string(b)
}

func decode(t *testing.T, document string, v any) {
	t.Helper()
	if err := xml.Unmarshal([]byte(document), v); err != nil {
		t.Fatal(err)
	}
}
