// Package login holds how somebody proves who they are: sign-in through identity providers, the
// embedded local one, sessions of browsers, tokens of clients and robots, device approvals. It
// imports rows 0 to 2 and declares what it needs of a database.
package login

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/session"
)

// Store is what login needs of a database. Absent things are NotFound faults. Each write is one
// transaction, with its audit record where it takes one.
type Store interface {
	Accounts
	Sessions
	Tickets
	Robots
}

// Accounts knows people.
type Accounts interface {
	// SignIn finds the account of (a.Issuer, a.Subject), brings name, e-mail and the time last
	// seen up to date, and returns it. Only if there is none, it adds a, with a.ID, and writes
	// record.
	SignIn(ctx context.Context, a identity.Account, record audit.Record) (identity.Account, error)
	// Account finds by id.
	Account(ctx context.Context, id string) (identity.Account, error)
	// ListFrozenProviders names the issuers whose accounts may not sign in.
	ListFrozenProviders(context.Context) ([]string, error)
}

// Sessions keeps sessions and the hashes of their tokens.
type Sessions interface {
	// InsertSession adds a session with its first tokens. If spent is not nil, the same transaction
	// removes that ticket under its Generation; if somebody else was first, nothing is written and
	// the answer is false.
	InsertSession(ctx context.Context, s session.Session, tokens []session.Token, spent *session.Ticket, record audit.Record) (bool, error)
	// Session finds what a token's hash proves, whatever the state of session, token and account.
	Session(ctx context.Context, hash string) (session.Proof, error)
	// Rotate turns the refresh token old into a spent one, with its SpentAt and Salt, adds tokens
	// and writes LastSeenAt of s, in one transaction. If old is not (or no longer) a refresh token
	// of a session in force, nothing is written and the answer is false.
	Rotate(ctx context.Context, old session.Token, s session.Session, tokens []session.Token) (bool, error)
	// AddTokens adds tokens to a session in force and writes LastSeenAt of s, as long as holds is
	// the hash of its current refresh token; else nothing is written and the answer is false.
	AddTokens(ctx context.Context, holds string, s session.Session, tokens []session.Token) (bool, error)
	// TouchSession moves LastSeenAt forward, never back.
	TouchSession(ctx context.Context, id string, at time.Time) error
	// EndSession sets EndedAt to the record's time and forgets the session's tokens. One that is
	// absent or has ended is a NotFound fault, and nothing is written.
	EndSession(ctx context.Context, id string, record audit.Record) error
	// EndReused is EndSession for the session that n tells of, and keeps the notice. After the
	// reuse of a refresh token the session's tokens stay known, as reused ones.
	EndReused(ctx context.Context, n notice.Notice, record audit.Record) error
	// ListSessions returns an account's sessions that have not ended, newest first. They may have
	// expired.
	ListSessions(ctx context.Context, accountID string) ([]session.Session, error)
}

// Tickets keeps tickets.
type Tickets interface {
	// InsertTicket adds one; an id or handle that is in use within the purpose is a Conflict fault.
	InsertTicket(context.Context, session.Ticket) error
	// Ticket finds by id, or by handle if id is empty. Expired ones are NotFound faults.
	Ticket(ctx context.Context, purpose, id, handle string, now time.Time) (session.Ticket, error)
	// SaveTicket writes Data and ExpiresAt under the Generation it was read with, and reports
	// whether it was still that; remove deletes it likewise.
	SaveTicket(ctx context.Context, t session.Ticket, remove bool) (bool, error)
	// PurgeTickets removes tickets, tokens and sessions that expired or ended before the time.
	PurgeTickets(ctx context.Context, before time.Time) error
}

// Robots keeps robot accounts.
type Robots interface {
	// InsertRobot adds a robot's account, its membership, its session and the token of that.
	InsertRobot(context.Context, identity.Account, project.Member, session.Session, session.Token, audit.Record) error
	// EndRobot writes the account (frozen by then), and ends and forgets its sessions and tokens.
	EndRobot(context.Context, identity.Account, audit.Record) error
	ListAccounts(context.Context, identity.Filter) ([]identity.Account, error)
	// ListMembers selects by project, by account, or by both.
	ListMembers(ctx context.Context, projectID, accountID string) ([]project.Member, error)
	// Project finds by id or by name.
	Project(ctx context.Context, ref string) (project.Project, error)
}
