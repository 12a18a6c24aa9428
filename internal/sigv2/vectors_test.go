package sigv2_test

import (
	"bufio"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/sigv2"
)

// Key of the examples in the Amazon S3 User Guide.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// receive parses a request as net/http's server does. Lines end in \n.
func receive(t testing.TB, text string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n"))))
	if err != nil {
		t.Fatalf("net/http refuses the request: %v\n%s", err, text)
	}
	return r
}

func verify(r *http.Request, secret, bucket string, now time.Time) (*sigv2.Signature, error) {
	sig, err := sigv2.Parse(r)
	if err != nil {
		return nil, err
	}
	return sig, sig.Verify(secret, bucket, now)
}

// code returns the S3 code of err, "" for nil.
func code(err error) sigv2.Code {
	if e, ok := errors.AsType[*sigv2.Error](err); ok {
		return e.Code
	}
	if err != nil {
		return sigv2.Code("not an S3 error: " + err.Error())
	}
	return ""
}

type example struct {
	text, bucket string
	now          time.Time
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC1123Z, text)
	if err != nil {
		panic(err)
	}
	return t
}

// examples are the requests whose signatures AWS publishes.
var examples = map[string]example{
	"get": {"GET /photos/puppy.jpg HTTP/1.1\nHost: johnsmith.s3.amazonaws.com\nDate: Tue, 27 Mar 2007 19:36:42 +0000\n" +
		"Authorization: AWS AKIAIOSFODNN7EXAMPLE:bWq2s1WEIj+Ydj0vQ697zp+IXMU=\n\n", "johnsmith", at("Tue, 27 Mar 2007 19:36:42 +0000")},
	"put": {"PUT /photos/puppy.jpg HTTP/1.1\nContent-Type: image/jpeg\nContent-Length: 94328\nHost: johnsmith.s3.amazonaws.com\nDate: Tue, 27 Mar 2007 21:15:45 +0000\n" +
		"Authorization: AWS AKIAIOSFODNN7EXAMPLE:MyyxeRY7whkBe+bq8fHCL/2kKUg=\n\n", "johnsmith", at("Tue, 27 Mar 2007 21:15:45 +0000")},
	"list": {"GET /?prefix=photos&max-keys=50&marker=puppy HTTP/1.1\nUser-Agent: Mozilla/5.0\nHost: johnsmith.s3.amazonaws.com\nDate: Tue, 27 Mar 2007 19:42:41 +0000\n" +
		"Authorization: AWS AKIAIOSFODNN7EXAMPLE:htDYFYduRNen8P9ZfE/s9SuKy0U=\n\n", "johnsmith", at("Tue, 27 Mar 2007 19:42:41 +0000")},
	"acl": {"GET /?acl HTTP/1.1\nHost: johnsmith.s3.amazonaws.com\nDate: Tue, 27 Mar 2007 19:44:46 +0000\n" +
		"Authorization: AWS AKIAIOSFODNN7EXAMPLE:c2WLPFtWHVgbEmeEG93a4cG37dM=\n\n", "johnsmith", at("Tue, 27 Mar 2007 19:44:46 +0000")},
	"upload": {"PUT /db-backup.dat.gz HTTP/1.1\nUser-Agent: curl/7.15.5\nHost: static.johnsmith.net:8080\nDate: Tue, 27 Mar 2007 21:06:08 +0000\n" +
		"x-amz-acl: public-read\ncontent-type: application/x-download\nContent-MD5: 4gJE4saaMU4BqNR0kLY+lw==\n" +
		"X-Amz-Meta-ReviewedBy: joe@johnsmith.net\nX-Amz-Meta-ReviewedBy: jane@johnsmith.net\nX-Amz-Meta-FileChecksum: 0x02661779\n" +
		"X-Amz-Meta-ChecksumAlgorithm: crc32\nContent-Disposition: attachment; filename=database.dat\nContent-Encoding: gzip\nContent-Length: 5913339\n" +
		"Authorization: AWS AKIAIOSFODNN7EXAMPLE:ilyl83RwaSoYIEdixDQcA4OnAnc=\n\n", "static.johnsmith.net", at("Tue, 27 Mar 2007 21:06:08 +0000")},
	"buckets": {"GET / HTTP/1.1\nHost: s3.amazonaws.com\nDate: Wed, 28 Mar 2007 01:29:59 +0000\n" +
		"Authorization: AWS AKIAIOSFODNN7EXAMPLE:qGdzdERIC03wnaRNKh6OqZehG9s=\n\n", "", at("Wed, 28 Mar 2007 01:29:59 +0000")},
	"unicode": {"GET /dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re HTTP/1.1\nHost: s3.amazonaws.com\nDate: Wed, 28 Mar 2007 01:49:49 +0000\n" +
		"Authorization: AWS AKIAIOSFODNN7EXAMPLE:DNEZGsoieTZ92F3bUfSPQcbGmlM=\n\n", "", at("Wed, 28 Mar 2007 01:49:49 +0000")},
	"presigned": {"GET /photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620 HTTP/1.1\n" +
		"Host: johnsmith.s3.amazonaws.com\n\n", "johnsmith", time.Unix(1175139620, 0)},
}

func TestExamplesOfAWS(t *testing.T) {
	for name, e := range examples {
		r := receive(t, e.text)
		sig, err := verify(r, exampleSecret, e.bucket, e.now)
		if err != nil {
			t.Errorf("%s: %s", name, explain(err))
			continue
		}
		if sig.AccessKeyID != exampleKey {
			t.Errorf("%s: access key %s", name, sig.AccessKeyID)
		}
		if _, err := verify(r, "other", e.bucket, e.now); code(err) != sigv2.SignatureDoesNotMatch {
			t.Errorf("%s: another secret: %v", name, err)
		}
		if _, err := verify(r, exampleSecret, "other", e.now); code(err) != sigv2.SignatureDoesNotMatch {
			t.Errorf("%s: another bucket: %v", name, err)
		}
	}
}

func explain(err error) string {
	if e, ok := errors.AsType[*sigv2.Error](err); ok {
		return string(e.Code) + ": " + e.Message + "\n" + e.StringToSign()
	}
	return err.Error()
}
