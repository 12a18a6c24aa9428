package sigv4

import (
	"cmp"
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
	s.payload = r.Header.Get("X-Amz-Content-Sha256")
	switch {
	case !s.setHeaderDate(r.Header):
		return nil, fail(AccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
	case s.timestamp[:8] != s.date:
		return nil, malformedHeader("Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", s.date, s.timestamp)
	case s.payload == "":
		return nil, fail(InvalidRequest, "Missing required header for this request: x-amz-content-sha256")
	}
	return s, nil
}

func malformedHeader(format string, args ...any) *Error {
	return fail(AuthorizationHeaderMalformed, "The authorization header is malformed; "+format, args...)
}

// readQuery decodes a raw query that may carry a signature, and tells of which version; nearly all
// requests have none and are not decoded.
func readQuery(raw string) (q url.Values, v4, v2 bool, err error) {
	if !strings.Contains(raw, "X-Amz-") && !strings.Contains(raw, "Signature") && !strings.Contains(raw, "AWSAccessKeyId") {
		return nil, false, false, nil
	}
	if q, err = url.ParseQuery(raw); err != nil {
		return nil, false, false, errURI
	}
	v4 = q.Has("X-Amz-Algorithm") || q.Has("X-Amz-Credential") || q.Has("X-Amz-Signature")
	return q, v4, q.Has("AWSAccessKeyId") || q.Has("Signature"), nil
}

var errURI = fail(InvalidURI, "Couldn't parse the specified URI.")

// parsePresigned reads the parameters of a presigned URL.
func parsePresigned(r *http.Request, q url.Values) (*Signature, error) {
	for _, name := range []string{"Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires"} {
		if q.Get("X-Amz-"+name) == "" {
			return nil, malformedQuery("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
		}
	}
	s := &Signature{Form: Query, request: r}
	if err := s.setFields(q.Get("X-Amz-Algorithm"), q.Get("X-Amz-Credential"), q.Get("X-Amz-Date"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature")); err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseInt(q.Get("X-Amz-Expires"), 10, 64)
	if err != nil || seconds < 0 || seconds > int64(maxExpires/time.Second) {
		return nil, malformedQuery("X-Amz-Expires must be a number of seconds, not negative and at most a week (604800)")
	}
	s.Expires = time.Duration(seconds) * time.Second
	s.SecurityToken = cmp.Or(q.Get("X-Amz-Security-Token"), r.Header.Get("X-Amz-Security-Token"))
	s.payload = cmp.Or(r.Header.Get("X-Amz-Content-Sha256"), q.Get("X-Amz-Content-Sha256"), UnsignedPayload)
	return s, nil
}

func malformedQuery(format string, args ...any) *Error {
	return fail(AuthorizationQueryParametersError, format, args...)
}

// setFields takes what query and form have in common.
func (s *Signature) setFields(alg, credential, date, headers, signature string) error {
	if alg != algorithm {
		return malformedQuery("X-Amz-Algorithm only supports %q", algorithm)
	}
	if why := s.setCredential(credential); why != "" {
		return malformedQuery("Error parsing the X-Amz-Credential parameter; %s", why)
	}
	if !s.setTimestamp(date) || date[:8] != s.date {
		return malformedQuery(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'" and of the day of the credential, %q`, s.date)
	}
	if why := s.setSigned(headers, signature); why != "" {
		return malformedQuery("%s", why)
	}
	return nil
}

// setCredential takes AK/yyyymmdd/region/s3/aws4_request, or says what is wrong with it.
func (s *Signature) setCredential(credential string) (why string) {
	id, scope, _ := strings.Cut(credential, "/")
	date, rest, _ := strings.Cut(scope, "/")
	region, rest, _ := strings.Cut(rest, "/")
	service, end, ok := strings.Cut(rest, "/")
	if !ok || id == "" || len(date) != 8 || service != "s3" || end != "aws4_request" || !graphic(credential) || len(credential) > 256 {
		return `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/s3/aws4_request".`
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
	if !parseMAC(&s.signature, signature) {
		return "the Signature is mal-formed; expecting 64 hexadecimal digits."
	}
	s.headers = headers
	return ""
}

// parseMAC reads 64 hexadecimal digits.
func parseMAC(mac *[32]byte, digits string) bool {
	if len(digits) != hex.EncodedLen(len(mac)) {
		return false
	}
	_, err := hex.Decode(mac[:], []byte(digits))
	return err == nil
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
	date := cmp.Or(h.Get("X-Amz-Date"), h.Get("Date"))
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
	if !host || covered != sent {
		return fail(AccessDenied, "There were headers present in the request which were not signed: host and all x-amz- headers must be in SignedHeaders")
	}
	return checkPayload(s.payload)
}
