package login

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login/upstream"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/material"
)

// What the token endpoint refuses. The issuer gives each its name on the wire.
var (
	ErrGrant    error = fault.New(fault.Denied, "the code or token is unknown, used, expired or somebody else's")
	ErrScope    error = fault.New(fault.Invalid, "more scopes were asked for than were granted")
	ErrPending  error = fault.New(fault.Conflict, "nobody has decided yet")
	ErrSlowDown error = fault.New(fault.Limited, "asked again too soon")
	ErrExpired  error = fault.New(fault.Denied, "nobody approved in time")
	ErrRefused  error = fault.New(fault.Denied, "the request was refused")
)

// OfflineAccess is the scope that asks for a refresh token.
const OfflineAccess identity.Scope = "offline_access"

// A Grant is what a client gets at the token endpoint, and whose it is.
type Grant struct {
	Access  material.Secret
	Refresh material.Secret // empty unless the session has OfflineAccess
	// ExpiresAt is the end of Access.
	ExpiresAt time.Time
	Session   session.Session
	Account   identity.Account
	Nonce     string // of the authorization request
}

// A CodeRequest is what an authorization code will be bound to.
type CodeRequest struct {
	ClientID, RedirectURI string
	Challenge             string // PKCE, S256
	Nonce                 string
	// Host is what the client says its machine is called; nobody has checked.
	Host   string
	Scopes []identity.Scope
}

// code is what a ticket remembers of an authorization code.
type code struct {
	CodeRequest
	AccountID       string
	AuthenticatedAt time.Time
}

// GrantCode makes an authorization code for the person who acts: one use, one minute.
func (l *Login) GrantCode(ctx context.Context, by identity.Actor, c CodeRequest) (material.Secret, error) {
	if err := l.atBrowser(ctx, by); err != nil {
		return "", err
	}
	data, err := json.Marshal(code{c, by.AccountID, by.AuthenticatedAt})
	if err != nil {
		return "", fmt.Errorf("encode code: %w", err)
	}
	text := random()
	t := session.Ticket{ID: digest(text), Purpose: "code", Data: data, ExpiresAt: l.now().Add(codeLife)}
	if err := l.c.Store.InsertTicket(ctx, t); err != nil {
		return "", fmt.Errorf("insert code: %w", err)
	}
	return material.Secret(text), nil
}

// atBrowser wants a person at a browser: a stolen token must not breed longer-lived ones.
func (l *Login) atBrowser(ctx context.Context, by identity.Actor) error {
	if s, err := l.current(ctx, by); err != nil && fault.CodeOf(err) != fault.NotFound {
		return err
	} else if err != nil || s.Kind != session.Browser {
		return fault.New(fault.Denied, "only a person can do this, signed in at the web page").WithHint("open the page in a browser")
	}
	return nil
}

// RedeemCode turns an authorization code into tokens. Whatever is wrong is ErrGrant; a code that
// is shown a second time ends the session that the first use made (RFC 6749 §4.1.2).
func (l *Login) RedeemCode(ctx context.Context, clientID string, text material.Secret, redirectURI, verifier string, r Request) (Grant, error) {
	id := digest(text.Reveal())
	t, err := l.c.Store.Ticket(ctx, "code", id, "", l.now())
	if fault.CodeOf(err) == fault.NotFound {
		return Grant{}, l.replayed(ctx, id, r)
	} else if err != nil {
		return Grant{}, fmt.Errorf("find code: %w", err)
	}
	var c code
	if err := json.Unmarshal(t.Data, &c); err != nil {
		return Grant{}, fmt.Errorf("decode code: %w", err)
	}
	if c.ClientID != clientID || c.RedirectURI != redirectURI || len(verifier) < 43 || len(verifier) > 128 ||
		!equal(oauth2.S256ChallengeFromVerifier(verifier), c.Challenge) {
		// One guess per code.
		_, err := l.c.Store.SaveTicket(ctx, t, true)
		return Grant{}, cmp.Or(wrap("use up code", err), ErrGrant)
	}
	s := session.Session{ClientID: clientID, Host: upstream.Clean(c.Host, 100), Scopes: c.Scopes, AuthenticatedAt: c.AuthenticatedAt}
	// The hash of the code stays beside the tokens, so that its reuse is noticed.
	g, err := l.grant(ctx, s, c.AccountID, &t, session.Token{Hash: id, Use: session.CodeToken}, r)
	g.Nonce = c.Nonce
	if errors.Is(err, ErrGrant) {
		return g, l.replayed(ctx, id, r)
	}
	return g, err
}

// replayed ends the session of a code or refresh token that was used before, and is ErrGrant.
func (l *Login) replayed(ctx context.Context, hash string, r Request) error {
	s, t, a, err := l.c.Store.Session(ctx, hash)
	if fault.CodeOf(err) == fault.NotFound {
		return ErrGrant
	} else if err != nil {
		return fmt.Errorf("find session: %w", err)
	}
	if t.Use != session.CodeToken && t.Use != session.SpentToken {
		return ErrGrant
	}
	why := map[session.Use]string{session.CodeToken: "authorization code used twice", session.SpentToken: "refresh token used twice"}[t.Use]
	l.c.Log.WarnContext(ctx, "session ended", "reason", why, "session", s.ID, "account", a.ID, "client", s.ClientID, "address", r.Address)
	return cmp.Or(l.end(ctx, actorOf(a, r), s.ID, why), ErrGrant)
}

// grant makes a client's session out of the ticket that led to it, which is used up in the same
// transaction: ErrGrant if somebody else was first, or the account is stopped.
func (l *Login) grant(ctx context.Context, s session.Session, accountID string, spent *session.Ticket, mark session.Token, r Request) (Grant, error) {
	a, err := l.c.Store.Account(ctx, accountID)
	if err != nil {
		return Grant{}, fmt.Errorf("find account: %w", err)
	}
	if a.Frozen() {
		return Grant{}, ErrGrant
	}
	now := l.now()
	s.ID, s.Kind, s.AccountID, s.CreatedAt, s.LastSeenAt = "ses_"+rand.Text(), session.Client, a.ID, now, now
	s.ExpiresAt = now.Add(accessLife)
	if slices.Contains(s.Scopes, OfflineAccess) {
		s.ExpiresAt = now.Add(ClientLife)
	}
	g, tokens := l.tokens(s, a)
	if mark.Hash != "" {
		mark.SessionID, mark.ExpiresAt = s.ID, s.ExpiresAt
		tokens = append(tokens, mark)
	}
	ok, err := l.insert(ctx, s, a, tokens, spent, r)
	if err != nil {
		return Grant{}, err
	}
	if !ok {
		return Grant{}, ErrGrant
	}
	return g, nil
}

// tokens mints an access token for s and, if it may go on without its person, a refresh token.
func (l *Login) tokens(s session.Session, a identity.Account) (Grant, []session.Token) {
	end := l.now().Add(accessLife)
	if end.After(s.ExpiresAt) {
		end = s.ExpiresAt
	}
	access, hash := mint()
	g := Grant{Access: access, ExpiresAt: end, Session: s, Account: a}
	tokens := []session.Token{{Hash: hash, SessionID: s.ID, Use: session.AccessToken, ExpiresAt: end}}
	if slices.Contains(s.Scopes, OfflineAccess) {
		g.Refresh, hash = mint()
		tokens = append(tokens, session.Token{Hash: hash, SessionID: s.ID, Use: session.RefreshToken, ExpiresAt: s.ExpiresAt})
	}
	return g, tokens
}

// Refresh spends a refresh token for new tokens of the same session and the same end. scopes may
// repeat granted ones; what is given is always the whole grant. A token that was spent before
// ends the session for everybody who holds a part of it (RFC 9700 §4.14.2): there is no grace.
func (l *Login) Refresh(ctx context.Context, clientID string, token material.Secret, scopes []identity.Scope, r Request) (Grant, error) {
	hash := digest(token.Reveal())
	s, t, a, err := l.find(ctx, token)
	switch {
	case err != nil && !unproven(err): // the client keeps its token and comes back
		return Grant{}, err
	case err != nil || s.ClientID != clientID:
		return Grant{}, ErrGrant
	case t.Use != session.RefreshToken:
		return Grant{}, l.replayed(ctx, hash, r)
	}
	for _, scope := range scopes {
		if !slices.Contains(s.Scopes, scope) {
			return Grant{}, ErrScope
		}
	}
	s.LastSeenAt = l.now()
	g, tokens := l.tokens(s, a)
	ok, err := l.c.Store.Rotate(ctx, hash, s, tokens)
	if err != nil {
		return Grant{}, fmt.Errorf("rotate refresh token: %w", err)
	}
	if !ok {
		return Grant{}, l.replayed(ctx, hash, r)
	}
	return g, nil
}

// Revoke ends the session of an access or refresh token that the client holds (RFC 7009). What is
// unknown, over or somebody else's is left alone without an error.
func (l *Login) Revoke(ctx context.Context, clientID string, token material.Secret, r Request) error {
	s, _, a, err := l.find(ctx, token)
	if err != nil && !unproven(err) {
		return err
	}
	if s.ID == "" || s.ClientID != clientID || s.Kind != session.Client {
		return nil
	}
	return l.end(ctx, actorOf(a, r), s.ID, "revoked by its client")
}

// Introspect returns what an access token proves; faults as with Actor.
func (l *Login) Introspect(ctx context.Context, token material.Secret) (session.Session, session.Token, identity.Account, error) {
	s, t, a, err := l.find(ctx, token)
	if err == nil && t.Use != session.AccessToken {
		err = ended()
	}
	return s, t, a, err
}
