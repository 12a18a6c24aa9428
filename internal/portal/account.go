package portal

import (
	"strings"

	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
	"github.com/lanyardhq/lanyard/internal/session"
)

type accountPage struct {
	Account  identity.Account
	Provider string // its title, or the issuer's address
	Current  string // id of this session
	Sessions []session.Session
	Ended    bool // one was just ended
}

// account shows who somebody is here, and every browser and computer that acts for them, to sign
// out what was lost.
func (p *Portal) account(v *frame.View) error {
	a, current, err := p.Login.WhoAmI(v.Context(), v.By)
	if err != nil {
		return err
	}
	page := accountPage{Account: a, Provider: a.Issuer, Current: current.ID, Ended: v.FormValue("done") != ""}
	for _, i := range p.Login.Providers() {
		if i.Issuer == a.Issuer {
			page.Provider = i.Title
		}
	}
	if page.Sessions, err = p.Login.Sessions(v.Context(), v.By); err != nil {
		return err
	}
	return frame.Show(v, "account", "Your account", page)
}

func (p *Portal) endSession(v *frame.View) error {
	if err := p.Login.EndSession(v.Context(), v.By, v.PathValue("session")); err != nil {
		return err
	}
	return v.Redirect("/account?done=ended")
}

// dismiss takes a notice from the pages, and goes back to the one that showed it.
func (p *Portal) dismiss(v *frame.View) error {
	if err := p.Broker.DismissNotice(v.Context(), v.By, v.PathValue("notice")); err != nil {
		return err
	}
	back := v.PostFormValue("back")
	if !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.ContainsAny(back, "\\\r\n\t") {
		back = "/account"
	}
	return v.Redirect(back)
}
