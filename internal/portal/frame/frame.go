// Package frame is what every page of the portal stands in: who asks, whether a form was sent from a
// page of ours, how a page is sent and what a failure looks like. It knows no use case, and imports
// rows 0 and 1.
package frame

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
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/caller"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/material"
)

// maxForm is how large a form may be, in bytes.
const maxForm = 64 << 10

// maxIgnored is how much of a larger form is read to be thrown away, in bytes.
const maxIgnored = 32 << 20

// Site is what all pages share. All fields but Help are required.
type Site struct {
	Title, Help string
	// Secure says that browsers reach the portal by https.
	Secure bool
	// Cookie is the name of the session's. Actor finds whose session its value is; Idle is how long
	// one lasts without a page.
	Cookie string
	Actor  func(v *View, cookie material.Secret) (identity.Actor, error)
	Idle   time.Duration
	// Notices are what somebody who is signed in must be told, newest first.
	Notices func(context.Context, identity.Actor) ([]notice.Notice, error)
	// Tokens says that there are pages about tokens and approvals.
	Tokens bool
	// Templates are the pages by name, among them "message"; each has the template "layout.html".
	Templates map[string]*template.Template
	Now       func() time.Time
	Log       *slog.Logger
}

// A View is one request for a page.
type View struct {
	*http.Request
	Answer http.ResponseWriter
	At     time.Time
	By     identity.Actor // without an account on open pages for somebody who is not signed in
	Status int            // of the answer; 0 is 200
	site   *Site
	proof  string    // what forms of this session carry; empty without a session
	body   io.Reader // the request's, without limit
}

// Page serves f to people who are signed in; others are sent to sign in and come back. A form must
// carry the proof that a page of this session showed it.
func (s *Site) Page(f func(*View) error) http.Handler {
	return s.serve(func(v *View, nobody error) error {
		if nobody != nil {
			return nobody
		}
		if v.Method == http.MethodPost {
			if err := v.fits(); err != nil {
				return err
			}
		}
		if v.Method == http.MethodPost && subtle.ConstantTimeCompare([]byte(v.PostFormValue("proof")), []byte(v.proof)) == 0 {
			return ForeignForm()
		}
		return f(v)
	})
}

// fits reads the form and refuses one that is too large. Nothing of such a form is known, not even
// its proof, so it is told apart before that is looked at.
func (v *View) fits() error {
	_, tooLarge := errors.AsType[*http.MaxBytesError](v.ParseMultipartForm(maxForm))
	if !tooLarge {
		return nil // what else is wrong with it is found by who needs a field
	}
	// Browsers read no answer before all is sent.
	_, _ = io.CopyN(io.Discard, v.body, maxIgnored)
	return fault.New(fault.Invalid, "what you sent is larger than %d KiB, so nothing was done", maxForm>>10).
		WithHint("a proxy, certificate or key has a few KiB: go back and look which file you chose")
}

// Open serves f to everybody.
func (s *Site) Open(f func(*View) error) http.Handler {
	return s.serve(func(v *View, _ error) error { return f(v) })
}

// ForeignForm refuses a form that a page of ours did not send.
func ForeignForm() error {
	return fault.New(fault.Denied, "this form was not sent from a page that you see now, so nothing was done").WithHint("open the page again and repeat what you wanted")
}

// serve finds out who asks and is the one place where an error becomes a page. F hears why nobody
// is signed in.
func (s *Site) serve(f func(v *View, nobody error) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &View{Request: r, Answer: w, At: s.Now(), site: s, body: r.Body}
		v.By = identity.Actor{RequestID: "req_" + rand.Text()[:16], Address: caller.Address(r), Client: client(r)}
		w.Header().Set("X-Request-Id", v.By.RequestID)
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
		s.Log.DebugContext(r.Context(), "page", "method", r.Method, "route", r.Pattern, "request_id", v.By.RequestID, "ms", s.Now().Sub(v.At).Milliseconds())
	})
}

// signIn finds out who asks; if nobody, why.
func (v *View) signIn() error {
	c, err := v.Cookie(v.site.Cookie)
	if err != nil {
		return fault.New(fault.Unauthenticated, "you are not signed in").WithCause(err)
	}
	by, err := v.site.Actor(v, material.Secret(c.Value))
	if err != nil {
		return err
	}
	v.By = by
	sum := sha256.Sum256([]byte("lanyard form\n" + c.Value))
	v.proof = base32.StdEncoding.EncodeToString(sum[:15])
	return nil
}

// Message is the page that says what went wrong, and what to do.
type Message struct {
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

func (v *View) fail(err error) {
	f := fault.Public(err)
	m := Message{Fault: f, RequestID: v.By.RequestID, To: "/projects", LinkText: "Your projects"}
	if f.Code == fault.Internal || f.Code == fault.Unavailable {
		v.site.Log.ErrorContext(v.Context(), "page failed", "route", v.Pattern, "request_id", v.By.RequestID, "err", err, "cause", f.Cause)
		m.Ours = true
	}
	if f.Code == fault.Unauthenticated {
		m.To, m.LinkText = "/login?next="+url.QueryEscape(v.back()), "Sign in and go on"
		if v.Method == http.MethodGet {
			_ = v.Redirect(m.To)
			return
		}
	}
	v.Status = api.Status(string(f.Code))
	if err := Show(v, "message", titles[f.Code], m); err != nil {
		v.site.Log.ErrorContext(v.Context(), "error page failed", "request_id", v.By.RequestID, "err", err)
		http.Error(v.Answer, "internal error, request "+v.By.RequestID, http.StatusInternalServerError)
	}
}

// back is where to go on after signing in: this page, or the page whose form was sent, with what
// was filled in.
func (v *View) back() string {
	path := v.URL.Path
	if strings.HasPrefix(path, "/approvals/callback/") { // what it holds is for the session that ended
		return "/tokens?approval=lost"
	}
	if v.Method == http.MethodGet {
		return v.URL.RequestURI()
	}
	if (strings.HasPrefix(path, "/projects/") || path == "/tokens/new") && v.ParseForm() == nil {
		form := url.Values{}
		for k, values := range v.PostForm {
			if k != "proof" && k != "once" {
				form[k] = values
			}
		}
		return path + "?" + form.Encode()
	}
	if strings.HasPrefix(path, "/approvals/") {
		return path
	}
	for _, place := range []string{"/keys/", "/proxies/", "/tokens/"} {
		if rest, ok := strings.CutPrefix(path, place); ok {
			id, _, _ := strings.Cut(rest, "/")
			return place + id
		}
	}
	return "/projects"
}

// Redirect sends the browser on, to a page of ours.
func (v *View) Redirect(to string) error {
	http.Redirect(v.Answer, v.Request, to, http.StatusSeeOther)
	return nil
}

// Of is what every page shows around its own content.
type Of[T any] struct {
	Site, Title, Help string
	Name              string // of who is signed in
	Section           string // of the navigation: the first part of the path
	Tokens            bool   // there are pages about them
	Idle              int    // seconds without a page after which the session ends
	At                time.Time
	Proof             string
	Wrong             bool
	Notices           []notice.Notice // those that fit
	More              int             // how many notices there are beside them
	Back              string          // where to go on after dismissing one
	Page              T
}

// shown is how many notices stand on one page.
const shown = 3

// Show renders a page completely before anything is sent.
func Show[T any](v *View, name, title string, page T) error {
	f := Of[T]{Site: v.site.Title, Title: title, Help: v.site.Help, At: v.At, Proof: v.proof, Tokens: v.site.Tokens, Idle: int(v.site.Idle.Seconds()), Wrong: v.Status >= 400, Page: page}
	f.Section, _, _ = strings.Cut(strings.TrimPrefix(v.URL.Path, "/"), "/")
	if v.By.AccountID != "" {
		f.Name = cmp.Or(v.By.Name, v.By.AccountID)
		f.Notices, f.More, f.Back = v.notices()
	}
	var b bytes.Buffer
	if err := v.site.Templates[name].ExecuteTemplate(&b, "layout.html", f); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	v.Answer.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.Answer.WriteHeader(cmp.Or(v.Status, http.StatusOK))
	_, _ = v.Answer.Write(b.Bytes()) // the person may have left: nothing to do about it
	return nil
}

// notices finds what stands on the page of what the person must be told. A page without it is better
// than none.
func (v *View) notices() (fit []notice.Notice, more int, back string) {
	all, err := v.site.Notices(v.Context(), v.By)
	if err != nil {
		v.site.Log.WarnContext(v.Context(), "notices not shown", "request_id", v.By.RequestID, "err", err)
	}
	if len(all) == 0 {
		return nil, 0, ""
	}
	n := min(len(all), shown)
	return all[:n], len(all) - n, v.back()
}

// Refused is the fault to show on the page that was filled in, with its status, or nil for errors
// that are a page of their own.
func (v *View) Refused(err error) *fault.Fault {
	f := fault.Public(err)
	switch f.Code {
	case fault.Internal, fault.Unavailable, fault.Unauthenticated:
		return nil
	}
	v.Status = api.Status(string(f.Code))
	return f
}

func client(r *http.Request) string {
	ua := r.UserAgent()
	return strings.ToValidUTF8(ua[:min(len(ua), 80)], "")
}

// Await gives calls that wait for gateways the time they need even when the browser has left, so
// that what was begun is finished.
func (v *View) Await() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(v.Context()), 10*time.Second)
}

// File is the text of a file that a form carries, empty if none was chosen.
func (v *View) File(name string) (material.Secret, error) {
	if err := v.ParseMultipartForm(maxForm); err != nil {
		return "", fault.New(fault.Invalid, "the form did not arrive completely").WithHint("send it again").WithCause(err)
	}
	f, _, err := v.FormFile(name)
	if err != nil {
		return "", nil // no file was chosen
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	return material.Secret(text), err
}

// Headers are on every page. Identity providers are reached by links and redirects, never by a
// form, so form-action holds.
func (s *Site) Headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // no-referrer would hide from us which origin a form came from
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if s.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}
