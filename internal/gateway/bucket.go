package gateway

import (
	"io"
	"net/http"
	"strings"

	"github.com/lanyardhq/lanyard/internal/caller"
	"github.com/lanyardhq/lanyard/internal/gateway/s3api"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/sigv4"
)

// listBuckets shows the project's buckets, of which a key with limited rights sees its own.
func (c *call) listBuckets() error {
	list := s3api.BucketList{Owner: s3api.Owner{ID: c.owner.Name, DisplayName: c.owner.Name}, Prefix: c.query.Get("prefix")}
	for _, b := range c.Table.Buckets(c.owner.ID) {
		if c.key.Rights.Sees(b.Name) && strings.HasPrefix(b.Name, list.Prefix) {
			list.Buckets = append(list.Buckets, s3api.BucketEntry{Name: b.Name, CreationDate: s3api.Time(b.CreatedAt)})
		}
	}
	return c.answerXML(list)
}

// describeBucket answers from memory.
func (c *call) describeBucket() error {
	switch c.op {
	case s3api.GetBucketLocation:
		return c.answerXML(s3api.Location{Region: c.Region})
	case s3api.GetBucketVersioning:
		return c.answerXML(s3api.Versioning{})
	case s3api.GetBucketACL:
		return c.answerXML(s3api.NewACL(c.owner.Name, c.place.PublicRead))
	}
	c.w.Header().Set("X-Amz-Bucket-Region", c.Region)
	c.answer(http.StatusOK, nil)
	return nil
}

// manageBucket has the broker make, remove or publish a bucket, in the name of the key's owner.
func (c *call) manageBucket() error {
	by := identity.Actor{AccountID: c.key.OwnerID, Name: c.key.OwnerName, Roles: map[string]identity.Role{c.owner.ID: identity.User},
		RequestID: c.id, Address: caller.Address(c.r), Client: c.r.UserAgent()}
	ctx := c.r.Context()
	switch c.op {
	case s3api.CreateBucket:
		public, err := s3api.CannedACL(c.r.Header.Get("X-Amz-Acl"))
		if err != nil {
			return err
		}
		// The body may name a location; there is one. It is read because its hash is signed.
		if _, err := c.document(); err != nil {
			return err
		}
		if _, err := c.Broker.CreateBucket(ctx, by, c.owner.ID, c.at.Bucket, public); err != nil {
			return err
		}
		c.w.Header().Set("Location", "/"+c.at.Bucket)
	case s3api.DeleteBucket:
		if err := c.Broker.DeleteBucket(ctx, by, c.owner.ID, c.at.Bucket); err != nil {
			return err
		}
		c.begin(http.StatusNoContent)
		return nil
	case s3api.PutBucketACL:
		public, err := c.wantedACL()
		if err != nil {
			return err
		}
		if err := c.Broker.PublishBucket(ctx, by, c.owner.ID, c.at.Bucket, public); err != nil {
			return err
		}
	}
	c.answer(http.StatusOK, nil)
	return nil
}

// wantedACL reads the ACL of a request that sets one: a canned one in the header, or a document.
func (c *call) wantedACL() (public bool, err error) {
	body, err := c.document()
	if err != nil {
		return false, err
	}
	canned := c.r.Header["X-Amz-Acl"]
	switch {
	case len(canned) > 0 && len(body) > 0:
		return false, s3api.Errorf(s3api.InvalidRequest, "an ACL stands in the header and in the body; send one of them")
	case len(canned) > 0:
		return s3api.CannedACL(canned[0])
	case len(body) == 0:
		return false, s3api.Errorf(s3api.InvalidRequest, "the request names no ACL; send x-amz-acl: private or public-read")
	}
	var acl s3api.ACL
	if err := s3api.Decode(strings.NewReader(string(body)), &acl); err != nil {
		return false, err
	}
	return acl.Public(c.owner.Name)
}

// document reads the whole body of a request that carries a small document.
func (c *call) document() ([]byte, error) {
	body, err := sigv4.NewBody(c.r, c.sig)
	if err != nil {
		return nil, err
	}
	if body.Len() > s3api.MaxDocument {
		return nil, s3api.Errorf(s3api.EntityTooLarge, "the document is longer than %d bytes", s3api.MaxDocument)
	}
	text, err := io.ReadAll(io.LimitReader(body, s3api.MaxDocument+1))
	if err == nil && len(text) > s3api.MaxDocument {
		return nil, s3api.Errorf(s3api.EntityTooLarge, "the document is longer than %d bytes", s3api.MaxDocument)
	}
	c.received += int64(len(text))
	return text, err
}

// preflight asks the store for a bucket's CORS rules. Browsers send it without a signature of its
// own, but with the URL of the presigned request that they are about to send, whose key tells the
// project.
func (c *call) preflight() error {
	id, _, _ := strings.Cut(c.query.Get("X-Amz-Credential"), "/")
	if id == "" {
		id = c.query.Get("AWSAccessKeyId")
	}
	if _, c.owner = c.Table.Key(id); c.at.Project != "" {
		c.owner = c.Table.ProjectNamed(c.at.Project)
	}
	if c.owner == nil || !c.owner.InForce(c.now) {
		return denied()
	}
	if c.place = c.Table.Bucket(c.owner.ID, c.at.Bucket); c.place == nil {
		return denied()
	}
	return c.forward()
}
