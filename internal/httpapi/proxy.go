package httpapi

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/httpapi/call"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/material"
)

// wantProxy puts the wire's order for a proxy into o.
func wantProxy(o *credential.Order, w api.ProxyOrder) error {
	spec, err := json.Marshal(proxy.Wanted{Way: proxy.Way(w.Way), VOMS: vosOf(w.VOMS), Limited: w.Limited, Request: w.Request})
	if err != nil {
		return err
	}
	secret, err := json.Marshal(proxy.Secret{Chain: w.Chain, Key: w.Key, Passphrase: w.Passphrase})
	o.Spec, o.Secret = spec, material.Secret(secret)
	return err
}

// completeCredential takes the chain that answers a delegation's signing request.
func (a *API) completeCredential(c *call.Call) (any, error) {
	req, err := call.Body[api.ProxyChain](c)
	if err != nil {
		return nil, err
	}
	promise, err := c.Once()
	if err != nil {
		return nil, err
	}
	x, err := a.Broker.Complete(c.Context(), c.By, c.PathValue("credential"), req.Chain, promise)
	if err != nil {
		return nil, err
	}
	return a.show(c, x)
}

// retrieveProxy hands out a fresh proxy, around a key of the caller's if there is a signing request.
func (a *API) retrieveProxy(c *call.Call) (any, error) {
	req, err := call.OptionalBody[api.ProxyRetrieval](c)
	if err != nil {
		return nil, err
	}
	wish := credential.Wish{}
	if wish.Life, err = call.Seconds(req.Life); err != nil {
		return nil, err
	}
	if wish.Spec, err = json.Marshal(proxy.Wish{Request: req.Request, Limited: req.Limited, VOMS: vosOf(req.VOMS)}); err != nil {
		return nil, fmt.Errorf("encode wish: %w", err)
	}
	got, err := a.Broker.Retrieve(c.Context(), c.By, c.PathValue("credential"), wish)
	if err != nil {
		return nil, err
	}
	x := got.Material.X509
	if x == nil {
		return nil, fault.New(fault.Invalid, "%s is not a proxy", got.Credential.PublicID)
	}
	w := api.ProxyMaterial{Schema: api.SchemaProxyMaterial, CredentialID: got.Credential.ID, Subject: x.Subject, Identity: x.Identity,
		VOMS: vomsOf(x.VOs), Limited: x.Limited, PEM: x.PEM, ExpiresAt: got.Material.ExpiresAt, AttributesExpiresAt: x.AttributesExpireAt, Warnings: x.Warnings}
	w.EndsInSeconds = max(0, int64(w.ExpiresAt.Sub(a.Now())/time.Second))
	return w, nil
}

// proxyOf renders what a proxy has beyond other credentials; nil if that cannot be read.
func proxyOf(c credential.Credential) *api.Proxy {
	s, err := proxy.ParseSpec(c.Spec)
	if err != nil {
		return nil
	}
	return &api.Proxy{Way: string(s.Way), Identity: s.Identity, Subject: s.Subject, Issuer: s.Issuer, VOMS: vomsOf(s.VOMS), Limited: s.Limited,
		KeyPlace: s.KeyPlace, ChainExpiresAt: s.ChainExpiresAt, AttributesExpiresAt: s.AttributesExpireAt, Warnings: s.Warnings}
}

func vosOf(all []api.VOMS) []material.VO {
	var out []material.VO
	for _, v := range all {
		out = append(out, material.VO{Name: v.VO, FQANs: v.FQANs})
	}
	return out
}

func vomsOf(all []material.VO) []api.VOMS {
	var out []api.VOMS
	for _, v := range all {
		out = append(out, api.VOMS{VO: v.Name, FQANs: v.FQANs})
	}
	return out
}
