package broker

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

// Projects and memberships come from three sources: the configuration, identity providers, and
// people with the right to decide (source "admin"). An import changes only what has its own
// source, so the last decision of a person stands.

// fromConfig is the source of what the configuration file says.
const fromConfig = "config"

// Membership is what an identity provider says about one account.
type Membership struct {
	Project string // its name
	Title   string
	Role    identity.Role
}

// ImportMemberships makes the account's memberships what the source, an issuer, says: it makes
// projects that are missing, and adds, changes and ends memberships of that source. An issuer has
// no say in a project that another issuer made. What cannot be right is logged and passed over, so
// that one odd group keeps nobody from signing in.
func (b *Broker) ImportMemberships(ctx context.Context, account identity.Account, source string, ms []Membership) error {
	want := map[string]identity.Role{} // by project id
	var order []string
	for _, m := range ms {
		p, err := b.imported(ctx, source, m)
		if err == nil && m.Role.Rank() == 0 {
			err = fault.New(fault.Invalid, "%.20q is not a role", string(m.Role))
		}
		if f, ok := errors.AsType[*fault.Fault](err); ok && f.Code != fault.Unavailable {
			b.Log.WarnContext(ctx, "membership not imported", "source", source, "account", account.ID, "project", m.Project, "err", err)
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
	have, err := b.Store.ListMembers(ctx, "", account.ID)
	if err != nil {
		return err
	}
	for _, id := range order {
		var old project.Member
		if i := slices.IndexFunc(have, func(m project.Member) bool { return m.ProjectID == id }); i >= 0 {
			old = have[i]
		}
		if err := b.importMember(ctx, source, old, project.Member{ProjectID: id, AccountID: account.ID, Role: want[id]}); err != nil {
			return err
		}
	}
	for _, m := range have {
		if m.Source == source && want[m.ProjectID] == "" {
			if _, err := b.leave(ctx, identity.System(), m); err != nil {
				return err
			}
		}
	}
	return nil
}

// imported finds the project of a membership that source claims, or makes it.
func (b *Broker) imported(ctx context.Context, source string, m Membership) (project.Project, error) {
	for range tries {
		p, err := b.Store.Project(ctx, m.Project)
		switch {
		case err == nil && p.Name != m.Project:
			return p, fault.New(fault.Invalid, "%.60q is not a project name", m.Project)
		case err == nil && p.Source != source && p.Source != fromConfig && p.Source != admin:
			return p, fault.New(fault.Denied, "project %s belongs to %s", p.Name, p.Source)
		case fault.CodeOf(err) != fault.NotFound:
			return p, err
		}
		p = project.Project{ID: "prj_" + rand.Text(), Name: m.Project, Title: m.Title, Source: source, CreatedAt: b.now()}
		if err := b.checkProject(p); err != nil {
			return p, err
		}
		if err := b.insertProject(ctx, p); !errors.Is(err, fault.ErrStale) {
			return p, err
		}
	}
	return project.Project{}, errBeaten
}

func (b *Broker) insertProject(ctx context.Context, p project.Project) error {
	record := audit.By(identity.System(), b.now(), "project.create", p.ID, p.ID).With("name", p.Name).With("source", p.Source)
	_, err := b.Store.InsertProject(ctx, p, audit.Change{Record: record})
	return err
}

// importMember writes a membership on behalf of source, unless somebody else decides about it.
func (b *Broker) importMember(ctx context.Context, source string, old, m project.Member) error {
	if old.Role != "" && old.Source != source {
		return nil
	}
	m.Source, m.Since = source, old.Since
	return b.saveMember(ctx, identity.System(), old, m)
}

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

// Applied tells what ApplyProjects left alone.
type Applied struct {
	Gone    []string // projects that the source once defined and no longer does
	Foreign []string // projects that somebody else decides about
}

// ApplyProjects makes projects and their members what the source, usually "config", says. Projects
// that vanished from it stay, and are reported, since data hangs on them; members that vanished
// from a project leave it. Accounts that never signed in are made, so that their membership waits
// for them.
func (b *Broker) ApplyProjects(ctx context.Context, source string, ps []ProjectConfig) (Applied, error) {
	var done Applied
	var named []string
	for _, pc := range ps {
		named = append(named, pc.Name)
		p, err := b.applyProject(ctx, source, pc.Project)
		if err != nil {
			return done, fmt.Errorf("project %s: %w", pc.Name, err)
		}
		if p.Source != source {
			done.Foreign = append(done.Foreign, p.Name)
		}
		if err := b.applyMembers(ctx, source, p, pc.Members); err != nil {
			return done, fmt.Errorf("members of project %s: %w", pc.Name, err)
		}
	}
	all, err := b.Store.ListProjects(ctx, "")
	for _, p := range all {
		if p.Source == source && !slices.Contains(named, p.Name) {
			done.Gone = append(done.Gone, p.Name)
		}
	}
	return done, err
}

// applyProject makes or updates one project and returns it as it then is.
func (b *Broker) applyProject(ctx context.Context, source string, want project.Project) (project.Project, error) {
	if err := b.checkProject(want); err != nil {
		return want, err
	}
	p, err := b.Store.Project(ctx, want.Name)
	if fault.CodeOf(err) == fault.NotFound {
		want.ID, want.Source, want.CreatedAt = "prj_"+rand.Text(), source, b.now()
		if err = b.insertProject(ctx, want); !errors.Is(err, fault.ErrStale) {
			return want, err
		}
		p, err = b.Store.Project(ctx, want.Name) // another server starts at the same time
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
	_, err = b.Store.SaveProject(ctx, p, audit.Change{Record: audit.By(identity.System(), b.now(), "project.change", p.ID, p.ID).With("source", source)})
	return p, err
}

func (b *Broker) applyMembers(ctx context.Context, source string, p project.Project, want []ConfigMember) error {
	have, err := b.Store.ListMembers(ctx, p.ID, "")
	if err != nil {
		return err
	}
	stays := map[string]bool{}
	for _, w := range want {
		if w.Role.Rank() == 0 {
			return fault.New(fault.Invalid, "%.20q is not a role", string(w.Role)).WithHint("roles are user, deputy and manager")
		}
		a, err := b.known(ctx, w.Issuer, w.Subject)
		if err != nil {
			return err
		}
		stays[a.ID] = true
		var old project.Member
		if i := slices.IndexFunc(have, func(m project.Member) bool { return m.AccountID == a.ID }); i >= 0 {
			old = have[i]
		}
		if err := b.importMember(ctx, source, old, project.Member{ProjectID: p.ID, AccountID: a.ID, Role: w.Role}); err != nil {
			return err
		}
	}
	for _, m := range have {
		if m.Source == source && !stays[m.AccountID] {
			if _, err := b.leave(ctx, identity.System(), m); err != nil {
				return err
			}
		}
	}
	return nil
}

// known finds the account of somebody, or makes it for the day when they first sign in.
func (b *Broker) known(ctx context.Context, issuer, subject string) (identity.Account, error) {
	if issuer == "" || subject == "" {
		return identity.Account{}, fault.New(fault.Invalid, "a member is named by issuer and subject")
	}
	for range tries {
		found, err := b.Store.ListAccounts(ctx, identity.Filter{Issuer: issuer, Subject: subject, Limit: 1})
		if err != nil {
			return identity.Account{}, err
		}
		if len(found) == 1 {
			return found[0], nil
		}
		a := identity.Account{ID: "usr_" + rand.Text(), Kind: identity.Person, Issuer: issuer, Subject: subject, Name: subject, CreatedAt: b.now()}
		record := audit.By(identity.System(), b.now(), "account.create", a.ID, "").With("issuer", issuer).With("subject", subject)
		if err := b.Store.InsertAccount(ctx, a, audit.Change{Record: record}); !errors.Is(err, fault.ErrStale) {
			return a, err
		}
	}
	return identity.Account{}, errBeaten
}
