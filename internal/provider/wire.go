package provider

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/outgoing"
)

const (
	connections = 100       // kept open to one provider
	maxPatient  = time.Hour // the longest Retry-After that we believe
)

// wire carries requests to one provider, each once.
type wire struct {
	client *http.Client
	now    func() time.Time
}

func newWire(transport http.RoundTripper, now func() time.Time) wire {
	if transport == nil {
		transport = http.DefaultTransport
		if usual, ok := transport.(*http.Transport); ok { // it keeps two connections to a host
			many := usual.Clone()
			many.MaxIdleConnsPerHost = connections
			transport = many
		}
	}
	return wire{now: now, client: outgoing.Client(transport)}
}

// answer is what a provider said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send makes one request. If there is no whole answer, the refusal says whether anything can have
// reached the provider.
func (w wire) send(r *http.Request) (answer, *grant.Refusal) {
	// A connection of ours that the provider had closed meanwhile is replaced by the transport, but
	// only if nothing was written to it: so the last attempt decides.
	var tried, connected atomic.Bool
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { tried.Store(true); connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}
	resp, err := w.client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace))) //nolint:gosec // configured, or said by who is configured
	if err != nil {
		return answer{}, &grant.Refusal{Class: grant.Again, Unsent: tried.Load() && !connected.Load(), Err: withoutURL(err)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, &grant.Refusal{Class: grant.Again, Err: err}
	}
	return answer{resp.StatusCode, resp.Header, body}, nil
}

// withoutURL cuts the address off, which may have a query.
func withoutURL(err error) error {
	if e, ok := err.(*url.Error); ok { //nolint:errorlint // as http.Client returns it
		return e.Err
	}
	return err
}

// get fetches a public document into v.
func (w wire) get(ctx context.Context, address string, v any) (answer, *grant.Refusal) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, &grant.Refusal{Class: grant.Operator, Unsent: true, Err: withoutURL(err)}
	}
	r.Header.Set("Accept", "application/json")
	a, refusal := w.send(r)
	if refusal != nil {
		return a, refusal
	}
	if a.status != http.StatusOK {
		return a, w.refused(a)
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		return a, &grant.Refusal{Class: grant.Again, Status: a.status, Description: "its answer is not the JSON that it should be", Err: err}
	}
	return a, nil
}

// refused reads an answer that is not what was asked for: RFC 6749 §5.2, or a page of whatever
// stands in front of the provider. What was sent in secret is taken out of its text.
func (w wire) refused(a answer, secrets ...string) *grant.Refusal {
	var e struct {
		Code        any `json:"error"`
		Description any `json:"error_description"`
	}
	_ = json.Unmarshal(a.body, &e) // a page has no code
	r := &grant.Refusal{Status: a.status, Code: text(e.Code, 60, secrets), Description: text(e.Description, 200, secrets),
		RetryAfter: w.retryAfter(a.header)}
	r.Class = classify(r)
	return r
}

func text(v any, n int, secrets []string) string {
	const short = 8 // shorter ones are parts of words, and no secrets
	s, _ := v.(string)
	for _, secret := range secrets {
		if len(secret) >= short {
			s = strings.ReplaceAll(s, secret, "[redacted]")
		}
	}
	return grant.Clean(s, n)
}

// ofToken are descriptions of invalid_request that mean invalid_grant: dex writes so.
var ofToken = regexp.MustCompile(`(?i)\brefresh token\b.*\b(invalid|claimed|expired|revoked)\b`)

// classify says what a refusal with its status and code means.
func classify(r *grant.Refusal) grant.Class {
	if r.Status >= http.StatusInternalServerError || r.Status < http.StatusBadRequest {
		return grant.Again
	}
	switch r.Status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusTooEarly:
		return grant.Again
	}
	switch r.Code {
	case "invalid_grant", "login_required", "interaction_required", "consent_required":
		return grant.Dead
	case "invalid_request":
		if ofToken.MatchString(r.Description) {
			return grant.Dead
		}
		return grant.Operator
	case "temporarily_unavailable", "server_error", "slow_down":
		return grant.Again
	case "":
		if r.Status != http.StatusUnauthorized { // a page of something in between
			return grant.Again
		}
	}
	return grant.Operator
}

// retryAfter reads the header of RFC 9110 §10.2.3.
func (w wire) retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	var wait time.Duration
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(w.now())
	}
	return min(max(wait, 0), maxPatient)
}
