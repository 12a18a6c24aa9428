package grant

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
)

// Standing is in which state people find a grant: one of five, or Paused, which somebody chose.
type Standing string

// The standings.
const (
	Absent   Standing = "absent"
	Valid    Standing = "valid"
	EndsSoon Standing = "ends_soon" // valid, but for less than a day
	Revoked  Standing = "revoked"
	Expired  Standing = "expired"
	Paused   Standing = "paused" // frozen: it gives no tokens until it is thawed
)

const day = 24 * time.Hour

// StandingOf returns the standing of the grant c with its family f at now. The zero Credential is
// one that does not exist.
func StandingOf(c credential.Credential, f Family, now time.Time) Standing {
	over := c.Reason == credential.Expired || c.Over(now) == credential.Expired
	switch {
	case c.ID == "" || c.Status == credential.Intended || c.Reason == credential.Abandoned || c.Reason == credential.Declined:
		return Absent
	case over:
		return Expired
	case c.Status == credential.Ending || c.Status == credential.Ended || f.Health == NeedsSignIn:
		return Revoked
	case c.Status == credential.Frozen:
		return Paused
	case c.ExpiresAt.Sub(now) < day:
		return EndsSoon
	}
	return Valid
}

// Text is the sentence for s. Life is what remains of the grant; of an expired one it is negative:
// for how long it has been over.
func (s Standing) Text(life time.Duration) string {
	switch s {
	case Valid:
		return "Valid, with a remaining life of " + Life(life) + "."
	case EndsSoon:
		return "Valid, but its remaining life of " + Life(life) + " is less than a day."
	case Revoked:
		return "Revoked: it gives no more tokens until you approve again."
	case Expired:
		return "Expired since " + Life(-life) + ": it gives no more tokens until you approve again."
	case Paused:
		return "Paused, with a remaining life of " + Life(life) + ": it gives no tokens until it is thawed."
	}
	return "There is no approval yet."
}

// Next is the one command that leads on from s at the provider with this ID, or at the grant of
// this name; empty if there is nothing to do.
func (s Standing) Next(provider string) string {
	switch s {
	case Valid:
		return ""
	case Paused:
		return "lanyard token thaw " + provider
	}
	return "lanyard token approve " + provider
}

// Ref is what to call the grant c in a command: its name where a shell takes that as it is, else its
// id.
func Ref(c credential.Credential) string {
	if plainWord.MatchString(c.Name) {
		return c.Name
	}
	return c.ID
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]*$`)

// Life writes a time span in days, hours, minutes and seconds: "6 days 23 hours 59 minutes 58
// seconds". Units that are zero are left out; negative spans count as their opposite.
func Life(d time.Duration) string {
	left := max(d, -d).Truncate(time.Second)
	var words []string
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"day", day}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		n := left / unit.size
		left %= unit.size
		switch {
		case n == 1:
			words = append(words, "1 "+unit.name)
		case n > 1:
			words = append(words, fmt.Sprintf("%d %ss", n, unit.name))
		}
	}
	if len(words) == 0 {
		return "0 seconds"
	}
	return strings.Join(words, " ")
}
