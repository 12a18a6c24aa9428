package issuer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/minting"
	"github.com/lanyardhq/lanyard/material"
)

// VerifyAuthRequest finds the client and judges the redirect URI; what is wrong here is told on a
// page, because nobody can be trusted with a redirect yet. All else is left to Authorize, so the
// fields that the library would judge, and tell on a page, are set to what it accepts.
func (s *server) VerifyAuthRequest(_ context.Context, r *op.Request[oidc.AuthRequest]) (*op.ClientRequest[oidc.AuthRequest], error) {
	c, ok := s.clients[r.Data.ClientID]
	if !ok {
		return nil, oidc.ErrInvalidRequestRedirectURI().WithDescription("it is not registered here (client_id)")
	}
	if !c.MayReturnTo(r.Data.RedirectURI) {
		return nil, oidc.ErrInvalidRequestRedirectURI().WithDescription("the address it wants you sent back to is not registered (redirect_uri)")
	}
	r.Data.Prompt, r.Data.ResponseType, r.Data.Scopes = nil, oidc.ResponseTypeCode, []string{oidc.ScopeOpenID}
	return &op.ClientRequest[oidc.AuthRequest]{Request: r, Client: c}, nil
}

// Authorize sends the browser back to the client, with a code or with an error, or to the sign-in
// page first.
func (s *server) Authorize(ctx context.Context, r *op.ClientRequest[oidc.AuthRequest]) (*op.Redirect, error) {
	c, form := r.Client.(*client), r.Form
	back := func(values url.Values) *op.Redirect {
		return op.NewRedirect(returnTo(r.Data.RedirectURI, s.c.URL, form.Get("state"), values))
	}
	refuse := func(code, text string) (*op.Redirect, error) {
		return back(url.Values{"error": {code}, "error_description": {text}}), nil
	}
	scopes, ok := s.grantable(c, strings.Fields(form.Get("scope")))
	if code, text := judge(form); code != "" {
		return refuse(code, text)
	} else if !ok {
		return refuse("invalid_scope", "a scope is not known here")
	}
	by, err := s.person(ctx, r.Header)
	nobody := fault.CodeOf(err) == fault.Unauthenticated
	if err != nil && !nobody {
		e := s.name(ctx, err)
		return refuse(e.Code, e.Text)
	}
	if nobody || s.stale(by, form) {
		if slices.Contains(strings.Fields(form.Get("prompt")), "none") {
			return refuse("login_required", "nobody is signed in in this browser, or not lately")
		}
		return op.NewRedirect("/login?again=1&next=" + url.QueryEscape(authorizePath+"?"+afterLogin(form).Encode())), nil
	}
	audiences, err := s.audiences(form)
	if err == nil {
		err = s.judgeMinted(ctx, by, scopes, audiences)
	}
	if err != nil {
		e := s.name(ctx, err)
		return refuse(e.Code, e.Text)
	}
	code, err := s.c.Login.GrantCode(ctx, by, login.CodeRequest{ClientID: c.ID, RedirectURI: r.Data.RedirectURI,
		Challenge: form.Get("code_challenge"), Nonce: form.Get("nonce"), Host: form.Get("host"), Scopes: scopes, Audiences: audiences})
	if err != nil {
		e := s.name(ctx, err)
		return refuse(e.Code, e.Text)
	}
	return back(url.Values{"code": {code.Reveal()}}), nil
}

// judgeMinted refuses early what the token endpoint would: here the browser tells the person.
func (s *server) judgeMinted(ctx context.Context, by identity.Actor, scopes []identity.Scope, audiences []string) error {
	minted := s.minted(scopes)
	if len(minted) == 0 && len(audiences) == 0 {
		return nil
	}
	a, _, err := s.c.Login.WhoAmI(ctx, by)
	if err != nil {
		return err
	}
	return s.c.Minter.Judge(ctx, minting.Order{Account: a, Scopes: minted, Audiences: audiences})
}

var challengeText = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// judge returns the error that an authorization request deserves whoever sends it, or "".
func judge(form url.Values) (code, text string) {
	prompt := strings.Fields(form.Get("prompt"))
	switch {
	case form.Has("request"):
		return "request_not_supported", "request objects are not supported"
	case form.Has("request_uri"):
		return "request_uri_not_supported", "request objects are not supported"
	case form.Get("response_type") == "":
		return "invalid_request", "response_type is missing"
	case form.Get("response_type") != "code":
		return "unsupported_response_type", "only code is supported"
	case form.Has("response_mode") && form.Get("response_mode") != "query":
		return "invalid_request", "only response_mode=query is supported"
	case form.Get("code_challenge_method") != "S256" || !challengeText.MatchString(form.Get("code_challenge")):
		return "invalid_request", "PKCE with code_challenge_method=S256 is required"
	case slices.Contains(prompt, "none") && len(prompt) > 1:
		return "invalid_request", "prompt=none stands alone"
	case len(form.Get("nonce")) > 512 || len(form.Get("state")) > 2048:
		return "invalid_request", "nonce or state is too long"
	}
	return "", ""
}

// person returns who is signed in in the browser.
func (s *server) person(ctx context.Context, h http.Header) (identity.Actor, error) {
	r := http.Request{Header: h}
	cookie, err := r.Cookie(login.CookieName(strings.HasPrefix(s.c.URL, "https://")))
	if err != nil {
		return identity.Actor{}, fault.New(fault.Unauthenticated, "you are not signed in").WithCause(err)
	}
	return s.c.Login.BrowserActor(ctx, material.Secret(cookie.Value), from(ctx).Request)
}

// stale reports whether the client wants a newer proof of who this is.
func (s *server) stale(by identity.Actor, form url.Values) bool {
	prompt := strings.Fields(form.Get("prompt"))
	if slices.Contains(prompt, "login") || slices.Contains(prompt, "select_account") {
		return true
	}
	seconds, err := strconv.ParseInt(form.Get("max_age"), 10, 32)
	return err == nil && s.now().Sub(by.AuthenticatedAt) > time.Duration(seconds)*time.Second
}

// afterLogin is the request to come back with: without the wish for a new sign-in, which has been
// met as far as we can. Providers may answer from a session of their own; auth_time in the ID token
// tells the client the truth.
func afterLogin(form url.Values) url.Values {
	out := url.Values{}
	for k, v := range form {
		if k != "prompt" && k != "max_age" {
			out[k] = v
		}
	}
	return out
}

// returnTo adds an answer to a redirect URI, with state and, against mix-up, our name (RFC 9207).
func returnTo(redirectURI, issuer, state string, values url.Values) string {
	u, err := url.Parse(redirectURI)
	if err != nil {
		return redirectURI // it was parsed before
	}
	q := u.Query()
	for k, v := range values {
		q[k] = v
	}
	if state != "" {
		q.Set("state", state)
	}
	q.Set("iss", issuer)
	u.RawQuery = q.Encode()
	return u.String()
}

// fail has the guard answer with an error of login.
func (s *server) fail(ctx context.Context, err error) (*op.Response, error) {
	from(ctx).refused = s.name(ctx, err)
	return op.NewResponse(nil), nil
}

// name gives an error of login its name on the wire. Only a fault's message reaches the client.
func (s *server) name(ctx context.Context, err error) *refusal {
	e := &refusal{status: http.StatusBadRequest, Text: fault.Public(err).Message}
	for sentinel, code := range map[error]string{login.ErrGrant: "invalid_grant", login.ErrScope: "invalid_scope", login.ErrPending: "authorization_pending",
		minting.ErrScope: "invalid_scope", minting.ErrTarget: "invalid_target", login.ErrSlowDown: "slow_down", login.ErrExpired: "expired_token", login.ErrRefused: "access_denied"} {
		if errors.Is(err, sentinel) {
			e.Code = code
			if errors.Is(err, login.ErrReused) {
				e.Page = s.c.URL + "/account"
			}
			return e
		}
	}
	switch fault.CodeOf(err) {
	case fault.Denied:
		e.Code = "access_denied"
	case fault.Invalid:
		e.Code = "invalid_request"
	case fault.Limited:
		e.status, e.Code = http.StatusTooManyRequests, "temporarily_unavailable"
	case fault.Unavailable:
		e.status, e.Code = http.StatusServiceUnavailable, "temporarily_unavailable"
	default:
		s.c.Log.ErrorContext(ctx, "request failed", "err", err)
		e.status, e.Code, e.Text = http.StatusInternalServerError, "server_error", "internal error"
	}
	return e
}
