package sigv4_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/sigv4"
)

// BenchmarkVerify is what the gateway does for each request whose derived key is cached: parse and
// verify. The goal is 10 µs.
func BenchmarkVerify(b *testing.B) {
	for _, name := range []string{"get object", "list objects", "presigned get", "put chunks"} {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			var v sigv4.Verifier
			r := receive(b, examples[name])
			b.ReportAllocs()
			for b.Loop() {
				sig, err := sigv4.Parse(r)
				if err != nil {
					b.Fatal(err)
				}
				if err := v.Verify(sig, exampleSecret, exampleTime); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerifyFirst is the same with a key that has to be derived.
func BenchmarkVerifyFirst(b *testing.B) {
	r := receive(b, examples["get object"])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := verify(r, exampleSecret, exampleTime); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	signer := sigv4.NewSigner(exampleKey, exampleSecret, "us-east-1")
	r := receive(b, "GET /project.bucket/a/b%20c?partNumber=1&uploadId=xyz HTTP/1.1\nHost: 127.0.0.1:7480\nRange: bytes=0-9\n\n")
	b.ReportAllocs()
	for b.Loop() {
		r.Header = http.Header{}
		if err := signer.Sign(r, sigv4.UnsignedPayload, exampleTime); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBody reads payloads of each form; compare with the bare hashes.
func BenchmarkBody(b *testing.B) {
	for _, c := range []struct{ payload, trailer string }{
		{payload: "hex"},
		{payload: signedChunks},
		{payload: signedTrailer, trailer: "x-amz-checksum-crc32"},
		{payload: unsignedTrailer, trailer: "x-amz-checksum-crc32c"},
		{payload: unsignedTrailer, trailer: "x-amz-checksum-crc64nvme"},
		{payload: unsignedTrailer, trailer: "x-amz-checksum-sha256"},
	} {
		b.Run(c.payload+c.trailer, func(b *testing.B) {
			data := strings.Repeat("lanyard ", 1<<20)
			up := upload{payload: c.payload, trailer: c.trailer, data: data, chunk: 64 << 10}
			text := up.text()
			b.SetBytes(int64(len(data)))
			buf := make([]byte, 128<<10)
			for b.Loop() {
				b.StopTimer()
				r := receive(b, text)
				sig, err := verify(r, exampleSecret, exampleTime)
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				body, err := sigv4.NewBody(r, sig)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, body, buf)
				if err != nil || n != int64(len(data)) {
					b.Fatal(n, err)
				}
			}
		})
	}
}
