package wlcg

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Group is a group of a virtual organisation, such as /cms/uscms. Its first name is the VO's.
type Group string

// ErrNotMember is wrapped by errors of groups that somebody asked for who is not in them. The
// profile's answer to such requests is access_denied.
var ErrNotMember = errors.New("not a member")

const (
	maxGroup  = 512 // bytes
	maxGroups = 256 // in one list
)

// ParseGroup reads a group's name: '/' name ('/' name)*, where names are letters, digits, '_', '.'
// and '-' of ASCII and begin with a letter or digit (WLCG profile, Group Based Authorization).
func ParseGroup(text string) (Group, error) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok || len(text) > maxGroup {
		return "", fmt.Errorf("group %s: must begin with / and have at most %d bytes", quote(text), maxGroup)
	}
	for name := range strings.SplitSeq(rest, "/") {
		for i := range len(name) {
			c := name[i]
			if letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'; !letter && (i == 0 || strings.IndexByte("_.-", c) < 0) {
				return "", fmt.Errorf("group %s: names are made of A-Z a-z 0-9 _ . - and begin with a letter or digit", quote(text))
			}
		}
		if name == "" {
			return "", fmt.Errorf("group %s: a name is empty", quote(text))
		}
	}
	return Group(text), nil
}

// VO is the first name of the group, that of its virtual organisation.
func (g Group) VO() string {
	vo, _, _ := strings.Cut(strings.TrimPrefix(string(g), "/"), "/")
	return vo
}

// GroupsFor is the claim wlcg.groups for a request's scopes: nil if they ask for no groups.
// wlcg.groups asks for the default groups in the VO's order, wlcg.groups:/vo/x for that group; the
// order of the claim is that of the request, and the defaults come last if only others were asked
// for. No group is there twice. To be in a child group does not mean to be in its parent: of
// memberships and defaults alike, only those in memberships count, and asking for another group is
// an error that wraps ErrNotMember.
func GroupsFor(request, memberships, defaults []string) ([]string, error) {
	var wanted []string
	asked := false
	add := func(groups ...string) {
		for _, g := range groups {
			if !slices.Contains(wanted, g) {
				wanted = append(wanted, g)
			}
		}
	}
	own := slices.DeleteFunc(slices.Clone(defaults), func(g string) bool { return !slices.Contains(memberships, g) })
	for _, scope := range request {
		name, group, colon := strings.Cut(scope, ":")
		if name != ScopeGroups {
			continue
		}
		asked = true
		if !colon {
			add(own...)
			continue
		}
		if _, err := ParseGroup(group); err != nil {
			return nil, err
		}
		if !slices.Contains(memberships, group) {
			return nil, fmt.Errorf("group %s: %w", quote(group), ErrNotMember)
		}
		add(group)
	}
	if asked { // also without the plain word; who was added already stays in place
		add(own...)
	}
	if len(wanted) > maxGroups {
		return nil, fmt.Errorf("more than %d groups", maxGroups)
	}
	return wanted, nil
}

// CapabilitySet is the group whose capabilities a request's scopes ask for (wlcg.capabilityset:/vo/x),
// empty if they ask for none. The profile allows one in a request.
func CapabilitySet(request []string) (Group, error) {
	var set Group
	for _, scope := range request {
		name, group, _ := strings.Cut(scope, ":")
		if name != ScopeCapabilitySet {
			continue
		}
		g, err := ParseGroup(group)
		switch {
		case err != nil:
			return "", err
		case set != "" && set != g:
			return "", fmt.Errorf("scope %s: only one capability set can be asked for at a time", quote(scope))
		}
		set = g
	}
	return set, nil
}
