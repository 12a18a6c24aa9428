package vo

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

// A Question is how a holder is looked up.
type Question struct {
	VO string
	// Subject and Issuer are the names in the end-entity certificate.
	Subject, Issuer string
	// Serial, in hexadecimal, is that of a certificate of our own CA. Such a certificate belongs to
	// the account that it was issued to, and counts only while its credential does.
	Serial string
}

// Facts are what the database knows of a holder at one moment.
type Facts struct {
	// Credential is the one with the question's Serial, nil if there is none.
	Credential *credential.Credential
	// Account is the holder's, nil if there is none.
	Account *identity.Account
	// ProviderStopped says that the operator stopped the account's identity provider.
	ProviderStopped bool
	Projects        []Role
	// Claims are the values of the groups claim at the account's last sign-in.
	Claims []string
	// Members are those records of the VO that are about the account or the certificate.
	Members []Member
}

// A Role is what an account is in a project.
type Role struct {
	Project project.Project
	Role    identity.Role
}

// A Standing is what a holder has in a VO: each FQAN, in short form, with the time when it ends;
// zero if that is open.
type Standing struct {
	VO         VO
	FQANs      map[string]time.Time
	Attributes []Attribute
}

// Judge says what a holder of whom the facts are known has in v. Who has nothing, or may not use it
// now, is a *protocol.Error with the text that the field's clients know.
func (v VO) Judge(own bool, f Facts, now time.Time) (Standing, error) {
	s := Standing{VO: v, FQANs: map[string]time.Time{}}
	if err := v.usable(own, f, now); err != nil {
		return s, err
	}
	expired := time.Time{}
	for _, m := range f.Members {
		switch {
		case !m.SuspendedAt.IsZero():
			return s, suspended(cmp.Or(m.Reason, "no reason was given"))
		case !m.ExpiresAt.IsZero() && !now.Before(m.ExpiresAt):
			expired = m.ExpiresAt
			continue
		}
		for _, fqan := range m.FQANs {
			s.give(fqan, m.ExpiresAt)
		}
		s.Attributes = append(s.Attributes, m.Attributes...)
	}
	if f.Account != nil {
		for _, r := range v.Rules {
			if end, ok := r.holds(f, now); ok {
				s.give(r.FQAN, end)
			}
		}
	}
	switch {
	case len(s.FQANs) > 0:
		s.Attributes = append(s.Attributes, v.Attributes...)
		return s, nil
	case !expired.IsZero():
		return s, suspended("The membership expired at " + expired.Format(time.RFC3339) + ".")
	}
	return s, protocol.NewError(protocol.NoSuchUser, "%s: User unknown to this VO.", v.Name)
}

// usable refuses holders whose certificate or account is out of force. A certificate of our own CA
// that we do not know was never issued, or ended long ago.
func (v VO) usable(own bool, f Facts, now time.Time) error {
	switch {
	case own && f.Credential == nil:
		return protocol.NewError(protocol.NoSuchUser, "%s: User unknown to this VO.", v.Name)
	case own && !f.Credential.Usable(now):
		return suspended("This certificate has been revoked.")
	case f.Account != nil && f.Account.Frozen():
		return suspended(cmp.Or(f.Account.FreezeReason, "The account is stopped."))
	case f.Account != nil && f.ProviderStopped:
		return suspended("The identity provider of this account is stopped.")
	}
	return nil
}

func suspended(reason string) error {
	return protocol.NewError(protocol.SuspendedUser, "User is currently suspended!\nSuspension reason: %s", reason)
}

// holds reports whether the rule gives its FQAN, and until when.
func (r Rule) holds(f Facts, now time.Time) (end time.Time, ok bool) {
	if r.Project == "" {
		return end, f.Account.Issuer == r.Issuer && slices.Contains(f.Claims, r.Claim)
	}
	least := cmp.Or(r.Role, identity.User)
	for _, p := range f.Projects {
		if p.Project.Name == r.Project && p.Project.InForce(now) && least.Rank() > 0 && p.Role.Rank() >= least.Rank() {
			return p.Project.EndsAt, true
		}
	}
	return end, false
}

// Through are the names of a holder's projects whose members hold something in v, sorted.
func (v VO) Through(f Facts, now time.Time) (names []string) {
	if f.Account == nil {
		return nil
	}
	for _, r := range v.Rules {
		if _, ok := r.holds(f, now); ok && r.Project != "" {
			names = append(names, r.Project)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// give adds a FQAN that v defines, the group of a role, and the groups above, until end. Of two ends
// the later one holds.
func (s Standing) give(fqan string, end time.Time) {
	f, err := voms.ParseFQAN(fqan)
	if err != nil || f.VO() != s.VO.Name || !s.VO.Defines(f.Short()) {
		return
	}
	all := []string{f.Short()}
	for g := f.Group; g != ""; g = g[:strings.LastIndexByte(g, '/')] {
		all = append(all, g)
	}
	for _, name := range all {
		if old, held := s.FQANs[name]; !held || !old.IsZero() && (end.IsZero() || end.After(old)) {
			s.FQANs[name] = end
		}
	}
}

// List returns all that is held: groups, then roles, each sorted.
func (s Standing) List() []string {
	all := slices.Sorted(maps.Keys(s.FQANs))
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(roles(a), roles(b)) })
	return all
}

// roles is 1 for roles and 0 for groups.
func roles(short string) int {
	if strings.Contains(short, "/Role=") {
		return 1
	}
	return 0
}
