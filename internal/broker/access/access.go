// Package access says who may do what. Every use case of the broker begins with one call of it. What
// somebody may not know of looks as if it did not exist. It imports rows 0 and 1.
package access

import (
	"cmp"
	"context"
	"slices"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// Store is what is asked before somebody is let through: part of the broker's.
type Store interface {
	Account(ctx context.Context, id string) (identity.Account, error)
	ListAccounts(context.Context, identity.Filter) ([]identity.Account, error)
	Project(ctx context.Context, ref string) (project.Project, error)
	Credential(ctx context.Context, ref string) (credential.Credential, credential.State, error)
}

// Gate lets actors through to what they may see and change.
type Gate struct{ Store Store }

// A kind of credentials has a scope that shows them and one that does something with them.
type kind struct {
	name        string
	read, write identity.Scope
}

var kinds = []kind{
	{"s3key", identity.ReadKeys, identity.WriteKeys},
	{"proxy", identity.ReadProxies, identity.WriteProxies},
	{"grant", identity.ReadTokens, identity.WriteTokens},
}

// Operator lets the operator pass and nobody else.
func Operator(by identity.Actor) error {
	if by.Operator {
		return nil
	}
	return fault.New(fault.Denied, "only the operator may do this").WithHint("ask the people who run this installation")
}

// Admit refuses actors who may do nothing at all, and tokens that do not cover the scope.
func (g Gate) Admit(ctx context.Context, by identity.Actor, s identity.Scope) error {
	if err := Covers(by, s); err != nil {
		return err
	}
	return g.known(ctx, by)
}

// Covers refuses tokens that do not cover the scope. It asks nobody whether the account is stopped.
func Covers(by identity.Actor, s identity.Scope) error {
	if by.Operator || by.AccountID == "" || by.Holds(s) {
		return nil
	}
	return fault.New(fault.Denied, "this token does not cover %s", s).WithHint("use one that has the scope %s", s)
}

// Reads is the scope that shows credentials of a kind.
func Reads(kind string) identity.Scope {
	for _, k := range kinds {
		if k.name == kind {
			return k.read
		}
	}
	return identity.ReadKeys
}

// Writes is the scope that does something with credentials of a kind.
func Writes(kind string) identity.Scope {
	for _, k := range kinds {
		if k.name == kind {
			return k.write
		}
	}
	return identity.WriteKeys
}

// Readable returns the kinds of credentials that the token of by shows; nil if it is all of them.
func Readable(by identity.Actor) []string {
	var shown []string
	for _, k := range kinds {
		if by.Operator || by.Holds(k.read) {
			shown = append(shown, k.name)
		}
	}
	if len(shown) == len(kinds) {
		return nil
	}
	return shown
}

// known refuses actors who may do nothing at all.
func (g Gate) known(ctx context.Context, by identity.Actor) error {
	if by.Operator {
		return nil
	}
	if by.AccountID == "" {
		return fault.New(fault.Unauthenticated, "you are not signed in")
	}
	a, err := g.Store.Account(ctx, by.AccountID)
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

// Project finds a project in which by has at least the role.
func (g Gate) Project(ctx context.Context, by identity.Actor, ref string, role identity.Role, s identity.Scope) (project.Project, error) {
	if err := g.Admit(ctx, by, s); err != nil {
		return project.Project{}, err
	}
	p, err := g.Store.Project(ctx, ref)
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

// Credential finds a credential that by may see: an own one, or any in a project where by is
// manager or deputy. Whoever may see one may also stop, end and extend it, given the scope, which
// is Reads or Writes.
func (g Gate) Credential(ctx context.Context, by identity.Actor, ref string, scope func(kind string) identity.Scope) (credential.Credential, credential.State, error) {
	err := g.known(ctx, by)
	if err == nil && !slices.ContainsFunc(kinds, func(k kind) bool { return Covers(by, scope(k.name)) == nil }) {
		err = Covers(by, scope("")) // a token for no kind at all learns nothing
	}
	if err != nil {
		return credential.Credential{}, nil, err
	}
	c, state, err := g.Store.Credential(ctx, ref)
	if fault.CodeOf(err) == fault.NotFound || err == nil && c.OwnerID != by.AccountID && !by.In(c.ProjectID, identity.Deputy) {
		return credential.Credential{}, nil, fault.New(fault.NotFound, "there is no key, proxy or grant %.60q that you may see", ref)
	}
	if err == nil {
		err = Covers(by, scope(c.Kind))
	}
	if err != nil {
		return credential.Credential{}, nil, err
	}
	return c, state, nil
}

// Own is Credential for what nobody but the owner may do, because it yields or takes material.
func (g Gate) Own(ctx context.Context, by identity.Actor, ref string) (credential.Credential, credential.State, error) {
	c, state, err := g.Credential(ctx, by, ref, Writes)
	if err == nil && (by.AccountID == "" || c.OwnerID != by.AccountID) {
		return credential.Credential{}, nil, fault.New(fault.Denied, "only its owner may use the %s %s", credential.Noun(c.Kind), c.PublicID).WithHint("make one of your own")
	}
	return c, state, err
}

// Lifts returns the reason of a freeze of c that by may lift. Owners and managers lift their own;
// managers and deputies also let those back in who left the project and returned; the operator
// lifts every freeze. What stopped account, project or provider as a whole is lifted there.
func Lifts(by identity.Actor, c credential.Credential) credential.Reason {
	if by.Operator || c.Reason == credential.LeftProject && by.In(c.ProjectID, identity.Deputy) {
		return c.Reason
	}
	return credential.FrozenByOwner
}

// JudgeRole says whether by may give or take a member's role in p, before and after. A deputy does
// what a manager does, except making managers; so neither does a deputy unmake one.
func JudgeRole(by identity.Actor, p project.Project, roles ...identity.Role) error {
	if slices.Contains(roles, identity.Manager) && !by.In(p.ID, identity.Manager) {
		return fault.New(fault.Denied, "only a manager of project %s decides about its managers", p.Name).WithHint("ask one of its managers")
	}
	return nil
}

// Account finds an account by id, or by a subject that only one has.
func (g Gate) Account(ctx context.Context, ref string) (identity.Account, error) {
	a, err := g.Store.Account(ctx, ref)
	if fault.CodeOf(err) != fault.NotFound {
		return a, err
	}
	found, err := g.Store.ListAccounts(ctx, identity.Filter{Subject: ref, Limit: 2})
	switch {
	case err != nil:
		return identity.Account{}, err
	case ref == "" || len(found) == 0:
		return identity.Account{}, fault.New(fault.NotFound, "there is no account %.80q", ref).WithHint("give an account's id (usr_…) or its subject; it exists once somebody has signed in")
	case len(found) > 1:
		return identity.Account{}, fault.New(fault.Conflict, "several accounts have the subject %.80q", ref).WithHint("give the id (usr_…) of the one that you mean")
	}
	return found[0], nil
}

func atLeast(r identity.Role) string {
	if r == identity.Deputy {
		return "manager or deputy"
	}
	return string(r)
}
