package delegation

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// This is the host that stands for the address of who asks.
const This = "this"

// wireClause is a clause as requests, tokens and replies hold it.
type wireClause struct {
	NotBefore   moment
	Expires     moment
	Scope       words
	Audience    names
	Hosts       names
	UsagesAT    *int64
	UsagesOther *int64
	Include     names
}

// UnmarshalJSON implements json.Unmarshaler. A key that it does not know is refused, because a
// condition that nobody checks would be none.
func (c *wireClause) UnmarshalJSON(text []byte) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return err
	}
	*c = wireClause{}
	places := map[string]any{"nbf": &c.NotBefore, "exp": &c.Expires, "scope": &c.Scope, "audience": &c.Audience, "hosts": &c.Hosts,
		"ip": &c.Hosts, "usages_AT": &c.UsagesAT, "usages_other": &c.UsagesOther, "include": &c.Include}
	if _, both := keys["ip"]; both && keys["hosts"] != nil {
		return Invalid("a restriction has either 'hosts' or 'ip'")
	}
	for key, value := range keys {
		place, ok := places[key]
		if !ok {
			return Invalid("the restriction '%.40s' is not supported", key)
		}
		if err := json.Unmarshal(value, place); err != nil {
			return explain(err)
		}
	}
	return nil
}

func (c wireClause) at(now time.Time) Clause {
	return Clause{NotBefore: c.NotBefore.in(now), Expires: c.Expires.in(now), Scope: c.Scope, Audience: c.Audience, Hosts: c.Hosts,
		UsagesAT: c.UsagesAT, UsagesOther: c.UsagesOther, Include: c.Include}
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Clause) UnmarshalJSON(text []byte) error {
	var w wireClause
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	if w.NotBefore.after || w.Expires.after {
		return Invalid("a relative time stands in requests only")
	}
	*c = w.at(time.Time{})
	return nil
}

// MarshalJSON writes a restriction as tokens and replies hold it.
func (c Clause) MarshalJSON() ([]byte, error) { return json.Marshal(c.wire()) }

// Used is a clause with its uses, as introspection tells them.
type Used struct {
	Clause
	Count
}

// MarshalJSON writes it.
func (u Used) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		clauseJSON
		AT    int64 `json:"usages_AT_done"`
		Other int64 `json:"usages_other_done"`
	}{u.wire(), u.AT, u.Other})
}

type clauseJSON struct {
	NotBefore   int64    `json:"nbf,omitempty"`
	Expires     int64    `json:"exp,omitempty"`
	Scope       string   `json:"scope,omitempty"`
	Audience    []string `json:"audience,omitempty"`
	Hosts       []string `json:"hosts,omitempty"`
	UsagesAT    *int64   `json:"usages_AT,omitempty"`
	UsagesOther *int64   `json:"usages_other,omitempty"`
	Include     []string `json:"include,omitempty"`
}

func (c Clause) wire() clauseJSON {
	return clauseJSON{unix(c.NotBefore), unix(c.Expires), strings.Join(c.Scope, " "), c.Audience, c.Hosts, c.UsagesAT, c.UsagesOther, c.Include}
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// check refuses what is too much, or could not be judged.
func (c Clause) check() error {
	if len(c.Scope) > MaxListed || len(c.Audience) > MaxListed || len(c.Hosts) > MaxListed || len(c.Include) > MaxListed {
		return Invalid("a restriction lists at most %d of each", MaxListed)
	}
	for _, s := range slices.Concat(c.Scope, c.Audience, c.Hosts, c.Include) {
		if s == "" {
			return Invalid("a restriction lists an empty text")
		}
		if err := checkText(s); err != nil {
			return err
		}
	}
	for _, h := range c.Hosts {
		if _, ok := network(h); !ok && h != This {
			return Invalid("the host '%.100s' is neither an address nor a network: names are not supported, because who owns an address decides its name", h)
		}
	}
	for _, n := range []*int64{c.UsagesAT, c.UsagesOther} {
		if n != nil && *n < 0 {
			return Invalid("a number of usages is not negative")
		}
	}
	return nil
}

// network reads an address or a network.
func network(host string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(host); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), true
}

// Located returns the clauses with "this" replaced by an address.
func Located(clauses []Clause, address netip.Addr) ([]Clause, error) {
	located := slices.Clone(clauses)
	for i, c := range located {
		if !slices.Contains(c.Hosts, This) {
			continue
		}
		if !address.IsValid() {
			return nil, Invalid("the address of the request is not known, so '%s' means nothing", This)
		}
		hosts := slices.DeleteFunc(slices.Clone(c.Hosts), func(h string) bool { return h == This })
		located[i].Hosts = append(hosts, address.Unmap().WithZone("").String())
	}
	return located, nil
}

// End returns when the last of the clauses ends; zero if one has no end, or there are none.
func End(clauses []Clause) (end time.Time) {
	for _, c := range clauses {
		if c.Expires.IsZero() {
			return time.Time{}
		}
		if c.Expires.After(end) {
			end = c.Expires
		}
	}
	return end
}

// Beginning returns when the first of the clauses begins; zero if one has no beginning.
func Beginning(clauses []Clause) time.Time {
	if len(clauses) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(clauses, func(a, b Clause) int { return a.NotBefore.Compare(b.NotBefore) }).NotBefore
}

// Tighten returns wanted within parent: clauses that are at least as tight as one of parent's stay,
// others are cut to what they have in common with each of parent's. Exact reports that none was
// cut; to name no end where parent has one is to want more than there is. Where no clause is left it returns an *Error, because no clause would mean no
// condition; for the same reason nothing wanted yields parent's.
func Tighten(parent, wanted []Clause) (clauses []Clause, exact bool, err error) {
	switch {
	case len(parent) == 0:
		return distinct(wanted), true, nil
	case len(wanted) == 0:
		return distinct(parent), true, nil
	}
	exact = true
	for _, w := range wanted {
		if c, ok := w.below(parent); ok {
			exact = exact && c.Expires.Equal(w.Expires)
			clauses = append(clauses, c)
			continue
		}
		exact = false
		for _, p := range parent {
			if c, ok := w.and(p); ok {
				clauses = append(clauses, c)
			}
		}
	}
	clauses = distinct(clauses)
	if len(clauses) == 0 {
		return nil, false, TooWide()
	}
	if len(clauses) > MaxClauses {
		clauses, exact = clauses[:MaxClauses], false // fewer alternatives allow less
	}
	return clauses, exact, nil
}

// distinct leaves out clauses that are equal to an earlier one, because they share their uses.
func distinct(clauses []Clause) []Clause {
	var texts [][]byte
	var kept []Clause
	for _, c := range clauses {
		text, err := c.MarshalJSON()
		if err == nil && slices.ContainsFunc(texts, func(t []byte) bool { return bytes.Equal(t, text) }) {
			continue
		}
		texts, kept = append(texts, text), append(kept, c)
	}
	return kept
}

// below returns c, with an end if it has none, if it is within one of parent's clauses: the one that
// ends last.
func (c Clause) below(parent []Clause) (below Clause, ok bool) {
	for _, p := range parent {
		w := c
		if w.Expires.IsZero() && (p.Expires.IsZero() || w.NotBefore.Before(p.Expires)) {
			w.Expires = p.Expires
		}
		if w.within(p) && (!ok || w.Expires.IsZero() || !below.Expires.IsZero() && w.Expires.After(below.Expires)) {
			below, ok = w, true
		}
	}
	return below, ok
}

// within reports whether c allows nothing that p does not.
func (c Clause) within(p Clause) bool {
	return !c.NotBefore.Before(p.NotBefore) &&
		(p.Expires.IsZero() || !c.Expires.IsZero() && !c.Expires.After(p.Expires)) &&
		subset(c.Scope, p.Scope) && subset(c.Audience, p.Audience) && inside(c.Hosts, p.Hosts) &&
		fewer(c.UsagesAT, p.UsagesAT) && fewer(c.UsagesOther, p.UsagesOther)
}

// subset reports whether a list demands what another does: all are in it, or it demands nothing.
func subset(list, of []string) bool {
	return len(of) == 0 || len(list) > 0 && !slices.ContainsFunc(list, func(s string) bool { return !slices.Contains(of, s) })
}

func inside(hosts, of []string) bool {
	nets := networks(of)
	return len(of) == 0 || len(hosts) > 0 && !slices.ContainsFunc(hosts, func(h string) bool { return !slices.Equal(common(h, of, nets), []string{h}) })
}

// networks reads hosts once for all that they are compared with; one that is no network comes out as none.
func networks(hosts []string) []netip.Prefix {
	nets := make([]netip.Prefix, len(hosts))
	for i, h := range hosts {
		nets[i], _ = network(h)
	}
	return nets
}

// common returns what a host has in common with each of others, which are nets: one of two networks
// is in the other, or they have nothing in common. If it is in one altogether, that is the only answer.
func common(host string, others []string, nets []netip.Prefix) (both []string) {
	mine, _ := network(host)
	for i, o := range others {
		switch {
		case !mine.Overlaps(nets[i]):
			if host == o {
				return []string{host} // "this" is in "this"
			}
		case nets[i].Bits() <= mine.Bits():
			return []string{host}
		default:
			both = append(both, o)
		}
	}
	return both
}

func fewer(n, than *int64) bool { return than == nil || n != nil && *n <= *than }

// and returns what both clauses allow, and whether that is anything.
func (c Clause) and(p Clause) (Clause, bool) {
	if p.NotBefore.After(c.NotBefore) {
		c.NotBefore = p.NotBefore
	}
	if c.Expires.IsZero() || !p.Expires.IsZero() && p.Expires.Before(c.Expires) {
		c.Expires = p.Expires
	}
	ok := c.Expires.IsZero() || c.NotBefore.Before(c.Expires)
	pick := func(list *[]string, with []string, common func(string, []string) []string) {
		if len(*list) == 0 {
			*list = with
		} else if len(with) > 0 {
			var both []string
			for _, s := range *list {
				both = append(both, common(s, with)...)
			}
			*list = both[:min(len(both), MaxListed)]
			ok = ok && len(both) > 0
		}
	}
	same := func(s string, of []string) []string {
		if slices.Contains(of, s) {
			return []string{s}
		}
		return nil
	}
	pick(&c.Scope, p.Scope, same)
	pick(&c.Audience, p.Audience, same)
	nets := networks(p.Hosts)
	pick(&c.Hosts, p.Hosts, func(h string, of []string) []string { return common(h, of, nets) })
	c.UsagesAT, c.UsagesOther = least(c.UsagesAT, p.UsagesAT), least(c.UsagesOther, p.UsagesOther)
	return c, ok
}

func least(a, b *int64) *int64 {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return new(min(*a, *b))
}

// Cap returns the clauses with an end no later than until; no clauses become one.
func Cap(clauses []Clause, until time.Time) ([]Clause, error) {
	capped, _, err := Tighten([]Clause{{Expires: until}}, clauses)
	return capped, err
}
