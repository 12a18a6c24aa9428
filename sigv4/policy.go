package sigv4

import "time"

// ParsePost reads the signature from the fields of a POST form, whose names are in lower case.
// ErrOtherScheme means that they carry one of version 2, ErrUnsigned that they carry none.
func ParsePost(fields map[string]string) (*Signature, error) { return nil, errNotWritten }

// Policy is the document that a POST form must fulfil, whichever signature version it carries.
type Policy struct{}

// ParsePolicy decodes the policy field of a form.
func ParsePolicy(encoded string) (*Policy, error) { return nil, errNotWritten }

// Check returns an *Error unless the form fulfils the policy at now. Names in fields are in lower
// case, the file is not among them, ${filename} in the key has been replaced; bucket is the one
// that the request is addressed to.
func (p *Policy) Check(fields map[string]string, bucket string, now time.Time) error {
	return errNotWritten
}

// CheckSize returns an *Error if a file of n bytes is outside of content-length-range.
func (p *Policy) CheckSize(n int64) error { return errNotWritten }
