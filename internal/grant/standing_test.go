package grant_test

import (
	"math"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/grant"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func TestLife(t *testing.T) {
	for _, tc := range []struct {
		life time.Duration
		want string
	}{
		{7*day - 2*time.Second, "6 days 23 hours 59 minutes 58 seconds"},
		{7 * day, "7 days"},
		{400 * day, "400 days"},
		{day + time.Second, "1 day 1 second"},
		{day + time.Hour + time.Minute + time.Second, "1 day 1 hour 1 minute 1 second"},
		{2 * time.Hour, "2 hours"},
		{59*time.Second + 999*time.Millisecond, "59 seconds"},
		{time.Millisecond, "0 seconds"},
		{0, "0 seconds"},
		{-90 * time.Second, "1 minute 30 seconds"},
		{math.MaxInt64, "106751 days 23 hours 47 minutes 16 seconds"},
		{math.MinInt64, "0 seconds"}, // there is no such positive span
	} {
		if got := grant.Life(tc.life); got != tc.want {
			t.Errorf("%v is %q, want %q", tc.life, got, tc.want)
		}
	}
}

func TestStandings(t *testing.T) {
	c := func(status credential.Status, why credential.Reason, left time.Duration) credential.Credential {
		return credential.Credential{ID: "crd_1", Kind: grant.Kind, Status: status, Reason: why, CreatedAt: now.Add(-time.Minute), ExpiresAt: now.Add(left)}
	}
	for name, tc := range map[string]struct {
		c          credential.Credential
		f          grant.Family
		want       grant.Standing
		text, next string
	}{
		"none": {credential.Credential{}, grant.Family{}, grant.Absent,
			"There is no approval yet.", "lanyard token approve helmholtz"},
		"not approved": {c(credential.Intended, "", 7*day), grant.Family{}, grant.Absent,
			"There is no approval yet.", "lanyard token approve helmholtz"},
		"never approved": {c(credential.Ended, credential.Abandoned, 7*day), grant.Family{}, grant.Absent,
			"There is no approval yet.", "lanyard token approve helmholtz"},
		"declined": {c(credential.Ended, credential.Declined, 7*day), grant.Family{}, grant.Absent,
			"There is no approval yet.", "lanyard token approve helmholtz"},
		"fine": {c(credential.Active, "", 7*day-2*time.Second), grant.Family{Health: grant.Fine}, grant.Valid,
			"Valid, with a remaining life of 6 days 23 hours 59 minutes 58 seconds.", ""},
		"the provider is down": {c(credential.Active, "", 2*day), grant.Family{Health: grant.Retrying}, grant.Valid,
			"Valid, with a remaining life of 2 days.", ""},
		"a day": {c(credential.Active, "", day), grant.Family{}, grant.Valid,
			"Valid, with a remaining life of 1 day.", ""},
		"less than a day": {c(credential.Active, "", day-time.Second), grant.Family{}, grant.EndsSoon,
			"Valid, but its remaining life of 23 hours 59 minutes 59 seconds is less than a day.", "lanyard token approve helmholtz"},
		"dead at the provider": {c(credential.Active, "", 2*day), grant.Family{Health: grant.NeedsSignIn}, grant.Revoked,
			"Revoked: it gives no more tokens until you approve again.", "lanyard token approve helmholtz"},
		"ended by its owner": {c(credential.Ending, credential.Deleted, 2*day), grant.Family{}, grant.Revoked,
			"Revoked: it gives no more tokens until you approve again.", "lanyard token approve helmholtz"},
		"over, not swept": {c(credential.Active, "", -time.Second), grant.Family{}, grant.Expired,
			"Expired since 1 second: it gives no more tokens until you approve again.", "lanyard token approve helmholtz"},
		"over and swept": {c(credential.Ended, credential.Expired, -2*day), grant.Family{Health: grant.NeedsSignIn}, grant.Expired,
			"Expired since 2 days: it gives no more tokens until you approve again.", "lanyard token approve helmholtz"},
		"frozen": {c(credential.Frozen, credential.FrozenByOwner, 2*day), grant.Family{}, grant.Paused,
			"Paused, with a remaining life of 2 days: it gives no tokens until it is thawed.", "lanyard token thaw helmholtz"},
	} {
		got := grant.StandingOf(tc.c, tc.f, now)
		if got != tc.want || got.Text(tc.c.ExpiresAt.Sub(now)) != tc.text || got.Next("helmholtz") != tc.next {
			t.Errorf("%s: %s, %q, %q", name, got, got.Text(tc.c.ExpiresAt.Sub(now)), got.Next("helmholtz"))
		}
	}
}
