package sigv4

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Policy is the document that a POST form must fulfil, whichever signature version it carries:
// when it ends, and conditions that between them must name every field of the form.
type Policy struct {
	ExpiresAt time.Time
	// MinSize and MaxSize bound the file, in bytes, by content-length-range.
	MinSize, MaxSize int64

	conditions []condition
}

// condition says that a field equals value or, if prefix is set, begins with it.
type condition struct {
	field, value string
	prefix       bool
	text         json.RawMessage // as it stands in the policy, for the error message
}

// ParsePolicy decodes the policy field of a form, base64 of JSON. Names of the document are case
// sensitive; operators and names of fields are not.
func ParsePolicy(encoded string) (*Policy, error) {
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, badPolicy("Could not decode base64.")
	}
	// A map, because encoding/json ignores the case of struct fields.
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, badPolicy("Invalid JSON.")
	}
	p := &Policy{MaxSize: math.MaxInt64}
	if err := json.Unmarshal(doc["expiration"], &p.ExpiresAt); err != nil {
		return nil, badPolicy("Its expiration is missing or not a time such as 2030-12-31T12:00:00Z.")
	}
	var conditions []json.RawMessage
	if err := json.Unmarshal(doc["conditions"], &conditions); err != nil {
		return nil, badPolicy("Policy missing conditions.")
	}
	for _, c := range conditions {
		if err := p.add(c); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func badPolicy(format string, args ...any) *Error {
	return fail(InvalidPolicyDocument, "Invalid Policy: "+format, args...)
}

// add takes one of {"field": "value"}, ["eq", "$field", "value"], ["starts-with", "$field",
// "value"] and ["content-length-range", min, max].
func (p *Policy) add(raw json.RawMessage) error {
	var object map[string]string
	if err := json.Unmarshal(raw, &object); err == nil {
		for field, value := range object {
			p.conditions = append(p.conditions, condition{strings.ToLower(field), value, false, raw})
		}
		if len(object) != 1 {
			return badPolicy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
		}
		return nil
	}
	var list []any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&list); err != nil || len(list) != 3 {
		return badPolicy("Invalid Condition: expected an object with one string or an array of three elements.")
	}
	operator, _ := list[0].(string)
	operator = strings.ToLower(operator)
	if operator == "content-length-range" {
		return p.addRange(list[1], list[2])
	}
	field, ok1 := list[1].(string)
	value, ok2 := list[2].(string)
	field, ok3 := strings.CutPrefix(field, "$")
	if !ok1 || !ok2 || !ok3 || operator != "eq" && operator != "starts-with" {
		return badPolicy("Invalid Condition: %s.", raw)
	}
	p.conditions = append(p.conditions, condition{strings.ToLower(field), value, operator == "starts-with", raw})
	return nil
}

// addRange narrows the bounds of the file's size.
func (p *Policy) addRange(low, high any) error {
	least, ok1 := size(low)
	most, ok2 := size(high)
	if !ok1 || !ok2 {
		return badPolicy("Invalid content-length-range: expected two sizes in bytes.")
	}
	p.MinSize, p.MaxSize = max(p.MinSize, least), min(p.MaxSize, most)
	return nil
}

// size reads a number, which some clients write as a string.
func size(v any) (int64, bool) {
	n, err := strconv.ParseUint(fmt.Sprint(v), 10, 63)
	return int64(n), err == nil
}

// Check returns an *Error unless the form fulfils the policy at now. Names in fields are in lower
// case, the file is not among them, ${filename} in the key has been replaced; bucket is the one
// that the request is addressed to, and the policy must name it.
func (p *Policy) Check(fields map[string]string, bucket string, now time.Time) error {
	if !now.Before(p.ExpiresAt) {
		return violated("Policy expired.")
	}
	named := make(map[string]bool, len(p.conditions))
	for _, c := range p.conditions {
		named[c.field] = true
		value := fields[c.field]
		if c.field == "bucket" {
			value = bucket
		}
		if c.prefix && !strings.HasPrefix(value, c.value) || !c.prefix && value != c.value {
			return violated("Policy Condition failed: %s", c.text)
		}
	}
	if !named["bucket"] {
		return violated("Extra input fields: bucket")
	}
	for field := range fields {
		if !named[field] && !exempt(field) {
			return violated("Extra input fields: %s", field)
		}
	}
	return nil
}

func violated(format string, args ...any) *Error {
	return fail(AccessDenied, "Invalid according to Policy: "+format, args...)
}

// exempt tells whether a field may stand in a form without a condition.
func exempt(field string) bool {
	switch field {
	case "policy", "file", "bucket", "x-amz-signature", "awsaccesskeyid", "signature":
		return true
	}
	return strings.HasPrefix(field, "x-ignore-")
}

// CheckSize returns an *Error if a file of n bytes is outside of content-length-range.
func (p *Policy) CheckSize(n int64) error {
	switch {
	case n > p.MaxSize:
		return fail(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size of %d bytes", p.MaxSize)
	case n < p.MinSize:
		return fail(EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size of %d bytes", p.MinSize)
	}
	return nil
}
