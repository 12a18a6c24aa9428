package sigv2

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// subresource tells whether a parameter of a query is signed. The list is the union of what AWS,
// botocore, s3cmd and Ceph sign: a name that we act on and do not have signed could be added to
// somebody's presigned URL.
func subresource(name string) bool {
	switch name {
	case "accelerate", "acl", "analytics", "attributes", "cors", "defaultObjectAcl", "delete", "encryption",
		"intelligent-tiering", "inventory", "legal-hold", "lifecycle", "location", "logging", "metrics",
		"notification", "object-lock", "ownershipControls", "partNumber", "policy", "policyStatus",
		"publicAccessBlock", "replication", "requestPayment", "response-cache-control",
		"response-content-disposition", "response-content-encoding", "response-content-language",
		"response-content-type", "response-expires", "restore", "retention", "select", "select-type",
		"storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions",
		"website":
		return true
	}
	return false
}

// stringToSign returns the text that the signature of a request covers, false if the query cannot
// be decoded:
//
//	method \n Content-MD5 \n Content-Type \n date or expiry \n x-amz- headers \n resource
func (s *Signature) stringToSign(bucket string) (string, bool) {
	r := s.request
	amz := http.Header{}
	for name, values := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") {
			amz[lower] = values
		}
	}
	md5, kind := r.Header.Get("Content-Md5"), r.Header.Get("Content-Type")
	var resources []parameter
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		p, ok := newParameter(part)
		if !ok {
			return "", false
		}
		switch {
		case subresource(p.name):
			resources = append(resources, p)
		case s.ExpiresAt.IsZero():
			continue
		// botocore moves the headers of presigned requests into the query.
		case p.name == "content-md5" && md5 == "":
			md5 = p.value
		case p.name == "content-type" && kind == "":
			kind = p.value
		case strings.HasPrefix(p.name, "x-amz-") && amz[p.name] == nil:
			amz[p.name] = []string{p.value}
		default:
			continue
		}
		if strings.ContainsAny(p.value, "\r\n") {
			return "", false // could pass one line of what is signed off as two
		}
	}
	var b strings.Builder
	for _, line := range []string{r.Method, md5, kind, s.date} {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	writeHeaders(&b, amz)
	writeResource(&b, bucket, r.URL, resources)
	return b.String(), true
}

// parameter is one part of a query, decoded.
type parameter struct {
	name, value string
	equals      bool // it has an equals sign
}

func newParameter(part string) (parameter, bool) {
	name, value, equals := strings.Cut(part, "=")
	name, err1 := url.QueryUnescape(name)
	value, err2 := url.QueryUnescape(value)
	return parameter{name, value, equals}, err1 == nil && err2 == nil
}

// writeHeaders writes one line for each x-amz- header, sorted; values that stand in several lines
// are joined by commas.
func writeHeaders(b *strings.Builder, amz http.Header) {
	names := make([]string, 0, len(amz))
	for name := range amz {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.WriteString(name)
		for i, value := range amz[name] {
			if i == 0 {
				b.WriteByte(':')
			} else {
				b.WriteByte(',')
			}
			b.WriteString(strings.TrimSpace(value))
		}
		b.WriteByte('\n')
	}
}

// writeResource writes the bucket of the host, the path as it was sent, and the signed part of the
// query, sorted by name, with decoded values.
func writeResource(b *strings.Builder, bucket string, u *url.URL, resources []parameter) {
	if bucket != "" {
		b.WriteByte('/')
		b.WriteString(bucket)
	}
	switch {
	case u.RawPath != "":
		b.WriteString(u.RawPath)
	case u.Path == "":
		b.WriteByte('/')
	default:
		b.WriteString(u.EscapedPath())
	}
	slices.SortStableFunc(resources, func(x, y parameter) int { return strings.Compare(x.name, y.name) })
	separator := byte('?')
	for _, p := range resources {
		b.WriteByte(separator)
		separator = '&'
		b.WriteString(p.name)
		if p.equals {
			b.WriteByte('=')
			b.WriteString(p.value)
		}
	}
}
