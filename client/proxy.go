package client

import (
	"context"
	"net/http"

	"github.com/lanyardhq/lanyard/api"
)

// CompleteProxy answers the signing request of a delegation, or renews it.
func (c *Client) CompleteProxy(ctx context.Context, ref string, chain api.ProxyChain) (api.Credential, error) {
	return send[api.Credential](ctx, c, call{method: http.MethodPut, path: []string{"credentials", ref, "chain"}, in: chain})
}

// RetrieveProxy returns a fresh proxy below a credential.
func (c *Client) RetrieveProxy(ctx context.Context, ref string, r api.ProxyRetrieval) (api.ProxyMaterial, error) {
	return send[api.ProxyMaterial](ctx, c, call{method: http.MethodPost, path: []string{"credentials", ref, "proxy"}, in: r})
}

// ListVOs returns the virtual organisations that the server knows.
func (c *Client) ListVOs(ctx context.Context) (api.List[api.VO], error) {
	return get[api.List[api.VO]](ctx, c, nil, "vos")
}

// ShowVO returns one virtual organisation, by name.
func (c *Client) ShowVO(ctx context.Context, vo string) (api.VO, error) {
	return get[api.VO](ctx, c, nil, "vos", vo)
}

// LSC returns the text by which the VO's own server is recognised, a file of the vomsdir.
func (c *Client) LSC(ctx context.Context, vo string) (string, error) {
	return c.text(ctx, "vos", vo, "lsc")
}

// Vomses returns the lines by which the VO's servers are found.
func (c *Client) Vomses(ctx context.Context, vo string) (string, error) {
	return c.text(ctx, "vos", vo, "vomses")
}

// ListVOMembers returns the members of a VO, for those who manage it.
func (c *Client) ListVOMembers(ctx context.Context, vo string) (api.List[api.VOMember], error) {
	return get[api.List[api.VOMember]](ctx, c, nil, "vos", vo, "members")
}

// SetVOMember makes or changes the member whom the order names.
func (c *Client) SetVOMember(ctx context.Context, vo string, o api.VOMemberOrder) (api.VOMember, error) {
	return send[api.VOMember](ctx, c, call{method: http.MethodPut, path: []string{"vos", vo, "members"}, in: o})
}

// RemoveVOMember ends a membership, by its id.
func (c *Client) RemoveVOMember(ctx context.Context, vo, id string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: []string{"vos", vo, "members", id}, single: true})
	return err
}

// CACertificates returns the certificates, PEM, of the authorities by which the server's own
// certificates and those of its VOs' servers are recognised.
func (c *Client) CACertificates(ctx context.Context) (string, error) {
	return c.text(ctx, "ca", "certificate.pem")
}

// CARevocations returns the certificate revocation list, PEM, of the server's own authority.
func (c *Client) CARevocations(ctx context.Context) (string, error) {
	return c.text(ctx, "ca", "crl.pem")
}

// CASigningPolicy returns the names that the server's own authority may sign, in the format of
// Globus' signing_policy files.
func (c *Client) CASigningPolicy(ctx context.Context) (string, error) {
	return c.text(ctx, "ca", "signing_policy")
}

// text fetches a document that is not JSON.
func (c *Client) text(ctx context.Context, path ...string) (string, error) {
	text, err := c.do(ctx, call{method: http.MethodGet, path: path})
	return string(text), err
}
