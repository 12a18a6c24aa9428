package httpapi

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/httpapi/call"
)

// grantRoutes are those about grants and the tokens that come of them. Their {credential} may also be
// a grant's name, or a provider that the caller has one grant for.
func (a *API) grantRoutes(add func(pattern string, serve func(*call.Call) (any, error), query ...string)) {
	add("GET /providers", a.listProviders)
	add("GET /credentials/{credential}/grant", a.showGrant)
	add("POST /credentials/{credential}/approval", a.approve)
	add("POST /credentials/{credential}/token", a.token)
	add("POST /credentials/{credential}/narrow", a.narrow)
	add("GET /credentials/{credential}/subgrants", a.listSubgrants)
	add("DELETE /subgrants/{subgrant}", a.endSubgrant, "recursive")
}

func (a *API) listProviders(c *call.Call) (any, error) {
	return list(a, api.SchemaProviders, a.Custody.List(c.Context()), nil, func(p custody.ProviderStatus) api.Provider {
		return api.Provider{ID: p.ID, Title: p.Title, Issuer: p.Issuer, Type: p.Type, Scopes: some(p.Scopes),
			Health: string(p.Health), HealthSince: p.HealthSince}
	}), nil
}

func (a *API) showGrant(c *call.Call) (any, error) {
	x, _, err := a.Custody.Find(c.Context(), c.By, c.PathValue("credential"))
	if err != nil {
		return nil, err
	}
	return a.show(c, x)
}

// approve names the page where a person approves a grant, for the first time or again.
func (a *API) approve(c *call.Call) (any, error) {
	p, err := a.Custody.Approval(c.Context(), c.By, c.PathValue("credential"))
	if err != nil {
		return nil, err
	}
	w := approvalOf(p)
	w.Schema = api.SchemaApproval
	return w, nil
}

// token hands out an access token.
func (a *API) token(c *call.Call) (any, error) {
	req, err := call.OptionalBody[api.TokenRequest](c)
	if err != nil {
		return nil, err
	}
	w := custody.TokenWish{Wish: grant.Wish{Scopes: req.Scopes, Audiences: req.Audiences}, Force: req.Force}
	if w.MinValid, err = call.Seconds(req.MinValid); err != nil {
		return nil, err
	}
	got, err := a.Custody.Token(c.Context(), c.By, c.PathValue("credential"), w)
	if err != nil {
		return nil, err
	}
	return api.Token{Schema: api.SchemaToken, CredentialID: got.GrantID, Provider: got.Provider, Issuer: a.Custody.Providers[got.Provider].Issuer,
		AccessToken: got.Access, TokenType: "Bearer", ExpiresAt: got.AccessExpiresAt,
		ExpiresIn: max(0, int64(got.AccessExpiresAt.Sub(a.Now())/time.Second)), Scopes: some(got.Scopes), Audiences: got.Audiences}, nil
}

func (a *API) narrow(c *call.Call) (any, error) {
	req, err := call.Body[api.Narrowing](c)
	if err != nil {
		return nil, err
	}
	promise, err := c.Once()
	if err != nil {
		return nil, err
	}
	x, err := a.Custody.Narrow(c.Context(), c.By, c.PathValue("credential"), grant.Wish{Scopes: req.Scopes, Audiences: req.Audiences}, promise)
	if err != nil {
		return nil, err
	}
	return a.show(c, x)
}

func (a *API) listSubgrants(c *call.Call) (any, error) {
	x, _, err := a.Custody.Find(c.Context(), c.By, c.PathValue("credential"))
	if err != nil {
		return nil, err
	}
	all, err := a.Subgrants.Tree(c.Context(), c.By, x.ID)
	if err != nil {
		return nil, err
	}
	return list(a, api.SchemaSubgrants, all, nil, a.subgrantOf), nil
}

func (a *API) endSubgrant(c *call.Call) (any, error) {
	recursive, err := strconv.ParseBool(cmp.Or(c.URL.Query().Get("recursive"), "false"))
	if err != nil {
		return nil, fault.New(fault.Invalid, "recursive is true or false")
	}
	return nil, a.Subgrants.End(c.Context(), c.By, c.PathValue("subgrant"), recursive)
}

func (a *API) subgrantOf(s delegation.SubGrant) api.Subgrant {
	w := api.Subgrant{ID: s.ID, CredentialID: s.GrantID, ParentID: s.ParentID, Name: s.Name, Application: s.Application, Capabilities: some(s.Capabilities),
		State: "active", Reason: string(s.Reason), CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt, EndedAt: s.EndedAt, Address: s.Address}
	if !s.Alive(a.Now()) {
		w.State = "ended"
	}
	return w
}

// grants renders what grants among cs have beyond other credentials, by credential id.
func (a *API) grants(c *call.Call, cs ...credential.Credential) (map[string]*api.Grant, error) {
	cs = slices.DeleteFunc(slices.Clone(cs), func(x credential.Credential) bool { return x.Kind != grant.Kind })
	if len(cs) == 0 {
		return nil, nil
	}
	families, err := a.Custody.Families(c.Context(), c.By, cs)
	if err != nil {
		return nil, err
	}
	out := map[string]*api.Grant{}
	for _, x := range cs {
		out[x.ID] = a.grantOf(x, families[x.ID])
	}
	return out, nil
}

// grantOf renders one; nil if its spec cannot be read.
func (a *API) grantOf(x credential.Credential, f grant.Family) *api.Grant {
	spec, err := grant.ParseSpec(x.Spec)
	if err != nil {
		return nil
	}
	now := a.Now().UTC().Truncate(time.Second)
	standing := grant.StandingOf(x, f, now)
	return &api.Grant{Provider: spec.Provider, Scopes: some(spec.Scopes), Audiences: spec.Audiences, For: spec.For,
		Standing: string(standing), StandingText: standing.Text(x.ExpiresAt.Sub(now)), NextStep: standing.Next(grant.Ref(x)),
		Health: string(cmp.Or(f.Health, grant.Fine)), HealthSince: f.HealthSince, Detail: f.Detail,
		Renewals: f.Renewals, RenewedAt: f.RenewedAt, NextRenewalAt: f.DueAt, AccessExpiresAt: f.Default.AccessExpiresAt}
}

func approvalOf(p custody.Approval) *api.Approval {
	return &api.Approval{CredentialID: p.CredentialID, URL: p.URL, ExpiresAt: p.ExpiresAt, Interval: int64(p.Interval / time.Second)}
}

// some is list, never null on the wire.
func some(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// wantGrant puts the wire's order for a grant into o.
func wantGrant(o *credential.Order, w api.GrantOrder) {
	o.Spec = grant.Spec{Provider: w.Provider, Scopes: w.Scopes, Audiences: w.Audiences, For: w.For}.Encode()
}
