package authority

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// admin is the source of what people decide here.
const admin = "admin"

// ListMembers returns the written memberships of a VO, to who decides about them.
func (a *Authority) ListMembers(ctx context.Context, by identity.Actor, name string) ([]vo.Member, error) {
	v, err := a.managed(ctx, by, name, identity.ReadProjects)
	if err != nil {
		return nil, err
	}
	return a.c.Store.Members(ctx, v.Name, "")
}

// managed finds a VO whose members by decides about. For everybody else there is none.
func (a *Authority) managed(ctx context.Context, by identity.Actor, name string, scope identity.Scope) (vo.VO, error) {
	if !by.Operator && !by.Holds(scope) {
		return vo.VO{}, fault.New(fault.Denied, "this token does not cover %s", scope).WithHint("use one that has the scope %s", scope)
	}
	v, err := a.vo(name)
	if err != nil {
		return v, err
	}
	ok, err := a.manages(ctx, by, v)
	if err == nil && !ok {
		err = absent(name)
	}
	return v, err
}

// SetMember makes or changes the membership of the account, or of the certificate names, in m.
// Whoever is suspended by it loses what rules give too; a record without FQANs does nothing else.
func (a *Authority) SetMember(ctx context.Context, by identity.Actor, name string, m vo.Member, suspended bool) (vo.Member, error) {
	v, err := a.managed(ctx, by, name, identity.WriteProjects)
	if err != nil {
		return m, err
	}
	now := a.now()
	m.VO, m.Source = v.Name, admin
	if len(m.FQANs) == 0 && !suspended {
		m.FQANs = []string{"/" + v.Name}
	}
	if m, err = v.CheckMember(m); err != nil {
		return m, err
	}
	if !m.ExpiresAt.IsZero() && !m.ExpiresAt.After(now) {
		return m, fault.New(fault.Invalid, "%s has already passed", m.ExpiresAt.Format(time.RFC3339))
	}
	if m.AccountID != "" {
		account, err := a.c.Store.Account(ctx, m.AccountID)
		if err != nil {
			return m, err
		}
		m.AccountName = account.Name
	}
	old, err := a.member(ctx, m)
	if err != nil {
		return m, err
	}
	m.ID, m.Since, m.SuspendedAt = old.ID, old.Since, time.Time{}
	action := "member.change"
	if m.ID == "" {
		m.ID, m.Since, action = "vom_"+rand.Text(), now, "member.add"
	}
	if suspended {
		m.SuspendedAt = now
		if !old.SuspendedAt.IsZero() {
			m.SuspendedAt = old.SuspendedAt
		}
	} else {
		m.Reason = ""
	}
	m.ExpiresAt = m.ExpiresAt.UTC().Truncate(time.Second)
	return m, a.c.Store.SaveMembers(ctx, []vo.MemberChange{change(by, now, "vo."+action, m)})
}

// member finds the record of m's source that is about whom m is about; the zero Member if none is.
func (a *Authority) member(ctx context.Context, m vo.Member) (vo.Member, error) {
	all, err := a.c.Store.Members(ctx, m.VO, m.AccountID)
	if err != nil {
		return vo.Member{}, err
	}
	for _, o := range all {
		if o.Source == m.Source && who(o) == who(m) {
			return o, nil
		}
	}
	return vo.Member{}, nil
}

// who tells members apart.
func who(m vo.Member) string { return m.AccountID + " " + nameKey(m.Subject) + " " + nameKey(m.Issuer) }

func nameKey(slash string) string {
	n, err := dn.Parse(slash)
	if slash == "" || err != nil { // what is stored was read before
		return ""
	}
	return n.Key()
}

// RemoveMember ends a written membership, whatever its source.
func (a *Authority) RemoveMember(ctx context.Context, by identity.Actor, name, id string) error {
	v, err := a.managed(ctx, by, name, identity.WriteProjects)
	if err != nil {
		return err
	}
	all, err := a.c.Store.Members(ctx, v.Name, "")
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(m vo.Member) bool { return m.ID == id })
	if i < 0 {
		return fault.New(fault.NotFound, "%s has no member %.60q", v.Name, id)
	}
	c := change(by, a.now(), "vo.member.remove", all[i])
	c.Removed = true
	return a.c.Store.SaveMembers(ctx, []vo.MemberChange{c})
}

// change is the writing of m with its record, which tells enough to undo it by hand.
func change(by identity.Actor, now time.Time, action string, m vo.Member) vo.MemberChange {
	r := audit.By(by, now, action, m.ID, "").With("vo", m.VO).With("fqans", strings.Join(m.FQANs, " ")).With("source", m.Source)
	for key, value := range map[string]string{"account": m.AccountID, "subject": m.Subject, "issuer": m.Issuer, "reason": m.Reason} {
		if value != "" {
			r = r.With(key, value)
		}
	}
	if !m.SuspendedAt.IsZero() {
		r = r.With("suspended_at", m.SuspendedAt.Format(time.RFC3339))
	}
	if !m.ExpiresAt.IsZero() {
		r = r.With("expires_at", m.ExpiresAt.Format(time.RFC3339))
	}
	return vo.MemberChange{Member: m, Record: r}
}

// Imported tells what an import did, or would do.
type Imported struct{ Added, Changed, Removed, Kept int }

// ImportMembers makes the memberships of a source, a directory such as "ldap", what the directory
// says now. It changes nothing that has another source, and lifts no suspension. A directory that
// answers wrongly must not empty a VO: more than a tenth of the memberships are removed only if
// confirmed says how many at least.
func (a *Authority) ImportMembers(ctx context.Context, name, source string, ms []vo.Member, confirmed int) (Imported, error) {
	var done Imported
	v, err := a.vo(name)
	if err != nil {
		return done, err
	}
	fit, now := a.fit(ctx, v, source, ms), a.now()
	err = a.c.Store.ReviseMembers(ctx, v.Name, func(all []vo.Member) (changes []vo.MemberChange, err error) {
		changes, done, err = replaced(v, source, all, fit, confirmed, now)
		return changes, err
	})
	return done, err
}

// replaced are the changes that leave of all members of a source those in ms.
func replaced(v vo.VO, source string, all, ms []vo.Member, confirmed int, now time.Time) (changes []vo.MemberChange, done Imported, err error) {
	old := map[string]vo.Member{}
	for _, m := range all {
		if m.Source == source {
			old[who(m)] = m
		}
	}
	had := len(old)
	for _, m := range ms {
		o, known := old[who(m)]
		delete(old, who(m))
		action := "vo.member.change"
		switch {
		case !known:
			m.ID, m.Since, action = "vom_"+rand.Text(), now, "vo.member.add"
			done.Added++
		case slices.Equal(o.FQANs, m.FQANs) && slices.Equal(o.Attributes, m.Attributes) && o.ExpiresAt.Equal(m.ExpiresAt):
			done.Kept++
			continue
		default:
			m.ID, m.Since, m.SuspendedAt, m.Reason = o.ID, o.Since, o.SuspendedAt, o.Reason
			done.Changed++
		}
		changes = append(changes, change(identity.System(), now, action, m))
	}
	if done.Removed = len(old); done.Removed > max(1, had/10, confirmed) || done.Removed == had && had > confirmed {
		return nil, done, fault.New(fault.Conflict, "the import of %s from %s would remove %d of %d members, so nothing was changed", v.Name, source, done.Removed, had).
			WithHint("if that is right, confirm the number")
	}
	for _, m := range old {
		c := change(identity.System(), now, "vo.member.remove", m)
		c.Removed = true
		changes = append(changes, c)
	}
	return changes, done, nil
}

// fit returns those of a directory's members that can be some. One odd entry keeps nobody else out.
func (a *Authority) fit(ctx context.Context, v vo.VO, source string, ms []vo.Member) (fit []vo.Member) {
	for _, m := range merge(ms) {
		m.VO, m.Source = v.Name, source
		m, err := v.CheckMember(m)
		if err != nil {
			a.c.Log.WarnContext(ctx, "member not imported", "vo", v.Name, "source", source, "subject", m.Subject, "err", err)
			continue
		}
		fit = append(fit, m)
	}
	return fit
}

// merge makes one of what a directory says twice about somebody.
func merge(ms []vo.Member) []vo.Member {
	at := map[string]int{}
	var merged []vo.Member
	for _, m := range ms {
		i, seen := at[who(m)]
		if !seen {
			at[who(m)] = len(merged)
			merged = append(merged, m)
			continue
		}
		merged[i].FQANs = append(slices.Clone(merged[i].FQANs), m.FQANs...)
	}
	return merged
}
