package client_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
)

// TestProxyRoutes holds every call about proxies and VOs to its route, and those that change
// something to their Idempotency-Key.
func TestProxyRoutes(t *testing.T) {
	for _, tt := range []struct {
		route, body string
		do          func(context.Context, *client.Client) error
	}{
		{"PUT /credentials/crd_1/chain", `{"chain":"PEM"}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.CompleteProxy(ctx, "crd_1", api.ProxyChain{Chain: "PEM"})
			return err
		}},
		{"POST /credentials/crd_1/proxy", `{"request":"PEM","life":3600,"voms":[{"vo":"climate"}]}`, func(ctx context.Context, c *client.Client) error {
			got, err := c.RetrieveProxy(ctx, "crd_1", api.ProxyRetrieval{Request: "PEM", Life: 3600, VOMS: []api.VOMS{{VO: "climate"}}})
			if got.PEM.Reveal() != "SECRET" {
				t.Errorf("got %q", got.PEM.Reveal())
			}
			return err
		}},
		{"GET /vos", "", func(ctx context.Context, c *client.Client) error { _, err := c.ListVOs(ctx); return err }},
		{"GET /vos/climate", "", func(ctx context.Context, c *client.Client) error { _, err := c.ShowVO(ctx, "climate"); return err }},
		{"GET /vos/climate/lsc", "", func(ctx context.Context, c *client.Client) error {
			got, err := c.LSC(ctx, "climate")
			if got != `{"pem":"SECRET"}` {
				t.Errorf("got %q", got)
			}
			return err
		}},
		{"GET /vos/climate/vomses", "", func(ctx context.Context, c *client.Client) error { _, err := c.Vomses(ctx, "climate"); return err }},
		{"GET /vos/climate/members", "", func(ctx context.Context, c *client.Client) error {
			_, err := c.ListVOMembers(ctx, "climate")
			return err
		}},
		{"PUT /vos/climate/members", `{"account_id":"usr_1","fqans":["/climate/ocean"]}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.SetVOMember(ctx, "climate", api.VOMemberOrder{AccountID: "usr_1", FQANs: []string{"/climate/ocean"}})
			return err
		}},
		{"DELETE /vos/climate/members/vom_1", "", func(ctx context.Context, c *client.Client) error { return c.RemoveVOMember(ctx, "climate", "vom_1") }},
		{"GET /ca/certificate.pem", "", func(ctx context.Context, c *client.Client) error { _, err := c.CACertificates(ctx); return err }},
		{"GET /ca/crl.pem", "", func(ctx context.Context, c *client.Client) error { _, err := c.CARevocations(ctx); return err }},
		{"GET /ca/signing_policy", "", func(ctx context.Context, c *client.Client) error { _, err := c.CASigningPolicy(ctx); return err }},
	} {
		t.Run(tt.route, func(t *testing.T) {
			body := ""
			c, n := over(t, func(r *http.Request) (*http.Response, error) {
				text, err := io.ReadAll(r.Body)
				if body = string(text); err != nil {
					return nil, err
				}
				return answer(200, "application/json", `{"pem":"SECRET"}`)(r)
			})
			if err := tt.do(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			r := n.requests[0]
			if got := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api/v1"); got != tt.route {
				t.Errorf("asked %s", got)
			}
			if body != tt.body {
				t.Errorf("sent %s", body)
			}
			if keyed := r.Header.Get("Idempotency-Key") != ""; keyed != (r.Method != http.MethodGet) {
				t.Errorf("keyed: %t", keyed)
			}
		})
	}
}
