// Package roster makes projects and memberships what an outside list says: the configuration file,
// or an identity provider. Projects and memberships have a source, and an import changes only what
// has its own; what people decided by hand has the source "admin", so their last decision stands.
// It knows no permissions. It imports rows 0 and 1.
package roster

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// The sources that are no identity providers.
const (
	Config = "config" // the configuration file
	Admin  = "admin"  // people with the right to decide
)

// Store is what a roster needs of a database: part of the broker's.
type Store interface {
	Project(ctx context.Context, ref string) (project.Project, error)
	InsertProject(context.Context, project.Project, audit.Change) (seq int64, err error)
	SaveProject(context.Context, project.Project, audit.Change) (seq int64, err error)
	ListProjects(ctx context.Context, accountID string) ([]project.Project, error)
	ListMembers(ctx context.Context, projectID, accountID string) ([]project.Member, error)
	SaveMember(context.Context, project.Member, audit.Change) error
	ListAccounts(context.Context, identity.Filter) ([]identity.Account, error)
	InsertAccount(context.Context, identity.Account, audit.Change) error
}

// Roster imports. All fields are required.
type Roster struct {
	Store Store
	Now   func() time.Time
	Log   *slog.Logger
	// MaxLife is the installation's maximum for keys.
	MaxLife time.Duration
	// Leave ends a membership and stops what hangs on it.
	Leave func(context.Context, project.Member) error
}

// tries is how often something is read again because another server wrote it first.
const tries = 3

var errBeaten = fault.New(fault.Conflict, "others change this at the same time").WithHint("try again")

// Set writes m in place of old (the zero Member if there was none), if that differs.
func (r Roster) Set(ctx context.Context, by identity.Actor, old, m project.Member) error {
	if old.Role == m.Role && old.Source == m.Source {
		return nil
	}
	now := r.now()
	if m.Since = old.Since; m.Since.IsZero() {
		m.Since = now
	}
	record := audit.By(by, now, "member.set", m.AccountID, m.ProjectID).With("role", string(m.Role)).
		With("before", cmp.Or(string(old.Role), "none")).With("source", m.Source)
	return r.Store.SaveMember(ctx, m, audit.Change{Record: record})
}

func (r Roster) now() time.Time { return r.Now().UTC().Truncate(time.Second) }
