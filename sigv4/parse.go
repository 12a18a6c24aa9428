package sigv4

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxExpires is how long a presigned URL can be valid: AWS's limit, the life of a derived key.
const maxExpires = 7 * 24 * time.Hour

// parseHeader reads the Authorization header:
//
//	AWS4-HMAC-SHA256 Credential=AK/yyyymmdd/region/s3/aws4_request,SignedHeaders=a;b,Signature=hex
func parseHeader(r *http.Request, auth string) (*Signature, error) {
	scheme, rest, _ := strings.Cut(auth, " ")
	if scheme != algorithm {
		return nil, ErrOtherScheme
	}
	var credential, headers, signature string
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.Trim(part, " \t"), "=")
		switch name {
		case "Credential":
			credential = value
		case "SignedHeaders":
			headers = value
		case "Signature":
			signature = value
		default:
			return nil, malformedHeader("the authorization component %q is malformed.", name)
		}
	}
	if credential == "" || headers == "" || signature == "" {
		return nil, malformedHeader("the authorization header requires three components: Credential, SignedHeaders, and Signature.")
	}
	s := &Signature{Form: Header, request: r, SecurityToken: r.Header.Get("X-Amz-Security-Token")}
	why := s.setCredential(credential)
	if why == "" {
		why = s.setSigned(headers, signature)
	}
	if why != "" {
		return nil, malformedHeader("%s", why)
	}
	if !s.setHeaderDate(r.Header) {
		return nil, fail(AccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
	}
	if s.timestamp[:8] != s.date {
		return nil, malformedHeader("Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", s.date, s.timestamp)
	}
	if s.payload = r.Header.Get("X-Amz-Content-Sha256"); s.payload == "" {
		return nil, fail(InvalidRequest, "Missing required header for this request: x-amz-content-sha256")
	}
	return s, nil
}

func malformedHeader(format string, args ...any) *Error {
	return fail(AuthorizationHeaderMalformed, "The authorization header is malformed; "+format, args...)
}

// queryAuth is what a query says about its signature, decoded.
type queryAuth struct {
	algorithm, credential, date, expires, headers, signature, token, payload string

	v4, v2 bool // it carries parameters that only a signed query has
}

// readQuery picks the parameters of signatures out of a raw query.
func readQuery(raw string) (q queryAuth, err error) {
	if !strings.Contains(raw, "X-Amz-") && !strings.Contains(raw, "Signature") && !strings.Contains(raw, "AWSAccessKeyId") {
		return q, nil // nearly all requests; saves the scan
	}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if value, err = url.QueryUnescape(value); err != nil {
			return q, errURI
		}
		switch name {
		case "X-Amz-Algorithm":
			q.algorithm, q.v4 = value, true
		case "X-Amz-Credential":
			q.credential, q.v4 = value, true
		case "X-Amz-Signature":
			q.signature, q.v4 = value, true
		case "X-Amz-Date":
			q.date = value
		case "X-Amz-Expires":
			q.expires = value
		case "X-Amz-SignedHeaders":
			q.headers = value
		case "X-Amz-Security-Token":
			q.token = value
		case "X-Amz-Content-Sha256":
			q.payload = value
		case "AWSAccessKeyId", "Signature":
			q.v2 = true
		}
	}
	return q, nil
}

var errURI = fail(InvalidURI, "Couldn't parse the specified URI.")

// parsePresigned reads the parameters of a presigned URL.
func parsePresigned(r *http.Request, q queryAuth) (*Signature, error) {
	if q.algorithm == "" || q.credential == "" || q.signature == "" || q.date == "" || q.headers == "" || q.expires == "" {
		return nil, malformedQuery("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
	}
	s := &Signature{Form: Query, request: r, SecurityToken: q.token}
	if s.SecurityToken == "" {
		s.SecurityToken = r.Header.Get("X-Amz-Security-Token")
	}
	if err := s.setFields(q.algorithm, q.credential, q.date); err != nil {
		return nil, err
	}
	if why := s.setSigned(q.headers, q.signature); why != "" {
		return nil, malformedQuery("%s", why)
	}
	seconds, err := strconv.ParseInt(q.expires, 10, 64)
	switch {
	case err != nil:
		return nil, malformedQuery("X-Amz-Expires should be a number")
	case seconds < 0:
		return nil, malformedQuery("X-Amz-Expires must be non-negative")
	case seconds > int64(maxExpires/time.Second):
		return nil, malformedQuery("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	s.Expires = time.Duration(seconds) * time.Second
	if s.payload = r.Header.Get("X-Amz-Content-Sha256"); s.payload == "" {
		s.payload = q.payload
	}
	if s.payload == "" {
		s.payload = UnsignedPayload
	}
	return s, nil
}

func malformedQuery(format string, args ...any) *Error {
	return fail(AuthorizationQueryParametersError, format, args...)
}

// setFields takes what query and form have in common.
func (s *Signature) setFields(alg, credential, date string) error {
	if alg != algorithm {
		return malformedQuery("X-Amz-Algorithm only supports %q", algorithm)
	}
	if why := s.setCredential(credential); why != "" {
		return malformedQuery("Error parsing the X-Amz-Credential parameter; %s", why)
	}
	if !s.setTimestamp(date) {
		return malformedQuery(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
	}
	if date[:8] != s.date {
		return malformedQuery("Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", s.date, date)
	}
	return nil
}

// setCredential takes AK/yyyymmdd/region/s3/aws4_request, or says what is wrong with it.
func (s *Signature) setCredential(credential string) (why string) {
	id, scope, _ := strings.Cut(credential, "/")
	date, rest, _ := strings.Cut(scope, "/")
	region, rest, _ := strings.Cut(rest, "/")
	service, end, ok := strings.Cut(rest, "/")
	switch {
	case !ok || id == "" || !graphic(credential) || len(credential) > 256:
		return `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`
	case len(date) != 8 || strings.Trim(date, "0123456789") != "":
		return "incorrect date format " + strconv.Quote(date) + `. This date in the credential must be in the format "yyyyMMdd".`
	case service != "s3":
		return "incorrect service " + strconv.Quote(service) + `. This endpoint belongs to "s3".`
	case end != "aws4_request":
		return "incorrect terminal " + strconv.Quote(end) + `. This endpoint uses "aws4_request".`
	}
	s.AccessKeyID, s.date, s.Region, s.scope = id, date, region, scope
	return ""
}

// setSigned takes the list of signed headers and the signature, or says what is wrong with them.
// Order and uniqueness are what the format asks for, and make the check of coverage linear.
func (s *Signature) setSigned(headers, signature string) (why string) {
	previous := ""
	for name := range strings.SplitSeq(headers, ";") {
		if name <= previous || !graphic(name) || strings.ContainsAny(name, ":,ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			return "SignedHeaders must be the lower-case names of headers in alphabetical order, each once, separated by semicolons."
		}
		previous = name
	}
	if len(signature) != hex.EncodedLen(len(s.signature)) {
		return "the Signature is mal-formed; expecting 64 hexadecimal digits."
	}
	if _, err := hex.Decode(s.signature[:], []byte(signature)); err != nil {
		return "the Signature is mal-formed; expecting 64 hexadecimal digits."
	}
	s.headers = headers
	return ""
}

// graphic tells whether text is made of visible ASCII characters, so that it cannot pretend to be
// several lines of what is signed.
func graphic(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// setHeaderDate takes the time from X-Amz-Date or, if there is none, from Date.
func (s *Signature) setHeaderDate(h http.Header) bool {
	if date := h.Get("X-Amz-Date"); date != "" {
		return s.setTimestamp(date)
	}
	date := h.Get("Date")
	if s.setTimestamp(date) {
		return true
	}
	t, err := http.ParseTime(date)
	if err != nil {
		return false
	}
	s.SignedAt, s.timestamp = t.UTC(), t.UTC().Format(timeFormat)
	return true
}

func (s *Signature) setTimestamp(text string) bool {
	t, err := time.Parse(timeFormat, text)
	if err != nil || len(text) != len(timeFormat) {
		return false
	}
	s.SignedAt, s.timestamp = t, text
	return true
}

// checkRequest judges what the signature says of the request. It refuses host or X-Amz- headers
// that are not signed: somebody on the way could have put an X-Amz-Copy-Source on a presigned PUT.
func (s *Signature) checkRequest() error {
	host, covered, sent := false, 0, 0
	for name := range strings.SplitSeq(s.headers, ";") {
		host = host || name == "host"
		if strings.HasPrefix(name, "x-amz-") && len(values(s.request.Header, name)) > 0 {
			covered++
		}
	}
	for name := range s.request.Header {
		if strings.HasPrefix(name, "X-Amz-") {
			sent++
		}
	}
	switch {
	case !host:
		return fail(AccessDenied, "There were headers present in the request which were not signed: host")
	case covered != sent:
		return fail(AccessDenied, "There were headers present in the request which were not signed: an x-amz- header is missing in SignedHeaders")
	}
	return checkPayload(s.payload)
}
