// Package portal is the HTML edge: pages that work without JavaScript, for people who create and
// end keys, look at their projects, approve devices and sign out what they have lost. A form posts,
// the answer redirects, the next page shows. It translates pages into calls of broker and login and
// holds no rule. It imports rows 0 to 3.
package portal

import (
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
	"github.com/lanyardhq/lanyard/material"
)

//go:embed templates/*.html static/*
var files embed.FS

// A Section is further pages, which stand in the portal's frame.
type Section interface {
	// Templates are the pages' templates, in one folder, with parts.html that all of them share.
	Templates() fs.FS
	// Mount adds the pages.
	Mount(*http.ServeMux, *frame.Site)
}

// Portal serves the pages. All exported fields but Help and Tokens are required.
type Portal struct {
	Broker *broker.Broker
	Login  *login.Login
	// Targets are the clients whose configuration the reveal page offers.
	Targets []deliver.Target
	// Title is what the installation calls itself; Help the address where people find help, empty
	// if there is none.
	Title, Help string
	// URL is the portal's own public address; Endpoint and Region are those of the S3 service.
	URL, Endpoint, Region string
	// Ways are those by which proxies can come here.
	Ways Ways
	// Tokens are the pages about tokens and approvals: *tokens.Pages. Nil if there are none.
	Tokens Section
	Now    func() time.Time
	Log    *slog.Logger

	site *frame.Site // since Handler
}

// Handler is the whole table of pages: read it first. Call it once.
func (p *Portal) Handler() http.Handler {
	static, err := fs.Sub(files, "static")
	pages, parseErr := parse(p.Tokens)
	if err := errors.Join(err, parseErr); err != nil {
		panic(err) // both are compiled in
	}
	p.site = &frame.Site{Title: p.Title, Help: p.Help, Secure: p.secure(), Cookie: login.CookieName(p.secure()), Actor: p.actor,
		Idle: login.BrowserIdle, Notices: p.Broker.Notices, Tokens: p.Tokens != nil, Templates: pages, Now: p.Now, Log: p.Log}
	mux := http.NewServeMux()
	mux.Handle("GET /static/{file}", cached(http.StripPrefix("/static/", http.FileServerFS(static))))
	mux.Handle("GET /{$}", p.site.Open(func(v *frame.View) error { return v.Redirect("/projects") }))
	mux.Handle("GET /login", p.site.Open(p.chooser))
	mux.Handle("GET /login/start/{provider}", p.site.Open(p.start))
	mux.Handle("GET /login/callback/{provider}", p.site.Open(p.callback))
	mux.Handle("GET /login/local", p.site.Open(p.localForm))
	mux.Handle("POST /login/local", p.site.Open(p.localSignIn))
	mux.Handle("POST /logout", p.site.Page(p.signOut))
	mux.Handle("GET /projects", p.site.Page(p.projects))
	mux.Handle("GET /projects/{project}", p.site.Page(p.project))
	mux.Handle("GET /projects/{project}/keys/new", p.site.Page(p.newKey))
	mux.Handle("POST /projects/{project}/keys/new", p.site.Page(p.createKey))
	mux.Handle("GET /keys/{credential}", p.site.Page(p.key))
	mux.Handle("GET /keys/{credential}/secret", p.site.Page(p.reveal))
	mux.Handle("POST /keys/{credential}/secret", p.site.Page(p.again))
	mux.Handle("POST /keys/{credential}/stored", p.site.Page(p.stored))
	mux.Handle("GET /keys/{credential}/secret/{client}", p.site.Page(p.download))
	mux.Handle("POST /keys/{credential}/extend", p.site.Page(p.extend))
	mux.Handle("POST /keys/{credential}/freeze", p.site.Page(p.freeze))
	mux.Handle("POST /keys/{credential}/thaw", p.site.Page(p.thaw))
	mux.Handle("GET /keys/{credential}/delete", p.site.Page(p.deleteForm))
	mux.Handle("POST /keys/{credential}/delete", p.site.Page(p.delete))
	mux.Handle("GET /proxies", p.site.Page(p.proxies))
	mux.Handle("GET /proxies/new", p.site.Page(p.newProxy))
	mux.Handle("POST /proxies/new", p.site.Page(p.createProxy))
	mux.Handle("GET /proxies/{credential}", p.site.Page(p.proxy))
	mux.Handle("GET /proxies/{credential}/request.pem", p.site.Page(p.requestFile))
	mux.Handle("GET /proxies/{credential}/certificates.pem", p.site.Page(p.certificatesFile))
	mux.Handle("POST /proxies/{credential}/chain", p.site.Page(p.answerRequest))
	mux.Handle("POST /proxies/{credential}/extend", p.site.Page(p.extend))
	mux.Handle("POST /proxies/{credential}/freeze", p.site.Page(p.freeze))
	mux.Handle("POST /proxies/{credential}/thaw", p.site.Page(p.thaw))
	mux.Handle("GET /proxies/{credential}/delete", p.site.Page(p.deleteForm))
	mux.Handle("POST /proxies/{credential}/delete", p.site.Page(p.delete))
	mux.Handle("GET /device", p.site.Page(p.deviceForm))
	mux.Handle("POST /device", p.site.Page(p.decideDevice))
	mux.Handle("GET /account", p.site.Page(p.account))
	mux.Handle("POST /account/sessions/{session}/end", p.site.Page(p.endSession))
	mux.Handle("POST /notices/{notice}/dismiss", p.site.Page(p.dismiss))
	mux.Handle("/", p.site.Open(func(*frame.View) error { return fault.New(fault.NotFound, "there is no such page") }))

	if p.Tokens != nil {
		p.Tokens.Mount(mux, p.site)
	}
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(p.site.Open(func(*frame.View) error { return frame.ForeignForm() }))
	return p.site.Headers(origin.Handler(mux))
}

// cached lets browsers keep static files for good: pages name them with a hash of their content.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		next.ServeHTTP(w, r)
	})
}

func (p *Portal) secure() bool { return strings.HasPrefix(p.URL, "https:") }

// actor finds whose session the cookie is.
func (p *Portal) actor(v *frame.View, cookie material.Secret) (identity.Actor, error) {
	return p.Login.BrowserActor(v.Context(), cookie, request(v))
}

func request(v *frame.View) login.Request {
	return login.Request{ID: v.By.RequestID, Address: v.By.Address, Client: v.By.Client}
}
