package minting

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/wlcg"
)

// Lives of access tokens (WLCG Common JWT Profiles §lifetimes).
const (
	defaultLife = time.Hour
	shortest    = 15 * time.Minute
	longest     = session.LongestToken
)

// A Policy is the operator's word on which tokens are minted for whom.
type Policy struct {
	// Audiences are the services that tokens are minted for. There are no others.
	Audiences []Audience `yaml:"audiences"`
	// AnyAudience allows tokens that every service of the issuer takes. They are minted for requests
	// that name no audience, unless there is a DefaultAudience.
	AnyAudience bool `yaml:"any_audience"`
	// DefaultAudience is one of Audiences, for requests that name none.
	DefaultAudience string `yaml:"default_audience"`
	// Life is how long tokens live: 1 h if zero, 15 minutes to 6 hours.
	Life time.Duration `yaml:"life"`
	// VOs are those whose groups go into the claim wlcg.groups, in this order.
	VOs   []string `yaml:"vos"`
	Rules []Rule   `yaml:"rules"`
	// Exchanges say who gets what for tokens of others' sessions.
	Exchanges []Exchange `yaml:"exchanges"`
}

// An Audience is a service that takes our tokens.
type Audience struct {
	// Name is what stands in the claim aud: best https://host[:port] without a slash at the end.
	Name string `yaml:"name"`
	// Algorithm signs: ES256 if empty, or RS256 for services that know nothing else.
	Algorithm string `yaml:"algorithm"`
	// Profile is wlcg if empty, scitokens or rfc9068.
	Profile string `yaml:"profile"`
	// MaxLife bounds tokens for it; zero leaves it to the policy.
	MaxLife time.Duration `yaml:"max_life"`
	// MayAct is a client that may exchange tokens for this audience as if it had got them itself
	// (the claim may_act of RFC 8693 §4.4): the service itself, say. May be empty.
	MayAct string `yaml:"may_act"`
}

// A Rule gives scopes to people: to those with a role in a project, or to those in a group of a VO.
type Rule struct {
	// Project is a project's name, or "*" for each. Role is the least that counts: user if empty.
	Project string        `yaml:"project"`
	Role    identity.Role `yaml:"role"`
	// VO and Group name a group or role of a VO: /climate/prod, /climate/Role=pilot. The VO itself
	// if Group is empty.
	VO    string `yaml:"vo"`
	Group string `yaml:"group"`
	// Scopes are given as they stand and narrower. "{project}" in them is the project's name.
	Scopes []string `yaml:"scopes"`
	// Groups are WLCG groups that are given when they are asked for by name.
	Groups []string `yaml:"groups"`
}

// An Exchange lets a confidential client get tokens for what people's sessions at it prove.
type Exchange struct {
	Client string `yaml:"client"`
	// Subjects are the clients whose tokens it may show beside its own.
	Subjects []string `yaml:"subjects"`
	// Providers are those whose access tokens it gets, from grants that the person approved.
	Providers []string `yaml:"providers"`
	// Scopes bound what it gets, from providers and of ours, beyond those of the token that it
	// shows. None leaves it at these, and leaves providers to the grant.
	Scopes []string `yaml:"scopes"`
}

var profiles = map[string]wlcg.Profile{"": wlcg.WLCG, "wlcg": wlcg.WLCG, "scitokens": wlcg.SciTokens, "rfc9068": wlcg.RFC9068}

// Check reports every mistake in the policy, as Invalid faults joined.
func (p Policy) Check() error {
	var errs []error
	if p.Life != 0 && (p.Life < shortest || p.Life > longest) {
		errs = append(errs, fault.New(fault.Invalid, "tokens: life is from %s to %s, not %s", shortest, longest, p.Life))
	}
	seen := map[string]bool{}
	for _, a := range p.Audiences {
		errs = append(errs, a.check())
		if seen[a.Name] {
			errs = append(errs, fault.New(fault.Invalid, "tokens: audience %q stands twice", a.Name))
		}
		seen[a.Name] = true
	}
	if p.DefaultAudience != "" && !seen[p.DefaultAudience] {
		errs = append(errs, fault.New(fault.Invalid, "tokens: the default audience %q is none of the audiences", p.DefaultAudience))
	}
	for _, name := range p.VOs {
		errs = append(errs, vo.CheckName(name))
	}
	for _, r := range p.Rules {
		errs = append(errs, r.check()...)
	}
	for _, x := range p.Exchanges {
		if x.Client == "" {
			errs = append(errs, fault.New(fault.Invalid, "tokens: an exchange names no client"))
		}
		if _, err := parse(x.Scopes); err != nil {
			errs = append(errs, fault.New(fault.Invalid, "tokens: exchange of %q: %v", x.Client, err))
		}
	}
	return errors.Join(errs...)
}

func (a Audience) check() error {
	_, known := profiles[a.Profile]
	switch {
	case !printable(a.Name) || a.Name == wlcg.AnyAudience || a.Name == wlcg.AnyAudienceSciTokens:
		return fault.New(fault.Invalid, "tokens: %.100q cannot be an audience", a.Name).WithHint("write https://host:port; for tokens that every service takes, set any_audience")
	case a.Algorithm != "" && !slices.Contains(algorithms, a.Algorithm):
		return fault.New(fault.Invalid, "tokens: audience %q: algorithm %q is not ES256 or RS256", a.Name, a.Algorithm)
	case !known:
		return fault.New(fault.Invalid, "tokens: audience %q: profile %q is not wlcg, scitokens or rfc9068", a.Name, a.Profile)
	case a.MaxLife != 0 && (a.MaxLife < shortest || a.MaxLife > longest):
		return fault.New(fault.Invalid, "tokens: audience %q: max_life is from %s to %s", a.Name, shortest, longest)
	}
	return nil
}

func (r Rule) check() (errs []error) {
	if (r.Project == "") == (r.VO == "") {
		errs = append(errs, fault.New(fault.Invalid, "tokens: a rule names a project or a VO"))
	}
	if r.Project != "" && r.Project != every {
		errs = append(errs, project.CheckName(r.Project))
	}
	if cmp.Or(r.Role, identity.User).Rank() == 0 {
		errs = append(errs, fault.New(fault.Invalid, "tokens: %q is not user, deputy or manager", r.Role))
	}
	if r.VO != "" && r.Group != "" {
		if _, err := vo.CheckFQAN(r.VO, r.Group); err != nil {
			errs = append(errs, err)
		}
	}
	if _, err := parse(fill(r.Scopes, "p")); err != nil {
		errs = append(errs, fault.New(fault.Invalid, "tokens: rule for %q: %v", cmp.Or(r.Project, r.Group, r.VO), err))
	}
	for _, g := range r.Groups {
		if _, err := wlcg.ParseGroup(g); err != nil {
			errs = append(errs, fault.New(fault.Invalid, "tokens: rule for %q: %v", cmp.Or(r.Project, r.Group, r.VO), err))
		}
	}
	return errs
}

// every stands for each project, and place for its name.
const (
	every = "*"
	place = "{project}"
)

func fill(scopes []string, project string) []string {
	out := make([]string, len(scopes))
	for i, s := range scopes {
		out[i] = strings.ReplaceAll(s, place, project)
	}
	return out
}

// printable reports whether s can stand in a list that blanks part.
func printable(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}
