// Package session describes what proves, for a while, who somebody is: sessions, the tokens that
// carry them, tickets for things that wait for a person to come back, and the keys that sign
// tokens. Words only; it imports identity and material.
package session

import (
	"time"

	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/material"
)

// Kind tells what carries a session.
type Kind string

// The kinds of session.
const (
	Browser Kind = "browser" // a cookie
	Client  Kind = "client"  // a program signed in by OAuth: access and refresh tokens
	Robot   Kind = "robot"   // a robot's one token
)

// A Session is one proof of identity that somebody holds, with an owner and an end.
type Session struct {
	ID        string // ses_…
	Kind      Kind
	AccountID string
	// ClientID is the OAuth client; Host what it said of its machine, unverified.
	ClientID, Host string
	Scopes         []identity.Scope // nil: all
	// Audiences are whom its access tokens are for, beside those of Scopes; nil if for us alone.
	Audiences  []string
	CreatedAt  time.Time
	ExpiresAt  time.Time // absolute
	LastSeenAt time.Time
	// AuthenticatedAt is when the person last proved who they are at their provider.
	AuthenticatedAt time.Time
	EndedAt         time.Time // zero while in force
	Generation      int64
}

// Use tells what a token may be shown for.
type Use string

// The uses of tokens. A spent refresh token stays known, so that its reuse is noticed.
const (
	CookieToken  Use = "cookie"
	AccessToken  Use = "access"
	RefreshToken Use = "refresh"
	SpentToken   Use = "spent"
	CodeToken    Use = "code" // an authorization code
	// ReusedToken is any token of a session that ended because a refresh token of it was used
	// again: it proves nothing, and whoever shows it can be told why.
	ReusedToken Use = "reused"
)

// A Token is a hash that proves a session.
type Token struct {
	Hash      string // hex SHA-256 of the text; the text itself is never stored
	SessionID string
	Use       Use
	ExpiresAt time.Time
	// SpentAt and Salt are those of a spent refresh token: when another took its place, and what
	// that other is derived with, together with the text of this one, which nobody stores.
	SpentAt time.Time
	Salt    string
}

// A Proof is what a token proves: a session, and the account that it is of.
type Proof struct {
	Session Session
	Token   Token
	Account identity.Account
	Roles   map[string]identity.Role // of the account, by project id
}

// A Ticket is something that waits for one person to come back and is then used up: a sign-in
// under way, an authorization code, a device request, a one-time reveal. Data is the JSON of its
// purpose, sealed at rest.
type Ticket struct {
	ID      string // hex SHA-256 of what the holder shows, or a random id
	Purpose string // "signin", "code", "device", "reveal", "once"
	// Handle is a second way to find it (a user code); unique within the purpose, may be empty.
	Handle     string
	Data       []byte
	ExpiresAt  time.Time
	Generation int64
}

// A SigningKey signs tokens that others verify by the published public half.
type SigningKey struct {
	ID        string          // the kid
	Algorithm string          // as in JWS: "ES256"
	Private   material.Secret // PKCS #8, DER; sealed at rest
	// NotBefore is when it begins to sign: it is published before. RetiredAt is when it ceases to;
	// zero while open.
	NotBefore, RetiredAt time.Time
}

// LongestToken is how long access tokens live that are verified by their signature, at most: so
// long something denied must be remembered.
const LongestToken = 6 * time.Hour

// A Denial takes back access tokens that are verified by their signature: those that were issued
// until At and whose id, session, grant or account has the ID.
type Denial struct {
	Seq int64 // set by the store: 1, 2, 3 …, with gaps
	ID  string
	At  time.Time
	// Until is when the last of them ends by itself.
	Until time.Time
}

// Taken denies what was issued until at with the id, or for the session, grant or account of it.
func Taken(id string, at time.Time) Denial {
	return Denial{ID: id, At: at, Until: at.Add(LongestToken)}
}
