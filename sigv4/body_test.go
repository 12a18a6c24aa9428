package sigv4_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/lanyardhq/lanyard/sigv4"
)

var checksums = []string{"x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme", "x-amz-checksum-sha1", "x-amz-checksum-sha256"}

// open verifies a request and opens its body.
func open(t testing.TB, text string) (*sigv4.Body, error) {
	t.Helper()
	r := receive(t, text)
	sig, err := verify(r, exampleSecret, exampleTime)
	if err != nil {
		t.Fatal(explain(err))
	}
	return sigv4.NewBody(r, sig)
}

// forms are all ways to send a body.
func forms() []upload {
	all := []upload{{payload: "hex"}, {payload: sigv4.UnsignedPayload}, {payload: signedChunks}}
	for _, c := range checksums {
		all = append(all, upload{payload: signedTrailer, trailer: c}, upload{payload: unsignedTrailer, trailer: c})
	}
	return append(all, upload{payload: unsignedTrailer}, upload{payload: signedTrailer})
}

func TestBodies(t *testing.T) {
	for _, up := range forms() {
		for _, size := range []int{0, 1, 8, 9, 4096, 20_000} {
			for _, chunk := range []int{1, 8, 5000, 64 << 10} {
				if size/chunk > 5000 {
					continue
				}
				up.data, up.chunk = strings.Repeat("abcdefg\n", size/8+1)[:size], chunk
				for name, wrap := range map[string]func(io.Reader) io.Reader{"plain": func(r io.Reader) io.Reader { return r },
					"one byte": iotest.OneByteReader, "data with EOF": iotest.DataErrReader, "half": iotest.HalfReader} {
					r := receive(t, up.text())
					text, err := io.ReadAll(r.Body)
					if err != nil {
						t.Fatal(err)
					}
					r.Body = io.NopCloser(wrap(bytes.NewReader(text)))
					sig, err := verify(r, exampleSecret, exampleTime)
					if err != nil {
						t.Fatal(explain(err))
					}
					body, err := sigv4.NewBody(r, sig)
					if err != nil {
						t.Fatalf("%s: %v", up.payload, err)
					}
					data, err := io.ReadAll(body)
					if err != nil || string(data) != up.data || body.Len() != int64(size) {
						t.Fatalf("%s %s, %s reader, chunks of %d: read %d of %d, Len %d, %v", up.payload, up.trailer, name, chunk, len(data), size, body.Len(), err)
					}
					sumName, sum := body.Checksum()
					if sumName != up.trailer || up.trailer != "" && sum != checksum(up.trailer, up.data) {
						t.Errorf("checksum %s %s", sumName, sum)
					}
					if body.Chunked() != strings.HasPrefix(up.payload, "STREAMING") {
						t.Errorf("%s: Chunked is %v", up.payload, body.Chunked())
					}
				}
			}
		}
	}
}

// TestKnownChecksums compares with the check values of the catalogue of CRC algorithms, and of
// "123456789" hashed by coreutils.
func TestKnownChecksums(t *testing.T) {
	for name, sum := range map[string]string{
		"x-amz-checksum-crc32": "y/Q5Jg==", "x-amz-checksum-crc32c": "4waSgw==", "x-amz-checksum-crc64nvme": "rosUhgp5mIg=",
		"x-amz-checksum-sha1": "98O8HYCOBHMq32eZZczDTKeuNEE=", "x-amz-checksum-sha256": "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
	} {
		body, err := open(t, upload{payload: unsignedTrailer, trailer: name, data: "123456789", chunk: 9, spoilSum: func(string) string { return sum }}.text())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// broken are uploads with one thing wrong. None of them may be completed.
var broken = map[string]struct {
	up   upload
	want sigv4.Code
}{
	"wrong hash":                 {upload{payload: sum256("other"), data: "body"}, sigv4.XAmzContentSHA256Mismatch},
	"wrong hash of nothing":      {upload{payload: sum256("other")}, sigv4.XAmzContentSHA256Mismatch},
	"chunk altered":              {upload{payload: signedChunks, data: "0123456789", chunk: 4, spoilChunk: alter(0, "0123", "0124")}, sigv4.SignatureDoesNotMatch},
	"last chunk altered":         {upload{payload: signedChunks, data: "0123456789", chunk: 4, spoilChunk: alter(2, "89", "88")}, sigv4.SignatureDoesNotMatch},
	"final signature altered":    {upload{payload: signedChunks, data: "0123", chunk: 4, spoilChunk: alter(1, "signature=", "signature=0000000000000000000000000000000000000000000000000000000000000000\r\n")}, sigv4.SignatureDoesNotMatch},
	"chunks swapped":             {upload{payload: signedChunks, data: "00001111", chunk: 4, spoilChunk: swap()}, sigv4.SignatureDoesNotMatch},
	"chunk without signature":    {upload{payload: signedChunks, data: "0123", chunk: 4, spoilChunk: alter(0, ";chunk-signature=", ";x=")}, sigv4.IncompleteBody},
	"chunk with bare size":       {upload{payload: signedChunks, data: "0123", chunk: 4, spoilChunk: func(_ int, header, data string) string { return header[:1] + "\r\n" + data + "\r\n" }}, sigv4.IncompleteBody},
	"chunk signature not hex":    {upload{payload: signedChunks, data: "0123", chunk: 4, spoilChunk: alter(0, "signature=", "signature=zzzzzzzzzzzzzzzz")}, sigv4.IncompleteBody},
	"size not hex":               {upload{payload: unsignedTrailer, data: "0123", chunk: 4, spoilChunk: alter(0, "4", "x")}, sigv4.IncompleteBody},
	"size negative":              {upload{payload: unsignedTrailer, data: "0123", chunk: 4, spoilChunk: alter(0, "4", "-4")}, sigv4.IncompleteBody},
	"size too large":             {upload{payload: unsignedTrailer, data: "0123", chunk: 4, spoilChunk: alter(0, "4", "5")}, sigv4.IncompleteBody},
	"size huge":                  {upload{payload: unsignedTrailer, data: "0123", chunk: 4, spoilChunk: alter(0, "4", "ffffffffffffffff")}, sigv4.IncompleteBody},
	"size too small":             {upload{payload: unsignedTrailer, data: "0123", chunk: 4, spoilChunk: alter(0, "4", "3")}, sigv4.IncompleteBody},
	"header endless":             {upload{payload: unsignedTrailer, data: "0123", chunk: 4, spoilChunk: alter(0, "4", strings.Repeat("0", 1<<20)+"4")}, sigv4.IncompleteBody},
	"ends after a chunk":         {upload{payload: unsignedTrailer, data: "01234567", chunk: 4, spoilChunk: drop(1, 2), spoilTrailers: none}, sigv4.IncompleteBody},
	"ends in a chunk":            {upload{payload: unsignedTrailer, data: "01234567", chunk: 8, spoilChunk: func(_ int, h, d string) string { return h + "\r\n" + d[:len(d)/2] }, spoilTrailers: none}, sigv4.IncompleteBody},
	"final chunk missing":        {upload{payload: signedChunks, data: "0123", chunk: 4, spoilChunk: drop(1, 1), spoilTrailers: none}, sigv4.IncompleteBody},
	"final chunk early":          {upload{payload: unsignedTrailer, data: "0123", chunk: 4, decodedLength: "8"}, sigv4.IncompleteBody},
	"longer than declared":       {upload{payload: unsignedTrailer, data: "01234567", chunk: 4, decodedLength: "4"}, sigv4.IncompleteBody},
	"chunk longer than declared": {upload{payload: unsignedTrailer, data: "01234567", chunk: 8, decodedLength: "4"}, sigv4.IncompleteBody},
	"no decoded length":          {upload{payload: unsignedTrailer, data: "0123", chunk: 4, decodedLength: "x"}, sigv4.MissingContentLength},
	"negative decoded length":    {upload{payload: unsignedTrailer, data: "0123", chunk: 4, decodedLength: "-4"}, sigv4.MissingContentLength},
	"huge decoded length":        {upload{payload: unsignedTrailer, data: "0123", chunk: 4, decodedLength: "9223372036854775808"}, sigv4.MissingContentLength},
	"something after the end":    {upload{payload: signedChunks, data: "0123", chunk: 4, spoilTrailers: func(s string) string { return s + "GET / HTTP/1.1\r\n\r\n" }}, sigv4.IncompleteBody},
	"trailer where none is":      {upload{payload: signedChunks, data: "0123", chunk: 4, spoilTrailers: func(s string) string { return "x-amz-checksum-crc32:AAAAAA==\r\n" + s }}, sigv4.IncompleteBody},
	"checksum wrong":             {upload{payload: unsignedTrailer, trailer: checksums[0], data: "0123", chunk: 4, spoilSum: func(string) string { return "AAAAAA==" }}, sigv4.BadDigest},
	"signed checksum wrong":      {upload{payload: signedTrailer, trailer: checksums[4], data: "0123", chunk: 4, spoilSum: func(string) string { return checksum(checksums[4], "0124") }}, sigv4.BadDigest},
	"checksum too short":         {upload{payload: unsignedTrailer, trailer: checksums[2], data: "0123", chunk: 4, spoilSum: func(string) string { return "AAAAAA==" }}, sigv4.InvalidRequest},
	"checksum not base64":        {upload{payload: unsignedTrailer, trailer: checksums[0], data: "0123", chunk: 4, spoilSum: func(string) string { return "????" }}, sigv4.InvalidRequest},
	"checksum missing":           {upload{payload: unsignedTrailer, trailer: checksums[0], data: "0123", chunk: 4, spoilTrailers: func(string) string { return "\r\n" }}, sigv4.MalformedTrailer},
	"checksum twice":             {upload{payload: unsignedTrailer, trailer: checksums[0], data: "0123", chunk: 4, spoilTrailers: func(s string) string { return strings.TrimSuffix(s, "\r\n") + s }}, sigv4.MalformedTrailer},
	"other checksum":             {upload{payload: unsignedTrailer, trailer: checksums[0], data: "0123", chunk: 4, spoilTrailers: func(s string) string { return strings.Replace(s, "crc32", "crc32c", 1) }}, sigv4.MalformedTrailer},
	"trailer not announced":      {upload{payload: unsignedTrailer, data: "0123", chunk: 4, spoilTrailers: func(string) string { return "x-amz-checksum-crc32:AAAAAA==\r\n\r\n" }}, sigv4.MalformedTrailer},
	"trailer unknown":            {upload{payload: unsignedTrailer, trailer: "x-amz-checksum-md4", data: "0123", chunk: 4}, sigv4.InvalidRequest},
	"trailer signature wrong": {upload{payload: signedTrailer, trailer: checksums[0], data: "0123", chunk: 4, spoilTrailers: func(s string) string {
		i := strings.Index(s, "signature:") + len("signature:")
		return s[:i] + strings.Repeat("0", 64) + s[i+64:]
	}}, sigv4.SignatureDoesNotMatch},
	"trailer signature missing": {upload{payload: signedTrailer, trailer: checksums[0], data: "0123", chunk: 4, spoilTrailers: func(s string) string { return s[:strings.Index(s, "\r\n")+2] + "\r\n" }}, sigv4.MalformedTrailer},
	"trailers endless":          {upload{payload: unsignedTrailer, trailer: checksums[0], data: "0123", chunk: 4, spoilTrailers: func(string) string { return strings.Repeat("\r\n", 1000) }}, sigv4.MalformedTrailer},
}

func alter(n int, old, new string) func(int, string, string) string {
	return func(i int, header, data string) string {
		end := "\r\n"
		if data == "" {
			end = ""
		}
		chunk := header + "\r\n" + data + end
		if i == n {
			chunk = strings.Replace(chunk, old, new, 1)
		}
		return chunk
	}
}

func drop(from, to int) func(int, string, string) string {
	return func(i int, header, data string) string {
		if from <= i && i <= to {
			return ""
		}
		return alter(-1, "", "")(i, header, data)
	}
}

// swap sends the first chunk after the second.
func swap() func(int, string, string) string {
	first := ""
	return func(i int, header, data string) string {
		chunk := alter(-1, "", "")(i, header, data)
		switch i {
		case 0:
			first = chunk
			return ""
		case 1:
			return chunk + first
		}
		return chunk
	}
}

func none(string) string { return "" }

// TestBrokenBodies checks the promise that matters to a gateway: whatever is wrong, an error comes
// before all the declared bytes are out.
func TestBrokenBodies(t *testing.T) {
	for name, c := range broken {
		t.Run(name, func(t *testing.T) {
			body, err := open(t, c.up.text())
			var data []byte
			if err == nil {
				data, err = io.ReadAll(body)
				if n, again := body.Read(make([]byte, 10)); n != 0 || !errors.Is(again, err) {
					t.Errorf("after the error Read returns %d, %v", n, again)
				}
				if int64(len(data)) >= body.Len() && body.Len() > 0 {
					t.Errorf("all %d bytes were released", len(data))
				}
			}
			if code(err) != c.want {
				t.Errorf("got %s: %v, want %s", code(err), err, c.want)
			}
		})
	}
}

// TestLaxTrailers are spellings that clients and AWS's own examples send.
func TestLaxTrailers(t *testing.T) {
	for name, spoil := range map[string]func(string) string{
		"bare line feeds":        func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") },
		"line feed, then CRLF":   func(s string) string { return strings.Replace(s, "\r\n", "\n\r\n", 1) },
		"blank line first":       func(s string) string { return "\r\n" + s },
		"no blank line":          func(s string) string { return strings.TrimSuffix(s, "\r\n") },
		"no line end":            func(s string) string { return strings.TrimSuffix(s, "\r\n\r\n") },
		"upper case and a blank": func(s string) string { return strings.Replace(s, "x-amz-checksum-crc32:", "X-Amz-Checksum-CRC32: ", 1) },
	} {
		for _, payload := range []string{signedTrailer, unsignedTrailer} {
			body, err := open(t, upload{payload: payload, trailer: "x-amz-checksum-crc32", data: "0123456789", chunk: 4, spoilTrailers: spoil}.text())
			if err != nil {
				t.Fatal(err)
			}
			if data, err := io.ReadAll(body); err != nil || len(data) != 10 {
				t.Errorf("%s, %s: %q, %v", payload, name, data, err)
			}
		}
	}
}

// TestBodiesOfOthers reads bodies of requests that version 4 does not sign.
func TestBodiesOfOthers(t *testing.T) {
	chunked := "Content-Encoding: aws-chunked\nX-Amz-Decoded-Content-Length: 4\nX-Amz-Trailer: x-amz-checksum-crc32\nContent-Length: 45\n\n4\r\nbody\r\n0\r\nx-amz-checksum-crc32:" + checksum("x-amz-checksum-crc32", "body") + "\r\n\r\n"
	for _, c := range []struct {
		text, data string
		want       sigv4.Code
	}{
		{"Content-Length: 4\n\nbody", "body", ""},
		{"\n", "", ""},
		{"Transfer-Encoding: chunked\n\n4\r\nbody\r\n0\r\n\r\n", "body", ""},
		{chunked, "body", ""},
		{strings.Replace(chunked, "body", "b0dy", 1), "", sigv4.BadDigest},
		{"X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\n" + chunked, "body", ""},
		{"X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\n" + chunked, "", sigv4.InvalidRequest},
		{"X-Amz-Content-Sha256: " + sum256("body") + "\nContent-Length: 4\n\nbody", "body", ""},
		{"X-Amz-Content-Sha256: " + sum256("body") + "\nContent-Length: 4\n\nb0dy", "", sigv4.XAmzContentSHA256Mismatch},
		{"X-Amz-Content-Sha256: " + sum256("body") + "\nTransfer-Encoding: chunked\n\n4\r\nbody\r\n0\r\n\r\n", "", sigv4.MissingContentLength},
		{"Content-Length: 5\n\nbody", "body", sigv4.IncompleteBody},
	} {
		var data []byte
		body, err := sigv4.NewBody(receive(t, "PUT /b/k HTTP/1.1\nHost: h\n"+c.text), nil)
		if err == nil {
			data, err = io.ReadAll(body)
		}
		if string(data) != c.data || code(err) != c.want {
			t.Errorf("%q: got %q, %v, want %q, %q", c.text, data, err, c.data, c.want)
		}
	}
}

// TestConnectionErrorsPass distinguishes a broken connection from a client's mistake.
func TestConnectionErrorsPass(t *testing.T) {
	reset := errors.New("connection reset by peer")
	for _, up := range forms() {
		up.data, up.chunk = "0123456789", 4
		r := receive(t, up.text())
		sig, err := verify(r, exampleSecret, exampleTime)
		if err != nil {
			t.Fatal(err)
		}
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(""), iotest.ErrReader(reset)))
		body, err := sigv4.NewBody(r, sig)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(body); !errors.Is(err, reset) {
			t.Errorf("%s: %v", up.payload, err)
		}
	}
}
