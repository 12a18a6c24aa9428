package mytoken

import (
	"net/http"
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/material"
)

// obtain serves all ways to get a mytoken.
func (f *Facade) obtain(c *call) (any, error) {
	var in struct {
		GrantType    string `json:"grant_type"`
		Flow         string `json:"oidc_flow"`
		ClientType   string `json:"client_type"`
		RedirectURI  string `json:"redirect_uri"`
		Mytoken      string `json:"mytoken"`
		PollingCode  string `json:"polling_code"`
		TransferCode string `json:"transfer_code"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.GrantType == "" {
		in.GrantType = c.URL.Query().Get("grant_type")
	}
	switch in.GrantType {
	case "oidc_flow":
		if err := checkFlow(in.Flow, in.ClientType, in.RedirectURI); err != nil {
			return nil, err
		}
		return f.start(c)
	case "polling_code":
		i, err := f.c.Service.Poll(c.Context(), material.Secret(in.PollingCode), c.from)
		return issuedOf(i), err
	case "transfer_code":
		i, err := f.c.Service.Redeem(c.Context(), material.Secret(in.TransferCode), c.from)
		return issuedOf(i), err
	case "mytoken":
		w, err := delegation.ParseWish(c.body, f.c.Service.Now())
		if err != nil {
			return nil, err
		}
		i, err := f.c.Service.Derive(c.Context(), c.token(in.Mytoken), w, c.from)
		return issuedOf(i), err
	}
	return nil, unsupported("grant_type")
}

// unsupported is a word of the protocol that we do nothing for.
func unsupported(field string) *delegation.Error {
	return &delegation.Error{Status: http.StatusBadRequest, Code: "invalid_grant", Description: "Unsupported " + field}
}

// checkFlow judges how an application wants to wait. It polls: there is no page of others that we
// would send people to.
func checkFlow(name, clientType, redirect string) error {
	switch {
	case name != "" && name != "authorization_code":
		return delegation.Invalid("value '%.40s' not valid for OIDCFlow", name)
	case clientType == "web" && redirect == "":
		return delegation.Invalid("parameter redirect_uri must be given for client_type=web")
	case clientType == "web":
		return delegation.Invalid("the redirect_uri is not registered: use client_type=native")
	}
	return nil
}

// start begins a flow.
func (f *Facade) start(c *call) (any, error) {
	w, err := delegation.ParseWish(c.body, f.c.Service.Now())
	if err != nil {
		return nil, err
	}
	s, err := f.c.Service.Start(c.Context(), w, c.from)
	if err != nil {
		return nil, err
	}
	return flow{Consent: f.c.Consent + s.ConsentCode.Reveal(), Polling: s.PollingCode.Reveal(),
		ExpiresIn: int64(s.Life / time.Second), Interval: int64(s.Interval / time.Second)}, nil
}
