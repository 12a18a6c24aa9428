package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/material"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// A Provider is one server's issuer. Get it by Discover.
type Provider struct {
	// HTTP sends the requests; its errors are returned as they are.
	HTTP *http.Client
	// Host is what this machine calls itself; the approval page shows it.
	Host string
	Now  func() time.Time
	// Metadata is what the issuer published.
	Metadata Metadata
}

// Metadata is the part of RFC 8414 that this client uses.
type Metadata struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Device        string `json:"device_authorization_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
}

// Discover asks the server for its metadata. A server that calls itself by another address than
// the one it was asked under is refused (RFC 8414 §3.3), with a hint that names the right one.
func (p *Provider) Discover(ctx context.Context, server string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/.well-known/openid-configuration", nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	var m Metadata
	status, err := p.answer(r, &m)
	if err != nil {
		return err
	}
	if status != http.StatusOK || m.Issuer == "" || m.Token == "" {
		return fault.New(fault.Unavailable, "%s does not answer as a Lanyard server does (status %d)", server, status).
			WithHint("check the address: lanyard login --server https://HOST")
	}
	if strings.TrimSuffix(m.Issuer, "/") != server {
		return fault.New(fault.Invalid, "the server at %s calls itself %s", server, m.Issuer).
			WithHint("use that address: lanyard login --server %s", m.Issuer)
	}
	p.Metadata = m
	return nil
}

// Refresh exchanges a refresh token for new tokens. The old refresh token is spent from then on:
// store what is returned before using it. An Unauthenticated fault means that the session is over.
func (p *Provider) Refresh(ctx context.Context, refresh material.Secret) (Tokens, error) {
	return p.token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}})
}

// Revoke ends the session that the token belongs to (RFC 7009).
func (p *Provider) Revoke(ctx context.Context, token material.Secret) error {
	status, err := p.post(ctx, p.Metadata.Revocation, url.Values{"token": {token.Reveal()}}, nil)
	if err == nil && status != http.StatusOK {
		err = fault.New(fault.Unavailable, "the server did not confirm the end of the session (status %d)", status)
	}
	return err
}

// token sends a token request (RFC 6749 §3.2). Refusals are *oauthError, wrapped in a fault.
func (p *Provider) token(ctx context.Context, form url.Values) (Tokens, error) {
	var got struct {
		AccessToken  material.Secret `json:"access_token"`
		RefreshToken material.Secret `json:"refresh_token"`
		ExpiresIn    int64           `json:"expires_in"`
		oauthError
	}
	asked := p.Now()
	status, err := p.post(ctx, p.Metadata.Token, form, &got)
	switch {
	case err != nil:
		return Tokens{}, err
	case status != http.StatusOK || got.AccessToken == "":
		return Tokens{}, got.fault(status)
	}
	return Tokens{Access: got.AccessToken, Refresh: got.RefreshToken,
		AccessExpiresAt: asked.Add(time.Duration(got.ExpiresIn) * time.Second).UTC()}, nil
}

func (p *Provider) post(ctx context.Context, address string, form url.Values, into any) (status int, err error) {
	form.Set("client_id", ClientID)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	return p.answer(r, into)
}

// answer sends r and decodes the JSON answer, whatever its status. An answer that is not JSON
// leaves into as it is: the status then says enough.
func (p *Provider) answer(r *http.Request, into any) (status int, err error) {
	w, err := p.HTTP.Do(r)
	if err != nil {
		return 0, err
	}
	defer w.Body.Close()
	text, err := io.ReadAll(io.LimitReader(w.Body, maxAnswer))
	if err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	if into != nil {
		_ = json.Unmarshal(text, into)
	}
	return w.StatusCode, nil
}

// oauthError is the error answer of RFC 6749 §5.2 and RFC 8628 §3.5.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	// Page is where the person is told more; only then is the description for them.
	Page string `json:"error_uri"`
}

// Error implements error with the code alone; descriptions are for people.
func (e oauthError) Error() string { return e.Code }

func (e oauthError) fault(status int) error {
	f := fault.New(fault.Internal, "the server refused the sign-in: %s", e.Code)
	switch {
	case e.Code == "invalid_grant" && e.Page != "" && e.Description != "":
		f = fault.New(fault.Unauthenticated, "%s", strings.ToValidUTF8(e.Description[:min(len(e.Description), 300)], "")).
			WithHint("what happened stands at %s", e.Page)
	case e.Code == "invalid_grant":
		f = fault.New(fault.Unauthenticated, "the session has ended")
	case e.Code == "access_denied":
		f = fault.New(fault.Denied, "the request was refused on the web page").
			WithHint("if that was not you, tell your support; else run lanyard login again")
	case e.Code == "expired_token":
		f = fault.New(fault.Unavailable, "nobody approved in time").WithHint("run lanyard login again")
		return f.WithCause(ErrNotApproved)
	case e.Code == "temporarily_unavailable" || e.Code == "server_error" || status >= 500 || status == http.StatusTooManyRequests:
		f = fault.New(fault.Unavailable, "the server cannot sign you in now (status %d)", status).WithHint("try again in a minute")
	case e.Code == "":
		f = fault.New(fault.Unavailable, "the server's sign-in answered what cannot be read (status %d)", status)
	case e.Description != "":
		f = fault.New(fault.Internal, "the server refused the sign-in: %s (%s)", e.Description, e.Code)
	}
	return f.WithCause(e)
}

// oauthCode returns the OAuth error code in err's chain, or "".
func oauthCode(err error) string {
	if e, ok := errors.AsType[oauthError](err); ok {
		return e.Code
	}
	return ""
}
