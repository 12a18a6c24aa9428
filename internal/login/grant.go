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
	"github.com/lanyardhq/lanyard/internal/login/opaque"
	"github.com/lanyardhq/lanyard/internal/login/upstream"
	"github.com/lanyardhq/lanyard/internal/notice"
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

// ErrReused is in the chain of what is refused because somebody used an old refresh token of the
// same session, which ended it. The fault around it says when; it is an ErrGrant too.
var ErrReused = fmt.Errorf("ended by the reuse of a refresh token: %w", ErrGrant)

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
	Host      string
	Scopes    []identity.Scope
	Audiences []string // as of a session
}

// A Mint makes the access token of a session, and tells when that ends, or answers with an empty one
// to have login make it. It is called before anything is written: what it refuses leaves code and
// token as they were.
type Mint func(context.Context, session.Session, identity.Account) (material.Secret, time.Time, error)

// A Redemption is what a client shows at the token endpoint.
type Redemption struct {
	ClientID string
	// Proof is a code, a device code or a refresh token.
	Proof                 material.Secret
	RedirectURI, Verifier string // of a code
	// Scopes are repeated from the grant, with a refresh token. More is ErrScope; what is given is
	// always the whole grant.
	Scopes []identity.Scope
	// Audiences become those of the session, with a code or device code for which none were named:
	// some clients name theirs late.
	Audiences []string
	// Grace is how long a refresh token that was spent yields its successor once more.
	Grace time.Duration
	Mint  Mint // nil: login makes all tokens
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
	text := opaque.Random()
	t := session.Ticket{ID: opaque.Digest(text), Purpose: "code", Data: data, ExpiresAt: l.now().Add(codeLife)}
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
func (l *Login) RedeemCode(ctx context.Context, p Redemption, r Request) (Grant, error) {
	id := opaque.Digest(p.Proof.Reveal())
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
	if c.ClientID != p.ClientID || c.RedirectURI != p.RedirectURI || len(p.Verifier) < 43 || len(p.Verifier) > 128 ||
		!opaque.Equal(oauth2.S256ChallengeFromVerifier(p.Verifier), c.Challenge) {
		// One guess per code.
		_, err := l.c.Store.SaveTicket(ctx, t, true)
		return Grant{}, cmp.Or(wrap("use up code", err), ErrGrant)
	}
	s := session.Session{ClientID: p.ClientID, Host: upstream.Clean(c.Host, 100), Scopes: c.Scopes, Audiences: late(c.Audiences, p.Audiences), AuthenticatedAt: c.AuthenticatedAt}
	// The hash of the code stays beside the tokens, so that its reuse is noticed.
	g, err := l.grant(ctx, s, opening{c.AccountID, t, session.Token{Hash: id, Use: session.CodeToken}, p.Mint}, r)
	g.Nonce = c.Nonce
	if errors.Is(err, ErrGrant) {
		return g, l.replayed(ctx, id, r)
	}
	return g, err
}

// late returns the audiences of a grant, or those that its redemption names if it has none.
func late(granted, named []string) []string {
	if len(granted) > 0 {
		return granted
	}
	return named
}

// replayed ends the session of a code or refresh token that was used before, and tells its owner. It
// is ErrGrant, with the reason if that was a refresh token.
func (l *Login) replayed(ctx context.Context, hash string, r Request) error {
	p, err := l.c.Store.Session(ctx, hash)
	if fault.CodeOf(err) == fault.NotFound {
		return ErrGrant
	} else if err != nil {
		return fmt.Errorf("find session: %w", err)
	}
	s, t, a, now := p.Session, p.Token, p.Account, l.now()
	kind, why, refusal := notice.CodeReused, "authorization code used twice", ErrGrant
	switch {
	case t.Use == session.ReusedToken: // somebody noticed before us
		return reused(s.EndedAt)
	case t.Use != session.CodeToken && t.Use != session.SpentToken || over(s, now):
		return ErrGrant
	case t.Use == session.SpentToken:
		kind, why, refusal = notice.TokenReused, "refresh token used twice", reused(now)
	}
	l.c.Log.WarnContext(ctx, "session ended", "reason", why, "session", s.ID, "account", a.ID, "client", s.ClientID, "address", r.Address)
	err = l.c.Store.EndReused(ctx, notice.OfSession(kind, s, now, r.Address, r.Client), ending(actorOf(a, r), s.ID, why, now))
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return fmt.Errorf("end session %s: %w", s.ID, err)
	}
	return refusal
}

// reused refuses what proved a session that ended at that time.
func reused(at time.Time) error {
	return fault.New(fault.Unauthenticated, "this sign-in was ended on %s, because somebody used an old copy of its refresh token", at.Format("Mon 2 Jan 2006 at 15:04 MST")).
		WithHint("sign in again: lanyard login").WithCause(ErrReused)
}

// An opening is what a client's session is made out of.
type opening struct {
	accountID string
	spent     session.Ticket // which led to it
	mark      session.Token  // which stays beside its tokens, unless it has no hash
	mint      Mint
}

// grant makes a client's session. The ticket that led to it is used up in the same transaction:
// ErrGrant if somebody else was first, or the account is stopped.
func (l *Login) grant(ctx context.Context, s session.Session, o opening, r Request) (Grant, error) {
	a, err := l.c.Store.Account(ctx, o.accountID)
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
	g, tokens, err := l.access(ctx, s, a, o.mint)
	if err != nil {
		return Grant{}, err
	}
	if slices.Contains(s.Scopes, OfflineAccess) {
		var hash string
		g.Refresh, hash = opaque.Mint()
		tokens = append(tokens, refreshToken(s, hash))
	}
	if o.mark.Hash != "" {
		o.mark.SessionID, o.mark.ExpiresAt = s.ID, s.ExpiresAt
		tokens = append(tokens, o.mark)
	}
	ok, err := l.insert(ctx, s, a, tokens, &o.spent, r)
	if err != nil {
		return Grant{}, err
	}
	if !ok {
		return Grant{}, ErrGrant
	}
	return g, nil
}

// access makes an access token for s: by the issuer's hand if that makes one, else one of ours,
// which the store must know.
func (l *Login) access(ctx context.Context, s session.Session, a identity.Account, by Mint) (Grant, []session.Token, error) {
	g := Grant{Session: s, Account: a}
	if by != nil {
		var err error
		if g.Access, g.ExpiresAt, err = by(ctx, s, a); err != nil || g.Access != "" {
			return g, nil, err
		}
	}
	var hash string
	g.Access, hash = opaque.Mint()
	if g.ExpiresAt = l.now().Add(accessLife); g.ExpiresAt.After(s.ExpiresAt) {
		g.ExpiresAt = s.ExpiresAt
	}
	return g, []session.Token{{Hash: hash, SessionID: s.ID, Use: session.AccessToken, ExpiresAt: g.ExpiresAt}}, nil
}

func refreshToken(s session.Session, hash string) session.Token {
	return session.Token{Hash: hash, SessionID: s.ID, Use: session.RefreshToken, ExpiresAt: s.ExpiresAt}
}

// Refresh spends a refresh token for new tokens of the same session and the same end. A token that
// was spent before yields the same successor for the grace, as long as that is not spent itself:
// the client may have lost the answer, or be many processes. After that it ends the session for
// everybody who holds a part of it (RFC 9700 §4.14.2).
func (l *Login) Refresh(ctx context.Context, p Redemption, r Request) (Grant, error) {
	hash := opaque.Digest(p.Proof.Reveal())
	found, err := l.find(ctx, p.Proof)
	s, t := found.Session, found.Token
	switch {
	case err != nil && !unproven(err): // the client keeps its token and comes back
		return Grant{}, err
	case s.ClientID != p.ClientID, err != nil && !errors.Is(err, ErrReused):
		return Grant{}, ErrGrant
	case err != nil:
		return Grant{}, err
	case t.Use != session.RefreshToken && !l.graceful(t, p.Grace):
		return Grant{}, l.replayed(ctx, hash, r)
	}
	for _, scope := range p.Scopes {
		if !slices.Contains(s.Scopes, scope) {
			return Grant{}, ErrScope
		}
	}
	s.LastSeenAt = l.now()
	g, tokens, err := l.access(ctx, s, found.Account, p.Mint)
	if err != nil {
		return Grant{}, err
	}
	ok, err := l.succeed(ctx, &g, t, p, tokens)
	if err == nil && !ok {
		err = l.replayed(ctx, hash, r)
	}
	if err != nil {
		return Grant{}, err
	}
	return g, nil
}

// graceful reports whether a spent refresh token may be shown once more.
func (l *Login) graceful(t session.Token, grace time.Duration) bool {
	return t.Use == session.SpentToken && l.now().Before(t.SpentAt.Add(grace))
}

// succeed gives g the successor of the refresh token t, and the store tokens. It is false if t may
// not be shown any more.
func (l *Login) succeed(ctx context.Context, g *Grant, t session.Token, p Redemption, tokens []session.Token) (bool, error) {
	var hash string
	if t.Use == session.RefreshToken {
		t.SpentAt, t.Salt = l.now(), rand.Text()
		g.Refresh, hash = opaque.Successor(p.Proof, t.Salt)
		ok, err := l.c.Store.Rotate(ctx, t, g.Session, append(slices.Clone(tokens), refreshToken(g.Session, hash)))
		if ok || err != nil {
			return ok, wrap("rotate refresh token", err)
		}
		// Somebody was first: the salt is theirs.
		found, err := l.find(ctx, p.Proof)
		t = found.Token
		switch {
		case unproven(err), err == nil && !l.graceful(t, p.Grace):
			return false, nil
		case err != nil:
			return false, err
		}
	}
	g.Refresh, hash = opaque.Successor(p.Proof, t.Salt)
	ok, err := l.c.Store.AddTokens(ctx, hash, g.Session, tokens)
	return ok, wrap("add tokens", err)
}

// Revoke ends the session of an access or refresh token that the client holds (RFC 7009). What is
// unknown, over or somebody else's is left alone without an error.
func (l *Login) Revoke(ctx context.Context, clientID string, token material.Secret, r Request) error {
	p, err := l.find(ctx, token)
	if err != nil && !unproven(err) {
		return err
	}
	s := p.Session
	if s.ID == "" || s.ClientID != clientID || s.Kind != session.Client {
		return nil
	}
	return l.end(ctx, actorOf(p.Account, r), s.ID, "revoked by its client")
}

// Introspect returns what an access token proves; faults as with Actor.
func (l *Login) Introspect(ctx context.Context, token material.Secret) (session.Session, session.Token, identity.Account, error) {
	p, err := l.find(ctx, token)
	if err == nil && p.Token.Use != session.AccessToken {
		err = ended()
	}
	return p.Session, p.Token, p.Account, err
}
