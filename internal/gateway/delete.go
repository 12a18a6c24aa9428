package gateway

import (
	"bytes"
	"encoding/xml"

	"github.com/lanyardhq/lanyard/internal/gateway/s3api"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
)

// maxDelete is how many objects one request deletes at most, as in S3.
const maxDelete = 1000

// deleteObjects deletes several objects. Each is judged by itself; those that may not be deleted
// are answered as errors, and the store is asked for the others.
func (c *call) deleteObjects() error {
	body, err := c.document()
	if err != nil {
		return err
	}
	var order s3api.Deletion
	if err := s3api.Decode(bytes.NewReader(body), &order); err != nil {
		return err
	}
	if len(order.Objects) == 0 || len(order.Objects) > maxDelete {
		return s3api.Errorf(s3api.MalformedXML, "the request names %d objects; 1 to %d can be deleted at once", len(order.Objects), maxDelete)
	}
	var result s3api.DeletionResult
	order, refused := c.sift(order)
	if len(order.Objects) > 0 {
		if err := c.deleteSifted(order, &result); err != nil {
			return err
		}
	}
	if order.Quiet { // not every store heeds it
		result.Deleted = nil
	}
	result.XMLName = xml.Name{Local: "DeleteResult"}
	result.Xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"
	result.Errors = append(result.Errors, refused...)
	return c.answerXML(result)
}

// sift returns the part of the order that may be done, and why the rest may not.
func (c *call) sift(order s3api.Deletion) (s3api.Deletion, []s3api.DeletionError) {
	var refused []s3api.DeletionError
	may := s3api.Deletion{Quiet: order.Quiet}
	for _, o := range order.Objects {
		err := s3api.CheckKey(o.Key)
		switch {
		case o.Key == "":
			err = s3api.Errorf(s3api.InvalidArgument, "an object without a key")
		case err == nil && !c.key.Rights.Allows(s3key.Delete, c.place.Name, o.Key):
			err = c.overreach()
		}
		if err == nil {
			may.Objects = append(may.Objects, o)
			continue
		}
		e := explain(err)
		refused = append(refused, s3api.DeletionError{Key: o.Key, VersionID: o.VersionID, Code: e.Code, Message: e.Message})
	}
	return may, refused
}

func (c *call) deleteSifted(order s3api.Deletion, result *s3api.DeletionResult) error {
	body, err := s3api.Encode(order)
	if err != nil {
		return err
	}
	resp, err := c.sendDocument(body)
	if err != nil {
		return err
	}
	defer resp.Close()
	c.meter.Touch(c.owner.ID)
	return whole(resp, result)
}
