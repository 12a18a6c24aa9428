package mytoken

import (
	"net/url"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/subgrant"
)

// access serves access tokens. For who knows OAuth only, a mytoken is a refresh token.
func (f *Facade) access(c *call) (any, error) {
	var in struct {
		Issuer       string `json:"oidc_issuer"`
		GrantType    string `json:"grant_type"`
		Mytoken      string `json:"mytoken"`
		RefreshToken string `json:"refresh_token"`
		Scope        string `json:"scope"`
		Audience     string `json:"audience"`
		Comment      string `json:"comment"`
	}
	err := c.decodeEither(&in, func(v url.Values) {
		in.Issuer, in.GrantType, in.Mytoken = v.Get("oidc_issuer"), v.Get("grant_type"), v.Get("mytoken")
		in.RefreshToken, in.Scope, in.Comment = v.Get("refresh_token"), v.Get("scope"), v.Get("comment")
		in.Audience = strings.Join(v["audience"], " ")
	})
	if err != nil {
		return nil, err
	}
	given := in.Mytoken
	switch in.GrantType {
	case "mytoken":
	case "refresh_token":
		given = in.RefreshToken
	case "oidc_flow", "polling_code", "transfer_code", "ssh":
		return nil, unsupported("grant_type")
	default:
		return nil, delegation.Invalid("value '%.40s' not valid for GrantType", in.GrantType)
	}
	w := subgrant.AccessWish{Issuer: in.Issuer, Scopes: strings.Fields(in.Scope), Audiences: strings.Fields(in.Audience), Comment: in.Comment}
	for _, list := range [][]string{w.Scopes, w.Audiences} {
		if len(list) > delegation.MaxListed {
			return nil, delegation.Invalid("at most %d scopes and audiences can be asked for", delegation.MaxListed)
		}
	}
	a, err := f.c.Service.AccessToken(c.Context(), c.token(given), w, c.from)
	if err != nil {
		return nil, err
	}
	return accessed{Token: a.Token.Reveal(), Type: "Bearer", ExpiresIn: max(0, int64(a.ExpiresIn/time.Second)),
		Scope: strings.Join(a.Scopes, " "), Audience: a.Audiences, updated: updatedOf(a.Update)}, nil
}

// transfer serves codes for mytokens.
func (f *Facade) transfer(c *call) (any, error) {
	var in struct {
		Mytoken string `json:"mytoken"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	t, err := f.c.Service.Transfer(c.Context(), c.token(in.Mytoken), c.from)
	if err != nil {
		return nil, err
	}
	return transferred{t.Code.Reveal(), int64(t.ExpiresIn / time.Second), delegation.FormTransfer}, nil
}

// revoke ends mytokens.
func (f *Facade) revoke(c *call) (any, error) {
	var in struct {
		Token     string `json:"token"`
		ID        string `json:"mom_id"`
		Recursive bool   `json:"recursive"`
		Issuer    string `json:"oidc_issuer"`
	}
	err := c.decodeEither(&in, func(v url.Values) {
		in.Token, in.ID, in.Issuer, in.Recursive = v.Get("token"), v.Get("mom_id"), v.Get("oidc_issuer"), v.Get("recursive") == "true"
	})
	if err != nil {
		return nil, err
	}
	update, err := f.c.Service.Revoke(c.Context(), c.token(in.Token), subgrant.RevokeWish{Issuer: in.Issuer, ID: in.ID, Recursive: in.Recursive}, c.from)
	if err != nil || update == nil {
		return nil, err
	}
	return updatedOf(update), nil
}
