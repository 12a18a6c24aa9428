package delegation

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Library is the named requests ("profiles") and templates that requests can include. The zero
// Library has none.
type Library struct{ groups map[string]Group }

// Group is what an operator defines under one name. The texts are JSON: a profile is a partial
// request, the others are the value of its field.
type Group struct {
	Profiles, Capabilities, Restrictions, Rotation map[string]json.RawMessage
}

// Template is one of a Library, for reading.
type Template struct {
	ID, Name string // ID is a UUID and does not change
	// Payload is JSON, with everything that it includes and with times as they are now.
	Payload json.RawMessage
}

// The sections of a group.
const (
	SectionProfiles     = "profiles"
	SectionCapabilities = "capabilities"
	SectionRestrictions = "restrictions"
	SectionRotation     = "rotation"
)

// shared is the group whose templates are named without it.
const shared = "_"

// maxNesting bounds how deep profiles include profiles.
const maxNesting = 8

// NewLibrary checks groups and adds those that every mytoken server has, under the name "_".
func NewLibrary(groups map[string]Group) (Library, error) {
	l := Library{groups: map[string]Group{}}
	maps.Copy(l.groups, groups)
	l.groups[shared] = shipped()
	for group, g := range l.groups {
		for section, templates := range g.sections() {
			for name := range templates {
				if group == "" || name == "" || strings.ContainsAny(group+name, "/@ ") {
					return Library{}, fmt.Errorf("the name %q of a template in %s/%s has a slash, a blank or an @, or is empty", name, group, section)
				}
				if _, err := l.payload(group, section, name, time.Unix(0, 0)); err != nil {
					return Library{}, fmt.Errorf("template %s/%s/%s: %w", group, section, name, err)
				}
			}
		}
	}
	return l, nil
}

func (g Group) sections() map[string]map[string]json.RawMessage {
	return map[string]map[string]json.RawMessage{SectionProfiles: g.Profiles, SectionCapabilities: g.Capabilities,
		SectionRestrictions: g.Restrictions, SectionRotation: g.Rotation}
}

func shipped() Group {
	text := func(s string) json.RawMessage { return json.RawMessage(s) }
	return Group{
		Capabilities: map[string]json.RawMessage{
			"all":        text(`["AT","tokeninfo","create_mytoken","manage_mytokens","settings"]`),
			"default":    text(`["AT","tokeninfo"]`),
			"default+MT": text(`["@default","create_mytoken"]`),
		},
		Restrictions: map[string]json.RawMessage{
			"12h": text(`[{"exp":"+12h"}]`), "1d": text(`[{"exp":"+1d"}]`), "1w": text(`[{"exp":"+1w"}]`),
			"1m": text(`[{"exp":"+30d"}]`), "1y": text(`[{"exp":"+1y"}]`),
			"ip-this":     text(`[{"hosts":["this"]}]`),
			"web-default": text(`[{"exp":"+12h","hosts":["this"],"usages_AT":15}]`),
		},
		Rotation: map[string]json.RawMessage{
			"at": text(`{"on_AT":true}`), "other": text(`{"on_other":true}`), "at-other": text(`{"on_AT":true,"on_other":true}`),
			"auto-revoke": text(`{"auto_revoke":true}`),
			"daily":       text(`{"lifetime":86400}`), "weekly": text(`{"lifetime":604800}`), "monthly": text(`{"lifetime":2592000}`),
		},
		Profiles: map[string]json.RawMessage{
			"agent":       text(`{"capabilities":["@default+MT"],"rotation":{"include":["at-other","auto-revoke"]}}`),
			"web-default": text(`{"capabilities":["@default"],"restrictions":[{"include":"web-default"}]}`),
		},
	}
}

// Groups are the names of the operator's groups, sorted.
func (l Library) Groups() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(l.groups)), func(g string) bool { return g == shared })
}

// List returns a section of a group, sorted by name; false if there is no such group or section.
// The group "" is the shared one.
func (l Library) List(group, section string, now time.Time) ([]Template, bool) {
	if group == "" {
		group = shared
	}
	g, ok := l.groups[group]
	templates, known := g.sections()[section]
	if !ok || !known {
		return nil, false
	}
	var list []Template
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		if payload, err := l.payload(group, section, name, now); err == nil { // NewLibrary checked it
			list = append(list, Template{ID: uuid(group, section, name), Name: name, Payload: payload})
		}
	}
	return list, true
}

// uuid is a UUID (RFC 9562, version 8) that a name always has.
func uuid(of ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(of, "/")))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// payload resolves a template.
func (l Library) payload(group, section, name string, now time.Time) (json.RawMessage, error) {
	full := group + "/" + name
	var v any
	var err error
	switch section {
	case SectionProfiles:
		var w Wish
		w, err = l.profile(full, now, 0)
		v = struct {
			Issuer       string       `json:"oidc_issuer,omitempty"`
			Name         string       `json:"name,omitempty"`
			Application  string       `json:"application_name,omitempty"`
			Capabilities Capabilities `json:"capabilities,omitempty"`
			Restrictions []Clause     `json:"restrictions,omitempty"`
			Rotation     *Rotation    `json:"rotation,omitempty"`
		}{w.Issuer, w.Name, w.Application, w.Capabilities, w.Clauses, w.Rotation}
	case SectionCapabilities:
		v, err = l.capabilities(Capabilities{"@" + full}, 0)
	case SectionRestrictions:
		v, err = l.clauses([]Clause{{Include: []string{full}}}, now, 0)
	default:
		v, err = l.rotation(&Rotation{Include: []string{full}}, 0)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// Expand returns w with all that it includes. A profile never adds to what the request itself says:
// where both name capabilities or restrictions, what they have in common is meant.
func (l Library) Expand(w Wish, now time.Time) (Wish, error) { return l.expand(w, now, 0) }

func (l Library) expand(w Wish, now time.Time, depth int) (_ Wish, err error) {
	if depth > maxNesting {
		return w, Invalid("profiles include each other too deeply")
	}
	if w.Capabilities, err = l.capabilities(w.Capabilities, depth); err != nil {
		return w, err
	}
	if w.Clauses, err = l.clauses(w.Clauses, now, depth); err != nil {
		return w, err
	}
	if w.Rotation, err = l.rotation(w.Rotation, depth); err != nil {
		return w, err
	}
	for _, name := range w.Include {
		p, err := l.profile(name, now, depth+1)
		if err == nil {
			w, err = w.with(p)
		}
		if err != nil {
			return w, err
		}
	}
	w.Include = nil
	return w, nil
}

// with returns w with what p says beside it.
func (w Wish) with(p Wish) (_ Wish, err error) {
	for _, f := range []struct{ mine, theirs *string }{{&w.Issuer, &p.Issuer}, {&w.Name, &p.Name}, {&w.Application, &p.Application}} {
		if *f.mine == "" {
			*f.mine = *f.theirs
		}
	}
	if w.Rotation == nil {
		w.Rotation = p.Rotation
	}
	switch {
	case w.Capabilities == nil:
		w.Capabilities = p.Capabilities
	case p.Capabilities != nil:
		if w.Capabilities = p.Capabilities.Intersect(w.Capabilities); len(w.Capabilities) == 0 {
			return w, NoCapability()
		}
	}
	w.Clauses, _, err = Tighten(p.Clauses, w.Clauses)
	return w, err
}

// template finds "G/N", or "N" of the shared group.
func (l Library) template(section, name string) (json.RawMessage, error) {
	group, short, ok := strings.Cut(name, "/")
	if !ok {
		group, short = shared, name
	}
	text, ok := l.groups[group].sections()[section][short]
	if !ok {
		return nil, Invalid("unknown include name: '%.100s'", name)
	}
	return text, nil
}

func (l Library) profile(name string, now time.Time, depth int) (Wish, error) {
	text, err := l.template(SectionProfiles, name)
	if err != nil {
		return Wish{}, err
	}
	w, err := ParseWish(text, now)
	if err != nil {
		return Wish{}, err
	}
	return l.expand(w, now, depth)
}

// capabilities resolves "@template" names.
func (l Library) capabilities(list Capabilities, depth int) (Capabilities, error) {
	if depth > maxNesting {
		return nil, Invalid("capabilities include each other too deeply")
	}
	var all Capabilities
	for _, c := range list {
		name, ok := strings.CutPrefix(c, "@")
		if !ok {
			all = append(all, c)
			continue
		}
		text, err := l.template(SectionCapabilities, name)
		if err != nil {
			return nil, err
		}
		var w words
		if err := json.Unmarshal(text, &w); err != nil {
			return nil, explain(err)
		}
		more, err := l.capabilities(Capabilities(w), depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all.distinct(), nil
}

// clauses resolves what clauses include: they become narrower by it.
func (l Library) clauses(list []Clause, now time.Time, depth int) ([]Clause, error) {
	if depth > maxNesting {
		return nil, Invalid("restrictions include each other too deeply")
	}
	var all []Clause
	for _, c := range list {
		included := c.Include
		c.Include = nil
		alternatives := []Clause{c}
		for _, name := range included {
			text, err := l.template(SectionRestrictions, name)
			if err != nil {
				return nil, err
			}
			w, err := ParseWish(fmt.Appendf(nil, `{"restrictions":%s}`, text), now)
			if err != nil {
				return nil, err
			}
			if w.Clauses, err = l.clauses(w.Clauses, now, depth+1); err != nil {
				return nil, err
			}
			if alternatives, _, err = Tighten(w.Clauses, alternatives); err != nil {
				return nil, err
			}
		}
		if all = append(all, alternatives...); len(all) > MaxClauses {
			return nil, Invalid("at most %d restrictions can be given", MaxClauses)
		}
	}
	return all, nil
}

// rotation resolves what a rotation includes: what either says holds, the request's own lifetime first.
func (l Library) rotation(r *Rotation, depth int) (*Rotation, error) {
	if r == nil || len(r.Include) == 0 {
		return r, nil
	}
	if depth > maxNesting || len(r.Include) > MaxListed {
		return nil, Invalid("rotations include each other too deeply")
	}
	sum := *r
	sum.Include = nil
	for _, name := range r.Include {
		text, err := l.template(SectionRotation, name)
		if err != nil {
			return nil, err
		}
		var more Rotation
		if err := json.Unmarshal(text, &more); err != nil {
			return nil, explain(err)
		}
		m, err := l.rotation(&more, depth+1)
		if err != nil {
			return nil, err
		}
		sum.OnAT, sum.OnOther, sum.AutoRevoke = sum.OnAT || m.OnAT, sum.OnOther || m.OnOther, sum.AutoRevoke || m.AutoRevoke
		if sum.Lifetime == 0 {
			sum.Lifetime = m.Lifetime
		}
	}
	return &sum, nil
}
