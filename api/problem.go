package api

// The codes of problems. They are part of the interface: programs decide by them, not by texts.
const (
	Invalid         = "invalid"         // the request cannot be right, whoever sends it
	Unauthenticated = "unauthenticated" // no or no longer valid proof of who asks
	Denied          = "denied"          // known, but not allowed
	NotFound        = "not_found"       // absent, or not the caller's to know of
	Conflict        = "conflict"        // another change came first, or the state forbids it
	Limited         = "limited"         // a quota, cap or rate
	Unavailable     = "unavailable"     // something outside does not answer; a retry is safe
	Internal        = "internal"        // the server's to repair
)

// meanings pairs codes with HTTP statuses. A code's first line gives the status to answer with; the
// others are read from servers and proxies in between.
var meanings = []struct {
	code   string
	status int
}{
	{Invalid, 400},
	{Unauthenticated, 401},
	{Denied, 403},
	{NotFound, 404},
	{Conflict, 409},
	{Limited, 429},
	{Internal, 500},
	{Unavailable, 503},
	{NotFound, 410},
	{Unavailable, 502},
	{Unavailable, 504},
}

// Codes are all codes of problems.
func Codes() []string {
	return []string{Invalid, Unauthenticated, Denied, NotFound, Conflict, Limited, Unavailable, Internal}
}

// Status returns the HTTP status that goes with a problem's code; 500 for an unknown one.
func Status(code string) int {
	for _, m := range meanings {
		if m.code == code {
			return m.status
		}
	}
	return 500
}

// CodeOf returns the code that says what an HTTP status of a failed request means. It is for
// answers that carry no problem document, such as a proxy's.
func CodeOf(status int) string {
	for _, m := range meanings {
		if m.status == status {
			return m.code
		}
	}
	if status < 500 {
		return Invalid
	}
	return Internal
}

// Problem is the answer to a request that failed (RFC 9457, application/problem+json).
type Problem struct {
	Type   string `json:"type"` // always "about:blank": Code is what to decide by
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Code classifies: see Codes.
	Code   string `json:"code"`
	Detail string `json:"detail"`
	// Hint is the one thing to do next; may be empty.
	Hint      string `json:"hint,omitempty"`
	RequestID string `json:"request_id"`
	// RetryAfter is in seconds; 0 if unknown.
	RetryAfter int64 `json:"retry_after,omitempty"`
}

// Error implements error, with the detail alone.
func (p *Problem) Error() string { return p.Detail }
