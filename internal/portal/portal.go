// Package portal is the HTML edge: pages that work without JavaScript, for people who create and
// end keys, look at their projects and approve devices. A form posts, the answer redirects, the
// next page shows. It translates pages into calls of broker and login and holds no rule. It
// imports rows 0 to 3.
package portal

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/material"
)

//go:embed templates/*.html static/*
var files embed.FS

// Portal serves the pages. All fields are required.
type Portal struct {
	Broker *broker.Broker
	Login  *login.Login
	// Targets are the clients whose configuration the reveal page offers.
	Targets []deliver.Target
	// Title is what the installation calls itself.
	Title string
	// URL is the portal's own public address; Endpoint and Region are those of the S3 service.
	URL, Endpoint, Region string
	Now                   func() time.Time
	Log                   *slog.Logger
}

// Handler is the whole table of pages: read it first.
func (p *Portal) Handler() http.Handler {
	mux := http.NewServeMux()
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	mux.Handle("GET /static/", cached(http.StripPrefix("/static/", http.FileServerFS(static))))
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
	mux.Handle("POST /projects/{project}/keys", p.page(p.createKey))
	mux.Handle("GET /keys/{key}", p.page(p.key))
	mux.Handle("GET /keys/{key}/secret", p.page(p.reveal))
	mux.Handle("POST /keys/{key}/secret", p.page(p.revealDone))
	mux.Handle("GET /keys/{key}/secret/{client}", p.page(p.download))
	mux.Handle("POST /keys/{key}/extend", p.page(p.extend))
	mux.Handle("POST /keys/{key}/freeze", p.page(p.freeze))
	mux.Handle("POST /keys/{key}/thaw", p.page(p.thaw))
	mux.Handle("GET /keys/{key}/delete", p.page(p.deleteForm))
	mux.Handle("POST /keys/{key}/delete", p.page(p.delete))
	mux.Handle("GET /device", p.page(p.deviceForm))
	mux.Handle("POST /device", p.page(p.decideDevice))
	mux.Handle("/", p.open(func(*view) error { return fault.New(fault.NotFound, "there is no such page") }))
	return http.NewCrossOriginProtection().Handler(headers(mux))
}

// headers are on every page. Identity providers are reached by links and redirects, never by a
// form, so form-action holds.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		next.ServeHTTP(w, r)
	})
}

// A view is one request for a page.
type view struct {
	*http.Request
	p  *Portal
	w  http.ResponseWriter
	by identity.Actor // zero on open pages for somebody who is not signed in
	at time.Time
}

// page serves f to people who are signed in; others are sent to sign in and come back.
func (p *Portal) page(f func(*view) error) http.Handler {
	return p.open(func(v *view) error {
		if v.by.AccountID == "" {
			return fault.New(fault.Unauthenticated, "you are not signed in")
		}
		return f(v)
	})
}

// open serves f to everybody. It is the one place where an error becomes a page.
func (p *Portal) open(f func(*view) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &view{Request: r, p: p, w: w, at: p.Now()}
		v.by = identity.Actor{RequestID: "req_" + rand.Text()[:16], Address: address(r), Client: client(r)}
		w.Header().Set("X-Request-Id", v.by.RequestID)
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		err := v.signedIn()
		if err == nil {
			err = f(v)
		}
		if err != nil {
			v.fail(err)
		}
		p.Log.DebugContext(r.Context(), "page", "method", r.Method, "route", r.Pattern, "request_id", v.by.RequestID, "ms", p.Now().Sub(v.at).Milliseconds())
	})
}

// signedIn finds out who asks. A cookie that proves nothing any more counts as none.
func (v *view) signedIn() error {
	c, err := v.Cookie(login.CookieName(v.p.secure()))
	if err != nil {
		return nil //nolint:nilerr // no cookie: nobody
	}
	by, err := v.p.Login.BrowserActor(v.Context(), material.Secret(c.Value), v.request())
	if fault.CodeOf(err) == fault.Unauthenticated {
		return nil
	}
	if err != nil {
		return err
	}
	v.by = by
	return nil
}

func (v *view) request() login.Request {
	return login.Request{ID: v.by.RequestID, Address: v.by.Address, Client: v.by.Client}
}

func (v *view) fail(err error) {
	f := fault.Public(err)
	status := api.Status(string(f.Code))
	if f.Code == fault.Internal || f.Code == fault.Unavailable {
		v.p.Log.ErrorContext(v.Context(), "page failed", "route", v.Pattern, "request_id", v.by.RequestID, "err", err)
	}
	if f.Code == fault.Unauthenticated && v.Method == http.MethodGet {
		if err := v.redirect("/login?next=" + url.QueryEscape(v.URL.RequestURI())); err == nil {
			return
		}
	}
	v.w.WriteHeader(status)
	if err := v.show("message", http.StatusText(status), message{Fault: f, RequestID: v.by.RequestID}); err != nil {
		v.p.Log.ErrorContext(v.Context(), "error page failed", "err", err)
	}
}

type message struct {
	Fault     *fault.Fault
	RequestID string
}

func (v *view) redirect(to string) error {
	http.Redirect(v.w, v.Request, to, http.StatusSeeOther)
	return nil
}

// frame is what every page shows around its own content.
type frame struct {
	Site, Title string
	Name        string // of who is signed in
	Path        string
	At          time.Time
	Page        any
}

// show renders a page completely before anything is sent.
func (v *view) show(name, title string, page any) error {
	t, err := template.New("").Funcs(funcs(v.at)).ParseFS(files, "templates/layout.html", "templates/"+name+".html")
	if err != nil {
		return err
	}
	f := frame{Site: v.p.Title, Title: title, Path: v.URL.Path, At: v.at, Page: page}
	if v.by.AccountID != "" {
		f.Name = v.by.Name
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout.html", f); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = v.w.Write(b.Bytes()) // the person may have left: nothing to do about it
	return nil
}

func (p *Portal) secure() bool { return strings.HasPrefix(p.URL, "https:") }

func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func client(r *http.Request) string {
	ua := r.UserAgent()
	return ua[:min(len(ua), 80)]
}

// await gives calls that wait for gateways the time they need even when the browser has left, so
// that what was begun is finished.
func (v *view) await() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(v.Context()), 10*time.Second)
}
