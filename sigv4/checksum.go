package sigv4

import (
	"crypto/sha1" //nolint:gosec // a checksum that clients may choose
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strings"
)

// The tables of the checksums that are not in the standard library: CRC-32C, and CRC-64/NVME in
// its reversed form.
var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	nvme       = crc64.MakeTable(0x9a6c9329ac4bc9b5)
)

// newChecksum returns the hash for a checksum's header name, nil if it is unknown.
func newChecksum(name string) hash.Hash {
	switch name {
	case "x-amz-checksum-crc32":
		return crc32.NewIEEE()
	case "x-amz-checksum-crc32c":
		return crc32.New(castagnoli)
	case "x-amz-checksum-crc64nvme":
		return crc64.New(nvme)
	case "x-amz-checksum-sha1":
		return sha1.New() //nolint:gosec // see the import
	case "x-amz-checksum-sha256":
		return sha256.New()
	}
	return nil
}

// trailer is what comes after the last chunk: the checksum that X-Amz-Trailer announced, if it
// announced one, and in signed bodies a signature.
type trailer struct {
	name, value string
	hash        hash.Hash // nil without a name
	signature   string
}

func newTrailer(announced string) (*trailer, error) {
	t := &trailer{name: strings.ToLower(strings.TrimSpace(announced))}
	if t.name == "" {
		return t, nil
	}
	if t.hash = newChecksum(t.name); t.hash == nil {
		return nil, fail(InvalidRequest, "The value specified in the x-amz-trailer header is not supported")
	}
	return t, nil
}

func malformedTrailer() *Error {
	return fail(MalformedTrailer, "The request contained trailing data that was not well-formed or did not conform to our published schema.")
}

// set takes one line.
func (t *trailer) set(line []byte) error {
	name, value, _ := strings.Cut(string(line), ":")
	name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
	switch {
	case name == "" || value == "":
		return malformedTrailer()
	case name == t.name && t.value == "":
		t.value = value
	case name == "x-amz-trailer-signature" && t.signature == "":
		t.signature = value
	default:
		return malformedTrailer()
	}
	return nil
}

// complete tells whether all that was announced has come.
func (t *trailer) complete(signed bool) bool {
	return (t.name == "" || t.value != "") && (!signed || t.signature != "")
}

// check compares signature and checksum with what came.
func (t *trailer) check(c *chain) error {
	if !t.complete(c != nil) {
		return malformedTrailer()
	}
	if c != nil {
		text := ""
		if t.name != "" {
			text = t.name + ":" + t.value + "\n"
		}
		sum := sha256.Sum256([]byte(text))
		if !parseMAC(&c.declared, t.signature) {
			return malformedTrailer()
		}
		if err := c.compare(sum[:], &c.declared, "AWS4-HMAC-SHA256-TRAILER", c.s.timestamp, c.s.scope, c.previous); err != nil {
			return err
		}
	}
	if t.name == "" {
		return nil
	}
	got := t.hash.Sum(nil)
	want, err := base64.StdEncoding.DecodeString(t.value)
	if err != nil || len(want) != len(got) {
		return fail(InvalidRequest, "Value for %s trailing header is invalid.", t.name)
	}
	if string(got) != string(want) {
		return fail(BadDigest, "The %s you specified did not match the calculated checksum.", strings.ToUpper(strings.TrimPrefix(t.name, "x-amz-checksum-")))
	}
	return nil
}
