package provider

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/material"
)

// patience is how long somebody may take to approve.
const patience = 10 * time.Minute

// oauth speaks with an OAuth 2 or OpenID authorization server.
type oauth struct {
	grant.Provider
	redirect string
	wire     wire
	found    discovery[metadata]
}

// pending is what must be remembered while somebody approves: the Data of an Approval.
type pending struct {
	Verifier string    `json:"verifier"`
	Nonce    string    `json:"nonce"`
	Until    time.Time `json:"until"`
	grant.Wish
}

func (o *oauth) begin(ctx context.Context, w grant.Wish, hint Hint) (Approval, error) {
	m, refusal := o.found.get(ctx)
	if refusal != nil {
		return Approval{}, unavailable(o.Provider, refusal)
	}
	w, err := o.filled(w)
	if err != nil {
		return Approval{}, err
	}
	to, err := url.Parse(m.Authorization)
	if err != nil {
		return Approval{}, err
	}
	p := pending{Verifier: rand.Text() + rand.Text(), Nonce: rand.Text(), Until: o.wire.now().Add(patience), Wish: w}
	challenge := sha256.Sum256([]byte(p.Verifier))
	state := rand.Text()
	q := to.Query() // an endpoint may have one of its own
	for name, value := range map[string]string{"response_type": "code", "client_id": o.ClientID, "redirect_uri": o.redirect,
		"scope": strings.Join(w.Scopes, " "), "state": state, "nonce": p.Nonce,
		"code_challenge": base64.RawURLEncoding.EncodeToString(challenge[:]), "code_challenge_method": "S256"} {
		q.Set(name, value)
	}
	switch o.Offline {
	case "consent":
		q.Set("prompt", "consent")
	case "access_type":
		q.Set("access_type", "offline")
		q.Set("prompt", "consent")
	}
	if hint.Login != "" {
		q.Set("login_hint", hint.Login)
	}
	o.addAudiences(q, w.Audiences, o.Audience)
	for name, value := range o.ExtraAuthParams {
		q.Set(name, value)
	}
	to.RawQuery = q.Encode()
	data, err := json.Marshal(p)
	return Approval{URL: to.String(), State: state, Data: data, ExpiresAt: p.Until}, err
}

// filled puts into w what it leaves open, and what offline access needs.
func (o *oauth) filled(w grant.Wish) (grant.Wish, error) {
	if len(w.Scopes) == 0 {
		w.Scopes = o.Scopes
	}
	if len(w.Audiences) == 0 {
		w.Audiences = o.Audiences
	}
	if len(w.Audiences) > 0 && o.Audience == "none" {
		return w, fault.New(fault.Invalid, "%s makes no tokens for a certain audience", o.Title).WithHint("leave the audience out")
	}
	if len(w.Audiences) > 0 && o.Audience == "scope" {
		return w, fault.New(fault.Invalid, "%s takes audiences as scopes", o.Title).WithHint("name the scope that stands for the audience")
	}
	w.Scopes = slices.Clone(w.Scopes)
	if (o.Offline == "scope" || o.Offline == "consent") && !slices.Contains(w.Scopes, offline) {
		w.Scopes = append(w.Scopes, offline)
	}
	return w, nil
}

// offline is the scope that asks for a refresh token.
const offline = "offline_access"

// addAudiences puts audiences into a request in the provider's style.
func (o *oauth) addAudiences(q url.Values, audiences []string, style string) {
	switch {
	case len(audiences) == 0:
	case o.AudienceSeparator == "space":
		q.Set(style, strings.Join(audiences, " "))
	default:
		q[style] = slices.Clone(audiences)
	}
}

// post sends one form to an endpoint of the provider, with proof of who we are.
func (o *oauth) post(ctx context.Context, endpoint string, form url.Values) (answer, *grant.Refusal) {
	switch o.ClientAuth {
	case "post":
		form.Set("client_id", o.ClientID)
		form.Set("client_secret", o.ClientSecret.Reveal())
	case "none":
		form.Set("client_id", o.ClientID)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, &grant.Refusal{Class: grant.Operator, Unsent: true, Err: withoutURL(err)}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if o.ClientAuth == "basic" { // each half is form-encoded first (RFC 6749 §2.3.1)
		r.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret.Reveal()))
	}
	return o.wire.send(r)
}

// ask sends one form to the token endpoint and reads the tokens for wish; sent is the refresh token
// in it.
func (o *oauth) ask(ctx context.Context, form url.Values, wish grant.Wish, sent material.Secret) (tokenAnswer, grant.Tokens, *grant.Refusal) {
	m, refusal := o.found.get(ctx)
	if refusal != nil {
		return tokenAnswer{}, grant.Tokens{}, refusal
	}
	for name, value := range o.ExtraTokenParams {
		form.Set(name, value)
	}
	a, refusal := o.post(ctx, m.Token, form)
	if refusal != nil {
		return tokenAnswer{}, grant.Tokens{}, refusal
	}
	body, tokens, refusal := o.wire.tokens(a, wish, sent, form.Get("code"), form.Get("subject_token"), o.ClientSecret.Reveal())
	if refusal == nil && tokens.RefreshExpiresAt.IsZero() && o.RefreshIdle > 0 {
		tokens.RefreshExpiresAt = o.wire.now().Add(o.RefreshIdle).UTC().Truncate(time.Second)
	}
	return body, tokens, refusal
}

func (o *oauth) refresh(ctx context.Context, refresh material.Secret, w grant.Wish) (grant.Tokens, *grant.Refusal) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}}
	scopes := slices.DeleteFunc(slices.Clone(w.Scopes), func(s string) bool { return s == offline })
	if len(scopes) > 0 {
		form.Set("scope", strings.Join(scopes, " "))
	}
	if len(w.Audiences) > 0 && o.Audience != "resource" && o.Audience != "audience" {
		return grant.Tokens{}, &grant.Refusal{Class: grant.Operator, Code: "invalid_target", Unsent: true,
			Description: o.Title + " makes no tokens for a certain audience"}
	}
	o.addAudiences(form, w.Audiences, o.Audience)
	_, tokens, refusal := o.ask(ctx, form, w, refresh)
	return tokens, refusal
}

func (o *oauth) exchange(ctx context.Context, subject material.Secret, w grant.Wish) (grant.Tokens, *grant.Refusal) {
	const accessToken = "urn:ietf:params:oauth:token-type:access_token" //nolint:gosec // a name
	if !o.Exchange {
		return grant.Tokens{}, &grant.Refusal{Class: grant.Operator, Code: "unsupported_grant_type", Unsent: true,
			Description: o.Title + " exchanges no tokens"}
	}
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {subject.Reveal()},
		"subject_token_type": {accessToken}, "requested_token_type": {accessToken}}
	if len(w.Scopes) > 0 {
		form.Set("scope", strings.Join(w.Scopes, " "))
	}
	style := "audience" // also where only exchanges take one (Keycloak)
	if o.Audience == "resource" {
		style = o.Audience
	}
	o.addAudiences(form, w.Audiences, style)
	_, tokens, refusal := o.ask(ctx, form, w, "")
	return tokens, refusal
}

func (o *oauth) revoke(ctx context.Context, refresh material.Secret) (string, *grant.Refusal) {
	m, refusal := o.found.get(ctx)
	if refusal != nil {
		return "", refusal
	}
	if m.Revocation == "" || o.Revokes == "none" {
		return o.Title + " offers no revocation. We destroyed the refresh token" + remains, nil
	}
	a, refusal := o.post(ctx, m.Revocation, url.Values{"token": {refresh.Reveal()}, "token_type_hint": {"refresh_token"}})
	if refusal != nil {
		return "", refusal
	}
	if a.status == http.StatusOK || a.status == http.StatusNoContent {
		if o.Revokes == "both" {
			return o.Title + " revoked the refresh token and its access tokens. Storage that does not ask it accepts them until they expire", nil
		}
		return o.Title + " revoked the refresh token" + remains, nil
	}
	refusal = o.wire.refused(a, refresh.Reveal(), o.ClientSecret.Reveal())
	switch {
	case refusal.Code == "invalid_token" || refusal.Code == "invalid_grant": // Google
		return o.Title + " says that the refresh token was not in force any more" + remains, nil
	case refusal.Code == "unsupported_token_type" || a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed:
		return o.Title + " offers no revocation. We destroyed the refresh token" + remains, nil
	}
	return "", refusal
}

// remains ends a receipt.
const remains = "; access tokens that were handed out work until they expire"
