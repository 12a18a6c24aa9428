package issuer_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/issuer"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/minting"
	"github.com/lanyardhq/lanyard/internal/signing"
	"github.com/lanyardhq/lanyard/internal/standin"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/material"
)

const (
	self     = "https://lanyard.example"
	loopback = "http://127.0.0.1:4242/callback"
	hubURI   = "https://hub.example/oauth_callback"
	hubKey   = "s3cretOfTheHub"
	ftsKey   = "s3cretOfFTS"
	store1   = "https://se1.example:8443"
	store2   = "https://se2.example:8443"
)

// policy lets members of climate read and write there, and who is in the group prod compute.
var policy = minting.Policy{
	Audiences: []minting.Audience{{Name: store1}, {Name: store2, Algorithm: "RS256", MaxLife: 30 * time.Minute}, {Name: "https://fts.example", MayAct: "fts"},
		{Name: "https://sci.example", Profile: "scitokens"}, {Name: "https://api.example", Profile: "rfc9068"}},
	AnyAudience: true, VOs: []string{"climate"},
	Rules: []minting.Rule{{Project: "climate", Scopes: []string{"storage.read:/climate", "storage.modify:/climate/scratch"}},
		{Project: "climate", Role: identity.Manager, Scopes: []string{"storage.modify:/climate"}},
		{VO: "climate", Group: "/climate/prod", Scopes: []string{"compute.create"}, Groups: []string{"/climate/production"}}},
	Exchanges: []minting.Exchange{{Client: "hub", Subjects: []string{"lanyard-cli"}, Providers: []string{"helmholtz"}, Scopes: []string{"openid", "storage.read:/climate/public"}}},
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// world is an issuer on a real database, reached without a network, and a browser.
type world struct {
	t       testing.TB
	clock   *standin.Clock
	store   *store.Store
	login   *login.Login
	issuer  *issuer.Issuer
	keys    *signing.Keys
	minter  *minting.Minter
	grants  *grants
	groups  map[string][]string // of Anna, by VO
	mux     *http.ServeMux
	browser *http.Client
	by      identity.Actor // whom signIn signed in
}

// RoundTrip serves a request in place.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:40000"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w.mux.ServeHTTP(rec, in)
	return rec.Result(), nil
}

func newWorld(t testing.TB) *world { return newWorldAt(t, standin.NewClock(noon)) }

func newWorldAt(t testing.TB, c interface{ Now() time.Time }) *world {
	t.Helper()
	return newWorldOf(t, c, self)
}

// newWorldOf is a world whose issuer has the address.
func newWorldOf(t testing.TB, c interface{ Now() time.Time }, self string) *world {
	t.Helper()
	w := &world{t: t, mux: http.NewServeMux(), grants: &grants{}, groups: map[string][]string{}}
	w.clock, _ = c.(*standin.Clock)
	var err error
	w.store, err = store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "lanyard.db"), Keys: seal.NewKeys(), Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	w.login, err = login.New(login.Config{URL: self, Store: w.store, Now: c.Now, Log: log,
		// The password is "correct horse", at the lowest cost.
		Local: login.Local{Users: []login.LocalUser{{Name: "anna", FullName: "Anna Virtanen", Email: "anna@example.org",
			Password: "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$8jCjveL9purNVvxZWhjl0nULgTWD4Roxh/u/NFFSew0"}}}})
	if err != nil {
		t.Fatal(err)
	}
	w.keys = signing.New(signing.Config{Algorithms: []string{signing.ES256, signing.RS256}, Store: w.store, Now: c.Now, Log: log})
	if err := w.keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.minter, err = minting.New(minting.Config{Issuer: self, Policy: policy, Keys: w.keys, Store: w.store, Now: c.Now,
		Groups: func(_ context.Context, vo, _ string) ([]string, error) { return w.groups[vo], nil }})
	if err != nil {
		t.Fatal(err)
	}
	w.issuer, err = issuer.New(issuer.Config{URL: self, Login: w.login, Keys: w.keys, Minter: w.minter, Grants: w.grants, Record: w.store.Record,
		Now: c.Now, Log: log,
		Clients: []issuer.Client{{ID: "hub", Secret: hubKey, RedirectURIs: []string{hubURI}},
			{ID: "fts", Secret: ftsKey, RedirectURIs: []string{"https://fts.example/cb"}},
			{ID: "platform", Keys: platformKeys(), RedirectURIs: []string{"https://platform.example/cb"}},
			{ID: "patient", RefreshGrace: new(24 * time.Hour), RedirectURIs: []string{"http://127.0.0.1/callback"}},
			{ID: "strict", RefreshGrace: new(time.Duration(0)), RedirectURIs: []string{"http://127.0.0.1/callback"}},
			{ID: "app", RedirectURIs: []string{"http://127.0.0.1/cb?x=1", "https://app.example/cb"}}}})
	if err != nil {
		t.Fatal(err)
	}
	w.issuer.Mount(w.mux)
	w.browser = w.newBrowser()
	return w
}

func (w *world) newBrowser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &http.Client{Transport: w, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// signIn signs Anna in in the browser.
func (w *world) signIn() {
	w.t.Helper()
	in, err := w.login.Password(w.t.Context(), "anna", "correct horse", "/", login.Request{Address: "192.0.2.1"})
	if err != nil {
		w.t.Fatal(err)
	}
	home, err := url.Parse(self)
	if err != nil {
		w.t.Fatal(err)
	}
	w.browser.Jar.SetCookies(home, []*http.Cookie{{Name: login.CookieName(true), Value: in.Cookie.Reveal(), Path: "/", Secure: true}})
	if w.by, err = w.login.BrowserActor(w.t.Context(), in.Cookie, login.Request{Address: "192.0.2.1"}); err != nil {
		w.t.Fatal(err)
	}
}

// ctx lets independent clients reach the issuer.
func (w *world) ctx() context.Context {
	return oidc.ClientContext(w.t.Context(), &http.Client{Transport: w})
}

// client is golang.org/x/oauth2 as a client of ours, with what discovery told go-oidc.
func (w *world) client(id, secret, redirect string, scopes ...string) (*oidc.Provider, *oauth2.Config) {
	w.t.Helper()
	p, err := oidc.NewProvider(w.ctx(), self)
	if err != nil {
		w.t.Fatal(err)
	}
	e := p.Endpoint()
	e.AuthStyle = oauth2.AuthStyleInParams
	if secret != "" {
		e.AuthStyle = oauth2.AuthStyleInHeader
	}
	return p, &oauth2.Config{ClientID: id, ClientSecret: secret, RedirectURL: redirect, Endpoint: e, Scopes: scopes}
}

// answer is what an endpoint said.
type answer struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

func (w *world) send(r *http.Request) answer {
	w.t.Helper()
	resp, err := w.browser.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	_ = json.Unmarshal(body, &a.json) // a page has none
	return a
}

func (w *world) get(path string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, self+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.send(r)
}

// post sends a form; change may alter the request.
func (w *world) post(path string, form url.Values, change func(*http.Request)) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, self+path, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(r)
	}
	return w.send(r)
}

func basic(id, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(id, secret) }
}

var verifier = strings.Repeat("v", 43)

// request is a good authorization request of the command line.
func request() url.Values {
	return url.Values{"response_type": {"code"}, "client_id": {"lanyard-cli"}, "redirect_uri": {loopback}, "state": {"the-state"},
		"scope": {"openid profile email offline_access"}, "nonce": {"the-nonce"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"}}
}

func with(v url.Values, pairs ...string) url.Values {
	for i := 0; i < len(pairs); i += 2 {
		if v.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v
}

// code gets an authorization code for the command line.
func (w *world) code(pairs ...string) string {
	w.t.Helper()
	a := w.get("/authorize?" + with(request(), pairs...).Encode())
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		w.t.Fatalf("no code: %d %s %s", a.status, a.header.Get("Location"), a.body)
	}
	return to.Query().Get("code")
}

func redeem(code string, pairs ...string) url.Values {
	return with(url.Values{"grant_type": {"authorization_code"}, "client_id": {"lanyard-cli"}, "code": {code},
		"redirect_uri": {loopback}, "code_verifier": {verifier}}, pairs...)
}

// tokens gets tokens for the command line.
func (w *world) tokens(pairs ...string) map[string]any {
	w.t.Helper()
	a := w.post("/token", redeem(w.code(pairs...)), nil)
	if a.status != http.StatusOK {
		w.t.Fatalf("no tokens: %d %s", a.status, a.body)
	}
	return a.json
}

// works reports whether our own API honours an access token.
func (w *world) works(token any) bool {
	w.t.Helper()
	text, _ := token.(string)
	_, err := w.login.Actor(w.t.Context(), material.Secret(text), login.Request{})
	return err == nil
}
