package credential_test

import (
	"math"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
)

func TestNarrow(t *testing.T) {
	rule := credential.Lifetime{Default: 24 * hour, Max: 168 * hour}
	for _, tc := range []struct {
		def, max time.Duration
		want     credential.Lifetime
	}{
		{0, 0, rule},
		{hour, 0, credential.Lifetime{Default: hour, Max: 168 * hour}},
		{0, 2 * hour, credential.Lifetime{Default: 2 * hour, Max: 2 * hour}},
		{3 * hour, 2 * hour, credential.Lifetime{Default: 2 * hour, Max: 2 * hour}},
		{999 * hour, 999 * hour, credential.Lifetime{Default: 168 * hour, Max: 168 * hour}},
		{-hour, -hour, rule},
	} {
		if got := rule.Narrow(tc.def, tc.max); got != tc.want {
			t.Errorf("narrowed by %s and %s: %+v, want %+v", tc.def, tc.max, got, tc.want)
		}
	}
}

func TestExpiry(t *testing.T) {
	rule := credential.Lifetime{Default: 24 * hour, Max: 168 * hour}
	at := now.Add(300 * time.Millisecond) // whole seconds count
	for _, tc := range []struct {
		name  string
		life  time.Duration
		until time.Time
		want  time.Duration // after now
		code  fault.Code
	}{
		{"the default", 0, time.Time{}, 24 * hour, ""},
		{"a life", 36 * hour, time.Time{}, 36 * hour, ""},
		{"a life with a fraction", 36*hour + 999*time.Millisecond, time.Time{}, 36 * hour, ""},
		{"the maximum", 168 * hour, time.Time{}, 168 * hour, ""},
		{"one nanosecond more", 168*hour + 1, time.Time{}, 0, fault.Limited},
		{"for ever", math.MaxInt64, time.Time{}, 0, fault.Limited},
		{"no second", time.Second - 1, time.Time{}, 0, fault.Invalid},
		{"one second", time.Second, time.Time{}, time.Second, ""},
		{"negative", -1, time.Time{}, 0, fault.Invalid},
		{"most negative", math.MinInt64, time.Time{}, 0, fault.Invalid},
		{"a date", 0, now.Add(2 * hour), 2 * hour, ""},
		{"a date elsewhere", 0, now.Add(2 * hour).In(time.FixedZone("EET", 7200)), 2 * hour, ""},
		{"the latest date", 0, now.Add(168 * hour), 168 * hour, ""},
		{"too late a date", 0, now.Add(168*hour + time.Second), 0, fault.Limited},
		{"the year 9999", 0, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), 0, fault.Limited},
		{"now", 0, now, 0, fault.Invalid},
		{"the past", 0, time.Unix(0, 0), 0, fault.Invalid},
		{"both", hour, now.Add(hour), 0, fault.Invalid},
	} {
		got, err := rule.Expiry(at, tc.life, tc.until)
		switch {
		case fault.CodeOf(err) != tc.code:
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.code)
		case err == nil && (!got.Equal(now.Add(tc.want)) || got.Location() != time.UTC || got.Nanosecond() != 0):
			t.Errorf("%s: got %s, want %s", tc.name, got, now.Add(tc.want))
		}
	}
	if got, err := (credential.Lifetime{Default: hour + time.Millisecond, Max: 2 * hour}).Expiry(now, 0, time.Time{}); err != nil || !got.Equal(now.Add(hour)) {
		t.Errorf("a default with a fraction: %s, %v", got, err)
	}
	if _, err := (credential.Lifetime{}).Expiry(now, 0, time.Time{}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a rule that allows nothing: %v", err)
	}
}

func FuzzExpiry(f *testing.F) {
	f.Add(int64(0), int64(0))
	f.Add(int64(math.MaxInt64), int64(0))
	f.Add(int64(0), int64(math.MaxInt64))
	f.Add(int64(hour), int64(0))
	f.Fuzz(func(t *testing.T, life, until int64) {
		rule := credential.Lifetime{Default: 24 * hour, Max: 168 * hour}
		var u time.Time
		if until != 0 {
			u = time.Unix(until, 0)
		}
		got, err := rule.Expiry(now, time.Duration(life), u)
		if err == nil && (!got.After(now) || got.After(now.Add(rule.Max)) || got.Nanosecond() != 0) {
			t.Errorf("%s from %d and %d", got, life, until)
		}
	})
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		24 * hour: "1 day", 168 * hour: "7 days", 36 * hour: "36 hours", hour: "1 hour", 90 * time.Minute: "90 minutes",
		61 * time.Second: "61 seconds", time.Second + 1: "1 second", 0: "0s",
	} {
		if got := credential.Words(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}
