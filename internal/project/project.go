// Package project describes projects: the owners of storage, quota and members. Words and rules,
// no I/O; it imports fault and identity.
package project

import (
	"cmp"
	"regexp"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// A Project owns buckets and keys; accounts are its members.
type Project struct {
	ID          string // prj_…
	Name        string // unique number or name, e.g. 462000008; part of host names, so a DNS label
	Title       string
	Description string
	// Quota and use. Zero quota means none set, which is no limit.
	QuotaBytes   int64
	QuotaBuckets int64
	UsedBytes    int64
	UsedObjects  int64
	UsedAt       time.Time // when use was last measured
	// DefaultLife and MaxLife narrow the installation's rule for keys; zero means the
	// installation's.
	DefaultLife, MaxLife time.Duration
	EndsAt               time.Time // zero: open end
	FrozenAt             time.Time // zero: in force
	FreezeReason         string
	// Source is who decides about it: "config", "admin" or an identity provider's issuer.
	Source    string
	CreatedAt time.Time
}

// A Member is one account's role in one project.
type Member struct {
	ProjectID, ProjectName string
	AccountID, AccountName string
	AccountKind            identity.AccountKind
	Role                   identity.Role
	// Source is who decides about the membership: "config", "admin" or an issuer. An import only
	// ever changes what has its own source.
	Source string
	Since  time.Time
}

// InForce reports whether work may go on in p at now.
func (p Project) InForce(now time.Time) bool {
	return p.FrozenAt.IsZero() && (p.EndsAt.IsZero() || now.Before(p.EndsAt))
}

// RefuseWork tells, as a Conflict fault, why no work goes on in p at now; nil if it does.
func (p Project) RefuseWork(now time.Time) error {
	switch {
	case !p.FrozenAt.IsZero():
		return fault.New(fault.Conflict, "project %s is stopped: %s", p.Name, cmp.Or(p.FreezeReason, "no reason was given")).WithHint("ask the people who run this installation")
	case !p.InForce(now):
		return fault.New(fault.Conflict, "project %s ended at %s", p.Name, p.EndsAt.Format(time.RFC3339))
	}
	return nil
}

var name = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$`)

// CheckName refuses what cannot be a project's name with an Invalid fault. The grammar is a lower
// case DNS label of at most 42 characters: a name appears in host names and bucket names.
func CheckName(s string) error {
	if name.MatchString(s) {
		return nil
	}
	return fault.New(fault.Invalid, "%.60q is not a project name: use 1 to 42 lower-case letters, digits and inner dashes", s)
}
