package s3api

import (
	"encoding/xml"
	"io"
	"strings"
	"time"
)

// namespace is that of all S3 documents but errors.
const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// allUsers is the group that everybody belongs to, in ACLs.
const allUsers = "http://acs.amazonaws.com/groups/global/AllUsers"

// MaxDocument bounds the XML documents that are read whole: 1,000 keys of 1,024 bytes, each byte
// escaped, fit a multi-object delete.
const MaxDocument = 8 << 20

// Decode reads one XML document of at most MaxDocument bytes into v. What does not parse is
// MalformedXML; errors of the reader are returned as they are.
func Decode(r io.Reader, v any) error {
	text, err := io.ReadAll(io.LimitReader(r, MaxDocument+1))
	switch {
	case err != nil:
		return err
	case len(text) > MaxDocument:
		return Errorf(MalformedXML, "the XML document is longer than %d bytes", MaxDocument)
	case xml.Unmarshal(text, v) != nil:
		return Errorf(MalformedXML, "the request's body is not the XML document that was expected")
	}
	return nil
}

// Encode returns v as an XML document.
func Encode(v any) ([]byte, error) {
	text, err := xml.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), text...), nil
}

// ErrorDocument is the body of an answer that failed.
type ErrorDocument struct {
	XMLName          xml.Name `xml:"Error"`
	Code             Code
	Message          string
	Resource         string
	RequestID        string `xml:"RequestId"`
	StringToSign     string `xml:",omitempty"`
	CanonicalRequest string `xml:",omitempty"`
}

// Owner is whoever owns something: here always a project.
type Owner struct {
	ID          string
	DisplayName string
}

// BucketEntry is one bucket in a list.
type BucketEntry struct {
	Name         string
	CreationDate string
}

// BucketList answers ListBuckets.
type BucketList struct {
	XMLName xml.Name      `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner   Owner         `xml:"Owner"`
	Buckets []BucketEntry `xml:"Buckets>Bucket"`
	Prefix  string        `xml:",omitempty"`
}

// Location answers GetBucketLocation.
type Location struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
	Region  string   `xml:",chardata"`
}

// Versioning answers GetBucketVersioning of a bucket without versions.
type Versioning struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ VersioningConfiguration"`
}

// Time is how S3 writes times in documents.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// ACL is an access control policy. Of all there are, two are kept: private and public-read.
type ACL struct {
	XMLName xml.Name `xml:"AccessControlPolicy"`
	Xmlns   string   `xml:"xmlns,attr,omitempty"`
	Owner   Owner
	Grants  []ACLGrant `xml:"AccessControlList>Grant"`
}

// ACLGrant is one line of an ACL.
type ACLGrant struct {
	Grantee    Grantee
	Permission string
}

// Grantee is an owner by id, or a group by URI.
type Grantee struct {
	XSI         string `xml:"xmlns:xsi,attr,omitempty"`
	Type        string `xml:"xsi:type,attr,omitempty"`
	ID          string `xml:",omitempty"`
	DisplayName string `xml:",omitempty"`
	URI         string `xml:",omitempty"`
}

// NewACL returns the ACL of what the project owns.
func NewACL(project string, public bool) ACL {
	const xsi = "http://www.w3.org/2001/XMLSchema-instance"
	owner := Owner{ID: project, DisplayName: project}
	acl := ACL{Xmlns: namespace, Owner: owner, Grants: []ACLGrant{{
		Grantee:    Grantee{XSI: xsi, Type: "CanonicalUser", ID: project, DisplayName: project},
		Permission: "FULL_CONTROL"}}}
	if public {
		acl.Grants = append(acl.Grants, ACLGrant{Grantee: Grantee{XSI: xsi, Type: "Group", URI: allUsers}, Permission: "READ"})
	}
	return acl
}

// Public reports whether the ACL is public-read rather than private, which are all that are kept:
// any other is NotImplemented, because a grant that has no effect would be a lie.
func (a ACL) Public(project string) (bool, error) {
	public := false
	for _, g := range a.Grants {
		switch {
		case g.Grantee.URI == "" && g.Grantee.ID == project && g.Permission == "FULL_CONTROL":
		case g.Grantee.URI == allUsers && g.Permission == "READ":
			public = true
		default:
			return false, Errorf(NotImplemented, "the ACL grants %.30s to %.100q; only private and public-read (READ to AllUsers) are served here", g.Permission, g.Grantee.URI+g.Grantee.ID)
		}
	}
	return public, nil
}

// CannedACL reports whether the name of a canned ACL means public-read rather than private.
func CannedACL(name string) (public bool, err error) {
	switch strings.TrimSpace(name) {
	case "public-read":
		return true, nil
	case "", "private", "bucket-owner-full-control":
		return false, nil
	}
	return false, Errorf(NotImplemented, "the canned ACL %.40q is not served here: use private or public-read", name)
}

// Deletion asks for several objects to be deleted.
type Deletion struct {
	XMLName xml.Name         `xml:"Delete"`
	Quiet   bool             `xml:",omitempty"`
	Objects []DeletionObject `xml:"Object"`
}

// DeletionObject is one object to delete.
type DeletionObject struct {
	Key       string
	VersionID string `xml:"VersionId,omitempty"`
	ETag      string `xml:",omitempty"`
}

// DeletionResult tells what became of a Deletion.
type DeletionResult struct {
	XMLName xml.Name `xml:"DeleteResult"`
	Xmlns   string   `xml:"xmlns,attr,omitempty"`
	Deleted []struct {
		Key                   string
		VersionID             string `xml:"VersionId,omitempty"`
		DeleteMarker          bool   `xml:",omitempty"`
		DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId,omitempty"`
	}
	Errors []DeletionError `xml:"Error"`
}

// DeletionError is one object that could not be deleted.
type DeletionError struct {
	Key       string
	VersionID string `xml:"VersionId,omitempty"`
	Code      Code
	Message   string
}

// Completion lists the parts of an upload. Checksums are left out, as they are when an upload is
// begun: the store has not seen trailing ones, and each part was verified when it came.
type Completion struct {
	XMLName xml.Name `xml:"CompleteMultipartUpload"`
	Parts   []struct {
		PartNumber int
		ETag       string
	} `xml:"Part"`
}

// PostResult answers a POST form that asked for status 201.
type PostResult struct {
	XMLName  xml.Name `xml:"PostResponse"`
	Location string
	Bucket   string
	Key      string
	ETag     string
}
