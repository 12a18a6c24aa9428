package tokens

import (
	"cmp"
	"strconv"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
)

type listPage struct {
	Grants    []row
	Providers bool   // there is one to approve
	Ended     bool   // also those that have ended
	Lost      bool   // an approval came back to a browser that was signed out
	Next      string // id to continue after; empty on the last page
}

// list shows one's own grants.
func (p *Pages) list(v *frame.View) error {
	page := listPage{Ended: v.FormValue("ended") != "", Lost: v.FormValue("approval") == "lost"}
	found, err := p.Broker.ListCredentials(v.Context(), v.By, v.List(grant.Kind))
	if err != nil {
		return err
	}
	found, page.Next = frame.Page(found)
	families, err := p.Custody.Families(v.Context(), v.By, found)
	if err != nil {
		return err
	}
	providers := p.providers(v)
	page.Providers = len(providers) > 0
	for _, c := range found {
		r, err := rowOf(v.At, c, families[c.ID], providers)
		if err != nil {
			return err
		}
		page.Grants = append(page.Grants, r)
	}
	return frame.Show(v, "tokens", "Tokens and approvals", page)
}

// providers are those there are, by id.
func (p *Pages) providers(v *frame.View) map[string]custody.ProviderStatus {
	all := map[string]custody.ProviderStatus{}
	for _, one := range p.Custody.List(v.Context()) {
		all[one.ID] = one
	}
	return all
}

// row is a grant as people see it.
type row struct {
	credential.Credential
	Spec     grant.Spec
	Family   grant.Family
	Provider custody.ProviderStatus
	Standing grant.Standing
	State    state
	Health   state
	Scopes   []term
	Left     string // of its life; empty if that is over, or has not begun
	Live     bool   // it has been approved and has not ended, so that health and renewals mean something
	at       time.Time
}

func rowOf(now time.Time, c credential.Credential, f grant.Family, providers map[string]custody.ProviderStatus) (row, error) {
	spec, err := grant.ParseSpec(c.Spec)
	if err != nil {
		return row{}, err
	}
	r := row{Credential: c, Spec: spec, Family: f, Provider: providers[spec.Provider], Standing: grant.StandingOf(c, f, now), State: stateOf(c, f, now),
		Health: health(f.Health), Scopes: scopes(spec.Scopes), at: now}
	r.Provider.ID, r.Provider.Title = spec.Provider, cmp.Or(r.Provider.Title, spec.Provider)
	r.Live = (c.Status == credential.Active || c.Status == credential.Frozen) && c.Over(now) == ""
	if r.Live {
		r.Left = grant.Life(c.ExpiresAt.Sub(now))
	}
	return r, nil
}

// Waiting reports whether it waits for its approval.
func (r row) Waiting() bool { return r.Status == credential.Intended && r.Over(r.at) == "" }

// Broken reports whether only another approval makes it give tokens again.
func (r row) Broken() bool { return r.Live && r.Family.Health == grant.NeedsSignIn }

// Fine reports whether renewing it goes well.
func (r row) Fine() bool { return r.Family.Health == grant.Fine }

// Own reports whether its tokens are made here, without a provider elsewhere.
func (r row) Own() bool { return r.Provider.Type == grant.Lanyard }

// Renewed says how often its token was renewed.
func (r row) Renewed() string {
	switch r.Family.Renewals {
	case 0:
		return "not renewed yet"
	case 1:
		return "renewed once"
	}
	return "renewed " + strconv.FormatInt(r.Family.Renewals, 10) + " times"
}

// Soon reports whether the next renewal is planned and still to come.
func (r row) Soon() bool { return r.Family.DueAt.After(r.at) }
