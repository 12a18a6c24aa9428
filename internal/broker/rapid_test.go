package broker_test

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// TestLifeOfACredential lets chance act on a key and holds a small model against what is stored.
func TestLifeOfACredential(t *testing.T) {
	w := newWorld(t)
	ctx := context.WithoutCancel(t.Context())
	actors := map[string]identity.Actor{"owner": w.as("ann"), "manager": w.as("max"), "operator": operator()}
	rapid.Check(t, func(t *rapid.T) {
		now := w.clock.Now
		got, err := w.Issue(ctx, actors["owner"], order(time.Duration(rapid.IntRange(1, 168).Draw(t, "hours"))*hour), audit.Once{})
		if err != nil {
			t.Fatal(err)
		}
		id, expires := got.Credential.ID, got.Credential.ExpiresAt
		var frozenBy string // "", "people" or "operator"
		over := false
		who := rapid.SampledFrom([]string{"owner", "manager", "operator"})
		t.Repeat(map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) {
				w.clock.Move(time.Duration(rapid.IntRange(1, 40*3600).Draw(t, "seconds")) * time.Second)
			},
			"extend": func(t *rapid.T) {
				life := time.Duration(rapid.IntRange(0, 200).Draw(t, "hours")) * hour
				c, err := w.Extend(ctx, actors[who.Draw(t, "who")], id, life, time.Time{}, audit.Once{})
				may := !over && frozenBy == "" && now().Before(expires) && life <= maximum
				if (err == nil) != may {
					t.Fatalf("extend by %s: %v, allowed is %t", life, err, may)
				}
				if err == nil {
					if c.ExpiresAt.Before(expires) {
						t.Fatalf("extending shortened it to %s", c.ExpiresAt)
					}
					expires = c.ExpiresAt
				}
			},
			"freeze": func(t *rapid.T) {
				by := who.Draw(t, "who")
				_, err := w.Freeze(ctx, actors[by], id, audit.Once{})
				may := !over && (now().Before(expires) || frozenBy != "")
				if (err == nil) != may {
					t.Fatalf("freeze: %v, allowed is %t", err, may)
				}
				if err == nil && frozenBy != "operator" {
					frozenBy = "people"
					if by == "operator" {
						frozenBy = by
					}
				}
			},
			"thaw": func(t *rapid.T) {
				by := who.Draw(t, "who")
				_, err := w.Thaw(ctx, actors[by], id, audit.Once{})
				may := !over && now().Before(expires) && (frozenBy != "operator" || by == "operator")
				if (err == nil) != may {
					t.Fatalf("thaw by %s: %v, allowed is %t", by, err, may)
				}
				if err == nil {
					frozenBy = ""
				}
			},
			"end": func(t *rapid.T) {
				if rapid.IntRange(0, 4).Draw(t, "chance") > 0 {
					t.Skip("rarely")
				}
				if _, err := w.End(ctx, actors[who.Draw(t, "who")], id, audit.Once{}); err != nil {
					t.Fatal(err)
				}
				over = true
			},
			"": func(t *rapid.T) {
				c, _, err := w.store.Credential(ctx, id)
				if err != nil {
					t.Fatal(err)
				}
				if want := !over && frozenBy == "" && now().Before(expires); c.Usable(now()) != want {
					t.Fatalf("usable is %t, want %t: %+v", !want, want, c)
				}
				if c.ExpiresAt.After(now().Add(maximum)) {
					t.Fatalf("it lives until %s, longer than %s from now", c.ExpiresAt, maximum)
				}
				if over && c.Status != credential.Ending {
					t.Fatalf("it came back: %s", c.Status)
				}
			},
		})
	})
}
