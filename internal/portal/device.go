package portal

import (
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
)

type devicePage struct {
	Code  string
	Found *login.Device
	// May is what the machine asks to do here; Everything if it names no limit.
	May        []identity.Scope
	Everything bool
	// Elsewhere is what it asks for at other services, as these know it.
	Elsewhere []identity.Scope
	Until     time.Time
	Fault     *fault.Fault
	// Approved or Refused is set once that was decided.
	Approved, Refused bool
}

// whoScopes only tell who somebody is, and for how long.
var whoScopes = []identity.Scope{"openid", "profile", "email", login.OfflineAccess}

const deviceTitle = "Connect a computer"

// deviceForm asks for the code, and, once it has one, whether to let that computer in. A link only
// fills the code in: approving is always a form of its own.
func (p *Portal) deviceForm(v *frame.View) error {
	page := devicePage{Code: v.FormValue("user_code")}
	if v.FormValue("check") == "" {
		return frame.Show(v, "device", deviceTitle, page)
	}
	d, err := p.Login.FindDevice(v.Context(), v.By, page.Code)
	if err != nil {
		return p.deviceFault(v, page, err)
	}
	page.Found, page.Until, page.Everything = &d, v.At.Add(login.ClientLife), d.Scopes == nil
	for _, s := range identity.Scopes() {
		if slices.Contains(d.Scopes, s) {
			page.May = append(page.May, s)
		}
	}
	for _, s := range d.Scopes {
		if !slices.Contains(page.May, s) && !slices.Contains(whoScopes, s) {
			page.Elsewhere = append(page.Elsewhere, s)
		}
	}
	return frame.Show(v, "device", deviceTitle, page)
}

func (p *Portal) decideDevice(v *frame.View) error {
	code, approve := v.PostFormValue("user_code"), v.PostFormValue("decision") == "approve"
	if err := p.Login.DecideDevice(v.Context(), v.By, code, approve); err != nil {
		return p.deviceFault(v, devicePage{Code: code}, err)
	}
	return frame.Show(v, "device", deviceTitle, devicePage{Approved: approve, Refused: !approve})
}

// deviceFault asks for the code again and says what is wrong with the last one.
func (p *Portal) deviceFault(v *frame.View, page devicePage, err error) error {
	if page.Fault = v.Refused(err); page.Fault == nil {
		return err
	}
	return frame.Show(v, "device", deviceTitle, page)
}
