package vomses_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/voms/vomses"
)

const hosts = "/DC=test/DC=lanyard/OU=Hosts/CN="

var (
	first  = vomses.Server{Alias: "lanyard", Host: "voms.lanyard.test", Port: 21001, DN: hosts + "voms.lanyard.test", VO: "lanyard"}
	second = vomses.Server{Alias: "lanyard", Host: "voms2.lanyard.test", Port: 21001, DN: hosts + "voms2.lanyard.test", VO: "lanyard"}
	beta   = vomses.Server{Alias: "beta", Host: "voms.lanyard.test", Port: 21002, DN: hosts + "voms.lanyard.test", VO: "beta.vo"}
)

func TestParse(t *testing.T) {
	got, err := vomses.Parse(read(t, "testdata/vomses/good"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]vomses.Server{first, second, beta, first}, got); diff != "" {
		t.Error(diff)
	}
	for _, s := range got {
		again, err := vomses.Parse([]byte(s.String() + "\n"))
		if err != nil || len(again) != 1 || again[0] != s {
			t.Errorf("%s is read as %v, %v", s, again, err)
		}
	}
}

func TestParseSaysWhichLineIsWrong(t *testing.T) {
	const good = `"a" "h" "1" "/CN=h" "a"` + "\n"
	for _, tc := range []struct{ text, want string }{
		{`"a" "h" "1" "/CN=h"`, `line 1: the VO name is missing: a line is "alias" "host" "port" "server DN" "VO name", quotes included`},
		{good + "\n# \n" + `"a" "h" "1" "/CN=h`, "line 4: the closing quote of the server DN is missing"},
		{`alias host 15000 /CN=h vo`, `line 1: the alias is missing: a line is "alias" "host" "port" "server DN" "VO name", quotes included`},
		{good + `"a" "h" "x" "/CN=h" "a"`, `line 2: "x" is no port number (1 to 65535)`},
		{`"a" "h" "65536" "/CN=h" "a"`, `line 1: "65536" is no port number (1 to 65535)`},
		{`"a" "" "1" "/CN=h" "a"`, "line 1: the host is empty"},
		{`"a" "h" "1" "/CN=h" " "`, "line 1: the VO name is empty"},
		{`"a" "https://h" "1" "/CN=h" "a"`, `line 1: "https://h" is no host name`},
		{`"a" "h" "1" "/CN=h" "a" "24" "x"`, "line 1: there are more than 6 fields"},
		{"\"a\x1b[2J\" \"h\" \"1\" \"/CN=h\" \"a\"", "line 1: the alias has a control character"},
		{`"` + strings.Repeat("a", 1025) + `" "h" "1" "/CN=h" "a"`, "line 1: the alias has more than 1024 bytes"},
		{` # x`, `line 1: the alias is missing: a line is "alias" "host" "port" "server DN" "VO name", quotes included`},
		{strings.Repeat("#", 1<<20+1), "the file is larger than 1048576 bytes"},
		{strings.Repeat(good, 10_001), "line 10001: there are more than 10000 servers"},
	} {
		got, err := vomses.Parse([]byte(tc.text))
		wrong, ok := errors.AsType[*vomses.Error](err)
		if !ok || got != nil {
			t.Errorf("%.60q is read as %v, %v", tc.text, got, err)
			continue
		}
		if text := strings.TrimPrefix(strings.TrimPrefix(wrong.Error(), "vomses file"), ", "); strings.TrimPrefix(text, ": ") != tc.want {
			t.Errorf("%.60q: %q, want %q", tc.text, text, tc.want)
		}
	}
}

func TestServersAreFoundByAliasThenByName(t *testing.T) {
	all := []vomses.Server{first, second, beta, first}
	for _, tc := range []struct {
		name            string
		byAlias, byName []vomses.Server
	}{
		{"lanyard", []vomses.Server{first, second}, []vomses.Server{first, second}},
		{"beta", []vomses.Server{beta}, []vomses.Server{beta}},
		{"beta.vo", nil, []vomses.Server{beta}},
		{"gamma", nil, nil},
	} {
		if diff := cmp.Diff(tc.byAlias, vomses.ByAlias(all, tc.name)); diff != "" {
			t.Errorf("alias %s: %s", tc.name, diff)
		}
		if diff := cmp.Diff(tc.byName, vomses.ByName(all, tc.name)); diff != "" {
			t.Errorf("name %s: %s", tc.name, diff)
		}
	}
}

func TestSearchPaths(t *testing.T) {
	none := func(string) string { return "" }
	userconf := func(name string) string { return map[string]string{"VOMS_USERCONF": "/conf"}[name] }
	both, glite, empty := t.TempDir(), t.TempDir(), t.TempDir()
	for _, dir := range []string{both + "/.voms", both + "/.glite", glite + "/.glite"} {
		write(t, dir+"/vomses", "")
	}
	// What this machine has for all its users comes with every search that finds nothing better.
	var system []string
	if _, err := os.Stat("/etc/vomses"); err == nil {
		system = []string{"/etc/vomses"}
	}
	after := func(own ...string) []string { return append(own, system...) }
	given := []string{"/given", "/also"}
	for _, tc := range []struct {
		name      string
		got, want []string
	}{
		{"C", vomses.SearchPathC(nil, both, none), after(both + "/.voms/vomses")},
		{"C, old place", vomses.SearchPathC(nil, glite, none), after(glite + "/.glite/vomses")},
		{"C, no own", vomses.SearchPathC(nil, empty, none), after()},
		{"C, variable alone", vomses.SearchPathC(nil, both, userconf), []string{"/conf"}},
		{"C, both add up", vomses.SearchPathC(given, both, userconf), []string{"/given", "/also", "/conf"}},
		{"Java", vomses.SearchPathJava(nil, both), append(system[:len(system):len(system)], both+"/.glite/vomses", both+"/.voms/vomses")},
		{"Java, given alone", vomses.SearchPathJava(given, both), given},
		{"own", vomses.SearchPath(nil, both, none), after(both+"/.voms/vomses", both+"/.glite/vomses")},
		{"own, variable", vomses.SearchPath(nil, both, userconf), []string{"/conf"}},
		{"own, given", vomses.SearchPath(given, both, userconf), given},
	} {
		if diff := cmp.Diff(tc.want, tc.got, emptyIsNil); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
	if given[1] != "/also" || len(given) != 2 {
		t.Errorf("the caller's paths are now %v", given)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/b", beta.String()+"\n")
	write(t, dir+"/a", first.String()+"\r\n")
	write(t, dir+"/sub/c", second.String()) // no line end
	write(t, dir+"/empty", "")
	if err := os.Symlink(dir+"/gone", dir+"/z"); err != nil {
		t.Fatal(err)
	}
	got, err := vomses.Load([]string{dir, dir + "/a"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]vomses.Server{first, beta, second, first}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := vomses.Load([]string{dir + "/gone"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path at which nothing is: %v", err)
	}
	write(t, dir+"/sub/bad", "\n\"a\" \"b\"\n")
	_, err = vomses.Load([]string{dir})
	if err == nil || !strings.HasPrefix(err.Error(), dir+"/sub/bad, line 2: the port is missing") {
		t.Errorf("a bad line in a directory: %v", err)
	}
	// A link to a directory above would never end.
	loop := t.TempDir()
	if err := os.Symlink(loop, loop+"/again"); err != nil {
		t.Fatal(err)
	}
	if _, err := vomses.Load([]string{loop}); err == nil || !strings.Contains(err.Error(), "deep") {
		t.Errorf("a directory in itself: %v", err)
	}
}

// emptyIsNil compares lists by what they hold.
var emptyIsNil = cmp.FilterValues(func(a, b []string) bool { return len(a)+len(b) == 0 }, cmp.Ignore())

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
