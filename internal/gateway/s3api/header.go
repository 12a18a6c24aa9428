package s3api

import (
	"net/http"
	"strings"

	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
)

// The object metadata by which an object is published. It is ours alone: clients can neither set
// nor see it.
const (
	PublicMark  = "X-Amz-Meta-Lanyard-Acl"
	PublicValue = "public-read"
)

const (
	metaPrefix     = "X-Amz-Meta-"
	checksumPrefix = "X-Amz-Checksum-"
)

// unservedHeaders are headers that change what a request means, in a way that is not served. (The names
// are prefixes.) Everything else that is unknown has no meaning, as for AWS.
var unservedHeaders = []string{"X-Amz-Server-Side-Encryption", "X-Amz-Copy-Source-Server-Side-Encryption",
	"X-Amz-Object-Lock-", "X-Amz-Grant-", "X-Amz-Website-Redirect-Location", "X-Amz-Write-Offset-Bytes", "X-Amz-Rename-Source"}

// Pass returns the request headers that go on to the store.
func Pass(h http.Header) ([]s3.Field, error) {
	fields := make([]s3.Field, 0, 8)
	for name, values := range h {
		if len(values) == 0 {
			continue
		}
		if strings.HasPrefix(name, "X-Amz-") {
			if err := refused(name, values[0]); err != nil {
				return nil, err
			}
		}
		value := values[0]
		if len(values) > 1 {
			value = strings.Join(values, ",")
		}
		if name == "Content-Encoding" {
			value = withoutChunked(value)
		}
		if value != "" && goesOn(name) {
			fields = append(fields, s3.Field{Name: name, Value: value})
		}
	}
	return fields, nil
}

func refused(name, value string) error {
	switch name {
	case PublicMark:
		return Errorf(InvalidArgument, "the metadata name lanyard-acl is reserved; publish with x-amz-acl: public-read")
	case "X-Amz-Storage-Class":
		if value != "STANDARD" && value != "" {
			return Errorf(InvalidStorageClass, "there is one storage class here, STANDARD; leave %.40q out", value)
		}
	case "X-Amz-Bucket-Object-Lock-Enabled":
		if !strings.EqualFold(value, "false") {
			return Errorf(NotImplemented, "object lock is not served here")
		}
	}
	for _, prefix := range unservedHeaders {
		if strings.HasPrefix(name, prefix) {
			return Errorf(NotImplemented, "the header %.80s is not served here; nothing was changed", strings.ToLower(name))
		}
	}
	return nil
}

// goesOn reports whether the store is to see a header. What belongs to the connection, to the
// client's signature or to aws-chunked does not.
func goesOn(name string) bool {
	switch name {
	case "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Md5", "Content-Type", "Expires",
		"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
		"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers",
		"X-Amz-Checksum-Mode", "X-Amz-Object-Attributes", "X-Amz-Max-Parts", "X-Amz-Part-Number-Marker", "X-Amz-Mp-Object-Size",
		"X-Amz-Tagging", "X-Amz-Tagging-Directive", "X-Amz-Metadata-Directive", "X-Amz-Copy-Source-Range",
		"X-Amz-Copy-Source-If-Match", "X-Amz-Copy-Source-If-None-Match",
		"X-Amz-Copy-Source-If-Modified-Since", "X-Amz-Copy-Source-If-Unmodified-Since":
		return true
	case "X-Amz-Checksum-Algorithm", "X-Amz-Checksum-Type":
		return false
	}
	return strings.HasPrefix(name, metaPrefix) || strings.HasPrefix(name, checksumPrefix)
}

// withoutChunked takes aws-chunked out of a Content-Encoding: we have decoded it.
func withoutChunked(value string) string {
	if !strings.Contains(value, "aws-chunked") {
		return value
	}
	var rest []string
	for coding := range strings.SplitSeq(value, ",") {
		if coding = strings.TrimSpace(coding); coding != "" && coding != "aws-chunked" {
			rest = append(rest, coding)
		}
	}
	return strings.Join(rest, ",")
}

// Without returns the fields for whose names drop is false.
func Without(fields []s3.Field, drop func(name string) bool) []s3.Field {
	var rest []s3.Field
	for _, f := range fields {
		if !drop(f.Name) {
			rest = append(rest, f)
		}
	}
	return rest
}

// IsContent tells the headers that an object keeps, and that a copy takes over as a whole.
func IsContent(name string) bool {
	switch name {
	case "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Expires":
		return true
	}
	return strings.HasPrefix(name, metaPrefix)
}

// ComesBack reports whether the client is to see a header of the store's answer.
func ComesBack(name string) bool {
	switch name {
	case "Accept-Ranges", "Content-Range", "Etag", "Last-Modified", "Vary", "X-Amz-Version-Id", "X-Amz-Delete-Marker",
		"X-Amz-Copy-Source-Version-Id", "X-Amz-Tagging-Count", "X-Amz-Mp-Parts-Count", "X-Amz-Missing-Meta", "X-Amz-Storage-Class":
		return true
	case PublicMark:
		return false
	}
	return IsContent(name) || strings.HasPrefix(name, checksumPrefix) || strings.HasPrefix(name, "Access-Control-")
}

// IsDigest tells the headers that speak of the bytes of one body.
func IsDigest(name string) bool {
	return name == "Content-Md5" || strings.HasPrefix(name, checksumPrefix)
}

// Publish returns the fields with the mark of a public object, if it is to be one.
func Publish(fields []s3.Field, public bool) []s3.Field {
	if !public {
		return fields
	}
	return append(fields, s3.Field{Name: PublicMark, Value: PublicValue})
}

// IsPublic reports whether the metadata of an object has the mark.
func IsPublic(h http.Header) bool { return h.Get(PublicMark) == PublicValue }
