package httpapi

import (
	"context"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/authority"
	"github.com/lanyardhq/lanyard/internal/authority/onlineca"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/httpapi/call"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/material"
)

// Grid is what the API serves of X.509 and VOs.
type Grid struct {
	Authority *authority.Authority
	// CA is Lanyard's own, nil if it has none.
	CA *onlineca.CA
	// Import has the members of a VO imported from its directory now.
	Import func(ctx context.Context, vo string, confirmed int) (authority.Imported, error)
}

// voRoutes are those about VOs and certificates. What tools need to recognise a VO is told to
// everybody, as it is at every VOMS server.
func (a *API) voRoutes(add func(pattern string, serve func(*call.Call) (any, error), query ...string), open func(pattern string, serve func(*call.Call) (any, error))) {
	add("GET /vos", a.listVOs)
	add("GET /vos/{vo}", a.showVO)
	open("GET /vos/{vo}/lsc", a.lsc)
	open("GET /vos/{vo}/vomses", a.vomses)
	add("GET /vos/{vo}/members", a.listVOMembers)
	add("PUT /vos/{vo}/members", a.setVOMember)
	add("DELETE /vos/{vo}/members/{member}", a.removeVOMember)
	add("POST /vos/{vo}/import", a.importVOMembers)

	add("GET /accounts/{account}/certificates", a.listCertificates)
	add("PUT /accounts/{account}/certificates", a.linkCertificate)
	add("POST /accounts/{account}/certificates/unlink", a.unlinkCertificate)

	open("GET /ca/certificate.pem", a.caCertificate)
	open("GET /ca/crl.pem", a.crlPEM)
	open("GET /ca/crl.der", a.crlDER)
	open("GET /ca/signing_policy", a.signingPolicy)
}

func (a *API) listVOs(c *call.Call) (any, error) {
	all, err := a.Grid.Authority.ListVOs(c.Context(), c.By)
	if err != nil {
		return nil, err
	}
	return list(a, api.SchemaVOs, all, nil, voOf), nil
}

func (a *API) showVO(c *call.Call) (any, error) {
	v, err := a.Grid.Authority.ShowVO(c.Context(), c.By, c.PathValue("vo"))
	if err != nil {
		return nil, err
	}
	return voOf(v), nil
}

// lsc is the text for the vomsdir. A VO with several servers has a file for each; ours have one.
func (a *API) lsc(c *call.Call) (any, error) {
	servers, err := a.Grid.Authority.Servers(c.PathValue("vo"))
	if err != nil {
		return nil, err
	}
	if len(servers) != 1 || servers[0].LSC == "" {
		return nil, fault.New(fault.NotFound, "there is no one LSC file for %.70q", c.PathValue("vo")).WithHint("the VO itself lists its servers, each with its file")
	}
	return call.File{Name: servers[0].Host + ".lsc", Type: "text/plain; charset=utf-8", Text: material.Secret(servers[0].LSC)}, nil
}

func (a *API) vomses(c *call.Call) (any, error) {
	servers, err := a.Grid.Authority.Servers(c.PathValue("vo"))
	if err != nil {
		return nil, err
	}
	text := ""
	for _, s := range servers {
		text += s.String() + "\n"
	}
	return call.File{Name: c.PathValue("vo"), Type: "text/plain; charset=utf-8", Text: material.Secret(text)}, nil
}

func (a *API) listVOMembers(c *call.Call) (any, error) {
	ms, err := a.Grid.Authority.ListMembers(c.Context(), c.By, c.PathValue("vo"))
	if err != nil {
		return nil, err
	}
	return list(a, api.SchemaVOMembers, ms, nil, a.voMember), nil
}

func (a *API) setVOMember(c *call.Call) (any, error) {
	o, err := call.Body[api.VOMemberOrder](c)
	if err != nil {
		return nil, err
	}
	m := vo.Member{AccountID: o.AccountID, Subject: o.Subject, Issuer: o.Issuer, FQANs: o.FQANs, Reason: o.Reason, ExpiresAt: o.ExpiresAt}
	for _, x := range o.Attributes {
		m.Attributes = append(m.Attributes, vo.Attribute(x))
	}
	m, err = a.Grid.Authority.SetMember(c.Context(), c.By, c.PathValue("vo"), m, o.Suspended)
	if err != nil {
		return nil, err
	}
	return a.voMember(m), nil
}

func (a *API) removeVOMember(c *call.Call) (any, error) {
	return nil, a.Grid.Authority.RemoveMember(c.Context(), c.By, c.PathValue("vo"), c.PathValue("member"))
}

func (a *API) importVOMembers(c *call.Call) (any, error) {
	o, err := call.OptionalBody[api.VOImportOrder](c)
	if err != nil {
		return nil, err
	}
	if !c.By.Operator {
		return nil, fault.New(fault.Denied, "only the operator may do this").WithHint("ask the people who run this installation")
	}
	done, err := a.Grid.Import(c.Context(), c.PathValue("vo"), o.ConfirmRemovals)
	if err != nil {
		return nil, err
	}
	return api.VOImport{Schema: api.SchemaVOImport, Added: done.Added, Changed: done.Changed, Removed: done.Removed, Kept: done.Kept}, nil
}

func (a *API) listCertificates(c *call.Call) (any, error) {
	cs, err := a.Grid.Authority.ListCertificates(c.Context(), c.By, c.PathValue("account"))
	if err != nil {
		return nil, err
	}
	return list(a, api.SchemaCertificates, cs, nil, func(x vo.Certificate) api.AccountCertificate {
		return api.AccountCertificate{Schema: api.SchemaCertificate, AccountID: x.AccountID, Subject: x.Subject, Issuer: x.Issuer, Source: x.Source, Since: x.Since}
	}), nil
}

// linkCertificate is the operator's: an account that says so itself has proved nothing here.
func (a *API) linkCertificate(c *call.Call) (any, error) {
	n, err := call.Body[api.CertificateNames](c)
	if err != nil {
		return nil, err
	}
	if !c.By.Operator {
		return nil, fault.New(fault.Denied, "only the operator may do this").WithHint("prove that the certificate is yours: lanyard proxy delegate")
	}
	return nil, a.Grid.Authority.LinkCertificate(c.Context(), c.By, c.PathValue("account"), n.Subject, n.Issuer)
}

func (a *API) unlinkCertificate(c *call.Call) (any, error) {
	n, err := call.Body[api.CertificateNames](c)
	if err != nil {
		return nil, err
	}
	return nil, a.Grid.Authority.UnlinkCertificate(c.Context(), c.By, c.PathValue("account"), n.Subject, n.Issuer)
}

// ca finds the server's own authority.
func (a *API) ca() (*onlineca.CA, error) {
	if a.Grid.CA == nil {
		return nil, fault.New(fault.NotFound, "this server has no certification authority of its own")
	}
	return a.Grid.CA, nil
}

func (a *API) caCertificate(*call.Call) (any, error) {
	ca, err := a.ca()
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Chain()[0].Raw})
	return call.File{Name: "lanyard-ca.pem", Type: "application/x-pem-file", Text: material.Secret(text)}, nil
}

func (a *API) crlDER(c *call.Call) (any, error) {
	ca, err := a.ca()
	if err != nil {
		return nil, err
	}
	der, err := ca.Published(c.Context())
	if err != nil {
		return nil, err
	}
	c.Reply.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", onlineca.PublishEvery/time.Second))
	return call.File{Type: "application/pkix-crl", Text: material.Secret(der)}, nil // RFC 5280 §4.2.1.13
}

func (a *API) crlPEM(c *call.Call) (any, error) {
	v, err := a.crlDER(c)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte(v.(call.File).Text.Reveal())})
	return call.File{Name: "lanyard-ca.r0", Type: "application/x-pem-file", Text: material.Secret(text)}, nil
}

func (a *API) signingPolicy(*call.Call) (any, error) {
	ca, err := a.ca()
	if err != nil {
		return nil, err
	}
	return call.File{Name: "lanyard-ca.signing_policy", Type: "text/plain; charset=utf-8", Text: material.Secret(ca.SigningPolicy())}, nil
}

func voOf(v authority.View) api.VO {
	w := api.VO{Schema: api.SchemaVO, Name: v.Name, Title: v.Title, Managed: v.Managed, FQANs: v.FQANs, Projects: v.Projects, Servers: []api.VOServer{}}
	for _, s := range v.Servers {
		w.Servers = append(w.Servers, api.VOServer{Alias: s.Alias, Host: s.Host, Port: s.Port, Subject: s.DN, LSC: s.LSC})
	}
	for _, g := range v.Groups {
		w.Groups = append(w.Groups, api.VOGroup{Name: g.Name, Title: g.Title, Roles: g.Roles})
	}
	return w
}

func (a *API) voMember(m vo.Member) api.VOMember {
	w := api.VOMember{Schema: api.SchemaVOMember, ID: m.ID, VO: m.VO, AccountID: m.AccountID, Name: m.AccountName, Subject: m.Subject,
		Issuer: m.Issuer, FQANs: append([]string{}, m.FQANs...), State: "active", Reason: m.Reason, Source: m.Source, Since: m.Since, ExpiresAt: m.ExpiresAt}
	for _, x := range m.Attributes {
		w.Attributes = append(w.Attributes, api.VOAttribute(x))
	}
	switch now := a.Now().UTC().Truncate(time.Second); {
	case !m.SuspendedAt.IsZero():
		w.State = "suspended"
	case !m.ExpiresAt.IsZero() && !now.Before(m.ExpiresAt):
		w.State = "expired"
	}
	return w
}
