package custody_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
)

func TestApproval(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.order("ann", "alpha")
		a, err := w.Approval(t.Context(), as("ann"), c.ID)
		if err != nil || a.URL != "https://lanyard.test/approvals/"+c.ID || !a.ExpiresAt.Equal(c.CreatedAt.Add(time.Hour)) || a.Interval == 0 {
			t.Errorf("%+v, %v", a, err)
		}
		_, err = w.Approval(t.Context(), as("bob"), c.ID)
		refused(t, err, fault.NotFound)
		noBrowser := as("ann")
		noBrowser.SessionID = ""
		_, err = w.Begin(t.Context(), noBrowser, c.ID)
		refused(t, err, fault.Denied, "browser", a.URL)
		got, err := w.callback("ann", c.ID, "alpha")
		if err != nil || got.Status != credential.Active || !got.ExpiresAt.Equal(c.ExpiresAt) {
			t.Errorf("%+v, %v", got, err)
		}
		if f := w.family(c.ID); f.Subject != "anna" || f.Refresh != "refresh-alpha-0-1" || f.Health != grant.Fine {
			t.Errorf("%+v", f)
		}
		if got := strings.Join(w.records(c.ID), " "); got != "grant.create grant.approve" {
			t.Errorf("on record: %s", got)
		}
	})
}

func TestAnswersThatAreNotTheirs(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.order("ann", "alpha")
		to, err := w.Begin(t.Context(), as("ann"), c.ID)
		w.check(err)
		good := answerOf(to)
		otherBrowser, nobody := as("ann"), as("ann")
		otherBrowser.SessionID, nobody.SessionID = "ses_2", ""
		for name, try := range map[string]func() error{
			"another person":   func() error { _, err := w.Callback(t.Context(), as("bob"), "alpha", good); return err },
			"another browser":  func() error { _, err := w.Callback(t.Context(), otherBrowser, "alpha", good); return err },
			"no browser":       func() error { _, err := w.Callback(t.Context(), nobody, "alpha", good); return err },
			"another provider": func() error { _, err := w.Callback(t.Context(), as("ann"), "beta", good); return err },
			"no state": func() error {
				_, err := w.Callback(t.Context(), as("ann"), "alpha", url.Values{"code": {"good"}})
				return err
			},
			"two states": func() error {
				_, err := w.Callback(t.Context(), as("ann"), "alpha", url.Values{"code": {"good"}, "state": {good.Get("state"), "x"}})
				return err
			},
		} {
			if err := try(); fault.CodeOf(err) != fault.Invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err = w.Callback(t.Context(), as("ann"), "alpha", good)
		w.check(err)
		_, err = w.Callback(t.Context(), as("ann"), "alpha", good)
		refused(t, err, fault.Invalid, "used already")
		late := w.order("ann", "alpha")
		to, err = w.Begin(t.Context(), as("ann"), late.ID)
		w.check(err)
		pass(10 * time.Minute)
		_, err = w.Callback(t.Context(), as("ann"), "alpha", answerOf(to))
		refused(t, err, fault.Invalid, "10 minutes")
	})
}

func TestWhatProvidersRefuse(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.order("ann", "alpha")
		to, err := w.Begin(t.Context(), as("ann"), c.ID)
		w.check(err)
		answer := answerOf(to)
		answer.Set("error", "server_error")
		_, err = w.Callback(t.Context(), as("ann"), "alpha", answer)
		refused(t, err, fault.Denied, "server_error")
		w.alpha.barren = true
		_, err = w.callback("ann", c.ID, "alpha")
		refused(t, err, fault.Conflict, "no refresh token", "offline")
		w.alpha.barren = false
		_, err = w.callback("ann", c.ID, "alpha")
		w.check(err)
	})
}

// A no at the provider is the end of what waits for a yes, and of nothing else.
func TestDeclined(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		decline := func(c credential.Credential) credential.Credential {
			t.Helper()
			to, err := w.Begin(t.Context(), as("ann"), c.ID)
			w.check(err)
			answer := answerOf(to)
			answer.Set("error", "access_denied")
			got, err := w.Callback(t.Context(), as("ann"), "alpha", answer)
			refused(t, err, fault.Denied, "you declined at alpha")
			if !errors.Is(err, grant.ErrDeclined) || got.ID != c.ID {
				t.Errorf("%+v, %v", got, err)
			}
			return got
		}
		c := w.order("ann", "alpha")
		other, err := w.Begin(t.Context(), as("ann"), c.ID) // in another tab
		w.check(err)
		if got := decline(c); got.Status != credential.Ending || got.Reason != credential.Declined {
			t.Errorf("%+v", got)
		}
		_, err = w.Callback(t.Context(), as("ann"), "alpha", answerOf(other))
		refused(t, err, fault.Conflict, "ended (declined)")
		if n := len(w.alpha.see().revoked); n != 1 {
			t.Errorf("%d tokens were revoked that came too late", n)
		}
		stop := w.run(w.Custody)
		pass(time.Minute)
		stop()
		if one, _, err := w.store.Credential(t.Context(), c.ID); err != nil || one.Status != credential.Ended || one.Reason != credential.Declined {
			t.Errorf("%+v, %v", one, err)
		}
		if got := strings.Join(w.records(c.ID), " "); got != "grant.create grant.decline grant.finish" {
			t.Errorf("on record: %s", got)
		}

		kept := w.approve("ann", "alpha")
		before := w.family(kept.ID)
		if got := decline(kept); got.Status != credential.Active {
			t.Errorf("a repair that was declined made it %s (%s)", got.Status, got.Reason)
		}
		if after := w.family(kept.ID); after.Refresh != before.Refresh || after.Generation != before.Generation || after.Health != grant.Fine {
			t.Errorf("from %+v to %+v", before, after)
		}
		if got := strings.Join(w.records(kept.ID), " "); got != "grant.create grant.approve" {
			t.Errorf("on record: %s", got)
		}
	})
}

func TestRepairKeepsTheGrant(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.approve("ann", "alpha")
		w.alpha.see().families[0].dead = true
		_, err := w.TokenOf(t.Context(), c.ID, force)
		refused(t, err, fault.Conflict, "invalid_grant", "lanyard token approve alpha")
		_, err = w.TokenOf(t.Context(), c.ID, custody.TokenWish{})
		refused(t, err, fault.Conflict, "lanyard token approve alpha")
		_, f, err := w.Find(t.Context(), as("ann"), c.ID)
		if err != nil || f.Health != grant.NeedsSignIn || !strings.Contains(f.Detail, "invalid_grant") {
			t.Errorf("%+v, %v", f, err)
		}
		w.alpha.subject = "someone else"
		_, err = w.callback("ann", c.ID, "alpha")
		refused(t, err, fault.Denied, "somebody else")
		if len(w.alpha.see().revoked) != 1 {
			t.Errorf("what somebody else approved was not revoked: %d", len(w.alpha.see().revoked))
		}
		w.alpha.subject = "anna"
		got, err := w.callback("ann", c.ID, "alpha")
		if err != nil || got.ID != c.ID || got.Status != credential.Active || !got.ExpiresAt.Equal(c.ExpiresAt) {
			t.Errorf("%+v, %v", got, err)
		}
		if got := w.token(c.ID, custody.TokenWish{}); !strings.HasPrefix(got.Access.Reveal(), "access-alpha-2-") {
			t.Errorf("after the repair: %q", got.Access.Reveal())
		}
		if got := strings.Join(w.records(c.ID), " "); got != "grant.create grant.approve grant.needs_sign_in grant.repair" {
			t.Errorf("on record: %s", got)
		}
		if told, err := w.store.Notices(t.Context(), c.OwnerID); err != nil || len(told) != 0 {
			t.Errorf("still told of what was repaired: %+v, %v", told, err)
		}
	})
}

func TestNobodyWhoIsStoppedApproves(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.order("ann", "alpha")
		to, err := w.Begin(t.Context(), as("ann"), c.ID)
		w.check(err)
		ann, err := w.store.Account(t.Context(), "usr_ann")
		w.check(err)
		ann.FrozenAt = time.Now()
		w.check(w.store.SaveAccount(t.Context(), ann, audit.Change{}))
		_, err = w.Callback(t.Context(), as("ann"), "alpha", answerOf(to))
		refused(t, err, fault.Conflict, "account is stopped")
		if f := w.family(c.ID); f.Refresh != "" || len(w.alpha.see().revoked) != 1 {
			t.Errorf("kept %+v, revoked %d", f, len(w.alpha.see().revoked))
		}
		_, err = w.Begin(t.Context(), as("ann"), c.ID)
		refused(t, err, fault.Denied, "stopped")
	})
}

func TestApprovalsThatArePolledFor(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.alpha.polls = true
		stop := w.run(w.Custody)
		stop2 := w.run(w.another(w.store))
		defer stop2()
		defer stop()
		c, given := w.order("ann", "alpha"), w.order("ann", "alpha")
		for _, id := range []string{c.ID, given.ID} {
			to, err := w.Begin(t.Context(), as("ann"), id)
			if err != nil || !strings.HasPrefix(to, "https://alpha.test/authorize") {
				t.Fatalf("%s, %v", to, err)
			}
		}
		pass(time.Minute)
		if polls := w.alpha.see().n; polls < 15 || polls > 30 {
			t.Errorf("%d requests for two approvals in a minute", polls)
		}
		w.alpha.set(func() { w.alpha.approved = true })
		pass(30 * time.Second)
		for _, id := range []string{c.ID, given.ID} {
			if one, _, err := w.store.Credential(t.Context(), id); err != nil || one.Status != credential.Active {
				t.Errorf("%s, %v", one.Status, err)
			}
		}
		if f := w.family(c.ID); f.Refresh == "" || len(f.Pending) > 0 || !f.PollAt.IsZero() || len(w.alpha.see().families) != 2 {
			t.Errorf("%+v of %d", f, len(w.alpha.see().families))
		}
		w.alpha.set(func() { w.alpha.approved, w.alpha.declined = false, true })
		no := w.order("ann", "alpha")
		_, err := w.Begin(t.Context(), as("ann"), no.ID)
		w.check(err)
		pass(30 * time.Second)
		if one, _, err := w.store.Credential(t.Context(), no.ID); err != nil || one.Status != credential.Ended || one.Reason != credential.Declined {
			t.Errorf("declined, and it is %s (%s), %v", one.Status, one.Reason, err)
		}
		w.alpha.set(func() { w.alpha.declined = false })
		late := w.order("ann", "alpha")
		_, err = w.Begin(t.Context(), as("ann"), late.ID)
		w.check(err)
		pass(11 * time.Minute)
		if f := w.family(late.ID); !strings.Contains(f.Detail, "nobody approved in time") || len(f.Pending) > 0 {
			t.Errorf("%+v", f)
		}
	})
}
