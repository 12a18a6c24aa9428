package minting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/wlcg"
)

// A set is what scopes say: capabilities, which cover narrower ones, and words, which do not.
type set struct {
	capabilities wlcg.Scopes
	words        []string
}

func parse(scopes []string) (s set, err error) {
	s.capabilities, s.words, err = wlcg.SplitScopes(scopes)
	return s, err
}

// An allowance is what the policy gives an account.
type allowance struct {
	set
	groups   []string // that it may ask for by name
	defaults []string // of those, the ones that it gets when it asks for its groups
}

// given is what a token gets.
type given struct {
	scopes []string // as the request wrote them
	groups []string
}

// Knows reports whether a scope is one that tokens are minted for: a capability, a request for
// groups, or a word of the policy.
func (m *Minter) Knows(scope string) bool {
	if s, err := parse([]string{scope}); err != nil || len(s.capabilities) > 0 {
		return err == nil
	}
	return scope == formatScope || strings.HasPrefix(scope, formatScope+":") || isGroups(scope) ||
		slices.ContainsFunc(m.c.Policy.Rules, func(r Rule) bool { return slices.Contains(r.Scopes, scope) })
}

// Scopes are kinds of scope that the policy gives somebody: "storage.read:/", as others publish
// them, for any path. A policy without rules gives none.
func (m *Minter) Scopes() []string {
	if len(m.c.Policy.Rules) == 0 {
		return nil
	}
	out := []string{formatScope, wlcg.ScopeGroups}
	for _, r := range m.c.Policy.Rules {
		given, err := parse(fill(r.Scopes, "p"))
		if err != nil { // Check refused it
			continue
		}
		for _, c := range given.capabilities {
			if c.Path != "" {
				c.Path = "/"
			}
			out = append(out, c.String())
		}
		out = append(out, given.words...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// formatScope asks for tokens of the WLCG profile, which they are if the audience wants them so.
const formatScope = "wlcg"

func isGroups(scope string) bool {
	return scope == wlcg.ScopeGroups || strings.HasPrefix(scope, wlcg.ScopeGroups+":")
}

// judge says which of the scopes the order gets, in the words of the profile.
func (m *Minter) judge(ctx context.Context, o Order, p wlcg.Profile) (given, error) {
	if o.Account.Frozen() {
		return given{}, refused(ErrScope, "the account has been stopped: %s", cmp.Or(o.Account.FreezeReason, "no reason given"))
	}
	asked, err := parse(o.Scopes)
	if err != nil {
		return given{}, refused(ErrScope, "%v", err)
	}
	has, err := m.allowance(ctx, o.Account)
	if err != nil {
		return given{}, err
	}
	g := given{scopes: has.capabilities.Cover(speak(p, asked.capabilities)).Strings()}
	var groups []string
	for _, word := range asked.words {
		name, named := strings.CutPrefix(word, wlcg.ScopeGroups+":")
		switch {
		case isGroups(word) && (!named || slices.Contains(has.groups, name)):
			groups = append(groups, word)
		case slices.Contains(has.words, word):
			g.scopes = append(g.scopes, word)
		}
	}
	if len(groups) > 0 && p == wlcg.WLCG { // no other has groups
		if g.groups, err = wlcg.GroupsFor(groups, has.groups, has.defaults); err != nil {
			return given{}, refused(ErrScope, "%v", err)
		}
		if len(g.groups) > 0 {
			g.scopes = append(g.scopes, groups...)
		}
	}
	if len(g.scopes) == 0 {
		if len(o.Scopes) == 0 {
			return given{}, refused(ErrScope, "name the scopes that the token shall have")
		}
		return given{}, ErrScope
	}
	return g, nil
}

// words are what SciTokens calls the capabilities of WLCG.
var words = map[string]string{"storage.read": "read", "storage.create": "create", "storage.modify": "write", "storage.stage": "stage"}

// speak returns capabilities in the words of a profile, without those that it has no word for.
func speak(p wlcg.Profile, asked wlcg.Scopes) wlcg.Scopes {
	var out wlcg.Scopes
	for _, s := range asked {
		wide := strings.Contains(s.Action, ".")
		switch {
		case p == wlcg.SciTokens && wide:
			s.Action = words[s.Action]
		case p == wlcg.WLCG && !wide:
			s.Action = wordOf(s.Action)
		}
		if s.Action != "" {
			out = append(out, s)
		}
	}
	return out
}

// wordOf returns what WLCG calls a capability of SciTokens; "" if it has no word for it.
func wordOf(action string) string {
	if action == "modify" { // the other word for write
		action = "write"
	}
	for wide, narrow := range words {
		if narrow == action {
			return wide
		}
	}
	return ""
}

// Covers reports whether scopes hold no more than those of limit: the same, or narrower ones.
func Covers(limit, scopes []string) bool {
	has, err := parse(limit)
	if err != nil {
		return false
	}
	asked, err := parse(scopes)
	if err != nil {
		return false
	}
	for _, c := range asked.capabilities {
		if !has.capabilities.Allows(c) {
			return false
		}
	}
	return !slices.ContainsFunc(asked.words, func(word string) bool { return !slices.Contains(has.words, word) })
}

// allowance returns what the policy gives an account now.
func (m *Minter) allowance(ctx context.Context, a identity.Account) (allowance, error) {
	var out allowance
	projects, err := m.projects(ctx, a.ID)
	if err != nil {
		return out, err
	}
	held := map[string][]string{} // FQANs by VO
	for _, name := range m.c.Policy.VOs {
		if held[name], err = m.held(ctx, name, a.ID); err != nil {
			return out, err
		}
		for _, fqan := range held[name] {
			if !strings.Contains(fqan, "/Role=") {
				out.defaults = append(out.defaults, fqan)
			}
		}
	}
	out.groups = slices.Clone(out.defaults)
	var scopes []string
	for _, r := range m.c.Policy.Rules {
		if r.VO != "" {
			if _, read := held[r.VO]; !read {
				if held[r.VO], err = m.held(ctx, r.VO, a.ID); err != nil {
					return out, err
				}
			}
			if slices.Contains(held[r.VO], cmp.Or(r.Group, "/"+r.VO)) {
				scopes, out.groups = append(scopes, r.Scopes...), append(out.groups, r.Groups...)
			}
			continue
		}
		for name, role := range projects {
			if (r.Project == every || r.Project == name) && role.Rank() >= cmp.Or(r.Role, identity.User).Rank() {
				scopes, out.groups = append(scopes, fill(r.Scopes, name)...), append(out.groups, r.Groups...)
			}
		}
	}
	out.set, err = parse(scopes)
	return out, err
}

func (m *Minter) held(ctx context.Context, vo, accountID string) ([]string, error) {
	if m.c.Groups == nil {
		return nil, nil
	}
	fqans, err := m.c.Groups(ctx, vo, accountID)
	if err != nil {
		return nil, fmt.Errorf("read groups in %s: %w", vo, err)
	}
	return fqans, nil
}

// projects returns the account's roles, by name of project, in those that the policy is about and
// that are in force.
func (m *Minter) projects(ctx context.Context, accountID string) (map[string]identity.Role, error) {
	rules := m.c.Policy.Rules
	if !slices.ContainsFunc(rules, func(r Rule) bool { return r.Project != "" }) {
		return nil, nil
	}
	members, err := m.c.Store.ListMembers(ctx, "", accountID)
	if err != nil {
		return nil, fmt.Errorf("read projects: %w", err)
	}
	roles := map[string]identity.Role{}
	for _, v := range members {
		if !slices.ContainsFunc(rules, func(r Rule) bool { return r.Project == every || r.Project == v.ProjectName }) {
			continue
		}
		p, err := m.c.Store.Project(ctx, v.ProjectID)
		if err != nil && fault.CodeOf(err) != fault.NotFound {
			return nil, fmt.Errorf("read project: %w", err)
		}
		if err == nil && p.InForce(m.now()) {
			roles[v.ProjectName] = v.Role
		}
	}
	return roles, nil
}

// Exchange returns the operator's rule for a client; false if there is none.
func (m *Minter) Exchange(clientID string) (Exchange, bool) {
	i := slices.IndexFunc(m.c.Policy.Exchanges, func(x Exchange) bool { return x.Client == clientID })
	if i < 0 {
		return Exchange{}, false
	}
	return m.c.Policy.Exchanges[i], true
}

// Target reports whether tokens are minted for the audience.
func (m *Minter) Target(audience string) bool {
	_, err := m.target([]string{audience})
	return !errors.Is(err, ErrTarget)
}
