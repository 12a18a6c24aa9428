package roster

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// Membership is what an identity provider says about one account.
type Membership struct {
	Project string // its name
	Title   string
	Role    identity.Role
}

// Import makes the account's memberships what the source, an issuer, says: it makes
// projects that are missing, and adds, changes and ends memberships of that source. An issuer has
// no say in a project that another issuer made. What cannot be right is logged and passed over, so
// that one odd group keeps nobody from signing in.
func (r Roster) Import(ctx context.Context, account identity.Account, source string, ms []Membership) error {
	want := map[string]identity.Role{} // by project id
	var order []string
	for _, m := range ms {
		p, err := r.imported(ctx, source, m)
		if f, ok := errors.AsType[*fault.Fault](err); ok && f.Code != fault.Unavailable {
			r.Log.WarnContext(ctx, "membership not imported", "source", source, "account", account.ID, "project", m.Project, "err", err)
			continue
		}
		if err != nil {
			return err
		}
		if _, seen := want[p.ID]; !seen {
			order = append(order, p.ID)
		}
		if m.Role.Rank() > want[p.ID].Rank() {
			want[p.ID] = m.Role
		}
	}
	have, err := r.Store.ListMembers(ctx, "", account.ID)
	if err != nil {
		return err
	}
	for _, id := range order {
		var old project.Member
		if i := slices.IndexFunc(have, func(m project.Member) bool { return m.ProjectID == id }); i >= 0 {
			old = have[i]
		}
		if err := r.importMember(ctx, source, old, project.Member{ProjectID: id, AccountID: account.ID, Role: want[id]}); err != nil {
			return err
		}
	}
	for _, m := range have {
		if m.Source == source && want[m.ProjectID] == "" {
			if err := r.Leave(ctx, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// imported finds the project of a membership that source claims, or makes it.
func (r Roster) imported(ctx context.Context, source string, m Membership) (project.Project, error) {
	if m.Role.Rank() == 0 {
		return project.Project{}, fault.New(fault.Invalid, "%.20q is not a role", string(m.Role))
	}
	for range tries {
		p, err := r.Store.Project(ctx, m.Project)
		switch {
		case err == nil && p.Name != m.Project:
			return p, fault.New(fault.Invalid, "%.60q is not a project name", m.Project)
		case err == nil && p.Source != source && p.Source != Config && p.Source != Admin:
			return p, fault.New(fault.Denied, "project %s belongs to %s", p.Name, p.Source)
		case fault.CodeOf(err) != fault.NotFound:
			return p, err
		}
		p = project.Project{ID: "prj_" + rand.Text(), Name: m.Project, Title: m.Title, Source: source, CreatedAt: r.now()}
		if err := p.Check(r.MaxLife); err != nil {
			return p, err
		}
		if err := r.insertProject(ctx, p); !errors.Is(err, fault.ErrStale) {
			return p, err
		}
	}
	return project.Project{}, errBeaten
}

func (r Roster) insertProject(ctx context.Context, p project.Project) error {
	record := audit.By(identity.System(), r.now(), "project.create", p.ID, p.ID).With("name", p.Name).With("source", p.Source)
	_, err := r.Store.InsertProject(ctx, p, audit.Change{Record: record})
	return err
}

// importMember writes a membership on behalf of source, unless somebody else decides about it.
func (r Roster) importMember(ctx context.Context, source string, old, m project.Member) error {
	if old.Role != "" && old.Source != source {
		return nil
	}
	m.Source = source
	return r.Set(ctx, identity.System(), old, m)
}
