// Package portal is the HTML edge: pages that work without JavaScript, for people who create and
// end keys, look at their projects, approve devices and sign out what they have lost. A form posts,
// the answer redirects, the next page shows. It translates pages into calls of broker and login and
// holds no rule. It imports rows 0 to 3.
package portal

import (
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/login"
)

//go:embed templates/*.html static/*
var files embed.FS

// Portal serves the pages. All exported fields but Help are required.
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
	Now  func() time.Time
	Log  *slog.Logger

	templates map[string]*template.Template // by page, since Handler
}

// Handler is the whole table of pages: read it first. Call it once.
func (p *Portal) Handler() http.Handler {
	static, err := fs.Sub(files, "static")
	if err == nil {
		p.templates, err = parse()
	}
	if err != nil {
		panic(err) // both are compiled in
	}
	mux := http.NewServeMux()
	mux.Handle("GET /static/{file}", cached(http.StripPrefix("/static/", http.FileServerFS(static))))
	mux.Handle("GET /{$}", p.open(func(v *view) error { return v.redirect("/projects") }))
	mux.Handle("GET /login", p.open(p.chooser))
	mux.Handle("GET /login/start/{provider}", p.open(p.start))
	mux.Handle("GET /login/callback/{provider}", p.open(p.callback))
	mux.Handle("GET /login/local", p.open(p.localForm))
	mux.Handle("POST /login/local", p.open(p.localSignIn))
	mux.Handle("POST /logout", p.page(p.signOut))
	mux.Handle("GET /projects", p.page(p.projects))
	mux.Handle("GET /projects/{project}", p.page(p.project))
	mux.Handle("GET /projects/{project}/keys/new", p.page(p.newKey))
	mux.Handle("POST /projects/{project}/keys/new", p.page(p.createKey))
	mux.Handle("GET /keys/{credential}", p.page(p.key))
	mux.Handle("GET /keys/{credential}/secret", p.page(p.reveal))
	mux.Handle("POST /keys/{credential}/secret", p.page(p.again))
	mux.Handle("POST /keys/{credential}/stored", p.page(p.stored))
	mux.Handle("GET /keys/{credential}/secret/{client}", p.page(p.download))
	mux.Handle("POST /keys/{credential}/extend", p.page(p.extend))
	mux.Handle("POST /keys/{credential}/freeze", p.page(p.freeze))
	mux.Handle("POST /keys/{credential}/thaw", p.page(p.thaw))
	mux.Handle("GET /keys/{credential}/delete", p.page(p.deleteForm))
	mux.Handle("POST /keys/{credential}/delete", p.page(p.delete))
	mux.Handle("GET /proxies", p.page(p.proxies))
	mux.Handle("GET /proxies/new", p.page(p.newProxy))
	mux.Handle("POST /proxies/new", p.page(p.createProxy))
	mux.Handle("GET /proxies/{credential}", p.page(p.proxy))
	mux.Handle("GET /proxies/{credential}/request.pem", p.page(p.requestFile))
	mux.Handle("GET /proxies/{credential}/certificates.pem", p.page(p.certificatesFile))
	mux.Handle("POST /proxies/{credential}/chain", p.page(p.answerRequest))
	mux.Handle("POST /proxies/{credential}/extend", p.page(p.extend))
	mux.Handle("POST /proxies/{credential}/freeze", p.page(p.freeze))
	mux.Handle("POST /proxies/{credential}/thaw", p.page(p.thaw))
	mux.Handle("GET /proxies/{credential}/delete", p.page(p.deleteForm))
	mux.Handle("POST /proxies/{credential}/delete", p.page(p.delete))
	mux.Handle("GET /device", p.page(p.deviceForm))
	mux.Handle("POST /device", p.page(p.decideDevice))
	mux.Handle("GET /account", p.page(p.account))
	mux.Handle("POST /account/sessions/{session}/end", p.page(p.endSession))
	mux.Handle("/", p.open(func(*view) error { return fault.New(fault.NotFound, "there is no such page") }))

	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(p.open(func(*view) error { return foreignForm() }))
	return p.headers(origin.Handler(mux))
}

// headers are on every page. Identity providers are reached by links and redirects, never by a
// form, so form-action holds.
func (p *Portal) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // no-referrer would hide from us which origin a form came from
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if p.secure() {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// cached lets browsers keep static files for good: pages name them with a hash of their content.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		next.ServeHTTP(w, r)
	})
}

func (p *Portal) secure() bool { return strings.HasPrefix(p.URL, "https:") }
