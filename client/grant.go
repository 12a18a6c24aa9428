package client

import (
	"context"
	"net/http"

	"github.com/lanyardhq/lanyard/api"
)

// ListProviders returns the authorization servers that grants can be had for.
func (c *Client) ListProviders(ctx context.Context) (api.List[api.Provider], error) {
	return get[api.List[api.Provider]](ctx, c, nil, "providers")
}

// Approve returns the page where a person approves a grant: a new one, or one that needs its person
// to sign in again. The grant keeps its id. ref is an id, a name, or the id of a provider that the
// caller has one grant for.
func (c *Client) Approve(ctx context.Context, ref string) (api.Approval, error) {
	return send[api.Approval](ctx, c, call{method: http.MethodPost, path: []string{"credentials", ref, "approval"}})
}

// Token returns an access token of a grant. ref is as for Approve.
func (c *Client) Token(ctx context.Context, ref string, r api.TokenRequest) (api.Token, error) {
	return send[api.Token](ctx, c, call{method: http.MethodPost, path: []string{"credentials", ref, "token"}, in: r})
}

// ShowGrant returns one grant. ref is as for Approve.
func (c *Client) ShowGrant(ctx context.Context, ref string) (api.Credential, error) {
	return get[api.Credential](ctx, c, nil, "credentials", ref, "grant")
}

// Narrow takes scopes and audiences away from a grant.
func (c *Client) Narrow(ctx context.Context, ref string, n api.Narrowing) (api.Credential, error) {
	return send[api.Credential](ctx, c, call{method: http.MethodPost, path: []string{"credentials", ref, "narrow"}, in: n})
}

// ListSubgrants returns what was passed on of a grant, parents before their children.
func (c *Client) ListSubgrants(ctx context.Context, ref string) (api.List[api.Subgrant], error) {
	return get[api.List[api.Subgrant]](ctx, c, nil, "credentials", ref, "subgrants")
}

// EndSubgrant ends a part of a grant, and with recursive all that was passed on from it.
func (c *Client) EndSubgrant(ctx context.Context, id string, recursive bool) error {
	q := query()
	if recursive {
		q.Set("recursive", "true")
	}
	_, err := c.do(ctx, call{method: http.MethodDelete, path: []string{"subgrants", id}, query: q, single: true})
	return err
}
