package portal

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/material"
)

type chooserPage struct {
	Providers []login.ProviderInfo
	Next      string
	Reason    string // why somebody was sent here
	Fault     *fault.Fault
	RequestID string
}

func (p *Portal) chooser(v *view) error {
	next := v.FormValue("next")
	if v.by.AccountID != "" && v.FormValue("again") == "" {
		return v.redirect(local(next))
	}
	page := chooserPage{Providers: p.Login.Providers(), Next: next, Reason: reason(next)}
	// Out of pages that need somebody, one way to sign in is no choice.
	if len(page.Providers) == 1 && next != "" {
		return v.redirect(startPath(page.Providers[0], next))
	}
	return v.show("login", "Sign in", page)
}

// reason says in words what the person came for.
func reason(next string) string {
	switch {
	case strings.HasPrefix(next, "/device"):
		return "Sign in to approve the request of a computer."
	case strings.HasPrefix(next, "/authorize"):
		return "Sign in to let the program on your computer act for you."
	}
	return ""
}

func startPath(i login.ProviderInfo, next string) string {
	path := "/login/start/" + url.PathEscape(i.ID)
	if i.Password {
		path = "/login/local"
	}
	return path + "?next=" + url.QueryEscape(next)
}

func (p *Portal) start(v *view) error {
	to, binding, err := p.Login.Start(v.Context(), v.PathValue("provider"), v.FormValue("next"), v.request())
	if err != nil {
		return p.again(v, err)
	}
	http.SetCookie(v.w, p.cookie(p.bindingName(), binding, 600))
	return v.redirect(to)
}

func (p *Portal) callback(v *view) error {
	var binding material.Secret
	if c, err := v.Cookie(p.bindingName()); err == nil {
		binding = material.Secret(c.Value)
	}
	http.SetCookie(v.w, p.cookie(p.bindingName(), "", -1))
	in, err := p.Login.Finish(v.Context(), v.PathValue("provider"), v.URL.Query(), binding, v.request())
	if err != nil {
		return p.again(v, err)
	}
	return p.welcome(v, in)
}

// again shows the chooser with what went wrong.
func (p *Portal) again(v *view, err error) error {
	f := fault.Public(err)
	if f.Code == fault.Internal {
		return err
	}
	v.w.WriteHeader(http.StatusForbidden)
	return v.show("login", "Sign in", chooserPage{Providers: p.Login.Providers(), Next: v.FormValue("next"), Fault: f, RequestID: v.by.RequestID})
}

type localPage struct {
	Next, User string
	Fault      *fault.Fault
}

func (p *Portal) localForm(v *view) error {
	return v.show("local", "Sign in", localPage{Next: v.FormValue("next")})
}

func (p *Portal) localSignIn(v *view) error {
	user, next := v.PostFormValue("user"), v.PostFormValue("next")
	in, err := p.Login.Password(v.Context(), user, material.Secret(v.PostFormValue("password")), next, v.request())
	if f := fault.Public(err); err != nil && f.Code != fault.Internal {
		v.w.WriteHeader(http.StatusForbidden)
		return v.show("local", "Sign in", localPage{Next: next, User: user, Fault: f})
	}
	if err != nil {
		return err
	}
	return p.welcome(v, in)
}

func (p *Portal) welcome(v *view, in login.SignedIn) error {
	http.SetCookie(v.w, p.cookie(login.CookieName(p.secure()), in.Cookie, 0))
	next := local(in.Next)
	if strings.HasPrefix(next, "/authorize") {
		// Browsers hold form-action against every redirect that follows a form, and this one
		// leaves for the program's own address: a page in between ends the form.
		v.w.Header().Set("Refresh", "0; url="+next)
		return v.show("continue", "Signed in", next)
	}
	return v.redirect(next)
}

func (p *Portal) signOut(v *view) error {
	if err := p.Login.SignOut(v.Context(), v.by); err != nil {
		return err
	}
	http.SetCookie(v.w, p.cookie(login.CookieName(p.secure()), "", -1))
	return v.redirect("/login")
}

// cookie makes a cookie that scripts cannot read. Seconds 0 means until the browser closes, less
// than 0 removes it.
func (p *Portal) cookie(name string, value material.Secret, seconds int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value.Reveal(), Path: "/", MaxAge: seconds, Secure: p.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

func (p *Portal) bindingName() string { return login.CookieName(p.secure()) + "-signin" }

// local keeps redirects on this site.
func local(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/projects"
	}
	return next
}
