package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/httpapi/call"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
)

// states are those that a list can be filtered by.
var states = []credential.Status{credential.Intended, credential.Active, credential.Frozen, credential.Ending, credential.Ended}

// listSchemas are those of lists of one kind.
var listSchemas = map[string]string{s3key.Name: api.SchemaS3Keys, proxy.Name: api.SchemaProxies, grant.Kind: api.SchemaGrants}

func (a *API) listCredentials(c *call.Call) (any, error) {
	q := c.URL.Query()
	n, err := c.Limit()
	if err != nil {
		return nil, err
	}
	f := credential.Filter{Kind: q.Get("kind"), ProjectID: q.Get("project"), OwnerID: q.Get("owner"), Before: q.Get("cursor"), Limit: n + 1}
	if f.OwnerID == "me" {
		f.OwnerID = c.By.AccountID
	}
	for _, s := range q["state"] {
		if !slices.Contains(states, credential.Status(s)) {
			return nil, fault.New(fault.Invalid, "there is no state %.40q", s).WithHint("states are %v", states)
		}
		f.Statuses = append(f.Statuses, credential.Status(s))
	}
	found, err := a.Broker.ListCredentials(c.Context(), c.By, f)
	if err != nil {
		return nil, err
	}
	items, next := call.Page(found, n, func(c credential.Credential) string { return c.ID })
	longest, err := a.longest(c, items...)
	if err != nil {
		return nil, err
	}
	grants, err := a.grants(c, items...)
	if err != nil {
		return nil, err
	}
	return list(a, cmp.Or(listSchemas[f.Kind], api.SchemaCredentials), items, next, func(x credential.Credential) api.Credential {
		w := a.credential(x, longest[rule{x.ProjectID, x.Kind}])
		w.Grant = grants[x.ID]
		return w
	}), nil
}

func (a *API) createCredential(c *call.Call) (any, error) {
	req, err := call.Body[api.CredentialOrder](c)
	if err != nil {
		return nil, err
	}
	o, err := ordered(req)
	if err != nil {
		return nil, err
	}
	promise, err := c.Once()
	if err != nil {
		return nil, err
	}
	got, err := a.Broker.Issue(c.Context(), c.By, o, promise)
	if err != nil {
		return nil, err
	}
	if got.Replayed {
		c.Reply.Set("Idempotency-Replayed", "true")
	}
	c.Reply.Set("Location", Prefix+"/credentials/"+got.Credential.ID)
	w, err := a.reveal(c, got)
	if err == nil && w.Grant != nil && got.Credential.Status == credential.Intended {
		var page custody.Approval
		page, err = a.Custody.Approval(c.Context(), c.By, got.Credential.ID)
		w.Grant.Approval = approvalOf(page)
	}
	return call.Created{Answer: w}, err
}

// ordered is what the broker is to make.
func ordered(req api.CredentialOrder) (credential.Order, error) {
	o := credential.Order{Kind: req.Kind, ProjectID: req.Project, Name: req.Name, Until: req.ExpiresAt}
	var err error
	if o.Life, err = call.Seconds(req.Life); err != nil {
		return o, err
	}
	switch {
	case req.S3 != nil && req.Kind != s3key.Name, req.Proxy != nil && req.Kind != proxy.Name, req.Grant != nil && req.Kind != grant.Kind:
		return o, fault.New(fault.Invalid, "what is ordered under s3, proxy or grant belongs to another kind than %.40q", req.Kind)
	case req.S3 != nil:
		o.Spec, err = json.Marshal(req.S3)
	case req.Proxy != nil:
		err = wantProxy(&o, *req.Proxy)
	case req.Grant != nil:
		wantGrant(&o, *req.Grant)
	}
	if err != nil {
		return o, fmt.Errorf("encode order: %w", err)
	}
	return o, nil
}

func (a *API) showCredential(c *call.Call) (any, error) {
	got, err := a.Broker.Inspect(c.Context(), c.By, c.PathValue("credential"))
	if err != nil {
		return nil, err
	}
	return a.reveal(c, got)
}

func (a *API) extendCredential(c *call.Call) (any, error) {
	req, err := call.OptionalBody[api.Extension](c)
	if err != nil {
		return nil, err
	}
	life, err := call.Seconds(req.Life)
	if err != nil {
		return nil, err
	}
	promise, err := c.Once()
	if err != nil {
		return nil, err
	}
	x, err := a.Broker.Extend(c.Context(), c.By, c.PathValue("credential"), life, req.ExpiresAt, promise)
	if err != nil {
		return nil, err
	}
	return a.show(c, x)
}

func (a *API) credentialSecret(c *call.Call) (any, error) {
	got, err := a.Broker.Again(c.Context(), c.By, c.PathValue("credential"))
	if err != nil {
		return nil, err
	}
	return a.reveal(c, got)
}

func (a *API) freezeCredential(c *call.Call) (any, error) { return a.change(c, a.Broker.Freeze) }
func (a *API) thawCredential(c *call.Call) (any, error)   { return a.change(c, a.Broker.Thaw) }
func (a *API) deleteCredential(c *call.Call) (any, error) { return a.change(c, a.Broker.End) }

// change freezes, thaws or ends one credential, and renders it as it is then.
func (a *API) change(c *call.Call, do func(context.Context, identity.Actor, string, audit.Once) (broker.Receipt, error)) (any, error) {
	promise, err := c.Once()
	if err != nil {
		return nil, err
	}
	r, err := do(c.Context(), c.By, c.PathValue("credential"), promise)
	if err != nil {
		return nil, err
	}
	if len(r.Credentials) == 0 { // there was nothing left to do
		return a.showCredential(c)
	}
	w, err := a.show(c, r.Credentials[0])
	w.RefusedSince = r.RefusedSince
	return w, err
}

// A rule is what a lifetime rule hangs on.
type rule struct{ projectID, kind string }

// longest returns how far from now extensions of the credentials may reach by their rules.
func (a *API) longest(c *call.Call, cs ...credential.Credential) (map[rule]time.Duration, error) {
	lives := map[rule]time.Duration{}
	for _, x := range cs {
		r := rule{x.ProjectID, x.Kind}
		if _, known := lives[r]; known || x.Status != credential.Active {
			continue
		}
		life, err := a.Broker.LongestLife(c.Context(), x.ProjectID, x.Kind)
		if err != nil {
			return nil, err
		}
		lives[r] = life
	}
	return lives, nil
}

// show renders a credential without its secret.
func (a *API) show(c *call.Call, x credential.Credential) (api.Credential, error) {
	longest, err := a.longest(c, x)
	if err != nil {
		return api.Credential{}, err
	}
	grants, err := a.grants(c, x)
	w := a.credential(x, longest[rule{x.ProjectID, x.Kind}])
	w.Grant = grants[x.ID]
	return w, err
}

// reveal renders a credential with its secret or, of a proxy, its certificates.
func (a *API) reveal(c *call.Call, got broker.Issued) (api.Credential, error) {
	w, err := a.show(c, got.Credential)
	if s3 := got.Material.S3; s3 != nil {
		w.SecretAccessKey = s3.SecretAccessKey
	}
	if x := got.Material.X509; x != nil && w.Proxy != nil {
		w.Proxy.Request, w.Proxy.Certificates = x.Request, x.PEM.Reveal()
	}
	return w, err
}
