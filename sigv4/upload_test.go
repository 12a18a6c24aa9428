package sigv4_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strings"
)

const (
	unsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	signedChunks    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
)

// upload makes a signed PUT, written down from the documentation in the plainest way and checked
// against AWS's examples. The spoil functions break what a test wants broken before the rest is
// signed.
type upload struct {
	payload string // x-amz-content-sha256, or "hex" for the hash of data
	data    string
	chunk   int
	trailer string // name of the checksum header

	decodedLength string                                  // instead of the true one
	spoilSum      func(sum string) string                 // trailing checksum
	spoilTrailers func(lines string) string               // all after the last chunk
	spoilChunk    func(n int, header, data string) string // one chunk on the wire
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func sum256(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

const scope = "20130524/us-east-1/s3/aws4_request"

func exampleSigningKey() []byte {
	return mac(mac(mac(mac([]byte("AWS4"+exampleSecret), "20130524"), "us-east-1"), "s3"), "aws4_request")
}

func checksum(name, data string) string {
	var h hash.Hash
	switch name {
	case "x-amz-checksum-crc32":
		h = crc32.NewIEEE()
	case "x-amz-checksum-crc32c":
		h = crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "x-amz-checksum-crc64nvme":
		h = crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5))
	case "x-amz-checksum-sha1":
		h = sha1.New()
	case "x-amz-checksum-sha256":
		h = sha256.New()
	default:
		return "bm9uZQ=="
	}
	h.Write([]byte(data))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// text returns the request, head lines ending in \n as receive wants it.
func (u upload) text() string {
	payload := u.payload
	if payload == "hex" {
		payload = sum256(u.data)
	}
	headers := map[string]string{"host": "s3.example.org", "x-amz-content-sha256": payload, "x-amz-date": "20130524T000000Z"}
	names := []string{"host", "x-amz-content-sha256", "x-amz-date"}
	chunked := strings.HasPrefix(payload, "STREAMING-")
	if chunked {
		names = append(names, "x-amz-decoded-content-length")
		headers["x-amz-decoded-content-length"] = fmt.Sprint(len(u.data))
		if u.decodedLength != "" {
			headers["x-amz-decoded-content-length"] = u.decodedLength
		}
	}
	if u.trailer != "" {
		names = append(names, "x-amz-trailer")
		headers["x-amz-trailer"] = u.trailer
	}
	head, canonical := "PUT /bucket/key HTTP/1.1\n", "PUT\n/bucket/key\n\n"
	for _, name := range names {
		head += name + ": " + headers[name] + "\n"
		canonical += name + ":" + headers[name] + "\n"
	}
	signed := strings.Join(names, ";")
	canonical += "\n" + signed + "\n" + payload
	prefix := "\n20130524T000000Z\n" + scope + "\n"
	key := exampleSigningKey()
	seed := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256"+prefix+sum256(canonical)))
	head += "Authorization: " + credential + ",SignedHeaders=" + signed + ",Signature=" + seed + "\n"
	body := u.data
	if chunked {
		body = u.chunks(key, prefix, seed)
	}
	return head + fmt.Sprintf("Content-Length: %d\n\n", len(body)) + body
}

func (u upload) chunks(key []byte, prefix, previous string) string {
	var b strings.Builder
	signed := u.payload != unsignedTrailer
	put := func(n int, data string) {
		header := fmt.Sprintf("%x", len(data))
		if signed {
			previous = hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256-PAYLOAD"+prefix+previous+"\n"+sum256("")+"\n"+sum256(data)))
			header += ";chunk-signature=" + previous
		}
		end := "\r\n"
		if len(data) == 0 {
			end = ""
		}
		chunk := header + "\r\n" + data + end
		if u.spoilChunk != nil {
			chunk = u.spoilChunk(n, header, data)
		}
		b.WriteString(chunk)
	}
	n := 0
	for rest := u.data; rest != ""; n++ {
		size := min(u.chunk, len(rest))
		put(n, rest[:size])
		rest = rest[size:]
	}
	put(n, "")
	lines := ""
	if u.trailer != "" {
		sum := checksum(u.trailer, u.data)
		if u.spoilSum != nil {
			sum = u.spoilSum(sum)
		}
		lines = u.trailer + ":" + sum + "\r\n"
	}
	if u.payload == signedTrailer {
		text := strings.ReplaceAll(lines, "\r", "")
		lines += "x-amz-trailer-signature:" + hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256-TRAILER"+prefix+previous+"\n"+sum256(text))) + "\r\n"
	}
	lines += "\r\n"
	if u.spoilTrailers != nil {
		lines = u.spoilTrailers(lines)
	}
	return b.String() + lines
}
