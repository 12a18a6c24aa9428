package httpapi_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/fault"
)

// TestEveryRouteIsDescribed holds the route table and openapi.yaml to each other.
func TestEveryRouteIsDescribed(t *testing.T) {
	type parameter struct {
		Ref  string `yaml:"$ref"`
		Name string `yaml:"name"`
		In   string `yaml:"in"`
	}
	type operation struct {
		ID         string         `yaml:"operationId"`
		Summary    string         `yaml:"summary"`
		Parameters []parameter    `yaml:"parameters"`
		Security   *[]any         `yaml:"security"`
		Responses  map[string]any `yaml:"responses"`
	}
	var document struct {
		Paths      map[string]map[string]any `yaml:"paths"`
		Components struct {
			Parameters map[string]parameter `yaml:"parameters"`
		} `yaml:"components"`
	}
	check(t, yaml.Unmarshal([]byte(api.Description), &document))
	decode := func(from, to any) {
		text, err := yaml.Marshal(from)
		check(t, err)
		check(t, yaml.Unmarshal(text, to))
	}
	names := func(ps []parameter, in string) []string {
		var found []string
		for _, p := range ps {
			if p.Ref != "" {
				p = document.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
			}
			if p.In == in {
				found = append(found, p.Name)
			}
		}
		return found
	}
	described := map[string]bool{}
	ids := map[string]bool{}
	for path, item := range document.Paths {
		for method := range item {
			if method != "parameters" {
				described[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	for _, r := range newWorld(t).Routes() {
		pattern := r.Method + " " + r.Path
		if !described[pattern] {
			t.Errorf("%s is not in openapi.yaml", pattern)
			continue
		}
		delete(described, pattern)
		var op operation
		var shared []parameter
		decode(document.Paths[r.Path][strings.ToLower(r.Method)], &op)
		decode(document.Paths[r.Path]["parameters"], &shared)
		if op.ID == "" || ids[op.ID] || op.Summary == "" || op.Responses["default"] == nil {
			t.Errorf("%s lacks a unique operationId, a summary or a default answer", pattern)
		}
		ids[op.ID] = true
		if open := op.Security != nil && len(*op.Security) == 0; open != r.Open {
			t.Errorf("%s: open without a token is %v here and %v in openapi.yaml", pattern, r.Open, open)
		}
		var inPath []string
		for _, m := range regexp.MustCompile(`{(\w+)}`).FindAllStringSubmatch(r.Path, -1) {
			inPath = append(inPath, m[1])
		}
		if got := names(append(shared, op.Parameters...), "path"); !cmp.Equal(got, inPath) {
			t.Errorf("%s: path parameters %v, in openapi.yaml %v", pattern, inPath, got)
		}
		if got := names(op.Parameters, "query"); !cmp.Equal(got, r.Query) && len(got)+len(r.Query) > 0 {
			t.Errorf("%s: parameters %v, in openapi.yaml %v", pattern, r.Query, got)
		}
	}
	for pattern := range maps.Keys(described) {
		t.Errorf("openapi.yaml describes %s, which is not served", pattern)
	}
}

func TestTheDescriptionIsServedToEverybody(t *testing.T) {
	w := newWorld(t)
	a := w.send(t, "", "GET", "/api/v1/openapi.yaml", "")
	if a.status != 200 || a.body != api.Description || a.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("got %d %v", a.status, a.header)
	}
}

func TestCodesAreTheFaultsOfTheServer(t *testing.T) {
	for _, code := range []fault.Code{fault.Invalid, fault.Unauthenticated, fault.Denied, fault.NotFound, fault.Conflict, fault.Limited, fault.Unavailable, fault.Internal} {
		if !slices.Contains(api.Codes(), string(code)) {
			t.Errorf("the API has no code %s", code)
		}
	}
}

// TestBadRequests pins what people read who send what cannot be right.
func TestBadRequests(t *testing.T) {
	w := newWorld(t)
	k := w.key(t, "ben", "462000008")
	const credentials = "/api/v1/credentials"
	for _, tt := range []struct{ method, path, body, code, detail string }{
		{"POST", credentials, ``, api.Invalid, "the body is empty: send a JSON object"},
		{"POST", credentials, `{"kind":`, api.Invalid, "the body is not complete JSON"},
		{"POST", credentials, `{kind:1}`, api.Invalid, "the body is not JSON: wrong at byte 2"},
		{"POST", credentials, `[]`, api.Invalid, "the body cannot be a JSON array"},
		{"POST", credentials, `{"life":"7d"}`, api.Invalid, `"life" cannot be a JSON string`},
		{"POST", credentials, `{"life":1e30}`, api.Invalid, `"life" cannot be a JSON number 1e30`},
		{"POST", credentials, `{"life":9223372036854775807}`, api.Invalid, "9223372036854775807 seconds are more than can be counted with"},
		{"POST", credentials, `{"expires_at":"tomorrow"}`, api.Invalid, "a time in the body is not RFC 3339, such as 2026-12-01T12:00:00Z"},
		{"POST", credentials, `{"lifetime":3600}`, api.Invalid, `there is no field "lifetime" here`},
		{"POST", credentials, `{"kind":"s3key"} {"kind":"s3key"}`, api.Invalid, "something follows the JSON object in the body"},
		{"POST", credentials, `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, api.Invalid, "the body is larger than 1 MiB"},
		{"POST", credentials, `{"kind":"s3key","project":"462000008","name":"x","life":-1}`, api.Invalid, "a lifetime of -1s is not in the future"},
		{"POST", credentials, `{"kind":"s3key","project":"462000008","name":"x","life":605000}`, api.Limited, "at most 7 days are allowed, you asked for 605000 seconds"},
		{"POST", credentials, `{"kind":"passport","project":"462000008","name":"x"}`, api.Invalid, `there is no kind of credential "passport"`},
		{"POST", credentials + "/" + k.ID + "/extend", `{"life":3600,"expires_at":"2026-11-22T00:00:00Z"}`, api.Invalid, "a duration and an end date were both given"},
		{"GET", credentials + "?projct=1", "", api.Invalid, `there is no parameter "projct" here`},
		{"GET", credentials + "?project=1&project=2", "", api.Invalid, `parameter "project" stands twice`},
		{"GET", credentials + "?a=%zz", "", api.Invalid, "the query cannot be read"},
		{"GET", credentials + "?limit=0", "", api.Invalid, "limit is a number from 1 to 1000"},
		{"GET", "/api/v1/audit?cursor=x", "", api.Invalid, `"x" is not a cursor`},
		{"GET", "/api/v1/nothing", "", api.NotFound, "there is no GET /api/v1/nothing here"},
		{"PUT", credentials, "{}", api.NotFound, "there is no PUT /api/v1/credentials here"},
	} {
		a := w.send(t, w.token(t, "ben"), tt.method, tt.path, tt.body)
		p := a.problem(t)
		if p.Code != tt.code || p.Detail != tt.detail || a.status != api.Status(tt.code) || p.Status != a.status {
			t.Errorf("%s %.60s %.80s:\n got %d %s %q\nwant %s %q", tt.method, tt.path, tt.body, a.status, p.Code, p.Detail, tt.code, tt.detail)
		}
	}
}

func TestProblemDocuments(t *testing.T) {
	w := newWorld(t)
	a := w.send(t, "", "GET", "/api/v1/whoami", "", "Cookie: lanyard="+w.token(t, "ben").Reveal())
	p := a.problem(t)
	want := api.Problem{Type: "about:blank", Title: "Unauthorized", Status: 401, Code: api.Unauthenticated, Detail: "you are not signed in",
		Hint: "send the header Authorization: Bearer TOKEN; lanyard login gets one", RequestID: a.header.Get("X-Request-Id")}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("without a token, and with a cookie (-want +got):\n%s", diff)
	}
	for name, value := range map[string]string{"Content-Type": "application/problem+json", "WWW-Authenticate": `Bearer realm="lanyard"`, "Cache-Control": "no-store",
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Referrer-Policy": "no-referrer"} {
		if got := a.header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	for _, header := range []string{"Authorization: Bearer nonsense", "Authorization: bearer lyt_AAAA", "Authorization: Basic YTpi", "Authorization: Bearer"} {
		a := w.send(t, "", "GET", "/api/v1/whoami", "", header)
		if a.status != 401 || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: %d %s", header, a.status, a.body)
		}
	}
}

// TestNothingInsideShows is threat 38: whatever breaks, the caller reads a request id and no more.
func TestNothingInsideShows(t *testing.T) {
	w := newWorld(t)
	token := w.token(t, "ben")
	w.Broker = nil // as badly broken as can be
	broken := httptest.NewServer(w.Handler())
	t.Cleanup(broken.Close)
	w.server = broken
	a := w.send(t, token, "GET", "/api/v1/projects", "")
	p := a.problem(t)
	if a.status != 500 || p.Detail != "internal error" || strings.Contains(a.body, "goroutine") || strings.Contains(a.body, ".go") {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if !strings.Contains(w.log.String(), p.RequestID) || !strings.Contains(w.log.String(), "nil pointer") {
		t.Errorf("the log does not tell what broke under the request's id:\n%s", w.log.String())
	}
}

// TestWhoLeavesIsNoError has a caller who does not wait for the answer.
func TestWhoLeavesIsNoError(t *testing.T) {
	w := newWorld(t)
	token := w.token(t, "ben")
	ctx, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequestWithContext(ctx, "GET", "/api/v1/projects", nil)
	r.Header.Set("Authorization", "Bearer "+token.Reveal())
	w.Handler().ServeHTTP(httptest.NewRecorder(), r)
	var line struct {
		Level, Route string
		Status       int
	}
	lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	check(t, json.Unmarshal([]byte(lines[len(lines)-1]), &line))
	if line.Level != "INFO" || line.Status != 499 || line.Route != "GET /projects" {
		t.Errorf("logged: %s", lines[len(lines)-1])
	}
}

func TestOneLineIsLoggedPerRequest(t *testing.T) {
	w := newWorld(t)
	token := w.token(t, "ben")
	w.send(t, token, "GET", "/api/v1/projects/462000008", "")
	w.send(t, token, "GET", "/api/v1/projects/465000123", "")
	w.send(t, "", "GET", "/api/v1/whoami", "")
	var lines []map[string]any
	for line := range strings.Lines(w.log.String()) {
		var l map[string]any
		check(t, json.Unmarshal([]byte(line), &l))
		if l["msg"] == "api request" {
			lines = append(lines, l)
		}
	}
	if len(lines) != 3 {
		t.Fatalf("%d lines for 3 requests:\n%s", len(lines), w.log.String())
	}
	for i, want := range []struct {
		route  string
		status float64
		known  bool
	}{{"GET /projects/{project}", 200, true}, {"GET /projects/{project}", 404, true}, {"GET /whoami", 401, false}} {
		l := lines[i]
		account, _ := l["account"].(string)
		id, _ := l["request_id"].(string)
		if l["route"] != want.route || l["status"] != want.status || strings.HasPrefix(account, "usr_") != want.known || !strings.HasPrefix(id, "req_") {
			t.Errorf("line %d is %v", i, l)
		}
	}
}

func TestRequestsOfOneTokenAreLimited(t *testing.T) {
	w := newWorld(t)
	w.PerMinute = 60
	limited := httptest.NewServer(w.Handler())
	t.Cleanup(limited.Close)
	w.server = limited
	ben, chiara := w.token(t, "ben"), w.token(t, "chiara")
	for i := range 60 {
		if a := w.send(t, ben, "GET", "/api/v1/sessions", ""); a.status != 200 {
			t.Fatalf("request %d: %d %s", i+1, a.status, a.body)
		}
	}
	a := w.send(t, ben, "GET", "/api/v1/sessions", "")
	if p := a.problem(t); a.status != http.StatusTooManyRequests || p.RetryAfter != 1 || a.header.Get("Retry-After") != "1" {
		t.Errorf("request 61: %d %s", a.status, a.body)
	}
	if a := w.send(t, chiara, "GET", "/api/v1/sessions", ""); a.status != 200 {
		t.Errorf("another token: %d", a.status)
	}
	w.clock.Move(time.Second)
	if a := w.send(t, ben, "GET", "/api/v1/sessions", ""); a.status != 200 {
		t.Errorf("a second later: %d", a.status)
	}
	w.clock.Move(2 * time.Minute)
	for range 60 {
		if a := w.send(t, ben, "GET", "/api/v1/sessions", ""); a.status != 200 {
			t.Fatalf("after a pause: %d %s", a.status, a.body)
		}
	}
}
