package gateway_test

import (
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/gateway"
	"github.com/lanyardhq/lanyard/internal/project"
)

func TestObjectsComeAndGo(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	w.put(k, "/data/dir/hello.txt", "hello", "Content-Type", "text/plain", "X-Amz-Meta-Colour", "blue", "Cache-Control", "no-cache")
	got := w.want(request{method: "GET", path: "/data/dir/hello.txt", key: k}, 200, "")
	for name, want := range map[string]string{"Content-Type": "text/plain", "X-Amz-Meta-Colour": "blue", "Cache-Control": "no-cache",
		"Content-Length": "5", "Etag": `"5d41402abc4b2a76b9719d911017c592"`, "Server": ""} {
		if got.header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
		}
	}
	if got.body != "hello" {
		t.Errorf("read back %q", got.body)
	}
	head := w.want(request{method: "HEAD", path: "/data/dir/hello.txt", key: k}, 200, "")
	if head.header.Get("Content-Length") != "5" || head.header.Get("X-Amz-Meta-Colour") != "blue" {
		t.Errorf("HEAD: %v", head.header)
	}
	part := w.want(request{method: "GET", path: "/data/dir/hello.txt", key: k, header: map[string]string{"Range": "bytes=1-3"}}, 206, "")
	if part.body != "ell" || part.header.Get("Content-Range") != "bytes 1-3/5" {
		t.Errorf("range: %q %v", part.body, part.header)
	}
	w.want(request{method: "GET", path: "/data/dir/hello.txt", key: k, header: map[string]string{"If-None-Match": got.header.Get("Etag")}}, 304, "")
	w.want(request{method: "GET", path: "/data/dir/hello.txt", key: k, header: map[string]string{"If-Match": `"other"`}}, 412, "PreconditionFailed")
	w.want(request{method: "HEAD", path: "/data/dir/hello.txt", key: k, header: map[string]string{"If-Match": `"other"`}}, 412, "PreconditionFailed")
	w.want(request{method: "GET", path: "/data/dir/hello.txt", key: k, header: map[string]string{"Range": "bytes=99-"}}, 416, "InvalidRange")
	over := w.want(request{method: "GET", path: "/data/dir/hello.txt", query: "response-content-type=image%2Fpng&response-content-disposition=attachment%3B%20filename%3D%22a%20b%22", key: k}, 200, "")
	if over.header.Get("Content-Type") != "image/png" || over.header.Get("Content-Disposition") != `attachment; filename="a b"` {
		t.Errorf("overrides: %v", over.header)
	}
	w.want(request{method: "PUT", path: "/data/dir/hello.txt", query: "tagging", key: k, body: `<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>`}, 200, "")
	if tags := w.want(request{method: "GET", path: "/data/dir/hello.txt", query: "tagging", key: k}, 200, ""); !strings.Contains(tags.body, "<Key>a</Key>") {
		t.Errorf("tags: %s", tags.body)
	}
	w.want(request{method: "DELETE", path: "/data/dir/hello.txt", query: "tagging", key: k}, 204, "")
	w.want(request{method: "DELETE", path: "/data", key: k}, 409, "BucketNotEmpty")
	w.want(request{method: "DELETE", path: "/data/dir/hello.txt", key: k}, 204, "")
	w.want(request{method: "GET", path: "/data/dir/hello.txt", key: k}, 404, "NoSuchKey")
	missing := w.want(request{method: "HEAD", path: "/data/dir/hello.txt", key: k}, 404, "NoSuchKey")
	if missing.header.Get("X-Amz-Error-Message") == "" {
		t.Error("HEAD of a missing object tells no message")
	}
	w.want(request{method: "DELETE", path: "/data", key: k}, 204, "")
	w.want(request{method: "HEAD", path: "/data", key: k}, 404, "NoSuchBucket")
}

func TestKeysOfSpecialCharacters(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	var want []string
	for i, c := range []struct{ path, key string }{
		{"/data/a%20b%2Bc", "a b+c"}, {"/data/%C3%A5/%E2%82%AC", "å/€"}, {"/data/d%2Fe", "d/e"},
		{"/data/100%25", "100%"}, {"/data/...", "..."}, {"/data/a&amp;%3Cb%3E", "a&amp;<b>"}, {"/data/q%3Fx%3D1", "q?x=1"},
		{"/data/climate:x", "climate:x"}, {"/data/.hidden/..x", ".hidden/..x"}, {"/data/tilde~'()!*", "tilde~'()!*"}, {"/data/back%5Cslash", `back\slash`},
	} {
		w.put(k, c.path, fmt.Sprint(i))
		if got := w.want(request{method: "GET", path: c.path, key: k}, 200, ""); got.body != fmt.Sprint(i) {
			t.Errorf("%s holds %q", c.path, got.body)
		}
		want = append(want, c.key)
	}
	have := " " + w.contents("prj_c", "data") + " "
	for _, key := range want {
		if !strings.Contains(have, " "+key+" ") {
			t.Errorf("the store has no %q, but%s", key, have)
		}
	}
}

func TestHostileKeysTouchNothing(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	w.bucket(k, "other")
	w.put(k, "/other/secret", "secret")
	for _, path := range []string{"/data/../other/secret", "/data/%2e%2e/other/secret", "/data/x/%2e%2e/%2e%2e/other/secret", "/data/%2e%2e%2fother%2fsecret",
		"/data/./x", "/data//x", "/data/x//y", "/data/%2Fx", "/data/x%00y", "/data/%ff", "/data/.sgwtmp/x", "/data/" + strings.Repeat("k", 1025), "//other/secret"} {
		for _, method := range []string{"GET", "PUT", "DELETE", "HEAD"} {
			a := w.do(request{method: method, path: path, key: k, body: map[bool]string{true: "x"}[method == "PUT"]})
			if a.status != 400 || a.header.Get("X-Amz-Error-Message") == "" {
				t.Errorf("%s %.50s: %d %s", method, path, a.status, a.code)
			}
		}
		if strings.HasPrefix(path, "//") {
			continue
		}
		if a := w.do(request{method: "PUT", path: "/data/copy", key: k, header: map[string]string{"X-Amz-Copy-Source": path}}); a.status != 400 {
			t.Errorf("copy of %.50s: %d %s", path, a.status, a.code)
		}
	}
	a := w.want(request{method: "POST", path: "/data", query: "delete", key: k, body: `<Delete><Object><Key>../other/secret</Key></Object><Object><Key>/x</Key></Object><Object><Key></Key></Object></Delete>`}, 200, "")
	if strings.Count(a.body, "<Code>InvalidArgument</Code>") != 3 {
		t.Errorf("deleting hostile keys: %s", a.body)
	}
	for _, query := range []string{"prefix=../other/", "prefix=/", "prefix=.sgwtmp/", "list-type=2&prefix=a%2F%2F", "uploads&prefix=../"} {
		w.want(request{method: "GET", path: "/data", query: query, key: k}, 400, "InvalidArgument")
	}
	// A long name is the store's to refuse, clearly.
	w.want(request{method: "PUT", path: "/data/" + strings.Repeat("k", 300), key: k}, 400, "KeyTooLongError")
	w.want(request{method: "GET", path: "/data/" + strings.Repeat("k", 300), key: k}, 400, "KeyTooLongError")
	if got := w.contents("prj_c", "data") + "|" + w.contents("prj_c", "other"); got != "|secret" {
		t.Errorf("the store holds %q", got)
	}
}

func TestTenancy(t *testing.T) {
	w := newWorld(t)
	climate, ocean := w.newKey("prj_c", ""), w.newKey("prj_o", "")
	w.bucket(climate, "data")
	w.bucket(ocean, "data") // the same name in another project
	w.bucket(ocean, "reef")
	w.put(climate, "/data/k", "climate's")
	w.put(ocean, "/data/k", "ocean's")
	for _, c := range []struct {
		q    request
		want string
	}{
		{request{path: "/data/k", key: climate}, "climate's"},
		{request{path: "/climate:data/k", key: climate}, "climate's"},
		{request{path: "/climate%3Adata/k", key: climate}, "climate's"},
		{request{path: "/data/k", host: "climate.s3.localhost", key: climate}, "climate's"},
		{request{path: "/k", host: "data.climate.s3.localhost:9000", key: climate}, "climate's"},
		{request{path: "/k", host: "data.s3.localhost", key: climate}, "climate's"},
		{request{path: "/k", host: "data.s3.localhost", key: ocean}, "ocean's"},
	} {
		c.q.method = "GET"
		if a := w.want(c.q, 200, ""); a.body != c.want {
			t.Errorf("%s%s: %q", c.q.host, c.q.path, a.body)
		}
	}
	list := w.want(request{method: "GET", path: "/", key: climate}, 200, "").body
	if !strings.Contains(list, "<Name>data</Name>") || strings.Contains(list, "reef") || !strings.Contains(list, "<ID>climate</ID>") {
		t.Errorf("buckets of climate: %s", list)
	}
	// What is another project's looks the same whether it is there or not.
	var bodies []string
	for _, path := range []string{"/ocean:data/k", "/ocean:data/none", "/ocean:none/k", "/nobody:data/k"} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			a := w.want(request{method: method, path: path, key: climate}, 403, "AccessDenied")
			bodies = append(bodies, messageOf(a.body))
		}
		w.want(request{method: "HEAD", path: path, key: climate}, 403, "AccessDenied")
		w.want(request{method: "GET", path: path}, 403, "AccessDenied")
	}
	for _, path := range []string{"/ocean:data", "/ocean:none", "/nobody:none"} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			bodies = append(bodies, messageOf(w.want(request{method: method, path: path, key: climate}, 403, "AccessDenied").body))
		}
	}
	for _, b := range bodies {
		if b != bodies[0] {
			t.Errorf("foreign things differ: %q and %q", b, bodies[0])
		}
	}
	w.want(request{method: "GET", path: "/", host: "ocean.s3.localhost", key: climate}, 403, "AccessDenied")
	w.want(request{method: "GET", path: "/none/k", key: climate}, 404, "NoSuchBucket")
	w.want(request{method: "GET", path: "/No_Bucket/k", key: climate}, 400, "InvalidBucketName")
	w.want(request{method: "PUT", path: "/No_Bucket", key: climate}, 400, "InvalidArgument")
	w.want(request{method: "PUT", path: "/data", key: climate}, 409, "BucketAlreadyOwnedByYou")
	w.want(request{method: "GET", path: "/data/k", host: "evil.org", key: climate}, 400, "InvalidRequest")
	w.want(request{method: "GET", path: "/data/k", key: climate, header: map[string]string{"X-Amz-Expected-Bucket-Owner": "ocean"}}, 403, "AccessDenied")
	w.want(request{method: "PUT", path: "/data/k2", key: climate, header: map[string]string{"X-Amz-Copy-Source": "/ocean:data/k"}}, 403, "AccessDenied")
	if by := w.broker.actors[0]; by.AccountID != "usr_1" || by.Roles["prj_c"] != "user" || by.Operator || by.RequestID == "" || by.Address != "127.0.0.1" {
		t.Errorf("the bucket was made by %+v", by)
	}
}

func messageOf(body string) string {
	_, after, _ := strings.Cut(body, "<Message>")
	message, _, _ := strings.Cut(after, "</Message>")
	return message
}

func TestKeysEnd(t *testing.T) {
	w := newWorld(t)
	admin := w.newKey("prj_c", "")
	w.bucket(admin, "data")
	w.put(admin, "/data/k", "v")
	get := func(k key) request { return request{method: "GET", path: "/data/k", key: k} }
	refused := func(k key, text string) {
		t.Helper()
		a := w.want(get(k), 403, "InvalidAccessKeyId")
		if !strings.Contains(messageOf(a.body), text) {
			t.Errorf("the message is %q, and does not say %q", messageOf(a.body), text)
		}
		head := w.want(request{method: "HEAD", path: "/data/k", key: k}, 403, "InvalidAccessKeyId")
		if !strings.Contains(head.header.Get("X-Amz-Error-Message"), text) {
			t.Errorf("HEAD tells %q", head.header.Get("X-Amz-Error-Message"))
		}
	}

	k := w.newKey("prj_c", "")
	w.want(get(k), 200, "")
	w.amend(k, func(c *credential.Credential) { c.Status, c.Reason = credential.Frozen, credential.FrozenByOwner })
	refused(k, "lanyard s3 key thaw "+k.id)
	w.amend(k, func(c *credential.Credential) { c.Status, c.Reason = credential.Active, "" })
	w.want(get(k), 200, "")
	w.amend(k, func(c *credential.Credential) { c.Status, c.Reason = credential.Frozen, credential.AccountFrozen })
	refused(k, "stopped by the operator")
	w.amend(k, func(c *credential.Credential) {
		c.Status, c.Reason, c.EndedAt = credential.Ending, credential.Deleted, time.Unix(1e9, 0)
	})
	refused(k, "of project climate was deleted at 2001-09-09T01:46:40Z; make a new one with: lanyard s3 key create -p climate")
	w.settle(w.feed.add(entryGone(k.credential)))
	refused(k, "is not known here")

	unknown := key{id: "LYDNOBODYKNOWSTHIS23", secret: strings.Repeat("x", 40)}
	refused(unknown, "lanyard s3 key list")
	wrong := w.newKey("prj_c", "")
	wrong.secret = unknown.secret
	w.want(get(wrong), 403, "SignatureDoesNotMatch")

	p := project.Project{ID: "prj_c", Name: "climate", FrozenAt: w.now()}
	w.project(p)
	refused(admin, "stopped by the operator")
	p.FrozenAt, p.EndsAt = time.Time{}, w.now().Add(-time.Second)
	w.project(p)
	refused(admin, "the project has ended")
}

func TestExpiryAtTheInstant(t *testing.T) {
	w := newWorld(t)
	end := w.now().Add(10 * time.Minute).Truncate(time.Second)
	k := w.newKey("prj_c", "", func(c *credential.Credential) { c.ExpiresAt = end })
	w.bucket(k, "data")
	w.put(k, "/data/k", "v")
	url := w.presign(request{method: "GET", path: "/data/k", key: k}, time.Hour)
	get := func() (signed, presigned answer) {
		r, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return w.do(request{method: "GET", path: "/data/k", key: k}), w.send(r)
	}
	for late := true; late; late = !w.now().Before(end) { // on a busy machine the moment may be over
		w.set(time.Until(end) - 300*time.Millisecond)
		if a, b := get(); (a.status != 200 || b.status != 200) && w.now().Before(end) {
			t.Errorf("just before its end: %d and %d", a.status, b.status)
		}
	}
	w.set(time.Until(end) + time.Millisecond)
	a, b := get()
	for _, a := range []answer{a, b} {
		if a.status != 403 || a.code != "InvalidAccessKeyId" || !strings.Contains(a.body, "expired at "+end.UTC().Format(time.RFC3339)) {
			t.Errorf("at its end: %d %s %s", a.status, a.code, a.body)
		}
	}
}

func TestSignatures(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	w.put(k, "/data/k", "v")
	w.want(request{method: "GET", path: "/data/k", key: k, at: w.now().Add(-14 * time.Minute)}, 200, "")
	skewed := w.want(request{method: "GET", path: "/data/k", key: k, at: w.now().Add(-16 * time.Minute)}, 403, "RequestTimeTooSkewed")
	if !strings.Contains(skewed.body, w.now().UTC().Format("20060102T15")) {
		t.Errorf("the clocks do not show: %s", skewed.body)
	}
	w.want(request{method: "GET", path: "/data/k", key: k, header: map[string]string{"X-Amz-Security-Token": "abc"}}, 400, "InvalidToken")
	r := w.build(request{method: "GET", path: "/data/k", key: k})
	r.URL.Path = "/data/other"
	if a := w.send(r); a.code != "SignatureDoesNotMatch" || !strings.Contains(a.body, "<StringToSign>") || strings.Contains(a.body, k.secret) {
		t.Errorf("an altered path: %s", a.body)
	}
	r = w.build(request{method: "GET", path: "/data/k", key: k})
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 nonsense")
	if a := w.send(r); a.status != 400 {
		t.Errorf("nonsense: %d %s", a.status, a.code)
	}
	// A presigned PUT, with a header that the SDK has put into the query.
	r, err := http.NewRequest("PUT", w.presign(request{method: "PUT", path: "/data/shown", query: "x-amz-acl=public-read", key: k}, time.Minute), strings.NewReader("public"))
	if err != nil {
		t.Fatal(err)
	}
	if a := w.send(r); a.status != 200 {
		t.Errorf("presigned PUT: %d %s", a.status, a.body)
	}
	if a := w.want(request{method: "GET", path: "/climate:data/shown"}, 200, ""); a.body != "public" {
		t.Errorf("what was published by a presigned PUT: %q", a.body)
	}
	w.want(request{method: "GET", path: "/data/k"}, 403, "AccessDenied")
}

func TestVersion2IsASwitch(t *testing.T) {
	for _, on := range []bool{true, false} {
		w := newWorld(t, func(c *gateway.Config) { c.SigV2 = on })
		k := w.newKey("prj_c", "")
		w.bucket(k, "data"+fmt.Sprint(on))
		for _, c := range []struct{ host, path, resource string }{
			{"", "/data" + fmt.Sprint(on) + "/k", "/data" + fmt.Sprint(on) + "/k"},
			{"climate.s3.localhost", "/data" + fmt.Sprint(on) + "/k", "/data" + fmt.Sprint(on) + "/k"},
			{"data" + fmt.Sprint(on) + ".climate.s3.localhost", "/k", "/data" + fmt.Sprint(on) + "/k"},
		} {
			date := w.now().UTC().Format(http.TimeFormat)
			r := w.build(request{method: "PUT", host: c.host, path: c.path, body: "v2", header: map[string]string{"Date": date}})
			r.Header.Set("Authorization", "AWS "+k.id+":"+v2(k, "PUT\n\n\n"+date+"\n"+c.resource))
			a := w.send(r)
			if on && a.status != 200 || !on && a.code != "InvalidRequest" {
				t.Errorf("switch %v, %s%s: %d %s", on, c.host, c.path, a.status, a.body)
			}
		}
	}
}

// TestVersion2Presigned sends headers in the query, as botocore does, and adds unsigned ones.
func TestVersion2Presigned(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	expires := fmt.Sprint(w.now().Add(time.Minute).Unix())
	put := func(path, text, query string) answer {
		t.Helper()
		q := url.Values{"AWSAccessKeyId": {k.id}, "Expires": {expires}, "Signature": {v2(k, "PUT\n\n"+text+path)}}
		return w.do(request{method: "PUT", path: path, query: q.Encode() + query, body: "v2"})
	}
	if a := put("/data/shown", "text/plain\n"+expires+"\nx-amz-acl:public-read\nx-amz-meta-colour:blue\n", "&x-amz-acl=public-read&x-amz-meta-colour=blue&content-type=text/plain"); a.status != 200 {
		t.Errorf("headers in the query: %d %s", a.status, a.body)
	}
	if a := w.want(request{method: "GET", path: "/climate:data/shown"}, 200, ""); a.header.Get("Content-Type") != "text/plain" || a.header.Get("X-Amz-Meta-Colour") != "blue" {
		t.Errorf("read back %v", a.header)
	}
	if a := put("/data/added", "\n"+expires+"\n", "&x-amz-acl=public-read"); a.code != "SignatureDoesNotMatch" {
		t.Errorf("an added header: %d %s", a.status, a.code)
	}
	// Version 2 does not sign this one, so it must mean nothing.
	if a := put("/data/added", "\n"+expires+"\n", "&X-Amz-Acl=public-read"); a.status != 200 {
		t.Errorf("an added parameter: %d %s", a.status, a.body)
	}
	w.want(request{method: "GET", path: "/climate:data/added"}, 403, "AccessDenied")
	if a := put("/data/twice", "\n"+expires+"\nx-amz-acl:private\n", "&x-amz-acl=private&x-amz-acl=public-read"); a.status < 400 {
		t.Errorf("a header twice: %d %s", a.status, a.code)
	}
}

func TestLostFeedClosesTheGateway(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	w.put(k, "/data/k", "v")
	w.feed.fail(errors.New("no database"))
	// The feed stays silent while the gateway's clock goes on.
	w.ahead.Store(int64(6 * time.Second))
	a := w.want(request{method: "PUT", path: "/data/k", key: k}, 503, "ServiceUnavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.want(request{method: "GET", path: "/data/k", key: k}, 200, "")
	w.ahead.Store(int64(61 * time.Second))
	w.want(request{method: "GET", path: "/data/k", key: k}, 503, "ServiceUnavailable")
	w.want(request{method: "GET", path: "/climate:data/k"}, 503, "ServiceUnavailable")
}

func TestBucketsAnswerFromMemory(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	for query, want := range map[string]string{
		"location":   `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">us-east-1</LocationConstraint>`,
		"versioning": `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></VersioningConfiguration>`,
		"acl":        `<Permission>FULL_CONTROL</Permission>`,
	} {
		if a := w.want(request{method: "GET", path: "/data", query: query, key: k}, 200, ""); !strings.Contains(a.body, want) {
			t.Errorf("%s: %s", query, a.body)
		}
	}
	if a := w.want(request{method: "HEAD", path: "/data", key: k}, 200, ""); a.header.Get("X-Amz-Bucket-Region") != "us-east-1" {
		t.Errorf("HEAD bucket: %v", a.header)
	}
	for _, query := range []string{"policy", "lifecycle", "object-lock", "website"} {
		if a := w.do(request{method: "GET", path: "/data", query: query, key: k}); a.status != 404 {
			t.Errorf("GET ?%s: %d %s", query, a.status, a.code)
		}
		w.want(request{method: "PUT", path: "/data", query: query, key: k, body: "x"}, 501, "NotImplemented")
	}
	w.want(request{method: "PUT", path: "/data", query: "versioning", key: k, body: "x"}, 501, "NotImplemented")
	w.want(request{method: "PUT", path: "/data/k", query: "retention", key: k, body: "x"}, 501, "NotImplemented")
	w.want(request{method: "PUT", path: "/data/k", key: k, header: map[string]string{"X-Amz-Server-Side-Encryption": "AES256"}}, 501, "NotImplemented")
	w.want(request{method: "PUT", path: "/data/k", key: k, header: map[string]string{"X-Amz-Object-Lock-Mode": "GOVERNANCE"}}, 501, "NotImplemented")
	w.want(request{method: "PUT", path: "/locked", key: k, header: map[string]string{"X-Amz-Bucket-Object-Lock-Enabled": "true"}}, 501, "NotImplemented")
	w.want(request{method: "PUT", path: "/data/k", key: k, header: map[string]string{"X-Amz-Storage-Class": "GLACIER"}}, 400, "InvalidStorageClass")
	w.want(request{method: "POST", path: "/data", key: k, body: "x"}, 400, "MalformedPOSTRequest")
	if got := w.contents("prj_c", "data"); got != "" {
		t.Errorf("the store holds %q", got)
	}
}

func TestListings(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	for _, path := range []string{"a", "dir/b", "dir/c", "%3CName%3E"} {
		w.put(k, "/data/"+path, path)
	}
	for _, c := range []struct{ query, want string }{
		{"", "<Key>dir/b</Key>"},
		{"delimiter=/", "<CommonPrefixes><Prefix>dir/</Prefix></CommonPrefixes>"},
		{"list-type=2&prefix=dir/&fetch-owner=true", "<Owner><ID>climate</ID><DisplayName>climate</DisplayName></Owner>"},
		{"list-type=2&max-keys=1", "<IsTruncated>true</IsTruncated>"},
		{"list-type=2&encoding-type=url", "<Key>%3CName%3E</Key>"},
		{"versions", "<Name>data</Name>"},
	} {
		a := w.want(request{method: "GET", path: "/data", query: c.query, key: k}, 200, "")
		if !strings.Contains(a.body, c.want) || !strings.Contains(a.body, "<Name>data</Name>") ||
			strings.Contains(a.body, engine.Upstream().Keys.AccessKeyID) || strings.Contains(a.body, w.broker.unique) {
			t.Errorf("?%s, want %s: %s", c.query, c.want, a.body)
		}
	}
}

func TestMultiDelete(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	for _, name := range []string{"a", "b", "keep/c", "d"} {
		w.put(k, "/data/"+name, name)
	}
	some := w.newKey("prj_c", `{"mode":"custom","grants":[{"bucket":"data","prefix":"a","delete":true},{"bucket":"data","prefix":"b","delete":true}]}`)
	body := `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a</Key></Object><Object><Key>keep/c</Key></Object><Object><Key>b</Key></Object></Delete>`
	sum := md5.Sum([]byte(body))
	a := w.want(request{method: "POST", path: "/data", query: "delete", key: some, body: body,
		header: map[string]string{"Content-Md5": base64.StdEncoding.EncodeToString(sum[:])}}, 200, "")
	if !strings.Contains(a.body, "<Deleted><Key>a</Key></Deleted>") || !strings.Contains(a.body, "<Key>keep/c</Key><Code>AccessDenied</Code>") {
		t.Errorf("deleted: %s", a.body)
	}
	if got := w.contents("prj_c", "data"); got != "d keep/c" {
		t.Errorf("the store holds %q", got)
	}
	quiet := w.want(request{method: "POST", path: "/data", query: "delete", key: k, body: `<Delete><Quiet>true</Quiet><Object><Key>d</Key></Object></Delete>`}, 200, "")
	if strings.Contains(quiet.body, "<Deleted>") {
		t.Errorf("quietly: %s", quiet.body)
	}
	w.want(request{method: "POST", path: "/data", query: "delete", key: k, body: `<Delete></Delete>`}, 400, "MalformedXML")
	w.want(request{method: "POST", path: "/data", query: "delete", key: k, body: `<Delete>`}, 400, "MalformedXML")
}

func TestLogTellsWhoAndWhatButNoSecret(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	w.put(k, "/data/k", "v")
	url := w.presign(request{method: "GET", path: "/data/k", key: k}, time.Minute)
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	w.want(request{method: "GET", path: "/data/none", key: k}, 404, "NoSuchKey")
	w.server.Close() // waits for the lines
	text := w.logs.String()
	for _, want := range []string{"operation=PutObject", "operation=GetObject status=200", "operation=GetObject status=404", "project=climate", "bucket=data", "access_key_id=" + k.id, "code=NoSuchKey", "level=INFO"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not say %s", want)
		}
	}
	_, signature, _ := strings.Cut(url, "X-Amz-Signature=")
	for _, secret := range []string{k.secret, signature[:64], engine.Upstream().Keys.SecretAccessKey.Reveal()} {
		if strings.Contains(text, secret) {
			t.Error("the log holds a secret")
		}
	}
}
