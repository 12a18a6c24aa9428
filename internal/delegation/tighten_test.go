package delegation_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/delegation"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// parse reads clauses as a request has them.
func parse(t testing.TB, text string) []delegation.Clause {
	t.Helper()
	w, err := delegation.ParseWish(fmt.Appendf(nil, `{"restrictions":%s}`, text), start)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return w.Clauses
}

func render(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTighten(t *testing.T) {
	for name, c := range map[string]struct {
		parent, wanted, want string
		exact                bool
	}{
		"nothing wanted is the parent's":    {`[{"exp":2000000000}]`, `[]`, `[{"exp":2000000000}]`, true},
		"no parent's condition":             {`[]`, `[{"usages_AT":3}]`, `[{"usages_AT":3}]`, true},
		"tighter stays":                     {`[{"exp":2000000000,"scope":"a b"}]`, `[{"exp":1900000000,"scope":"b","usages_AT":0}]`, `[{"exp":1900000000,"scope":"b","usages_AT":0}]`, true},
		"a later end is cut":                {`[{"exp":1900000000}]`, `[{"exp":2000000000}]`, `[{"exp":1900000000}]`, false},
		"no end gets the parent's":          {`[{"exp":1900000000}]`, `[{"scope":"a"}]`, `[{"exp":1900000000,"scope":"a"}]`, false},
		"no end gets the last that fits":    {`[{"exp":1900000000},{"exp":1950000000,"scope":"a b"},{"exp":1990000000,"scope":"b"}]`, `[{"scope":"a"}]`, `[{"exp":1950000000,"scope":"a"}]`, false},
		"an earlier beginning is cut":       {`[{"nbf":1900000000}]`, `[{"nbf":1800000000}]`, `[{"nbf":1900000000}]`, false},
		"scopes in common":                  {`[{"scope":"a b"}]`, `[{"scope":"b c"}]`, `[{"scope":"b"}]`, false},
		"no scope named is all":             {`[{"scope":"a b"}]`, `[{"audience":["x"]}]`, `[{"scope":"a b","audience":["x"]}]`, false},
		"usages":                            {`[{"usages_AT":5,"usages_other":2}]`, `[{"usages_AT":9}]`, `[{"usages_AT":5,"usages_other":2}]`, false},
		"an address in a network":           {`[{"hosts":["192.0.2.0/24"]}]`, `[{"hosts":["192.0.2.7"]}]`, `[{"hosts":["192.0.2.7"]}]`, true},
		"a network around an address":       {`[{"hosts":["192.0.2.7","2001:db8::1"]}]`, `[{"hosts":["192.0.2.0/24"]}]`, `[{"hosts":["192.0.2.7"]}]`, false},
		"one of two alternatives":           {`[{"scope":"a"},{"scope":"b","usages_AT":1}]`, `[{"scope":"b","usages_AT":1}]`, `[{"scope":"b","usages_AT":1}]`, true},
		"each alternative has its part":     {`[{"scope":"a"},{"scope":"b","usages_AT":1}]`, `[{"scope":"a b"}]`, `[{"scope":"a"},{"scope":"b","usages_AT":1}]`, false},
		"equal clauses are one":             {`[]`, `[{"usages_AT":3},{"usages_AT":3}]`, `[{"usages_AT":3}]`, true},
		"clauses without anything in it go": {`[{"scope":"a"}]`, `[{"scope":"b"},{"scope":"a"}]`, `[{"scope":"a"}]`, false},
	} {
		got, exact, err := delegation.Tighten(parse(t, c.parent), parse(t, c.wanted))
		if err != nil || render(t, got) != c.want || exact != c.exact {
			t.Errorf("%s: got %s, exact %t, %v; want %s, %t", name, render(t, got), exact, err, c.want, c.exact)
		}
	}
}

func TestTightenRefusesRatherThanLeavingNoCondition(t *testing.T) {
	for _, c := range [][2]string{
		{`[{"scope":"a"}]`, `[{"scope":"b"}]`},
		{`[{"exp":1900000000}]`, `[{"nbf":1900000000}]`},
		{`[{"hosts":["192.0.2.7"]}]`, `[{"hosts":["198.51.100.0/24"]}]`},
		{`[{"audience":["x"]}]`, `[{"audience":["y"]}]`},
	} {
		got, _, err := delegation.Tighten(parse(t, c[0]), parse(t, c[1]))
		if e, ok := errors.AsType[*delegation.Error](err); !ok || e.Status != 400 || e.Description != "requested restrictions are not subset of original restrictions" {
			t.Errorf("%v: got %v, %v", c, got, err)
		}
	}
}

// clauses draws clauses over a small world, so that many of them meet.
func clauses() *rapid.Generator[[]delegation.Clause] {
	list := func(of ...string) *rapid.Generator[[]string] {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, 2, rapid.ID)
	}
	number := rapid.Ptr(rapid.Int64Range(0, 3), true)
	one := rapid.Custom(func(t *rapid.T) delegation.Clause {
		at := func(label string) time.Time {
			if n := rapid.IntRange(-3, 3).Draw(t, label); n != 0 {
				return start.Add(time.Duration(n) * time.Minute)
			}
			return time.Time{}
		}
		return delegation.Clause{NotBefore: at("nbf"), Expires: at("exp"), Scope: list("a", "b", "c").Draw(t, "scope"), Audience: list("x", "y").Draw(t, "audience"),
			Hosts:    list("192.0.2.0/24", "192.0.2.0/30", "192.0.2.1", "198.51.100.1", "2001:db8::/32").Draw(t, "hosts"),
			UsagesAT: number.Draw(t, "usages_AT"), UsagesOther: number.Draw(t, "usages_other")}
	})
	return rapid.SliceOfN(one, 0, 3)
}

func uses() *rapid.Generator[delegation.Use] {
	return rapid.Custom(func(t *rapid.T) delegation.Use {
		return delegation.Use{AT: rapid.Bool().Draw(t, "AT"), Final: true, At: start.Add(time.Duration(rapid.IntRange(-4, 4).Draw(t, "at")) * time.Minute),
			Scopes:   rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 2, rapid.ID).Draw(t, "scopes"),
			Audience: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y"}), 0, 1, rapid.ID).Draw(t, "audiences"),
			Address:  netip.MustParseAddr(rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.3", "192.0.2.9", "198.51.100.1", "2001:db8::1"}).Draw(t, "address"))}
	})
}

// link is a sub-grant in force whose clauses were used so often.
func link(clauses []delegation.Clause, counts ...delegation.Count) delegation.SubGrant {
	return delegation.SubGrant{ID: "sgr_1", Seq: 1, Clauses: clauses, Counts: append(counts, make([]delegation.Count, len(clauses)-len(counts))...)}
}

func chain(links ...delegation.SubGrant) delegation.Chain {
	return delegation.Chain{Links: links, Holder: delegation.Holder{Grant: credential.Credential{Status: credential.Active, ExpiresAt: start.Add(24 * time.Hour)}}}
}

func TestTightenedClausesAllowNothingThatTheParentsDoNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parent, wanted := clauses().Draw(t, "parent"), clauses().Draw(t, "wanted")
		got, exact, err := delegation.Tighten(parent, wanted)
		if err != nil {
			return
		}
		u := uses().Draw(t, "use")
		_, err = chain(link(got)).Decide(u)
		_, above := chain(link(parent)).Decide(u)
		if err == nil && above != nil {
			t.Fatalf("%+v is allowed by %+v, but not by %+v", u, got, parent)
		}
		_, asked := chain(link(wanted)).Decide(u)
		if err == nil && asked != nil {
			t.Fatalf("%+v was not asked for", u)
		}
		ends := !slices.ContainsFunc(wanted, func(c delegation.Clause) bool { return c.Expires.IsZero() })
		if exact && ends && len(wanted) > 0 && asked == nil && err != nil {
			t.Fatalf("exact, but %+v is refused", u)
		}
		if again, exact, err := delegation.Tighten(parent, got); len(got) <= delegation.MaxClauses && (err != nil || !exact || !cmp.Equal(again, got)) {
			t.Fatalf("tightening twice changes %+v to %+v, %t, %v", got, again, exact, err)
		}
	})
}

// The total of what children may do together never exceeds what their parent may do, whatever they
// were given and in whatever order they are used.
func TestUsesOfChildrenAreUsesOfTheirParents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(0, 5).Draw(t, "limit")
		root := link([]delegation.Clause{{UsagesAT: &limit}})
		root.ID = "root"
		children := make([]delegation.SubGrant, 3)
		for i := range children {
			own, _, err := delegation.Tighten(root.Clauses, clauses().Draw(t, "wanted"))
			if err != nil {
				own = root.Clauses
			}
			children[i] = link(own)
			children[i].ID = fmt.Sprint(i)
		}
		var total int64
		for range rapid.IntRange(0, 30).Draw(t, "uses") {
			i := rapid.IntRange(0, 2).Draw(t, "child")
			u := uses().Draw(t, "use")
			u.AT = true
			c := chain(children[i], root)
			d, err := c.Decide(u)
			if err != nil {
				continue
			}
			total++
			for _, g := range c.Counted(d, true) {
				if g.ID == "root" {
					root = g
				} else {
					children[i] = g
				}
			}
		}
		if total > limit || root.Counts[0].AT != total {
			t.Fatalf("%d uses were counted as %d, %d are allowed", total, root.Counts[0].AT, limit)
		}
	})
}

func TestCapabilities(t *testing.T) {
	all := delegation.AllCapabilities()
	for _, c := range []struct {
		have, want, both string
	}{
		{"AT tokeninfo", "AT tokeninfo:history", "AT tokeninfo:history"},
		{"AT tokeninfo:introspect", "AT tokeninfo", "AT tokeninfo:introspect"},
		{"AT", "AT AT nonsense create_mytoken", "AT"},
		{"settings", "read@settings:grants settings:grants:ssh", "read@settings:grants settings:grants:ssh"},
		{"read@settings", "settings:grants read@settings:grants", "read@settings:grants"},
		{"settings:grants", "settings:email", ""},
		{"tokeninfo", "tokeninfofoo", ""},
	} {
		split := func(s string) delegation.Capabilities { return slices.Collect(fields(s)) }
		if got := split(c.have).Intersect(split(c.want)); !slices.Equal(got, split(c.both)) {
			t.Errorf("%s and %s: got %s, want %s", c.have, c.want, got, c.both)
		}
	}
	if !all.Covers("manage_mytokens:list") || all.Covers("AT:x:y") && !all.Covers("AT") || delegation.DefaultCapabilities().Covers("create_mytoken") {
		t.Error("capabilities cover other names than those below them")
	}
}
