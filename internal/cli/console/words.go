package console

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseSpan reads a length of time: numbers with the units w, d, h, m, s, as in 7d, 36h, 90m or
// 1d12h. It must be more than zero.
func ParseSpan(s string) (time.Duration, error) {
	units := map[byte]time.Duration{'w': 7 * 24 * time.Hour, 'd': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute, 's': time.Second}
	bad := Usage("%q is not a length of time", s).WithHint("write it as 7d, 36h, 90m or 1d12h")
	var sum time.Duration
	for rest := s; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 32)
		if err != nil || digits == len(rest) || units[rest[digits]] == 0 {
			return 0, bad
		}
		unit := units[rest[digits]]
		if time.Duration(n) > (math.MaxInt64-sum)/unit {
			return 0, bad
		}
		sum += time.Duration(n) * unit
		rest = rest[digits+1:]
	}
	if sum == 0 {
		return 0, bad
	}
	return sum, nil
}

// ParseMoment reads a moment: a date, which means the end of that day, or date and time, in the
// person's zone unless it has its own: 2026-12-01, 2026-12-01T12:00, 2026-12-01T12:00+02:00.
func (c *Console) ParseMoment(s string) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, s, c.Zone); err == nil {
		return t.AddDate(0, 0, 1).Add(-time.Second), nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(form, s, c.Zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, Usage("%q is not a date", s).WithHint("write it as 2026-12-01 or 2026-12-01T12:00+02:00")
}

// At writes a moment with its zone: "Fri 27 Nov 2026, 14:32 CET".
func (c *Console) At(t time.Time) string { return t.In(c.Zone).Format("Mon 2 Jan 2006, 15:04 MST") }

// Relative writes a moment as seen from now: "in 6 days", "3 min ago".
func (c *Console) Relative(t time.Time) string {
	d := t.Sub(c.Now())
	switch {
	case t.IsZero():
		return "never"
	case d.Abs() < time.Second:
		return "now"
	case d < 0:
		return Span(-d) + " ago"
	}
	return "in " + Span(d)
}

// When writes a moment both ways: "in 6 days (Fri 27 Nov 2026, 14:32 CET)".
func (c *Console) When(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return c.Relative(t) + " (" + c.At(t) + ")"
}

// Span writes a length of time in the one or two units that matter.
func Span(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	d = d.Round(time.Minute)
	switch h, m := int(d.Hours()), int(d.Minutes()); {
	case m < 60:
		return fmt.Sprintf("%d min", m)
	case h < 10 && m%60 != 0:
		return fmt.Sprintf("%d h %02d min", h, m%60)
	case h == 1:
		return "1 hour"
	case h < 48 && h != 24:
		return fmt.Sprintf("%d hours", h)
	case h < 48:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", h/24)
	}
}

// sizes are the units of storage; the decimal ones come first, so that Size uses them.
var sizes = []struct {
	unit  string
	bytes float64
}{{"PB", 1e15}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3},
	{"PiB", 1 << 50}, {"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// ParseSize reads an amount of storage in bytes: 150TB, 1.5 TiB, 1000.
func ParseSize(s string) (int64, error) {
	number, factor := strings.TrimSpace(s), 1.0
	for _, u := range sizes {
		if head, ok := strings.CutSuffix(strings.ToLower(number), strings.ToLower(u.unit)); ok {
			number, factor = strings.TrimSpace(head), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0) || n*factor >= math.MaxInt64 {
		return 0, Usage("%q is not an amount of storage", s).WithHint("write it as 150TB, 500GiB or a number of bytes")
	}
	return int64(n * factor), nil
}

// Size writes an amount of storage with two or three digits: "1.2 TB".
func Size(bytes int64) string {
	for _, u := range sizes[:5] {
		if n := float64(bytes) / u.bytes; n >= 0.9995 {
			digits := 1
			if n >= 99.95 || n == math.Trunc(n) {
				digits = 0
			}
			return strconv.FormatFloat(n, 'f', digits, 64) + " " + u.unit
		}
	}
	return fmt.Sprintf("%d B", bytes)
}

// Share writes how much of a limit is used: "1.2 TB of 150 TB (0.8 %)"; a limit of 0 is none.
func Share(used, limit int64) string {
	if limit <= 0 {
		return Size(used)
	}
	return fmt.Sprintf("%s of %s (%.1f %%)", Size(used), Size(limit), 100*float64(used)/float64(limit))
}
