package tokens

import (
	"cmp"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/portal/form"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
	"github.com/lanyardhq/lanyard/internal/subgrant"
)

// consentPage is what an application asks for. The person can only take away from it.
type consentPage struct {
	subgrant.Consent
	Code         string
	Application  string // as it calls itself
	Name         string
	Provider     string
	Capabilities []choice
	Scopes       []choice
	Audiences    []choice
	Conditions   []condition
	Rotation     []string
	Lives        []form.Preset
	Life         string // the chosen one
	Fault        *fault.Fault
	// Agreed or Declined is set once that was decided.
	Agreed, Declined bool
}

// asAsked is the life that changes nothing.
const asAsked = "asked"

const consentTitle = "Let an application act for you"

// consentForm is what the person filled in.
type consentForm struct {
	Name, Life                      string
	Capabilities, Scopes, Audiences []string
}

func (p *Pages) consent(v *frame.View) error {
	c, err := p.Subgrants.Asked(v.Context(), v.By, v.PathValue("code"))
	if err != nil {
		return err
	}
	f := consentForm{Name: c.Asked.Name, Life: asAsked, Capabilities: c.Asked.Capabilities, Scopes: c.Scopes, Audiences: c.Audiences}
	if delegation.End(c.Asked.Clauses).IsZero() {
		f.Life = usual(lives(c, v.At), c.Default)
	}
	return showConsent(v, c, f, nil)
}

// usual is the last of the lives that ends no later than the default would.
func usual(ps []form.Preset, end time.Time) string {
	best := ps[0]
	for _, p := range ps {
		if !p.Ends.After(end.Add(time.Second)) && p.Ends.After(best.Ends) {
			best = p
		}
	}
	return best.Value
}

func showConsent(v *frame.View, c subgrant.Consent, f consentForm, wrong *fault.Fault) error {
	page := consentPage{Consent: c, Code: v.PathValue("code"), Application: grant.Clean(c.Asked.Application, 100), Name: f.Name,
		Provider: cmp.Or(c.Provider.Title, c.Provider.ID), Capabilities: choices(capabilities(c.Asked.Capabilities), f.Capabilities),
		Scopes: choices(scopes(c.Scopes), f.Scopes), Conditions: limits(c.Asked.Clauses), Lives: lives(c, v.At), Life: f.Life, Fault: wrong}
	for _, a := range c.Audiences {
		page.Audiences = append(page.Audiences, choice{term{Name: a}, slices.Contains(f.Audiences, a)})
	}
	if r := c.Asked.Rotation; r != nil {
		page.Rotation = rotation(*r)
	}
	return frame.Show(v, "consent", consentTitle, page)
}

// limits are conditions that say more than the rest of the page does, which has the end.
func limits(clauses []delegation.Clause) []condition {
	all := conditions(clauses, nil)
	if len(all) == 1 {
		c := all[0]
		c.Until, c.Scopes, c.Audiences = time.Time{}, nil, nil
		if c.Empty() {
			return nil
		}
		return []condition{c}
	}
	return all
}

// lives are the ends to choose from: as asked, or as late as allowed if that is earlier, and round
// ones before that.
func lives(c subgrant.Consent, now time.Time) []form.Preset {
	last := form.Preset{Value: asAsked, Text: "as long as it asks", Ends: delegation.End(c.Asked.Clauses)}
	if last.Ends.IsZero() || last.Ends.After(c.Latest) {
		last.Text, last.Ends = "as long as is allowed here", c.Latest
	}
	const day = 24 * time.Hour
	var out []form.Preset
	for _, life := range []time.Duration{time.Hour, 8 * time.Hour, day, 7 * day, 30 * day} {
		if end := now.Add(life); end.Before(last.Ends) {
			out = append(out, form.Preset{Value: life.String(), Text: credential.Words(life), Ends: end})
		}
	}
	return append(out, last)
}

// decideConsent agrees to what is left, or declines.
func (p *Pages) decideConsent(v *frame.View) error {
	code := v.PathValue("code")
	c, err := p.Subgrants.Asked(v.Context(), v.By, code)
	if err != nil {
		return err
	}
	title := cmp.Or(c.Provider.Title, c.Provider.ID)
	page := consentPage{Consent: c, Code: code, Provider: title, Application: grant.Clean(c.Asked.Application, 100)}
	ctx, cancel := v.Await()
	defer cancel()
	if v.PostFormValue("decision") != "approve" {
		page.Declined = true
		if err := p.Subgrants.Decline(ctx, v.By, code); err != nil {
			return err
		}
		return frame.Show(v, "consent", consentTitle, page)
	}
	f := consentForm{Name: v.PostFormValue("name"), Life: v.PostFormValue("life"), Capabilities: v.PostForm["capability"], Scopes: v.PostForm["scope"], Audiences: v.PostForm["audience"]}
	w, err := narrowed(c, f, v.At)
	to := ""
	if err == nil {
		to, err = p.Subgrants.Accept(ctx, v.By, code, w)
	}
	if wrong := told(v, err); err != nil && wrong != nil && wrong.Code != fault.NotFound {
		return showConsent(v, c, f, wrong)
	}
	if err != nil {
		return err
	}
	if to == "" {
		page.Agreed = true
		return frame.Show(v, "consent", consentTitle, page)
	}
	return onward(v, to, title, "", c.Provider.Type == grant.MyToken)
}

// narrowed is what was asked without what the person took away. The service refuses what goes beyond.
func narrowed(c subgrant.Consent, f consentForm, now time.Time) (delegation.Wish, error) {
	w := delegation.Wish{Name: f.Name, Capabilities: delegation.Capabilities(f.Capabilities)}
	switch {
	case len(f.Capabilities) == 0:
		return w, fault.New(fault.Invalid, "a token that may do nothing is of no use").WithHint("leave one thing that it may do, or decline")
	case len(f.Scopes) == 0 && len(c.Scopes) > 0:
		return w, fault.New(fault.Invalid, "without any scope its access tokens could do nothing").WithHint("leave at least one, or decline")
	case len(f.Audiences) == 0 && len(c.Audiences) > 0:
		return w, fault.New(fault.Invalid, "without any audience its access tokens would be for nobody").WithHint("leave at least one, or decline")
	}
	var end time.Time
	if f.Life != asAsked {
		life, err := time.ParseDuration(f.Life)
		if err != nil || life <= 0 {
			return w, fault.New(fault.Invalid, "choose how long the token shall live")
		}
		end = now.Add(life).UTC().Truncate(time.Second)
	}
	asked := c.Asked.Clauses
	if len(asked) == 0 {
		asked = []delegation.Clause{{}}
	}
	same := true
	for _, clause := range asked {
		cut, changed, left := cutTo(clause, c, f, end)
		same = same && !changed
		if left {
			w.Clauses = append(w.Clauses, cut)
		}
	}
	if same {
		w.Clauses = nil
		return w, nil
	}
	if len(w.Clauses) == 0 {
		return w, fault.New(fault.Invalid, "what you left cannot be used together: every condition under which it may be used is gone").WithHint("leave more, or decline")
	}
	return w, nil
}

// cutTo returns a clause without what the person took away, whether that changed it, and whether
// anything is left of it.
func cutTo(clause delegation.Clause, c subgrant.Consent, f consentForm, end time.Time) (cut delegation.Clause, changed, left bool) {
	cut, left = clause, true
	one := func(has, offered, kept []string) []string {
		from := has
		if len(from) == 0 { // it lists none: all that are offered are meant
			from = offered
		}
		rest := slices.DeleteFunc(slices.Clone(from), func(s string) bool { return slices.Contains(offered, s) && !slices.Contains(kept, s) })
		switch {
		case len(rest) == len(from):
			return has
		case len(rest) == 0:
			left = false
		}
		changed = true
		return rest
	}
	cut.Scope = one(clause.Scope, c.Scopes, f.Scopes)
	if len(c.Audiences) > 0 {
		cut.Audience = one(clause.Audience, c.Audiences, f.Audiences)
	}
	if !end.IsZero() && (cut.Expires.IsZero() || end.Before(cut.Expires)) {
		cut.Expires, changed = end, true
		left = left && (cut.NotBefore.IsZero() || cut.NotBefore.Before(end))
	}
	return cut, changed, left
}
