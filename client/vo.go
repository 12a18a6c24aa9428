package client

import (
	"context"
	"net/http"

	"github.com/lanyardhq/lanyard/api"
)

// ImportVOMembers has the members of a VO imported from its directory now.
func (c *Client) ImportVOMembers(ctx context.Context, vo string, o api.VOImportOrder) (api.VOImport, error) {
	return send[api.VOImport](ctx, c, call{method: http.MethodPost, path: []string{"vos", vo, "import"}, in: o})
}

// ListCertificates returns the certificates of other authorities that belong to an account.
func (c *Client) ListCertificates(ctx context.Context, accountID string) (api.List[api.AccountCertificate], error) {
	return get[api.List[api.AccountCertificate]](ctx, c, nil, "accounts", accountID, "certificates")
}

// LinkCertificate makes a certificate an account's.
func (c *Client) LinkCertificate(ctx context.Context, accountID string, n api.CertificateNames) error {
	_, err := c.do(ctx, call{method: http.MethodPut, path: []string{"accounts", accountID, "certificates"}, in: n})
	return err
}

// UnlinkCertificate takes a certificate away from an account.
func (c *Client) UnlinkCertificate(ctx context.Context, accountID string, n api.CertificateNames) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: []string{"accounts", accountID, "certificates", "unlink"}, in: n, single: true})
	return err
}
