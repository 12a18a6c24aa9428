package httpapi_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/authority"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/deliver/rclone"
	"github.com/lanyardhq/lanyard/internal/deliver/s3cmd"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/httpapi"
	"github.com/lanyardhq/lanyard/internal/httpapi/call"
	"github.com/lanyardhq/lanyard/internal/identity"
	grants "github.com/lanyardhq/lanyard/internal/kind/grant"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/kind/proxy/gridtest"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/standin"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/internal/subgrant"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/material"
)

const password = "correct horse battery"

// start is when the tests' clock begins.
var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// world is a server on a database of its own: anna manages project 462000008, where ben is a user;
// chiara is a user of 465000123 alone.
type world struct {
	*httpapi.API
	store  *store.Store
	server *httptest.Server
	grid   *gridtest.Grid
	socket string
	tokens map[string]material.Secret

	clock *standin.Clock
	log   standin.Log
}

// gateways confirm at once.
type gateways struct{}

func (gateways) Await(context.Context, int64) error { return nil }

// minter makes tokens of our own issuer for an hour.
type minter struct{ *world }

func (m minter) Mint(_ context.Context, c credential.Credential, w grant.Wish) (grant.Tokens, error) {
	return grant.Tokens{Access: material.Secret("token-" + rand.Text()), AccessExpiresAt: m.clock.Now().Add(time.Hour), Scopes: w.Scopes, Audiences: w.Audiences,
		Subject: c.OwnerID}, nil
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{clock: standin.NewClock(start), tokens: map[string]material.Secret{}}
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "data", "lanyard.db"), Keys: seal.NewKeys(), Now: w.clock.Now})
	check(t, err)
	t.Cleanup(func() { s.Close() })
	w.store = s
	log := slog.New(slog.NewJSONHandler(&w.log, nil))
	w.grid = gridtest.New(t, w.clock.Now)
	proxies := &proxy.Kind{Trust: w.grid.Trust, Anchors: w.grid.Anchors(), Keys: w.grid, CA: w.grid, Attributes: w.grid.Attributes, Now: w.clock.Now}
	provider := grant.Provider{ID: "lanyard", Type: grant.Lanyard, Title: "Ourselves", Issuer: "http://localhost", Scopes: []string{"storage.read:/climate"}}
	b := &broker.Broker{Kinds: map[string]credential.Kind{"s3key": s3key.Kind{}, "proxy": proxies,
		"grant": &grants.Kind{Providers: map[string]grant.Provider{"lanyard": provider}}}, Store: s, Gateways: gateways{}, Now: w.clock.Now, Log: log,
		Rules: map[string]credential.Lifetime{"s3key": {Default: 48 * time.Hour, Max: 168 * time.Hour}, "proxy": {Default: 48 * time.Hour, Max: 720 * time.Hour}, "grant": {Default: 720 * time.Hour, Max: 720 * time.Hour}}}
	hash, err := login.HashPassword(password)
	check(t, err)
	l, err := login.New(login.Config{URL: "http://localhost", Store: s, Now: w.clock.Now, Log: log, Local: login.Local{Users: []login.LocalUser{
		{Name: "anna", FullName: "Anna Virtanen", Email: "anna@example.org", Password: hash},
		{Name: "ben", FullName: "Ben Okafor", Password: hash}, {Name: "chiara", FullName: "Chiara Rossi", Password: hash}}}})
	check(t, err)
	_, err = b.ApplyProjects(t.Context(), "config", []broker.ProjectConfig{
		{Project: project.Project{Name: "462000008", Title: "Climate downscaling", QuotaBytes: 150e9}, Members: []broker.ConfigMember{
			{Issuer: "local", Subject: "anna", Role: identity.Manager}, {Issuer: "local", Subject: "ben", Role: identity.User}}},
		{Project: project.Project{Name: "465000123", Title: "Sea ice"}, Members: []broker.ConfigMember{{Issuer: "local", Subject: "chiara", Role: identity.User}}},
	})
	check(t, err)
	keeper := &custody.Custody{Store: s, Providers: map[string]custody.Provider{"lanyard": {Provider: provider}}, Mint: minter{w}, Portal: "http://localhost", Now: w.clock.Now, Log: log,
		Issue: func(ctx context.Context, by identity.Actor, o credential.Order, once audit.Once) (credential.Credential, error) {
			got, err := b.Issue(ctx, by, o, once)
			return got.Credential, err
		}}
	w.API = &httpapi.API{Broker: b, Login: l, Custody: keeper, Subgrants: &subgrant.Service{Flows: s, Store: s, Now: w.clock.Now}, Targets: []deliver.Target{rclone.Target{}, s3cmd.Target{}}, Endpoint: "https://s3.example.org",
		Region: "lanyard", Now: w.clock.Now, Log: log, Grid: grid(s, w, log)}
	w.serve(t)
	return w
}

// grid is a VO of the project 462000008, without an online CA.
func grid(s *store.Store, w *world, log *slog.Logger) httpapi.Grid {
	return httpapi.Grid{Authority: authority.New(authority.Config{Store: s, Now: w.clock.Now, Log: log, VOs: []vo.VO{{Name: "climate", Title: "Climate research",
		Host: "voms.example.org", Port: 15000, Project: "462000008", MaxLife: 24 * time.Hour,
		Groups: []vo.Group{{Name: "/climate", Roles: []string{"production"}}, {Name: "/climate/ocean"}},
		Rules:  []vo.Rule{{FQAN: "/climate", Project: "462000008"}, {FQAN: "/climate/Role=production", Project: "462000008", Role: identity.Manager}}}}})}
}

// serve puts the API on a loopback port and the operator's on a socket.
func (w *world) serve(t *testing.T) {
	t.Helper()
	w.server = httptest.NewServer(w.Handler())
	t.Cleanup(w.server.Close)
	// A directory that other users may enter, so that the kernel's word alone decides.
	dir, err := os.MkdirTemp("", "lanyard")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	check(t, os.Chmod(dir, 0o755))
	w.socket = filepath.Join(dir, "admin.sock")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", w.socket)
	check(t, err)
	check(t, os.Chmod(w.socket, 0o777))
	admin := &httptest.Server{Listener: listener, Config: &http.Server{Handler: w.OperatorHandler(os.Geteuid()), ConnContext: call.PeerContext}}
	admin.Start()
	t.Cleanup(admin.Close)
}

// token signs a person in, as the command line does.
func (w *world) token(t *testing.T, name string) material.Secret {
	t.Helper()
	if token, ok := w.tokens[name]; ok {
		return token
	}
	r := login.Request{ID: "req_test", Address: "192.0.2.1", Client: "test"}
	in, err := w.Login.Password(t.Context(), name, password, "/", r)
	check(t, err)
	by, err := w.Login.BrowserActor(t.Context(), in.Cookie, r)
	check(t, err)
	verifier := rand.Text() + rand.Text()
	code, err := w.Login.GrantCode(t.Context(), by, login.CodeRequest{ClientID: "cli", RedirectURI: "http://127.0.0.1/", Host: "laptop",
		Challenge: oauth2.S256ChallengeFromVerifier(verifier), Scopes: identity.Scopes()})
	check(t, err)
	grant, err := w.Login.RedeemCode(t.Context(), login.Redemption{ClientID: "cli", Proof: code, RedirectURI: "http://127.0.0.1/", Verifier: verifier}, r)
	check(t, err)
	w.tokens[name] = grant.Access
	return grant.Access
}

// as is a client of the person.
func (w *world) as(t *testing.T, name string) *client.Client {
	t.Helper()
	return w.with(t, w.token(t, name))
}

func (w *world) with(t *testing.T, token material.Secret) *client.Client {
	t.Helper()
	c, err := client.New(w.server.URL, client.Options{Token: client.StaticToken(token), UserAgent: "test/1"})
	check(t, err)
	return c
}

func (w *world) operator(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New("", client.Options{Socket: w.socket})
	check(t, err)
	return c
}

// key orders a key for the person in their project.
func (w *world) key(t *testing.T, person, project string) api.Credential {
	t.Helper()
	k, err := w.as(t, person).CreateCredential(t.Context(), api.CredentialOrder{Kind: "s3key", Project: project, Name: "key of " + person})
	check(t, err)
	return k
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) problem(t *testing.T) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("not a problem document: %s", a.body)
	}
	return p
}

// send sends one request as it is given. Headers are "Name: value".
func (w *world) send(t *testing.T, token material.Secret, method, path, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.server.URL+path, strings.NewReader(body))
	check(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	got, err := w.server.Client().Do(r)
	check(t, err)
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	check(t, err)
	return answer{got.StatusCode, got.Header, string(text)}
}
