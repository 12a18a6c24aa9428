package project

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// An Order makes or changes a project; nil fields are left as they are. Zero quotas, lives and ends
// mean none.
type Order struct {
	Name, Title, Description *string
	QuotaBytes, QuotaBuckets *int64
	DefaultLife, MaxLife     *time.Duration
	EndsAt                   *time.Time
}

// Apply returns p as ordered, and the fields that were ordered, for the record.
func (o Order) Apply(p Project) (Project, map[string]string) {
	d := map[string]string{}
	text := func(field string, to, from *string) {
		if from != nil {
			*to, d[field] = *from, *from
		}
	}
	number := func(field string, to, from *int64) {
		if from != nil {
			*to, d[field] = *from, strconv.FormatInt(*from, 10)
		}
	}
	life := func(field string, to, from *time.Duration) {
		if from != nil {
			*to, d[field] = from.Truncate(time.Second), from.Truncate(time.Second).String()
		}
	}
	text("name", &p.Name, o.Name)
	text("title", &p.Title, o.Title)
	text("description", &p.Description, o.Description)
	number("quota_bytes", &p.QuotaBytes, o.QuotaBytes)
	number("quota_buckets", &p.QuotaBuckets, o.QuotaBuckets)
	life("default_life", &p.DefaultLife, o.DefaultLife)
	life("max_life", &p.MaxLife, o.MaxLife)
	if o.EndsAt != nil {
		p.EndsAt = time.Time{}
		d["ends_at"] = "open"
		if !o.EndsAt.IsZero() {
			p.EndsAt = o.EndsAt.UTC().Truncate(time.Second)
			d["ends_at"] = p.EndsAt.Format(time.RFC3339)
		}
	}
	return p, d
}

// Check refuses what cannot be a project, with an Invalid fault. Longest is the installation's
// maximum for keys.
func (p Project) Check(longest time.Duration) error {
	if err := CheckName(p.Name); err != nil {
		return err
	}
	unfit := func(s string, n int, also string) bool {
		return utf8.RuneCountInString(s) > n || !utf8.ValidString(s) ||
			strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && !strings.ContainsRune(also, r) })
	}
	switch {
	case unfit(p.Title, 200, ""):
		return fault.New(fault.Invalid, "the title of project %s is not one line of at most 200 characters", p.Name)
	case unfit(p.Description, 2000, "\n\t"):
		return fault.New(fault.Invalid, "the description of project %s is longer than 2000 characters or holds control characters", p.Name)
	case p.QuotaBytes < 0 || p.QuotaBuckets < 0:
		return fault.New(fault.Invalid, "a quota of project %s is negative", p.Name).WithHint("0 means no limit")
	case p.DefaultLife < 0 || p.MaxLife < 0:
		return fault.New(fault.Invalid, "a lifetime of project %s is negative", p.Name).WithHint("0 means that of the installation")
	case p.MaxLife > longest || p.DefaultLife > longest:
		return fault.New(fault.Invalid, "a lifetime of project %s is longer than this installation's maximum", p.Name).WithHint("the maximum is %s", longest)
	case p.MaxLife > 0 && p.DefaultLife > p.MaxLife:
		return fault.New(fault.Invalid, "the default lifetime of project %s is longer than its maximum", p.Name)
	}
	return nil
}
