package sigv4_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/sigv4"
)

// FuzzParse hands in whatever can stand in an Authorization header and a query.
func FuzzParse(f *testing.F) {
	for _, text := range examples {
		r := receive(f, text)
		f.Add(r.Header.Get("Authorization"), r.URL.RawQuery, r.Header.Get("X-Amz-Date"))
	}
	f.Add("AWS4-HMAC-SHA256 Credential=/////,SignedHeaders=;;,Signature=", "X-Amz-Algorithm=&X-Amz-Signature=%", "")
	f.Add("AWS4-HMAC-SHA256 ,,,", "Signature=x&AWSAccessKeyId", "20130524T000000Z")
	f.Fuzz(func(t *testing.T, auth, query, date string) {
		r := &http.Request{Method: "GET", Host: "h", URL: &url.URL{Path: "/", RawQuery: query}, Header: http.Header{
			"X-Amz-Date": {date}, "X-Amz-Content-Sha256": {sigv4.UnsignedPayload}}}
		if auth != "" {
			r.Header["Authorization"] = []string{auth}
		}
		sig, err := sigv4.Parse(r)
		if err != nil {
			_, typed := errors.AsType[*sigv4.Error](err)
			if sig != nil || !typed && !errors.Is(err, sigv4.ErrUnsigned) || err.Error() == "" {
				t.Fatalf("Parse returns %v, %v", sig, err)
			}
			return
		}
		if sig.AccessKeyID == "" || sig.SignedAt.IsZero() || sig.Expires < 0 || sig.Expires > 7*24*time.Hour {
			t.Fatalf("%q, %q: %s expires %s", auth, query, sig, sig.Expires)
		}
	})
}

// FuzzCanonicalRequest signs whatever request can arrive. Our signature must verify, with the same
// answer each time; and it must not verify a request for another object.
func FuzzCanonicalRequest(f *testing.F) {
	for _, key := range hostileKeys {
		f.Add("GET", sigv4.EncodePath("/bucket/"+key), "prefix=a+b&acl", "x-amz-meta-a", " b  c ")
	}
	for _, query := range hostileQueries {
		f.Add("PUT", "/b/%2f/../k", query, "X-Amz-Meta-Ü", "\xff\t\t,")
	}
	signer := sigv4.NewSigner(exampleKey, exampleSecret, "us-east-1")
	f.Fuzz(func(t *testing.T, method, path, query, name, value string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" {
			return
		}
		u.RawQuery = query
		r := &http.Request{Method: method, Host: "h", URL: u, Header: http.Header{}}
		if !strings.HasPrefix(strings.ToLower(name), "x-amz-") { // these need the grammar of HTTP, which net/http holds
			r.Header.Set(name, value)
		} else if token := strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_"); token == "" {
			r.Header.Set(name, value)
		}
		if err := signer.Sign(r, sigv4.UnsignedPayload, exampleTime); err != nil {
			if code(err) != sigv4.InvalidURI {
				t.Fatal(err)
			}
			return
		}
		if len(query) > 0 && (strings.Contains(query, "X-Amz-") || strings.Contains(query, "AWSAccessKeyId") || strings.Contains(query, "Signature")) {
			return // a second signature
		}
		for range 2 {
			if _, err := verify(r, exampleSecret, exampleTime); err != nil {
				t.Fatal(explain(err))
			}
		}
		other := *u
		other.Path, other.RawPath = u.Path+"x", ""
		r.URL = &other
		if _, err := verify(r, exampleSecret, exampleTime); code(err) != sigv4.SignatureDoesNotMatch {
			t.Fatalf("another object: %v", err)
		}
	})
}

// FuzzBody decodes whatever can arrive after a signed head: it must never yield more than was
// declared, and all that was declared only if everything is right.
func FuzzBody(f *testing.F) {
	heads := map[string]*http.Request{}
	for _, up := range forms() {
		up.data, up.chunk = "0123456789", 4
		text := up.text()
		head, body, _ := strings.Cut(text, "\n\n")
		heads[up.payload+up.trailer] = receive(f, head+"\n\n")
		f.Add(up.payload+up.trailer, []byte(body), 10)
	}
	for _, c := range broken {
		_, body, _ := strings.Cut(c.up.text(), "\n\n")
		f.Add(unsignedTrailer+"x-amz-checksum-crc32", []byte(body), 3)
	}
	f.Fuzz(func(t *testing.T, form string, data []byte, step int) {
		r := heads[form]
		if r == nil || step < 1 || step > 1<<16 {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(data))
		sig, err := verify(r, exampleSecret, exampleTime)
		if err != nil {
			t.Fatal(err)
		}
		body, err := sigv4.NewBody(r, sig)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		p := make([]byte, step)
		for err == nil {
			var n int
			n, err = body.Read(p)
			got = append(got, p[:n]...)
			if len(got) > 10 {
				t.Fatalf("%d bytes of 10: %q", len(got), got)
			}
		}
		switch {
		case !errors.Is(err, io.EOF):
			if len(got) == 10 {
				t.Fatalf("all bytes are out before the error %v", err)
			}
		case len(got) != 10:
			t.Fatalf("%d bytes without an error", len(got))
		case strings.HasPrefix(form, signedChunks) || form == "hex":
			if string(got) != "0123456789" {
				t.Fatalf("forged: %q", got)
			}
		}
	})
}

// FuzzPolicy hands in whatever can stand in a form.
func FuzzPolicy(f *testing.F) {
	f.Add([]byte(`{"expiration":"2030-01-01T12:00:00Z","conditions":[`+fulfilled+`,["content-length-range",1,10]]}`), "key", "foo")
	f.Add([]byte(`{"expiration":"2030-01-01T12:00:00Z","conditions":[["eq","$bucket","b"],{"a":"\$"}]}`), "a", "$")
	f.Add([]byte(`{"expiration":"2030-01-01T12:00:00Z","conditions":[["starts-with","$"`), "", "")
	f.Fuzz(func(t *testing.T, text []byte, field, value string) {
		policy, err := sigv4.ParsePolicy(encode(string(text)))
		if err != nil {
			if code(err) != sigv4.InvalidPolicyDocument {
				t.Fatal(err)
			}
			return
		}
		if policy.MinSize < 0 || policy.MaxSize < 0 {
			t.Fatalf("sizes %d to %d", policy.MinSize, policy.MaxSize)
		}
		if err := policy.Check(map[string]string{strings.ToLower(field): value}, "b", exampleTime); err == nil &&
			!bytes.Contains(bytes.ToLower(text), []byte("bucket")) && !bytes.Contains(text, []byte(`\`)) {
			t.Fatal("a policy that does not name the bucket is fulfilled")
		}
	})
}
