package login

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/caller"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login/local"
	"github.com/lanyardhq/lanyard/internal/login/opaque"
	"github.com/lanyardhq/lanyard/internal/login/upstream"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/material"
)

// ProviderInfo describes one way to sign in.
type ProviderInfo struct {
	ID, Title, Issuer string
	Password          bool      // the embedded local one: call Password instead of Start
	DownSince         time.Time // zero unless its last answer was a failure
}

// Providers lists the ways to sign in, as configured, the local one last.
func (l *Login) Providers() []ProviderInfo {
	var out []ProviderInfo
	for _, u := range l.providers {
		out = append(out, ProviderInfo{ID: u.ID, Title: u.Title, Issuer: u.Issuer, DownSince: u.DownSince()})
	}
	if l.local != nil {
		out = append(out, ProviderInfo{ID: local.Issuer, Title: l.local.Title, Issuer: local.Issuer, Password: true})
	}
	return out
}

// signin is what a ticket remembers of a sign-in under way.
type signin struct {
	Provider string
	Binding  string // digest of the pre-session cookie
	Next     string
	upstream.Attempt
}

// Start begins a sign-in at a provider: send the browser to redirect, and set binding as a cookie
// that comes back to Finish, for 10 minutes. next is the path of ours to show afterwards.
func (l *Login) Start(ctx context.Context, providerID, next string, r Request) (redirect string, binding material.Secret, err error) {
	u, err := l.upstream(providerID)
	if err != nil {
		return "", "", err
	}
	now := l.now()
	if err := l.starts.Spend(now, 1, caller.Network(r.Address)); err != nil {
		return "", "", err
	}
	state, bind := opaque.Random(), opaque.Random()
	redirect, attempt, err := u.Begin(ctx, state)
	if err != nil {
		return "", "", err
	}
	s := signin{Provider: u.ID, Binding: opaque.Digest(bind), Next: localPath(next), Attempt: attempt}
	data, err := json.Marshal(s)
	if err != nil {
		return "", "", fmt.Errorf("encode sign-in: %w", err)
	}
	if err := l.c.Store.InsertTicket(ctx, session.Ticket{ID: opaque.Digest(state), Purpose: "signin", Data: data, ExpiresAt: now.Add(signinLife)}); err != nil {
		return "", "", fmt.Errorf("insert sign-in: %w", err)
	}
	return redirect, material.Secret(bind), nil
}

// SignedIn is a finished sign-in.
type SignedIn struct {
	Cookie  material.Secret // for the browser, under CookieName
	Session session.Session
	Account identity.Account
	Next    string // a path of ours
}

// Finish ends a sign-in with the parameters that the provider's redirect brought and the cookie
// that Start gave. What the provider did not confirm is a Denied fault.
func (l *Login) Finish(ctx context.Context, providerID string, q url.Values, binding material.Secret, r Request) (SignedIn, error) {
	u, err := l.upstream(providerID)
	if err != nil {
		return SignedIn{}, err
	}
	for name, values := range q {
		if len(values) > 1 {
			return SignedIn{}, fault.New(fault.Invalid, "the answer of %s has two values for %.40q", u.Title, name)
		}
	}
	s, err := l.takeSignin(ctx, u, q.Get("state"), binding)
	if err != nil {
		return SignedIn{}, err
	}
	p, err := u.Finish(ctx, q, s.Attempt)
	if err != nil {
		return SignedIn{}, err
	}
	return l.admit(ctx, u.Issuer, p, s.Next, r)
}

func (l *Login) upstream(id string) (*upstream.Client, error) {
	for _, u := range l.providers {
		if u.ID == id {
			return u, nil
		}
	}
	return nil, fault.New(fault.NotFound, "there is no sign-in provider %.60q", id)
}

// takeSignin uses up the ticket of a sign-in, for the browser and the provider that it was made for.
func (l *Login) takeSignin(ctx context.Context, u *upstream.Client, state string, binding material.Secret) (signin, error) {
	stale := fault.New(fault.Invalid, "this sign-in took longer than 10 minutes, was used already, or began in another browser").WithHint("begin again")
	t, err := l.c.Store.Ticket(ctx, "signin", opaque.Digest(state), "", l.now())
	if fault.CodeOf(err) == fault.NotFound {
		return signin{}, stale
	} else if err != nil {
		return signin{}, fmt.Errorf("find sign-in: %w", err)
	}
	var s signin
	if err := json.Unmarshal(t.Data, &s); err != nil {
		return s, fmt.Errorf("decode sign-in: %w", err)
	}
	if s.Provider != u.ID || !opaque.Equal(s.Binding, opaque.Digest(binding.Reveal())) {
		return s, stale
	}
	won, err := l.c.Store.SaveTicket(ctx, t, true)
	if err != nil {
		return s, fmt.Errorf("use up sign-in: %w", err)
	}
	if !won {
		return s, stale
	}
	return s, nil
}

// admit signs in a person whom the issuer has proven: account, memberships, a session with a new id.
func (l *Login) admit(ctx context.Context, issuer string, p upstream.Person, next string, r Request) (SignedIn, error) {
	now := l.now()
	a := identity.Account{ID: "usr_" + rand.Text(), Kind: identity.Person, Issuer: issuer, Subject: p.Subject,
		Name: cmp.Or(p.Name, p.Subject), Email: p.Email, CreatedAt: now, LastSeenAt: now}
	if err := l.checkIssuer(ctx, issuer); err != nil {
		return SignedIn{}, err
	}
	a, err := l.c.Store.SignIn(ctx, a, audit.By(actorOf(a, r), now, "account.create", a.ID, "").With("issuer", issuer))
	if err != nil {
		return SignedIn{}, fmt.Errorf("sign in: %w", err)
	}
	if err := checkAccount(a); err != nil {
		return SignedIn{}, err
	}
	if p.Roles != nil && l.c.Import != nil {
		if err := l.c.Import(ctx, a, issuer, p.Roles); err != nil {
			return SignedIn{}, fmt.Errorf("import memberships: %w", err)
		}
	}
	if issuer != local.Issuer && l.c.Groups != nil {
		if err := l.c.Groups(ctx, a.ID, p.Groups); err != nil {
			return SignedIn{}, fmt.Errorf("keep groups: %w", err)
		}
	}
	cookie, hash := opaque.Mint()
	s := session.Session{ID: "ses_" + rand.Text(), Kind: session.Browser, AccountID: a.ID, CreatedAt: now, LastSeenAt: now,
		ExpiresAt: now.Add(browserLife), AuthenticatedAt: p.At}
	tokens := []session.Token{{Hash: hash, SessionID: s.ID, Use: session.CookieToken, ExpiresAt: s.ExpiresAt}}
	if _, err := l.insert(ctx, s, a, tokens, nil, r); err != nil {
		return SignedIn{}, err
	}
	return SignedIn{Cookie: cookie, Session: s, Account: a, Next: localPath(next)}, nil
}

// checkIssuer refuses people of a provider that the operator has stopped.
func (l *Login) checkIssuer(ctx context.Context, issuer string) error {
	frozen, err := l.c.Store.ListFrozenProviders(ctx)
	if err != nil {
		return fmt.Errorf("list frozen providers: %w", err)
	}
	if slices.Contains(frozen, issuer) {
		return fault.New(fault.Denied, "the operator has stopped all sign-ins from %s", issuer).WithHint("ask the operator")
	}
	return nil
}

// Password signs somebody in at the embedded provider. An unknown user takes as long as a wrong
// password and reads the same: Unauthenticated.
func (l *Login) Password(ctx context.Context, user string, password material.Secret, next string, r Request) (SignedIn, error) {
	if l.local == nil {
		return SignedIn{}, fault.New(fault.NotFound, "nobody signs in with a password here")
	}
	now := l.now()
	if err := l.passwords.Spend(now, 1, caller.Network(r.Address)); err != nil {
		return SignedIn{}, err
	}
	u, ok, err := l.local.Check(ctx, user, password)
	if err != nil {
		return SignedIn{}, err
	}
	if !ok {
		return SignedIn{}, fault.New(fault.Unauthenticated, "this name and password do not belong together").WithHint("check both and try again")
	}
	roles := u.Projects
	if roles == nil {
		roles = map[string]identity.Role{} // none, and that is to be said
	}
	return l.admit(ctx, local.Issuer, upstream.Person{Subject: u.Name, Name: u.FullName, Email: u.Email, Roles: roles, At: now}, next, r)
}
