package tokens

import (
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
	"github.com/lanyardhq/lanyard/internal/portal/wording"
)

type grantPage struct {
	row
	Text    string // the sentence about how it stands
	Notice  string
	Latest  time.Time // the end that extending would give now
	Tree    []branch
	History []wording.Event
	// What may be done with it, as far as a page can tell; who does it decides.
	Approvable, Extendable, Pausable, Resumable, Endable bool
}

// find returns one of one's own grants. Addresses name them by their ids only.
func (p *Pages) find(v *frame.View) (row, error) {
	absent := fault.New(fault.NotFound, "you have no such approval").WithHint("“Tokens & approvals” lists those that you have")
	id := v.PathValue("grant")
	if !strings.HasPrefix(id, "crd_") {
		return row{}, absent
	}
	c, f, err := p.Custody.Find(v.Context(), v.By, id)
	if fault.CodeOf(err) == fault.NotFound {
		err = absent
	}
	if err != nil {
		return row{}, err
	}
	return rowOf(v.At, c, f, p.providers(v))
}

func (p *Pages) grant(v *frame.View) error {
	r, err := p.find(v)
	if err != nil {
		return err
	}
	page := grantPage{row: r, Text: r.Standing.Text(r.ExpiresAt.Sub(v.At)), Notice: notice(r, v.FormValue("done"))}
	longest, err := p.Broker.LongestLife(v.Context(), r.ProjectID, grant.Kind)
	if err != nil {
		return err
	}
	usable := r.Usable(v.At)
	page.Latest = p.Broker.Latest(r.Credential, longest)
	page.Extendable = usable && page.Latest.Sub(r.ExpiresAt) >= time.Minute
	page.Approvable = !r.Own() && (usable || r.Waiting())
	page.Pausable, page.Resumable = usable, r.Live && r.Reason == credential.FrozenByOwner
	page.Endable = r.Live || r.Waiting()
	records, err := p.Broker.ListAudit(v.Context(), v.By, audit.Filter{Subject: r.ID, Limit: remembered})
	if err != nil {
		return err
	}
	held, err := p.held(v, r.ID)
	if err != nil {
		return err
	}
	page.Tree = treeOf(held)
	mine, err := p.Broker.ListAudit(v.Context(), v.By, audit.Filter{Limit: 200})
	if err != nil {
		return err
	}
	page.History = newest(passedOn(mine, r.ID), history(records, r.Provider.Title))
	return frame.Show(v, "grant", r.Name, page)
}

// notice is what the page says after something was done. A link that claims what is not so says
// nothing.
func notice(r row, done string) string {
	gives := r.Standing == grant.Valid || r.Standing == grant.EndsSoon
	said, ok := map[string]struct {
		so   bool
		text string
	}{
		"approved":  {gives, "Approved. You can close this page, or go back to where you asked."},
		"made":      {gives, "It is in force: programs can get tokens."},
		"extended":  {gives, "It has a new end."},
		"continued": {gives, "It gives tokens again."},
		"narrowed":  {r.Live, "It is narrower now. Tokens that programs have already go on as they were until they end."},
		"paused":    {r.Standing == grant.Paused, "It is paused: it gives no tokens until you let it continue. Tokens that programs have already go on until they end."},
		"ended":     {r.Standing == grant.Revoked || r.Standing == grant.Absent, "It has ended: it gives no more tokens."},
		"stopped":   {true, "The token has ended."},
	}[done]
	if !ok || !said.so {
		return ""
	}
	return said.text
}

// held are the mytokens of a grant that are in force, each before those made from it.
func (p *Pages) held(v *frame.View, id string) ([]delegation.SubGrant, error) {
	if p.Subgrants == nil {
		return nil, nil
	}
	return p.Subgrants.Tree(v.Context(), v.By, id)
}

func (p *Pages) extend(v *frame.View) error {
	ctx, cancel := v.Await()
	defer cancel()
	r, err := p.find(v)
	if err == nil {
		_, err = p.Broker.Extend(ctx, v.By, r.ID, 0, time.Time{}, audit.Once{})
	}
	return done(v, r, "extended", err)
}

func (p *Pages) pause(v *frame.View) error {
	ctx, cancel := v.Await()
	defer cancel()
	r, err := p.find(v)
	if err == nil {
		_, err = p.Broker.Freeze(ctx, v.By, r.ID, audit.Once{})
	}
	return done(v, r, "paused", err)
}

func (p *Pages) resume(v *frame.View) error {
	ctx, cancel := v.Await()
	defer cancel()
	r, err := p.find(v)
	if err == nil {
		_, err = p.Broker.Thaw(ctx, v.By, r.ID, audit.Once{})
	}
	return done(v, r, "continued", err)
}

// done goes back to the grant's page, which tells what was done.
func done(v *frame.View, r row, what string, err error) error {
	if err != nil {
		return err
	}
	return v.Redirect("/tokens/" + r.ID + "?done=" + what)
}

type endPage struct {
	row
	Stops []string // names of the mytokens that end with it
	More  int      // how many beyond those
	Named bool     // its name must be typed
	Fault *fault.Fault
}

func (p *Pages) ending(v *frame.View) (endPage, error) {
	r, err := p.find(v)
	if err != nil {
		return endPage{}, err
	}
	page := endPage{row: r}
	held, err := p.held(v, r.ID)
	for i, s := range held {
		if i == 10 {
			page.More = len(held) - i
			break
		}
		page.Stops = append(page.Stops, title(s))
	}
	page.Named = len(held) > 0 || !r.LastUsedAt.IsZero() && v.At.Sub(r.LastUsedAt) < 24*time.Hour
	return page, err
}

func (p *Pages) endForm(v *frame.View) error {
	page, err := p.ending(v)
	if err != nil {
		return err
	}
	return frame.Show(v, "endgrant", "End "+page.Name, page)
}

func (p *Pages) end(v *frame.View) error {
	page, err := p.ending(v)
	if err != nil {
		return err
	}
	if page.Named && strings.TrimSpace(v.PostFormValue("name")) != page.Name {
		page.Fault = v.Refused(fault.New(fault.Invalid, "that is not its name").WithHint("nothing was ended; type %s", page.Name))
		return frame.Show(v, "endgrant", "End "+page.Name, page)
	}
	ctx, cancel := v.Await()
	defer cancel()
	_, err = p.Broker.End(ctx, v.By, page.ID, audit.Once{})
	return done(v, page.row, "ended", err)
}
