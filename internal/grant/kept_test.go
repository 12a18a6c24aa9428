package grant_test

import (
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/grant"
)

// A claim is refreshed for what somebody uses and is due; for nobody, only where the refresh token
// dies of disuse or the last try failed.
func TestWhatAClaimIsRefreshedFor(t *testing.T) {
	kept := func(scope string, due time.Time) grant.Kept {
		k := grant.Kept{Wish: grant.Wish{Scopes: []string{scope}}, Tokens: grant.Tokens{AccessExpiresAt: now.Add(time.Hour)},
			IssuedAt: now.Add(-time.Hour), UsedAt: now, DueAt: due}
		if scope == "" {
			k.Wish = grant.Wish{}
		}
		return k
	}
	for _, tc := range []struct {
		name   string
		claim  grant.Claim
		wish   string // the scope
		needed bool
	}{
		{"nothing", grant.Claim{}, "", false},
		{"not due", grant.Claim{Kept: []grant.Kept{kept("read", now.Add(time.Minute))}}, "", false},
		{"due", grant.Claim{Kept: []grant.Kept{kept("", now.Add(time.Minute)), kept("read", now)}}, "read", true},
		{"not due, and the last try failed", grant.Claim{Family: grant.Family{Health: grant.Retrying}, Kept: []grant.Kept{kept("", now.Add(time.Minute))}}, "", true},
		{"not due, and the operator had to act", grant.Claim{Family: grant.Family{Health: grant.NeedsOperator}, Kept: []grant.Kept{kept("", now.Add(time.Minute))}}, "", true},
		{"idle", grant.Claim{Family: grant.Family{KeepAlive: true, RenewedAt: now.Add(-time.Hour), RefreshExpiresAt: now.Add(time.Minute)}}, "", true},
	} {
		k, needed := tc.claim.Next(now)
		scope := ""
		if len(k.Wish.Scopes) > 0 {
			scope = k.Wish.Scopes[0]
		}
		if scope != tc.wish || needed != tc.needed {
			t.Errorf("%s: refreshed for %q, needed %v", tc.name, scope, needed)
		}
	}
}
