package sigv4_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/sigv4"
)

func TestClockWindow(t *testing.T) {
	const presigned = "presigned get" // for 86,400 s
	for _, c := range []struct {
		example string
		after   time.Duration
		want    sigv4.Code
	}{
		{"get object", 0, ""},
		{"get object", 15 * time.Minute, ""},
		{"get object", 15*time.Minute + time.Second, sigv4.RequestTimeTooSkewed},
		{"get object", -15 * time.Minute, ""},
		{"get object", -15*time.Minute - time.Second, sigv4.RequestTimeTooSkewed},
		{presigned, 24 * time.Hour, ""},
		{presigned, 24*time.Hour + time.Second, sigv4.AccessDenied},
		{presigned, -15 * time.Minute, ""},
		{presigned, -16 * time.Minute, sigv4.AccessDenied},
	} {
		_, err := verify(receive(t, examples[c.example]), exampleSecret, exampleTime.Add(c.after))
		if code(err) != c.want {
			t.Errorf("%s after %s: got %v, want code %q", c.example, c.after, err, c.want)
		}
	}
}

// TestAlteredRequestsAreRefused changes one thing of a signed request at a time.
func TestAlteredRequestsAreRefused(t *testing.T) {
	const get, put, presigned = "get object", "put object", "presigned get"
	for _, c := range []struct{ example, old, new string }{
		{get, "GET ", "HEAD "},
		{get, "/test.txt", "/test.txt/"},
		{get, "/test.txt", "//test.txt"},
		{get, "/test.txt", "/x/../test.txt"},
		{get, "/test.txt", "/TEST.txt"},
		{get, "/test.txt", "/test.txt?acl"},
		{get, "Host: examplebucket", "Host: other"},
		{get, "bytes=0-9", "bytes=0-99"},
		{get, "Range: bytes=0-9\n", ""},
		{get, "Range: bytes=0-9\n", "Range: bytes=0-9\nRange: bytes=0-9\n"},
		{get, "us-east-1", "us-east-2"},
		{get, "20130524T000000Z", "20130524T000001Z"},
		{get, "f0e8bdb8", "00000000"},
		{get, "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "x-amz-content-sha256: UNSIGNED-PAYLOAD"},
		{put, "REDUCED_REDUNDANCY", "STANDARD"},
		{put, "x-amz-storage-class: REDUCED_REDUNDANCY\n", ""},
		{"list objects", "max-keys=2", "max-keys=3"},
		{"list objects", "prefix=J", "prefix=J&prefix=J"},
		{"list objects", "prefix=J", "prefix="},
		{presigned, "86400", "86401"},
		{presigned, "/test.txt", "/other.txt"},
		{presigned, "GET ", "PUT "},
		{presigned, "X-Amz-Expires", "acl&X-Amz-Expires"},
	} {
		text := strings.Replace(examples[c.example], c.old, c.new, 1)
		if text == examples[c.example] {
			t.Fatalf("%q is not in %s", c.old, c.example)
		}
		_, err := verify(receive(t, text), exampleSecret, exampleTime)
		if code(err) != sigv4.SignatureDoesNotMatch {
			t.Errorf("%s with %q instead of %q: %v", c.example, c.new, c.old, err)
		}
	}
}

// TestOtherSpellingsVerify writes the same request differently: what is signed is its meaning.
func TestOtherSpellingsVerify(t *testing.T) {
	for _, c := range []struct{ example, old, new string }{
		{"get object", "/test.txt", "/%74est%2Etxt"},
		{"put object", "/test$file", "/test%24file"},
		{"list objects", "max-keys=2&prefix=J", "prefix=%4a&max-keys=2"},
		{"list objects", "max-keys=2&prefix=J", "&prefix=J&&max-keys=2&"},
		{"get bucket lifecycle", "?lifecycle", "?lifecycle="},
		{"get object", "Range: bytes=0-9", "rAnGe:\t  bytes=0-9  "},
		{"get object", ",Signature=", ", Signature="},
		{"presigned get", "X-Amz-Date=", "&X-Amz-Date="},
		{"presigned get", "%2F20130524%2F", "%2f20130524/"},
	} {
		text := strings.Replace(examples[c.example], c.old, c.new, 1)
		if text == examples[c.example] {
			t.Fatalf("%q is not in %s", c.old, c.example)
		}
		if _, err := verify(receive(t, text), exampleSecret, exampleTime); err != nil {
			t.Errorf("%s with %q instead of %q: %s", c.example, c.new, c.old, explain(err))
		}
	}
}

// TestHeadersThatNetHTTPMoves signs headers that a server does not find in Header.
func TestHeadersThatNetHTTPMoves(t *testing.T) {
	for _, c := range []struct{ name, sent, want string }{
		{"content-length", "Content-Length: 5", "5"},
		{"transfer-encoding", "Transfer-Encoding: chunked", "chunked"},
		{"expect", "Expect: 100-continue", "100-continue"},
		{"user-agent", "User-Agent: aws  cli", "aws cli"},
		{"connection", "Connection: keep-alive", "keep-alive"},
		{"absent", "X-Other: 1", ""},
	} {
		lines := map[string]string{c.name: c.want, "host": "h", "x-amz-content-sha256": sigv4.UnsignedPayload, "x-amz-date": "20130524T000000Z"}
		canonical := "PUT\n/k\n\n"
		names := []string{"host", "x-amz-content-sha256", "x-amz-date"}
		if c.name < "host" {
			names = append([]string{c.name}, names...)
		} else {
			names = []string{"host", c.name, names[1], names[2]}
		}
		for _, n := range names {
			canonical += n + ":" + lines[n] + "\n"
		}
		list := strings.Join(names, ";")
		canonical += "\n" + list + "\n" + sigv4.UnsignedPayload
		signature := fmt.Sprintf("%x", mac(exampleSigningKey(), "AWS4-HMAC-SHA256\n20130524T000000Z\n"+scope+"\n"+sum256(canonical)))
		r := receive(t, "PUT /k HTTP/1.1\nHost: h\nX-Amz-Date: 20130524T000000Z\nX-Amz-Content-Sha256: UNSIGNED-PAYLOAD\n"+c.sent+
			"\nAuthorization: "+credential+",SignedHeaders="+list+",Signature="+signature+"\n\n")
		if _, err := verify(r, exampleSecret, exampleTime); err != nil {
			t.Errorf("%s: %s", c.name, explain(err))
		}
		if c.name == "expect" { // as HTTP/2 hands it over
			r.Header.Del("Expect")
			if _, err := verify(r, exampleSecret, exampleTime); err != nil {
				t.Errorf("expect over HTTP/2: %s", explain(err))
			}
		}
	}
}

// TestUnsignedAmzHeadersAreRefused adds headers to requests of somebody else.
func TestUnsignedAmzHeadersAreRefused(t *testing.T) {
	for _, example := range []string{"get object", "presigned get"} {
		for _, header := range []string{"X-Amz-Copy-Source: /other/secret", "x-amz-acl: public-read", "X-AMZ-Security-Token: t"} {
			text := strings.Replace(examples[example], "\nHost:", "\n"+header+"\nHost:", 1)
			_, err := verify(receive(t, text), exampleSecret, exampleTime)
			if code(err) != sigv4.AccessDenied {
				t.Errorf("%s with %s: %v", example, header, err)
			}
		}
	}
	text := strings.Replace(examples["get object"], "SignedHeaders=host;", "SignedHeaders=", 1)
	if _, err := verify(receive(t, text), exampleSecret, exampleTime); code(err) != sigv4.AccessDenied {
		t.Errorf("host not signed: %v", err)
	}
	text = strings.Replace(examples["get object"], "\nHost:", "\nContent-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==\nHost:", 1)
	if _, err := verify(receive(t, text), exampleSecret, exampleTime); err != nil {
		t.Errorf("Content-MD5 need not be signed: %v", err)
	}
}

func TestMalformedSignatures(t *testing.T) {
	const get, presigned = "get object", "presigned get"
	for _, c := range []struct {
		example, old, new string
		want              sigv4.Code
	}{
		{get, "AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 ", sigv4.InvalidRequest},
		{get, "AWS4-HMAC-SHA256 ", "Bearer ", sigv4.InvalidRequest},
		{get, "Authorization: AWS4-HMAC-SHA256 ", "Authorization: x\nAuthorization: AWS4-HMAC-SHA256 ", sigv4.InvalidArgument},
		{get, "/test.txt", "/test.txt?X-Amz-Signature=1", sigv4.InvalidArgument},
		{get, "Credential=", "Credentials=", sigv4.AuthorizationHeaderMalformed},
		{get, "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,", "", sigv4.AuthorizationHeaderMalformed},
		{get, "AKIAIOSFODNN7EXAMPLE/", "/", sigv4.AuthorizationHeaderMalformed},
		{get, "AKIAIOSFODNN7EXAMPLE/", "A B/", sigv4.AuthorizationHeaderMalformed},
		{get, "/s3/", "/ec2/", sigv4.AuthorizationHeaderMalformed},
		{get, "/s3/aws4_request", "/s3", sigv4.AuthorizationHeaderMalformed},
		{get, "/aws4_request", "/aws4_request/x", sigv4.AuthorizationHeaderMalformed},
		{get, "/20130524/", "/2013-5-24/", sigv4.AuthorizationHeaderMalformed},
		{get, "/20130524/", "/20130525/", sigv4.AuthorizationHeaderMalformed},
		{get, "us-east-1", strings.Repeat("r", 300), sigv4.AuthorizationHeaderMalformed},
		{get, "host;range", "range;host", sigv4.AuthorizationHeaderMalformed},
		{get, "host;range", "host;host;range", sigv4.AuthorizationHeaderMalformed},
		{get, "host;range", "Host;range", sigv4.AuthorizationHeaderMalformed},
		{get, "host;range", "host;;range", sigv4.AuthorizationHeaderMalformed},
		{get, "Signature=f0", "Signature=", sigv4.AuthorizationHeaderMalformed},
		{get, "Signature=f0", "Signature=zz", sigv4.AuthorizationHeaderMalformed},
		{get, "x-amz-date: 20130524T000000Z", "x-amz-date: 2013-05-24T00:00:00Z", sigv4.AccessDenied},
		{get, "x-amz-date: 20130524T000000Z", "x-other: 1", sigv4.AccessDenied},
		{get, "x-amz-content-sha256:", "x-other:", sigv4.InvalidRequest},
		{get, "x-amz-content-sha256: e3b", "x-amz-content-sha256: xyz", sigv4.InvalidArgument},
		{get, "x-amz-content-sha256: e3b", "x-amz-content-sha256: STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", sigv4.InvalidArgument},
		{get, "/test.txt", "/test.txt?x=%zz", sigv4.InvalidURI},
		{get, "/test.txt", "/test.txt?x=%2", sigv4.InvalidURI},
		{presigned, "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", sigv4.AuthorizationQueryParametersError},
		{presigned, "&X-Amz-Expires=86400", "", sigv4.AuthorizationQueryParametersError},
		{presigned, "&X-Amz-SignedHeaders=host", "", sigv4.AuthorizationQueryParametersError},
		{presigned, "=86400", "=604801", sigv4.AuthorizationQueryParametersError},
		{presigned, "=86400", "=-1", sigv4.AuthorizationQueryParametersError},
		{presigned, "=86400", "=1d", sigv4.AuthorizationQueryParametersError},
		{presigned, "=86400", "=9223372036854775808", sigv4.AuthorizationQueryParametersError},
		{presigned, "%2Fs3%2F", "%2Fsts%2F", sigv4.AuthorizationQueryParametersError},
		{presigned, "us-east-1", "us-east-1%0Ax", sigv4.AuthorizationQueryParametersError},
		{presigned, "SignedHeaders=host", "SignedHeaders=host%0Ax:y", sigv4.AuthorizationQueryParametersError},
		{presigned, "Date=20130524T", "Date=20130524", sigv4.AuthorizationQueryParametersError},
		{presigned, "Date=20130524T", "Date=20130525T", sigv4.AuthorizationQueryParametersError},
		{presigned, "Expires=86400", "Expires=%zz", sigv4.InvalidURI},
		{presigned, "&X-Amz-Expires", "&X-Amz-Content-Sha256=x%0Ay&X-Amz-Expires", sigv4.InvalidArgument},
	} {
		text := strings.Replace(examples[c.example], c.old, c.new, 1)
		if text == examples[c.example] {
			t.Fatalf("%q is not in %s", c.old, c.example)
		}
		_, err := verify(receive(t, text), exampleSecret, exampleTime)
		if code(err) != c.want || err.Error() == "" {
			t.Errorf("%s with %q instead of %q: got %s %v, want %s", c.example, c.new, c.old, code(err), err, c.want)
		}
	}
}

func TestUnsignedAndOtherSchemes(t *testing.T) {
	for _, c := range []struct {
		text string
		want error
	}{
		{"GET /b/k HTTP/1.1\nHost: h\n\n", sigv4.ErrUnsigned},
		{"GET /b/k?prefix=X-Amz-Signature&X-Amz-Date=1 HTTP/1.1\nHost: h\n\n", sigv4.ErrUnsigned},
		{"GET /b/k HTTP/1.1\nHost: h\nAuthorization: AWS AK:c2ln\n\n", sigv4.ErrOtherScheme},
		{"GET /b/k?AWSAccessKeyId=AK&Expires=1&Signature=s HTTP/1.1\nHost: h\n\n", sigv4.ErrOtherScheme},
		{"GET /b/k HTTP/1.1\nHost: h\nAuthorization:\n\n", sigv4.ErrOtherScheme},
	} {
		if _, err := sigv4.Parse(receive(t, c.text)); !errors.Is(err, c.want) {
			t.Errorf("%q: got %v, want %v", c.text, err, c.want)
		}
	}
}

// TestDateHeader signs by Date alone, as the format allows.
func TestDateHeader(t *testing.T) {
	for _, date := range []string{"Fri, 24 May 2013 00:00:00 GMT", "20130524T000000Z"} {
		canonical := "GET\n/\n\ndate:" + date + "\nhost:h\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n\ndate;host;x-amz-content-sha256\nUNSIGNED-PAYLOAD"
		signature := fmt.Sprintf("%x", mac(exampleSigningKey(), "AWS4-HMAC-SHA256\n20130524T000000Z\n"+scope+"\n"+sum256(canonical)))
		r := receive(t, "GET / HTTP/1.1\nHost: h\nDate: "+date+"\nX-Amz-Content-Sha256: UNSIGNED-PAYLOAD\nAuthorization: "+credential+
			",SignedHeaders=date;host;x-amz-content-sha256,Signature="+signature+"\n\n")
		if _, err := verify(r, exampleSecret, exampleTime); err != nil {
			t.Errorf("%s: %s", date, explain(err))
		}
	}
}

// TestChangedSecretCountsAtOnce looks for a stale derived key.
func TestChangedSecretCountsAtOnce(t *testing.T) {
	var v sigv4.Verifier
	for range 3 {
		for _, c := range []struct {
			secret string
			want   sigv4.Code
		}{{exampleSecret, ""}, {"another", sigv4.SignatureDoesNotMatch}, {"", sigv4.SignatureDoesNotMatch}} {
			sig, err := sigv4.Parse(receive(t, examples["get object"]))
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Verify(sig, c.secret, exampleTime); code(err) != c.want {
				t.Errorf("secret %q: %v", c.secret, err)
			}
		}
	}
}

// TestErrorsTellNoSecrets looks for the secret and the session token in all that can be printed.
func TestErrorsTellNoSecrets(t *testing.T) {
	const token = "t0k3n-of-the-session"
	r := receive(t, "GET /k?X-Amz-Security-Token="+token+"&x=1 HTTP/1.1\nHost: h\nX-Amz-Date: 20130524T000000Z\nX-Amz-Content-Sha256: UNSIGNED-PAYLOAD\nX-Amz-Security-Token: a&"+token+
		"\nX-Amz-Server-Side-Encryption-Customer-Key: "+token+"\nAuthorization: "+credential+
		",SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token;x-amz-server-side-encryption-customer-key,Signature="+strings.Repeat("0", 64)+"\n\n")
	sig, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	var v sigv4.Verifier
	err = v.Verify(sig, exampleSecret, exampleTime)
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok || e.CanonicalRequest() == "" || e.StringToSign() == "" {
		t.Fatalf("no details in %v", err)
	}
	signer := sigv4.NewSigner(exampleKey, exampleSecret, "us-east-1")
	if err := signer.Sign(&http.Request{Method: "GET", URL: r.URL, Header: http.Header{}}, sigv4.EmptyPayload, exampleTime); err != nil {
		t.Fatal(err)
	}
	all := err.Error() + e.CanonicalRequest() + e.StringToSign()
	for _, thing := range []any{e, sig, &v, signer} {
		all += fmt.Sprintf("%v %+v %#v", thing, thing, thing)
	}
	for _, secret := range []string{exampleSecret, token} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in %s", secret, all)
		}
	}
	if !strings.Contains(e.CanonicalRequest(), "x-amz-security-token:[redacted]\n") || !strings.Contains(e.CanonicalRequest(), "X-Amz-Security-Token=[redacted]&x=1") {
		t.Errorf("the rest of the canonical request is not whole:\n%s", e.CanonicalRequest())
	}
}

// TestVerifyAllocatesLittle holds the budget of the gateway.
func TestVerifyAllocatesLittle(t *testing.T) {
	var v sigv4.Verifier
	r := receive(t, examples["get object"])
	allocs := testing.AllocsPerRun(100, func() {
		sig, err := sigv4.Parse(r)
		if err == nil {
			err = v.Verify(sig, exampleSecret, exampleTime)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	// One it is; the race detector makes pools forget, and a key that is derived anew takes 40.
	if allocs > 8 {
		t.Errorf("%.0f allocations for a check", allocs)
	}
}
