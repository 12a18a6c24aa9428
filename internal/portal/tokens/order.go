package tokens

import (
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/portal/form"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
	"github.com/lanyardhq/lanyard/internal/project"
)

type newPage struct {
	Providers []offer
	Provider  custody.ProviderStatus // the chosen one; without id none is chosen yet
	Form      grantForm
	Scopes    []choice // those that the provider is usually asked for
	How       form.Choice
	Fault     *fault.Fault
}

// offer is a provider to choose, with how it is.
type offer struct {
	custody.ProviderStatus
	State state
	Fine  bool
}

// choice is something that can be ticked.
type choice struct {
	term
	Chosen bool
}

// grantForm is what the person filled in.
type grantForm struct {
	Provider, Name, For, More, Audiences, Life, Until, Once string
	Scopes                                                  []string // ticked
}

func formOf(v *frame.View) grantForm {
	f := grantForm{Provider: v.FormValue("provider"), Name: v.FormValue("name"), For: v.FormValue("for"), More: v.FormValue("more"),
		Audiences: v.FormValue("audiences"), Life: v.FormValue("life"), Until: v.FormValue("until"), Once: v.FormValue("once")}
	f.Scopes = v.Form["scope"]
	return f
}

// newGrant asks for the provider, and then for what is to be approved there.
func (p *Pages) newGrant(v *frame.View) error { return p.newForm(v, formOf(v), nil) }

func (p *Pages) newForm(v *frame.View, f grantForm, wrong *fault.Fault) error {
	page := newPage{Fault: wrong}
	providers := p.providers(v)
	for _, id := range slices.Sorted(maps.Keys(providers)) {
		one := providers[id]
		page.Providers = append(page.Providers, offer{one, health(one.Health), one.Health == grant.Fine})
	}
	if len(page.Providers) == 1 && f.Provider == "" { // no choice
		f.Provider = page.Providers[0].ID
	}
	if f.Provider == "" {
		return frame.Show(v, "newgrant", "Approve a provider", page)
	}
	var ok bool
	if page.Provider, ok = providers[f.Provider]; !ok {
		return fault.New(fault.NotFound, "there is no such provider").WithHint("begin again with “Approve a provider”")
	}
	fresh := f.Once == ""
	f.Once = rand.Text() // nothing has been made under an older one, or we would not be here
	for _, s := range page.Provider.Scopes {
		page.Scopes = append(page.Scopes, choice{term{s, scope(s)}, fresh && f.Scopes == nil || slices.Contains(f.Scopes, s)})
	}
	page.Form = f
	page.How = form.Ask(p.Broker.Lifetime(project.Project{}, grant.Kind), time.Time{}, v.At, f.Life, f.Until)
	return frame.Show(v, "newgrant", "Approve "+page.Provider.Title, page)
}

func (p *Pages) order(v *frame.View) error {
	f := formOf(v)
	issued, err := p.issue(v, f)
	if wrong := v.Refused(err); err != nil && wrong != nil {
		return p.newForm(v, f, wrong)
	}
	if err != nil {
		return err
	}
	if issued.Credential.Status == credential.Intended {
		return v.Redirect("/approvals/" + issued.Credential.ID)
	}
	return v.Redirect("/tokens/" + issued.Credential.ID + "?done=made")
}

func (p *Pages) issue(v *frame.View, f grantForm) (broker.Issued, error) {
	spec := grant.Spec{Provider: f.Provider, Scopes: slices.Concat(f.Scopes, strings.Fields(f.More)), Audiences: strings.Fields(f.Audiences), For: strings.TrimSpace(f.For)}
	if len(spec.Scopes) == 0 { // for which others would be filled in
		return broker.Issued{}, fault.New(fault.Invalid, "no scope is chosen, so its tokens could do nothing").WithHint("choose at least one")
	}
	o := credential.Order{Kind: grant.Kind, Name: strings.TrimSpace(f.Name), Spec: spec.Encode()}
	latest := v.At.Add(p.Broker.Lifetime(project.Project{}, grant.Kind).Max)
	if err := form.Chosen(&o, f.Life, f.Until, v.At, time.Time{}, latest); err != nil {
		return broker.Issued{}, err
	}
	ctx, cancel := v.Await()
	defer cancel()
	return p.Broker.Issue(ctx, v.By, o, form.Promise(f.Once, v.PostForm))
}
