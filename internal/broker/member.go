package broker

import (
	"context"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/access"
	"github.com/lanyardhq/lanyard/internal/broker/roster"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// ListMembers returns a project's members, for all of them.
func (b *Broker) ListMembers(ctx context.Context, by identity.Actor, ref string) ([]project.Member, error) {
	p, err := b.gate().Project(ctx, by, ref, identity.User, identity.ReadProjects)
	if err != nil {
		return nil, err
	}
	return b.Store.ListMembers(ctx, p.ID, "")
}

// SetMember makes an account a member or changes its role, which by decides from then on, whoever
// decided before. Keys that were frozen when it left stay frozen until a manager thaws them:
// nobody has looked at them for a while. AccountRef is an id or a subject.
func (b *Broker) SetMember(ctx context.Context, by identity.Actor, ref, accountRef string, role identity.Role) (project.Member, error) {
	p, err := b.gate().Project(ctx, by, ref, identity.Deputy, identity.WriteProjects)
	if err != nil {
		return project.Member{}, err
	}
	if role.Rank() == 0 {
		return project.Member{}, fault.New(fault.Invalid, "%.20q is not a role", string(role)).WithHint("roles are user, deputy and manager")
	}
	a, err := b.gate().Account(ctx, accountRef)
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
	if err := access.JudgeRole(by, p, old.Role, role); err != nil {
		return project.Member{}, err
	}
	m := project.Member{ProjectID: p.ID, ProjectName: p.Name, AccountID: a.ID, AccountName: a.Name, AccountKind: a.Kind,
		Role: role, Source: roster.Admin, Since: old.Since}
	return m, b.roster().Set(ctx, by, old, m)
}

// member returns an account's membership, with an empty role if it is not a member.
func (b *Broker) member(ctx context.Context, p project.Project, a identity.Account) (project.Member, error) {
	ms, err := b.Store.ListMembers(ctx, p.ID, a.ID)
	if err != nil || len(ms) == 0 {
		return project.Member{}, err
	}
	return ms[0], nil
}

// RemoveMember takes an account out of a project and freezes its keys there. Whoever decided about
// the membership: stopping is never refused. (An import adds it again if its source still says so;
// the keys stay frozen.)
func (b *Broker) RemoveMember(ctx context.Context, by identity.Actor, ref, accountRef string) (Receipt, error) {
	p, err := b.gate().Project(ctx, by, ref, identity.Deputy, identity.WriteProjects)
	if err != nil {
		return Receipt{}, err
	}
	a, err := b.gate().Account(ctx, accountRef)
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
	if err := access.JudgeRole(by, p, m.Role); err != nil {
		return Receipt{}, err
	}
	return b.leave(ctx, by, m)
}

// leave ends a membership and freezes the keys that it gave.
func (b *Broker) leave(ctx context.Context, by identity.Actor, m project.Member) (Receipt, error) {
	f := credential.Filter{ProjectID: m.ProjectID, OwnerID: m.AccountID}
	return b.stopping().Stop(ctx, by, f, credential.LeftProject, func() (seq int64, sessions int, err error) {
		record := audit.By(by, b.now(), "member.remove", m.AccountID, m.ProjectID).With("role", string(m.Role)).With("source", m.Source)
		return 0, 0, b.Store.DeleteMember(ctx, m.ProjectID, m.AccountID, audit.Change{Record: record})
	})
}

// Membership is what an identity provider says about one account.
type Membership = roster.Membership

// ProjectConfig is a project as the configuration file defines it; ConfigMember is a member by
// identity, who need not have signed in yet.
type (
	ProjectConfig = roster.ProjectConfig
	ConfigMember  = roster.ConfigMember
)

// Applied tells what ApplyProjects left alone.
type Applied = roster.Applied

func (b *Broker) roster() roster.Roster {
	return roster.Roster{Store: b.Store, Now: b.Now, Log: b.Log, MaxLife: b.Rules[s3key].Max,
		Leave: func(ctx context.Context, m project.Member) error {
			_, err := b.leave(ctx, identity.System(), m)
			return err
		}}
}

// ImportMemberships makes the account's memberships of that source, an issuer, what ms says. It is
// the server's own work, at sign-in. See roster.Import for what wins over what.
func (b *Broker) ImportMemberships(ctx context.Context, account identity.Account, source string, ms []Membership) error {
	return b.roster().Import(ctx, account, source, ms)
}

// ApplyProjects makes the projects of that source, and their members, what ps says, and reports
// what it left alone. It is the server's own work, at start. See roster.Apply.
func (b *Broker) ApplyProjects(ctx context.Context, source string, ps []ProjectConfig) (Applied, error) {
	return b.roster().Apply(ctx, source, ps)
}
