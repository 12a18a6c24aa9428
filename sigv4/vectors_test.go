package sigv4_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/sigv4"
)

// Key and time of the examples in the Amazon S3 API Reference.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

// receive parses a request as net/http's server does. Lines end in \n.
func receive(t testing.TB, text string) *http.Request {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	wire := strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire)))
	if err != nil {
		t.Fatalf("net/http refuses the request: %v\n%s", err, head)
	}
	return r
}

// verify parses and verifies r.
func verify(r *http.Request, secret string, now time.Time) (*sigv4.Signature, error) {
	sig, err := sigv4.Parse(r)
	if err != nil {
		return nil, err
	}
	var v sigv4.Verifier
	return sig, v.Verify(sig, secret, now)
}

// code returns the S3 code of err, "" for nil.
func code(err error) sigv4.Code {
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return e.Code
	}
	if err != nil {
		return sigv4.Code("not an S3 error: " + err.Error())
	}
	return ""
}

const credential = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"

// examples are the requests whose signatures AWS publishes.
var examples = map[string]string{
	"get object": `GET /test.txt HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Authorization: ` + credential + `,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41
Range: bytes=0-9
x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-amz-date: 20130524T000000Z

`,
	"put object": `PUT /test$file.text HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Authorization: ` + credential + `,SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd
Date: Fri, 24 May 2013 00:00:00 GMT
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072
Content-Length: 21

Welcome to Amazon S3.`,
	"get bucket lifecycle": `GET /?lifecycle HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Authorization: ` + credential + `,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543
x-amz-date: 20130524T000000Z
x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

`,
	"list objects": `GET /?max-keys=2&prefix=J HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Authorization: ` + credential + `, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7
x-amz-date: 20130524T000000Z
x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

`,
	"presigned get": `GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1
Host: examplebucket.s3.amazonaws.com

`,
	"put chunks": chunkHead + `Authorization: ` + credential + `,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9
x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD
Content-Length: 66824

10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648` + "\r\n" + chunk1 + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + chunk2 + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
	"put chunks with trailer": chunkHead + `Authorization: ` + credential + `,SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e
x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
x-amz-trailer: x-amz-checksum-crc32c
Content-Length: 66946

10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2` + "\r\n" + chunk1 + "\r\n" +
		"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" + chunk2 + "\r\n" +
		"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
		"x-amz-checksum-crc32c:sOO8/Q==\r\n" +
		"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
}

const chunkHead = `PUT /examplebucket/chunkObject.txt HTTP/1.1
Host: s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
Content-Encoding: aws-chunked
x-amz-decoded-content-length: 66560
`

var (
	chunk1 = strings.Repeat("a", 65536)
	chunk2 = strings.Repeat("a", 1024)
)

func TestExamplesOfAWS(t *testing.T) {
	for name, text := range examples {
		t.Run(name, func(t *testing.T) {
			r := receive(t, text)
			sig, err := verify(r, exampleSecret, exampleTime.Add(10*time.Minute))
			if err != nil {
				t.Fatal(explain(err))
			}
			if sig.AccessKeyID != exampleKey || sig.Region != "us-east-1" || !sig.SignedAt.Equal(exampleTime) {
				t.Errorf("parsed %s, %s, %s", sig.AccessKeyID, sig.Region, sig.SignedAt)
			}
			body, err := sigv4.NewBody(r, sig)
			if err != nil {
				t.Fatalf("body: %v", err)
			}
			data, err := io.ReadAll(body)
			if err != nil {
				t.Errorf("body: %v", err)
			}
			if int64(len(data)) != body.Len() {
				t.Errorf("read %d bytes, Len says %d", len(data), body.Len())
			}
		})
	}
}
