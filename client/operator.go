package client

import (
	"context"
	"net/http"
	"strconv"

	"github.com/lanyardhq/lanyard/api"
)

// The calls below are the operator's: they are answered on the administration socket.

// CreateProject makes a project.
func (c *Client) CreateProject(ctx context.Context, o api.ProjectOrder) (api.Project, error) {
	return send[api.Project](ctx, c, call{method: http.MethodPost, path: []string{"projects"}, in: o})
}

// ChangeProject changes those fields of a project that the order sets.
func (c *Client) ChangeProject(ctx context.Context, ref string, o api.ProjectOrder) (api.Project, error) {
	return send[api.Project](ctx, c, call{method: http.MethodPatch, path: []string{"projects", ref}, in: o})
}

// FreezeProject stops everything of a project.
func (c *Client) FreezeProject(ctx context.Context, ref, reason string) (api.Receipt, error) {
	return send[api.Receipt](ctx, c, call{method: http.MethodPost, path: []string{"projects", ref, "freeze"},
		in: api.Freeze{Reason: reason}})
}

// ThawProject lets a project go on.
func (c *Client) ThawProject(ctx context.Context, ref string) (api.Receipt, error) {
	return send[api.Receipt](ctx, c, call{method: http.MethodPost, path: []string{"projects", ref, "thaw"}})
}

// AccountFilter selects accounts; the zero value selects all.
type AccountFilter struct {
	Kind   string // person or robot
	Issuer string
	Search string // part of name, e-mail, subject or id
	Limit  int    // 0 leaves it to the server
}

// ListAccounts returns people and robots.
func (c *Client) ListAccounts(ctx context.Context, f AccountFilter) (api.List[api.Account], error) {
	q := query("kind", f.Kind, "issuer", f.Issuer, "search", f.Search, "limit", number(f.Limit))
	return get[api.List[api.Account]](ctx, c, q, "accounts")
}

// FreezeAccount stops everything of a person or robot.
func (c *Client) FreezeAccount(ctx context.Context, id, reason string) (api.Receipt, error) {
	return send[api.Receipt](ctx, c, call{method: http.MethodPost, path: []string{"accounts", id, "freeze"},
		in: api.Freeze{Reason: reason}})
}

// ThawAccount lets a person or robot go on.
func (c *Client) ThawAccount(ctx context.Context, id string) (api.Receipt, error) {
	return send[api.Receipt](ctx, c, call{method: http.MethodPost, path: []string{"accounts", id, "thaw"}})
}

// FreezeProvider stops everybody whom an identity provider vouches for.
func (c *Client) FreezeProvider(ctx context.Context, issuer, reason string) (api.Receipt, error) {
	return send[api.Receipt](ctx, c, call{method: http.MethodPost, path: []string{"providers", "freeze"},
		in: api.ProviderFreeze{Issuer: issuer, Reason: reason}})
}

// ThawProvider lets them go on.
func (c *Client) ThawProvider(ctx context.Context, issuer string) (api.Receipt, error) {
	return send[api.Receipt](ctx, c, call{method: http.MethodPost, path: []string{"providers", "thaw"},
		in: api.ProviderFreeze{Issuer: issuer}})
}

// AuditFilter selects records of the audit trail; the zero value selects all.
type AuditFilter struct {
	Project, Subject, Actor string
	Before                  int64 // a sequence number to continue from
	Limit                   int   // 0 leaves it to the server
}

// ListAudit returns records of the audit trail, newest first.
func (c *Client) ListAudit(ctx context.Context, f AuditFilter) (api.List[api.AuditRecord], error) {
	q := query("project", f.Project, "subject", f.Subject, "actor", f.Actor, "limit", number(f.Limit))
	if f.Before > 0 {
		q.Set("cursor", strconv.FormatInt(f.Before, 10))
	}
	return get[api.List[api.AuditRecord]](ctx, c, q, "audit")
}

// VerifyAudit walks the hash chain of the whole audit trail.
func (c *Client) VerifyAudit(ctx context.Context) (api.AuditVerification, error) {
	return get[api.AuditVerification](ctx, c, nil, "audit", "verification")
}
