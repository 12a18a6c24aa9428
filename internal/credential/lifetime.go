package credential

import (
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// Lifetime is the rule for one kind, narrowed by the project: at creation ExpiresAt ≤ now + Max;
// extending is legal only while active, at any time, up to now + Max. So a key lives for ever if
// somebody keeps wanting it, and dies by itself otherwise.
type Lifetime struct {
	Default, Max time.Duration
}

// Narrow returns the rule with a project's own default and maximum applied; zero keeps l's.
func (l Lifetime) Narrow(def, maximum time.Duration) Lifetime {
	if maximum > 0 && maximum < l.Max {
		l.Max = maximum
	}
	if def > 0 {
		l.Default = def
	}
	l.Default = min(l.Default, l.Max)
	return l
}

// Expiry returns when a credential that is ordered (or extended) at now ends: after life, or at
// until, or after the default if both are zero. Whole seconds, UTC. It refuses, as Limited, what
// lies beyond the maximum and, as Invalid, what is not in the future.
func (l Lifetime) Expiry(now time.Time, life time.Duration, until time.Time) (time.Time, error) {
	now = now.UTC().Truncate(time.Second)
	at := now.Add(l.Default.Truncate(time.Second))
	switch {
	case life != 0 && !until.IsZero():
		return at, fault.New(fault.Invalid, "a duration and an end date were both given").WithHint("give one of them")
	case life < 0:
		return at, fault.New(fault.Invalid, "a lifetime of %s is not in the future", life)
	case life > 0 && life < time.Second:
		return at, fault.New(fault.Invalid, "a lifetime of %s is shorter than one second", life)
	case life > l.Max:
		return at, fault.New(fault.Limited, "at most %s are allowed, you asked for %s", Words(l.Max), Words(life)).WithHint("ask for %s or less; it can be extended while it is active", Words(l.Max))
	case life > 0:
		at = now.Add(life.Truncate(time.Second))
	case !until.IsZero():
		at = until.UTC().Truncate(time.Second)
	}
	if !at.After(now) {
		return at, fault.New(fault.Invalid, "%s has already passed", at.Format(time.RFC3339))
	}
	if at.After(now.Add(l.Max)) {
		return at, fault.New(fault.Limited, "%s is too late: at most %s from now are allowed", at.Format(time.RFC3339), Words(l.Max)).WithHint("the latest end today is %s", now.Add(l.Max).Format(time.RFC3339))
	}
	return at, nil
}
