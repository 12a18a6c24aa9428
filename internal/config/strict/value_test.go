package strict_test

import (
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/config/strict"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"168h": 168 * time.Hour, "7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "90m": 90 * time.Minute, "0": 0, "0d": 0, "1.5h": 90 * time.Minute,
	} {
		var d strict.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s = %s, %v; want %s", text, time.Duration(d), err, want)
		}
	}
	for _, text := range []string{"", "-1h", "-7d", "1d-2h", "7", "week", "999999d", "106751d24h", "9999999d", "1h1d", "d"} {
		var d strict.Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %s", text, time.Duration(d))
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"150TB": 150e12, "10GiB": 10 << 30, "0": 0, "5000000": 5e6, "1.5MB": 1500000, "9223372036854775807": 1<<63 - 1, "10 GB": 10e9, "7PiB": 7 << 50,
	} {
		var s strict.Size
		if err := s.UnmarshalText([]byte(text)); err != nil || int64(s) != want {
			t.Errorf("%s = %d, %v; want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "-1", "10XB", "GB", "1.5", "9223372036854775808", "10000PB", "1e3", "10 GB "} {
		var s strict.Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %d", text, s)
		}
	}
}
