package login

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login/opaque"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/material"
)

// CookieName is the name of the session cookie. With TLS it carries the prefix that binds it to
// the host and to TLS (RFC 6265bis §4.1.3.2).
func CookieName(secure bool) string {
	if secure {
		return "__Host-lanyard"
	}
	return "lanyard"
}

// Actor returns who shows an access token or a robot's token. One that is unknown, has expired or
// has ended is an Unauthenticated fault; a stopped account is a Denied one.
func (l *Login) Actor(ctx context.Context, token material.Secret, r Request) (identity.Actor, error) {
	return l.actor(ctx, token, session.AccessToken, r)
}

// BrowserActor returns who shows a session cookie; faults as with Actor.
func (l *Login) BrowserActor(ctx context.Context, cookie material.Secret, r Request) (identity.Actor, error) {
	return l.actor(ctx, cookie, session.CookieToken, r)
}

// WhoAmI returns the account and the session behind an actor. The operator has neither: NotFound.
func (l *Login) WhoAmI(ctx context.Context, by identity.Actor) (identity.Account, session.Session, error) {
	s, err := l.current(ctx, by)
	if err != nil {
		return identity.Account{}, s, err
	}
	a, err := l.c.Store.Account(ctx, by.AccountID)
	return a, s, err
}

// Account returns an account that may act. A stopped one is a Denied fault.
func (l *Login) Account(ctx context.Context, id string) (identity.Account, error) {
	a, err := l.c.Store.Account(ctx, id)
	if err != nil {
		return a, err
	}
	return a, checkAccount(a)
}

// SignOut ends the session that the actor holds.
func (l *Login) SignOut(ctx context.Context, by identity.Actor) error {
	return l.end(ctx, by, by.SessionID, "signed out")
}

// Sessions lists the actor's own sessions in force, newest first.
func (l *Login) Sessions(ctx context.Context, by identity.Actor) ([]session.Session, error) {
	if by.AccountID == "" {
		return nil, nil
	}
	all, err := l.c.Store.ListSessions(ctx, by.AccountID)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	now := l.now()
	return slices.DeleteFunc(all, func(s session.Session) bool { return over(s, now) }), nil
}

// EndSession ends one of the actor's own sessions. Those of others look absent.
func (l *Login) EndSession(ctx context.Context, by identity.Actor, id string) error {
	mine, err := l.Sessions(ctx, by)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(mine, func(s session.Session) bool { return s.ID == id }) {
		return fault.New(fault.NotFound, "you have no session %.60q", id)
	}
	return l.end(ctx, by, id, "ended by its owner")
}

// PutReveal keeps data for 10 minutes, for the session that by holds, and returns the name to ask
// by.
func (l *Login) PutReveal(ctx context.Context, by identity.Actor, data []byte) (once string, err error) {
	once = opaque.Random()
	t := session.Ticket{ID: revealID(by, once), Purpose: "reveal", Data: data, ExpiresAt: l.now().Add(revealLife)}
	if err := l.c.Store.InsertTicket(ctx, t); err != nil {
		return "", fmt.Errorf("keep for one look: %w", err)
	}
	return once, nil
}

// Reveal returns what PutReveal kept, to the same session, until EndReveal or the end of the 10
// minutes; then it is NotFound.
func (l *Login) Reveal(ctx context.Context, by identity.Actor, once string) ([]byte, error) {
	t, err := l.revealed(ctx, by, once)
	return t.Data, err
}

// EndReveal forgets what PutReveal kept.
func (l *Login) EndReveal(ctx context.Context, by identity.Actor, once string) error {
	t, err := l.revealed(ctx, by, once)
	if err != nil {
		return err
	}
	if _, err := l.c.Store.SaveTicket(ctx, t, true); err != nil {
		return fmt.Errorf("forget reveal: %w", err)
	}
	return nil
}

// Once notes that something that may happen once has happened; a second time, until its end, it is a
// Conflict fault.
func (l *Login) Once(ctx context.Context, what string, until time.Time) error {
	return l.c.Store.InsertTicket(ctx, session.Ticket{ID: opaque.Digest(what), Purpose: "once", Data: []byte("{}"), ExpiresAt: until})
}

func (l *Login) revealed(ctx context.Context, by identity.Actor, once string) (session.Ticket, error) {
	t, err := l.c.Store.Ticket(ctx, "reveal", revealID(by, once), "", l.now())
	if fault.CodeOf(err) == fault.NotFound {
		return t, fault.New(fault.NotFound, "this was put away, or its 10 minutes are over").WithHint("create a new key if you did not keep the secret")
	}
	if err != nil {
		return t, fmt.Errorf("find reveal: %w", err)
	}
	return t, nil
}

// revealID names a reveal by the session too, so that the link alone shows nothing.
func revealID(by identity.Actor, once string) string {
	return opaque.Digest(by.SessionID + "\n" + once)
}

// find returns what a token proves, if that is still in force. It is asked for by every request, and
// nothing of its answer is kept for the next.
func (l *Login) find(ctx context.Context, token material.Secret) (session.Proof, error) {
	if !opaque.WellFormed(token) {
		return session.Proof{}, ended()
	}
	p, err := l.c.Store.Session(ctx, opaque.Digest(token.Reveal()))
	now := l.now()
	switch {
	case fault.CodeOf(err) == fault.NotFound:
		err = ended()
	case err != nil:
		err = fmt.Errorf("find session: %w", err)
	case p.Token.Use == session.ReusedToken:
		err = reused(p.Session.EndedAt)
	case over(p.Session, now) || !now.Before(p.Token.ExpiresAt):
		err = ended()
	default:
		err = checkAccount(p.Account)
	}
	return p, err
}

// over reports whether s proves nothing any more at now.
func over(s session.Session, now time.Time) bool {
	idle := s.Kind == session.Browser && now.Sub(s.LastSeenAt) >= BrowserIdle
	return !s.EndedAt.IsZero() || !now.Before(s.ExpiresAt) || idle
}

func ended() error {
	return fault.New(fault.Unauthenticated, "you are not signed in, or your sign-in has ended").WithHint("sign in again")
}

// unproven reports whether err says something of the token, and not of the database.
func unproven(err error) bool {
	code := fault.CodeOf(err)
	return code == fault.Unauthenticated || code == fault.Denied
}

func checkAccount(a identity.Account) error {
	if !a.Frozen() {
		return nil
	}
	return fault.New(fault.Denied, "the account %s has been stopped: %s", a.Name, cmp.Or(a.FreezeReason, "no reason given")).WithHint("ask the operator")
}

// actor returns who shows a token for its use, and notes that the session was seen.
func (l *Login) actor(ctx context.Context, token material.Secret, use session.Use, r Request) (identity.Actor, error) {
	p, err := l.find(ctx, token)
	if err != nil {
		return identity.Actor{}, err
	}
	if p.Token.Use != use {
		return identity.Actor{}, ended()
	}
	s, by := p.Session, actorOf(p.Account, r)
	by.Roles, by.Scopes, by.SessionID, by.AuthenticatedAt = p.Roles, apiScopes(s.Scopes), s.ID, s.AuthenticatedAt
	if now := l.now(); now.Sub(s.LastSeenAt) >= touchEvery {
		// A database that cannot be written must not stop anybody from revoking.
		if err := l.c.Store.TouchSession(ctx, s.ID, now); err != nil {
			l.c.Log.WarnContext(ctx, "session use not noted", "session", s.ID, "err", err)
		}
	}
	return by, nil
}

func actorOf(a identity.Account, r Request) identity.Actor {
	return identity.Actor{AccountID: a.ID, Name: a.Name, Kind: a.Kind, RequestID: r.ID, Address: r.Address, Client: r.Client}
}

// apiScopes drops those that only OpenID knows. Sessions of browsers have nil: all.
func apiScopes(scopes []identity.Scope) []identity.Scope {
	if scopes == nil {
		return nil
	}
	out := []identity.Scope{}
	for _, s := range identity.Scopes() {
		if slices.Contains(scopes, s) {
			out = append(out, s)
		}
	}
	return out
}

// current returns the session that the actor holds.
func (l *Login) current(ctx context.Context, by identity.Actor) (session.Session, error) {
	mine, err := l.Sessions(ctx, by)
	if err != nil {
		return session.Session{}, err
	}
	for _, s := range mine {
		if s.ID == by.SessionID {
			return s, nil
		}
	}
	return session.Session{}, fault.New(fault.NotFound, "no session belongs to this request")
}

// insert adds a session with its tokens and its one audit record, and reports whether spent, the
// ticket that led to it, was still there to be used up.
func (l *Login) insert(ctx context.Context, s session.Session, a identity.Account, tokens []session.Token, spent *session.Ticket, r Request) (bool, error) {
	record := audit.By(actorOf(a, r), s.CreatedAt, "session.create", s.ID, a.Project).With("kind", string(s.Kind))
	if s.ClientID != "" {
		record = record.With("client", s.ClientID)
	}
	if s.Host != "" {
		record = record.With("host", s.Host)
	}
	ok, err := l.c.Store.InsertSession(ctx, s, tokens, spent, record)
	if err != nil || !ok {
		return false, wrap("insert session", err)
	}
	// A provider that was stopped while this went on had its sessions ended, perhaps just before
	// this one was there: so look once more.
	if err := l.checkIssuer(ctx, a.Issuer); err != nil {
		return false, cmp.Or(l.end(ctx, actorOf(a, r), s.ID, "provider stopped"), err)
	}
	return true, nil
}

// end ends a session; one that is gone already is fine.
func (l *Login) end(ctx context.Context, by identity.Actor, id, why string) error {
	err := l.c.Store.EndSession(ctx, id, ending(by, id, why, l.now()))
	if err == nil || fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	return fmt.Errorf("end session %s: %w", id, err)
}

func ending(by identity.Actor, id, why string, at time.Time) audit.Record {
	return audit.By(by, at, "session.end", id, "").With("reason", why)
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
