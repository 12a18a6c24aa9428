package strict

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span as operators write it: 36h, 7d, 1d12h, 90m.
type Duration time.Duration

var days = regexp.MustCompile(`^([0-9]{1,6})d(.*)$`)

// UnmarshalText reads it: Go's notation, and before it days of 24 hours. Negative ones are refused.
func (d *Duration) UnmarshalText(text []byte) error {
	s, whole := string(text), time.Duration(0)
	if strings.HasPrefix(s, "-") {
		return fmt.Errorf("%q is negative", text)
	}
	if m := days.FindStringSubmatch(s); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > math.MaxInt64/int(24*time.Hour) {
			return fmt.Errorf("%q is too long", s)
		}
		whole, s = time.Duration(n)*24*time.Hour, m[2]
	}
	if s != "" || len(text) == 0 {
		rest, err := time.ParseDuration(s)
		if err != nil || rest < 0 {
			return fmt.Errorf("%q is not a duration: write 36h, 7d, 1d12h or 90m", text)
		}
		if whole > math.MaxInt64-rest {
			return fmt.Errorf("%q is too long", text)
		}
		whole += rest
	}
	*d = Duration(whole)
	return nil
}

// MarshalText writes it as UnmarshalText reads it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Size is a number of bytes as operators write it: 150TB, 10GiB, 5000000.
type Size int64

var (
	size  = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)$`)
	units = map[string]float64{"": 1, "B": 1,
		"kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "PiB": 1 << 50}
)

// UnmarshalText reads it. Units are decimal (TB) or binary (TiB).
func (s *Size) UnmarshalText(text []byte) error {
	m := size.FindStringSubmatch(string(text))
	if m == nil {
		return fmt.Errorf("%q is not a size: write 150TB, 10GiB or a number of bytes", text)
	}
	unit, ok := units[m[2]]
	if !ok {
		return fmt.Errorf("%q is not a unit of size: use kB, MB, GB, TB, PB, or KiB, MiB, GiB, TiB, PiB", m[2])
	}
	if unit == 1 { // exact, beyond what a float64 holds
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number of bytes below 2^63", text)
		}
		*s = Size(n)
		return nil
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil || n*unit >= math.MaxInt64 {
		return fmt.Errorf("%q is too large", text)
	}
	*s = Size(n * unit)
	return nil
}

// Time is a moment as operators write it: a date, or RFC 3339.
type Time struct{ time.Time }

// UnmarshalText reads it. A date alone means its first second in UTC.
func (t *Time) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, string(text)); err == nil {
			t.Time = at.UTC()
			return nil
		}
	}
	return errors.New("write a date (2027-12-31) or a time (2027-12-31T12:00:00Z)")
}
