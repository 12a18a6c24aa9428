package s3api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/internal/kind/s3key"
)

// Op is an operation of S3.
type Op uint8

// The operations that the gateway knows. What is not here is refused with NotImplemented.
const (
	none Op = iota
	ListBuckets
	HeadBucket
	CreateBucket
	DeleteBucket
	GetBucketLocation
	GetBucketVersioning
	GetBucketACL
	PutBucketACL
	GetBucketCORS
	PutBucketCORS
	DeleteBucketCORS
	Preflight
	ListObjects
	ListObjectsV2
	ListObjectVersions
	ListMultipartUploads
	DeleteObjects
	PostObject
	GetObject
	HeadObject
	PutObject
	CopyObject
	DeleteObject
	GetObjectACL
	PutObjectACL
	GetObjectAttributes
	GetObjectTagging
	PutObjectTagging
	DeleteObjectTagging
	CreateMultipartUpload
	UploadPart
	UploadPartCopy
	CompleteMultipartUpload
	AbortMultipartUpload
	ListParts
)

// spec says how an operation is asked for and what it needs.
type spec struct {
	name   string
	method string
	object bool   // about an object, not a bucket or the service
	sub    string // the query parameter that selects it
	copies bool   // selected by the header X-Amz-Copy-Source
	action s3key.Action
	writes bool   // changes something at the store
	params string // further query parameters, passed on
}

const (
	listing  = "delimiter max-keys prefix"
	override = "response-cache-control response-content-disposition response-content-encoding response-content-language response-content-type response-expires"
)

// specs is the one table of operations.
var specs = [...]spec{
	ListBuckets:             {name: "ListBuckets", method: "GET", action: s3key.List, params: "prefix bucket-region continuation-token max-buckets"},
	HeadBucket:              {name: "HeadBucket", method: "HEAD", action: s3key.List},
	CreateBucket:            {name: "CreateBucket", method: "PUT", action: s3key.Manage, writes: true},
	DeleteBucket:            {name: "DeleteBucket", method: "DELETE", action: s3key.Manage, writes: true},
	GetBucketLocation:       {name: "GetBucketLocation", method: "GET", sub: "location", action: s3key.List},
	GetBucketVersioning:     {name: "GetBucketVersioning", method: "GET", sub: "versioning", action: s3key.List},
	GetBucketACL:            {name: "GetBucketAcl", method: "GET", sub: "acl", action: s3key.List},
	PutBucketACL:            {name: "PutBucketAcl", method: "PUT", sub: "acl", action: s3key.Manage, writes: true},
	GetBucketCORS:           {name: "GetBucketCors", method: "GET", sub: "cors", action: s3key.List},
	PutBucketCORS:           {name: "PutBucketCors", method: "PUT", sub: "cors", action: s3key.Manage, writes: true},
	DeleteBucketCORS:        {name: "DeleteBucketCors", method: "DELETE", sub: "cors", action: s3key.Manage, writes: true},
	Preflight:               {name: "Preflight", method: "OPTIONS", action: s3key.List},
	ListObjects:             {name: "ListObjects", method: "GET", action: s3key.List, params: listing + " marker"},
	ListObjectsV2:           {name: "ListObjectsV2", method: "GET", sub: "list-type", action: s3key.List, params: listing + " continuation-token fetch-owner start-after"},
	ListObjectVersions:      {name: "ListObjectVersions", method: "GET", sub: "versions", action: s3key.List, params: listing + " key-marker version-id-marker"},
	ListMultipartUploads:    {name: "ListMultipartUploads", method: "GET", sub: "uploads", action: s3key.List, params: "delimiter prefix key-marker max-uploads upload-id-marker"},
	DeleteObjects:           {name: "DeleteObjects", method: "POST", sub: "delete", action: s3key.Delete, writes: true},
	PostObject:              {name: "PostObject", method: "POST", action: s3key.Write, writes: true},
	GetObject:               {name: "GetObject", method: "GET", object: true, action: s3key.Read, params: override + " partNumber versionId"},
	HeadObject:              {name: "HeadObject", method: "HEAD", object: true, action: s3key.Read, params: override + " partNumber versionId"},
	PutObject:               {name: "PutObject", method: "PUT", object: true, action: s3key.Write, writes: true},
	CopyObject:              {name: "CopyObject", method: "PUT", object: true, copies: true, action: s3key.Write, writes: true},
	DeleteObject:            {name: "DeleteObject", method: "DELETE", object: true, action: s3key.Delete, writes: true, params: "versionId"},
	GetObjectACL:            {name: "GetObjectAcl", method: "GET", object: true, sub: "acl", action: s3key.Read, params: "versionId"},
	PutObjectACL:            {name: "PutObjectAcl", method: "PUT", object: true, sub: "acl", action: s3key.Write, writes: true},
	GetObjectAttributes:     {name: "GetObjectAttributes", method: "GET", object: true, sub: "attributes", action: s3key.Read, params: "versionId"},
	GetObjectTagging:        {name: "GetObjectTagging", method: "GET", object: true, sub: "tagging", action: s3key.Read, params: "versionId"},
	PutObjectTagging:        {name: "PutObjectTagging", method: "PUT", object: true, sub: "tagging", action: s3key.Write, writes: true, params: "versionId"},
	DeleteObjectTagging:     {name: "DeleteObjectTagging", method: "DELETE", object: true, sub: "tagging", action: s3key.Write, writes: true, params: "versionId"},
	CreateMultipartUpload:   {name: "CreateMultipartUpload", method: "POST", object: true, sub: "uploads", action: s3key.Write, writes: true},
	UploadPart:              {name: "UploadPart", method: "PUT", object: true, sub: "uploadId", action: s3key.Write, writes: true, params: "partNumber"},
	UploadPartCopy:          {name: "UploadPartCopy", method: "PUT", object: true, sub: "uploadId", copies: true, action: s3key.Write, writes: true, params: "partNumber"},
	CompleteMultipartUpload: {name: "CompleteMultipartUpload", method: "POST", object: true, sub: "uploadId", action: s3key.Write, writes: true},
	AbortMultipartUpload:    {name: "AbortMultipartUpload", method: "DELETE", object: true, sub: "uploadId", action: s3key.Write, writes: true},
	ListParts:               {name: "ListParts", method: "GET", object: true, sub: "uploadId", action: s3key.Write, params: "max-parts part-number-marker"},
}

// selecting are the query parameters that make a request another operation.
const selecting = " accelerate acl analytics append attributes cors delete encryption intelligent-tiering inventory legal-hold lifecycle list-type location logging metadataConfiguration metadataTable metrics notification object-lock ownershipControls policy policyStatus publicAccessBlock renameObject replication requestPayment restore retention select session tagging torrent uploadId uploads versioning versions website "

// String returns the name that AWS uses, for logs and metrics; "unknown" for none.
func (o Op) String() string {
	if o == none {
		return "unknown"
	}
	return specs[o].name
}

// Action is what the operation does, in the words of a key's rights.
func (o Op) Action() s3key.Action { return specs[o].action }

// Writes reports whether the operation changes something at the store.
func (o Op) Writes() bool { return specs[o].writes }

// Lists reports whether the operation is about the keys with a prefix.
func (o Op) Lists() bool { return o >= ListObjects && o <= ListMultipartUploads }

// Classify tells which operation is asked for. It refuses what is not served, loudly: a store that
// takes a request for another one, or pretends to have done it, loses data.
func Classify(method string, a Address, q Query, h http.Header) (Op, error) {
	sub, err := subresource(q)
	if err != nil {
		return none, err
	}
	op := find(method, a, sub, h["X-Amz-Copy-Source"] != nil)
	if op == none {
		return none, unserved(method, a, sub)
	}
	if op == ListObjectsV2 && q.Get(sub) != "2" {
		return none, Errorf(InvalidArgument, "list-type %.20q is not known: use 2", q.Get(sub))
	}
	for _, p := range q {
		if !op.takes(p.Name) && method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions {
			return none, Errorf(NotImplemented, "%s with the query parameter %.60q is not served here", op, p.Name)
		}
	}
	if (op == UploadPart || op == UploadPartCopy) && !q.Has("partNumber") {
		return none, Errorf(InvalidArgument, "a part needs a partNumber")
	}
	return op, nil
}

// subresource returns the one parameter of q that makes it another operation; "" if none does.
func subresource(q Query) (string, error) {
	sub := ""
	for _, p := range q {
		if p.Name == sub || !strings.Contains(selecting, " "+p.Name+" ") {
			continue
		}
		if sub != "" {
			return "", Errorf(InvalidArgument, "%s and %s cannot be asked for at once", sub, p.Name)
		}
		sub = p.Name
	}
	return sub, nil
}

func find(method string, a Address, sub string, copies bool) Op {
	if a.Bucket == "" {
		if method == http.MethodGet && sub == "" {
			return ListBuckets
		}
		return none
	}
	if method == http.MethodOptions {
		return Preflight
	}
	for i := HeadBucket; int(i) < len(specs); i++ {
		s := &specs[i]
		if s.method == method && s.object == (a.Key != "") && s.sub == sub && s.copies == copies {
			return i
		}
	}
	return none
}

// takes reports whether the operation knows the query parameter: to pass it on, or because it
// belongs to the signature or to the bookkeeping of an SDK.
func (o Op) takes(name string) bool {
	return name == specs[o].sub || o.passes(name) || strings.EqualFold(name, "x-id") ||
		len(name) > 6 && strings.EqualFold(name[:6], "x-amz-") ||
		name == "AWSAccessKeyId" || name == "Signature" || name == "Expires"
}

func (o Op) passes(name string) bool {
	return slices.Contains(strings.Fields(specs[o].params), name)
}

// Pass returns the parameters of q that go on to the store.
func (o Op) Pass(q Query) Query {
	var out Query
	for _, p := range q {
		if (p.Name == specs[o].sub || o.passes(p.Name)) && !out.Has(p.Name) {
			out = append(out, p)
		}
	}
	return out
}

// absent are the codes that say that a bucket has no such configuration, which is true of all
// buckets here; clients ask for them out of habit.
var absent = map[string]Code{
	"encryption":  "ServerSideEncryptionConfigurationNotFoundError",
	"lifecycle":   "NoSuchLifecycleConfiguration",
	"object-lock": "ObjectLockConfigurationNotFoundError",
	"policy":      "NoSuchBucketPolicy",
	"replication": "ReplicationConfigurationNotFoundError",
	"tagging":     "NoSuchTagSet",
	"website":     "NoSuchWebsiteConfiguration",
}

func unserved(method string, a Address, sub string) error {
	if a.Bucket != "" && a.Key == "" && method == http.MethodGet && absent[sub] != "" {
		return Errorf(absent[sub], "the bucket has no %s configuration", sub)
	}
	what := "this address"
	switch {
	case sub != "":
		what = "?" + sub
	case a.Key != "":
		what = "an object"
	case a.Bucket != "":
		what = "a bucket"
	}
	if !slices.Contains([]string{"GET", "HEAD", "PUT", "POST", "DELETE"}, method) {
		return Errorf(MethodNotAllowed, "the method %.20s is not known to S3", method)
	}
	return Errorf(NotImplemented, "%s of %s is not served here; nothing was changed", method, what)
}
