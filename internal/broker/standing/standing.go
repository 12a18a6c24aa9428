// Package standing says what keeps a credential from being in force whatever its owner wants: the
// standing of its project, of its owner and of who vouches for the owner. It imports rows 0 and 1.
package standing

import (
	"context"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// Store is what is asked: part of the broker's.
type Store interface {
	Project(ctx context.Context, ref string) (project.Project, error)
	Account(ctx context.Context, id string) (identity.Account, error)
	ListMembers(ctx context.Context, projectID, accountID string) ([]project.Member, error)
	ListFrozenProviders(context.Context) ([]string, error)
}

// Project finds the project of a credential. That of a personal one, which has none, is the zero
// Project: it stops nothing and narrows nothing.
func Project(ctx context.Context, s Store, id string) (project.Project, error) {
	if id == "" {
		return project.Project{}, nil
	}
	return s.Project(ctx, id)
}

// Obstacle returns why c may not be in force whatever its owner wants, or "". What lets a
// credential into force asks before and after it writes; what stops an account, project or
// provider looks for credentials before and after it writes. So one of two that run at once sees
// the other.
func Obstacle(ctx context.Context, s Store, now time.Time, c credential.Credential) (credential.Reason, error) {
	p, err := Project(ctx, s, c.ProjectID)
	if err != nil {
		return "", err
	}
	owner, err := s.Account(ctx, c.OwnerID)
	if err != nil {
		return "", err
	}
	member, err := belongs(ctx, s, c)
	if err != nil {
		return "", err
	}
	frozen, err := s.ListFrozenProviders(ctx)
	if err != nil {
		return "", err
	}
	switch {
	case !p.EndsAt.IsZero() && !now.Before(p.EndsAt):
		return credential.ProjectEnded, nil
	case !p.FrozenAt.IsZero():
		return credential.ProjectFrozen, nil
	case owner.Frozen():
		return credential.AccountFrozen, nil
	case slices.Contains(frozen, owner.Issuer):
		return credential.ProviderFrozen, nil
	case !member:
		return credential.LeftProject, nil
	}
	return "", nil
}

// belongs reports whether c's owner is a member of its project, if it has one.
func belongs(ctx context.Context, s Store, c credential.Credential) (bool, error) {
	if c.ProjectID == "" {
		return true, nil
	}
	members, err := s.ListMembers(ctx, c.ProjectID, c.OwnerID)
	return len(members) > 0, err
}

// Refuse tells a person about an obstacle.
func Refuse(c credential.Credential, why credential.Reason) error {
	text := map[credential.Reason]string{
		credential.ProjectEnded:   "its project has ended",
		credential.ProjectFrozen:  "its project is stopped",
		credential.AccountFrozen:  "its owner's account is stopped",
		credential.ProviderFrozen: "its owner's identity provider is stopped",
		credential.LeftProject:    "its owner is not a member of its project",
	}[why]
	return fault.New(fault.Conflict, "%s %s cannot be in force: %s", c.Kind, c.PublicID, text)
}
