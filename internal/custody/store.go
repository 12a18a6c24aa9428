package custody

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/session"
)

// Store is what custody needs of a database. Absent things are NotFound faults, and a write that
// another one overtook is fault.ErrStale. Secrets are sealed by it. No call to a provider is made
// within one of its transactions.
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
	// Ready reads the token that is kept for the wish with this key, and what says whether it may be
	// handed out. What there is not of it is zero.
	Ready(ctx context.Context, id, wish string) (grant.Ready, error)
	// Grant reads a grant and its family, which is zero before the approval.
	Grant(ctx context.Context, id string) (credential.Credential, grant.Family, error)
	// Whole reads a grant with all that is kept of it.
	Whole(ctx context.Context, id string) (grant.Claim, error)
	// Families reads families without their secrets.
	Families(ctx context.Context, ids []string) ([]grant.Family, error)
	// SaveApproval writes a credential under its Generation with a new family in place of the one
	// that it may have had, and the token that came with it.
	SaveApproval(context.Context, credential.Credential, grant.Family, grant.Kept, audit.Change) error
	// SavePending remembers an approval that is polled for.
	SavePending(context.Context, credential.Credential, grant.Family) error
	// SaveNarrowed writes a credential under its Generation and drops all its access tokens.
	SaveNarrowed(context.Context, credential.Credential, audit.Change) error
	// SaveTokenUses notes when tokens were last asked for.
	SaveTokenUses(context.Context, []grant.Use) error
}

// Work is what is done without anybody asking, and what several servers must not do at once.
type Work interface {
	// Attempt begins a refresh: if f is as it was read, it is the caller's for the lease, and the
	// attempt stands written. It returns the family as it is then. Who reads a lease in force that is
	// not their own must not ask.
	Attempt(ctx context.Context, f grant.Family, now time.Time, lease time.Duration) (grant.Family, error)
	// ClaimRenewals is Attempt for at most n families of a provider that are due, those first whose
	// tokens end first.
	ClaimRenewals(ctx context.Context, provider string, now time.Time, lease time.Duration, n int) ([]grant.Claim, error)
	// SaveRenewal writes how an attempt ended, under the family's Generation: the family, the token
	// that came of it unless it is nil, and that the grant died unless that is nil.
	SaveRenewal(ctx context.Context, f grant.Family, ownerID string, k *grant.Kept, died *notice.Deed) error
	// ClaimPolls hands out grants whose approval is to be polled for, and not again before next.
	ClaimPolls(ctx context.Context, now, next time.Time, n int) (ids []string, err error)
	// SavePoll moves the next poll from claimed to next or, if next is zero, forgets the approval and
	// keeps in detail why. An approval that began meanwhile stays as it is.
	SavePoll(ctx context.Context, grantID string, claimed, next time.Time, detail string) error
	// ClaimEnding hands out grants that are ending, each to one server until the lease ends.
	ClaimEnding(ctx context.Context, now time.Time, lease time.Duration, n int) (ids []string, err error)
	// SaveEnding writes what became of an ending grant: when to try again, or, if it has ended, that
	// all its secrets are destroyed; only then is the change recorded.
	SaveEnding(context.Context, credential.Credential, grant.Family, audit.Change) error
}

// Tickets keeps approvals under way.
type Tickets interface {
	InsertTicket(context.Context, session.Ticket) error
	Ticket(ctx context.Context, purpose, id, handle string, now time.Time) (session.Ticket, error)
	SaveTicket(ctx context.Context, t session.Ticket, remove bool) (done bool, err error)
}
