package sigv4_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/lanyardhq/lanyard/sigv4"
)

// hostileKeys are names of objects that somebody's encoding gets wrong. All are legal in S3.
var hostileKeys = []string{
	"plain", "with space", " leading", "trailing ", "a//b", "//", "/", ".", "..", "../../etc/passwd", "a/./b", "a/../b/",
	"a%2fb", "a%2Fb", "100%", "%", "%zz", "%25", "a+b", "a&b=c;d", "q?x=1", "#hash", "~tilde", "'quote'", `"double"`,
	"(paren)!*", `back\slash`, "tab\there", "line\nbreak", "carriage\rreturn", "nul\x00", "del\x7f", "ü", "日本語", "emoji😀",
	"u\u0308 combining", "a:b", "p:bucket", "@at", "a|b^c`d", "{[<>]}", "a,b", "$dollar", "\xff\xfe not utf-8",
	strings.Repeat("long/", 200),
}

// hostileQueries are raw queries as clients write them.
var hostileQueries = []string{
	"", "acl", "acl=", "uploads&prefix=", "list-type=2&prefix=a%2Fb%20c&delimiter=%2F", "prefix=%2B%20%26%3D%3B%2525",
	"b=2&a=1&b=1&a=2", "a=1&a-b=2&a.b=3&A=4", "x=%E2%82%AC&%C3%BC=1", "versionId=null&response-content-disposition=attachment%3B%20filename%3D%22a%20b.txt%22",
	"prefix=~-._", "a=b%3Dc", "k1=1&k2=2&k3=3&k4=4&k5=5&k6=6&k7=7&k8=8&k9=9&k10=10&k11=11&k12=12&k13=13&k14=14&k15=15",
}

// signCase is an order to testdata/botocore_sign.py.
type signCase struct {
	Signer     string            `json:"signer"`
	Method     string            `json:"method"`
	URL        string            `json:"url"`
	Region     string            `json:"region,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body,omitempty"`
	Fields     map[string]string `json:"fields,omitempty"`
	Expiration string            `json:"expiration,omitempty"`
	Conditions []any             `json:"conditions,omitempty"`
}

// signed is its answer: a request or the fields of a form.
type signed struct {
	Method, Target string
	Headers        [][2]string
	Fields         map[string]string
}

// botocore signs cases with botocore. It fails the test if Python or botocore is missing.
func botocore(t *testing.T, token string, cases []signCase) []signed {
	t.Helper()
	order, err := json.Marshal(map[string]any{"key": exampleKey, "secret": exampleSecret, "token": token, "cases": cases})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/botocore_sign.py")
	cmd.Stdin = bytes.NewReader(order)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("botocore (Debian: python3-boto3, python3-awscrt) is needed as a peer: %v\n%s", err, &stderr)
	}
	var answers []signed
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	if len(answers) != len(cases) {
		t.Fatalf("%d answers to %d cases", len(answers), len(cases))
	}
	return answers
}

// request is the answer as a server receives it.
func (s signed) request(t *testing.T, body string) *http.Request {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\n", s.Method, s.Target)
	for _, h := range s.Headers {
		if !strings.EqualFold(h[0], "content-length") {
			fmt.Fprintf(&b, "%s: %s\n", h[0], h[1])
		}
	}
	fmt.Fprintf(&b, "Content-Length: %d\n\n%s", len(body), body)
	return receive(t, b.String())
}

func explain(err error) string {
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return fmt.Sprintf("%s: %s\n%s\n%s", e.Code, e.Message, e.CanonicalRequest(), e.StringToSign())
	}
	return err.Error()
}

func TestRequestsOfBotocoreVerify(t *testing.T) {
	var cases []signCase
	add := func(c signCase) {
		for _, signer := range []string{"header", "query", "crt header", "crt query"} {
			c.Signer = signer
			cases = append(cases, c)
		}
	}
	for _, key := range hostileKeys {
		add(signCase{Method: "GET", URL: "http://s3.example.org:9000" + sigv4.EncodePath("/bucket/"+key)})
	}
	for _, query := range hostileQueries {
		add(signCase{Method: "GET", URL: "http://s3.example.org/bucket?" + query})
	}
	add(signCase{Method: "PUT", URL: "http://bucket.s3.example.org/key", Body: "payload", Headers: map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "x-amz-acl": "public-read", "x-amz-meta-empty": "", "x-amz-meta-a_b": "1", "x-amz-meta-a-b": "2",
		"x-amz-meta-spaces": "  many   inner \t blanks  ", "X-Amz-Meta-Case": "Ä", "Cache-Control": "no-cache, no-store",
		"x-amz-meta-" + strings.Repeat("long-", 20): "x"}})
	add(signCase{Method: "GET", Region: "US", URL: "http://s3.example.org/"})
	add(signCase{Method: "DELETE", Region: "", URL: "http://[::1]:9000/bucket"})
	for _, token := range []string{"", "IQoJb3JpZ2luX2VjE+/=="} {
		for i, answer := range botocore(t, token, cases) {
			c := cases[i]
			r := answer.request(t, c.Body)
			sig, err := verify(r, exampleSecret, time.Now())
			if err != nil {
				t.Errorf("%s %q: %s", c.Signer, answer.Target, explain(err))
				continue
			}
			if sig.SecurityToken != token {
				t.Errorf("%s: security token %q", c.Signer, sig.SecurityToken)
			}
			if _, err := verify(r, exampleSecret+"x", time.Now()); code(err) != sigv4.SignatureDoesNotMatch {
				t.Errorf("%s %q verifies with another secret: %v", c.Signer, answer.Target, err)
			}
			body, err := sigv4.NewBody(r, sig)
			if err != nil {
				t.Errorf("%s: body: %v", c.Signer, err)
				continue
			}
			if data, err := io.ReadAll(body); err != nil || string(data) != c.Body {
				t.Errorf("%s: body %q, %v", c.Signer, data, err)
			}
		}
	}
}

func TestFormsOfBotocoreVerify(t *testing.T) {
	conditions := []any{map[string]string{"bucket": "uploads"}, []any{"starts-with", "$key", "user/"},
		[]any{"content-length-range", 1, 10}, map[string]string{"acl": "private"}}
	answers := botocore(t, "token", []signCase{{Signer: "post", Method: "POST", URL: "http://s3.example.org/uploads",
		Fields: map[string]string{"acl": "private"}, Expiration: "2099-01-01T00:00:00Z", Conditions: conditions}})
	fields := answers[0].Fields
	fields["key"] = "user/x"
	sig, err := sigv4.ParsePost(fields)
	if err != nil {
		t.Fatal(err)
	}
	var v sigv4.Verifier
	if err := v.Verify(sig, exampleSecret, time.Now()); err != nil {
		t.Error(explain(err))
	}
	if err := v.Verify(sig, "other", time.Now()); code(err) != sigv4.SignatureDoesNotMatch {
		t.Errorf("verifies with another secret: %v", err)
	}
	if sig.AccessKeyID != exampleKey || sig.SecurityToken != "token" || sig.Form != sigv4.Post {
		t.Errorf("parsed %+v", sig)
	}
	policy, err := sigv4.ParsePolicy(fields["policy"])
	if err != nil {
		t.Fatal(err)
	}
	if err := policy.Check(fields, "uploads", time.Now()); err != nil {
		t.Error(err)
	}
	if code(policy.CheckSize(0)) != sigv4.EntityTooSmall || code(policy.CheckSize(11)) != sigv4.EntityTooLarge || policy.CheckSize(10) != nil {
		t.Error("content-length-range is not kept")
	}
}

// sdkPaths are paths on the wire as no client should write them but some do. The SDK for Go signs
// them as they are.
var sdkPaths = []string{"/p:bucket/key", "/p%3Abucket/key", "/p%3abucket/a%2fb", "/b/a%2Fb", "/b//a///b", "/b/../x", "/b/./x",
	"/b/(1)!*'", "/b/@$&+,;=", "/b/%7Etilde", "/b/%41", "/b/a%20b", "/b/%e6%97%a5", "/", "/b/"}

func TestRequestsOfTheSDKForGoVerify(t *testing.T) {
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	credentials := aws.Credentials{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret}
	paths := slices.Clone(sdkPaths)
	for _, key := range hostileKeys {
		paths = append(paths, sigv4.EncodePath("/bucket/"+key))
	}
	for _, path := range paths {
		for _, query := range hostileQueries {
			text := "PUT " + path + "?" + query + " HTTP/1.1\nHost: s3.example.org:9000\nContent-Type:  text/plain  \nX-Amz-Meta-Twice: one\nX-Amz-Meta-Twice:  two   three\nContent-Length: 4\n\nbody"
			r := receive(t, text)
			r.Header.Set("X-Amz-Content-Sha256", sum256("body"))
			if err := signer.SignHTTP(t.Context(), credentials, r, sum256("body"), "s3", "eu-north-1", exampleTime); err != nil {
				t.Fatal(err)
			}
			if _, err := verify(r, exampleSecret, exampleTime); err != nil {
				t.Errorf("header %s?%s: %s", path, query, explain(err))
			}
			if _, err := verify(r, "other", exampleTime); code(err) != sigv4.SignatureDoesNotMatch {
				t.Errorf("header %s?%s: another secret: %v", path, query, err)
			}

			r = receive(t, "GET "+path+"?"+strings.TrimPrefix(query+"&X-Amz-Expires=60", "&")+" HTTP/1.1\nHost: s3.example.org\n\n")
			presigned, _, err := signer.PresignHTTP(t.Context(), credentials, r, sigv4.UnsignedPayload, "s3", "eu-north-1", exampleTime)
			if err != nil {
				t.Fatal(err)
			}
			r = receive(t, "GET "+presigned+" HTTP/1.1\nHost: s3.example.org\n\n")
			if _, err := verify(r, exampleSecret, exampleTime); err != nil {
				t.Errorf("query %s: %s", presigned, explain(err))
			}
		}
	}
}

// TestSignerAgreesWithTheSDKForGo compares what we send upstream with what the SDK would.
func TestSignerAgreesWithTheSDKForGo(t *testing.T) {
	theirs := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	credentials := aws.Credentials{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret}
	ours := sigv4.NewSigner(exampleKey, exampleSecret, "eu-north-1")
	for _, key := range hostileKeys {
		for _, query := range hostileQueries {
			for _, headers := range []string{"", "X-Amz-Meta-A_B: 1\nX-Amz-Meta-Ab: 2\nX-Amz-Meta-A-B:  3  4\n"} {
				text := "GET " + sigv4.EncodePath("/bucket/"+key) + "?" + query + " HTTP/1.1\nHost: 127.0.0.1:7480\n" + headers + "\n"
				a, b := receive(t, text), receive(t, text)
				if err := ours.Sign(a, sigv4.UnsignedPayload, exampleTime); err != nil {
					t.Fatal(err)
				}
				b.Header.Set("X-Amz-Content-Sha256", sigv4.UnsignedPayload)
				if err := theirs.SignHTTP(t.Context(), credentials, b, sigv4.UnsignedPayload, "s3", "eu-north-1", exampleTime); err != nil {
					t.Fatal(err)
				}
				got := a.Header.Get("Authorization")
				want := strings.ReplaceAll(b.Header.Get("Authorization"), ", ", ",")
				if got != want {
					t.Errorf("%s\n got %s\nwant %s", text, got, want)
				}
				if _, err := verify(a, exampleSecret, exampleTime); err != nil {
					t.Errorf("our own signature: %s", explain(err))
				}
			}
		}
	}
}
