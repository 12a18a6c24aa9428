package portal

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/material"
)

// maxForm is how large a form may be, in bytes.
const maxForm = 64 << 10

// maxIgnored is how much of a larger form is read to be thrown away, in bytes.
const maxIgnored = 32 << 20

// A view is one request for a page.
type view struct {
	*http.Request
	p      *Portal
	w      http.ResponseWriter
	at     time.Time
	by     identity.Actor // without an account on open pages for somebody who is not signed in
	proof  string         // what forms of this session carry; empty without a session
	status int            // of the answer; 0 is 200
	body   io.Reader      // the request's, without limit
}

// page serves f to people who are signed in; others are sent to sign in and come back. A form must
// carry the proof that a page of this session showed it.
func (p *Portal) page(f func(*view) error) http.Handler {
	return p.serve(func(v *view, nobody error) error {
		if nobody != nil {
			return nobody
		}
		if v.Method == http.MethodPost {
			if err := v.fits(); err != nil {
				return err
			}
		}
		if v.Method == http.MethodPost && subtle.ConstantTimeCompare([]byte(v.PostFormValue("proof")), []byte(v.proof)) == 0 {
			return foreignForm()
		}
		return f(v)
	})
}

// fits reads the form and refuses one that is too large. Nothing of such a form is known, not even
// its proof, so it is told apart before that is looked at.
func (v *view) fits() error {
	_, tooLarge := errors.AsType[*http.MaxBytesError](v.ParseMultipartForm(maxForm))
	if !tooLarge {
		return nil // what else is wrong with it is found by who needs a field
	}
	// Browsers read no answer before all is sent.
	_, _ = io.CopyN(io.Discard, v.body, maxIgnored)
	return fault.New(fault.Invalid, "what you sent is larger than %d KiB, so nothing was done", maxForm>>10).
		WithHint("a proxy, certificate or key has a few KiB: go back and look which file you chose")
}

// open serves f to everybody.
func (p *Portal) open(f func(*view) error) http.Handler {
	return p.serve(func(v *view, _ error) error { return f(v) })
}

func foreignForm() error {
	return fault.New(fault.Denied, "this form was not sent from a page that you see now, so nothing was done").WithHint("open the page again and repeat what you wanted")
}

// serve finds out who asks and is the one place where an error becomes a page. F hears why nobody
// is signed in.
func (p *Portal) serve(f func(v *view, nobody error) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &view{Request: r, p: p, w: w, at: p.Now(), body: r.Body}
		v.by = identity.Actor{RequestID: "req_" + rand.Text()[:16], Address: address(r), Client: client(r)}
		w.Header().Set("X-Request-Id", v.by.RequestID)
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		nobody := v.signIn()
		var err error
		switch fault.CodeOf(nobody) {
		case "", fault.Unauthenticated, fault.Denied:
			err = f(v, nobody)
		default:
			err = nobody
		}
		if err != nil {
			v.fail(err)
		}
		p.Log.DebugContext(r.Context(), "page", "method", r.Method, "route", r.Pattern, "request_id", v.by.RequestID, "ms", p.Now().Sub(v.at).Milliseconds())
	})
}

// signIn finds out who asks; if nobody, why.
func (v *view) signIn() error {
	c, err := v.Cookie(login.CookieName(v.p.secure()))
	if err != nil {
		return fault.New(fault.Unauthenticated, "you are not signed in").WithCause(err)
	}
	by, err := v.p.Login.BrowserActor(v.Context(), material.Secret(c.Value), v.request())
	if err != nil {
		return err
	}
	v.by = by
	sum := sha256.Sum256([]byte("lanyard form\n" + c.Value))
	v.proof = base32.StdEncoding.EncodeToString(sum[:15])
	return nil
}

func (v *view) request() login.Request {
	return login.Request{ID: v.by.RequestID, Address: v.by.Address, Client: v.by.Client}
}

// message is the page that says what went wrong, and what to do.
type message struct {
	Fault        *fault.Fault
	RequestID    string
	Ours         bool // nothing that the person did
	To, LinkText string
}

// titles say in a few words what kind of failure it is.
var titles = map[fault.Code]string{
	fault.Invalid: "That cannot be right", fault.Unauthenticated: "You were signed out", fault.Denied: "Not allowed",
	fault.NotFound: "Not found", fault.Conflict: "Not possible now", fault.Limited: "Too much at once",
	fault.Unavailable: "Not available at the moment", fault.Internal: "Something went wrong here",
}

func (v *view) fail(err error) {
	f := fault.Public(err)
	m := message{Fault: f, RequestID: v.by.RequestID, To: "/projects", LinkText: "Your projects"}
	if f.Code == fault.Internal || f.Code == fault.Unavailable {
		v.p.Log.ErrorContext(v.Context(), "page failed", "route", v.Pattern, "request_id", v.by.RequestID, "err", err, "cause", f.Cause)
		m.Ours = true
	}
	if f.Code == fault.Unauthenticated {
		m.To, m.LinkText = "/login?next="+url.QueryEscape(v.back()), "Sign in and go on"
		if v.Method == http.MethodGet {
			_ = v.redirect(m.To)
			return
		}
	}
	v.status = api.Status(string(f.Code))
	if err := show(v, "message", titles[f.Code], m); err != nil {
		v.p.Log.ErrorContext(v.Context(), "error page failed", "request_id", v.by.RequestID, "err", err)
		http.Error(v.w, "internal error, request "+v.by.RequestID, http.StatusInternalServerError)
	}
}

// back is where to go on after signing in: this page, or the page whose form was sent, with what
// was filled in.
func (v *view) back() string {
	if v.Method == http.MethodGet {
		return v.URL.RequestURI()
	}
	path := v.URL.Path
	if strings.HasPrefix(path, "/projects/") && v.ParseForm() == nil {
		form := url.Values{}
		for k, values := range v.PostForm {
			if k != "proof" && k != "once" {
				form[k] = values
			}
		}
		return path + "?" + form.Encode()
	}
	for _, place := range []string{"/keys/", "/proxies/"} {
		if rest, ok := strings.CutPrefix(path, place); ok {
			id, _, _ := strings.Cut(rest, "/")
			return place + id
		}
	}
	return "/projects"
}

func (v *view) redirect(to string) error {
	http.Redirect(v.w, v.Request, to, http.StatusSeeOther)
	return nil
}

// frame is what every page shows around its own content.
type frame[T any] struct {
	Site, Title, Help string
	Name              string // of who is signed in
	Section           string // of the navigation: the first part of the path
	Idle              int    // seconds without a page after which the session ends
	At                time.Time
	Proof             string
	Wrong             bool
	Page              T
}

// show renders a page completely before anything is sent.
func show[T any](v *view, name, title string, page T) error {
	f := frame[T]{Site: v.p.Title, Title: title, Help: v.p.Help, At: v.at, Proof: v.proof, Idle: int(login.BrowserIdle.Seconds()), Wrong: v.status >= 400, Page: page}
	f.Section, _, _ = strings.Cut(strings.TrimPrefix(v.URL.Path, "/"), "/")
	if v.by.AccountID != "" {
		f.Name = cmp.Or(v.by.Name, v.by.AccountID)
	}
	var b bytes.Buffer
	if err := v.p.templates[name].ExecuteTemplate(&b, "layout.html", f); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(cmp.Or(v.status, http.StatusOK))
	_, _ = v.w.Write(b.Bytes()) // the person may have left: nothing to do about it
	return nil
}

// refused is the fault to show on the page that was filled in, with its status, or nil for errors
// that are a page of their own.
func (v *view) refused(err error) *fault.Fault {
	f := fault.Public(err)
	switch f.Code {
	case fault.Internal, fault.Unavailable, fault.Unauthenticated:
		return nil
	}
	v.status = api.Status(string(f.Code))
	return f
}

func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func client(r *http.Request) string {
	ua := r.UserAgent()
	return strings.ToValidUTF8(ua[:min(len(ua), 80)], "")
}

// await gives calls that wait for gateways the time they need even when the browser has left, so
// that what was begun is finished.
func (v *view) await() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(v.Context()), 10*time.Second)
}
