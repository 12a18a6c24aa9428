package issuer

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/material"
)

// VerifyClient authenticates a client by secret, in Basic credentials or in the body, or by what it
// signed.
func (s *server) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	return s.client(ctx, r.Data)
}

func (s *server) client(ctx context.Context, cc *op.ClientCredentials) (*client, error) {
	if cc.ClientAssertion != "" {
		return s.asserted(ctx, cc)
	}
	c, ok := s.clients[cc.ClientID]
	if !ok || !c.Proves(cc.ClientSecret) {
		return nil, stranger()
	}
	return c, nil
}

// CodeExchange redeems an authorization code.
func (s *server) CodeExchange(ctx context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	p := login.Redemption{Proof: material.Secret(r.Data.Code), RedirectURI: r.Data.RedirectURI, Verifier: r.Data.CodeVerifier}
	return s.redeem(ctx, r.Client.(*client), r.Form, p, s.c.Login.RedeemCode)
}

// RefreshToken spends a refresh token for a new one.
func (s *server) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	c := r.Client.(*client)
	return s.redeem(ctx, c, r.Form, login.Redemption{Proof: material.Secret(r.Data.RefreshToken), Grace: c.Grace}, s.c.Login.Refresh)
}

// DeviceToken answers a machine that polls.
func (s *server) DeviceToken(ctx context.Context, r *op.ClientRequest[oidc.DeviceAccessTokenRequest]) (*op.Response, error) {
	return s.redeem(ctx, r.Client.(*client), r.Form, login.Redemption{Proof: material.Secret(r.Data.DeviceCode)}, s.c.Login.PollDevice)
}

// redeem has login turn what a client shows into tokens. The parameter scope counts with a refresh
// token only; codes know theirs.
func (s *server) redeem(ctx context.Context, c *client, form url.Values, p login.Redemption,
	by func(context.Context, login.Redemption, login.Request) (login.Grant, error)) (*op.Response, error) {
	if _, err := s.c.Keys.Signer(c.Algorithm, s.now()); err != nil {
		return s.fail(ctx, err) // before the code is used up
	}
	w := &wish{}
	var err error
	if w.audiences, err = s.audiences(form); err != nil {
		return s.fail(ctx, err)
	}
	if form.Get("grant_type") == string(oidc.GrantTypeRefreshToken) {
		for _, text := range strings.Fields(form.Get("scope")) {
			switch scope := identity.Scope(text); {
			case s.mints(scope):
				w.scopes, w.narrow = append(w.scopes, text), true
			default:
				p.Scopes = append(p.Scopes, scope)
				w.narrow = w.narrow || slices.Contains(identity.Scopes(), scope)
			}
		}
	}
	p.ClientID, p.Audiences, p.Mint = c.ID, w.audiences, s.mint(c, w)
	g, err := by(ctx, p, from(ctx).Request)
	if err != nil {
		return s.fail(ctx, err)
	}
	return s.answer(ctx, c, g, w)
}

// DeviceAuthorization begins a device flow. The parameter "host" is ours: what the machine calls
// itself, for the person to recognise.
func (s *server) DeviceAuthorization(ctx context.Context, r *op.ClientRequest[oidc.DeviceAuthorizationRequest]) (*op.Response, error) {
	c := r.Client.(*client)
	if !c.Device {
		return nil, oidc.ErrUnauthorizedClient().WithDescription("this client has no device flow")
	}
	scopes, ok := s.grantable(c, r.Data.Scopes)
	if !ok {
		return nil, oidc.ErrInvalidScope().WithDescription("a scope is not known here")
	}
	audiences, err := s.audiences(r.Form)
	if err != nil {
		return s.fail(ctx, err)
	}
	d, err := s.c.Login.StartDevice(ctx, login.DeviceRequest{ClientID: c.ID, Host: r.Form.Get("host"), Scopes: scopes, Audiences: audiences}, from(ctx).Request)
	if err != nil {
		return s.fail(ctx, err)
	}
	page := s.c.URL + "/device"
	return op.NewResponse(&oidc.DeviceAuthorizationResponse{DeviceCode: d.Code.Reveal(), UserCode: d.UserCode,
		VerificationURI: page, VerificationURIComplete: page + "?user_code=" + d.UserCode,
		ExpiresIn: int(d.ExpiresAt.Sub(s.now()).Seconds()), Interval: int(d.Interval.Seconds())}), nil
}

// answer renders a grant, with an ID token if openid is in it.
func (s *server) answer(ctx context.Context, c *client, g login.Grant, w *wish) (*op.Response, error) {
	out := &oidc.AccessTokenResponse{AccessToken: g.Access.Reveal(), RefreshToken: g.Refresh.Reveal(), TokenType: oidc.BearerToken,
		ExpiresIn: uint64(g.ExpiresAt.Sub(s.now()).Seconds()), Scope: w.told(g.Session)}
	if slices.Contains(g.Session.Scopes, oidc.ScopeOpenID) {
		var err error
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
