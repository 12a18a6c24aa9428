package project_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/project"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const longest = 168 * time.Hour

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"462000008": true, "a": true, "sea-ice": true, strings.Repeat("a", 42): true,
		"": false, strings.Repeat("a", 43): false, "-a": false, "a-": false, "A": false, "a.b": false, "a_b": false, "a b": false,
		"a/b": false, "..": false, "å": false, "a\n": false, "a\x00": false, "prj_ABC": false,
	} {
		err := project.CheckName(name)
		if ok != (err == nil) || !ok && fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: got %v, good is %t", name, err, ok)
		}
	}
	if err := project.CheckName(strings.Repeat("\x1b[31m", 1000)); len(err.Error()) > 500 || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("the message repeats what disturbs a terminal: %q", err)
	}
}

func TestInForce(t *testing.T) {
	for name, tc := range map[string]struct {
		p    project.Project
		want bool
	}{
		"open":   {project.Project{}, true},
		"later":  {project.Project{EndsAt: now.Add(time.Second)}, true},
		"ended":  {project.Project{EndsAt: now}, false},
		"frozen": {project.Project{FrozenAt: now, FreezeReason: "audit"}, false},
	} {
		if got := tc.p.InForce(now); got != tc.want {
			t.Errorf("%s: in force is %t", name, got)
		}
		err := tc.p.RefuseWork(now)
		if tc.want != (err == nil) || err != nil && fault.CodeOf(err) != fault.Conflict {
			t.Errorf("%s: refused with %v", name, err)
		}
		if name == "frozen" && !strings.Contains(err.Error(), "audit") {
			t.Errorf("the reason is not told: %v", err)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, p := range map[string]project.Project{
		"a name":             {Name: "A"},
		"a long title":       {Title: strings.Repeat("x", 201)},
		"a title of 2 lines": {Title: "a\nb"},
		"a broken title":     {Title: "\xff"},
		"a long description": {Description: strings.Repeat("x", 2001)},
		"an escape":          {Description: "\x1b[2J"},
		"a negative quota":   {QuotaBytes: -1},
		"negative buckets":   {QuotaBuckets: -1},
		"a negative life":    {DefaultLife: -1},
		"a negative maximum": {MaxLife: -1},
		"too long a life":    {MaxLife: longest + 1},
		"too long a default": {DefaultLife: longest + 1},
		"default > maximum":  {DefaultLife: 2 * time.Hour, MaxLife: time.Hour},
	} {
		if p.Name == "" {
			p.Name = "climate"
		}
		if err := p.Check(longest); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: got %v, want invalid", name, err)
		}
	}
	good := project.Project{Name: "climate", Title: "Ilmasto – 日本", Description: "Two\nlines\tand more", QuotaBytes: 1 << 62, DefaultLife: time.Hour, MaxLife: longest}
	if err := good.Check(longest); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

func TestApply(t *testing.T) {
	title, quota, life, ends := "New", int64(0), 90*time.Minute+time.Millisecond, now.Add(time.Hour+time.Millisecond)
	old := project.Project{ID: "prj_1", Name: "climate", Title: "Old", Description: "kept", QuotaBytes: 5, UsedBytes: 4}
	got, detail := project.Order{Title: &title, QuotaBytes: &quota, DefaultLife: &life, EndsAt: &ends}.Apply(old)
	want := old
	want.Title, want.QuotaBytes, want.DefaultLife, want.EndsAt = "New", 0, 90*time.Minute, now.Add(time.Hour)
	if !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if want := map[string]string{"title": "New", "quota_bytes": "0", "default_life": "1h30m0s", "ends_at": "2026-11-21T13:00:00Z"}; !cmp.Equal(detail, want) {
		t.Error(cmp.Diff(want, detail))
	}
	open := time.Time{}
	got, detail = project.Order{EndsAt: &open}.Apply(got)
	if !got.EndsAt.IsZero() || detail["ends_at"] != "open" {
		t.Errorf("ends at %s, noted %q", got.EndsAt, detail["ends_at"])
	}
	if same, detail := (project.Order{}).Apply(old); !cmp.Equal(same, old) || len(detail) != 0 {
		t.Error("an empty order changed something")
	}
}
