package tokens

import (
	"slices"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
)

type narrowPage struct {
	row
	Remain    []choice // scopes
	Audiences []choice
	Fault     *fault.Fault
}

func (p *Pages) narrowForm(v *frame.View) error {
	r, err := p.find(v)
	if err != nil {
		return err
	}
	return showNarrow(v, r, r.Spec.Scopes, r.Spec.Audiences, nil)
}

func showNarrow(v *frame.View, r row, keepScopes, keepAudiences []string, wrong *fault.Fault) error {
	page := narrowPage{row: r, Remain: choices(r.Scopes, keepScopes), Fault: wrong}
	for _, a := range r.Spec.Audiences {
		page.Audiences = append(page.Audiences, choice{term{Name: a}, slices.Contains(keepAudiences, a)})
	}
	return frame.Show(v, "narrow", "Narrow "+r.Name, page)
}

// choices offers terms, of which those that are chosen are ticked.
func choices(all []term, chosen []string) []choice {
	var out []choice
	for _, t := range all {
		out = append(out, choice{t, slices.Contains(chosen, t.Name)})
	}
	return out
}

// narrow leaves a grant with what is ticked.
func (p *Pages) narrow(v *frame.View) error {
	r, err := p.find(v)
	if err != nil {
		return err
	}
	w := grant.Wish{Scopes: v.PostForm["scope"], Audiences: v.PostForm["audience"]}
	err = nothingLeft(w, r.Spec)
	if err == nil {
		ctx, cancel := v.Await()
		defer cancel()
		_, err = p.Custody.Narrow(ctx, v.By, r.ID, w, audit.Once{})
	}
	if wrong := v.Refused(err); err != nil && wrong != nil {
		return showNarrow(v, r, w.Scopes, w.Audiences, wrong)
	}
	return done(v, r, "narrowed", err)
}

// nothingLeft refuses a form that leaves nothing: to custody an empty list means all.
func nothingLeft(w grant.Wish, s grant.Spec) error {
	switch {
	case len(w.Scopes) == 0 && len(s.Scopes) > 0:
		return fault.New(fault.Invalid, "without any scope its tokens could do nothing").WithHint("leave at least one, or end the grant")
	case len(w.Audiences) == 0 && len(s.Audiences) > 0:
		return fault.New(fault.Invalid, "without any audience its tokens would be for nobody").WithHint("leave at least one, or end the grant")
	}
	return nil
}
