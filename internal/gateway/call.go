package gateway

import (
	"net/http"
	"time"

	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/caller"
	"github.com/lanyardhq/lanyard/internal/gateway/keytable"
	"github.com/lanyardhq/lanyard/internal/gateway/progress"
	"github.com/lanyardhq/lanyard/internal/gateway/s3api"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/sigv4"
)

// A call is one request on its way through the gateway. Fields are filled in from top to bottom.
type call struct {
	*Gateway
	w   http.ResponseWriter
	r   *http.Request
	now time.Time
	id  string

	body  *progress.In // nil if the request has none
	at    s3api.Address
	query s3api.Query
	key   *keytable.Key    // who signed; nil for anonymous requests
	sig   *sigv4.Signature // what the body is checked against; nil without a version 4 signature
	op    s3api.Op
	head  []s3.Field       // headers that go on to the store
	owner *project.Project // whose bucket it is; nil if there is no such project
	own   bool             // the key belongs to the owner
	place *bucket.Bucket   // nil if the operation is not about an existing bucket

	status   int   // as answered; 0 if nothing was
	sent     int64 // bytes of the answer's body
	received int64 // bytes of the payload
}

// serve is the way of every request. What is answered before the body is read is answered before
// a client that waits for "100 Continue" sends it.
func (c *call) serve() error {
	ref, err := c.hosts.Parse(c.r.Host, c.r.URL.EscapedPath())
	if err != nil {
		return err
	}
	if c.at, err = ref.In(c.isProject); err != nil {
		return err
	}
	if c.query, err = s3api.ParseQuery(c.r.URL.RawQuery); err != nil {
		return err
	}
	if err := c.fresh(maxAgeRead); err != nil {
		return err
	}
	if c.r.Method != http.MethodOptions { // browsers do not sign these
		who, err := c.signer.Request(c.r, c.query, c.at.HostBucket, c.now)
		if c.key, c.sig, c.query = who.Key, who.V4, who.Query; err != nil {
			return err
		}
	}
	if c.op, err = s3api.Classify(c.r.Method, c.at, c.query, c.r.Header); err != nil {
		return err
	}
	if c.op.Writes() {
		if err := c.fresh(maxAgeWrite); err != nil {
			return err
		}
	}
	if c.head, err = s3api.Pass(c.r.Header); err != nil {
		return err
	}
	switch c.op {
	case s3api.PostObject:
		return c.post()
	case s3api.Preflight:
		return c.preflight()
	}
	if err := c.enter(); err != nil {
		return err
	}
	return c.dispatch()
}

// fresh refuses what must not be decided with a table that may have missed changes for so long.
func (c *call) fresh(limit time.Duration) error {
	if c.Table.Age() <= limit {
		return nil
	}
	e := s3api.Errorf(s3api.ServiceUnavailable, "this gateway has lost contact to the server that tells which keys are valid; try again in a moment")
	e.RetryAfter = 5 * time.Second
	return e
}

// enter finds the owner and the bucket, and decides whether the caller may do what they ask for.
func (c *call) enter() error {
	if err := c.findOwner(); err != nil {
		return err
	}
	if err := c.allowed(); err != nil {
		return err
	}
	if c.key != nil {
		c.meter.Used(c.key.ID, c.now, c.r.UserAgent(), caller.Address(c.r))
	}
	return nil
}

func (c *call) findOwner() error {
	switch {
	case c.at.Project != "":
		c.owner = c.Table.ProjectNamed(c.at.Project)
	case c.key != nil:
		c.owner = c.Table.Project(c.key.ProjectID)
	}
	c.own = c.owner != nil && c.key != nil && c.key.ProjectID == c.owner.ID
	if c.owner != nil && !c.owner.InForce(c.now) {
		c.owner = nil // its keys were refused already; nobody else learns of it
	}
	if want := c.r.Header["X-Amz-Expected-Bucket-Owner"]; len(want) > 0 && (c.owner == nil || want[0] != c.owner.Name) {
		return denied()
	}
	return nil
}

// denied is the one answer for what is not the caller's, whether or not it is there.
func denied() error {
	return s3api.Errorf(s3api.AccessDenied, "Access Denied: it is not yours, or it does not exist")
}

// allowed finds the bucket and judges tenancy and rights. Rights to several keys in one request
// are judged where these are known.
func (c *call) allowed() error {
	if !c.own {
		return c.allowedForAll()
	}
	rights, name := c.key.Rights, c.at.Bucket
	if c.op == s3api.ListBuckets {
		return nil
	}
	if !rights.Sees(name) && c.op != s3api.CreateBucket {
		return c.overreach()
	}
	if c.place = c.Table.Bucket(c.owner.ID, name); c.place == nil && c.op != s3api.CreateBucket {
		return c.noBucket()
	}
	may := true
	switch {
	case c.op.Lists():
		prefix := c.query.Get("prefix")
		if err := s3api.CheckPrefix(prefix); err != nil {
			return err
		}
		may = rights.Allows(s3key.List, name, prefix)
	case c.op == s3api.CreateBucket && c.place != nil && rights.Sees(name):
		return s3api.Errorf(s3api.BucketAlreadyOwnedByYou, "project %s has the bucket %s already; use it", c.owner.Name, name)
	case c.at.Key != "" || c.op.Action() == s3key.Manage:
		may = rights.Allows(c.op.Action(), name, c.at.Key)
	}
	if !may {
		return c.overreach()
	}
	return nil
}

// overreach tells the holder of a key with limited rights that these do not reach.
func (c *call) overreach() error {
	return s3api.Errorf(s3api.AccessDenied, "Access Denied: the rights of key %s do not cover %s here; make a key with more rights", c.key.PublicID, c.op)
}

func (c *call) noBucket() error {
	if err := bucket.CheckName(c.at.Bucket); err != nil {
		return s3api.Errorf(s3api.InvalidBucketName, "%v", err)
	}
	return s3api.Errorf(s3api.NoSuchBucket, "project %s has no bucket %s; make it first, or check the name", c.owner.Name, c.at.Bucket)
}

// allowedForAll judges requests from outside of the project: only what is published is served, and
// for an object that is known once its metadata is here.
func (c *call) allowedForAll() error {
	if c.owner == nil || c.at.Bucket == "" {
		return c.hidden()
	}
	if c.place = c.Table.Bucket(c.owner.ID, c.at.Bucket); c.place == nil {
		return c.hidden()
	}
	switch c.op {
	case s3api.GetObject, s3api.HeadObject:
		for _, p := range c.op.Pass(c.query) {
			if p.Name != "partNumber" && c.key == nil {
				return s3api.Errorf(s3api.InvalidRequest, "the query parameter %s needs a signed request", p.Name)
			}
		}
		return nil
	case s3api.ListObjects, s3api.ListObjectsV2, s3api.HeadBucket:
		if c.place.PublicRead {
			return s3api.CheckPrefix(c.query.Get("prefix"))
		}
	}
	return c.hidden()
}

func (c *call) hidden() error {
	if c.key == nil && c.at.Project == "" {
		return s3api.Errorf(s3api.AccessDenied, "Access Denied: the request is not signed; public objects are read below the name of their project, as in /project:bucket/key")
	}
	return denied()
}

// dispatch serves what is allowed.
func (c *call) dispatch() error {
	switch c.op {
	case s3api.ListBuckets:
		return c.listBuckets()
	case s3api.HeadBucket, s3api.GetBucketLocation, s3api.GetBucketVersioning, s3api.GetBucketACL:
		return c.describeBucket()
	case s3api.CreateBucket, s3api.DeleteBucket, s3api.PutBucketACL:
		return c.manageBucket()
	case s3api.ListObjects, s3api.ListObjectsV2, s3api.ListObjectVersions, s3api.ListMultipartUploads,
		s3api.ListParts, s3api.CreateMultipartUpload:
		return c.rewritten()
	case s3api.PutObject, s3api.UploadPart:
		return c.put()
	case s3api.CopyObject, s3api.UploadPartCopy:
		return c.copy()
	case s3api.CompleteMultipartUpload:
		return c.complete()
	case s3api.DeleteObjects:
		return c.deleteObjects()
	case s3api.GetObjectACL, s3api.PutObjectACL:
		return c.objectACL()
	case s3api.PutObjectTagging, s3api.PutBucketCORS:
		return c.putDocument()
	}
	return c.forward()
}
