package wlcg_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/wlcg"
)

func TestParseGroup(t *testing.T) {
	for _, text := range []string{"/cms", "/cms/uscms", "/vo.example.org/a_b-c.d/9"} {
		if g, err := wlcg.ParseGroup(text); err != nil || string(g) != text || "/"+g.VO() != text[:1+len(g.VO())] {
			t.Errorf("%s: %s %v", text, g, err)
		}
	}
	for _, text := range []string{"", "/", "cms", "/cms/", "//cms", "/cms//x", "/.hidden", "/-x", "/cms/..", "/cms/Role=production", "/c ms", "/cms\n", "/çms",
		"/" + strings.Repeat("a", 512)} {
		if g, err := wlcg.ParseGroup(text); err == nil {
			t.Errorf("%q is read as %s", text, g)
		}
	}
}

// TestGroupsFor holds the examples of the WLCG profile, section Group Based Authorization.
func TestGroupsFor(t *testing.T) {
	member := []string{"/cms", "/cms/uscms", "/cms/ALARM", "/cms/child/of/another"}
	for _, test := range []struct{ request, defaults, want string }{
		{"", "/cms", ""},
		{"openid storage.read:/", "/cms", ""},
		{"wlcg.groups", "/cms", "/cms"},
		{"wlcg.groups:/cms/uscms", "/cms", "/cms/uscms /cms"},
		{"wlcg.groups:/cms/uscms wlcg.groups:/cms/ALARM", "/cms", "/cms/uscms /cms/ALARM /cms"},
		{"wlcg.groups wlcg.groups:/cms/uscms", "/cms", "/cms /cms/uscms"},
		{"wlcg.groups:/cms/ALARM wlcg.groups wlcg.groups:/cms/uscms", "/cms", "/cms/ALARM /cms /cms/uscms"},
		{"wlcg.groups:/cms wlcg.groups:/cms", "/cms", "/cms"},
		{"wlcg.groups", "/cms/uscms /cms /cms/stranger", "/cms/uscms /cms"},
		{"wlcg.groups", "", ""},
	} {
		got, err := wlcg.GroupsFor(strings.Fields(test.request), member, strings.Fields(test.defaults))
		if err != nil || !slices.Equal(got, strings.Fields(test.want)) {
			t.Errorf("%q with the defaults %q: %v %v, want %s", test.request, test.defaults, got, err, test.want)
		}
	}
	for _, group := range []string{"/cms/other", "/cms/child", "/atlas"} { // a parent does not follow from its child
		if _, err := wlcg.GroupsFor([]string{"wlcg.groups:" + group}, member, nil); !errors.Is(err, wlcg.ErrNotMember) {
			t.Errorf("%s: %v", group, err)
		}
	}
	for _, group := range []string{"", "cms", "/cms/../atlas"} {
		if got, err := wlcg.GroupsFor([]string{"wlcg.groups:" + group}, append(member, group), nil); err == nil {
			t.Errorf("%q: %v", group, got)
		}
	}
}

func TestCapabilitySet(t *testing.T) {
	for request, want := range map[string]wlcg.Group{
		"openid":                              "",
		"wlcg.capabilityset:/cms/prod openid": "/cms/prod",
		"wlcg.capabilityset:/cms/prod wlcg.capabilityset:/cms/prod": "/cms/prod",
	} {
		if got, err := wlcg.CapabilitySet(strings.Fields(request)); err != nil || got != want {
			t.Errorf("%s: %s %v", request, got, err)
		}
	}
	for _, request := range []string{"wlcg.capabilityset", "wlcg.capabilityset:", "wlcg.capabilityset:cms", "wlcg.capabilityset:/a wlcg.capabilityset:/b"} {
		if got, err := wlcg.CapabilitySet(strings.Fields(request)); err == nil {
			t.Errorf("%s: %s", request, got)
		}
	}
}
