package bucket_test

import (
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/project"
)

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"results": true, "abc": true, "a-b.c": true, "2026": true, strings.Repeat("a", 63): true, "1.2.3": true, "1.2.3.4.5": true,
		"": false, "ab": false, strings.Repeat("a", 64): false, "Results": false, "a_b": false, "-abc": false, "abc-": false, ".abc": false, "abc.": false,
		"a..b": false, "a.-b": false, "a-.b": false, "192.168.0.1": false, "a/b": false, "a%2fb": false, "..": false, "...": false, "büro": false,
		"abc\n": false, "abc\x00": false, "a b": false, "::1": false,
	} {
		err := bucket.CheckName(name)
		if ok != (err == nil) || !ok && fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: got %v, good is %t", name, err, ok)
		}
	}
}

func TestUpstreamName(t *testing.T) {
	for _, tc := range []struct{ project, name, want string }{
		{"climate", "results", "climate.results"},
		{"climate", strings.Repeat("b", 54), "climate." + strings.Repeat("b", 54)},
		{"10", "0.0.1", "10.0.0.1xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-6uchgrasf4g65gluxjtwdzq4"},
		// From here on it is cut to 38 characters, and a hash of 24 makes it unique.
		{"climate", strings.Repeat("b", 55), "climate." + strings.Repeat("b", 30) + "-tke7vm3q2vhnp54pe75pmunw"},
		{strings.Repeat("p", 42), "results.of.the.long.project", strings.Repeat("p", 38) + "-l6vvscimf62nbf673vaijw44"},
		{strings.Repeat("p", 37), strings.Repeat("b", 63), strings.Repeat("p", 37) + "x-ax33fzvinvp74is5md7ibc2u"},
	} {
		got := bucket.UpstreamName(tc.project, tc.name)
		if got != tc.want {
			t.Errorf("%s of %s is %s, want %s", tc.name, tc.project, got, tc.want)
		}
	}
}

// A stranger chooses both names of one bucket and of another: never do they meet upstream.
func FuzzUpstreamName(f *testing.F) {
	b63 := strings.Repeat("b", 63)
	f.Add("climate", "results", "ocean", "results")
	f.Add("a", b63, "a", "b")
	f.Add(strings.Repeat("p", 42), b63, strings.Repeat("p", 41), b63)
	f.Add("a", b63, "a", bucket.UpstreamName("a", b63)[2:])
	f.Add("a", "a"+strings.Repeat("-", 60)+"a", "b", "a"+strings.Repeat(".b", 30))
	f.Add("10", "0.0.1", "10", bucket.UpstreamName("10", "0.0.1")[3:])
	f.Fuzz(func(t *testing.T, project1, name1, project2, name2 string) {
		for _, n := range []string{name1, name2} {
			if bucket.CheckName(n) != nil {
				return
			}
		}
		for _, p := range []string{project1, project2} {
			if project.CheckName(p) != nil {
				return
			}
		}
		u1, u2 := bucket.UpstreamName(project1, name1), bucket.UpstreamName(project2, name2)
		if err := bucket.CheckName(u1); err != nil {
			t.Errorf("%s of %s cannot be at the object store: %v", name1, project1, err)
		}
		if u1 == u2 && (project1 != project2 || name1 != name2) {
			t.Errorf("%s/%s and %s/%s are both %s", project1, name1, project2, name2, u1)
		}
	})
}
