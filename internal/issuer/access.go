package issuer

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/minting"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/material"
)

// maxAudiences bounds what one request may name.
const maxAudiences = 16

// audiences returns whom the tokens of a request are to be for (RFC 8707). "audience" is a synonym
// of "resource", for clients that know no other, and either may hold several with blanks between
// them. Our own name stands for tokens of our API, which is what everybody gets who names nobody.
func (i *Issuer) audiences(form url.Values) ([]string, error) {
	if i.c.Minter == nil {
		return nil, nil
	}
	var out []string
	for _, v := range slices.Concat(form["resource"], form["audience"]) {
		for name := range strings.FieldsSeq(v) {
			if name != i.c.URL && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	if len(out) > maxAudiences {
		return nil, fault.New(fault.Invalid, "more than %d audiences", maxAudiences).WithCause(minting.ErrTarget)
	}
	for _, name := range out {
		if !i.c.Minter.Target(name) {
			return nil, fault.New(fault.Invalid, "no tokens are made for the audience %.100q", name).WithCause(minting.ErrTarget)
		}
	}
	return out, nil
}

// minted returns those of scopes that stand in minted tokens.
func (i *Issuer) minted(scopes []identity.Scope) []string {
	var out []string
	for _, s := range scopes {
		if i.mints(s) {
			out = append(out, string(s))
		}
	}
	return out
}

func (i *Issuer) mints(s identity.Scope) bool {
	return i.c.Minter != nil && !slices.Contains(identity.Scopes(), s) && !slices.Contains(openID, s) && i.c.Minter.Knows(string(s))
}

// A wish is what a request wants of an access token.
type wish struct {
	scopes    []string // those of minted tokens
	audiences []string
	// narrow says that scopes were named: none of them for minted tokens, then, means a token of
	// ours.
	narrow bool
	got    *grant.Tokens // what was minted, if anything was
}

// mint answers login, which asks for the access token of a session.
func (i *Issuer) mint(c *client, w *wish) login.Mint {
	return func(ctx context.Context, s session.Session, a identity.Account) (material.Secret, time.Time, error) {
		granted, scopes, audiences := i.minted(s.Scopes), w.scopes, w.audiences
		if !w.narrow {
			scopes = granted
		}
		for _, name := range audiences {
			if len(s.Audiences) > 0 && !slices.Contains(s.Audiences, name) {
				return "", time.Time{}, fault.New(fault.Invalid, "the audience %.100q was not asked for at first", name).WithCause(minting.ErrTarget)
			}
		}
		if w.narrow && len(scopes) == 0 && len(audiences) == 0 {
			return "", time.Time{}, nil
		}
		if len(audiences) == 0 {
			audiences = s.Audiences
		}
		if len(scopes) == 0 && len(audiences) == 0 {
			return "", time.Time{}, nil
		}
		if !minting.Covers(granted, scopes) {
			return "", time.Time{}, login.ErrScope
		}
		t, err := i.c.Minter.Mint(ctx, minting.Order{Account: a, Scopes: scopes, Audiences: audiences, Until: s.ExpiresAt,
			ClientID: c.ID, Family: s.ID, AuthTime: s.AuthenticatedAt})
		if err != nil {
			return "", time.Time{}, err
		}
		w.got = &t
		return t.Access, t.AccessExpiresAt, nil
	}
}

// told are the scopes that the answer names: those of the access token, and those of OpenID.
func (w *wish) told(s session.Session) []string {
	if w.got == nil {
		return texts(s.Scopes)
	}
	var out []string
	for _, scope := range s.Scopes {
		if slices.Contains(openID, scope) {
			out = append(out, string(scope))
		}
	}
	return append(out, w.got.Scopes...)
}

// openID are the scopes beside those of our own API.
var openID = []identity.Scope{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, login.OfflineAccess}

// grantable returns the scopes that the client gets when it asks for these; false if one is
// unknown. The command line that asks for none of the API's, and none for other services, gets all
// of the API's. What minted tokens may have is the policy's to say, and depends on the person.
func (i *Issuer) grantable(c *client, asked []string) ([]identity.Scope, bool) {
	var out []identity.Scope
	api := false
	for _, s := range asked {
		switch scope := identity.Scope(s); {
		case slices.Contains(out, scope):
		case slices.Contains(identity.Scopes(), scope):
			api = true
			out = append(out, scope)
		case i.mints(scope):
			api = true
			out = append(out, scope)
		case slices.Contains(openID, scope):
			out = append(out, scope)
		default:
			return nil, false
		}
	}
	if len(out) == 0 {
		if out = slices.Clone(openID[:1]); c.ID == CommandLine {
			out = openID
		}
	}
	if c.ID == CommandLine && !api {
		out = slices.Concat(out, identity.Scopes())
	}
	return out, true
}
