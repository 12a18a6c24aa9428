package broker

import (
	"cmp"
	"context"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// ListMembers returns a project's members, for all of them.
func (b *Broker) ListMembers(ctx context.Context, by identity.Actor, ref string) ([]project.Member, error) {
	p, err := b.project(ctx, by, ref, identity.User, identity.ReadProjects)
	if err != nil {
		return nil, err
	}
	return b.Store.ListMembers(ctx, p.ID, "")
}

// SetMember makes an account a member or changes its role, which by decides from then on, whoever
// decided before. Keys that were frozen when it left stay frozen until a manager thaws them:
// nobody has looked at them for a while. AccountRef is an id or a subject.
func (b *Broker) SetMember(ctx context.Context, by identity.Actor, ref, accountRef string, role identity.Role) (project.Member, error) {
	p, err := b.project(ctx, by, ref, identity.Deputy, identity.WriteProjects)
	if err != nil {
		return project.Member{}, err
	}
	if role.Rank() == 0 {
		return project.Member{}, fault.New(fault.Invalid, "%.20q is not a role", string(role)).WithHint("roles are user, deputy and manager")
	}
	a, err := b.account(ctx, accountRef)
	if err != nil {
		return project.Member{}, err
	}
	if a.Kind == identity.Robot && (a.Project != p.ID || role == identity.Manager) {
		return project.Member{}, fault.New(fault.Invalid, "a robot is user or deputy in the one project that it was made for")
	}
	old, err := b.member(ctx, p, a)
	if err != nil {
		return project.Member{}, err
	}
	if err := judgeRole(by, p, old.Role, role); err != nil {
		return project.Member{}, err
	}
	m := project.Member{ProjectID: p.ID, ProjectName: p.Name, AccountID: a.ID, AccountName: a.Name, AccountKind: a.Kind,
		Role: role, Source: admin, Since: old.Since}
	return m, b.saveMember(ctx, by, old, m)
}

// member returns an account's membership, with an empty role if it is not a member.
func (b *Broker) member(ctx context.Context, p project.Project, a identity.Account) (project.Member, error) {
	ms, err := b.Store.ListMembers(ctx, p.ID, a.ID)
	if err != nil || len(ms) == 0 {
		return project.Member{}, err
	}
	return ms[0], nil
}

// saveMember writes m in place of old, if that differs.
func (b *Broker) saveMember(ctx context.Context, by identity.Actor, old, m project.Member) error {
	if old.Role == m.Role && old.Source == m.Source {
		return nil
	}
	now := b.now()
	if m.Since.IsZero() {
		m.Since = now
	}
	record := audit.By(by, now, "member.set", m.AccountID, m.ProjectID).With("role", string(m.Role)).
		With("before", cmp.Or(string(old.Role), "none")).With("source", m.Source)
	return b.Store.SaveMember(ctx, m, audit.Change{Record: record})
}

// RemoveMember takes an account out of a project and freezes its keys there. Whoever decided about
// the membership: stopping is never refused. (An import adds it again if its source still says so;
// the keys stay frozen.)
func (b *Broker) RemoveMember(ctx context.Context, by identity.Actor, ref, accountRef string) (Receipt, error) {
	p, err := b.project(ctx, by, ref, identity.Deputy, identity.WriteProjects)
	if err != nil {
		return Receipt{}, err
	}
	a, err := b.account(ctx, accountRef)
	if err != nil {
		return Receipt{}, err
	}
	m, err := b.member(ctx, p, a)
	if err != nil {
		return Receipt{}, err
	}
	if m.Role == "" {
		return Receipt{}, fault.New(fault.NotFound, "%s is not a member of project %s", a.Name, p.Name)
	}
	if err := judgeRole(by, p, m.Role); err != nil {
		return Receipt{}, err
	}
	return b.leave(ctx, by, m)
}

// leave ends a membership and freezes the keys that it gave.
func (b *Broker) leave(ctx context.Context, by identity.Actor, m project.Member) (Receipt, error) {
	f := credential.Filter{ProjectID: m.ProjectID, OwnerID: m.AccountID}
	return b.stop(ctx, by, f, credential.LeftProject, func() (seq int64, sessions int, err error) {
		record := audit.By(by, b.now(), "member.remove", m.AccountID, m.ProjectID).With("role", string(m.Role)).With("source", m.Source)
		return 0, 0, b.Store.DeleteMember(ctx, m.ProjectID, m.AccountID, audit.Change{Record: record})
	})
}
