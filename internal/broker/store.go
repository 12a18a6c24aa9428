package broker

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/custody"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/project"
)

// Store is what the broker needs of a database. Absent things are NotFound faults; a database that
// does not answer is an Unavailable one. Every write takes the audit.Change that goes with it into
// the same transaction, and returns the sequence number of its last entry in the change feed, which
// the store derives from what is written.
//
// A write that meets something that is there already (an id, a public id, a project's or bucket's
// name, an account's issuer and subject, a once-only promise that was used) changes nothing and
// returns fault.ErrStale: the broker reads again and decides anew.
type Store interface {
	Credentials
	States
	Projects
	Members
	Accounts
	custody.Store // buckets
	Records
	Notices
}

// Credentials keeps credentials and their sealed state.
type Credentials interface {
	InsertCredential(context.Context, credential.Credential, credential.State, audit.Change) (seq int64, err error)
	// SaveCredentials writes changed credentials under their Generation, all or none: fault.ErrStale.
	// One audit record each: change is called with the credential.
	SaveCredentials(ctx context.Context, cs []credential.Credential, change func(credential.Credential) audit.Change) (seq int64, err error)
	// Credential finds by id or by public id.
	Credential(ctx context.Context, ref string) (credential.Credential, credential.State, error)
	ListCredentials(context.Context, credential.Filter) ([]credential.Credential, error)
	// ClaimDue hands out at most n credentials whose DueAt has come, each to one server only
	// until the lease ends.
	ClaimDue(ctx context.Context, now time.Time, lease time.Duration, n int) ([]credential.Credential, error)
	// SaveUses notes when credentials were last used; older notes never replace newer ones.
	SaveUses(context.Context, []credential.Use) error
	// PurgeCredentials removes what ended before the time, and once-only promises older than that.
	PurgeCredentials(ctx context.Context, before time.Time) error
}

// States keeps what becomes of credentials that are completed and used.
type States interface {
	// SaveState writes a changed credential under its Generation with its new state: fault.ErrStale.
	SaveState(context.Context, credential.Credential, credential.State, audit.Change) (seq int64, err error)
	// RecordUse notes a use together with its audit record.
	RecordUse(context.Context, credential.Use, audit.Record) error
}

// Projects keeps projects.
type Projects interface {
	InsertProject(context.Context, project.Project, audit.Change) (seq int64, err error)
	// SaveProject writes all but the measured use.
	SaveProject(context.Context, project.Project, audit.Change) (seq int64, err error)
	// Project finds by id or by name.
	Project(ctx context.Context, ref string) (project.Project, error)
	// ListProjects returns all, or those that accountID is a member of, by name.
	ListProjects(ctx context.Context, accountID string) ([]project.Project, error)
}

// Members keeps who belongs to which project.
type Members interface {
	SaveMember(context.Context, project.Member, audit.Change) error
	DeleteMember(ctx context.Context, projectID, accountID string, change audit.Change) error
	// ListMembers selects by project, by account, or by both.
	ListMembers(ctx context.Context, projectID, accountID string) ([]project.Member, error)
}

// Accounts keeps people and robots and, for robots, their tokens (see login).
type Accounts interface {
	InsertAccount(context.Context, identity.Account, audit.Change) error
	SaveAccount(context.Context, identity.Account, audit.Change) error
	// Account finds by id.
	Account(ctx context.Context, id string) (identity.Account, error)
	ListAccounts(context.Context, identity.Filter) ([]identity.Account, error)
	// EndSessions signs accounts out everywhere: those of one account, or of one issuer.
	EndSessions(ctx context.Context, accountID, issuer string, at time.Time, change audit.Change) (n int, err error)
	// FreezeProvider stops or readmits an issuer; ListFrozenProviders names the stopped ones.
	FreezeProvider(ctx context.Context, issuer string, frozen bool, change audit.Change) error
	ListFrozenProviders(context.Context) ([]string, error)
}

// Records reads what was recorded.
type Records interface {
	// Audit returns records newest first: of a project, of a subject or of an actor; before is a
	// sequence number to continue from, 0 for the newest.
	Audit(ctx context.Context, f audit.Filter) ([]audit.Record, error)
	// VerifyAudit walks the chain and returns the first sequence number that does not fit, or 0.
	VerifyAudit(context.Context) (bad int64, err error)
	// Done returns what an actor (audit.Record's) did earlier under a once-only promise: the
	// record's subject, or "" if nothing. The same key with another fingerprint is a Conflict fault.
	Done(ctx context.Context, actor string, once audit.Once) (subject string, err error)
}

// Notices keeps what people are told.
type Notices interface {
	// Notices returns what an account has been told and has not dismissed, newest first.
	Notices(ctx context.Context, accountID string) ([]notice.Notice, error)
	// DismissNotice removes one of an account's notices; one that is absent is a NotFound fault.
	DismissNotice(ctx context.Context, accountID, id string, record audit.Record) error
}
