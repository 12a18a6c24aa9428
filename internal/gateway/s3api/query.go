package s3api

import (
	"net/url"
	"strings"
)

// Param is one parameter of a query, decoded.
type Param struct{ Name, Value string }

// Query is the parameters of a request in their order. Of several with one name the first counts;
// what is passed on is always built anew from what was read here.
type Query []Param

// ParseQuery decodes a raw query.
func ParseQuery(raw string) (Query, error) {
	if raw == "" {
		return nil, nil
	}
	q := make(Query, 0, 1+strings.Count(raw, "&"))
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name == "" {
			continue
		}
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return nil, Errorf(InvalidURI, "the query is not percent-encoded")
		}
		q = append(q, Param{n, v})
	}
	return q, nil
}

// Get returns the parameter's value, "" if it is absent.
func (q Query) Get(name string) string {
	for _, p := range q {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// Has reports whether the parameter is there.
func (q Query) Has(name string) bool {
	for _, p := range q {
		if p.Name == name {
			return true
		}
	}
	return false
}

// Values returns the parameters as net/url writes them down; nil if there are none.
func (q Query) Values() url.Values {
	if len(q) == 0 {
		return nil
	}
	v := make(url.Values, len(q))
	for _, p := range q {
		v.Add(p.Name, p.Value)
	}
	return v
}
