package sigv2

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Parse reads the signature of r, as net/http's server hands it over. Errors are ErrUnsigned or
// an *Error.
func Parse(r *http.Request) (*Signature, error) {
	auth := r.Header["Authorization"]
	if len(auth) == 0 {
		return parseQuery(r)
	}
	scheme, rest, _ := strings.Cut(auth[0], " ")
	if scheme != "AWS" || len(auth) > 1 {
		return nil, fail(InvalidArgument, "Unsupported Authorization Type")
	}
	s := &Signature{request: r, SecurityToken: r.Header.Get("X-Amz-Security-Token")}
	i := strings.LastIndexByte(rest, ':')
	if i < 0 || !s.set(rest[:i], rest[i+1:]) {
		return nil, fail(InvalidArgument, "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature")
	}
	date := r.Header.Get("X-Amz-Date")
	if date == "" {
		date = r.Header.Get("Date")
		s.date = date // otherwise it is among the x-amz- headers and this line stays empty
	}
	var ok bool
	if s.signedAt, ok = parseDate(date); !ok {
		return nil, fail(AccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
	}
	return s, nil
}

// parseQuery reads a presigned URL: AWSAccessKeyId, Expires in Unix seconds, Signature.
func parseQuery(r *http.Request) (*Signature, error) {
	if !strings.Contains(r.URL.RawQuery, "AWSAccessKeyId") && !strings.Contains(r.URL.RawQuery, "Signature") {
		return nil, ErrUnsigned
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fail(InvalidURI, "Couldn't parse the specified URI.")
	}
	id, signature, expires := query.Get("AWSAccessKeyId"), query.Get("Signature"), query.Get("Expires")
	if id == "" && signature == "" {
		return nil, ErrUnsigned
	}
	if id == "" || signature == "" || expires == "" {
		return nil, fail(AccessDenied, "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
	}
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || seconds < 0 {
		return nil, fail(AccessDenied, "Invalid date (should be seconds since epoch): %q", expires)
	}
	s := &Signature{request: r, date: expires, ExpiresAt: time.Unix(seconds, 0)}
	if !s.set(id, signature) {
		return nil, fail(InvalidArgument, "The Signature parameter is not the base64 of 20 bytes")
	}
	if s.SecurityToken = r.Header.Get("X-Amz-Security-Token"); s.SecurityToken == "" {
		s.SecurityToken = query.Get("x-amz-security-token")
	}
	return s, nil
}

// ParsePost reads the signature from the fields of a POST form, whose names are in lower case. It
// covers the policy field, which sigv4.Policy judges.
func ParsePost(fields map[string]string) (*Signature, error) {
	if fields["signature"] == "" && fields["awsaccesskeyid"] == "" {
		return nil, ErrUnsigned
	}
	for _, name := range []string{"policy", "awsaccesskeyid", "signature"} {
		if fields[name] == "" {
			return nil, fail(InvalidArgument, "Bucket POST must contain a field named '%s'.  If it is specified, please check the order of the fields.", name)
		}
	}
	s := &Signature{policy: fields["policy"], SecurityToken: fields["x-amz-security-token"]}
	if !s.set(fields["awsaccesskeyid"], fields["signature"]) {
		return nil, fail(InvalidArgument, "The signature field is not the base64 of 20 bytes")
	}
	return s, nil
}

// set takes the two parts that all forms have.
func (s *Signature) set(id, signature string) bool {
	s.AccessKeyID = id
	got, err := base64.StdEncoding.DecodeString(signature)
	return id != "" && err == nil && copy(s.signature[:], got) == len(s.signature) && len(got) == len(s.signature)
}

// parseDate reads the date of a header in the forms that clients send.
func parseDate(text string) (time.Time, bool) {
	if t, err := http.ParseTime(text); err == nil {
		return t, true
	}
	for _, layout := range []string{"Mon, _2 Jan 2006 15:04:05 -0700", "Mon, _2 Jan 2006 15:04:05 MST", "20060102T150405Z", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
