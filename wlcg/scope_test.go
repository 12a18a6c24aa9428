package wlcg_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/wlcg"
)

func TestParseScope(t *testing.T) {
	for _, text := range []string{
		"storage.read:/", "storage.read:/data", "storage.create:/data/raw/2026", "storage.modify:/a", "storage.stage:/a", "storage.poll:/a",
		"compute.read", "compute.modify", "compute.create", "compute.cancel", "host.auth",
		"read:/data", "write:/data", "create:/a", "modify:/a", "stage:/a", "queue", "execute", "condor:/READ", "condor:/WRITE",
		"storage.read:/a.b/..c/d..", "storage.read:/a:b", "storage.read:/a+b,c=d@e~f!",
		"storage.read:/" + strings.Repeat("a", 1023),
	} {
		s, err := wlcg.ParseScope(text)
		if err != nil || s.String() != text {
			t.Errorf("%s: %v %v", text, s, err)
		}
	}
}

func TestParseScopeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"storage.read":                               "path is missing",
		"storage.read:":                              "path is missing",
		"read":                                       "path is missing",
		"storage.read:data":                          "begin with /",
		"storage.read://data":                        "slashes",
		"storage.read:/data/":                        "slashes",
		"storage.read:/data//x":                      "slashes",
		"storage.read:/data/..":                      `".."`,
		"storage.read:/../data":                      `".."`,
		"storage.read:/data/./x":                     `"."`,
		"storage.read:/d%61ta":                       "percent-escape",
		"storage.read:/data%2Fx":                     "percent-escape",
		"storage.read:/a b":                          "character",
		"storage.read:/a\tb":                         "character",
		"storage.read:/a\nb":                         "character",
		"storage.read:/a\x00":                        "character",
		"storage.read:/a\x7f":                        "character",
		"storage.read:/\xff":                         "character",
		"storage.read:/é":                            "character",
		"storage.read:/a?b":                          "character",
		"storage.read:/a#b":                          "character",
		`storage.read:/a\b`:                          "character",
		`storage.read:/a"b`:                          "character",
		"storage.read:/a[b]":                         "character",
		"storage.read:/" + strings.Repeat("a", 1024): "1024",
		"storage.write:/data":                        "no action",
		"storage.Read:/data":                         "no action",
		"compute.read:/x":                            "has no path",
		"compute.delete":                             "no action",
		"host.auth:":                                 "has no path",
		"queue:/x":                                   "has no path",
		"openid":                                     "not a capability",
		"":                                           "not a capability",
		"Storage.read:/data":                         "not a capability",
		" storage.read:/data":                        "not a capability",
	} {
		if s, err := wlcg.ParseScope(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want …%s…", text, s, err, want)
		} else if errors.Is(err, wlcg.ErrNotCapability) != (want == "not a capability") {
			t.Errorf("%q: %v wraps the wrong error", text, err)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, test := range []struct {
		have, wanted string
		want         bool
	}{
		{"storage.read:/data", "storage.read:/data", true},
		{"storage.read:/data", "storage.read:/data/raw/x", true},
		{"storage.read:/data", "storage.read:/data2", false},
		{"storage.read:/data", "storage.read:/dat", false},
		{"storage.read:/data/raw", "storage.read:/data", false},
		{"storage.read:/", "storage.read:/anything", true},
		{"storage.read:/data", "storage.read:/", false},
		{"storage.read:/data", "storage.read:/Data", false},
		{"storage.read:/data", "storage.modify:/data", false},
		{"storage.modify:/data", "storage.create:/data/x", true},
		{"storage.create:/data", "storage.modify:/data", false},
		{"storage.modify:/data", "storage.read:/data", false},
		{"storage.stage:/data", "storage.read:/data", false},
		{"storage.read:/data", "storage.stage:/data", false},
		{"storage.modify:/data", "write:/data/x", true},
		{"read:/data", "storage.read:/data/x", true},
		{"compute.create", "compute.create", true},
		{"compute.modify", "compute.create", false},
		{"compute.read", "storage.read:/", false},
		{"condor:/READ", "condor:/WRITE", false},
	} {
		have, err1 := wlcg.ParseScope(test.have)
		wanted, err2 := wlcg.ParseScope(test.wanted)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if got := have.Covers(wanted); got != test.want {
			t.Errorf("%s covers %s: %v", have, wanted, got)
		}
	}
}

// TestIllFormedScopesCoverNothing: nobody gets past the rules of paths by not calling ParseScope.
func TestIllFormedScopesCoverNothing(t *testing.T) {
	everything := wlcg.Scope{Action: "storage.read", Path: "/"}
	for _, s := range []wlcg.Scope{{}, {Action: "storage.read"}, {Action: "storage.read", Path: "/data/../x"}, {Action: "storage.read", Path: "data"},
		{Action: "compute.read", Path: "/"}, {Action: "openid"}, {Action: "storage.read", Path: "//"}} {
		if s.Covers(s) || everything.Covers(s) || s.Covers(everything) {
			t.Errorf("%+v covers or is covered", s)
		}
	}
}

func TestScopes(t *testing.T) {
	have, err := wlcg.ParseScopes("storage.read:/data  storage.modify:/data/out compute.create")
	if err != nil || have.String() != "storage.read:/data storage.modify:/data/out compute.create" {
		t.Fatal(have, err)
	}
	wanted, err := wlcg.ParseScopes("compute.create storage.create:/data/out/1 storage.read:/top compute.create storage.read:/data/x")
	if err != nil {
		t.Fatal(err)
	}
	if got := have.Cover(wanted).String(); got != "compute.create storage.create:/data/out/1 storage.read:/data/x" {
		t.Error(got)
	}
	if empty, err := wlcg.ParseScopes(" "); err != nil || len(empty) > 0 || empty.String() != "" {
		t.Error(empty, err)
	}
	if _, err := wlcg.ParseScopes("storage.read:/data openid"); !errors.Is(err, wlcg.ErrNotCapability) {
		t.Error(err)
	}
	caps, others, err := wlcg.SplitScopes([]string{"openid", "storage.read:/a", "wlcg.groups:/cms", "compute.read"})
	if err != nil || caps.String() != "storage.read:/a compute.read" || !slices.Equal(others, []string{"openid", "wlcg.groups:/cms"}) {
		t.Error(caps, others, err)
	}
	if _, _, err := wlcg.SplitScopes([]string{"openid", "storage.read:/.."}); err == nil {
		t.Error("an ill-formed capability passes as something else")
	}
	if _, _, err := wlcg.SplitScopes(slices.Repeat([]string{"openid"}, 257)); err == nil {
		t.Error("257 scopes")
	}
}
