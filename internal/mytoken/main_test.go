package mytoken_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	grants "github.com/lanyardhq/lanyard/internal/kind/grant"
	"github.com/lanyardhq/lanyard/internal/mytoken"
	"github.com/lanyardhq/lanyard/internal/provider"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
	"github.com/lanyardhq/lanyard/internal/signing"
	"github.com/lanyardhq/lanyard/internal/standin"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/internal/subgrant"
)

// op is the OpenID provider of all tests. It is not ours, it gives a new refresh token at each
// refresh, and the use of an old one ends the grant.
var op *providertest.Provider

func TestMain(m *testing.M) {
	var err error
	if op, err = providertest.Launch(providertest.Options{Rotate: true, JWT: true, Scopes: []string{"openid", "offline_access", "profile", "storage.read:/", "compute.read"}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := op.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// ada is the person who is asked. She sits at a browser.
var ada = identity.Actor{AccountID: "usr_ada", Name: "Ada", Kind: identity.Person, SessionID: "ses_ada", Address: "192.0.2.1"}

// A world is everything from the facade to the provider, on a database of its own. Its clock runs,
// and can be moved.
type world struct {
	*subgrant.Service
	t       testing.TB
	url     string // of the facade, without a slash at its end
	ahead   atomic.Int64
	handler http.Handler
	log     standin.Log
	broker  *broker.Broker
	custody *custody.Custody
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t}
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "lanyard.db"), Keys: seal.NewKeys(), Now: w.now})
	w.check(err)
	t.Cleanup(func() { _ = s.Close() })
	w.check(s.InsertAccount(t.Context(), identity.Account{ID: ada.AccountID, Kind: identity.Person, Issuer: "https://idp.example.org", Subject: "ada",
		Name: ada.Name, CreatedAt: w.now()}, audit.Change{Record: audit.By(identity.System(), w.now(), "test.setup", "test", "")}))

	config := op.Config("basic")
	config.Scopes, config.Audience = []string{"openid", "profile", "offline_access", "storage.read:/", "compute.read"}, "resource"
	config.Audiences = []string{"https://wlcg.cern.ch/jwt/v1/any"}
	client, err := provider.New(config, providertest.Redirect, &http.Transport{}, w.now)
	w.check(err)
	quiet := slog.New(slog.DiscardHandler)
	life := credential.Lifetime{Default: 24 * time.Hour, Max: 30 * 24 * time.Hour}
	w.broker = &broker.Broker{Kinds: map[string]credential.Kind{grant.Kind: &grants.Kind{Providers: map[string]grant.Provider{config.ID: config}}},
		Rules: map[string]credential.Lifetime{grant.Kind: life}, Store: s, Gateways: gates{}, Now: w.now, Log: quiet}
	w.custody = &custody.Custody{Store: s, Providers: map[string]custody.Provider{config.ID: {Provider: config, Client: client}},
		Portal: "https://lanyard.example.org", Now: w.now, Log: quiet,
		Issue: func(ctx context.Context, by identity.Actor, o credential.Order, once audit.Once) (credential.Credential, error) {
			got, err := w.broker.Issue(ctx, by, o, once)
			return got.Credential, err
		}}
	keys := signing.New(signing.Config{Algorithms: []string{signing.ES384}, Store: s, Now: w.now, Log: quiet})
	w.check(keys.Rotate(t.Context()))
	library, err := delegation.NewLibrary(map[string]delegation.Group{"kit": {Profiles: map[string]json.RawMessage{
		"c4p-htcondor": json.RawMessage(`{"capabilities":"AT tokeninfo:introspect","restrictions":[{"exp":"+7d","scope":"openid profile offline_access"}]}`)}}})
	w.check(err)

	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.url = server.URL + "/mytoken"
	w.Service = &subgrant.Service{Flows: s, Store: s, Grants: lent{w.custody, w.broker}, Keys: keys, Issuer: w.url, Providers: []grant.Provider{config},
		Library: library, Life: life, Now: w.now, Log: quiet}
	facade, err := mytoken.New(mytoken.Config{Service: w.Service, Consent: server.URL + "/approvals/mytoken", Version: "1.0", Log: slog.New(slog.NewTextHandler(&w.log, nil))})
	w.check(err)
	w.handler = facade.Handler()
	mux.Handle("/mytoken/", w.handler)
	return w
}

// run lets custody do what nobody waits for, such as telling the provider that a grant has ended.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.custody.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(func() { cancel(); running.Wait() })
}

// gates is every gateway: there is none.
type gates struct{}

func (gates) Await(context.Context, int64) error { return nil }

// lent lends custody's grants to sub-grants.
type lent struct {
	*custody.Custody
	broker *broker.Broker
}

func (l lent) TokenOf(ctx context.Context, id string, w grant.Wish) (grant.Tokens, error) {
	return l.Custody.TokenOf(ctx, id, custody.TokenWish{Wish: w})
}

func (l lent) EndGrant(ctx context.Context, by identity.Actor, id string) error {
	_, err := l.broker.End(ctx, by, id, audit.Once{})
	return err
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// consent is Ada's way from the page, where she agrees to all that is asked, to the provider and back.
// It returns the id of the grant.
func (w *world) consent(page string) string {
	w.t.Helper()
	redirect, err := w.Accept(w.t.Context(), ada, page[strings.LastIndexByte(page, '/')+1:], delegation.Wish{})
	w.check(err)
	c, err := w.custody.Callback(w.t.Context(), ada, "nop", op.Approve(w.t, redirect))
	w.check(err)
	return c.ID
}

// An answer is what the facade sent.
type answer struct {
	status int
	header http.Header
	text   string
	object map[string]any // of the text, where it is one
}

// refused is the error as clients print it.
func (a answer) refused() string {
	code, _ := a.object["error"].(string)
	if text, ok := a.object["error_description"].(string); ok {
		code += ": " + text
	}
	return fmt.Sprintf("%d %s", a.status, code)
}

func (a answer) String() string { return fmt.Sprintf("%d %.600s", a.status, a.text) }

// field is a text of the answer; empty if there is none.
func (a answer) field(name string) string {
	s, _ := a.object[name].(string)
	return s
}

// send sends one request. Headers are name, value, name, value, …
func (w *world) send(method, path, body string, headers ...string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	w.check(err)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := http.DefaultClient.Do(r)
	w.check(err)
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	w.check(err)
	a := answer{status: got.StatusCode, header: got.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.object) // some are lists, some are empty
	return a
}

// post sends JSON.
func (w *world) post(path, body string) answer {
	w.t.Helper()
	return w.send(http.MethodPost, path, body, "Content-Type", "application/json")
}

const (
	my        = "/api/v0/token/my"
	access    = "/api/v0/token/access"
	revoke    = "/api/v0/token/revoke"
	transfer  = "/api/v0/token/transfer"
	tokeninfo = "/api/v0/tokeninfo"
)

// object is a JSON object.
func object(fields map[string]any) string {
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err) // of a test's own
	}
	return string(text)
}

// start begins a flow for what ask, a JSON object, says.
func (w *world) start(ask string) answer {
	w.t.Helper()
	fields := map[string]any{}
	w.check(json.Unmarshal([]byte(ask), &fields))
	fields["grant_type"], fields["oidc_flow"], fields["oidc_issuer"], fields["client_type"] = "oidc_flow", "authorization_code", op.Issuer, "native"
	a := w.post(my, object(fields))
	if a.status != 200 {
		w.t.Fatalf("start of %s: %s", ask, a)
	}
	return a
}

func (w *world) poll(code string) answer {
	w.t.Helper()
	return w.post(my, object(map[string]any{"grant_type": "polling_code", "polling_code": code}))
}

// root gets a mytoken by a flow.
func (w *world) root(ask string) answer {
	w.t.Helper()
	started := w.start(ask)
	w.consent(started.field("consent_uri"))
	a := w.poll(started.field("polling_code"))
	if a.status != 200 {
		w.t.Fatalf("poll for %s: %s", ask, a)
	}
	return a
}

// derive gets a mytoken by another.
func (w *world) derive(parent, ask string) answer {
	w.t.Helper()
	fields := map[string]any{}
	w.check(json.Unmarshal([]byte(ask), &fields))
	fields["grant_type"], fields["mytoken"] = "mytoken", parent
	return w.post(my, object(fields))
}

// at gets an access token by a mytoken.
func (w *world) at(token string) answer {
	w.t.Helper()
	return w.post(access, object(map[string]any{"grant_type": "mytoken", "mytoken": token}))
}

// info asks about a mytoken.
func (w *world) info(action, token string) answer {
	w.t.Helper()
	return w.post(tokeninfo, object(map[string]any{"action": action, "mytoken": token}))
}

const (
	everything = `["AT","tokeninfo","create_mytoken","manage_mytokens","settings"]`
	restricted = "403 usage_restricted: The restrictions of this token does not allow this usage"
)
