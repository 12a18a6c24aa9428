package portal

import (
	"net/http"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/login"
)

type devicePage struct {
	Code  string
	Found *login.Device
	Fault *fault.Fault
	Done  string
}

// deviceForm asks for the code, and, once it has one, whether to let that computer in. A link only
// fills the code in: approving is always a form of its own.
func (p *Portal) deviceForm(v *view) error {
	page := devicePage{Code: v.FormValue("user_code")}
	if v.FormValue("check") == "" {
		return v.show("device", "Connect a computer", page)
	}
	d, err := p.Login.FindDevice(v.Context(), v.by, page.Code)
	if f := fault.Public(err); err != nil && f.Code != fault.Internal {
		v.w.WriteHeader(http.StatusUnprocessableEntity)
		page.Fault = f
		return v.show("device", "Connect a computer", page)
	}
	if err != nil {
		return err
	}
	page.Found = &d
	return v.show("device", "Connect a computer", page)
}

func (p *Portal) decideDevice(v *view) error {
	approve := v.PostFormValue("decision") == "approve"
	if err := p.Login.DecideDevice(v.Context(), v.by, v.PostFormValue("user_code"), approve); err != nil {
		return err
	}
	page := devicePage{Done: "Done. You can close this page and go back to the terminal."}
	if !approve {
		page.Done = "The request was refused, and whoever made it has nothing. If you did not start it, tell your support."
	}
	return v.show("device", "Connect a computer", page)
}
