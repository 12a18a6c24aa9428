package provider

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
)

func (o *oauth) finish(ctx context.Context, data []byte, answer url.Values) (grant.Tokens, error) {
	var p pending
	if err := json.Unmarshal(data, &p); err != nil {
		return grant.Tokens{}, fmt.Errorf("read the approval at %s: %w", o.ID, err)
	}
	if answer == nil {
		return grant.Tokens{}, errors.New("an approval at " + o.ID + " is not polled for")
	}
	m, refusal := o.found.get(ctx)
	if refusal != nil {
		return grant.Tokens{}, unavailable(o.Provider, refusal)
	}
	if err := o.checkAnswer(p, m, answer); err != nil {
		return grant.Tokens{}, err
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {answer.Get("code")}, "redirect_uri": {o.redirect}, "code_verifier": {p.Verifier}}
	o.addAudiences(form, p.Audiences, o.Audience)
	body, tokens, refusal := o.ask(ctx, form, p.Wish, "")
	switch {
	case refusal != nil && refusal.Class == grant.Again:
		return grant.Tokens{}, unavailable(o.Provider, refusal)
	case refusal != nil:
		return grant.Tokens{}, fault.New(fault.Denied, "%s did not confirm the approval (%s)", o.Title, refusal.Error()).WithHint("approve again; if this repeats, tell the operator").WithCause(refusal)
	case tokens.Refresh == "":
		return grant.Tokens{}, fault.New(fault.Denied, "%s gave no refresh token, so the approval cannot last", o.Title).WithHint("tell the operator: the client must be allowed offline access there, and ask for it as that provider wants")
	}
	if body.IDToken != "" && m.Keys != "" {
		if tokens.Subject, refusal = o.subject(ctx, m, p, body); refusal != nil {
			_, kept := o.revoke(ctx, tokens.Refresh) // nobody will use it
			return grant.Tokens{}, fault.New(fault.Denied, "%s sent no valid proof of who approved", o.Title).WithHint("approve again; if this repeats, tell the operator").WithCause(errors.Join(refusal, asError(kept)))
		}
	}
	return tokens, nil
}

// checkAnswer judges the parameters of the redirect.
func (o *oauth) checkAnswer(p pending, m metadata, answer url.Values) error {
	if iss := answer.Get("iss"); (answer.Has("iss") || m.Names) && iss != o.Issuer {
		return fault.New(fault.Denied, "the answer came from %.100q, not from %s", iss, o.Title).WithHint("approve again; if this repeats, tell the operator")
	}
	for name, values := range answer {
		if len(values) != 1 {
			return fault.New(fault.Denied, "the answer of %s has %.20q twice", o.Title, name).WithHint("approve again; if this repeats, tell the operator")
		}
	}
	switch code := grant.Clean(answer.Get("error"), 60); {
	case !o.wire.now().Before(p.Until):
		return fault.New(fault.Denied, "the approval at %s took longer than %d minutes", o.Title, patience/time.Minute).WithHint("approve again")
	case code == "access_denied":
		return fault.New(fault.Denied, "you declined at %s, or it did not let you approve", o.Title).WithHint("approve again, if you want to").WithCause(grant.ErrDeclined)
	case code == "temporarily_unavailable" || code == "server_error": // RFC 6749 §4.1.2.1: it may go better later
		return fault.New(fault.Denied, "%s could not approve (%s)", o.Title, because(code, answer)).WithHint("try again in a while; if this repeats, tell the operator")
	case code != "":
		return fault.New(fault.Denied, "%s did not approve (%s)", o.Title, because(code, answer)).WithHint("approve again; if this repeats, tell the operator").WithCause(grant.ErrDeclined)
	case answer.Get("code") == "":
		return fault.New(fault.Denied, "the answer of %s has no code", o.Title).WithHint("approve again; if this repeats, tell the operator")
	}
	return nil
}

// because is the error of a redirect in one line.
func because(code string, answer url.Values) string {
	return strings.TrimSpace(code + " " + grant.Clean(answer.Get("error_description"), 200))
}

// subject verifies the ID token and returns who approved. Its keys are fetched anew: approvals are
// rare.
func (o *oauth) subject(ctx context.Context, m metadata, p pending, body tokenAnswer) (string, *grant.Refusal) {
	wrong := func(err error) (string, *grant.Refusal) { return "", &grant.Refusal{Class: grant.Operator, Err: err} }
	ctx = oidc.ClientContext(ctx, o.wire.client)
	verifier := oidc.NewVerifier(o.Issuer, oidc.NewRemoteKeySet(ctx, m.Keys),
		&oidc.Config{ClientID: o.ClientID, SupportedSigningAlgs: o.Algorithms, Now: o.wire.now})
	token, err := verifier.Verify(ctx, body.IDToken)
	if err != nil {
		return wrong(err)
	}
	var more struct {
		Party *string `json:"azp"`
	}
	if err := token.Claims(&more); err != nil {
		return wrong(err)
	}
	now := o.wire.now()
	switch { // what go-oidc leaves to its callers (OpenID Connect Core §3.1.3.7)
	case subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(p.Nonce)) != 1:
		err = errors.New("nonce is another one")
	case more.Party == nil && len(token.Audience) > 1, more.Party != nil && *more.Party != o.ClientID:
		err = errors.New("azp is somebody else")
	case token.IssuedAt.Before(now.Add(-patience)) || token.IssuedAt.After(now.Add(time.Minute)):
		err = fmt.Errorf("issued at %s", token.IssuedAt)
	case token.Subject == "" || len(token.Subject) > 255 || grant.Clean(token.Subject, 255) != token.Subject:
		err = errors.New("sub cannot be a subject")
	case token.AccessTokenHash != "":
		err = token.VerifyAccessToken(body.Access)
	}
	if err != nil {
		return wrong(err)
	}
	return token.Subject, nil
}
