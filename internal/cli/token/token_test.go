package token_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/token"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// A person sits at the command line.
type person struct {
	t         *testing.T
	env       map[string]string
	in        string
	terminal  bool
	opened    []string // by the browser
	browser   bool
	out, errs bytes.Buffer
}

func newPerson(t *testing.T) *person {
	home := t.TempDir()
	return &person{t: t, env: map[string]string{"LANG": "en_US.UTF-8", "HOME": home, "XDG_RUNTIME_DIR": home}}
}

// run runs a command line and returns its exit code. What it printed is in out and errs.
func (p *person) run(args ...string) int { return p.runIn(p.t.Context(), args...) }

func (p *person) runIn(ctx context.Context, args ...string) int {
	p.out.Reset()
	p.errs.Reset()
	c := &console.Console{Streams: console.Streams{In: strings.NewReader(p.in), Out: &p.out, Err: &p.errs, InTerminal: p.terminal, OutTerminal: p.terminal},
		Getenv: func(k string) string { return p.env[k] }, Now: func() time.Time { return now }, Zone: time.UTC, Version: "1.2.3", Host: "vm"}
	if p.browser {
		c.OpenBrowser = func(address string) error { p.opened = append(p.opened, address); return nil }
	}
	config := cli.Config{Console: c}
	config.More = append(config.More, token.Command(token.Config{Console: c, UID: 1000}))
	return cli.Run(ctx, config, append([]string{"token"}, args...))
}

func (p *person) must(args ...string) string {
	p.t.Helper()
	if code := p.run(args...); code != 0 {
		p.t.Fatalf("token %s: exit code %d\n%s%s", strings.Join(args, " "), code, &p.out, &p.errs)
	}
	return p.out.String()
}

// fails runs a command that must end with the exit code, say the texts and print nothing else.
func (p *person) fails(code console.Exit, args []string, texts ...string) {
	p.t.Helper()
	if got := p.run(args...); got != int(code) || p.out.Len() > 0 {
		p.t.Errorf("token %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, &p.out)
	}
	p.sees(&p.errs, texts...)
}

func (p *person) sees(where *bytes.Buffer, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if !strings.Contains(where.String(), text) {
			p.t.Errorf("%q is not in:\n%s", text, where)
		}
	}
}

// A call is what a server was asked.
type call struct {
	Line  string // METHOD PATH
	Query string
	Body  map[string]any
}

// A world is a server that answers by "METHOD PATH" and notes what it is asked.
type world struct {
	mu      sync.Mutex
	calls   []call
	answers map[string]func(call) (int, any)
}

// serve signs the person in at a server with these answers.
func (p *person) serve(answers map[string]func(call) (int, any)) *world {
	w := &world{answers: answers}
	s := httptest.NewServer(w)
	p.t.Cleanup(s.Close)
	p.env["LANYARD_SERVER"], p.env["LANYARD_TOKEN"], p.env["LANYARD_PROJECT"] = s.URL, "lyt_test", "p1"
	return w
}

func (w *world) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := call{Line: r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api/v1"), Query: r.URL.RawQuery}
	_ = json.NewDecoder(r.Body).Decode(&k.Body) // some have none
	w.calls = append(w.calls, k)
	status, body := 404, any(api.Problem{Code: api.NotFound, Detail: "not here", RequestID: "r1"})
	if answer, ok := w.answers[k.Line]; ok {
		status, body = answer(k)
	}
	out.Header().Set("Content-Type", "application/json")
	if status >= 400 {
		out.Header().Set("Content-Type", "application/problem+json")
	}
	out.WriteHeader(status)
	_ = json.NewEncoder(out).Encode(body)
}

// asked returns what was asked since the last time.
func (w *world) asked() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	return calls
}

func ok(body any) func(call) (int, any) { return func(call) (int, any) { return 200, body } }

func list(ks ...api.Credential) func(call) (int, any) {
	return ok(api.List[api.Credential]{Schema: api.SchemaGrants, Items: ks})
}

// helmholtz is a grant that stands as said.
func helmholtz(standing string) api.Credential {
	k := api.Credential{Schema: api.SchemaGrant, ID: "crd_H", Kind: "grant", Name: "helmholtz", Owner: "Anna Virtanen", State: "active",
		CreatedAt: now.Add(-time.Hour), ExpiresAt: now.Add(7*24*time.Hour - 2*time.Second), ExtendUntil: now.Add(7 * 24 * time.Hour),
		Grant: &api.Grant{Provider: "helmholtz", Scopes: []string{"read", "write"}, For: "HTCondor at punch-login", Standing: standing, Health: "fine",
			StandingText: "Valid, with a remaining life of 6 days 23 hours 59 minutes 58 seconds.",
			Renewals:     41, RenewedAt: now.Add(-12 * time.Minute), NextRenewalAt: now.Add(18 * time.Minute), AccessExpiresAt: now.Add(41 * time.Minute)}}
	switch standing {
	case "absent":
		k.State, k.Grant.RenewedAt, k.Grant.StandingText = "intended", time.Time{}, "There is no approval yet."
		k.Grant.Approval = &api.Approval{CredentialID: "crd_H", URL: "https://portal.test/approvals/crd_H", ExpiresAt: now.Add(10 * time.Minute), Interval: 1}
	case "revoked":
		k.Grant.Health, k.Grant.Detail, k.Grant.StandingText = "needs_sign_in", "invalid_grant", "Revoked: it gives no more tokens until you approve again."
	case "expired":
		k.State, k.ExpiresAt, k.Grant.StandingText = "ended", now.Add(-time.Hour), "Expired since 1 hour: it gives no more tokens until you approve again."
	case "paused":
		k.State, k.Grant.StandingText, k.Grant.NextStep = "frozen", "Paused.", "lanyard token thaw helmholtz"
		return k
	case "ends_soon":
		k.ExpiresAt, k.ExtendUntil = now.Add(time.Hour), now.Add(7*24*time.Hour)
	}
	if standing != "valid" {
		k.Grant.NextStep = "lanyard token approve helmholtz"
	}
	return k
}

func access(text string, life time.Duration) func(call) (int, any) {
	return ok(map[string]any{"schema": api.SchemaToken, "credential_id": "crd_H", "provider": "helmholtz", "issuer": "https://login.test/", "access_token": text,
		"token_type": "Bearer", "expires_at": now.Add(life), "expires_in": int64(life.Seconds()), "scopes": []string{"read", "write"}})
}

// file reads a file of which nobody else may read anything.
func file(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("%s has mode %s", path, info.Mode())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// complete returns what the shell is offered behind a command.
func (p *person) complete(command string) string {
	p.out.Reset()
	c := &console.Console{Streams: console.Streams{In: strings.NewReader(""), Out: &p.out, Err: &p.errs}, Getenv: func(k string) string { return p.env[k] },
		Now: func() time.Time { return now }, Zone: time.UTC, Version: "1.2.3", Host: "vm"}
	config := cli.Config{Console: c}
	config.More = append(config.More, token.Command(token.Config{Console: c, UID: 1000}))
	if code := cli.Run(p.t.Context(), config, []string{"__complete", "token", command, ""}); code != 0 {
		p.t.Errorf("exit code %d\n%s", code, &p.errs)
	}
	return p.out.String()
}
