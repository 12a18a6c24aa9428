package upstream

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// rule is a Rule that has been checked.
type rule struct {
	Rule
	match *regexp.Regexp
}

func newRule(r Rule, groups string) (rule, error) {
	n := 0
	for _, s := range []string{r.Exact, r.Match, r.Prefix} {
		if s != "" {
			n++
		}
	}
	r.Claim, r.Role = cmp.Or(r.Claim, groups), cmp.Or(r.Role, identity.User)
	switch {
	case n != 1:
		return rule{}, fmt.Errorf("give one of exact, match and prefix")
	case r.Role.Rank() == 0:
		return rule{}, fmt.Errorf("role %q is not user, deputy or manager", r.Role)
	case (r.Project == "") != (r.Prefix != ""):
		return rule{}, fmt.Errorf("exact and match need a project, prefix has none")
	case r.Exact != "" && project.CheckName(r.Project) != nil:
		return rule{}, project.CheckName(r.Project)
	case r.Match == "":
		return rule{Rule: r}, nil
	}
	re, err := regexp.Compile(`^(?:` + r.Match + `)$`)
	return rule{r, re}, err
}

// project returns the name that a value of the claim stands for, "" for none.
func (r rule) project(value string) string {
	name := ""
	switch {
	case r.Exact != "":
		if value == r.Exact {
			name = r.Project
		}
	case r.match != nil:
		if m := r.match.FindStringSubmatchIndex(value); m != nil {
			name = string(r.match.ExpandString(nil, r.Project, value, m))
		}
	default:
		if rest, ok := strings.CutPrefix(value, r.Prefix); ok {
			name, _, _ = strings.Cut(rest, "#")
		}
	}
	if project.CheckName(name) != nil {
		return ""
	}
	return name
}

// roles returns the strongest role for each project that the claims give; nil without rules.
func (u *Client) roles(claims map[string]any) map[string]identity.Role {
	if len(u.rules) == 0 {
		return nil
	}
	roles := map[string]identity.Role{}
	for _, r := range u.rules {
		for _, value := range texts(claims[r.Claim]) {
			if name := r.project(value); name != "" && r.Role.Rank() > roles[name].Rank() {
				roles[name] = r.Role
			}
		}
	}
	return roles
}

// Bounds of the groups that are kept of somebody.
const (
	maxGroups = 1000
	maxGroup  = 500 // bytes
)

// groups returns those values of a claim that can be kept.
func groups(claim any) []string {
	all := slices.DeleteFunc(texts(claim), func(s string) bool {
		return s == "" || len(s) > maxGroup || Clean(s, maxGroup) != s
	})
	return all[:min(len(all), maxGroups)]
}

// texts reads a claim that is a list of strings or, as some proxies send it when there is one
// value only, a string.
func texts(claim any) []string {
	switch v := claim.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
