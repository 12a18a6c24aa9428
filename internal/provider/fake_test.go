package provider_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/provider"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
	"github.com/lanyardhq/lanyard/internal/standin"
)

// reply is what a fake endpoint answers.
type reply struct {
	status int
	body   string
	header map[string]string
}

// fake is a provider that says what a test wants. It remembers what came to each path.
type fake struct {
	*httptest.Server
	mu      sync.Mutex
	clock   *standin.Clock
	replies map[string]reply // by path
	seen    map[string][]*http.Request
}

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{replies: map[string]reply{}, seen: map[string][]*http.Request{}, clock: standin.NewClock(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	f.discovery(nil)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen[r.URL.Path] = append(f.seen[r.URL.Path], r)
	a, ok := f.replies[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body))
}

// says lets path answer with a status and a body.
func (f *fake) says(path string, status int, body string) {
	f.replies[path] = reply{status: status, body: body}
}

// discovery lets the fake say of itself what is usual and, changed, what a test wants; nil leaves a
// member out.
func (f *fake) discovery(change map[string]any) {
	doc := map[string]any{"issuer": f.URL, "authorization_endpoint": f.URL + "/authorize", "token_endpoint": f.URL + "/token",
		"revocation_endpoint": f.URL + "/revoke", "jwks_uri": f.URL + "/jwks"}
	for name, value := range change {
		if doc[name] = value; value == nil {
			delete(doc, name)
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	f.says("/.well-known/openid-configuration", 200, string(text))
}

// config is the fake as somebody configured it.
func (f *fake) config() grant.Provider {
	return grant.Provider{ID: "fake", Title: "Fake", Issuer: f.URL, ClientID: "us", ClientSecret: "secret-of-us", Scopes: []string{"openid"}}
}

func (f *fake) client(t testing.TB, p grant.Provider) *provider.Client {
	t.Helper()
	c, err := provider.New(p, providertest.Redirect, &http.Transport{}, f.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// count is how many requests came to path.
func (f *fake) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen[path])
}

// last is the last request to path.
func (f *fake) last(t testing.TB, path string) *http.Request {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.seen[path]) == 0 {
		t.Fatalf("nobody asked for %s", path)
	}
	return f.seen[path][len(f.seen[path])-1]
}

func query(t testing.TB, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}
