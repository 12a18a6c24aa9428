package delegation

import (
	"net/netip"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
)

// Shown is what a token says of itself once its signature, or its code, is verified.
type Shown struct {
	ID        string
	Seq       int64
	Form      Form
	ExpiresAt time.Time // zero for no end
}

// Refusal judges whether the token can be used at all at now, whatever for. Replay reports that it
// was replaced by another, and that this shall end the sub-grant.
func (c Chain) Refusal(t Shown, now time.Time) (err *Error, replay bool) {
	s := c.Links[0]
	for _, end := range []time.Time{t.ExpiresAt, s.ExpiresAt} {
		if !end.IsZero() && !now.Before(end) {
			return Expired(end, now), false
		}
	}
	if begin := Beginning(s.Clauses); now.Before(begin) {
		return Malformed("token is not valid yet"), false
	}
	if !s.EndedAt.IsZero() {
		return BadToken(), false
	}
	if t.Seq != s.Seq {
		return BadToken(), s.Rotation.AutoRevoke && t.Seq < s.Seq
	}
	g := c.Holder.Grant
	switch {
	case g.Over(now) == credential.Expired || g.Reason == credential.Expired:
		return Expired(g.ExpiresAt, now), false
	case g.Status == credential.Frozen || c.Holder.Stopped:
		return restricted(), false // not for good: the token works again when somebody thaws the grant
	case !g.Usable(now):
		return BadToken(), false
	}
	return nil, false
}

// Decision says which clauses a use counts at, one for each link of a chain, -1 where there is none,
// and what of the grant it may have: nothing means what the grant has.
type Decision struct {
	Clauses          []int
	Scopes, Audience []string
}

// Decide finds the first clause of the sub-grant that allows u and that all above it allow too: a
// use of a child is one of its parent, so that children together get no more than it has.
func (c Chain) Decide(u Use) (Decision, error) {
	first := c.Links[0]
	if len(first.Clauses) == 0 {
		if d, ok := c.above(u, -1); ok {
			return d, nil
		}
		return Decision{}, restricted()
	}
	for i, clause := range first.Clauses {
		if !clause.allows(u, first.Counts[i]) {
			continue
		}
		v := u
		if u.AT && !u.Final && len(v.Scopes) == 0 {
			v.Scopes = clause.Scope
		}
		if u.AT && !u.Final && len(v.Audience) == 0 {
			v.Audience = clause.Audience
		}
		if clause.listsMore(v) {
			continue
		}
		if d, ok := c.above(v, i); ok {
			return d, nil
		}
	}
	return Decision{}, restricted()
}

// above asks the parents whether they allow what the first link allows by its clause i.
func (c Chain) above(u Use, i int) (Decision, bool) {
	d := Decision{Clauses: []int{i}, Scopes: u.Scopes, Audience: u.Audience}
	for _, link := range c.Links[1:] {
		n := -1
		if len(link.Clauses) > 0 {
			n = link.first(u)
			if n < 0 {
				return Decision{}, false
			}
		}
		d.Clauses = append(d.Clauses, n)
	}
	return d, true
}

// first returns which clause of a parent allows u, or -1.
func (s SubGrant) first(u Use) int {
	for i, c := range s.Clauses {
		if !c.listsMore(u) && c.allows(u, s.Counts[i]) {
			return i
		}
	}
	return -1
}

// listsMore reports whether c lists something where u wants all there is, which is more.
func (c Clause) listsMore(u Use) bool {
	return u.AT && (len(u.Scopes) == 0 && len(c.Scope) > 0 || len(u.Audience) == 0 && len(c.Audience) > 0)
}

// allows reports whether the clause, used n times, allows u. What u leaves open is not judged.
func (c Clause) allows(u Use, n Count) bool {
	if u.At.Before(c.NotBefore) || !c.Expires.IsZero() && !u.At.Before(c.Expires) || !from(u.Address, c.Hosts) {
		return false
	}
	if !u.AT {
		return c.UsagesOther == nil || n.Other < *c.UsagesOther
	}
	return (len(u.Scopes) == 0 || subset(u.Scopes, c.Scope)) && (len(u.Audience) == 0 || subset(u.Audience, c.Audience)) &&
		(c.UsagesAT == nil || n.AT < *c.UsagesAT)
}

func from(address netip.Addr, hosts []string) bool {
	return len(hosts) == 0 || slices.ContainsFunc(hosts, func(h string) bool {
		p, ok := network(h)
		return ok && p.Contains(address.Unmap())
	})
}

// Counted returns the links whose counts change by a use that was decided so.
func (c Chain) Counted(d Decision, at bool) (changed []SubGrant) {
	for i, n := range d.Clauses {
		if n < 0 {
			continue
		}
		link := c.Links[i]
		link.Counts = slices.Clone(link.Counts)
		if at {
			link.Counts[n].AT++
		} else {
			link.Counts[n].Other++
		}
		changed = append(changed, link)
	}
	return changed
}

// Active reports whether any use replaces the token.
func (r Rotation) Active() bool { return r.OnAT || r.OnOther }

// Rotated returns s after a use of its token that replaces it, and whether the use does.
func (s SubGrant) Rotated(at bool, now time.Time) (SubGrant, bool) {
	if at && !s.Rotation.OnAT || !at && !s.Rotation.OnOther {
		return s, false
	}
	s.Seq++
	s.IssuedAt = now
	if s.Rotation.Lifetime > 0 {
		s.ExpiresAt = now.Add(s.Rotation.Lifetime)
		if end := End(s.Clauses); !end.IsZero() && end.Before(s.ExpiresAt) {
			s.ExpiresAt = end
		}
	}
	return s, true
}
