package credential

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// The methods below are the only ways from one status to another. Each returns the changed copy
// for the store to write, or a Conflict fault that tells why the change cannot be.

// Usable reports whether c is honoured at now. Gateways decide by this alone.
func (c Credential) Usable(now time.Time) bool {
	return c.Status == Active && now.Before(c.ExpiresAt)
}

// EndsSoon reports whether it is time to tell people that c ends: in the last tenth of its life, and
// from 3 days before its end where that leaves any time before.
func (c Credential) EndsSoon(now time.Time) bool {
	const notice = 3 * 24 * time.Hour
	life := c.ExpiresAt.Sub(c.CreatedAt)
	soon := life / 10
	if life > notice {
		soon = max(soon, notice)
	}
	return c.Usable(now) && c.ExpiresAt.Sub(now) <= soon
}

// Extend moves the end of an active credential to expires, which the Lifetime rule has judged.
func (c Credential) Extend(now, expires time.Time) (Credential, error) {
	if !c.Usable(now) {
		return c, c.refuse(now, "extended")
	}
	c.ExpiresAt, c.DueAt = expires, expires
	return c, nil
}

// Patience is how long an intended credential waits for what completes it.
const Patience = time.Hour

// Complete brings an intended credential into force until expires. One that is active already gets
// what completes it anew, and a later end if expires is later.
func (c Credential) Complete(now, expires time.Time) (Credential, error) {
	switch {
	case c.Usable(now) && expires.After(c.ExpiresAt):
		return c.Extend(now, expires)
	case c.Usable(now):
		return c, nil
	case c.Status != Intended || c.overdue(now):
		return c, c.refuse(now, "completed")
	}
	c.Status, c.ExpiresAt, c.DueAt = Active, expires, expires
	return c, nil
}

// Over returns why the time of c is over at now, or "" while it is not.
func (c Credential) Over(now time.Time) Reason {
	switch {
	case c.Status == Intended && c.overdue(now):
		return Abandoned
	case (c.Status == Intended || c.Status == Active || c.Status == Frozen) && !now.Before(c.ExpiresAt):
		return Expired
	}
	return ""
}

// overdue says of an intended credential that nobody completed it in time.
func (c Credential) overdue(now time.Time) bool { return !now.Before(c.CreatedAt.Add(Patience)) }

// Freeze stops an active credential until it is thawed. A frozen one takes the new reason only if
// that is stronger, so that an owner cannot lift what the operator stopped.
func (c Credential) Freeze(now time.Time, why Reason) (Credential, error) {
	switch {
	case c.Status == Frozen && c.Reason != FrozenByOwner:
		return c, nil
	case c.Status == Frozen || c.Usable(now):
		c.Status, c.Reason = Frozen, why
		return c, nil
	}
	return c, c.refuse(now, "frozen")
}

// Thaw lifts the freeze that was made for the reason why. What has expired meanwhile stays
// refused, and ends at the next sweep.
func (c Credential) Thaw(now time.Time, why Reason) (Credential, error) {
	switch {
	case c.Status == Active && c.Usable(now):
		return c, nil
	case c.Status != Frozen || !now.Before(c.ExpiresAt):
		return c, c.refuse(now, "thawed")
	case c.Reason != why:
		return c, fault.New(fault.Conflict, "%s was frozen for another reason (%s)", c.label(), c.Reason).WithHint("only who froze it can thaw it")
	}
	c.Status, c.Reason = Active, ""
	return c, nil
}

// End takes c out of force for good. Ending what has ended changes nothing.
func (c Credential) End(now time.Time, why Reason) Credential {
	if c.Status == Ending || c.Status == Ended {
		return c
	}
	c.Status, c.Reason = Ending, why
	c.EndedAt = now.UTC().Truncate(time.Second)
	c.DueAt = c.EndedAt
	return c
}

// Finish marks the clean-up of an ending credential as done.
func (c Credential) Finish() Credential {
	if c.Status == Ending {
		c.Status, c.DueAt = Ended, time.Time{}
	}
	return c
}

// CheckName refuses names that are empty, longer than 60 characters, or that would disturb a
// terminal or a log (control characters), with an Invalid fault.
func CheckName(s string) error {
	n := utf8.RuneCountInString(s)
	if n < 1 || n > 60 || !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return fault.New(fault.Invalid, "a name says what it is for in 1 to 60 characters, without blanks around it").WithHint(`for example "rclone on lumi-login2"`)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fault.New(fault.Invalid, "a name cannot hold control characters")
	}
	return nil
}

func (c Credential) refuse(now time.Time, verb string) error {
	state := string(c.Status)
	switch {
	case c.Status == Intended && !c.overdue(now):
		return fault.New(fault.Conflict, "%s cannot be %s: it has not been completed yet", c.label(), verb).WithHint("complete it, or delete it")
	case c.Status == Intended:
		state = "abandoned: nobody completed it within " + Words(Patience)
	case c.Status == Ending || c.Status == Ended:
		state = "ended (" + string(c.Reason) + ")"
	case c.Status == Frozen && now.Before(c.ExpiresAt):
		return fault.New(fault.Conflict, "%s cannot be %s: it is frozen", c.label(), verb).WithHint("thaw it first")
	case !now.Before(c.ExpiresAt):
		state = "expired at " + c.ExpiresAt.Format(time.RFC3339)
	}
	return fault.New(fault.Conflict, "%s cannot be %s: it is %s", c.label(), verb, state).WithHint("create a new one")
}

func (c Credential) label() string { return c.Kind + " " + c.PublicID }

// Refusal is the Conflict fault that tells why c cannot be used at now; nil if it can.
func (c Credential) Refusal(now time.Time) error {
	if c.Usable(now) {
		return nil
	}
	return c.refuse(now, "used")
}
