package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/grant"
)

// due puts a grant in whose family is due at one time and runs out at another.
func (w *world) due(t testing.TB, id string, at, runsOut time.Time) {
	t.Helper()
	c := credential.Credential{ID: id, Kind: grant.Kind, OwnerID: "usr_1", Name: id, Spec: grant.Spec{Provider: "alpha"}.Encode(),
		Status: credential.Intended, CreatedAt: start, ExpiresAt: start.Add(24 * time.Hour)}
	_, err := w.InsertCredential(t.Context(), c, nil, did("grant.create", id))
	check(t, err)
	c.Status = credential.Active
	f := grant.Family{GrantID: id, Provider: "alpha", Refresh: "secret", Health: grant.Fine, DueAt: at, RunsOutAt: runsOut}
	check(t, w.SaveApproval(t.Context(), c, f, grant.Kept{Tokens: grant.Tokens{Access: "a", AccessExpiresAt: runsOut}}, did("grant.approve", id)))
}

// However many are due, those that run out first are claimed first, none twice, and none before it is
// due or after it has ended.
func TestClaimRenewalsInOrder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const families, portion = 60, 5
		var want []string
		for n := range families {
			id := fmt.Sprintf("crd_%02d", n*37%families) // in another order than they run out
			w.due(t, id, start.Add(-time.Duration(n)*time.Second), start.Add(time.Duration(n*37%families)*time.Minute))
			want = append(want, id)
		}
		slices.Sort(want)
		w.due(t, "crd_later", start.Add(time.Second), start)
		w.due(t, "crd_over", start, start)
		over := w.get(t, "crd_over")
		over.Status, over.EndedAt, over.DueAt = credential.Ended, start, time.Time{}
		check(t, w.SaveEnding(t.Context(), over, grant.Family{GrantID: over.ID}, did("grant.end", over.ID)))
		var got []string
		for range families {
			claims, err := w.ClaimRenewals(t.Context(), "alpha", start, time.Minute, portion)
			check(t, err)
			for _, c := range claims {
				got = append(got, c.Credential.ID)
			}
			if none, err := w.ClaimRenewals(t.Context(), "beta", start, time.Minute, portion); err != nil || len(none) > 0 {
				t.Fatalf("another provider's: %v %v", none, err)
			}
			if len(claims) == 0 {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("claimed %q", got)
		}
	})
}
