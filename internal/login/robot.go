package login

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login/opaque"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/material"
)

// deleted is the freeze reason of robots that are gone. Their accounts stay for the audit trail.
const deleted = "deleted"

// RobotOrder asks for a robot.
type RobotOrder struct {
	Name string // 1 to 60 characters, unique in the project
	// Role is user (the default) or deputy.
	Role identity.Role
	// Scopes of its token; none means reading and writing keys and reading projects. Other kinds are
	// named, because a token that leaks should yield no more than its program needs.
	Scopes []identity.Scope
	// Life or Until says when its token ends; both zero means 90 days. At most 366 days.
	Life  time.Duration
	Until time.Time
}

// RobotAccount is a robot, its place, and the session that its one token proves.
type RobotAccount struct {
	identity.Account
	ProjectName string
	Role        identity.Role
	Session     session.Session
}

// CreateRobot makes a robot account in a project (id or name), for one of its managers, and its
// token, which is shown this once.
func (l *Login) CreateRobot(ctx context.Context, by identity.Actor, projectRef string, o RobotOrder) (RobotAccount, material.Secret, error) {
	p, err := l.project(ctx, by, projectRef, identity.WriteProjects, identity.Manager)
	if err != nil {
		return RobotAccount{}, "", err
	}
	now := l.now()
	expires, err := l.checkRobot(ctx, p, &o, now)
	if err != nil {
		return RobotAccount{}, "", err
	}
	id := "usr_" + rand.Text()
	a := identity.Account{ID: id, Kind: identity.Robot, Issuer: "robot", Subject: id, Name: o.Name, Project: p.ID, CreatedAt: now, LastSeenAt: now}
	m := project.Member{ProjectID: p.ID, ProjectName: p.Name, AccountID: id, AccountName: o.Name, AccountKind: a.Kind, Role: o.Role, Source: "admin", Since: now}
	s := session.Session{ID: "ses_" + rand.Text(), Kind: session.Robot, AccountID: id, Scopes: o.Scopes, CreatedAt: now, LastSeenAt: now,
		ExpiresAt: expires, AuthenticatedAt: now}
	token, hash := opaque.Mint()
	t := session.Token{Hash: hash, SessionID: s.ID, Use: session.AccessToken, ExpiresAt: expires}
	record := audit.By(by, now, "robot.create", id, p.ID).With("name", o.Name).With("role", string(o.Role)).With("expires", expires.Format(time.RFC3339))
	if err := l.c.Store.InsertRobot(ctx, a, m, s, t, record); err != nil {
		return RobotAccount{}, "", fmt.Errorf("insert robot: %w", err)
	}
	return RobotAccount{a, p.Name, o.Role, s}, token, nil
}

// checkRobot fills in the order's defaults and returns when the token ends.
func (l *Login) checkRobot(ctx context.Context, p project.Project, o *RobotOrder, now time.Time) (time.Time, error) {
	o.Role = cmp.Or(o.Role, identity.User)
	if len(o.Scopes) == 0 {
		o.Scopes = []identity.Scope{identity.ReadKeys, identity.WriteKeys, identity.ReadProjects}
	}
	if err := credential.CheckName(o.Name); err != nil {
		return now, err
	}
	if o.Role != identity.User && o.Role != identity.Deputy {
		return now, fault.New(fault.Invalid, "a robot's role is user or deputy, not %.20q", o.Role)
	}
	for _, s := range o.Scopes {
		if !slices.Contains(identity.Scopes(), s) {
			return now, fault.New(fault.Invalid, "there is no scope %.40q", s).WithHint("choose from %v", identity.Scopes())
		}
	}
	if !p.InForce(now) {
		return now, fault.New(fault.Conflict, "project %s is frozen or has ended", p.Name)
	}
	others, err := l.c.Store.ListAccounts(ctx, identity.Filter{Kind: identity.Robot, ProjectID: p.ID})
	if err != nil {
		return now, fmt.Errorf("list robots: %w", err)
	}
	for _, a := range others {
		if a.Name == o.Name && a.FreezeReason != deleted {
			return now, fault.New(fault.Conflict, "project %s has a robot %q already", p.Name, o.Name).WithHint("choose another name, or delete that one first")
		}
	}
	return credential.Lifetime{Default: robotLife, Max: robotMax}.Expiry(now, o.Life, o.Until)
}

// ListRobots lists the robots of a project, for its managers and deputies.
func (l *Login) ListRobots(ctx context.Context, by identity.Actor, projectRef string) ([]RobotAccount, error) {
	p, err := l.project(ctx, by, projectRef, identity.ReadProjects, identity.Deputy)
	if err != nil {
		return nil, err
	}
	accounts, err := l.c.Store.ListAccounts(ctx, identity.Filter{Kind: identity.Robot, ProjectID: p.ID})
	if err != nil {
		return nil, fmt.Errorf("list robots: %w", err)
	}
	members, err := l.c.Store.ListMembers(ctx, p.ID, "")
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	out := []RobotAccount{}
	for _, a := range accounts {
		if a.FreezeReason == deleted {
			continue
		}
		r := RobotAccount{Account: a, ProjectName: p.Name}
		for _, m := range members {
			if m.AccountID == a.ID {
				r.Role = m.Role
			}
		}
		sessions, err := l.c.Store.ListSessions(ctx, a.ID)
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		if len(sessions) > 0 {
			r.Session = sessions[0]
		}
		out = append(out, r)
	}
	return out, nil
}

// DeleteRobot ends a robot, by its account id: it leaves its project, which freezes its keys, and
// its token ends. Doing it again after a failure is safe.
func (l *Login) DeleteRobot(ctx context.Context, by identity.Actor, ref string) error {
	none := fault.New(fault.NotFound, "there is no robot %.60q", ref)
	a, err := l.c.Store.Account(ctx, ref)
	if fault.CodeOf(err) == fault.NotFound {
		return none
	} else if err != nil {
		return fmt.Errorf("find robot: %w", err)
	}
	if a.Kind != identity.Robot || a.FreezeReason == deleted || !by.In(a.Project, identity.User) {
		return none
	}
	if _, err := l.project(ctx, by, a.Project, identity.WriteProjects, identity.Manager); err != nil {
		return err
	}
	if l.c.Leave != nil {
		if err := l.c.Leave(ctx, by, a.Project, a.ID); err != nil && fault.CodeOf(err) != fault.NotFound {
			return fmt.Errorf("take robot out of its project: %w", err)
		}
	}
	now := l.now()
	a.FrozenAt, a.FreezeReason = now, deleted
	return wrap("end robot", l.c.Store.EndRobot(ctx, a, audit.By(by, now, "robot.delete", a.ID, a.Project).With("name", a.Name)))
}

// project finds a project in which by has the role, under a token that covers the scope. To
// strangers it looks absent.
func (l *Login) project(ctx context.Context, by identity.Actor, ref string, s identity.Scope, role identity.Role) (project.Project, error) {
	p, err := l.c.Store.Project(ctx, ref)
	switch {
	case fault.CodeOf(err) == fault.NotFound, err == nil && !by.In(p.ID, identity.User):
		return p, fault.New(fault.NotFound, "there is no project %.60q, or you are not in it", ref)
	case err != nil:
		return p, fmt.Errorf("find project: %w", err)
	case !by.Holds(s):
		return p, fault.New(fault.Denied, "your token does not cover %s", s).WithHint("use one with that scope")
	case !by.In(p.ID, role):
		return p, fault.New(fault.Denied, "you are not a %s of project %s", role, p.Name).WithHint("ask one of its managers")
	}
	return p, nil
}
