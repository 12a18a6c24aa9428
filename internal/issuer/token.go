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
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/material"
)

// VerifyClient authenticates a client by secret, in Basic credentials or in the body.
func (s *server) VerifyClient(_ context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	return s.client(r.Data)
}

func (s *server) client(cc *op.ClientCredentials) (*client, error) {
	c, ok := s.clients[cc.ClientID]
	if !ok || cc.ClientAssertion != "" || !c.proves(cc.ClientSecret) {
		return nil, op.NewStatusError(oidc.ErrInvalidClient().WithDescription("unknown client, or not its secret"), http.StatusUnauthorized)
	}
	return c, nil
}

// CodeExchange redeems an authorization code.
func (s *server) CodeExchange(ctx context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	c := r.Client.(*client)
	if _, err := s.keys.signer(c.Algorithm, s.now()); err != nil {
		return s.fail(ctx, err) // before the code is used up
	}
	g, err := s.c.Login.RedeemCode(ctx, login.Redemption{ClientID: c.ID, Proof: material.Secret(r.Data.Code), RedirectURI: r.Data.RedirectURI,
		Verifier: r.Data.CodeVerifier}, from(ctx).Request)
	return s.answer(ctx, c, g, err)
}

// RefreshToken spends a refresh token for a new one.
func (s *server) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	c := r.Client.(*client)
	if _, err := s.keys.signer(c.Algorithm, s.now()); err != nil {
		return s.fail(ctx, err)
	}
	var scopes []identity.Scope
	for _, v := range strings.Fields(r.Form.Get("scope")) {
		scopes = append(scopes, identity.Scope(v))
	}
	g, err := s.c.Login.Refresh(ctx, login.Redemption{ClientID: c.ID, Proof: material.Secret(r.Data.RefreshToken), Scopes: scopes}, from(ctx).Request)
	return s.answer(ctx, c, g, err)
}

// DeviceAuthorization begins a device flow. The parameter "host" is ours: what the machine calls
// itself, for the person to recognise.
func (s *server) DeviceAuthorization(ctx context.Context, r *op.ClientRequest[oidc.DeviceAuthorizationRequest]) (*op.Response, error) {
	c := r.Client.(*client)
	if !c.device {
		return nil, oidc.ErrUnauthorizedClient().WithDescription("this client has no device flow")
	}
	scopes, ok := c.grantable(r.Data.Scopes)
	if !ok {
		return nil, oidc.ErrInvalidScope().WithDescription("a scope is not known here")
	}
	d, err := s.c.Login.StartDevice(ctx, login.DeviceRequest{ClientID: c.ID, Host: r.Form.Get("host"), Scopes: scopes}, from(ctx).Request)
	if err != nil {
		return s.fail(ctx, err)
	}
	page := s.c.URL + "/device"
	return op.NewResponse(&oidc.DeviceAuthorizationResponse{DeviceCode: d.Code.Reveal(), UserCode: d.UserCode,
		VerificationURI: page, VerificationURIComplete: page + "?user_code=" + d.UserCode,
		ExpiresIn: int(d.ExpiresAt.Sub(s.now()).Seconds()), Interval: int(d.Interval.Seconds())}), nil
}

// DeviceToken answers a machine that polls.
func (s *server) DeviceToken(ctx context.Context, r *op.ClientRequest[oidc.DeviceAccessTokenRequest]) (*op.Response, error) {
	c := r.Client.(*client)
	if _, err := s.keys.signer(c.Algorithm, s.now()); err != nil {
		return s.fail(ctx, err)
	}
	g, err := s.c.Login.PollDevice(ctx, login.Redemption{ClientID: c.ID, Proof: material.Secret(r.Data.DeviceCode)}, from(ctx).Request)
	return s.answer(ctx, c, g, err)
}

// answer renders a grant, with an ID token if openid is in it.
func (s *server) answer(ctx context.Context, c *client, g login.Grant, err error) (*op.Response, error) {
	if err != nil {
		return s.fail(ctx, err)
	}
	out := &oidc.AccessTokenResponse{AccessToken: g.Access.Reveal(), RefreshToken: g.Refresh.Reveal(), TokenType: oidc.BearerToken,
		ExpiresIn: uint64(g.ExpiresAt.Sub(s.now()).Seconds()), Scope: texts(g.Session.Scopes)}
	if slices.Contains(g.Session.Scopes, oidc.ScopeOpenID) {
		if out.IDToken, err = s.idToken(c, g); err != nil {
			return s.fail(ctx, err)
		}
	}
	return op.NewResponse(out), nil
}

func texts(scopes []identity.Scope) []string {
	out := make([]string, len(scopes))
	for i, v := range scopes {
		out[i] = string(v)
	}
	return out
}

// Revocation ends the session of a token; an unknown one is no error (RFC 7009 §2.2).
func (s *server) Revocation(ctx context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	if err := s.c.Login.Revoke(ctx, r.Client.GetID(), material.Secret(r.Data.Token), from(ctx).Request); err != nil {
		return s.fail(ctx, err)
	}
	return op.NewResponse(nil), nil
}

// introspection is the answer of RFC 7662 §2.2.
type introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	Expires   int64  `json:"exp,omitempty"`
	AuthTime  int64  `json:"auth_time,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Issuer    string `json:"iss,omitempty"`
}

// Introspect tells a confidential client what a token proves. Whoever holds a token can use it, so
// telling its holder more about it gives nothing away.
func (s *server) Introspect(ctx context.Context, r *op.Request[op.IntrospectionRequest]) (*op.Response, error) {
	if c, err := s.client(r.Data.ClientCredentials); err != nil {
		return nil, err
	} else if !c.confidential() {
		return nil, op.NewStatusError(oidc.ErrInvalidClient().WithDescription("only clients with a secret may ask"), http.StatusUnauthorized)
	}
	v, t, a, err := s.c.Login.Introspect(ctx, material.Secret(r.Data.Token))
	switch code := fault.CodeOf(err); code {
	case "":
	case fault.Unauthenticated, fault.Denied:
		return op.NewResponse(introspection{}), nil
	default:
		return s.fail(ctx, err)
	}
	return op.NewResponse(introspection{Active: true, Scope: strings.Join(texts(v.Scopes), " "), ClientID: v.ClientID, TokenType: oidc.BearerToken,
		Expires: t.ExpiresAt.Unix(), AuthTime: v.AuthenticatedAt.Unix(), Subject: a.ID, Issuer: s.c.URL}), nil
}

// UserInfo tells who a token acts for.
func (s *server) UserInfo(ctx context.Context, r *op.Request[oidc.UserInfoRequest]) (*op.Response, error) {
	v, _, a, err := s.c.Login.Introspect(ctx, material.Secret(r.Data.AccessToken))
	switch code := fault.CodeOf(err); {
	case code == fault.Unauthenticated || code == fault.Denied:
		from(ctx).refused = &refusal{http.StatusUnauthorized, "invalid_token", fault.Public(err).Message}
		return op.NewResponse(nil), nil
	case err != nil:
		return s.fail(ctx, err)
	case !slices.Contains(v.Scopes, oidc.ScopeOpenID):
		from(ctx).refused = &refusal{http.StatusForbidden, "insufficient_scope", "the token lacks openid"}
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
