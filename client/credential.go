package client

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/material"
)

// CredentialFilter selects credentials; the zero value selects all that the caller may see.
type CredentialFilter struct {
	Kind    string
	Project string   // id or name
	Owner   string   // account id, or "me"
	States  []string // any of intended, active, frozen, ending, ended
	Cursor  string   // from the page before
	Limit   int      // of one page; 0 leaves it to the server
}

// ListCredentials returns a page of credentials, newest first.
func (c *Client) ListCredentials(ctx context.Context, f CredentialFilter) (api.List[api.Credential], error) {
	q := query("kind", f.Kind, "project", f.Project, "owner", f.Owner, "cursor", f.Cursor, "limit", number(f.Limit))
	if len(f.States) > 0 {
		q["state"] = f.States
	}
	return get[api.List[api.Credential]](ctx, c, q, "credentials")
}

// AllCredentials follows the pages of ListCredentials to their end.
func (c *Client) AllCredentials(ctx context.Context, f CredentialFilter) (api.List[api.Credential], error) {
	all, err := c.ListCredentials(ctx, f)
	for err == nil && all.Next != nil {
		f.Cursor = *all.Next
		var page api.List[api.Credential]
		page, err = c.ListCredentials(ctx, f)
		all.Items, all.Next = append(all.Items, page.Items...), page.Next
	}
	return all, err
}

// CreateCredential orders a credential. The answer holds the secret.
func (c *Client) CreateCredential(ctx context.Context, o api.CredentialOrder) (api.Credential, error) {
	return send[api.Credential](ctx, c, call{method: http.MethodPost, path: []string{"credentials"}, in: o})
}

// ShowCredential returns one credential, by id or access key id.
func (c *Client) ShowCredential(ctx context.Context, ref string) (api.Credential, error) {
	return get[api.Credential](ctx, c, nil, "credentials", ref)
}

// CredentialSecret returns the credential with its secret, where the installation allows that.
func (c *Client) CredentialSecret(ctx context.Context, ref string) (api.Credential, error) {
	return get[api.Credential](ctx, c, nil, "credentials", ref, "secret")
}

// ExtendCredential moves its end.
func (c *Client) ExtendCredential(ctx context.Context, ref string, e api.Extension) (api.Credential, error) {
	return send[api.Credential](ctx, c, call{method: http.MethodPost, path: []string{"credentials", ref, "extend"}, in: e})
}

// FreezeCredential stops it until it is thawed.
func (c *Client) FreezeCredential(ctx context.Context, ref string) (api.Credential, error) {
	return send[api.Credential](ctx, c, call{method: http.MethodPost, path: []string{"credentials", ref, "freeze"}})
}

// ThawCredential lifts the freeze.
func (c *Client) ThawCredential(ctx context.Context, ref string) (api.Credential, error) {
	return send[api.Credential](ctx, c, call{method: http.MethodPost, path: []string{"credentials", ref, "thaw"}})
}

// DeleteCredential ends it for good.
func (c *Client) DeleteCredential(ctx context.Context, ref string) (api.Credential, error) {
	return send[api.Credential](ctx, c, call{method: http.MethodDelete, path: []string{"credentials", ref}})
}

// ListConfigurations names the clients that the server can write a configuration for.
func (c *Client) ListConfigurations(ctx context.Context, ref string) (api.List[api.Configuration], error) {
	return get[api.List[api.Configuration]](ctx, c, nil, "credentials", ref, "configurations")
}

// Configuration returns one client's configuration file for the credential. It holds the secret
// where the installation shows secrets again, else words in its place.
func (c *Client) Configuration(ctx context.Context, ref, program string) (material.Secret, error) {
	text, err := c.do(ctx, call{method: http.MethodGet, path: []string{"credentials", ref, "configurations", program}})
	return material.Secret(text), err
}

// query makes a query of names and values; empty values are left out.
func query(pairs ...string) url.Values {
	q := url.Values{}
	for pair := range slices.Chunk(pairs, 2) {
		if name, value := pair[0], pair[1]; value != "" {
			q.Set(name, value)
		}
	}
	return q
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
