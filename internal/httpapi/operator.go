package httpapi

import (
	"context"
	"strconv"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/httpapi/call"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/material"
)

func (a *API) listAccounts(c *call.Call) (any, error) {
	q := c.URL.Query()
	n, err := c.Limit()
	if err != nil {
		return nil, err
	}
	found, err := a.Broker.ListAccounts(c.Context(), c.By, identity.Filter{Kind: identity.AccountKind(q.Get("kind")),
		Issuer: q.Get("issuer"), Search: q.Get("search"), Limit: n})
	if err != nil {
		return nil, err
	}
	return list(a, api.SchemaAccounts, found, nil, account), nil
}

func (a *API) freezeProject(c *call.Call) (any, error) {
	return a.freeze(c, "project", a.Broker.FreezeProject)
}
func (a *API) thawProject(c *call.Call) (any, error) {
	return a.thaw(c, "project", a.Broker.ThawProject)
}
func (a *API) freezeAccount(c *call.Call) (any, error) {
	return a.freeze(c, "account", a.Broker.FreezeAccount)
}
func (a *API) thawAccount(c *call.Call) (any, error) {
	return a.thaw(c, "account", a.Broker.ThawAccount)
}

// freeze stops what the path names under noun.
func (a *API) freeze(c *call.Call, noun string, do func(ctx context.Context, by identity.Actor, ref, reason string) (broker.Receipt, error)) (any, error) {
	req, err := call.Body[api.Freeze](c)
	if err != nil {
		return nil, err
	}
	r, err := do(c.Context(), c.By, c.PathValue(noun), req.Reason)
	if err != nil {
		return nil, err
	}
	return a.receipt(c.PathValue(noun), r), nil
}

func (a *API) thaw(c *call.Call, noun string, do func(ctx context.Context, by identity.Actor, ref string) (broker.Receipt, error)) (any, error) {
	r, err := do(c.Context(), c.By, c.PathValue(noun))
	if err != nil {
		return nil, err
	}
	return a.receipt(c.PathValue(noun), r), nil
}

// An issuer is a URL, which does not fit into a path, so it comes in the body.
func (a *API) freezeProvider(c *call.Call) (any, error) {
	req, err := call.Body[api.ProviderFreeze](c)
	if err != nil {
		return nil, err
	}
	r, err := a.Broker.FreezeProvider(c.Context(), c.By, req.Issuer, req.Reason)
	if err != nil {
		return nil, err
	}
	return a.receipt(req.Issuer, r), nil
}

func (a *API) thawProvider(c *call.Call) (any, error) {
	req, err := call.Body[api.ProviderFreeze](c)
	if err != nil {
		return nil, err
	}
	r, err := a.Broker.ThawProvider(c.Context(), c.By, req.Issuer)
	if err != nil {
		return nil, err
	}
	return a.receipt(req.Issuer, r), nil
}

func (a *API) listAudit(c *call.Call) (any, error) {
	q := c.URL.Query()
	n, err := c.Limit()
	if err != nil {
		return nil, err
	}
	f := audit.Filter{Project: q.Get("project"), Subject: q.Get("subject"), Actor: q.Get("actor"), Limit: n + 1}
	if s := q.Get("cursor"); s != "" {
		if f.Before, err = strconv.ParseInt(s, 10, 64); err != nil || f.Before < 1 {
			return nil, fault.New(fault.Invalid, "%.40q is not a cursor", s)
		}
	}
	found, err := a.Broker.ListAudit(c.Context(), c.By, f)
	if err != nil {
		return nil, err
	}
	items, next := call.Page(found, n, func(r audit.Record) string { return strconv.FormatInt(r.Seq, 10) })
	return list(a, api.SchemaAudit, items, next, record), nil
}

func (a *API) verifyAudit(c *call.Call) (any, error) {
	bad, err := a.Broker.VerifyAudit(c.Context(), c.By)
	if err != nil {
		return nil, err
	}
	return api.AuditVerification{Schema: api.SchemaAuditVerification, Intact: bad == 0, FirstBad: bad, ServerTime: a.Now().UTC().Truncate(time.Second)}, nil
}

// openAPI answers with the description of this interface, to everybody.
func openAPI(*call.Call) (any, error) {
	return call.File{Type: "application/yaml", Text: material.Secret(api.Description)}, nil
}
