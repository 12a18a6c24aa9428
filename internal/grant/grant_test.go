package grant_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
)

func TestParseSpec(t *testing.T) {
	full := grant.Spec{Provider: "helmholtz", Scopes: []string{"openid", "storage.read:/data"}, Audiences: []string{"https://se.example.org"}, For: "HTCondor at punch-login"}
	many, err := json.Marshal(slices.Repeat([]string{"x"}, 101))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		text  string
		want  grant.Spec
		wrong string
	}{
		"all":              {text: string(full.Encode()), want: full},
		"little":           {text: `{"provider":"x"}`, want: grant.Spec{Provider: "x"}},
		"nothing":          {text: ``, wrong: "does not describe a grant"},
		"no object":        {text: `[]`, wrong: "does not describe a grant"},
		"null":             {text: `null`, wrong: "cannot be a provider"},
		"unknown member":   {text: `{"provider":"x","scope":"a"}`, wrong: `unknown field "scope"`},
		"more behind":      {text: `{"provider":"x"}{}`, wrong: "something follows it"},
		"provider":         {text: `{"provider":"../x"}`, wrong: "cannot be a provider"},
		"blank in scope":   {text: `{"provider":"x","scopes":["a b"]}`, wrong: `"a b" cannot be a scope`},
		"empty scope":      {text: `{"provider":"x","scopes":[""]}`, wrong: "cannot be a scope"},
		"quote in scope":   {text: `{"provider":"x","scopes":["a\""]}`, wrong: "cannot be a scope"},
		"foreign audience": {text: `{"provider":"x","audiences":["https://ä"]}`, wrong: "cannot be an audience"},
		"many scopes":      {text: `{"provider":"x","scopes":` + string(many) + `}`, wrong: "at most 100"},
		"terminal":         {text: `{"provider":"x","for":"\u001b[31m"}`, wrong: "printable"},
		"long":             {text: `{"provider":"x","for":"` + strings.Repeat("x", 1<<17) + `"}`, wrong: "at most 65536 bytes"},
	} {
		got, err := grant.ParseSpec(json.RawMessage(tc.text))
		if tc.wrong != "" {
			if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("%s: got %v, want an Invalid fault with %q", name, err, tc.wrong)
			}
			continue
		}
		if d := cmp.Diff(tc.want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	for _, seed := range []string{`{"provider":"x","scopes":["a"],"audiences":["b"],"for":"c"}`, `{}`, `[`, `{"provider":"x","scopes":[null]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := grant.ParseSpec(text)
		if err != nil {
			return
		}
		again, err := grant.ParseSpec(s.Encode())
		if err != nil || again.Provider != s.Provider || !slices.Equal(again.Scopes, s.Scopes) || again.For != s.For {
			t.Errorf("%q became %q, %v", text, again.Encode(), err)
		}
	})
}

func TestNarrow(t *testing.T) {
	bound := grant.Spec{Provider: "x", Scopes: []string{"openid", "storage.read:/data"}, Audiences: []string{"b", "a"}}
	free := grant.Spec{Provider: "x", Scopes: []string{"openid"}}
	for name, tc := range map[string]struct {
		spec       grant.Spec
		wish, want grant.Wish
		wrong      string
	}{
		"nothing":         {bound, grant.Wish{}, grant.Wish{Scopes: bound.Scopes, Audiences: bound.Audiences}, ""},
		"less":            {bound, grant.Wish{Scopes: []string{"openid", "openid"}, Audiences: []string{"a"}}, grant.Wish{Scopes: []string{"openid"}, Audiences: []string{"a"}}, ""},
		"a path below":    {bound, grant.Wish{Scopes: []string{"storage.read:/data/raw"}, Audiences: []string{"a"}}, grant.Wish{Scopes: []string{"storage.read:/data/raw"}, Audiences: []string{"a"}}, ""},
		"a path beside":   {bound, grant.Wish{Scopes: []string{"storage.read:/data2"}}, grant.Wish{}, "the scope storage.read:/data2 was not granted at x"},
		"another action":  {bound, grant.Wish{Scopes: []string{"storage.modify:/data"}}, grant.Wish{}, "was not granted"},
		"more":            {bound, grant.Wish{Scopes: []string{"email"}}, grant.Wish{}, "was not granted"},
		"other audience":  {bound, grant.Wish{Audiences: []string{"c"}}, grant.Wish{}, "the audience c was not granted"},
		"any audience":    {free, grant.Wish{Audiences: []string{"c"}}, grant.Wish{Scopes: free.Scopes, Audiences: []string{"c"}}, ""},
		"no real scope":   {free, grant.Wish{Scopes: []string{"a b"}}, grant.Wish{}, "cannot be a scope"},
		"nothing granted": {grant.Spec{Provider: "x"}, grant.Wish{Scopes: []string{"openid"}}, grant.Wish{}, "was not granted"},
	} {
		got, err := tc.spec.Narrow(tc.wish)
		if tc.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("%s: got %v, want %q", name, err, tc.wrong)
			}
			continue
		}
		if d := cmp.Diff(tc.want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
}

func TestKeyForgetsOrderOnly(t *testing.T) {
	a := grant.Wish{Scopes: []string{"x", "y"}, Audiences: []string{"1"}}
	b := grant.Wish{Scopes: []string{"y", "x", "y"}, Audiences: []string{"1"}}
	if a.Key() != b.Key() || len(a.Key()) != 43 {
		t.Errorf("%q and %q", a.Key(), b.Key())
	}
	for _, other := range []grant.Wish{{}, {Scopes: []string{"x", "y"}}, {Scopes: []string{"x", "y", "1"}}, {Audiences: []string{"x", "y", "1"}}} {
		if other.Key() == a.Key() {
			t.Errorf("%+v has the same key", other)
		}
	}
	if key := (grant.Wish{}).Key(); key != "" {
		t.Errorf("no wish is %q", key)
	}
}

func TestAsk(t *testing.T) {
	spec := grant.Spec{Provider: "x", Scopes: []string{"openid", "email"}, Audiences: []string{"a"}}
	for name, tc := range map[string]struct {
		p          grant.Provider
		wish, want grant.Wish
	}{
		"usual":   {grant.Provider{}, grant.Wish{}, grant.Wish{Audiences: []string{"a"}}},
		"repeat":  {grant.Provider{RefreshScope: "repeat"}, grant.Wish{}, grant.Wish{Scopes: spec.Scopes, Audiences: []string{"a"}}},
		"mytoken": {grant.Provider{Type: grant.MyToken}, grant.Wish{}, grant.Wish{Scopes: spec.Scopes, Audiences: []string{"a"}}},
		"less":    {grant.Provider{}, grant.Wish{Scopes: []string{"email"}}, grant.Wish{Scopes: []string{"email"}, Audiences: []string{"a"}}},
	} {
		got, err := tc.p.Ask(spec, tc.wish)
		if d := cmp.Diff(tc.want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
	if _, err := (grant.Provider{}).Ask(spec, grant.Wish{Scopes: []string{"groups"}}); fault.CodeOf(err) != fault.Denied {
		t.Errorf("more than granted: %v", err)
	}
}
