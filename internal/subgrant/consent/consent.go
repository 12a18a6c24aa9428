// Package consent says what becomes of a request for a sub-grant when a person decides about it and
// the provider answers: what a grant for it must cover, what the person can take away from it, and
// what goes because the provider did not grant it. It does no I/O and imports row 1 only.
package consent

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
)

// Spec is what a grant for the wish must cover: what all clauses list together, or what the
// provider is usually asked for if one lists nothing.
func Spec(w delegation.Wish, p grant.Provider) grant.Spec {
	spec := grant.Spec{Provider: p.ID, For: grant.Clean(cmp.Or(w.Application, w.Name), 200)}
	open, all := len(w.Clauses) == 0, len(w.Clauses) == 0
	for _, c := range w.Clauses {
		spec.Scopes, spec.Audiences = append(spec.Scopes, c.Scope...), append(spec.Audiences, c.Audience...)
		open, all = open || len(c.Scope) == 0, all || len(c.Audience) == 0
	}
	if open {
		spec.Scopes = p.Scopes
	}
	if all {
		spec.Audiences = nil
	}
	spec.Scopes, spec.Audiences = unique(spec.Scopes), unique(spec.Audiences)
	return spec
}

// unique returns the list without repetitions, in its order.
func unique(list []string) (u []string) {
	for _, s := range list {
		if !slices.Contains(u, s) {
			u = append(u, s)
		}
	}
	return u
}

// Name is a name for the grant that people will find in their list.
func Name(w delegation.Wish) string {
	return cmp.Or(grant.Clean(cmp.Or(w.Name, w.Application), 60), "mytoken")
}

// Narrowed is what was asked as the person changed it: what is nil or empty in changed stays as asked.
// To go beyond what was asked is an Invalid fault.
func Narrowed(f delegation.Flow, changed delegation.Wish) (delegation.Wish, error) {
	w := f.Wish
	if changed.Name != "" {
		w.Name = grant.Clean(changed.Name, 100)
	}
	if changed.Capabilities != nil {
		for _, c := range changed.Capabilities {
			if !f.Wish.Capabilities.Covers(c) {
				return w, fault.New(fault.Invalid, "%.60q was not asked for", c).WithHint("choose among what the application asked for")
			}
		}
		if w.Capabilities = f.Wish.Capabilities.Intersect(changed.Capabilities); len(w.Capabilities) == 0 {
			return w, fault.New(fault.Invalid, "a token that may do nothing is of no use").WithHint("leave one capability, or decline")
		}
	}
	address, _ := netip.ParseAddr(f.Address) // one that is none is in no network
	clauses, err := delegation.Located(changed.Clauses, address)
	if err != nil {
		return w, fault.New(fault.Invalid, "%s", err.Error())
	}
	var exact bool
	if w.Clauses, exact, err = delegation.Tighten(f.Wish.Clauses, clauses); err != nil || !exact {
		return w, fault.New(fault.Invalid, "the restrictions go beyond what the application asked for").WithHint("only narrower ones can be chosen")
	}
	if r := changed.Rotation; r != nil {
		if !r.Active() && w.Rotation != nil {
			return w, fault.New(fault.Invalid, "the application asked for a token that changes with its use").WithHint("leave the rotation as it is, or decline")
		}
		w.Rotation = r
	}
	return w, nil
}

// Granted cuts scopes and audiences that the provider did not grant out of clauses. A clause that
// has none left of either allows nothing, and goes.
func Granted(clauses []delegation.Clause, given grant.Tokens) (kept []delegation.Clause, err error) {
	for _, c := range clauses {
		var scopes, audiences bool
		c.Scope, scopes = common(c.Scope, given.Scopes)
		c.Audience, audiences = common(c.Audience, given.Audiences)
		if scopes && audiences {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 && len(clauses) > 0 {
		return nil, delegation.TooWide()
	}
	return kept, nil
}

// common is what of wanted was given, and whether that leaves anything. Who wants nothing by name
// gets nothing by name, and a provider that does not say what it gave gave what was wanted.
func common(wanted, given []string) (both []string, left bool) {
	if len(wanted) == 0 || len(given) == 0 {
		return wanted, true
	}
	both = slices.DeleteFunc(slices.Clone(wanted), func(s string) bool { return !slices.Contains(given, s) })
	return both, len(both) > 0
}
