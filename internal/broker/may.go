package broker

import (
	"cmp"
	"context"
	"slices"

	"github.com/lanyardhq/lanyard/internal/broker/standing"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// Who may do what stands in this file, and every use case begins with one call of it. What somebody
// may not know of looks as if it did not exist.

// operator lets the operator pass and nobody else.
func operator(by identity.Actor) error {
	if by.Operator {
		return nil
	}
	return fault.New(fault.Denied, "only the operator may do this").WithHint("ask the people who run this installation")
}

// admit refuses actors who may do nothing at all, and tokens that do not cover the scope.
func (b *Broker) admit(ctx context.Context, by identity.Actor, s identity.Scope) error {
	if err := covers(by, s); err != nil {
		return err
	}
	return b.known(ctx, by)
}

// covers refuses tokens that do not cover the scope.
func covers(by identity.Actor, s identity.Scope) error {
	if by.Operator || by.AccountID == "" || by.Holds(s) {
		return nil
	}
	return fault.New(fault.Denied, "this token does not cover %s", s).WithHint("use one that has the scope %s", s)
}

// reads is the scope that shows credentials of a kind, writes the one that does something with them.
func reads(kind string) identity.Scope {
	if kind == proxy {
		return identity.ReadProxies
	}
	return identity.ReadKeys
}

func writes(kind string) identity.Scope {
	if kind == proxy {
		return identity.WriteProxies
	}
	return identity.WriteKeys
}

// known refuses actors who may do nothing at all.
func (b *Broker) known(ctx context.Context, by identity.Actor) error {
	if by.Operator {
		return nil
	}
	if by.AccountID == "" {
		return fault.New(fault.Unauthenticated, "you are not signed in")
	}
	a, err := b.Store.Account(ctx, by.AccountID)
	switch {
	case fault.CodeOf(err) == fault.NotFound:
		return fault.New(fault.Unauthenticated, "this account no longer exists")
	case err != nil:
		return err
	case a.Frozen():
		return fault.New(fault.Denied, "your account is stopped: %s", cmp.Or(a.FreezeReason, "no reason was given")).WithHint("ask the people who run this installation")
	}
	return nil
}

// project finds a project in which by has at least the role.
func (b *Broker) project(ctx context.Context, by identity.Actor, ref string, role identity.Role, s identity.Scope) (project.Project, error) {
	if err := b.admit(ctx, by, s); err != nil {
		return project.Project{}, err
	}
	p, err := b.Store.Project(ctx, ref)
	switch {
	case fault.CodeOf(err) == fault.NotFound, err == nil && !by.In(p.ID, identity.User):
		return project.Project{}, fault.New(fault.NotFound, "there is no project %.60q that you are a member of", ref)
	case err != nil:
		return project.Project{}, err
	case !by.In(p.ID, role):
		return project.Project{}, fault.New(fault.Denied, "in project %s only a %s may do this", p.Name, atLeast(role)).WithHint("ask one of its managers")
	}
	return p, nil
}

// credential finds a credential that by may see: an own one, or any in a project where by is
// manager or deputy. Whoever may see one may also stop, end and extend it, given the scope, which
// is reads or writes.
func (b *Broker) credential(ctx context.Context, by identity.Actor, ref string, scope func(kind string) identity.Scope) (credential.Credential, credential.State, error) {
	err := b.known(ctx, by)
	if err == nil && covers(by, scope(proxy)) != nil { // a token for no kind at all learns nothing
		err = covers(by, scope(s3key))
	}
	if err != nil {
		return credential.Credential{}, nil, err
	}
	c, state, err := b.Store.Credential(ctx, ref)
	if fault.CodeOf(err) == fault.NotFound || err == nil && c.OwnerID != by.AccountID && !by.In(c.ProjectID, identity.Deputy) {
		return credential.Credential{}, nil, fault.New(fault.NotFound, "there is no key or proxy %.60q that you may see", ref)
	}
	if err == nil {
		err = covers(by, scope(c.Kind))
	}
	if err != nil {
		return credential.Credential{}, nil, err
	}
	return c, state, nil
}

// own is credential for what nobody but the owner may do, because it yields or takes material.
func (b *Broker) own(ctx context.Context, by identity.Actor, ref string) (credential.Credential, credential.State, error) {
	c, state, err := b.credential(ctx, by, ref, writes)
	if err == nil && (by.AccountID == "" || c.OwnerID != by.AccountID) {
		return credential.Credential{}, nil, fault.New(fault.Denied, "only its owner may use the %s %s", credential.Noun(c.Kind), c.PublicID).WithHint("make one of your own")
	}
	return c, state, err
}

// lifts returns the reason of a freeze of c that by may lift. Owners and managers lift their own;
// managers and deputies also let those back in who left the project and returned; the operator
// lifts every freeze. What stopped account, project or provider as a whole is lifted there.
func lifts(by identity.Actor, c credential.Credential) credential.Reason {
	if by.Operator || c.Reason == credential.LeftProject && by.In(c.ProjectID, identity.Deputy) {
		return c.Reason
	}
	return credential.FrozenByOwner
}

// judgeRole says whether by may give or take a member's role in p, before and after. A deputy does
// what a manager does, except making managers; so neither does a deputy unmake one.
func judgeRole(by identity.Actor, p project.Project, roles ...identity.Role) error {
	if slices.Contains(roles, identity.Manager) && !by.In(p.ID, identity.Manager) {
		return fault.New(fault.Denied, "only a manager of project %s decides about its managers", p.Name).WithHint("ask one of its managers")
	}
	return nil
}

// obstacle returns why c may not be in force whatever its owner wants, or "".
func (b *Broker) obstacle(ctx context.Context, c credential.Credential) (credential.Reason, error) {
	return standing.Obstacle(ctx, b.Store, b.now(), c)
}

// workIn finds a project in which by may work: as a member, while it is in force.
func (b *Broker) workIn(ctx context.Context, by identity.Actor, ref string) (project.Project, error) {
	p, err := b.project(ctx, by, ref, identity.User, identity.WriteKeys)
	if err != nil {
		return p, err
	}
	return p, p.RefuseWork(b.now())
}

func atLeast(r identity.Role) string {
	if r == identity.Deputy {
		return "manager or deputy"
	}
	return string(r)
}
