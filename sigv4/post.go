package sigv4

// ParsePost reads the signature from the fields of a POST form, whose names are in lower case. It
// covers the policy field; judge that by ParsePolicy and Policy.Check. ErrOtherScheme means that
// the form carries a signature of version 2, ErrUnsigned that it carries none.
func ParsePost(fields map[string]string) (*Signature, error) {
	if _, v4 := fields["x-amz-signature"]; !v4 {
		if _, v2 := fields["signature"]; v2 {
			return nil, ErrOtherScheme
		}
		if _, policy := fields["policy"]; !policy {
			return nil, ErrUnsigned
		}
	}
	for _, name := range []string{"policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"} {
		if fields[name] == "" {
			return nil, fail(InvalidArgument, "Bucket POST must contain a field named '%s'.  If it is specified, please check the order of the fields.", name)
		}
	}
	s := &Signature{Form: Post, SecurityToken: fields["x-amz-security-token"], policy: fields["policy"]}
	// A form signs no headers; host stands for them.
	if err := s.setFields(fields["x-amz-algorithm"], fields["x-amz-credential"], fields["x-amz-date"], "host", fields["x-amz-signature"]); err != nil {
		return nil, err
	}
	return s, nil
}
