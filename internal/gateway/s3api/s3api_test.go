package s3api_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/lanyardhq/lanyard/internal/gateway/s3api"
)

func code(err error) s3api.Code {
	if e, ok := errors.AsType[*s3api.Error](err); ok {
		return e.Code
	}
	return ""
}

func isProject(name string) bool { return name == "climate" || name == "462000008" }

func hosts(t testing.TB) s3api.Hosts {
	t.Helper()
	h, err := s3api.NewHosts([]string{"127.0.0.1", "s3.localhost", "S3.Example.org", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAddress(t *testing.T) {
	long := strings.Repeat("k", 1024)
	for _, c := range []struct {
		host, path string
		want       s3api.Address
		code       s3api.Code
	}{
		{"127.0.0.1:9000", "/", s3api.Address{}, ""},
		{"127.0.0.1:9000", "", s3api.Address{}, ""},
		{"127.0.0.1:9000", "/data", s3api.Address{Bucket: "data"}, ""},
		{"[::1]:9000", "/data/", s3api.Address{Bucket: "data"}, ""},
		{"s3.localhost.", "/data/a/b.txt", s3api.Address{Bucket: "data", Key: "a/b.txt"}, ""},
		{"S3.LOCALHOST:80", "/data/a/", s3api.Address{Bucket: "data", Key: "a/"}, ""},
		{"127.0.0.1", "/data/a%2Fb", s3api.Address{Bucket: "data", Key: "a/b"}, ""},
		{"127.0.0.1", "/data/a+b%20c%25", s3api.Address{Bucket: "data", Key: "a+b c%"}, ""},
		{"127.0.0.1", "/data/%E2%82%AC", s3api.Address{Bucket: "data", Key: "€"}, ""},
		{"127.0.0.1", "/data/" + long, s3api.Address{Bucket: "data", Key: long}, ""},
		{"127.0.0.1", "/data/...", s3api.Address{Bucket: "data", Key: "..."}, ""},
		{"127.0.0.1", "/climate:data/k", s3api.Address{Project: "climate", Bucket: "data", Key: "k"}, ""},
		{"127.0.0.1", "/climate%3Adata/k", s3api.Address{Project: "climate", Bucket: "data", Key: "k"}, ""},
		{"127.0.0.1", "/nobody:data", s3api.Address{Project: "nobody", Bucket: "data"}, ""},
		{"127.0.0.1", "/climate:", s3api.Address{Project: "climate"}, s3api.InvalidBucketName},
		{"climate.s3.localhost", "/", s3api.Address{Project: "climate"}, ""},
		{"climate.s3.localhost", "/data/k", s3api.Address{Project: "climate", Bucket: "data", Key: "k"}, ""},
		{"climate.s3.localhost", "/climate:data/k", s3api.Address{Project: "climate", Bucket: "data", Key: "k"}, ""},
		{"climate.s3.localhost", "/462000008:data/k", s3api.Address{}, s3api.InvalidBucketName},
		{"data.climate.s3.localhost", "/k/l", s3api.Address{Project: "climate", Bucket: "data", Key: "k/l", HostBucket: "data"}, ""},
		{"my.data.climate.s3.localhost", "/k", s3api.Address{Project: "climate", Bucket: "my.data", Key: "k", HostBucket: "my.data"}, ""},
		{"data.s3.localhost:9000", "/", s3api.Address{Bucket: "data", HostBucket: "data"}, ""},
		{"data.s3.localhost", "/climate:data/k", s3api.Address{Bucket: "data", Key: "climate:data/k", HostBucket: "data"}, ""},
		{"a.b.s3.localhost", "/k", s3api.Address{Bucket: "a.b", Key: "k", HostBucket: "a.b"}, ""},

		{"evil.org", "/data", s3api.Address{}, s3api.InvalidRequest},
		{"", "/data", s3api.Address{}, s3api.InvalidRequest},
		{"s3.localhost.evil.org", "/data", s3api.Address{}, s3api.InvalidRequest},
		{"xs3.localhost", "/data", s3api.Address{}, s3api.InvalidRequest},
		{"data.127.0.0.1", "/k", s3api.Address{}, s3api.InvalidRequest},
		{"127.0.0.1", "*", s3api.Address{}, s3api.InvalidURI},
		{"127.0.0.1", "/data/%zz", s3api.Address{}, s3api.InvalidURI},
		{"127.0.0.1", "/data/%ff", s3api.Address{}, s3api.InvalidURI},
		{"127.0.0.1", "//data/k", s3api.Address{}, s3api.InvalidBucketName},
		{"127.0.0.1", "/:data/k", s3api.Address{}, s3api.InvalidBucketName},
		{"127.0.0.1", "/data%2Fk", s3api.Address{Bucket: "data/k"}, ""}, // no bucket has such a name
		{"127.0.0.1", "/data//k", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/a//k", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/a/k//", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/a%2F%2Fk", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/..", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/../other/k", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/a/%2e%2e/k", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/%2e%2e%2fother", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/./k", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/k/.", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/k%00", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/k%0d%0a", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/k%EF%BF%BF", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/.sgwtmp/multipart/x", s3api.Address{}, s3api.InvalidArgument},
		{"127.0.0.1", "/data/k" + long, s3api.Address{}, s3api.KeyTooLong},
		{"data.s3.localhost", "/../other/k", s3api.Address{}, s3api.InvalidArgument},
		{"data.s3.localhost", "//k", s3api.Address{}, s3api.InvalidArgument},
	} {
		ref, err := hosts(t).Parse(c.host, c.path)
		var got s3api.Address
		if err == nil {
			got, err = ref.In(isProject)
		}
		if code(err) != c.code || (c.code == "" && (err != nil || got != c.want)) {
			t.Errorf("%s %.60s: %+v, %v; want %+v %s", c.host, c.path, got, err, c.want, c.code)
		}
	}
}

func TestNewHostsRefuses(t *testing.T) {
	for _, names := range [][]string{nil, {""}, {"http://s3"}, {"a b"}} {
		if _, err := s3api.NewHosts(names); err == nil {
			t.Errorf("%q was taken for host names", names)
		}
	}
}

// FuzzAddress holds that whatever is admitted names one object only, however a store reads paths.
func FuzzAddress(f *testing.F) {
	for _, s := range [][2]string{{"127.0.0.1", "/data/a/b"}, {"climate.s3.localhost:9000", "/data/%2e%2e/x"},
		{"a.b.s3.localhost", "//"}, {"[::1]:1", "/climate%3Adata/k%2F"}, {"data.climate.s3.localhost", "/.sgwtmp"}} {
		f.Add(s[0], s[1])
	}
	h := hosts(f)
	f.Fuzz(func(t *testing.T, host, path string) {
		ref, err := h.Parse(host, path)
		if err != nil {
			return
		}
		a, err := ref.In(isProject)
		if err != nil || a.Key == "" {
			return
		}
		if a.Bucket == "" {
			t.Fatalf("a key %q without a bucket", a.Key)
		}
		if !strings.HasSuffix(path, a.Key) && !strings.Contains(path, "%") {
			t.Fatalf("%q became the key %q", path, a.Key)
		}
		for segment := range strings.SplitSeq(strings.TrimSuffix(a.Key, "/"), "/") {
			if segment == "" || segment == "." || segment == ".." || strings.ContainsRune(segment, 0) {
				t.Fatalf("%q became the key %q", path, a.Key)
			}
		}
	})
}

func TestCheckPrefix(t *testing.T) {
	for _, c := range []struct {
		prefix string
		ok     bool
	}{{"", true}, {"a", true}, {"a/", true}, {"a/.", true}, {".", true}, {"..", true}, {"a/..", true},
		{"../", false}, {"a/../", false}, {"/", false}, {"a//", false}, {"a\x00", false}, {"\xff", false},
		{".sgwtmp/", false}, {strings.Repeat("p", 1025), false}} {
		if err := s3api.CheckPrefix(c.prefix); (err == nil) != c.ok {
			t.Errorf("%.40q: %v", c.prefix, err)
		}
	}
}

func TestClassify(t *testing.T) {
	service, bucket, object := s3api.Address{}, s3api.Address{Bucket: "b"}, s3api.Address{Bucket: "b", Key: "k"}
	for _, c := range []struct {
		method string
		where  s3api.Address
		query  string
		copies bool
		want   s3api.Op
		code   s3api.Code
	}{
		{"GET", service, "", false, s3api.ListBuckets, ""},
		{"GET", bucket, "", false, s3api.ListObjects, ""},
		{"GET", bucket, "list-type=2&prefix=a", false, s3api.ListObjectsV2, ""},
		{"GET", bucket, "list-type=3", false, 0, s3api.InvalidArgument},
		{"GET", bucket, "location", false, s3api.GetBucketLocation, ""},
		{"GET", bucket, "versions&prefix=", false, s3api.ListObjectVersions, ""},
		{"GET", bucket, "metadata=true", false, s3api.ListObjects, ""},
		{"GET", bucket, "policy", false, 0, "NoSuchBucketPolicy"},
		{"PUT", bucket, "policy", false, 0, s3api.NotImplemented},
		{"PUT", bucket, "object-lock", false, 0, s3api.NotImplemented},
		{"PUT", bucket, "versioning", false, 0, s3api.NotImplemented},
		{"PUT", bucket, "acl", false, s3api.PutBucketACL, ""},
		{"PUT", bucket, "", false, s3api.CreateBucket, ""},
		{"PUT", bucket, "unheard-of", false, 0, s3api.NotImplemented},
		{"DELETE", bucket, "unheard-of", false, 0, s3api.NotImplemented},
		{"DELETE", bucket, "", false, s3api.DeleteBucket, ""},
		{"POST", bucket, "delete", false, s3api.DeleteObjects, ""},
		{"POST", bucket, "", false, s3api.PostObject, ""},
		{"OPTIONS", object, "", false, s3api.Preflight, ""},
		{"GET", object, "response-content-type=a&versionId=null", false, s3api.GetObject, ""},
		{"HEAD", object, "utm_source=mail", false, s3api.HeadObject, ""},
		{"PUT", object, "x-id=PutObject", false, s3api.PutObject, ""},
		{"PUT", object, "X-Amz-Signature=1&X-Amz-Date=2", false, s3api.PutObject, ""},
		{"PUT", object, "", true, s3api.CopyObject, ""},
		{"PUT", object, "partNumber=1&uploadId=u", false, s3api.UploadPart, ""},
		{"PUT", object, "partNumber=1&uploadId=u", true, s3api.UploadPartCopy, ""},
		{"PUT", object, "uploadId=u", false, 0, s3api.InvalidArgument},
		{"PUT", object, "partNumber=1", false, 0, s3api.NotImplemented},
		{"PUT", object, "tagging&uploadId=u&partNumber=1", false, 0, s3api.InvalidArgument},
		{"PUT", object, "retention", false, 0, s3api.NotImplemented},
		{"POST", object, "uploads", false, s3api.CreateMultipartUpload, ""},
		{"POST", object, "uploadId=u", false, s3api.CompleteMultipartUpload, ""},
		{"POST", object, "restore", false, 0, s3api.NotImplemented},
		{"POST", object, "", false, 0, s3api.NotImplemented},
		{"DELETE", object, "uploadId=u", false, s3api.AbortMultipartUpload, ""},
		{"GET", object, "uploadId=u", false, s3api.ListParts, ""},
		{"GET", object, "torrent", false, 0, s3api.NotImplemented},
		{"GET", object, "", true, 0, s3api.NotImplemented},
		{"BREW", object, "", false, 0, s3api.MethodNotAllowed},
		{"PUT", service, "", false, 0, s3api.NotImplemented},
	} {
		q, err := s3api.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		if c.copies {
			h.Set("X-Amz-Copy-Source", "b/k")
		}
		got, err := s3api.Classify(c.method, c.where, q, h)
		if got != c.want || code(err) != c.code || (err != nil && err.Error() == "") {
			t.Errorf("%s %v?%s: %v, %v; want %v %s", c.method, c.where, c.query, got, err, c.want, c.code)
		}
	}
}

func TestOnlyKnownParametersPass(t *testing.T) {
	q, err := s3api.ParseQuery("prefix=a%20b%2F&list-type=2&prefix=other&metadata=true&X-Amz-Signature=abc&start-after=%26")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s3api.ListObjectsV2.Pass(q).Values().Encode(), "list-type=2&prefix=a+b%2F&start-after=%26"; got != want {
		t.Errorf("%s passes, want %s", got, want)
	}
	if _, err := s3api.ParseQuery("a=%zz"); code(err) != s3api.InvalidURI {
		t.Errorf("broken escape: %v", err)
	}
}

// FuzzClassify holds that the store is never asked for more than the operation that was judged.
func FuzzClassify(f *testing.F) {
	f.Add("PUT", "b", "k", "partNumber=1&uploadId=u", false)
	f.Add("GET", "b", "", "list-type=2&prefix=a", false)
	f.Add("DELETE", "b", "", "policy&acl", false)
	f.Add("PUT", "b", "k", "tagging&tagging=x&=y", true)
	f.Fuzz(func(t *testing.T, method, bucket, key, raw string, copies bool) {
		q, err := s3api.ParseQuery(raw)
		if err != nil {
			return
		}
		h := http.Header{}
		if copies {
			h.Set("X-Amz-Copy-Source", "b/k")
		}
		op, err := s3api.Classify(method, s3api.Address{Bucket: bucket, Key: key}, q, h)
		if err != nil {
			if code(err) == "" || err.Error() == "" {
				t.Errorf("refused without code or text: %v", err)
			}
			return
		}
		again, err := s3api.Classify(method, s3api.Address{Bucket: bucket, Key: key}, op.Pass(q), h)
		if err != nil || again != op {
			t.Errorf("%s %q is %v, but what is passed on is %v, %v", method, raw, op, again, err)
		}
	})
}

func TestEveryOperationHasAName(t *testing.T) {
	seen := map[string]bool{}
	for op := s3api.ListBuckets; op <= s3api.ListParts; op++ {
		if name := op.String(); name == "" || seen[name] {
			t.Errorf("operation %d has the name %q", op, name)
		} else {
			seen[name] = true
		}
	}
}

func TestACL(t *testing.T) {
	for _, public := range []bool{true, false} {
		text, err := s3api.Encode(s3api.NewACL("climate", public))
		if err != nil {
			t.Fatal(err)
		}
		var acl s3api.ACL
		if err := s3api.Decode(bytes.NewReader(text), &acl); err != nil {
			t.Fatal(err)
		}
		if got, err := acl.Public("climate"); err != nil || got != public {
			t.Errorf("read back as public: %v, %v", got, err)
		}
		if _, err := acl.Public("weather"); code(err) != s3api.NotImplemented {
			t.Errorf("a grant to another project: %v", err)
		}
	}
	for name, want := range map[string]s3api.Code{"private": "", "public-read": "", "bucket-owner-full-control": "",
		"public-read-write": s3api.NotImplemented, "authenticated-read": s3api.NotImplemented} {
		if _, err := s3api.CannedACL(name); code(err) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecodeIsBounded(t *testing.T) {
	var d s3api.Deletion
	for _, text := range []string{"", "<Delete>", "<Other/>", "<Delete>" + strings.Repeat(" ", s3api.MaxDocument) + "</Delete>"} {
		if err := s3api.Decode(strings.NewReader(text), &d); code(err) != s3api.MalformedXML {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestRewrite(t *testing.T) {
	const owner = "<Owner><ID>climate</ID><DisplayName>climate</DisplayName></Owner>"
	for _, c := range [][2]string{
		{`<?xml version="1.0"?><ListBucketResult xmlns="x"><Name>climate.data</Name><Prefix>Name&gt;</Prefix><Contents><Key>a&lt;Name&gt;b</Key><Owner><ID>ROOT</ID><DisplayName>ROOT</DisplayName></Owner></Contents><Contents><Key>c</Key><Owner><ID>ROOT</ID></Owner></Contents></ListBucketResult>`,
			`<?xml version="1.0"?><ListBucketResult xmlns="x"><Name>data</Name><Prefix>Name&gt;</Prefix><Contents><Key>a&lt;Name&gt;b</Key>` + owner + `</Contents><Contents><Key>c</Key>` + owner + `</Contents></ListBucketResult>`},
		{`<R><Location>http://up/climate.data/k</Location><Bucket>climate.data</Bucket><Key>k</Key></R>`,
			`<R><Location>http://s3/data/k?a=1&amp;b</Location><Bucket>data</Bucket><Key>k</Key></R>`},
		{`<R><Owner/><Initiator><ID>ROOT</ID></Initiator></R>`, `<R><Owner/><Initiator><ID>climate</ID><DisplayName>climate</DisplayName></Initiator></R>`},
		{"no document at all", "no document at all"},
		{"<", "<"},
	} {
		for _, r := range []io.Reader{strings.NewReader(c[0]), iotest.OneByteReader(strings.NewReader(c[0]))} {
			var out strings.Builder
			if err := s3api.Rewrite(&out, r, s3api.Names{Bucket: "data", Project: "climate", Location: "http://s3/data/k?a=1&b"}); err != nil {
				t.Fatal(err)
			}
			if out.String() != c[1] {
				t.Errorf("%s\nbecame %s\nwant   %s", c[0], out.String(), c[1])
			}
		}
	}
	if err := s3api.Rewrite(io.Discard, strings.NewReader("<R><Name>cut"), s3api.Names{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a document that is cut: %v", err)
	}
}

func TestRewriteEncodesKeys(t *testing.T) {
	const doc = `<R><Name>up</Name><Prefix>a b/</Prefix><Marker></Marker><EncodingType></EncodingType><Contents><Key>a b/&#34;+&amp;amp;%</Key></Contents><CommonPrefixes><Prefix>å/</Prefix></CommonPrefixes><KeyCount>1</KeyCount></R>`
	const want = `<R><Name>data</Name><EncodingType>url</EncodingType><Prefix>a%20b/</Prefix><Marker></Marker><Contents><Key>a%20b/%22%2B%26amp%3B%25</Key></Contents><CommonPrefixes><Prefix>%C3%A5/</Prefix></CommonPrefixes><KeyCount>1</KeyCount></R>`
	var out strings.Builder
	if err := s3api.Rewrite(&out, strings.NewReader(doc), s3api.Names{Bucket: "data", Encode: true}); err != nil || out.String() != want {
		t.Errorf("%s\nbecame %s\nwant   %s\n%v", doc, out.String(), want, err)
	}
	long := "<R><Key>" + strings.Repeat("k", 100_000) + "</Key></R>"
	if err := s3api.Rewrite(io.Discard, strings.NewReader(long), s3api.Names{Encode: true}); err == nil {
		t.Error("an endless key was kept in memory")
	}
}

// FuzzRewrite holds that a well-formed document stays one.
func FuzzRewrite(f *testing.F) {
	f.Add("<R><Name>a</Name><Owner><ID>x</ID></Owner></R>", false)
	f.Add("<R><Bucket></Bucket><Key>a&amp;b</Key><EncodingType></EncodingType></R>", true)
	f.Fuzz(func(t *testing.T, doc string, encode bool) {
		if strings.Contains(doc, "<!") || strings.Contains(doc, "<?") || !wellFormed(doc) {
			return // stores send no comments, no CDATA and no instructions
		}
		var out strings.Builder
		if err := s3api.Rewrite(&out, strings.NewReader(doc), s3api.Names{Bucket: "b<&", Project: "p", Location: "l", Encode: encode}); err == nil && !wellFormed(out.String()) {
			t.Errorf("%q became %q", doc, out.String())
		}
	})
}

func wellFormed(doc string) bool {
	d := xml.NewDecoder(strings.NewReader(doc))
	for {
		if _, err := d.RawToken(); err != nil {
			break
		}
	}
	return xml.Unmarshal([]byte(doc), new(struct {
		Inner string `xml:",innerxml"`
	})) == nil
}
