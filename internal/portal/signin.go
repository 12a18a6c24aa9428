package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
	"github.com/lanyardhq/lanyard/material"
)

type chooserPage struct {
	Providers []login.ProviderInfo
	Last      string // id of the provider that this browser came through last
	Next      string
	Reason    string // why somebody was sent here
	Fault     *fault.Fault
	RequestID string
}

// chooser lets people choose their identity provider. Somebody who is signed in goes on, unless the
// address asks for another sign-in (again=1).
func (p *Portal) chooser(v *frame.View) error {
	next := v.FormValue("next")
	if v.By.AccountID != "" && v.FormValue("again") == "" {
		return v.Redirect(local(next))
	}
	page := p.choices(v)
	// Out of pages that need somebody, one way to sign in is no choice.
	if len(page.Providers) == 1 && next != "" {
		return v.Redirect(startPath(page.Providers[0], next))
	}
	return frame.Show(v, "login", "Sign in", page)
}

// choices are the providers, the one of last time first.
func (p *Portal) choices(v *frame.View) chooserPage {
	page := chooserPage{Providers: p.Login.Providers(), Next: v.FormValue("next"), Reason: reason(v.FormValue("next")), RequestID: v.By.RequestID}
	if c, err := v.Cookie(p.cookieName("provider")); err == nil {
		at := slices.IndexFunc(page.Providers, func(i login.ProviderInfo) bool { return i.ID == c.Value })
		if at >= 0 {
			last := page.Providers[at]
			page.Last, page.Providers = last.ID, slices.Insert(slices.Delete(page.Providers, at, at+1), 0, last)
		}
	}
	return page
}

// reason says in words what the person came for.
func reason(next string) string {
	switch {
	case strings.HasPrefix(next, "/device"):
		return "Sign in to approve the request of a computer."
	case strings.HasPrefix(next, "/approvals/"):
		return "Sign in to see what asks for your approval."
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

func (p *Portal) start(v *frame.View) error {
	to, binding, err := p.Login.Start(v.Context(), v.PathValue("provider"), v.FormValue("next"), request(v))
	if err != nil {
		return p.tryAgain(v, err)
	}
	http.SetCookie(v.Answer, p.cookie(p.cookieName("signin"), binding, 600))
	return v.Redirect(to)
}

func (p *Portal) callback(v *frame.View) error {
	var binding material.Secret
	if c, err := v.Cookie(p.cookieName("signin")); err == nil {
		binding = material.Secret(c.Value)
	}
	http.SetCookie(v.Answer, p.cookie(p.cookieName("signin"), "", -1))
	in, err := p.Login.Finish(v.Context(), v.PathValue("provider"), v.URL.Query(), binding, request(v))
	if err != nil {
		return p.tryAgain(v, err)
	}
	return p.welcome(v, in)
}

// tryAgain shows the chooser with what went wrong.
func (p *Portal) tryAgain(v *frame.View, err error) error {
	page := p.choices(v)
	if page.Fault = fault.Public(err); page.Fault.Code == fault.Internal {
		return err
	}
	p.Log.WarnContext(v.Context(), "sign-in failed", "request_id", v.By.RequestID, "err", err, "cause", page.Fault.Cause)
	v.Status = http.StatusForbidden
	return frame.Show(v, "login", "Sign in", page)
}

type localPage struct {
	Next, User, Reason string
	Fault              *fault.Fault
}

func (p *Portal) localForm(v *frame.View) error {
	return frame.Show(v, "local", "Sign in", localPage{Next: v.FormValue("next"), Reason: reason(v.FormValue("next"))})
}

func (p *Portal) localSignIn(v *frame.View) error {
	user, next := v.PostFormValue("user"), v.PostFormValue("next")
	in, err := p.Login.Password(v.Context(), user, material.Secret(v.PostFormValue("password")), next, request(v))
	if f := fault.Public(err); err != nil && f.Code != fault.Internal {
		v.Status = http.StatusForbidden
		return frame.Show(v, "local", "Sign in", localPage{Next: next, User: user, Reason: reason(next), Fault: f})
	}
	if err != nil {
		return err
	}
	return p.welcome(v, in)
}

func (p *Portal) welcome(v *frame.View, in login.SignedIn) error {
	http.SetCookie(v.Answer, p.cookie(login.CookieName(p.secure()), in.Cookie, 0))
	for _, i := range p.Login.Providers() {
		if i.Issuer == in.Account.Issuer {
			http.SetCookie(v.Answer, p.cookie(p.cookieName("provider"), material.Secret(i.ID), 180*24*3600))
		}
	}
	next := local(in.Next)
	if strings.HasPrefix(next, "/authorize") {
		// Browsers hold form-action against every redirect that follows a form, and this one
		// leaves for the program's own address: a page in between ends the form.
		v.Answer.Header().Set("Refresh", "0; url="+next)
		return frame.Show(v, "continue", "Signed in", next)
	}
	return v.Redirect(next)
}

func (p *Portal) signOut(v *frame.View) error {
	if err := p.Login.SignOut(v.Context(), v.By); err != nil {
		return err
	}
	http.SetCookie(v.Answer, p.cookie(login.CookieName(p.secure()), "", -1))
	return v.Redirect("/login")
}

// cookie makes a cookie that scripts cannot read. Seconds 0 means until the browser closes, less
// than 0 removes it.
func (p *Portal) cookie(name string, value material.Secret, seconds int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value.Reveal(), Path: "/", MaxAge: seconds, Secure: p.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode} //nolint:gosec // Secure follows the portal's address: http is for loopback and internal networks
}

// cookieName names a cookie beside the session's, as strictly.
func (p *Portal) cookieName(what string) string { return login.CookieName(p.secure()) + "-" + what }

// local keeps redirects on this site.
func local(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/projects"
	}
	return next
}
