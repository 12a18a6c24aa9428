package gateway_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestRightsReachNoFurther(t *testing.T) {
	w := newWorld(t)
	admin := w.newKey("prj_c", "")
	w.bucket(admin, "data")
	w.bucket(admin, "other")
	w.bucket(admin, "scratch")
	for _, path := range []string{"/data/in/k", "/data/out/k", "/other/k"} {
		w.put(admin, path, "v")
	}
	reader := w.newKey("prj_c", `{"mode":"read"}`)
	some := w.newKey("prj_c", `{"mode":"custom","grants":[{"bucket":"data","prefix":"in/","read":true},{"bucket":"data","prefix":"out/","write":true},{"bucket":"scratch","read":true,"write":true,"delete":true}]}`)
	copyOf := func(source string) map[string]string { return map[string]string{"X-Amz-Copy-Source": source} }
	for _, c := range []struct {
		key    key
		q      request
		status int
	}{
		{reader, request{method: "GET", path: "/data/in/k"}, 200},
		{reader, request{method: "GET", path: "/other"}, 200},
		{reader, request{method: "HEAD", path: "/other"}, 200},
		{reader, request{method: "GET", path: "/other/k", query: "acl"}, 200},
		{reader, request{method: "PUT", path: "/data/in/k"}, 403},
		{reader, request{method: "DELETE", path: "/data/in/k"}, 403},
		{reader, request{method: "PUT", path: "/newone"}, 403},
		{reader, request{method: "DELETE", path: "/scratch"}, 403},
		{reader, request{method: "PUT", path: "/data", query: "acl", header: map[string]string{"X-Amz-Acl": "public-read"}}, 403},
		{reader, request{method: "PUT", path: "/data/in/k", query: "acl", header: map[string]string{"X-Amz-Acl": "public-read"}}, 403},
		{reader, request{method: "PUT", path: "/data/in/k", query: "tagging", body: "<Tagging/>"}, 403},
		{reader, request{method: "DELETE", path: "/data/in/k", query: "tagging"}, 403},
		{reader, request{method: "POST", path: "/data/in/k", query: "uploads"}, 403},
		{reader, request{method: "PUT", path: "/data", query: "cors", body: "<CORSConfiguration/>"}, 403},

		{some, request{method: "GET", path: "/data/in/k"}, 200},
		{some, request{method: "HEAD", path: "/data"}, 200},
		{some, request{method: "GET", path: "/data", query: "location"}, 200},
		{some, request{method: "GET", path: "/data", query: "prefix=in/"}, 200},
		{some, request{method: "GET", path: "/data", query: "list-type=2&prefix=in/deeper"}, 200},
		{some, request{method: "GET", path: "/scratch"}, 200},
		{some, request{method: "PUT", path: "/data/out/new", body: "v"}, 200},
		{some, request{method: "PUT", path: "/scratch/new", header: copyOf("/data/in/k")}, 200},
		{some, request{method: "PUT", path: "/data/out/copy", header: copyOf("data/in/k")}, 200},
		{some, request{method: "PUT", path: "/data", body: ""}, 409}, // it is there, and rclone asks
		{some, request{method: "GET", path: "/data/out/k"}, 403},
		{some, request{method: "GET", path: "/data/inner"}, 403},
		{some, request{method: "GET", path: "/data"}, 403},
		{some, request{method: "GET", path: "/data", query: "prefix=in"}, 403},
		{some, request{method: "GET", path: "/data", query: "prefix=out/"}, 403},
		{some, request{method: "GET", path: "/data", query: "uploads"}, 403},
		{some, request{method: "PUT", path: "/data/in/k", body: "v"}, 403},
		{some, request{method: "DELETE", path: "/data/out/k"}, 403},
		{some, request{method: "PUT", path: "/scratch/stolen", header: copyOf("/data/out/k")}, 403},
		{some, request{method: "PUT", path: "/scratch/stolen", header: copyOf("/other/k")}, 403},
		{some, request{method: "PUT", path: "/data/in/k2", header: copyOf("/data/in/k")}, 403},
		{some, request{method: "GET", path: "/other/k"}, 403},
		{some, request{method: "GET", path: "/other/none"}, 403},
		{some, request{method: "GET", path: "/nosuch/none"}, 403}, // looks the same as other
		{some, request{method: "HEAD", path: "/other"}, 403},
		{some, request{method: "PUT", path: "/newone"}, 403},
		{some, request{method: "PUT", path: "/other"}, 403},
		{some, request{method: "DELETE", path: "/scratch"}, 403},
	} {
		c.q.key = c.key
		code := map[int]string{403: "AccessDenied", 409: "BucketAlreadyOwnedByYou"}[c.status]
		w.want(c.q, c.status, code)
	}
	list := w.want(request{method: "GET", path: "/", key: some}, 200, "").body
	if strings.Contains(list, "other") || !strings.Contains(list, "data") || !strings.Contains(list, "scratch") {
		t.Errorf("a key with limited rights sees %s", list)
	}
	if got := w.contents("prj_c", "other") + "|" + w.contents("prj_c", "scratch"); got != "k|new" {
		t.Errorf("the store holds %q", got)
	}
}

func TestPublicObjects(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	stranger := w.newKey("prj_o", "")
	public := []string{"X-Amz-Acl", "public-read", "X-Amz-Meta-Colour", "blue", "Content-Type", "text/plain"}
	w.bucket(k, "data")
	w.put(k, "/data/open", "open", public...)
	w.put(k, "/data/shut", "shut", "X-Amz-Acl", "private")

	for _, who := range []key{{}, stranger} {
		for _, q := range []request{{path: "/climate:data/open"}, {path: "/data/open", host: "climate.s3.localhost"}, {path: "/open", host: "data.climate.s3.localhost"}} {
			q.method, q.key = "GET", who
			a := w.want(q, 200, "")
			if a.body != "open" || a.header.Get("X-Amz-Meta-Colour") != "blue" || a.header.Get("Content-Type") != "text/plain" || a.header.Get("X-Amz-Meta-Lanyard-Acl") != "" {
				t.Errorf("%v: %q %v", q, a.body, a.header)
			}
			q.method = "HEAD"
			w.want(q, 200, "")
		}
		etag := w.do(request{method: "HEAD", path: "/climate:data/open", key: who}).header.Get("Etag")
		w.want(request{method: "GET", path: "/climate:data/open", key: who, header: map[string]string{"If-None-Match": etag}}, 304, "")
		w.want(request{method: "GET", path: "/climate:data/open", key: who, header: map[string]string{"If-Match": `"x"`}}, 412, "PreconditionFailed")
		w.want(request{method: "GET", path: "/climate:data/open", key: who, header: map[string]string{"Range": "bytes=99-"}}, 416, "InvalidRange")
		for _, h := range []map[string]string{nil, {"If-None-Match": "*"}, {"If-Match": `"x"`}, {"Range": "bytes=99-"}, {"Range": "bytes=0-0"}} {
			w.want(request{method: "GET", path: "/climate:data/shut", key: who, header: h}, 403, "AccessDenied")
			w.want(request{method: "HEAD", path: "/climate:data/shut", key: who, header: h}, 403, "AccessDenied")
		}
		w.want(request{method: "GET", path: "/climate:data/none", key: who}, 403, "AccessDenied")
		w.want(request{method: "GET", path: "/climate:data", key: who}, 403, "AccessDenied")
		w.want(request{method: "GET", path: "/climate:data/open", query: "acl", key: who}, 403, "AccessDenied")
		w.want(request{method: "PUT", path: "/climate:data/open", body: "x", key: who}, 403, "AccessDenied")
		w.want(request{method: "DELETE", path: "/climate:data/open", key: who}, 403, "AccessDenied")
		w.want(request{method: "POST", path: "/climate:data/open", query: "uploads", key: who}, 403, "AccessDenied")
	}
	w.want(request{method: "GET", path: "/climate:data/open", query: "response-content-type=text/html"}, 400, "InvalidRequest")
	// Bad credentials are not better than none.
	wrong := k
	wrong.secret = strings.Repeat("x", 40)
	w.want(request{method: "GET", path: "/climate:data/open", key: wrong}, 403, "SignatureDoesNotMatch")

	// The mark is ours alone.
	w.want(request{method: "PUT", path: "/data/forged", key: k, header: map[string]string{"X-Amz-Meta-Lanyard-Acl": "public-read"}}, 400, "InvalidArgument")
	for _, acl := range []string{"public-read-write", "authenticated-read", "nonsense"} {
		w.want(request{method: "PUT", path: "/data/x", key: k, header: map[string]string{"X-Amz-Acl": acl}}, 501, "NotImplemented")
	}
	w.want(request{method: "PUT", path: "/data/x", key: k, header: map[string]string{"X-Amz-Grant-Read": "id=x"}}, 501, "NotImplemented")
	w.want(request{method: "PUT", path: "/data/x", key: k, header: map[string]string{"X-Amz-Acl": "bucket-owner-full-control"}}, 200, "")

	// An ACL can change, and everything else of the object stays.
	acl := func(path, canned, body string) {
		t.Helper()
		h := map[string]string{}
		if canned != "" {
			h["X-Amz-Acl"] = canned
		}
		w.want(request{method: "PUT", path: path, query: "acl", key: k, header: h, body: body}, 200, "")
	}
	shows := func(path string) bool {
		t.Helper()
		listed := strings.Contains(w.want(request{method: "GET", path: path, query: "acl", key: k}, 200, "").body, "AllUsers")
		served := w.do(request{method: "GET", path: strings.Replace(path, "/data", "/climate:data", 1)}).status == 200
		if listed != served {
			t.Errorf("%s: its ACL says %v, anonymously served %v", path, listed, served)
		}
		return served
	}
	acl("/data/open", "private", "")
	if shows("/data/open") {
		t.Error("open is still public")
	}
	if a := w.want(request{method: "GET", path: "/data/open", key: k}, 200, ""); a.body != "open" || a.header.Get("X-Amz-Meta-Colour") != "blue" || a.header.Get("Content-Type") != "text/plain" {
		t.Errorf("after a change of its ACL: %q %v", a.body, a.header)
	}
	acl("/data/open", "public-read", "")
	acl("/data/open", "public-read", "")
	if !shows("/data/open") {
		t.Error("open is not public again")
	}
	const grants = `<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>climate</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>climate</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>%s</AccessControlList></AccessControlPolicy>`
	acl("/data/shut", "", fmt.Sprintf(grants, `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>`))
	if !shows("/data/shut") {
		t.Error("shut is not public")
	}
	acl("/data/shut", "", fmt.Sprintf(grants, ""))
	if shows("/data/shut") {
		t.Error("shut is still public")
	}
	w.want(request{method: "PUT", path: "/data/shut", query: "acl", key: k, body: fmt.Sprintf(grants, `<Grant><Grantee><ID>ocean</ID></Grantee><Permission>READ</Permission></Grant>`)}, 501, "NotImplemented")
	w.want(request{method: "PUT", path: "/data/shut", query: "acl", key: k}, 400, "InvalidRequest")
	w.want(request{method: "PUT", path: "/data/none", query: "acl", key: k, header: map[string]string{"X-Amz-Acl": "public-read"}}, 404, "NoSuchKey")

	// A copy has its own ACL, and takes over the rest.
	for _, c := range []struct {
		header map[string]string
		public bool
		colour string
	}{
		{map[string]string{}, false, "blue"},
		{map[string]string{"X-Amz-Acl": "public-read"}, true, "blue"},
		{map[string]string{"X-Amz-Metadata-Directive": "REPLACE", "X-Amz-Meta-Colour": "red"}, false, "red"},
		{map[string]string{"X-Amz-Metadata-Directive": "REPLACE", "X-Amz-Acl": "public-read"}, true, ""},
	} {
		c.header["X-Amz-Copy-Source"] = "/data/open"
		w.want(request{method: "PUT", path: "/data/copy", key: k, header: c.header}, 200, "")
		if a := w.do(request{method: "GET", path: "/data/copy", key: k}); shows("/data/copy") != c.public || a.header.Get("X-Amz-Meta-Colour") != c.colour || a.body != "open" {
			t.Errorf("copied with %v: public %v, %q, %v", c.header, shows("/data/copy"), a.body, a.header)
		}
	}
	// Another project's object can be copied if it is public.
	w.bucket(stranger, "mine")
	w.want(request{method: "PUT", path: "/mine/k", key: stranger, header: map[string]string{"X-Amz-Copy-Source": "/climate:data/open"}}, 200, "")
	w.want(request{method: "PUT", path: "/mine/k", key: stranger, header: map[string]string{"X-Amz-Copy-Source": "/climate:data/shut"}}, 403, "AccessDenied")
	w.want(request{method: "PUT", path: "/mine/k", key: stranger, header: map[string]string{"X-Amz-Copy-Source": "/climate:data/none"}}, 403, "AccessDenied")
}

func TestPublicBuckets(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data", "public-read")
	w.put(k, "/data/k", "v")
	anonymous := request{method: "GET", path: "/climate:data"}
	if a := w.want(anonymous, 200, ""); !strings.Contains(a.body, "<Key>k</Key>") || !strings.Contains(a.body, "<Name>data</Name>") {
		t.Errorf("listed: %s", a.body)
	}
	w.want(request{method: "GET", path: "/", query: "list-type=2&prefix=k", host: "data.climate.s3.localhost"}, 200, "")
	w.want(request{method: "GET", path: "/climate:data/k"}, 403, "AccessDenied") // objects have their own ACL
	w.want(request{method: "GET", path: "/climate:data/none"}, 404, "NoSuchKey")
	w.want(request{method: "GET", path: "/climate:data", query: "uploads"}, 403, "AccessDenied")
	w.want(request{method: "GET", path: "/climate:data", query: "versions"}, 403, "AccessDenied")
	w.want(request{method: "PUT", path: "/data", query: "acl", key: k, header: map[string]string{"X-Amz-Acl": "private"}}, 200, "")
	w.want(anonymous, 403, "AccessDenied")
	w.want(request{method: "PUT", path: "/data", query: "acl", key: k, header: map[string]string{"X-Amz-Acl": "public-read"}}, 200, "")
	w.want(anonymous, 200, "")
	if a := w.want(request{method: "GET", path: "/data", query: "acl", key: k}, 200, ""); !strings.Contains(a.body, "AllUsers") {
		t.Errorf("its ACL: %s", a.body)
	}
	w.want(request{method: "PUT", path: "/more", key: k, header: map[string]string{"X-Amz-Acl": "public-read-write"}}, 501, "NotImplemented")
}

func TestCORS(t *testing.T) {
	w := newWorld(t)
	k := w.newKey("prj_c", "")
	w.bucket(k, "data")
	w.put(k, "/data/k", "v", "X-Amz-Acl", "public-read")
	w.want(request{method: "PUT", path: "/data", query: "cors", key: k, body: `<CORSConfiguration><CORSRule><AllowedOrigin>https://lab.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>`}, 200, "")
	if a := w.want(request{method: "GET", path: "/data", query: "cors", key: k}, 200, ""); !strings.Contains(a.body, "https://lab.example") {
		t.Errorf("rules: %s", a.body)
	}
	ask := map[string]string{"Origin": "https://lab.example", "Access-Control-Request-Method": "GET"}
	if a := w.want(request{method: "OPTIONS", path: "/climate:data/k", header: ask}, 200, ""); a.header.Get("Access-Control-Allow-Origin") != "https://lab.example" {
		t.Errorf("preflight: %v", a.header)
	}
	if a := w.want(request{method: "GET", path: "/climate:data/k", header: map[string]string{"Origin": "https://lab.example"}}, 200, ""); a.header.Get("Access-Control-Allow-Origin") != "https://lab.example" {
		t.Errorf("GET: %v", a.header)
	}
	w.want(request{method: "OPTIONS", path: "/data/k", header: ask}, 403, "AccessDenied")
	presigned, err := url.Parse(w.presign(request{method: "GET", path: "/data/k", key: k}, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	w.want(request{method: "OPTIONS", path: "/data/k", query: presigned.RawQuery, header: ask}, 200, "")
	w.want(request{method: "OPTIONS", path: "/", header: ask}, 405, "MethodNotAllowed")
	w.want(request{method: "OPTIONS", path: "/climate:none/k", header: ask}, 403, "AccessDenied")
	ask["Origin"] = "https://evil.example"
	if a := w.do(request{method: "OPTIONS", path: "/climate:data/k", header: ask}); a.status != 403 {
		t.Errorf("preflight from elsewhere: %d %v", a.status, a.header)
	}
	w.want(request{method: "DELETE", path: "/data", query: "cors", key: k}, 204, "")
}
