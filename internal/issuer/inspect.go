package issuer

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/wlcg"
)

// signed reports whether a token is one that is verified by its signature; ours of the other form
// have no dots.
func (s *server) signed(token string) bool {
	return s.c.Minter != nil && strings.Count(token, ".") == 2
}

// Revocation ends the session of a token, or denies a signed one alone: what was made for one job
// must be revocable without the rest. An unknown one is no error (RFC 7009 §2.2).
func (s *server) Revocation(ctx context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	token, from := material.Secret(r.Data.Token), from(ctx).Request
	if !s.signed(r.Data.Token) {
		if err := s.c.Login.Revoke(ctx, r.Client.GetID(), token, from); err != nil {
			return s.fail(ctx, err)
		}
		return op.NewResponse(nil), nil
	}
	claims, err := s.c.Minter.Verify(ctx, token)
	if err == nil && claims.ClientID == r.Client.GetID() {
		by := identity.Actor{AccountID: claims.Subject, RequestID: from.ID, Address: from.Address, Client: from.Client}
		err = s.c.Minter.Deny(ctx, by, claims.ID, "revoked by its client")
	}
	if err != nil && fault.CodeOf(err) != fault.Unauthenticated {
		return s.fail(ctx, err)
	}
	return op.NewResponse(nil), nil
}

// introspection is the answer of RFC 7662 §2.2.
type introspection struct {
	Active    bool     `json:"active"`
	Scope     string   `json:"scope,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	TokenType string   `json:"token_type,omitempty"`
	Expires   int64    `json:"exp,omitempty"`
	Issued    int64    `json:"iat,omitempty"`
	AuthTime  int64    `json:"auth_time,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	ID        string   `json:"jti,omitempty"`
	Groups    []string `json:"wlcg.groups,omitempty"`
	Actor     *actor   `json:"act,omitempty"`
}

// actor is a claim act.
type actor struct {
	Subject string `json:"sub,omitempty"`
	Issuer  string `json:"iss,omitempty"`
	Actor   *actor `json:"act,omitempty"`
}

func actorOf(a *wlcg.Actor) *actor {
	if a == nil {
		return nil
	}
	return &actor{Subject: a.Subject, Issuer: a.Issuer, Actor: actorOf(a.Actor)}
}

// Introspect tells a confidential client what a token proves. Whoever holds a token can use it, so
// telling its holder more about it gives nothing away.
func (s *server) Introspect(ctx context.Context, r *op.Request[op.IntrospectionRequest]) (*op.Response, error) {
	if c, err := s.client(ctx, r.Data.ClientCredentials); err != nil {
		return nil, err
	} else if !c.Confidential() {
		return nil, op.NewStatusError(oidc.ErrInvalidClient().WithDescription("only clients that prove who they are may ask"), http.StatusUnauthorized)
	}
	answer, err := s.inspect(ctx, r.Data.Token)
	switch code := fault.CodeOf(err); code {
	case "":
		return op.NewResponse(answer), nil
	case fault.Unauthenticated, fault.Denied:
		return op.NewResponse(introspection{}), nil
	}
	return s.fail(ctx, err)
}

func (s *server) inspect(ctx context.Context, token string) (introspection, error) {
	out := introspection{Active: true, TokenType: oidc.BearerToken, Issuer: s.c.URL}
	if s.signed(token) {
		c, err := s.c.Minter.Verify(ctx, material.Secret(token))
		if err != nil {
			return out, err
		}
		out.Scope, out.ClientID, out.Subject, out.ID = strings.Join(c.Scope, " "), c.ClientID, c.Subject, c.ID
		out.Expires, out.Issued, out.Audience, out.Groups, out.Actor = c.ExpiresAt.Unix(), c.IssuedAt.Unix(), c.Audience, c.Groups, actorOf(c.Actor)
		if !c.AuthTime.IsZero() {
			out.AuthTime = c.AuthTime.Unix()
		}
		return out, nil
	}
	v, t, a, err := s.c.Login.Introspect(ctx, material.Secret(token))
	if err != nil {
		return out, err
	}
	out.Scope, out.ClientID, out.Subject = strings.Join(texts(v.Scopes), " "), v.ClientID, a.ID
	out.Expires, out.AuthTime = t.ExpiresAt.Unix(), v.AuthenticatedAt.Unix()
	return out, nil
}

// UserInfo tells who a token acts for.
func (s *server) UserInfo(ctx context.Context, r *op.Request[oidc.UserInfoRequest]) (*op.Response, error) {
	v, _, a, err := s.c.Login.Introspect(ctx, material.Secret(r.Data.AccessToken))
	switch code := fault.CodeOf(err); {
	case code == fault.Unauthenticated || code == fault.Denied:
		from(ctx).refused = &refusal{status: http.StatusUnauthorized, Code: "invalid_token", Text: fault.Public(err).Message}
		return op.NewResponse(nil), nil
	case err != nil:
		return s.fail(ctx, err)
	case !slices.Contains(v.Scopes, oidc.ScopeOpenID):
		from(ctx).refused = &refusal{status: http.StatusForbidden, Code: "insufficient_scope", Text: "the token lacks openid"}
		return op.NewResponse(nil), nil
	}
	return op.NewResponse(who(a, v.Scopes)), nil
}

// who are the claims about a person that scopes open.
func who(a identity.Account, scopes []identity.Scope) map[string]any {
	claims := map[string]any{"sub": a.ID}
	if slices.Contains(scopes, oidc.ScopeProfile) {
		claims["name"] = a.Name
	}
	if a.Email != "" && slices.Contains(scopes, oidc.ScopeEmail) {
		claims["email"] = a.Email
	}
	return claims
}
