package sigv2_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/sigv2"
)

var hostileKeys = []string{
	"plain", "with space", " leading", "trailing ", "a//b", "/", ".", "..", "../../etc/passwd", "a/./b",
	"a%2fb", "a%2Fb", "100%", "%zz", "a+b", "a&b=c;d", "q?x=1", "?acl", "#hash", "~tilde", "'quote'", `"double"`,
	"(paren)!*", `back\slash`, "tab\there", "line\nbreak", "ü", "日本語", "emoji😀", "a:b", "@at", "a|b^c`d", "{[<>]}", "a,b", "$dollar",
}

var queries = []string{"", "acl", "delete", "uploads", "location", "partNumber=2&uploadId=abc.DEF-1_2", "uploadId=x&partNumber=10",
	"prefix=a%20b&delimiter=%2F&marker=", "versionId=null", "policy", "cors", "lifecycle"}

// signCase is an order to testdata/peers_sign.py.
type signCase struct {
	Signer      string            `json:"signer"`
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	AuthPath    string            `json:"auth_path,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Disposition string            `json:"disposition,omitempty"`
	Fields      map[string]string `json:"fields,omitempty"`
	Expiration  string            `json:"expiration,omitempty"`
	Conditions  []any             `json:"conditions,omitempty"`

	bucket string // in the host
}

// signed is its answer: a request or the fields of a form.
type signed struct {
	Method, Target string
	Headers        [][2]string
	Fields         map[string]string
}

func (s signed) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\n", s.Method, s.Target)
	for _, h := range s.Headers {
		fmt.Fprintf(&b, "%s: %s\n", h[0], h[1])
	}
	return b.String() + "\n"
}

// peers signs cases with botocore and s3cmd. It fails the test if one of them is missing.
func peers(t *testing.T, token string, cases []signCase) []signed {
	t.Helper()
	order, err := json.Marshal(map[string]any{"key": exampleKey, "secret": exampleSecret, "token": token, "cases": cases})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/peers_sign.py")
	cmd.Stdin = bytes.NewReader(order)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("botocore and s3cmd (Debian: python3-boto3, s3cmd) are needed as peers: %v\n%s", err, &stderr)
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

// escape encodes a key as boto3 and s3cmd do.
func escape(key string) string {
	return strings.NewReplacer("%2F", "/", "+", "%20").Replace(url.QueryEscape(key))
}

func TestRequestsOfPeersVerify(t *testing.T) {
	var cases []signCase
	for _, key := range hostileKeys {
		path := "/bucket/" + escape(key)
		for _, signer := range []string{"header", "query", "s3cmd", "s3cmd signurl"} {
			cases = append(cases, signCase{Signer: signer, Method: "GET", URL: "http://s3.example.org:9000" + path})
		}
		cases = append(cases, signCase{Signer: "header", Method: "GET", URL: "http://bucket.s3.example.org/" + escape(key), AuthPath: path, bucket: "bucket"},
			signCase{Signer: "query", Method: "GET", URL: "http://bucket.s3.example.org/" + escape(key), AuthPath: path, bucket: "bucket"})
	}
	for _, query := range queries {
		for _, signer := range []string{"header", "query", "s3cmd"} {
			cases = append(cases, signCase{Signer: signer, Method: "POST", URL: "http://s3.example.org/p%3Abucket?" + query})
		}
	}
	headers := map[string]string{"content-type": "text/plain; charset=utf-8", "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==", "x-amz-acl": "public-read",
		"x-amz-meta-b": " two  blanks ", "x-amz-meta-a_b": "1", "x-amz-meta-a-b": "2", "cache-control": "no-cache"}
	for _, signer := range []string{"header", "query"} {
		cases = append(cases, signCase{Signer: signer, Method: "PUT", URL: "http://s3.example.org/b/k", Headers: headers},
			signCase{Signer: signer, Method: "GET", URL: "http://s3.example.org/b/k?response-content-type=a%2Bb%20c&versionId=1&response-content-disposition=x%3D%22%C3%BC%22"})
	}
	headers = maps.Clone(headers)
	headers["x-amz-date"] = time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 +0000")
	headers["x-amz-meta-b"] = "one"
	cases = append(cases, signCase{Signer: "s3cmd", Method: "PUT", URL: "http://s3.example.org/b/k", Headers: headers},
		signCase{Signer: "s3cmd signurl", Method: "GET", URL: "http://s3.example.org/b/k", Disposition: `attachment; filename="a b+c.txt"`})
	for i, c := range cases {
		if c.Signer == "s3cmd" && c.Headers == nil {
			cases[i].Headers = map[string]string{"x-amz-date": headers["x-amz-date"]}
		}
	}
	for _, token := range []string{"", "IQoJb3JpZ2luX2VjE+/=="} {
		for i, answer := range peers(t, token, cases) {
			c := cases[i]
			r := receive(t, answer.text())
			sig, err := verify(r, exampleSecret, c.bucket, time.Now())
			if err != nil {
				t.Errorf("%s %s: %s", c.Signer, answer.Target, explain(err))
				continue
			}
			if !strings.HasPrefix(c.Signer, "s3cmd") && sig.SecurityToken != token {
				t.Errorf("%s: security token %q", c.Signer, sig.SecurityToken)
			}
			if _, err := verify(r, "other", c.bucket, time.Now()); code(err) != sigv2.SignatureDoesNotMatch {
				t.Errorf("%s %s: another secret: %v", c.Signer, answer.Target, err)
			}
		}
	}
}

func TestFormsOfBotocoreVerify(t *testing.T) {
	fields := peers(t, "token", []signCase{{Signer: "post", Method: "POST", URL: "http://s3.example.org/uploads", Fields: map[string]string{"key": "k"},
		Expiration: "2099-01-01T00:00:00Z", Conditions: []any{map[string]string{"bucket": "uploads"}}}})[0].Fields
	lower := map[string]string{}
	for name, value := range fields {
		lower[strings.ToLower(name)] = value
	}
	post := func() error {
		sig, err := sigv2.ParsePost(lower)
		if err != nil {
			return err
		}
		if sig.AccessKeyID != exampleKey || sig.SecurityToken != "token" {
			t.Errorf("parsed %s", sig.AccessKeyID)
		}
		return sig.Verify(exampleSecret, "", time.Now())
	}
	if err := post(); err != nil {
		t.Error(explain(err))
	}
	policy := lower["policy"]
	lower["policy"] = policy + "="
	if err := post(); code(err) != sigv2.SignatureDoesNotMatch {
		t.Errorf("altered policy: %v", err)
	}
	delete(lower, "policy")
	if err := post(); code(err) != sigv2.InvalidArgument {
		t.Errorf("no policy: %v", err)
	}
}
