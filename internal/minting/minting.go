// Package minting makes Lanyard's own access tokens: it judges by the operator's policy which scopes
// and audiences somebody gets, signs, verifies what it signed, and denies what was taken back. It
// imports rows 0 to 2 and declares what it needs of a database.
package minting

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/signing"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/wlcg"
)

// What is refused. Errors of Mint and Judge wrap them, with a text of their own.
var (
	ErrScope  error = fault.New(fault.Denied, "none of the scopes is yours to have")
	ErrTarget error = fault.New(fault.Invalid, "no tokens are made for this audience")
	// ErrToken is what Verify refuses tokens with: they are not ours, over or denied.
	ErrToken error = fault.New(fault.Unauthenticated, "the token is not one of ours, or it has ended")
)

// algorithms sign access tokens.
var algorithms = []string{signing.ES256, signing.RS256}

// Claims of ours beside those of the profiles.
const (
	familyClaim = "sid" // as OpenID Connect calls a session
	mayActClaim = "may_act"
)

// ourselves is the client of tokens that no client asked for.
const ourselves = "lanyard"

// Store is what minting needs of a database.
type Store interface {
	// ListMembers selects memberships by project, by account, or by both.
	ListMembers(ctx context.Context, projectID, accountID string) ([]project.Member, error)
	// Project finds by id or by name; absent ones are NotFound faults.
	Project(ctx context.Context, ref string) (project.Project, error)
	// Deny adds to the list of what is denied.
	Deny(context.Context, session.Denial, audit.Record) error
	// Denials returns what was denied after the number, in order; 0 is before all.
	Denials(ctx context.Context, after int64) ([]session.Denial, error)
	// Changed returns a channel that is closed once something was denied, here or, soon after, by
	// another server. It may be closed for other reasons too.
	Changed() <-chan struct{}
}

// Config is what a Minter is made of. All but Groups are required.
type Config struct {
	// Issuer is our name in tokens: the portal's address, without a slash at its end.
	Issuer string
	Policy Policy
	Keys   *signing.Keys
	Store  Store
	// Groups returns the groups and roles, as FQANs, that an account has in a VO: none for those who
	// are no members. Nil: nobody has any.
	Groups func(ctx context.Context, vo, accountID string) ([]string, error)
	Now    func() time.Time
}

// A Minter mints. It is safe for concurrent use.
type Minter struct {
	c         Config
	audiences map[string]Audience
	denied    denials
}

// New checks the policy and reports every mistake in it, as Invalid faults joined.
func New(c Config) (*Minter, error) {
	m := &Minter{c: c, audiences: map[string]Audience{}, denied: denials{store: c.Store}}
	for _, a := range c.Policy.Audiences {
		m.audiences[a.Name] = a
	}
	return m, c.Policy.Check()
}

// An Order asks for a token.
type Order struct {
	// Account is whom it is for. One that is stopped gets nothing.
	Account identity.Account
	// Scopes are those that the token shall have. What the policy does not give is left out; if that
	// is all, it is ErrScope.
	Scopes []string
	// Audiences are those that it is for; none means the policy's default.
	Audiences []string
	// Life is how long it shall live, up to the policy's; zero takes that. Until is when it ends at
	// the latest; zero for no bound.
	Life     time.Duration
	Until    time.Time
	ClientID string // the OAuth client that asked; may be empty
	// Family is the session or grant that the token hangs on: its end is the token's.
	Family   string
	Actor    *wlcg.Actor
	AuthTime time.Time
}

// Mint makes a token. What it answers says what was granted. What is refused wraps ErrScope or
// ErrTarget.
func (m *Minter) Mint(ctx context.Context, o Order) (grant.Tokens, error) {
	t, err := m.target(o.Audiences)
	if err != nil {
		return grant.Tokens{}, err
	}
	given, err := m.judge(ctx, o, t.profile)
	if err != nil {
		return grant.Tokens{}, err
	}
	now := m.now()
	end := m.end(now, o, t)
	if !end.After(now) {
		return grant.Tokens{}, fmt.Errorf("nothing is left of its life: %w", ErrToken)
	}
	key, err := m.c.Keys.Signer(t.algorithm, now)
	if err != nil {
		return grant.Tokens{}, err
	}
	extra := map[string]any{familyClaim: o.Family}
	if t.mayAct != "" {
		extra[mayActClaim] = map[string]any{"sub": t.mayAct, "iss": m.c.Issuer}
	}
	text, err := wlcg.Claims{Issuer: m.c.Issuer, Subject: o.Account.ID, ID: rand.Text(), Audience: t.names, IssuedAt: now,
		ExpiresAt: end, Scope: given.scopes, Groups: given.groups, ClientID: cmp.Or(o.ClientID, ourselves),
		Actor: o.Actor, AuthTime: o.AuthTime, Extra: extra}.Mint(key, t.profile)
	if err != nil {
		return grant.Tokens{}, fmt.Errorf("mint access token: %w", err)
	}
	return grant.Tokens{Access: material.Secret(text), AccessExpiresAt: end, Scopes: given.scopes, Audiences: t.names, Subject: o.Account.ID}, nil
}

// Judge refuses what Mint would.
func (m *Minter) Judge(ctx context.Context, o Order) error {
	t, err := m.target(o.Audiences)
	if err == nil {
		_, err = m.judge(ctx, o, t.profile)
	}
	return err
}

// end is when a token for t ends.
func (m *Minter) end(now time.Time, o Order, t target) time.Time {
	life := cmp.Or(m.c.Policy.Life, defaultLife)
	if o.Life > 0 {
		life = min(life, o.Life)
	}
	if t.maxLife > 0 {
		life = min(life, t.maxLife)
	}
	end := now.Add(life)
	if !o.Until.IsZero() && o.Until.Before(end) {
		end = o.Until
	}
	return end
}

// now is the moment that decides: UTC, whole seconds.
func (m *Minter) now() time.Time { return m.c.Now().UTC().Truncate(time.Second) }

// A target is what tokens for some audiences are like.
type target struct {
	names     []string
	algorithm string
	profile   wlcg.Profile
	maxLife   time.Duration
	mayAct    string
}

// target finds out how to mint for the audiences: a token for several lives as short as for one of
// them alone. RS256 is what all of them know.
func (m *Minter) target(names []string) (target, error) {
	if len(names) == 0 && m.c.Policy.DefaultAudience != "" {
		names = []string{m.c.Policy.DefaultAudience}
	}
	if len(names) == 0 || len(names) == 1 && (names[0] == wlcg.AnyAudience || names[0] == wlcg.AnyAudienceSciTokens) {
		return m.anywhere(names)
	}
	var t target
	for _, name := range names {
		a, ok := m.audiences[name]
		if !ok {
			return t, refused(ErrTarget, "no tokens are made for the audience %.100q", name)
		}
		if !t.add(a) {
			return t, refused(ErrTarget, "no token fits all of these audiences; ask for one each")
		}
	}
	return t, nil
}

// add makes t fit one more audience; false if nothing fits it and those before.
func (t *target) add(a Audience) bool {
	switch {
	case len(t.names) == 0:
		*t = target{algorithm: cmp.Or(a.Algorithm, signing.ES256), profile: profiles[a.Profile], maxLife: a.MaxLife, mayAct: a.MayAct}
	case slices.Contains(t.names, a.Name):
		return true
	default:
		t.mayAct = "" // it would act at the others too
	}
	t.names = append(t.names, a.Name)
	if a.Algorithm == signing.RS256 {
		t.algorithm = signing.RS256
	}
	if a.MaxLife > 0 && (t.maxLife == 0 || a.MaxLife < t.maxLife) {
		t.maxLife = a.MaxLife
	}
	return t.profile == profiles[a.Profile]
}

func (m *Minter) anywhere(names []string) (target, error) {
	t := target{names: []string{wlcg.AnyAudience}, algorithm: signing.ES256}
	if len(names) > 0 && names[0] == wlcg.AnyAudienceSciTokens {
		t.names, t.profile = names, wlcg.SciTokens
	}
	if !m.c.Policy.AnyAudience {
		return t, refused(ErrTarget, "name the audience that the token is for")
	}
	return t, nil
}

// refused is err with a text of its own.
func refused(err error, format string, args ...any) error {
	return fault.New(fault.CodeOf(err), format, args...).WithCause(err)
}
