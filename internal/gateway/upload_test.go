package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/gateway"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
	"github.com/lanyardhq/lanyard/internal/project"
)

func between(s, from, to string) string {
	_, after, _ := strings.Cut(s, from)
	inner, _, _ := strings.Cut(after, to)
	return inner
}

func TestMultipartUpload(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	begun := w.want(request{method: "POST", path: "/data/big%20one", query: "uploads", key: k,
		header: map[string]string{"Content-Type": "text/plain", "X-Amz-Acl": "public-read", "X-Amz-Checksum-Algorithm": "CRC32", "X-Amz-Checksum-Type": "COMPOSITE"}}, 200, "").body
	id := between(begun, "<UploadId>", "</UploadId>")
	if !strings.Contains(begun, "<Bucket>data</Bucket>") || !strings.Contains(begun, "<Key>big one</Key>") || id == "" {
		t.Fatalf("begun: %s", begun)
	}
	parts := []string{strings.Repeat("a", 5<<20), strings.Repeat("b", 1000)}
	done := "<CompleteMultipartUpload>"
	for i, part := range parts {
		q := request{method: "PUT", path: "/data/big%20one", query: fmt.Sprintf("partNumber=%d&uploadId=%s", i+1, id), key: k, body: part}
		if i == 1 { // with a trailing checksum, which is verified here and confirmed to the client
			q.body, q.hash = chunked(part, crc(part)), "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
			q.header = chunkedHeader(part)
		}
		a := w.want(q, 200, "")
		if i == 1 && a.header.Get("X-Amz-Checksum-Crc32") != crc(part) {
			t.Errorf("a part's checksum is confirmed as %q", a.header.Get("X-Amz-Checksum-Crc32"))
		}
		done += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag><ChecksumCRC32>%s</ChecksumCRC32></Part>", i+1, a.header.Get("Etag"), crc(part))
	}
	if list := w.want(request{method: "GET", path: "/data", query: "uploads", key: k}, 200, "").body; !strings.Contains(list, "<Bucket>data</Bucket>") || !strings.Contains(list, id) || strings.Contains(list, engine.Upstream().Keys.AccessKeyID) {
		t.Errorf("uploads: %s", list)
	}
	if list := w.want(request{method: "GET", path: "/data/big%20one", query: "uploadId=" + id, key: k}, 200, "").body; !strings.Contains(list, "<Bucket>data</Bucket>") || strings.Count(list, "<PartNumber>") != 2 {
		t.Errorf("parts: %s", list)
	}
	a := w.want(request{method: "POST", path: "/data/big%20one", query: "uploadId=" + id, key: k, body: done + "</CompleteMultipartUpload>"}, 200, "")
	if !strings.Contains(a.body, "<Bucket>data</Bucket>") || !strings.Contains(a.body, "<Location>"+w.server.URL+"/data/big%20one</Location>") || strings.Contains(a.body, w.broker.unique) {
		t.Errorf("completed: %s", a.body)
	}
	got := w.want(request{method: "GET", path: "/climate:data/big%20one"}, 200, "")
	if got.body != parts[0]+parts[1] || got.header.Get("Content-Type") != "text/plain" {
		t.Errorf("read back %d bytes, %v", len(got.body), got.header)
	}

	second := between(w.want(request{method: "POST", path: "/data/second", query: "uploads", key: k}, 200, "").body, "<UploadId>", "</UploadId>")
	part := w.want(request{method: "PUT", path: "/data/second", query: "partNumber=1&uploadId=" + second, key: k,
		header: map[string]string{"X-Amz-Copy-Source": "data/big%20one", "X-Amz-Copy-Source-Range": "bytes=5242880-5242889"}}, 200, "")
	if !strings.Contains(part.body, "CopyPartResult") {
		t.Errorf("copied part: %s", part.body)
	}
	w.want(request{method: "DELETE", path: "/data/second", query: "uploadId=" + second, key: k}, 204, "")
	w.want(request{method: "GET", path: "/data/second", query: "uploadId=" + second, key: k}, 404, "NoSuchUpload")
	w.want(request{method: "POST", path: "/data/second", query: "uploadId=" + second, key: k, body: "<CompleteMultipartUpload"}, 400, "MalformedXML")
}

func crc(s string) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], crc32.ChecksumIEEE([]byte(s)))
	return base64.StdEncoding.EncodeToString(b[:])
}

// chunked is an aws-chunked body with an unsigned trailer.
func chunked(s, checksum string) string {
	if s == "" {
		return "0\r\nx-amz-checksum-crc32:" + checksum + "\r\n\r\n"
	}
	return fmt.Sprintf("%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n", len(s), s, checksum)
}

func chunkedHeader(s string) map[string]string {
	return map[string]string{"Content-Encoding": "aws-chunked,gzip", "X-Amz-Decoded-Content-Length": fmt.Sprint(len(s)), "X-Amz-Trailer": "x-amz-checksum-crc32"}
}

func TestBadBodiesLeaveNothing(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	for _, size := range []int{0, 10, 100_000, 3 << 20} {
		body := strings.Repeat("x", size)
		trailer := "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
		if size > 0 {
			w.want(request{method: "PUT", path: "/data/hash", key: k, body: body, hash: strings.Repeat("a", 64)}, 400, "XAmzContentSHA256Mismatch")
			w.want(request{method: "PUT", path: "/data/length", key: k, body: chunked(body, crc(body)), hash: trailer, header: chunkedHeader(body + "y")}, 400, "IncompleteBody")
			w.want(request{method: "PUT", path: "/data/more", key: k, body: chunked(body+"y", crc(body)), hash: trailer, header: chunkedHeader(body)}, 400, "IncompleteBody")
		}
		w.want(request{method: "PUT", path: "/data/trailer", key: k, body: chunked(body, crc(body+"y")), hash: trailer, header: chunkedHeader(body)}, 400, "BadDigest")
		w.want(request{method: "PUT", path: "/data/md5", key: k, body: body, hash: "UNSIGNED-PAYLOAD", header: map[string]string{"Content-Md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}},
			map[bool]int{true: 200, false: 400}[size == 0], map[bool]string{true: "", false: "BadDigest"}[size == 0])
		w.want(request{method: "PUT", path: "/data/crc", key: k, body: body, header: map[string]string{"X-Amz-Checksum-Crc32": crc(body + "y")}}, 400, "BadDigest")
		w.want(request{method: "PUT", path: "/data/good", key: k, body: chunked(body, crc(body)), hash: trailer, header: chunkedHeader(body)}, 200, "")
		if a := w.want(request{method: "GET", path: "/data/good", key: k}, 200, ""); a.body != body || a.header.Get("Content-Encoding") != "gzip" {
			t.Errorf("read back %d of %d bytes, %v", len(a.body), size, a.header)
		}
	}
	if got := w.contents("prj_c", "data"); got != "good md5" {
		t.Errorf("the store holds %q", got)
	}
}

func TestUploadsThatAreCutOffLeaveNothing(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	for _, size := range []int{1000, 1 << 20} {
		r := w.build(request{method: "PUT", path: "/data/cut", key: k, hash: "UNSIGNED-PAYLOAD", header: map[string]string{"Content-Length": fmt.Sprint(size)}})
		conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = int64(size)
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat("x", size/2)), failing{}))
		_ = r.Write(conn)
		conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, conn) // until the gateway is done with it
		conn.Close()
	}
	w.server.Close()
	if got := w.contents("prj_c", "data"); got != "" {
		t.Errorf("the store holds %q", got)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestWhatStandsStillIsCutOff sets the clock back, so that every deadline has passed already.
func TestWhatStandsStillIsCutOff(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	big := strings.Repeat("x", 30<<20)
	w.put(k, "/data/big", big)
	w.set(-time.Hour)
	dial := func(q request, length int) net.Conn {
		conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		r := w.build(q)
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", q.method, q.path, r.URL.Host, length)
		r.Header.Write(conn)
		fmt.Fprint(conn, "\r\n")
		return conn
	}
	up := dial(request{method: "PUT", path: "/data/slow", key: k, hash: "UNSIGNED-PAYLOAD"}, 1<<20)
	defer up.Close()
	fmt.Fprint(up, strings.Repeat("x", 1000)) // and no more
	resp, err := http.ReadResponse(bufio.NewReader(up), nil)
	if err != nil || resp.StatusCode != 400 || resp.Header.Get("X-Amz-Error-Code") != "RequestTimeout" {
		t.Errorf("a stalled upload: %v, %v", resp, err)
	}
	down := dial(request{method: "GET", path: "/data/big", key: k}, 0)
	defer down.Close()
	if got, err := io.ReadAll(down); err == nil && len(got) > len(big) {
		t.Errorf("a stalled download ended with %d bytes, %v", len(got), err)
	}
	if got := w.contents("prj_c", "data"); got != "big" {
		t.Errorf("the store holds %q", got)
	}
}

func TestQuota(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	w.put(k, "/data/k", strings.Repeat("x", 60))
	w.project(project.Project{ID: "prj_c", Name: "climate", QuotaBytes: 100, UsedBytes: 60, UsedAt: w.now()})
	w.broker.bytes = 60
	full := func(q request) {
		t.Helper()
		q.key = k
		a := w.want(q, 403, "QuotaExceeded")
		if m := messageOf(a.body); !strings.Contains(m, "of its quota of 100 bytes") || !strings.Contains(m, "delete what is no longer needed") {
			t.Errorf("the message is %q", m)
		}
	}
	full(request{method: "PUT", path: "/data/new", body: strings.Repeat("x", 41)})
	full(request{method: "PUT", path: "/data/copy", header: map[string]string{"X-Amz-Copy-Source": "/data/k"}})
	id := between(w.want(request{method: "POST", path: "/data/parts", query: "uploads", key: k}, 200, "").body, "<UploadId>", "</UploadId>")
	full(request{method: "PUT", path: "/data/parts", query: "partNumber=1&uploadId=" + id, body: strings.Repeat("x", 41)})
	long := strings.Repeat("x", 41) // what counts is the decoded length
	full(request{method: "PUT", path: "/data/new", body: chunked(long, crc(long)), hash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER", header: chunkedHeader(long)})
	w.want(request{method: "PUT", path: "/data/empty", key: k}, 200, "")
	w.want(request{method: "PUT", path: "/data/fits", key: k, body: strings.Repeat("x", 40)}, 200, "")
	w.broker.mu.Lock()
	w.broker.bytes = 100
	w.broker.mu.Unlock()
	full(request{method: "PUT", path: "/data/new", body: "x"})
	// Deleting is always possible, in both forms, and what it frees is found when it is needed.
	w.want(request{method: "DELETE", path: "/data/fits", key: k}, 204, "")
	w.want(request{method: "POST", path: "/data", query: "delete", key: k, body: "<Delete><Object><Key>k</Key></Object></Delete>"}, 200, "")
	w.broker.mu.Lock()
	w.broker.bytes = 0
	w.broker.mu.Unlock()
	w.set(time.Minute)
	w.want(request{method: "PUT", path: "/data/new", key: k, body: strings.Repeat("x", 100)}, 200, "")
	if got := w.contents("prj_c", "data"); got != "empty new" {
		t.Errorf("the store holds %q", got)
	}
}

// TestRefusedBeforeTheBodyIsSent speaks HTTP by hand: a client that waits for "100 Continue" gets
// the refusal in its place.
func TestRefusedBeforeTheBodyIsSent(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	w.project(project.Project{ID: "prj_c", Name: "climate", QuotaBytes: 100})
	ended := w.newKey("prj_c", `{"mode":"read"}`)
	const huge = 1 << 40
	for _, c := range []struct {
		key    key
		expect string
		code   string
	}{{k, "100-continue", "QuotaExceeded"}, {ended, "100-continue", "AccessDenied"}, {key{id: k.id, secret: "wrong"}, "100-continue", "SignatureDoesNotMatch"}} {
		r := w.build(request{method: "PUT", path: "/data/huge", key: c.key, hash: "UNSIGNED-PAYLOAD"})
		conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT /data/huge HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: %s\r\n", r.URL.Host, int64(huge), c.expect)
		r.Header.Write(conn)
		fmt.Fprint(conn, "\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 403 || resp.Header.Get("X-Amz-Error-Code") != c.code {
			t.Errorf("answered %s %s, want %s", resp.Status, resp.Header.Get("X-Amz-Error-Code"), c.code)
		}
		resp.Body.Close()
		conn.Close()
	}
	w.want(request{method: "PUT", path: "/data/k", key: k, body: "x", header: map[string]string{"Expect": "100-continue"}}, 200, "")
}

// TestRefusalReachesAClientThatSendsOn writes its whole body before it looks at the answer.
func TestRefusalReachesAClientThatSendsOn(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	w.project(project.Project{ID: "prj_c", Name: "climate", QuotaBytes: 100})
	body := bytes.Repeat([]byte("x"), 20<<20)
	r := w.build(request{method: "PUT", path: "/data/big", key: k, hash: "UNSIGNED-PAYLOAD"})
	conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /data/big HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.URL.Host, len(body))
	r.Header.Write(conn)
	fmt.Fprint(conn, "\r\n")
	if _, err := conn.Write(body); err != nil {
		t.Fatalf("cut off while sending: %v", err)
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, r)
	if err != nil || resp.Header.Get("X-Amz-Error-Code") != "QuotaExceeded" {
		t.Fatalf("answered %v, %v", resp, err)
	}
	io.Copy(io.Discard, resp.Body)
	// The connection goes on.
	if err := w.build(request{method: "GET", path: "/data", key: k}).Write(conn); err != nil {
		t.Fatal(err)
	}
	if resp, err = http.ReadResponse(in, r); err != nil || resp.StatusCode != 200 {
		t.Errorf("the next request on the connection: %v, %v", resp, err)
	}
}

func TestLengthIsAskedFor(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	r := w.build(request{method: "PUT", path: "/data/k", key: k, hash: "UNSIGNED-PAYLOAD"})
	r.ContentLength = -1
	r.Body = io.NopCloser(strings.NewReader("of unknown length"))
	if a := w.send(r); a.status != 411 || a.code != "MissingContentLength" {
		t.Errorf("%d %s", a.status, a.code)
	}
}

// post sends a form whose fields come before the file, with a policy signed by version 2, which
// needs no date.
func (w *world) post(k key, path, policy string, fields [][2]string, file string) answer {
	w.t.Helper()
	encoded := base64.StdEncoding.EncodeToString([]byte(policy))
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if k.id != "" {
		fields = append(fields, [][2]string{{"AWSAccessKeyId", k.id}, {"policy", encoded}, {"signature", v2(k, encoded)}}...)
	}
	for _, f := range fields {
		form.WriteField(f[0], f[1])
	}
	part, err := form.CreateFormFile("file", "photo.jpg")
	if err != nil {
		w.t.Fatal(err)
	}
	io.WriteString(part, file)
	form.WriteField("submit", "Upload") // as browsers do after the file
	form.Close()
	r, err := http.NewRequest("POST", w.server.URL+path, &body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	return w.send(r)
}

func TestPostForm(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	reader := w.newKey("prj_c", `{"mode":"custom","grants":[{"bucket":"data","prefix":"other/","write":true}]}`)
	w.bucket(k, "data")
	policy := fmt.Sprintf(`{"expiration":%q,"conditions":[{"bucket":"data"},["starts-with","$key","up/"],{"acl":"public-read"},["starts-with","$Content-Type",""],
		["starts-with","$x-amz-meta-colour",""],["starts-with","$success_action_status",""],["starts-with","$success_action_redirect",""],["content-length-range",1,1000]]}`,
		w.now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000Z"))
	fields := func(more ...string) [][2]string {
		f := [][2]string{{"key", "up/${filename}"}, {"acl", "public-read"}, {"Content-Type", "image/jpeg"}, {"x-amz-meta-colour", "blue"}}
		for i := 0; i+1 < len(more); i += 2 {
			f = append(f, [2]string{more[i], more[i+1]})
		}
		return f
	}
	if a := w.post(k, "/data", policy, fields(), "pixels"); a.status != 204 || a.header.Get("Etag") == "" {
		t.Errorf("posted: %d %s", a.status, a.body)
	}
	if a := w.want(request{method: "GET", path: "/climate:data/up/photo.jpg"}, 200, ""); a.body != "pixels" || a.header.Get("Content-Type") != "image/jpeg" || a.header.Get("X-Amz-Meta-Colour") != "blue" {
		t.Errorf("read back %q %v", a.body, a.header)
	}
	if a := w.post(k, "/data", policy, fields("success_action_status", "201"), "pixels"); a.status != 201 || !strings.Contains(a.body, "<Bucket>data</Bucket><Key>up/photo.jpg</Key>") || !strings.Contains(a.body, "<Location>"+w.server.URL+"/data/up/photo.jpg</Location>") {
		t.Errorf("posted: %d %s", a.status, a.body)
	}
	if a := w.post(k, "/data", policy, fields("success_action_redirect", "https://lab.example/done?x=1"), "pixels"); a.status != 303 || !strings.HasPrefix(a.header.Get("Location"), "https://lab.example/done?bucket=data&etag=") {
		t.Errorf("posted: %d %v", a.status, a.header)
	}
	wrong := k
	wrong.secret = "wrong"
	for _, c := range []struct {
		key    key
		path   string
		fields [][2]string
		file   string
		code   string
	}{
		{wrong, "/data", fields(), "x", "SignatureDoesNotMatch"},
		{key{}, "/data", fields(), "x", "AccessDenied"},
		{reader, "/data", fields(), "x", "AccessDenied"},
		{k, "/data", [][2]string{{"key", "elsewhere/x"}, {"acl", "public-read"}, {"Content-Type", ""}}, "x", "AccessDenied"},
		{k, "/data", [][2]string{{"key", "up/../x"}, {"acl", "public-read"}, {"Content-Type", ""}}, "x", "InvalidArgument"},
		{k, "/data", fields("x-amz-server-side-encryption", "AES256"), "x", "AccessDenied"}, // not in the policy
		{k, "/data", fields(), "", "EntityTooSmall"},
		{k, "/data", fields(), strings.Repeat("x", 1001), "EntityTooLarge"},
		{k, "/none", fields(), "x", "NoSuchBucket"},
		{k, "/ocean:data", fields(), "x", "AccessDenied"},
	} {
		if a := w.post(c.key, c.path, policy, c.fields, c.file); a.code != c.code {
			t.Errorf("%s %v: %d %s, want %s", c.path, c.fields, a.status, a.code, c.code)
		}
	}
	if got := w.contents("prj_c", "data"); got != "up/photo.jpg" {
		t.Errorf("the store holds %q", got)
	}
}

func TestStoreThatIsDown(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) {
		c.Upstream = s3.New(objectstore.Upstream{Network: "unix", Address: "/nonexistent/socket", Host: "x", Keys: engine.Upstream().Keys, Region: "us-east-1"}, s3.Limits{}, time.Now)
	})
	k := w.newKey("prj_c", "")
	w.bucket(k, "data") // made by the broker, which has a store of its own here
	for _, q := range []request{{method: "GET"}, {method: "HEAD"}, {method: "PUT", body: "x"}, {method: "DELETE"}} {
		q.path, q.key = "/data/k", k
		if a := w.want(q, 503, "ServiceUnavailable"); a.header.Get("Retry-After") != "1" || a.header.Get("X-Amz-Error-Message") == "" {
			t.Errorf("%s: %v", q.method, a.header)
		}
	}
	if w.want(request{method: "GET", path: "/", key: k}, 200, ""); false {
		t.Fatal()
	}
}

func TestUsesAreReported(t *testing.T) {
	var w *world
	var k key
	t.Cleanup(func() { // after the gateway has stopped, which reports what is left
		uses := w.broker.uses
		if len(uses) != 1 || uses[0].CredentialID != k.credential || uses[0].By != "rclone/v1.60.1-DEV from 127.0.0.1" {
			t.Errorf("reported: %v", uses)
		}
	})
	w = newWorld(t)
	k = w.newKey("prj_c", "")
	w.want(request{method: "GET", path: "/none/k", key: w.newKey("prj_o", "")}, 404, "NoSuchBucket") // refused
	w.want(request{method: "GET", path: "/", key: k, header: map[string]string{"User-Agent": "rclone/v1.60.1-DEV (linux)"}}, 200, "")
	wrong := w.newKey("prj_c", "")
	wrong.secret = "wrong"
	w.want(request{method: "GET", path: "/data/none", key: wrong}, 403, "SignatureDoesNotMatch")
}
