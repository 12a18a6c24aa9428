package s3api

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// Hosts are the names under which clients reach the gateway, the longest first.
type Hosts []string

// NewHosts checks and sorts names; "127.0.0.1" and "s3.example.org" are examples. What is wrong
// is an Invalid fault.
func NewHosts(names []string) (Hosts, error) {
	hosts := Hosts{}
	for _, n := range names {
		h := hostname(n)
		if h == "" || strings.ContainsAny(n, "/ @") {
			return nil, fault.New(fault.Invalid, "%.80q is not a host name for the S3 gateway", n)
		}
		hosts = append(hosts, h)
	}
	if len(hosts) == 0 {
		return nil, fault.New(fault.Invalid, "the S3 gateway has no host name")
	}
	slices.SortFunc(hosts, func(a, b string) int { return len(b) - len(a) })
	return hosts, nil
}

// hostname is a Host header without port, brackets, final dot and capitals.
func hostname(host string) string {
	if strings.HasPrefix(host, "[") {
		host, _, _ = strings.Cut(host[1:], "]")
	} else if i := strings.IndexByte(host, ':'); i >= 0 && strings.LastIndexByte(host, ':') == i {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// A Ref is what host and path of a request name, before anybody knows whose request it is.
type Ref struct {
	labels string // of the host, before our own name: "", "x", "b.x"
	first  string // segment of the path, decoded
	rest   string // of the path, after the first segment and its slash, decoded
	path   string // whole, decoded, without the first slash
}

// Parse reads the Host header and the escaped path of a request.
func (hosts Hosts) Parse(host, escapedPath string) (Ref, error) {
	var r Ref
	h := hostname(host)
	if !slices.Contains(hosts, h) {
		i := slices.IndexFunc(hosts, func(own string) bool {
			_, err := netip.ParseAddr(own)
			return err != nil && len(h) > len(own)+1 && h[len(h)-len(own)-1] == '.' && strings.HasSuffix(h, own)
		})
		if i < 0 {
			return r, Errorf(InvalidRequest, "this gateway does not serve the host %.100q: use %s, or a bucket or project below it", host, hosts[len(hosts)-1])
		}
		r.labels = h[:len(h)-len(hosts[i])-1]
	}
	if escapedPath != "" && escapedPath[0] != '/' {
		return r, Errorf(InvalidURI, "the path does not begin with a slash")
	}
	path, err := url.PathUnescape(strings.TrimPrefix(escapedPath, "/"))
	if err != nil || !utf8.ValidString(path) {
		return r, Errorf(InvalidURI, "the path is not percent-encoded UTF-8")
	}
	// The first slash that was sent ends the bucket's name; one that was escaped does not.
	raw, _, _ := strings.Cut(strings.TrimPrefix(escapedPath, "/"), "/")
	first, _ := url.PathUnescape(raw)
	r.path, r.first = path, first
	r.rest = strings.TrimPrefix(path[len(first):], "/")
	return r, nil
}

// Address says what a request is about. An empty Bucket is the service, an empty Key the bucket.
type Address struct {
	Project     string // name; empty for the caller's own
	Bucket, Key string
	// HostBucket is the bucket if the host name holds it; signatures of version 2 need to know.
	HostBucket string
}

// In reads the reference. isProject tells whether there is a project of that name.
//
//	base                     path style
//	<project>.<base>         the project's own name for us, path style below it
//	<bucket>.<project>.<base> a bucket of that project
//	<bucket>.<base>          a bucket of the caller's own project, unless a project has that name
//
// In paths, <project>:<bucket> names a bucket of another project.
func (r Ref) In(isProject func(name string) bool) (Address, error) {
	var a Address
	switch i := strings.LastIndexByte(r.labels, '.'); {
	case r.labels == "":
	case isProject(r.labels[i+1:]):
		a.Project = r.labels[i+1:]
		a.HostBucket = r.labels[:max(i, 0)]
	default:
		a.HostBucket = r.labels
	}
	if a.HostBucket != "" {
		a.Bucket, a.Key = a.HostBucket, r.path
		return a, CheckKey(a.Key)
	}
	a.Bucket, a.Key = r.first, r.rest
	if project, bucket, ok := strings.Cut(r.first, ":"); ok {
		if project == "" || a.Project != "" && a.Project != project {
			return a, Errorf(InvalidBucketName, "%.100q does not name a bucket: write project:bucket", r.first)
		}
		a.Project, a.Bucket = project, bucket
	}
	if a.Bucket == "" && r.path != "" {
		return a, Errorf(InvalidBucketName, "the path names no bucket")
	}
	return a, CheckKey(a.Key)
}

// ParseCopySource reads X-Amz-Copy-Source: "bucket/key" or "project:bucket/key", percent-encoded,
// with or without a slash before and a versionId behind.
func ParseCopySource(header string) (a Address, version string, err error) {
	path, version, _ := strings.Cut(header, "?versionId=")
	path, err = url.PathUnescape(path)
	name, key, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if err != nil || !ok || key == "" || strings.Contains(version, "&") {
		return a, "", Errorf(InvalidArgument, "x-amz-copy-source %.100q does not name an object: write bucket/key, percent-encoded", header)
	}
	a = Address{Bucket: name, Key: key}
	if project, bucket, ok := strings.Cut(name, ":"); ok {
		a.Project, a.Bucket = project, bucket
	}
	return a, version, CheckKey(key)
}

// RangeSize is how many bytes "bytes=first-last" names; whole if it names none, which the store
// will refuse.
func RangeSize(value string, whole int64) int64 {
	first, last, ok := strings.Cut(strings.TrimPrefix(value, "bytes="), "-")
	from, err1 := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	if !ok || err1 != nil || err2 != nil || from < 0 || to < from {
		return whole
	}
	return to - from + 1
}

// reserved is where the embedded engine keeps unfinished uploads, in every bucket.
const reserved = ".sgwtmp"

// CheckKey refuses object keys that some store behind could take for another key, because it keeps
// objects as files or cleans paths (what is authorised must be what is touched), and those that no
// list could show. The empty key is fine: it is the bucket.
func CheckKey(key string) error {
	if key == "" {
		return nil
	}
	if len(key) > 1024 {
		return Errorf(KeyTooLong, "the object's key is %d bytes long; 1024 are allowed", len(key))
	}
	if !printable(key) {
		return Errorf(InvalidArgument, "an object's key is UTF-8 without control characters: lists could not tell it")
	}
	return checkSegments(strings.TrimSuffix(key, "/"), "an object's key")
}

// CheckPrefix refuses list prefixes that begin no key which CheckKey admits.
func CheckPrefix(prefix string) error {
	if len(prefix) > 1024 || !printable(prefix) {
		return Errorf(InvalidArgument, "a prefix is at most 1024 bytes of UTF-8 without control characters")
	}
	i := strings.LastIndexByte(prefix, '/')
	if i < 0 {
		return nil // the last segment may go on
	}
	return checkSegments(prefix[:i], "a prefix")
}

// printable reports whether XML 1.0 can carry s unchanged.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffe || r == 0xffff })
}

func checkSegments(path, what string) error {
	for n, rest := 0, path; ; n++ {
		segment, after, more := strings.Cut(rest, "/")
		switch {
		case segment == "":
			return Errorf(InvalidArgument, "%s cannot hold an empty segment (a slash at its beginning, or two in a row): not every object store keeps it apart", what)
		case segment == "." || segment == "..":
			return Errorf(InvalidArgument, "%s cannot hold the segment %q: not every object store keeps it apart", what, segment)
		case n == 0 && segment == reserved:
			return Errorf(InvalidArgument, "%s cannot begin with %s: the object store keeps its own things there", what, reserved)
		}
		if !more {
			return nil
		}
		rest = after
	}
}
