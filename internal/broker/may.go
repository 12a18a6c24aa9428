package broker

import (
	"cmp"
	"context"
	"slices"

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
	if by.Operator {
		return nil
	}
	if by.AccountID == "" {
		return fault.New(fault.Unauthenticated, "you are not signed in")
	}
	if !by.Holds(s) {
		return fault.New(fault.Denied, "this token does not cover %s", s).WithHint("use one that has the scope %s", s)
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
// manager or deputy. Whoever may see one may also stop, end and extend it, given the scope.
func (b *Broker) credential(ctx context.Context, by identity.Actor, ref string, s identity.Scope) (credential.Credential, credential.State, error) {
	if err := b.admit(ctx, by, s); err != nil {
		return credential.Credential{}, nil, err
	}
	c, state, err := b.Store.Credential(ctx, ref)
	if fault.CodeOf(err) == fault.NotFound || err == nil && c.OwnerID != by.AccountID && !by.In(c.ProjectID, identity.Deputy) {
		return credential.Credential{}, nil, fault.New(fault.NotFound, "there is no key %.60q that you may see", ref)
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

// obstacle returns why c may not be in force whatever its owner wants, or "". What lets a
// credential into force asks before and after it writes; what stops an account, project or
// provider looks for credentials before and after it writes. So one of two that run at once sees
// the other.
func (b *Broker) obstacle(ctx context.Context, c credential.Credential) (credential.Reason, error) {
	p, err := b.Store.Project(ctx, c.ProjectID)
	if err != nil {
		return "", err
	}
	owner, err := b.Store.Account(ctx, c.OwnerID)
	if err != nil {
		return "", err
	}
	members, err := b.Store.ListMembers(ctx, c.ProjectID, c.OwnerID)
	if err != nil {
		return "", err
	}
	frozen, err := b.Store.ListFrozenProviders(ctx)
	if err != nil {
		return "", err
	}
	switch {
	case !p.EndsAt.IsZero() && !b.now().Before(p.EndsAt):
		return credential.ProjectEnded, nil
	case !p.FrozenAt.IsZero():
		return credential.ProjectFrozen, nil
	case owner.Frozen():
		return credential.AccountFrozen, nil
	case slices.Contains(frozen, owner.Issuer):
		return credential.ProviderFrozen, nil
	case len(members) == 0:
		return credential.LeftProject, nil
	}
	return "", nil
}

// refuse tells a person about an obstacle.
func refuse(c credential.Credential, why credential.Reason) error {
	text := map[credential.Reason]string{
		credential.ProjectEnded:   "its project has ended",
		credential.ProjectFrozen:  "its project is stopped",
		credential.AccountFrozen:  "its owner's account is stopped",
		credential.ProviderFrozen: "its owner's identity provider is stopped",
		credential.LeftProject:    "its owner is not a member of its project",
	}[why]
	return fault.New(fault.Conflict, "%s %s cannot be in force: %s", c.Kind, c.PublicID, text)
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
