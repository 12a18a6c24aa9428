package upstream

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// Attempt is what to remember of a sign-in between Begin and Finish. It is secret.
type Attempt struct {
	Nonce    string
	Verifier string
}

// Person is who a provider says somebody is.
type Person struct {
	Subject, Name, Email string
	// Roles are those in projects, by name; nil if the provider has nothing to say of them.
	Roles map[string]identity.Role
	// Groups are the values of the groups claim.
	Groups []string
	// At is when they proved who they are.
	At time.Time
}

// Begin returns where to send the browser. The caller makes state, of at least 128 random bits,
// and binds it to that browser.
func (u *Client) Begin(ctx context.Context, state string) (redirect string, a Attempt, err error) {
	f, err := u.discover(ctx)
	if err != nil {
		return "", a, err
	}
	a = Attempt{Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	options := []oauth2.AuthCodeOption{oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)}
	for k, v := range u.AuthParams {
		options = append(options, oauth2.SetAuthURLParam(k, v))
	}
	return f.oauth.AuthCodeURL(state, options...), a, nil
}

// Finish turns the parameters that the provider's redirect brought into a person. The caller has
// checked state. What the provider did not confirm is a Denied fault.
func (u *Client) Finish(ctx context.Context, q url.Values, a Attempt) (Person, error) {
	f, err := u.discover(ctx)
	if err != nil {
		return Person{}, err
	}
	if iss := q.Get("iss"); (q.Has("iss") || f.names) && iss != u.Issuer {
		return Person{}, fault.New(fault.Denied, "the answer came from %.100q, not from %s", iss, u.Title).WithHint("sign in again; if this repeats, tell the operator")
	}
	if e := q.Get("error"); e != "" {
		return Person{}, fault.New(fault.Denied, "%s did not confirm you (%s)", u.Title, Clean(e, 60)).WithHint("try again, or sign in another way")
	}
	return u.redeem(ctx, f, q.Get("code"), a)
}

// redeem turns a code into a person: code for tokens, the ID token checked, userinfo merged in.
func (u *Client) redeem(ctx context.Context, f *found, code string, a Attempt) (Person, error) {
	ctx = oidc.ClientContext(ctx, u.client)
	tokens, err := f.oauth.Exchange(ctx, code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return Person{}, u.refused(err)
	}
	u.report(nil)
	unproven := func(err error) error {
		return fault.New(fault.Denied, "%s sent no valid proof of who you are", u.Title).WithHint("try again; if this repeats, tell the operator").WithCause(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := f.verifier.Verify(ctx, raw)
	if err != nil {
		return Person{}, unproven(err)
	}
	claims := map[string]any{}
	if err := u.checkToken(token, tokens.AccessToken, a.Nonce, claims); err != nil {
		return Person{}, unproven(err)
	}
	if f.oidc.UserInfoEndpoint() != "" {
		// Groups are often only here. Going on without them would take projects away, so a
		// userinfo that does not answer ends the sign-in.
		info, err := f.oidc.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
		if err != nil {
			return Person{}, u.down(fmt.Errorf("userinfo: %.300w", err))
		}
		more := map[string]any{}
		if err := info.Claims(&more); err != nil || !u.sameSubject(info.Subject, token.Subject) {
			return Person{}, unproven(errors.Join(errors.New("userinfo of somebody else"), err))
		}
		for k, v := range more {
			if _, ok := claims[k]; !ok { // what is signed wins
				claims[k] = v
			}
		}
	}
	return u.person(token, claims)
}

// refused says why a code was not exchanged. The cause holds no more of the answer than its code.
func (u *Client) refused(err error) error {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		u.report(err)
		return u.down(err)
	}
	cause := fmt.Errorf("token endpoint answered %d %s", e.Response.StatusCode, Clean(e.ErrorCode, 60))
	if e.ErrorCode == "" || e.Response.StatusCode >= http.StatusInternalServerError {
		u.report(cause)
		return u.down(cause)
	}
	return fault.New(fault.Denied, "%s did not confirm you (%s)", u.Title, Clean(e.ErrorCode, 60)).WithHint("try again, or sign in another way").WithCause(cause)
}

// checkToken checks what go-oidc leaves to its callers (OpenID Connect Core §3.1.3.7), and reads
// the claims.
func (u *Client) checkToken(t *oidc.IDToken, accessToken, nonce string, claims map[string]any) error {
	if err := t.Claims(&claims); err != nil {
		return err
	}
	azp, present := claims["azp"]
	now := u.now()
	switch {
	case subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(nonce)) != 1:
		return errors.New("nonce is another one")
	case (present || len(t.Audience) > 1) && azp != u.ClientID:
		return errors.New("azp is somebody else")
	case t.IssuedAt.Before(now.Add(-10*time.Minute)) || t.IssuedAt.After(now.Add(time.Minute)):
		return fmt.Errorf("issued at %s", t.IssuedAt)
	case t.AccessTokenHash != "":
		return t.VerifyAccessToken(accessToken)
	}
	return nil
}

func (u *Client) sameSubject(a, b string) bool {
	return a == b || u.IgnoreSubjectCase && strings.EqualFold(a, b)
}

// person reads who signed in from checked claims.
func (u *Client) person(t *oidc.IDToken, claims map[string]any) (Person, error) {
	text := func(claim string) string { s, _ := claims[claim].(string); return s }
	p := Person{Subject: t.Subject, Name: Clean(text(u.Claims.Name), 200), Email: Clean(text(u.Claims.Email), 200),
		Roles: u.roles(claims), Groups: groups(claims[u.Claims.Groups]), At: u.now().UTC().Truncate(time.Second)}
	if u.IgnoreSubjectCase {
		p.Subject = strings.ToLower(p.Subject)
	}
	if strings.EqualFold(p.Subject, "test@MyAccessID.org") {
		return p, fault.New(fault.Denied, "the test account of MyAccessID has no rights here")
	}
	if p.Subject == "" || len(p.Subject) > 255 || strings.ContainsFunc(p.Subject, unicode.IsControl) {
		return p, fault.New(fault.Denied, "%s sent a name for you that cannot be one", u.Title)
	}
	if n, ok := claims["auth_time"].(float64); ok {
		if at := time.Unix(int64(n), 0).UTC(); at.Before(p.At) && n > 0 {
			p.At = at
		}
	}
	return p, nil
}

// Clean makes text of strangers fit to show: printable characters only, at most n of them.
func Clean(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if runes := []rune(strings.TrimSpace(s)); len(runes) > n {
		return string(runes[:n])
	}
	return strings.TrimSpace(s)
}
