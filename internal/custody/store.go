package custody

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/session"
)

// Store is what custody needs of a database. Absent things are NotFound faults, and a write that
// another one overtook is fault.ErrStale. Secrets are sealed by it.
type Store interface {
	Credentials
	Families
	Work
	Tickets
}

// Credentials reads credentials and who has them.
type Credentials interface {
	Account(ctx context.Context, id string) (identity.Account, error)
	ListAccounts(context.Context, identity.Filter) ([]identity.Account, error)
	Project(ctx context.Context, ref string) (project.Project, error)
	Credential(ctx context.Context, ref string) (credential.Credential, credential.State, error)
	ListCredentials(context.Context, credential.Filter) ([]credential.Credential, error)
	ListMembers(ctx context.Context, projectID, accountID string) ([]project.Member, error)
	ListFrozenProviders(context.Context) ([]string, error)
	Done(ctx context.Context, actor string, once audit.Once) (subject string, err error)
}

// Families keeps what came of approvals.
type Families interface {
	// Grant reads a grant, its family, and the token that is kept for the wish with this key. Where
	// there is no family or no such token yet, that is zero.
	Grant(ctx context.Context, id, wish string) (credential.Credential, grant.Family, grant.Kept, error)
	// Families reads families without their secrets.
	Families(ctx context.Context, ids []string) ([]grant.Family, error)
	// SaveApproval writes a credential under its Generation with a new family in place of the one
	// that it may have had, and the tokens that came with it.
	SaveApproval(context.Context, credential.Credential, grant.Family, grant.Kept, audit.Change) error
	// SavePending remembers an approval that is polled for, from f.DueAt on.
	SavePending(context.Context, credential.Credential, grant.Family) error
	// SaveNarrowed writes a credential under its Generation and drops all its access tokens.
	SaveNarrowed(context.Context, credential.Credential, audit.Change) error
	// SaveUses notes when tokens were last asked for.
	SaveUses(context.Context, []grant.Use) error
}

// Work is what is done without anybody asking.
type Work interface {
	// Attempt begins a refresh: if f is as it was read and nobody refreshes it, it is ours for the
	// lease, and the attempt stands written. It returns the family as it is then.
	Attempt(ctx context.Context, f grant.Family, now time.Time, lease time.Duration) (grant.Family, error)
	// ClaimRenewals is Attempt for at most n families of a provider that are due, those first whose
	// tokens end first.
	ClaimRenewals(ctx context.Context, provider string, now time.Time, lease time.Duration, n int) ([]grant.Claim, error)
	// SaveRenewal writes how an attempt ended, under the family's Generation: the family, the token
	// that came of it unless it is nil, and the record unless it is nil.
	SaveRenewal(context.Context, grant.Family, *grant.Kept, *audit.Record) error
	// ClaimPolls hands out approvals that are to be polled for, and not again before next.
	ClaimPolls(ctx context.Context, now, next time.Time, n int) ([]grant.Claim, error)
	// ClaimEnding hands out grants that are ending, each to one server until the lease ends.
	ClaimEnding(ctx context.Context, now time.Time, lease time.Duration, n int) ([]grant.Claim, error)
	// SaveEnding writes an ending grant: when to try again, or, if it has ended, that all its secrets
	// are destroyed. The record may be nil.
	SaveEnding(context.Context, credential.Credential, grant.Family, *audit.Record) error
}

// Tickets keeps approvals under way.
type Tickets interface {
	InsertTicket(context.Context, session.Ticket) error
	Ticket(ctx context.Context, purpose, id, handle string, now time.Time) (session.Ticket, error)
	SaveTicket(ctx context.Context, t session.Ticket, remove bool) (done bool, err error)
}
