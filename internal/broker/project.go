package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/access"
	"github.com/lanyardhq/lanyard/internal/broker/roster"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// s3key is the kind whose lifetime projects show.
const s3key = "s3key"

// ProjectView is a project as one actor sees it.
type ProjectView struct {
	project.Project
	Role identity.Role // the actor's; empty for the operator
	// Life is the rule for S3 keys that are made now.
	Life credential.Lifetime
	// ActiveKeys counts the actor's own, or everybody's for managers, deputies and the operator.
	ActiveKeys int
}

// ProjectOrder makes or changes a project.
type ProjectOrder = project.Order

// ListProjects returns the projects that by is a member of, or all for the operator, by name.
func (b *Broker) ListProjects(ctx context.Context, by identity.Actor) ([]ProjectView, error) {
	if err := b.gate().Admit(ctx, by, identity.ReadProjects); err != nil {
		return nil, err
	}
	ps, err := b.Store.ListProjects(ctx, by.AccountID)
	if err != nil {
		return nil, err
	}
	views := make([]ProjectView, 0, len(ps))
	for _, p := range ps {
		if !by.In(p.ID, identity.User) {
			continue
		}
		v, err := b.view(ctx, by, p)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

// ShowProject returns one project, by id or name.
func (b *Broker) ShowProject(ctx context.Context, by identity.Actor, ref string) (ProjectView, error) {
	p, err := b.gate().Project(ctx, by, ref, identity.User, identity.ReadProjects)
	if err != nil {
		return ProjectView{}, err
	}
	return b.view(ctx, by, p)
}

// view adds to p what by sees of it.
func (b *Broker) view(ctx context.Context, by identity.Actor, p project.Project) (ProjectView, error) {
	f := credential.Filter{Kind: s3key, ProjectID: p.ID, Statuses: []credential.Status{credential.Active}}
	if !by.In(p.ID, identity.Deputy) {
		f.OwnerID = by.AccountID
	}
	keys, err := b.Store.ListCredentials(ctx, f)
	usable := slices.DeleteFunc(keys, func(c credential.Credential) bool { return !c.Usable(b.now()) })
	return ProjectView{Project: p, Role: by.Roles[p.ID], Life: b.Lifetime(p, s3key), ActiveKeys: len(usable)}, err
}

// CreateProject makes a project, for the operator.
func (b *Broker) CreateProject(ctx context.Context, by identity.Actor, o ProjectOrder, once audit.Once) (ProjectView, error) {
	if err := access.Operator(by); err != nil {
		return ProjectView{}, err
	}
	now := b.now()
	p, details := o.Apply(project.Project{ID: "prj_" + rand.Text(), Source: roster.Admin, CreatedAt: now})
	if err := p.Check(b.Rules[s3key].Max); err != nil {
		return ProjectView{}, err
	}
	record := audit.By(by, now, "project.create", p.ID, p.ID)
	record.Detail = details
	_, err := b.Store.InsertProject(ctx, p, audit.Change{Record: record, Once: once})
	if errors.Is(err, fault.ErrStale) { // there is one of that name, perhaps made by the same request
		done, err := b.ledger().Done(ctx, by, once)
		if err != nil {
			return ProjectView{}, err
		}
		if done == "" {
			return ProjectView{}, fault.New(fault.Conflict, "there is a project %s already", p.Name).WithHint("choose another name")
		}
		return b.ShowProject(ctx, by, done)
	}
	if err != nil {
		return ProjectView{}, err
	}
	return b.view(ctx, by, p)
}

// ChangeProject changes a project, for the operator, who from then on decides about a project that
// came from the configuration. Its name stays: it is part of addresses and of bucket names.
func (b *Broker) ChangeProject(ctx context.Context, by identity.Actor, ref string, o ProjectOrder) (ProjectView, error) {
	if err := access.Operator(by); err != nil {
		return ProjectView{}, err
	}
	old, err := b.Store.Project(ctx, ref)
	if err != nil {
		return ProjectView{}, err
	}
	p, details := o.Apply(old)
	if p.Name != old.Name {
		return ProjectView{}, fault.New(fault.Invalid, "the name of project %s cannot change", old.Name).WithHint("change its title, or make a new project")
	}
	if err := p.Check(b.Rules[s3key].Max); err != nil {
		return ProjectView{}, err
	}
	if p != old {
		if p.Source == roster.Config {
			p.Source = roster.Admin
		}
		record := audit.By(by, b.now(), "project.change", p.ID, p.ID)
		record.Detail = details
		if _, err := b.Store.SaveProject(ctx, p, audit.Change{Record: record}); err != nil {
			return ProjectView{}, err
		}
	}
	return b.view(ctx, by, p)
}
