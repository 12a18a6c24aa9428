package sigv2_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/sigv2"
)

func sign(text string) string {
	h := hmac.New(sha1.New, []byte(exampleSecret))
	h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func TestClockWindow(t *testing.T) {
	for _, c := range []struct {
		example string
		after   time.Duration
		want    sigv2.Code
	}{
		{"get", 15 * time.Minute, ""},
		{"get", 15*time.Minute + time.Second, sigv2.RequestTimeTooSkewed},
		{"get", -15 * time.Minute, ""},
		{"get", -15*time.Minute - time.Second, sigv2.RequestTimeTooSkewed},
		{"presigned", -1000 * time.Hour, ""},
		{"presigned", time.Second, sigv2.AccessDenied},
	} {
		e := examples[c.example]
		if _, err := verify(receive(t, e.text), exampleSecret, e.bucket, e.now.Add(c.after)); code(err) != c.want {
			t.Errorf("%s after %s: %v", c.example, c.after, err)
		}
	}
}

// TestAlteredRequestsAreRefused changes one thing of a signed request at a time.
func TestAlteredRequestsAreRefused(t *testing.T) {
	for _, c := range []struct{ example, old, new string }{
		{"get", "GET ", "DELETE "},
		{"get", "/photos/puppy.jpg", "/photos//puppy.jpg"},
		{"get", "/photos/puppy.jpg", "/photos/x/../puppy.jpg"},
		{"get", "/photos/puppy.jpg", "/photos/%70uppy.jpg"},
		{"get", "/photos/puppy.jpg", "/photos/puppy.jpg?acl"},
		{"get", "/photos/puppy.jpg", "/photos/puppy.jpg?%61cl"},
		{"get", "/photos/puppy.jpg", "/photos/puppy.jpg?x=1&tagging="},
		{"get", "/photos/puppy.jpg", "/photos/puppy.jpg?publicAccessBlock"},
		{"get", "\nDate:", "\nx-amz-copy-source: /other/secret\nDate:"},
		{"get", "19:36:42", "19:36:43"},
		{"get", "bWq2", "aaaa"},
		{"put", "image/jpeg", "text/html"},
		{"upload", "public-read", "public-read-write"},
		{"upload", "4gJE", "4gJF"},
		{"upload", "joe@", "jo@"},
		{"acl", "?acl", ""},
		{"acl", "?acl", "?policy"},
		{"presigned", "1175139620", "1175139621"},
		{"presigned", "&Expires", "&uploads&Expires"},
		{"presigned", "&Expires", "&x-amz-acl=public-read&Expires"},
		{"presigned", "&Expires", "&content-type=text/html&Expires"},
		{"presigned", "&Expires", "&response-content-type=text/html&Expires"},
	} {
		e := examples[c.example]
		text := strings.Replace(e.text, c.old, c.new, 1)
		if text == e.text {
			t.Fatalf("%q is not in %s", c.old, c.example)
		}
		if _, err := verify(receive(t, text), exampleSecret, e.bucket, e.now); code(err) != sigv2.SignatureDoesNotMatch {
			t.Errorf("%s with %q instead of %q: %v", c.example, c.new, c.old, err)
		}
	}
}

func TestMalformedSignatures(t *testing.T) {
	const get, presigned = "get", "presigned"
	for _, c := range []struct {
		example, old, new string
		want              sigv2.Code
	}{
		{get, "AWS ", "Basic ", sigv2.InvalidArgument},
		{get, "AWS ", "AWS4-HMAC-SHA256 ", sigv2.InvalidArgument},
		{get, "Authorization:", "Authorization: x\nAuthorization:", sigv2.InvalidArgument},
		{get, ":bWq2", "bWq2", sigv2.InvalidArgument},
		{get, "AKIAIOSFODNN7EXAMPLE:", ":", sigv2.InvalidArgument},
		{get, "bWq2", "", sigv2.InvalidArgument},
		{get, "bWq2", "bWq2bWq2", sigv2.InvalidArgument},
		{get, "bWq2", "?Wq2", sigv2.InvalidArgument},
		{get, "\nDate: Tue, 27 Mar 2007 19:36:42 +0000", "", sigv2.AccessDenied},
		{get, "Tue, 27 Mar 2007 19:36:42 +0000", "yesterday", sigv2.AccessDenied},
		{get, "puppy.jpg", "puppy.jpg?x=%zz", sigv2.InvalidURI},
		{presigned, "&Expires=1175139620", "", sigv2.AccessDenied},
		{presigned, "1175139620", "tomorrow", sigv2.AccessDenied},
		{presigned, "1175139620", "-1", sigv2.AccessDenied},
		{presigned, "&Signature=", "&Sig=", sigv2.AccessDenied},
		{presigned, "NpgCjn", "", sigv2.InvalidArgument},
		{presigned, "&Expires", "&x=%zz&Expires", sigv2.InvalidURI},
		{presigned, "&Expires", "&x-amz-meta-a=1%0Ax-amz-acl:public-read&Expires", sigv2.InvalidURI},
	} {
		e := examples[c.example]
		text := strings.Replace(e.text, c.old, c.new, 1)
		if text == e.text {
			t.Fatalf("%q is not in %s", c.old, c.example)
		}
		if _, err := verify(receive(t, text), exampleSecret, e.bucket, e.now); code(err) != c.want || err.Error() == "" {
			t.Errorf("%s with %q instead of %q: got %s %v, want %s", c.example, c.new, c.old, code(err), err, c.want)
		}
	}
	for _, target := range []string{"/", "/?Signatures=1", "/?X-Amz-Signature=1"} {
		if _, err := sigv2.Parse(receive(t, "GET "+target+" HTTP/1.1\nHost: h\n\n")); !errors.Is(err, sigv2.ErrUnsigned) {
			t.Errorf("%s: %v", target, err)
		}
	}
	if _, err := sigv2.ParsePost(map[string]string{"key": "k"}); !errors.Is(err, sigv2.ErrUnsigned) {
		t.Errorf("form: %v", err)
	}
}

// TestDates are the spellings that clients send.
func TestDates(t *testing.T) {
	now := time.Date(2007, 3, 7, 19, 36, 42, 0, time.UTC)
	for _, date := range []string{"Wed, 07 Mar 2007 19:36:42 GMT", "Wed, 7 Mar 2007 19:36:42 GMT", "Wed, 07 Mar 2007 19:36:42 +0000",
		"Wed, 07 Mar 2007 20:36:42 +0100", "Wednesday, 07-Mar-07 19:36:42 GMT", "20070307T193642Z", "2007-03-07T19:36:42Z"} {
		r := receive(t, "GET / HTTP/1.1\nHost: h\nDate: "+date+"\nAuthorization: AWS AK:"+sign("GET\n\n\n"+date+"\n/")+"\n\n")
		if _, err := verify(r, exampleSecret, "", now); err != nil {
			t.Errorf("Date %s: %s", date, explain(err))
		}
		r = receive(t, "GET / HTTP/1.1\nHost: h\nDate: ignored\nX-Amz-Date: "+date+"\nAuthorization: AWS AK:"+sign("GET\n\n\n\nx-amz-date:"+date+"\n/")+"\n\n")
		if _, err := verify(r, exampleSecret, "", now); err != nil {
			t.Errorf("X-Amz-Date %s: %s", date, explain(err))
		}
	}
}

func TestErrorsTellNoSecrets(t *testing.T) {
	const token = "t0k3n-of-the-session"
	e := examples["get"]
	r := receive(t, strings.Replace(e.text, "\nDate:", "\nX-Amz-Security-Token: "+token+"\nDate:", 1))
	sig, err := verify(r, exampleSecret, e.bucket, e.now)
	bad, ok := errors.AsType[*sigv2.Error](err)
	if !ok || !strings.Contains(bad.StringToSign(), "x-amz-security-token:[redacted]\n") {
		t.Fatalf("no details in %v", err)
	}
	all := bad.StringToSign() + fmt.Sprintf("%v %+v %#v %v %+v %#v", bad, bad, bad, sig, sig, sig)
	for _, secret := range []string{exampleSecret, token} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in %s", secret, all)
		}
	}
}

// FuzzVerify parses and verifies what strangers can send: nothing may panic, the answer is always the
// same, and two secrets never both verify.
func FuzzVerify(f *testing.F) {
	for _, e := range examples {
		line, rest, _ := strings.Cut(e.text, "\n")
		target := strings.Fields(line)[1]
		path, query, _ := strings.Cut(target, "?")
		_, auth, _ := strings.Cut(rest, "Authorization: ")
		auth, _, _ = strings.Cut(auth, "\n")
		f.Add(path, query, auth, e.now.Format(time.RFC1123Z), "text/plain", e.bucket)
	}
	f.Add("/b/k", "x-amz-acl=a%0Ab&AWSAccessKeyId=AK&Expires="+strconv.Itoa(1<<40)+"&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "", "", "", "")
	f.Fuzz(func(t *testing.T, path, query, auth, date, kind, bucket string) {
		r := receive(t, "PUT / HTTP/1.1\nHost: h\n\n")
		r.URL.Path, r.URL.RawQuery = path, query
		if auth != "" {
			r.Header.Set("Authorization", auth)
		}
		r.Header.Set("Date", date)
		r.Header.Set("Content-Type", kind)
		sig, err := sigv2.Parse(r)
		if err != nil {
			return
		}
		now := time.Unix(1175139620, 0)
		first, second := sig.Verify("one", bucket, now), sig.Verify("one", bucket, now)
		if code(first) != code(second) {
			t.Fatalf("%v, then %v", first, second)
		}
		if first == nil && sig.Verify("two", bucket, now) == nil {
			t.Fatal("two secrets verify")
		}
	})
}
