package console_test

import (
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/console"
)

func TestSpans(t *testing.T) {
	for text, want := range map[string]time.Duration{"7d": 168 * time.Hour, "36h": 36 * time.Hour, "90m": 90 * time.Minute, "1d12h": 36 * time.Hour,
		"2w": 336 * time.Hour, "5s": 5 * time.Second, "01h": time.Hour} {
		if got, err := console.ParseSpan(text); err != nil || got != want {
			t.Errorf("%s: %s %v", text, got, err)
		}
	}
	for _, text := range []string{"", "7", "d", "-1h", "1.5h", "0d", "0d0h", "99999999999d", "2000000000w", "1h-1m", " 1h", "1h ", "1y", "h1", "1hd"} {
		if got, err := console.ParseSpan(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
	for d, want := range map[time.Duration]string{0: "0 s", 59 * time.Second: "59 s", 3*time.Minute + 20*time.Second: "3 min", time.Hour: "1 hour",
		130 * time.Minute: "2 h 10 min", 3 * time.Hour: "3 hours", 35*time.Hour + 59*time.Second: "35 hours", 24 * time.Hour: "1 day",
		168*time.Hour - time.Second: "7 days", 167 * time.Hour: "6 days", 48 * time.Hour: "2 days", 59*time.Minute + 40*time.Second: "1 hour"} {
		if got := console.Span(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

func TestMoments(t *testing.T) {
	c, _, _, _ := newConsole(t)
	for text, want := range map[string]string{
		"2026-12-01":                "2026-12-01T21:59:59Z", // the end of the day in the east of Finland
		"2026-12-01T12:00":          "2026-12-01T10:00:00Z",
		"2026-12-01 12:00":          "2026-12-01T10:00:00Z",
		"2026-12-01T12:00+02:00":    "2026-12-01T10:00:00Z",
		"2026-12-01T12:00Z":         "2026-12-01T12:00:00Z",
		"2026-12-01T12:00:30+00:00": "2026-12-01T12:00:30Z",
	} {
		if got, err := c.ParseMoment(text); err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: %s %v", text, got, err)
		}
	}
	for _, text := range []string{"", "tomorrow", "2026-13-01", "2026-02-30", "1.12.2026", "7d", "12:00"} {
		if got, err := c.ParseMoment(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
	for at, want := range map[time.Time]string{
		now.Add(168 * time.Hour):    "in 7 days (Sat 28 Nov 2026, 14:41 EET)",
		now.Add(-3 * time.Minute):   "3 min ago (Sat 21 Nov 2026, 14:38 EET)",
		now.Add(time.Millisecond):   "now (Sat 21 Nov 2026, 14:41 EET)",
		now.Add(1130 * time.Minute): "in 18 hours (Sun 22 Nov 2026, 09:31 EET)",
		{}:                          "",
	} {
		if got := c.When(at); got != want {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
	}
	if got := c.Relative(time.Time{}); got != "never" {
		t.Error(got)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"150TB": 150e12, "1.5 TiB": 3 << 39, "500gib": 500 << 30, "1000": 1000, "0": 0, "5B": 5, "1kB": 1000, "2KiB": 2048} {
		if got, err := console.ParseSize(text); err != nil || got != want {
			t.Errorf("%s: %d %v", text, got, err)
		}
	}
	for _, text := range []string{"", "TB", "-1", "1XB", "lots", "NaN", "Inf", "1e30"} {
		if got, err := console.ParseSize(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
	for bytes, want := range map[int64]string{0: "0 B", 999: "999 B", 1200e9: "1.2 TB", 150e12: "150 TB", 1e6: "1 MB", 999_999: "1.0 MB", 123456789: "123 MB"} {
		if got := console.Size(bytes); got != want {
			t.Errorf("%d: %s, want %s", bytes, got, want)
		}
	}
	if got := console.Share(1.2e12, 150e12); got != "1.2 TB of 150 TB (0.8 %)" {
		t.Error(got)
	}
	if got := console.Share(5, 0); got != "5 B" {
		t.Error(got)
	}
}
