package provider_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/provider"
	"github.com/lanyardhq/lanyard/internal/standin"
	"github.com/lanyardhq/lanyard/material"
)

// server is a mytoken server that says what a test wants. It remembers the bodies that came.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	clock   *standin.Clock
	replies map[string]reply
	bodies  map[string][]map[string]any
}

const (
	mytokenWellKnown = "/.well-known/mytoken-configuration"
	my               = "/api/v0/token/my"
	access           = "/api/v0/token/access"
	revocation       = "/api/v0/token/revoke"
	behind           = "https://aai.egi.eu/auth/realms/egi"
)

func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{clock: standin.NewClock(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)), replies: map[string]reply{}, bodies: map[string][]map[string]any{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	s.says(mytokenWellKnown, 200, `{"issuer":"`+s.URL+`/","mytoken_endpoint":"`+s.URL+my+`","access_token_endpoint":"`+s.URL+access+
		`","revocation_endpoint":"`+s.URL+revocation+`","providers_supported":[{"issuer":"https://other.example.org"},{"issuer":"`+behind+`"}]}`)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	body := map[string]any{}
	_ = json.Unmarshal(text, &body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies[r.URL.Path] = append(s.bodies[r.URL.Path], body)
	a, ok := s.replies[r.URL.Path]
	if !ok || r.Method == http.MethodPost && r.Header.Get("Content-Type") != "application/json" {
		a = reply{404, `{"error":"not_found"}`, nil}
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func (s *server) says(path string, status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies[path] = reply{status: status, body: body}
}

func (s *server) last(path string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.bodies[path]); n > 0 {
		return s.bodies[path][n-1]
	}
	return nil
}

func (s *server) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bodies[path])
}

func (s *server) client(t testing.TB) *provider.Client {
	t.Helper()
	c, err := provider.New(grant.Provider{ID: "kit", Title: "KIT", Type: grant.MyToken, Issuer: s.URL, UpstreamIssuer: behind, Scopes: []string{"openid", "storage.read:/data"}},
		"", &http.Transport{}, s.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// begin starts an approval for a week.
func (s *server) begin(t testing.TB, c *provider.Client, w grant.Wish) provider.Approval {
	t.Helper()
	s.says(my, 200, `{"consent_uri":"`+s.URL+`/c/abc","polling_code":"pollingcode","expires_in":300,"interval":5}`)
	a, err := c.Begin(t.Context(), w, provider.Hint{Name: "HTCondor", Life: 7 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestMyTokenApproval(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	a := s.begin(t, c, grant.Wish{Audiences: []string{"https://se.example.org"}})
	if a.URL != s.URL+"/c/abc" || a.State != "" || a.Interval != 5*time.Second || !a.ExpiresAt.Equal(s.clock.Now().Add(5*time.Minute)) {
		t.Errorf("approve at %+v", a)
	}
	asked := map[string]any{"grant_type": "oidc_flow", "oidc_flow": "authorization_code", "client_type": "native", "oidc_issuer": behind, "name": "HTCondor",
		"application_name": "Lanyard", "response_type": "token", "capabilities": []any{"AT", "tokeninfo:introspect"},
		"restrictions": []any{map[string]any{"exp": float64(s.clock.Now().Add(7 * 24 * time.Hour).Unix()), "scope": "openid storage.read:/data", "audience": []any{"https://se.example.org"}}}}
	if d := cmp.Diff(asked, s.last(my)); d != "" {
		t.Errorf("asked for: %s", d)
	}
	s.says(my, 428, `{"error":"authorization_pending"}`)
	for range 3 {
		if _, err := c.Poll(t.Context(), a.Data); !errors.Is(err, grant.ErrPending) {
			t.Errorf("polled: %v", err)
		}
	}
	if d := cmp.Diff(map[string]any{"grant_type": "polling_code", "polling_code": "pollingcode"}, s.last(my)); d != "" {
		t.Errorf("polled with: %s", d)
	}
	until := s.clock.Now().Add(24 * time.Hour)
	const mt = "e30.eyJvaWRjX3N1YiI6ImFubmEifQ.c2ln" // oidc_sub anna
	s.says(my, 200, `{"mytoken":"`+mt+`","mytoken_type":"token","expires_in":86400,"capabilities":["AT"],
		"restrictions":[{"exp":`+unix(until.Add(-time.Hour))+`,"scope":"openid","audience":["https://se.example.org"]},
		{"exp":`+unix(until)+`,"scope":"storage.read:/data/raw openid","audience":["https://se.example.org"],"usages_AT":5}]}`)
	got, err := c.Poll(t.Context(), a.Data)
	want := grant.Tokens{Refresh: mt, AccessExpiresAt: s.clock.Now(), RefreshExpiresAt: until, Scopes: []string{"openid", "storage.read:/data/raw"},
		Audiences: []string{"https://se.example.org"}, Subject: "anna"}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
}

func unix(t time.Time) string {
	text, _ := json.Marshal(t.Unix())
	return string(text)
}

// The person, or the server, may issue another mytoken than was asked for.
func TestMyTokensThatAreNotKept(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	week := unix(s.clock.Now().Add(7 * 24 * time.Hour))
	clause := func(members string) string { return `,"capabilities":["AT"],"restrictions":[{` + members + `}]` }
	good := `"exp":` + week + `,"scope":"openid","audience":["a"]`
	for name, tc := range map[string]struct {
		token, rest string
		want        string
	}{
		"more capabilities":  {"mt", `,"capabilities":["AT","create_mytoken"],"restrictions":[{` + good + `}]`, "more than we asked for: the capability create_mytoken"},
		"no access tokens":   {"mt", `,"capabilities":["tokeninfo:introspect"],"restrictions":[{` + good + `}]`, "gives no access tokens"},
		"no restriction":     {"mt", `,"capabilities":["AT"]`, "everything, without a restriction"},
		"no end":             {"mt", clause(`"scope":"openid","audience":["a"]`), "a longer life"},
		"a later end":        {"mt", clause(`"exp":` + unix(s.clock.Now().Add(8*24*time.Hour)) + `,"scope":"openid","audience":["a"]`), "a longer life"},
		"all scopes":         {"mt", clause(`"exp":` + week + `,"audience":["a"]`), "all scopes"},
		"another scope":      {"mt", clause(`"exp":` + week + `,"scope":"openid email","audience":["a"]`), "the scope email"},
		"a path above":       {"mt", clause(`"exp":` + week + `,"scope":"storage.read:/","audience":["a"]`), "the scope storage.read:/"},
		"all audiences":      {"mt", clause(`"exp":` + week + `,"scope":"openid"`), "all audiences"},
		"another audience":   {"mt", clause(`"exp":` + week + `,"scope":"openid","audience":["a","b"]`), "the audience b"},
		"one clause of two":  {"mt", `,"capabilities":["AT"],"restrictions":[{` + good + `},{"exp":` + week + `,"audience":["a"]}]`, "all scopes"},
		"a transfer code":    {"", `,"transfer_code":"x","mytoken_type":"transfer_code"`, "no mytoken that can be used"},
		"a token with blank": {"a b", clause(good), "no mytoken that can be used"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.begin(t, c, grant.Wish{Audiences: []string{"a"}})
			before := s.count(revocation)
			s.says(revocation, 204, "")
			s.says(my, 200, `{"mytoken":"`+tc.token+`"`+tc.rest+`}`)
			_, err := c.Poll(t.Context(), a.Data)
			if fault.CodeOf(err) != fault.Denied || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if tc.token != "mt" {
				return
			}
			if d := cmp.Diff(map[string]any{"token": "mt", "recursive": true}, s.last(revocation)); d != "" || s.count(revocation) != before+1 {
				t.Errorf("revoked with: %s", d)
			}
			s.says(revocation, 500, "")
			if _, err := c.Poll(t.Context(), a.Data); err == nil || !strings.Contains(fault.Public(err).Hint, "revoke it there") {
				t.Errorf("not revoked: %v", err)
			}
		})
	}
}

func TestMyTokenPollsThatEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		after  time.Duration
		want   string // of a Denied fault; "" means that polling goes on
		final  bool   // somebody said no
	}{
		"declined":          {401, `{"error":"access_denied","error_description":"user declined consent"}`, 0, "you declined at KIT", true},
		"expired":           {401, `{"error":"expired_token","error_description":"polling or transfer code is expired"}`, 0, "took too long", false},
		"failed behind":     {401, `{"error":"invalid_token","error_description":"Bad polling or transfer code"}`, 0, "KIT ended the approval", true},
		"too long for us":   {428, `{"error":"authorization_pending"}`, 5 * time.Minute, "took too long", false},
		"down for too long": {502, `<html>`, 5 * time.Minute, "took too long", false},
		"rate limit":        {429, "Too Many Requests", 0, "", false},
		"down":              {502, "<html>", 0, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			c := s.client(t)
			a := s.begin(t, c, grant.Wish{})
			s.clock.Move(tc.after)
			s.says(my, tc.status, tc.body)
			_, err := c.Poll(t.Context(), a.Data)
			if tc.want == "" {
				refusal(t, err, grant.Again)
			} else if fault.CodeOf(err) != fault.Denied || !strings.Contains(err.Error(), tc.want) || errors.Is(err, grant.ErrDeclined) != tc.final {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMyTokenAccess(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	s.says(access, 200, `{"access_token":"at","token_type":"Bearer","expires_in":3600,"scope":"storage.read:/data","audience":["https://se.example.org"]}`)
	got, err := c.Refresh(t.Context(), "mt", grant.Wish{Scopes: []string{"storage.read:/data"}, Audiences: []string{"https://se.example.org", "b"}})
	want := grant.Tokens{Access: "at", AccessExpiresAt: s.clock.Now().Add(time.Hour), Scopes: []string{"storage.read:/data"}, Audiences: []string{"https://se.example.org"}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	asked := map[string]any{"grant_type": "mytoken", "mytoken": "mt", "oidc_issuer": behind, "scope": "storage.read:/data", "audience": "https://se.example.org b"}
	if d := cmp.Diff(asked, s.last(access)); d != "" {
		t.Errorf("asked for: %s", d)
	}
	// A rotated mytoken is the new one.
	s.says(access, 200, `{"access_token":"at","expires_in":3600,"scope":"openid","token_update":{"mytoken":"mt2","mytoken_type":"token","expires_in":600,"capabilities":["AT"]}}`)
	got, err = c.Refresh(t.Context(), "mt", grant.Wish{Scopes: []string{"openid"}})
	want = grant.Tokens{Access: "at", Refresh: "mt2", AccessExpiresAt: s.clock.Now().Add(time.Hour), RefreshExpiresAt: s.clock.Now().Add(10 * time.Minute), Scopes: []string{"openid"}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	// The rate limit of the server counts all requests of ours: what it says of itself is kept.
	if n := s.count(mytokenWellKnown); n != 1 {
		t.Errorf("discovery was asked for %d times", n)
	}
	for _, body := range []string{"", "{}", "<html>", `{"token_update":{"mytoken":"mt3"}}`} {
		s.says(access, 200, body)
		_, err := c.Refresh(t.Context(), "mt", grant.Wish{})
		refusal(t, err, grant.Again)
	}
}

func TestMyTokenRefusals(t *testing.T) {
	for _, tc := range []struct {
		status int
		body   string
		want   grant.Refusal
	}{
		{401, `{"error":"invalid_token"}`, grant.Refusal{Class: grant.Dead, Code: "invalid_token"}},
		{401, `{"error":"invalid_token","error_description":"token is expired by 2s"}`, grant.Refusal{Class: grant.Dead, Code: "invalid_token", Description: "token is expired by 2s"}},
		{400, `{"error":"oidc_error","error_description":"invalid_grant: grant request is invalid"}`, grant.Refusal{Class: grant.Dead, Code: "invalid_grant", Description: "grant request is invalid"}},
		{403, `{"error":"usage_restricted","error_description":"x"}`, grant.Refusal{Class: grant.Dead, Code: "usage_restricted", Description: "x"}},
		{403, `{"error":"insufficient_capabilities"}`, grant.Refusal{Class: grant.Dead, Code: "insufficient_capabilities"}},
		{401, `{"error":"invalid_token","error_description":"token is not valid yet"}`, grant.Refusal{Class: grant.Again, Code: "invalid_token", Description: "token is not valid yet"}},
		{429, `Too Many Requests`, grant.Refusal{Class: grant.Again, RetryAfter: 299 * time.Second}},
		{500, `{"error":"internal_server_error","error_description":"no db node available"}`, grant.Refusal{Class: grant.Again, Code: "internal_server_error", Description: "no db node available"}},
		{500, `{"error":"oidc_error","error_description":"invalid_grant: x"}`, grant.Refusal{Class: grant.Again, Code: "invalid_grant", Description: "x"}},
		{555, `{"error":"oidc_error","error_description":"Did not receive a refresh token"}`, grant.Refusal{Class: grant.Again, Code: "oidc_error", Description: "Did not receive a refresh token"}},
		{503, `<html>`, grant.Refusal{Class: grant.Again}},
		{400, `{"error":"oidc_error","error_description":"temporarily_unavailable: later"}`, grant.Refusal{Class: grant.Again, Code: "temporarily_unavailable", Description: "later"}},
		{400, `{"error":"oidc_error","error_description":"invalid_target: resource indicator is missing, or unknown"}`,
			grant.Refusal{Class: grant.Again, Code: "invalid_target", Description: "resource indicator is missing, or unknown"}},
		{400, `{"error":"invalid_request","error_description":"token not for specified issuer"}`, grant.Refusal{Class: grant.Operator, Code: "invalid_request", Description: "token not for specified issuer"}},
	} {
		s := newServer(t)
		c := s.client(t)
		r := reply{tc.status, tc.body, nil}
		if tc.want.RetryAfter > 0 {
			r.header = map[string]string{"Retry-After": "299", "Content-Type": "text/plain"}
		}
		s.replies[access] = r
		_, err := c.Refresh(t.Context(), "mt", grant.Wish{})
		got := refusal(t, err, tc.want.Class)
		tc.want.Status = tc.status
		if d := cmp.Diff(tc.want, *got); d != "" || s.count(access) != 1 {
			t.Errorf("%d %s: %d requests %s", tc.status, tc.body, s.count(access), d)
		}
	}
}

func TestMyTokenRevocation(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	for _, status := range []int{204, 200} {
		s.says(revocation, status, "")
		if receipt, err := c.Revoke(t.Context(), material.Secret("mt")); err != nil || !strings.HasPrefix(receipt, "KIT revoked the mytoken and what was made of it;") {
			t.Errorf("%d: %q, %v", status, receipt, err)
		}
	}
	s.says(revocation, 500, `{"error":"internal_server_error"}`)
	_, err := c.Revoke(t.Context(), "mt")
	refusal(t, err, grant.Again)
	s.says(mytokenWellKnown, 200, `{"issuer":"`+s.URL+`","mytoken_endpoint":"`+s.URL+my+`","access_token_endpoint":"`+s.URL+access+`"}`)
	if receipt, err := s.client(t).Revoke(t.Context(), "mt"); err != nil || !strings.HasPrefix(receipt, "KIT offers no revocation.") {
		t.Errorf("%q, %v", receipt, err)
	}
	if _, err := c.Exchange(t.Context(), "at", grant.Wish{}); err == nil {
		t.Error("exchanged")
	}
	if _, err := c.Finish(t.Context(), []byte("{}"), nil); err == nil {
		t.Error("finished without polling")
	}
}

func TestMyTokenServersThatCannotBeUsed(t *testing.T) {
	for name, tc := range map[string]struct {
		path, body, want string
	}{
		"another issuer":   {mytokenWellKnown, `{"issuer":"https://evil.example.org"}`, "it calls itself"},
		"plain http":       {mytokenWellKnown, `{"issuer":"URL","mytoken_endpoint":"http://192.0.2.1/my","access_token_endpoint":"URL/a"}`, "must begin with https://"},
		"another provider": {mytokenWellKnown, `{"issuer":"URL","mytoken_endpoint":"URL/m","access_token_endpoint":"URL/a","providers_supported":[{"issuer":"https://x.example.org"}]}`, "it does not serve " + behind},
		"a page":           {mytokenWellKnown, `<html>`, "does not answer"},
		"a script":         {my, `{"consent_uri":"javascript:alert(1)","polling_code":"x","expires_in":300,"interval":5}`, "does not answer"},
		"no code":          {my, `{"consent_uri":"URL/c"}`, "does not answer"},
	} {
		s := newServer(t)
		s.says(tc.path, 200, strings.ReplaceAll(tc.body, "URL", s.URL))
		_, err := s.client(t).Begin(t.Context(), grant.Wish{}, provider.Hint{})
		if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
	s := newServer(t)
	s.says(my, 400, `{"error":"invalid_request","error_description":"The provided issuer is not supported"}`)
	if _, err := s.client(t).Begin(t.Context(), grant.Wish{}, provider.Hint{}); fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "The provided issuer is not supported") {
		t.Errorf("got %v", err)
	}
}

// A server that leaves out how often to poll, or says something absurd, is polled sensibly.
func TestMyTokenInterval(t *testing.T) {
	s := newServer(t)
	for text, want := range map[string]time.Duration{``: 5 * time.Second, `,"interval":0`: 5 * time.Second, `,"interval":1`: time.Second, `,"interval":1e9`: time.Minute} {
		s.says(my, 200, `{"consent_uri":"`+s.URL+`/c/abc","polling_code":"x"`+text+`}`)
		a, err := s.client(t).Begin(t.Context(), grant.Wish{}, provider.Hint{})
		if err != nil || a.Interval != want || a.ExpiresAt.Sub(s.clock.Now()) != 5*time.Minute {
			t.Errorf("%s: %s, %v", text, a.Interval, err)
		}
	}
}
