package custody_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/grant"
)

func TestRevocationUntilDone(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		stop, stop2 := w.run(w.Custody), w.run(w.another(w.store))
		c := w.approve("ann", "alpha")
		w.token(c.ID, force)
		w.alpha.set(func() {
			w.alpha.revoking = func(n int) (string, error) {
				if n < 4 {
					return "", &grant.Refusal{Class: grant.Again, Status: 503, Description: "later"}
				}
				return "Alpha confirmed the end", nil
			}
		})
		_, err := w.broker.End(t.Context(), as("ann"), c.ID, audit.Once{})
		w.check(err)
		pass(3 * time.Second)
		one, f, err := w.Find(t.Context(), as("ann"), c.ID)
		if err != nil || one.Status != credential.Ending || !strings.Contains(f.Detail, "not revoked at the provider yet") {
			t.Errorf("%s, %+v, %v", one.Status, f, err)
		}
		pass(2 * time.Minute)
		one, f, err = w.Find(t.Context(), as("ann"), c.ID)
		if err != nil || one.Status != credential.Ended || f.Detail != "Alpha confirmed the end" || f.Default.AccessExpiresAt.After(time.Time{}) {
			t.Errorf("%s, %+v, %v", one.Status, f, err)
		}
		if f := w.family(c.ID); f.Refresh != "" || len(w.alpha.see().revoked) != 4 || w.alpha.see().revoked[3] != "refresh-alpha-0-2" {
			t.Errorf("%+v, revoked %d", f, len(w.alpha.see().revoked))
		}
		found, err := w.store.Audit(t.Context(), audit.Filter{Subject: c.ID, Limit: 1})
		if err != nil || found[0].Action != "grant.finish" || found[0].Detail["receipt"] != "Alpha confirmed the end" {
			t.Errorf("%+v, %v", found, err)
		}
		stop()
		stop2()
		pass(31 * 24 * time.Hour)
		defer w.run(w.another(w.store))()
		pass(5 * time.Second)
		if _, _, err := w.store.Credential(t.Context(), c.ID); err == nil {
			t.Error("it is kept for ever")
		}
	})
}

func TestEndsWithoutAnybody(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		expired, abandoned, dead := w.approve("ann", "alpha"), w.order("ann", "alpha"), w.approve("bob", "beta")
		w.beta.set(func() {
			w.beta.revoking = func(int) (string, error) {
				return "", &grant.Refusal{Class: grant.Dead, Status: 400, Code: "invalid_token"}
			}
		})
		_, err := w.broker.End(t.Context(), as("bob"), dead.ID, audit.Once{})
		w.check(err)
		pass(8 * 24 * time.Hour)
		defer w.run(w.Custody)()
		pass(5 * time.Second)
		for _, tc := range []struct {
			id, receipt string
			reason      credential.Reason
		}{
			{expired.ID, "alpha confirmed it", credential.Expired},
			{abandoned.ID, "", credential.Abandoned},
			{dead.ID, "the provider had ended it already", credential.Deleted},
		} {
			one, _, err := w.store.Credential(t.Context(), tc.id)
			if f := w.family(tc.id); err != nil || one.Status != credential.Ended || one.Reason != tc.reason || !strings.Contains(f.Detail, tc.receipt) {
				t.Errorf("%s (%s): %q, %v", one.Status, one.Reason, f.Detail, err)
			}
		}
	})
}
