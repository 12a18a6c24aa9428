package tokens

import (
	"errors"
	"net/url"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
)

type approvalPage struct {
	row
	Repair bool // it was approved before
	// Asked is the record of who asked for it; without time if it is not known any more.
	Asked   audit.Record
	Refused bool // the person just refused it
	Fault   *fault.Fault
}

// approval asks whether a grant shall be approved. A link only opens the page: approving is always
// a form of its own, and another page at the provider.
func (p *Pages) approval(v *frame.View) error { return p.approvalPage(v, nil) }

func (p *Pages) approvalPage(v *frame.View, wrong *fault.Fault) error {
	r, err := p.find(v)
	if err != nil {
		return err
	}
	if r.Own() || !r.Waiting() && !r.Live { // there is nothing to approve: its page says why
		return v.Redirect("/tokens/" + r.ID)
	}
	page := approvalPage{row: r, Repair: r.Live, Fault: wrong}
	records, err := p.Broker.ListAudit(v.Context(), v.By, audit.Filter{Subject: r.ID, Limit: 200})
	if err != nil {
		return err
	}
	if n := len(records); n > 0 && records[n-1].Action == grant.Kind+".create" {
		page.Asked = records[n-1]
	}
	return frame.Show(v, "approval", "Approve "+r.Provider.Title, page)
}

// decide sends the person to the provider, or refuses what asked.
func (p *Pages) decide(v *frame.View) error {
	r, err := p.find(v)
	if err != nil {
		return err
	}
	if v.PostFormValue("decision") == "refuse" {
		if r.Status != credential.Intended {
			return fault.New(fault.Conflict, "this was approved before").WithHint("its page lets you end it")
		}
		ctx, cancel := v.Await()
		defer cancel()
		if _, err := p.Broker.End(ctx, v.By, r.ID, audit.Once{}); err != nil {
			return err
		}
		return frame.Show(v, "approval", "Refused", approvalPage{row: r, Refused: true})
	}
	to, err := p.Custody.Begin(v.Context(), v.By, r.ID)
	if wrong := told(v, err); err != nil && wrong != nil {
		return p.approvalPage(v, wrong)
	}
	if err != nil {
		return err
	}
	return onward(v, to, r.Provider.Title, r.ID, r.Provider.Type == grant.MyToken)
}

// told is the fault to show on the page that was filled in, with its status, or nil for errors that
// are a page of their own. A provider that does not answer is told there too.
func told(v *frame.View, err error) *fault.Fault {
	f := fault.Public(err)
	if f.Code == fault.Unavailable {
		v.Status = api.Status(string(f.Code))
		return f
	}
	return v.Refused(err)
}

type onwardPage struct {
	To, Host, Provider string
	Grant              string // id; empty if it is not known
	Polled             bool   // nobody comes back from there
}

// onward leads to a provider's page. Browsers hold form-action against every redirect that follows a
// form, and this one leaves for the provider: a page in between ends the form.
func onward(v *frame.View, to, provider, id string, polled bool) error {
	at, err := url.Parse(to)
	if err != nil || at.Scheme != "https" && at.Scheme != "http" || at.Host == "" {
		return fault.New(fault.Unavailable, "%s names a page for approvals that is no address", provider).WithHint("tell the people who run this installation")
	}
	v.Answer.Header().Set("Refresh", "0; url="+at.String())
	return frame.Show(v, "onward", "On to "+provider, onwardPage{To: at.String(), Host: at.Host, Provider: provider, Grant: id, Polled: polled})
}

type answerPage struct {
	Fault     *fault.Fault
	Grant     string // id; empty if it is not known
	Provider  string
	RequestID string
	// Declined says that the answer was a no; Over, that the request for the approval ended by it.
	Declined, Over bool
}

// callback takes what the provider sent the browser back with. The address holds nothing of use once
// it was taken, and is left at once where all went well.
func (p *Pages) callback(v *frame.View) error {
	id := v.PathValue("provider")
	c, err := p.Custody.Callback(v.Context(), v.By, id, v.URL.Query())
	if err == nil {
		return v.Redirect("/tokens/" + c.ID + "?done=approved")
	}
	f := fault.Public(err)
	if f.Code == fault.Internal || f.Code == fault.Unauthenticated {
		return err
	}
	v.Status = api.Status(string(f.Code))
	page := answerPage{Fault: f, Grant: c.ID, Provider: id, RequestID: v.By.RequestID, Declined: errors.Is(err, grant.ErrDeclined), Over: c.Reason == credential.Declined}
	title := "Not approved"
	if page.Declined {
		title = "Declined"
	}
	if one, ok := p.providers(v)[id]; ok {
		page.Provider = one.Title
	}
	return frame.Show(v, "answer", title, page)
}
