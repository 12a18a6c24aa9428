// Package login holds how somebody proves who they are: sign-in through identity providers, the
// embedded local one, sessions of browsers, tokens of clients and robots, device approvals. It
// imports rows 0 to 2 and declares what it needs of a database.
package login

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/session"
)

// Store is what login needs of a database. Absent things are NotFound faults.
type Store interface {
	// SignIn finds or makes the account of (issuer, subject), brings name, e-mail and the time
	// last seen up to date, and returns it.
	SignIn(ctx context.Context, a identity.Account, record audit.Record) (identity.Account, error)
	// InsertSession adds a session with its first tokens.
	InsertSession(ctx context.Context, s session.Session, tokens []session.Token, record audit.Record) error
	// Session finds the session and the account that a token's hash proves, whatever its state.
	Session(ctx context.Context, hash string) (session.Session, session.Token, identity.Account, error)
	// Rotate spends the token old and adds tokens, in one transaction, if old is unspent: reports
	// whether it was.
	Rotate(ctx context.Context, old string, s session.Session, tokens []session.Token) (bool, error)
	// TouchSession moves LastSeenAt forward.
	TouchSession(ctx context.Context, id string, at time.Time) error
	// EndSession ends a session and forgets its tokens.
	EndSession(ctx context.Context, id string, record audit.Record) error
	ListSessions(ctx context.Context, accountID string) ([]session.Session, error)
	// Roles are the account's roles by project id.
	Roles(ctx context.Context, accountID string) (map[string]identity.Role, error)
	Tickets
}

// Tickets keeps tickets.
type Tickets interface {
	InsertTicket(context.Context, session.Ticket) error
	// Ticket finds by id, or by handle if id is empty. Expired ones are NotFound faults.
	Ticket(ctx context.Context, purpose, id, handle string, now time.Time) (session.Ticket, error)
	// SaveTicket writes Data under the Generation it was read with, and reports whether it was
	// still that; delete removes it likewise.
	SaveTicket(ctx context.Context, t session.Ticket, remove bool) (bool, error)
	// PurgeTickets removes expired tickets, tokens and sessions.
	PurgeTickets(ctx context.Context, before time.Time) error
}
