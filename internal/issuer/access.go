package issuer

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

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
