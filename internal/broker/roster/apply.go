package roster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// ProjectConfig is a project as the configuration file defines it.
type ProjectConfig struct {
	project.Project
	Members []ConfigMember
}

// ConfigMember is a member by identity, who need not have signed in yet.
type ConfigMember struct {
	Issuer, Subject string
	Role            identity.Role
}

// Applied tells what Apply left alone.
type Applied struct {
	Gone    []string // projects that the source once defined and no longer does
	Foreign []string // projects that somebody else decides about
}

// Apply makes projects and their members what the source, usually "config", says. Projects
// that vanished from it stay, and are reported, since data hangs on them; members that vanished
// from a project leave it. Accounts that never signed in are made, so that their membership waits
// for them.
func (r Roster) Apply(ctx context.Context, source string, ps []ProjectConfig) (Applied, error) {
	var done Applied
	var named []string
	for _, pc := range ps {
		named = append(named, pc.Name)
		p, err := r.applyProject(ctx, source, pc.Project)
		if err != nil {
			return done, fmt.Errorf("project %s: %w", pc.Name, err)
		}
		if p.Source != source {
			done.Foreign = append(done.Foreign, p.Name)
		}
		if err := r.applyMembers(ctx, source, p, pc.Members); err != nil {
			return done, fmt.Errorf("members of project %s: %w", pc.Name, err)
		}
	}
	all, err := r.Store.ListProjects(ctx, "")
	for _, p := range all {
		if p.Source == source && !slices.Contains(named, p.Name) {
			done.Gone = append(done.Gone, p.Name)
		}
	}
	return done, err
}

// applyProject makes or updates one project and returns it as it then is.
func (r Roster) applyProject(ctx context.Context, source string, want project.Project) (project.Project, error) {
	if err := want.Check(r.MaxLife); err != nil {
		return want, err
	}
	p, err := r.Store.Project(ctx, want.Name)
	if fault.CodeOf(err) == fault.NotFound {
		want.ID, want.Source, want.CreatedAt = "prj_"+rand.Text(), source, r.now()
		if err = r.insertProject(ctx, want); !errors.Is(err, fault.ErrStale) {
			return want, err
		}
		p, err = r.Store.Project(ctx, want.Name) // another server starts at the same time
	}
	if err != nil || p.Source != source {
		return p, err
	}
	old := p
	p.Title, p.Description, p.QuotaBytes, p.QuotaBuckets = want.Title, want.Description, want.QuotaBytes, want.QuotaBuckets
	p.DefaultLife, p.MaxLife, p.EndsAt = want.DefaultLife, want.MaxLife, want.EndsAt.UTC().Truncate(time.Second)
	if p == old {
		return p, nil
	}
	_, err = r.Store.SaveProject(ctx, p, audit.Change{Record: audit.By(identity.System(), r.now(), "project.change", p.ID, p.ID).With("source", source)})
	return p, err
}

func (r Roster) applyMembers(ctx context.Context, source string, p project.Project, want []ConfigMember) error {
	have, err := r.Store.ListMembers(ctx, p.ID, "")
	if err != nil {
		return err
	}
	stays := map[string]bool{}
	for _, w := range want {
		if w.Role.Rank() == 0 {
			return fault.New(fault.Invalid, "%.20q is not a role", string(w.Role)).WithHint("roles are user, deputy and manager")
		}
		a, err := r.known(ctx, w.Issuer, w.Subject)
		if err != nil {
			return err
		}
		stays[a.ID] = true
		var old project.Member
		if i := slices.IndexFunc(have, func(m project.Member) bool { return m.AccountID == a.ID }); i >= 0 {
			old = have[i]
		}
		if err := r.importMember(ctx, source, old, project.Member{ProjectID: p.ID, AccountID: a.ID, Role: w.Role}); err != nil {
			return err
		}
	}
	for _, m := range have {
		if m.Source == source && !stays[m.AccountID] {
			if err := r.Leave(ctx, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// known finds the account of somebody, or makes it for the day when they first sign in.
func (r Roster) known(ctx context.Context, issuer, subject string) (identity.Account, error) {
	if issuer == "" || subject == "" {
		return identity.Account{}, fault.New(fault.Invalid, "a member is named by issuer and subject")
	}
	for range tries {
		found, err := r.Store.ListAccounts(ctx, identity.Filter{Issuer: issuer, Subject: subject, Limit: 1})
		if err != nil {
			return identity.Account{}, err
		}
		if len(found) == 1 {
			return found[0], nil
		}
		a := identity.Account{ID: "usr_" + rand.Text(), Kind: identity.Person, Issuer: issuer, Subject: subject, Name: subject, CreatedAt: r.now()}
		record := audit.By(identity.System(), r.now(), "account.create", a.ID, "").With("issuer", issuer).With("subject", subject)
		if err := r.Store.InsertAccount(ctx, a, audit.Change{Record: record}); !errors.Is(err, fault.ErrStale) {
			return a, err
		}
	}
	return identity.Account{}, errBeaten
}
