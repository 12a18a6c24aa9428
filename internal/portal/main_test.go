package portal_test

import (
	"bytes"
	"context"
	"errors"
	"html"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/deliver/rclone"
	"github.com/lanyardhq/lanyard/internal/deliver/s3cmd"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/kind/proxy/gridtest"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/portal"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/standin"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/material"
)

// start is when the tests' clocks begin.
var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	password = "correct horse"
	// cheap is the argon2id hash of password at the lowest cost.
	cheap = "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$8jCjveL9purNVvxZWhjl0nULgTWD4Roxh/u/NFFSew0"
)

// world is a portal on a database of its own. Anna manages climate and ocean, ben is a user of
// climate, chiara of ocean; dora belongs to nothing.
type world struct {
	*portal.Portal
	t       testing.TB
	handler http.Handler
	store   *store.Store
	grid    *gridtest.Grid
	// gatewayDown keeps gateways from confirming.
	gatewayDown bool

	clock *standin.Clock
	log   standin.Log
	next  byte // last part of the next browser's address
}

// Await implements broker.Gateways.
func (w *world) Await(context.Context, int64) error {
	if w.gatewayDown {
		return fault.New(fault.Unavailable, "no answer")
	}
	return nil
}

// vary changes the portal before it begins to serve.
type vary func(*portal.Portal, *login.Config)

func newWorld(t testing.TB, changes ...vary) *world {
	t.Helper()
	w := &world{t: t, clock: standin.NewClock(start)}
	var err error
	w.store, err = store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "lanyard.db"), Keys: seal.NewKeys(), Now: w.clock.Now})
	w.check(err)
	t.Cleanup(func() { _ = w.store.Close() })
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	w.grid = gridtest.New(t, w.clock.Now)
	proxies := &proxy.Kind{Trust: w.grid.Trust, Anchors: w.grid.Anchors(), Keys: w.grid, CA: w.grid, Attributes: w.grid.Attributes, StoredSecrets: true, Now: w.clock.Now}
	b := &broker.Broker{Kinds: map[string]credential.Kind{s3key.Name: s3key.Kind{}, proxy.Name: proxies}, Store: w.store, Gateways: w, Now: w.clock.Now, Log: log,
		Rules: map[string]credential.Lifetime{s3key.Name: {Default: 24 * time.Hour, Max: 168 * time.Hour}, proxy.Name: {Default: 72 * time.Hour, Max: 168 * time.Hour}}}
	w.Portal = &portal.Portal{Broker: b, Title: "Test site", URL: "http://localhost", Endpoint: "https://s3.example.org", Region: "lanyard",
		Targets: []deliver.Target{rclone.Target{}, s3cmd.Target{}}, Ways: portal.Ways{Certificate: true}, Now: w.clock.Now, Log: log}
	c := login.Config{URL: "http://localhost", Store: w.store, Now: w.clock.Now, Log: log, Local: login.Local{Users: []login.LocalUser{
		{Name: "anna", FullName: "Anna Virtanen", Email: "anna@example.org", Password: cheap}, {Name: "ben", FullName: "Ben Okafor", Password: cheap},
		{Name: "chiara", FullName: "Chiara Rossi", Password: cheap}, {Name: "dora", FullName: "Dora Lind", Password: cheap}}}}
	for _, change := range changes {
		change(w.Portal, &c)
	}
	w.Login, err = login.New(c)
	w.check(err)
	member := func(name string, role identity.Role) broker.ConfigMember {
		return broker.ConfigMember{Issuer: "local", Subject: name, Role: role}
	}
	_, err = b.ApplyProjects(t.Context(), "config", []broker.ProjectConfig{
		{Project: project.Project{Name: "climate", Title: "Climate downscaling", Description: "At 1 km.", QuotaBytes: 150e9}, Members: []broker.ConfigMember{member("anna", identity.Manager), member("ben", identity.User)}},
		{Project: project.Project{Name: "ocean", Title: "Sea ice"}, Members: []broker.ConfigMember{member("anna", identity.Manager), member("chiara", identity.User)}},
	})
	w.check(err)
	w.handler = w.Handler()
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// key makes a key as somebody who is signed in.
func (w *world) key(b *browser, project, name string, life time.Duration) credential.Credential {
	w.t.Helper()
	got, err := w.Broker.Issue(w.t.Context(), b.actor(), credential.Order{Kind: s3key.Name, ProjectID: project, Name: name, Life: life}, audit.Once{})
	w.check(err)
	return got.Credential
}

func (w *world) stored(id string) credential.Credential {
	w.t.Helper()
	c, _, err := w.store.Credential(w.t.Context(), id)
	w.check(err)
	return c
}

// keys are the live keys of a project.
func (w *world) keys(project string) []credential.Credential {
	w.t.Helper()
	cs, err := w.Broker.ListCredentials(w.t.Context(), identity.System(), credential.Filter{ProjectID: project})
	w.check(err)
	return cs
}

// A browser keeps cookies, and the proof that the last page put into its forms.
type browser struct {
	*world
	address string
	cookies map[string]string
	proof   string
	header  http.Header // of the next request only
}

func (w *world) browser() *browser {
	w.next++
	return &browser{world: w, address: "192.0.2." + string('0'+w.next%10) + string('0'+w.next/10%10), cookies: map[string]string{}, header: http.Header{}}
}

// signIn is a browser in which somebody is signed in.
func (w *world) signIn(name string) *browser {
	w.t.Helper()
	b := w.browser()
	b.post("/login/local", url.Values{"user": {name}, "password": {password}, "next": {"/account"}}).redirects("/account")
	b.get("/account").is(http.StatusOK)
	return b
}

// people are signed in, by name; nobody is not.
func (w *world) people(names ...string) map[string]*browser {
	out := map[string]*browser{"nobody": w.browser()}
	for _, n := range names {
		out[n] = w.signIn(n)
	}
	return out
}

func (b *browser) actor() identity.Actor {
	b.t.Helper()
	by, err := b.Login.BrowserActor(b.t.Context(), material.Secret(b.cookies["lanyard"]), login.Request{ID: "req_test", Address: b.address, Client: "test"})
	b.check(err)
	return by
}

func (b *browser) get(path string) page { b.t.Helper(); return b.do(http.MethodGet, path, nil) }

// post sends a form as a page of ours would; a "proof" in form replaces the true one.
func (b *browser) post(path string, form url.Values) page {
	b.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	if !form.Has("proof") {
		form.Set("proof", b.proof)
	}
	return b.do(http.MethodPost, path, form)
}

// upload sends a form with files.
func (b *browser) upload(path string, form url.Values, files map[string]string) page {
	b.t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	form.Set("proof", b.proof)
	for k, v := range form {
		b.check(m.WriteField(k, v[0]))
	}
	for name, text := range files {
		f, err := m.CreateFormFile(name, name+".pem")
		b.check(err)
		_, err = f.Write([]byte(text))
		b.check(err)
	}
	b.check(m.Close())
	r := httptest.NewRequest(http.MethodPost, path, &body)
	r.Header.Set("Content-Type", m.FormDataContentType())
	return b.send(r)
}

func (b *browser) do(method, path string, form url.Values) page {
	b.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return b.send(r)
}

func (b *browser) send(r *http.Request) page {
	b.t.Helper()
	r.RemoteAddr = b.address + ":1234"
	r.Header.Set("User-Agent", "Tester/1")
	for k, v := range b.header {
		r.Header[k] = v
	}
	b.header = http.Header{}
	for k, v := range b.cookies {
		r.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	rec := httptest.NewRecorder()
	b.handler.ServeHTTP(rec, r)
	resp := rec.Result()
	for _, c := range resp.Cookies() {
		b.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	body, err := io.ReadAll(resp.Body)
	b.check(err)
	p := page{b, r.Method + " " + r.URL.RequestURI(), resp, string(body)}
	if m := regexp.MustCompile(`name="proof" value="(\w+)"`).FindStringSubmatch(p.body); m != nil {
		b.proof = m[1]
	}
	return p
}

// A page is what came back.
type page struct {
	*browser
	what string
	resp *http.Response
	body string
}

// is checks the status.
func (p page) is(status int) page {
	p.t.Helper()
	if p.resp.StatusCode != status {
		p.t.Errorf("%s: %s, want %d: %s", p.what, p.resp.Status, status, p.words())
	}
	return p
}

// says checks that people read the texts.
func (p page) says(texts ...string) page {
	p.t.Helper()
	for _, text := range texts {
		if !strings.Contains(p.words(), text) {
			p.t.Errorf("%s does not say %q:\n%s", p.what, text, p.words())
		}
	}
	return p
}

func (p page) hides(texts ...string) page {
	p.t.Helper()
	for _, text := range texts {
		if strings.Contains(p.words(), text) || strings.Contains(p.body, text) {
			p.t.Errorf("%s says %q:\n%s", p.what, text, p.words())
		}
	}
	return p
}

// redirects checks where the page sends on to; a "*" at the end stands for anything.
func (p page) redirects(to string) page {
	p.t.Helper()
	prefix, open := strings.CutSuffix(to, "*")
	got := p.resp.Header.Get("Location")
	if p.resp.StatusCode != http.StatusSeeOther || got != to && (!open || !strings.HasPrefix(got, prefix)) {
		p.t.Errorf("%s: %s to %q, want %q: %s", p.what, p.resp.Status, got, to, p.words())
	}
	return p
}

// follow opens the page that this one sends on to.
func (p page) follow() page {
	p.t.Helper()
	to := p.resp.Header.Get("Location")
	if to == "" {
		p.t.Fatalf("%s: %s, and leads nowhere: %s", p.what, p.resp.Status, p.words())
	}
	return p.get(to)
}

var (
	blocks = regexp.MustCompile(`</(dt|dd|td|th|li|p|h1|h2|button|label|legend|summary)>`)
	tags   = regexp.MustCompile(`<[^>]*>`)
	blanks = regexp.MustCompile(`[\s\x{a0}]+`)
)

// words are the text of the page.
func (p page) words() string {
	_, text, ok := strings.Cut(p.body, "<main")
	if !ok {
		text = p.body
	}
	text, _, _ = strings.Cut(text, "</main>")
	return blanks.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(blocks.ReplaceAllString("<"+text, " "), "")), " ")
}

// input is the value of a field of the page's form, and whether it is there.
func (p page) input(name string) (string, error) {
	m := regexp.MustCompile(`<input [^>]*name="` + regexp.QuoteMeta(name) + `"[^>]*>`).FindString(p.body)
	if m == "" {
		return "", errors.New("there is no field " + name)
	}
	v := regexp.MustCompile(` value="([^"]*)"`).FindStringSubmatch(m)
	if v == nil {
		return "", nil
	}
	return html.UnescapeString(v[1]), nil
}

// filled checks the value of a field.
func (p page) filled(name, want string) page {
	p.t.Helper()
	if got, err := p.input(name); err != nil || got != want {
		p.t.Errorf("%s: field %s is %q (%v), want %q", p.what, name, got, err, want)
	}
	return p
}

// chosen is the value of the radio buttons that are called name.
func (p page) chosen(name string) string {
	m := regexp.MustCompile(`type="radio" name="` + name + `" value="([^"]*)" checked`).FindStringSubmatch(p.body)
	if m == nil {
		return ""
	}
	return m[1]
}
