package custody_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/store"
)

// left is what remains of the life of the grant's own token, as a consumer gets it.
func (w *world) left(id string) time.Duration {
	w.t.Helper()
	return time.Until(w.token(id, custody.TokenWish{}).AccessExpiresAt)
}

func TestRenewalAheadOfTime(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		defer w.run(slowly(w.Custody))()
		defer w.run(slowly(w.another(w.store)))()
		c := w.approve("ann", "alpha")
		w.token(c.ID, wish("storage.read:/data"))
		for minute := range 180 {
			if own := w.left(c.ID); own < 34*time.Minute {
				t.Fatalf("after %d minutes there are %s left", minute, own)
			}
			if narrow := time.Until(w.token(c.ID, wish("storage.read:/data")).AccessExpiresAt); narrow < 33*time.Minute {
				t.Fatalf("after %d minutes there are %s left of the narrower one", minute, narrow)
			}
			pass(time.Minute)
		}
		if n := len(w.alpha.see().refreshed); n < 12 || n > 16 {
			t.Errorf("%d refreshes of two tokens of an hour in three hours", n)
		}
		// Nobody asks any more, so it stops.
		pass(3 * time.Hour)
		n := len(w.alpha.see().refreshed)
		pass(12 * time.Hour)
		if again := len(w.alpha.see().refreshed) - n; again > 0 {
			t.Errorf("%d refreshes for nobody", again)
		}
		w.token(c.ID, custody.TokenWish{})
		pass(30 * time.Minute)
		if again := len(w.alpha.see().refreshed) - n; again != 2 {
			t.Errorf("%d refreshes after somebody asked again", again)
		}
		if w.alpha.see().reused+w.alpha.see().parallel > 0 {
			t.Errorf("%d reused, %d parallel", w.alpha.see().reused, w.alpha.see().parallel)
		}
		if got := strings.Join(w.records(c.ID), " "); got != "grant.create grant.approve" {
			t.Errorf("on record: %s", got)
		}
	})
}

func TestRefreshTokensAreKeptAlive(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.alpha.idle = 30 * time.Minute
		defer w.run(slowly(w.Custody))()
		c, frozen := w.approve("ann", "alpha"), w.approve("ann", "alpha")
		_, err := w.broker.Freeze(t.Context(), as("ann"), frozen.ID, audit.Once{})
		w.check(err)
		pass(24 * time.Hour)
		if f := w.family(c.ID); f.Health != grant.Fine || f.RenewedAt.Before(time.Now().Add(-17*time.Minute)) {
			t.Errorf("%+v", f)
		}
		if n := len(w.alpha.see().refreshed); n < 2*80 || n > 2*115 {
			t.Errorf("%d refreshes of two grants in a day", n)
		}
		_, err = w.broker.Thaw(t.Context(), as("ann"), frozen.ID, audit.Once{})
		w.check(err)
		w.token(frozen.ID, force)
		_, err = w.broker.End(t.Context(), as("ann"), c.ID, audit.Once{})
		w.check(err)
	})
}

func TestAFixedEndIsNotKeptAlive(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.alpha.idle = 8 * time.Hour
		end := time.Now().Add(8 * time.Hour)
		defer w.run(slowly(w.Custody))()
		w.approve("ann", "alpha")
		for range 8 * 60 { // the provider tells the same end each time
			w.alpha.set(func() { w.alpha.idle = max(time.Second, time.Until(end)) })
			pass(time.Minute)
		}
		if n := len(w.alpha.see().refreshed); n > 10 {
			t.Errorf("%d refreshes of what lives no longer by them", n)
		}
	})
}

func TestALostAnswerIsSurvivedWhereItCanBe(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.alpha.grace = time.Minute
		c := w.approve("ann", "alpha")
		lost := 0
		w.alpha.after = func(int) error {
			if lost++; lost == 1 {
				return &grant.Refusal{Class: grant.Again}
			}
			return nil
		}
		if got := w.token(c.ID, force); got.Access != "access-alpha-0-2" {
			t.Errorf("got %q", got.Access.Reveal())
		}
		if f := w.family(c.ID); f.Refresh != "refresh-alpha-0-2" || f.Health != grant.Fine || f.Attempts != 0 {
			t.Errorf("%+v", f)
		}
	})
}

func TestALostAnswerEndsAFamilyThatCannotBearIt(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		defer w.run(w.Custody)()
		c := w.approve("ann", "alpha")
		n := w.alpha.see().n
		w.alpha.set(func() { w.alpha.after = lostAnswer })
		begun := time.Now()
		_, err := w.TokenOf(t.Context(), c.ID, force)
		refused(t, err, fault.Conflict, "invalid_grant", "lanyard token approve alpha")
		_, f, err := w.Find(t.Context(), as("ann"), c.ID)
		if err != nil || f.Health != grant.NeedsSignIn || time.Since(begun) > 2*time.Second {
			t.Errorf("after %s: %+v, %v", time.Since(begun), f, err)
		}
		pass(5 * time.Minute)
		if tries := w.alpha.see().n - n; tries != 2 {
			t.Errorf("%d requests: the one that was lost, and one more", tries)
		}
		if !strings.Contains(strings.Join(w.records(c.ID), " "), "grant.needs_sign_in") {
			t.Errorf("on record: %v", w.records(c.ID))
		}
		told, err := w.store.Notices(t.Context(), c.OwnerID)
		if err != nil || len(told) != 1 || told[0].Kind != notice.GrantDied || told[0].Subject != c.ID || told[0].Name != c.Name || told[0].Place != "Alpha" {
			t.Errorf("told %+v, %v", told, err)
		}
		_, err = w.broker.End(t.Context(), as("ann"), c.ID, audit.Once{})
		w.check(err)
		pass(time.Minute)
		if told, err := w.store.Notices(t.Context(), c.OwnerID); err != nil || len(told) != 0 {
			t.Errorf("told of what has ended: %+v, %v", told, err)
		}
	})
}

func TestWhatWasNotSentIsTriedAgain(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		defer w.run(w.Custody)()
		c := w.approve("ann", "alpha")
		w.alpha.set(func() { w.alpha.before = down })
		pass(25 * time.Minute)
		_, f, err := w.Find(t.Context(), as("ann"), c.ID)
		if err != nil || f.Health != grant.Retrying || !strings.Contains(f.Detail, "cannot be reached") {
			t.Errorf("%+v, %v", f, err)
		}
		if all := w.List(t.Context()); all[0].ID != "alpha" || all[0].Health != grant.Retrying || all[0].HealthSince.IsZero() || all[1].Health != grant.Fine {
			t.Errorf("%+v", all)
		}
		w.token(c.ID, custody.TokenWish{}) // what is kept is still good
		_, err = w.TokenOf(t.Context(), c.ID, force)
		refused(t, err, fault.Unavailable, "Alpha")
		w.alpha.set(func() { w.alpha.before = nil })
		pass(10 * time.Second)
		if f := w.family(c.ID); f.Health != grant.Fine || f.Detail != "" || f.Failures != 0 || f.Renewals != 1 {
			t.Errorf("%+v", f)
		}
		if all := w.List(t.Context()); all[0].Health != grant.Fine {
			t.Errorf("%+v", all[0])
		}
	})
}

func TestTheOperatorIsNeeded(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.approve("ann", "alpha")
		w.alpha.before = func(int) error { return &grant.Refusal{Class: grant.Operator, Code: "invalid_client", Status: 401} }
		_, err := w.TokenOf(t.Context(), c.ID, force)
		refused(t, err, fault.Unavailable, "invalid_client", "people who run this server")
		if f := w.family(c.ID); f.Health != grant.NeedsOperator {
			t.Errorf("%+v", f)
		}
		w.token(c.ID, custody.TokenWish{})
		w.alpha.before = nil
		pass(time.Minute)
		w.token(c.ID, force)
	})
}

// killed is a store whose server dies between the provider's answer and the commit.
type killed struct {
	*store.Store
	dead bool
}

func (k *killed) SaveRenewal(ctx context.Context, f grant.Family, owner string, kept *grant.Kept, died *notice.Deed) error {
	if k.dead {
		return errors.Join(context.Canceled, fault.New(fault.NotFound, "this server was killed"))
	}
	return k.Store.SaveRenewal(ctx, f, owner, kept, died)
}

func TestAKillBeforeTheCommit(t *testing.T) {
	for name, tc := range map[string]struct {
		grace time.Duration
		want  grant.Health
	}{
		"of a provider with a grace":          {time.Minute, grant.Fine},
		"of a provider that notices each use": {0, grant.NeedsSignIn},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				w.alpha.grace = tc.grace
				c := w.approve("ann", "alpha")
				w.token(c.ID, custody.TokenWish{})
				k := &killed{Store: w.store, dead: true}
				if _, err := w.another(k).TokenOf(t.Context(), c.ID, force); err == nil {
					t.Error("a token was handed out whose refresh token is nowhere")
				}
				if f := w.family(c.ID); f.Attempts != 1 || f.AttemptAt.IsZero() || f.Refresh != "refresh-alpha-0-1" {
					t.Errorf("%+v", f)
				}
				w.token(c.ID, custody.TokenWish{}) // what is kept is handed out meanwhile
				pass(21 * time.Second)             // the lease ends
				got, err := w.TokenOf(t.Context(), c.ID, force)
				if f := w.family(c.ID); f.Health != tc.want || f.Attempts != 0 {
					t.Errorf("%+v", f)
				}
				switch {
				case tc.want == grant.Fine && (err != nil || got.Access != "access-alpha-0-2"):
					t.Errorf("got %q, %v", got.Access.Reveal(), err)
				case tc.want != grant.Fine:
					refused(t, err, fault.Conflict, "lanyard token approve alpha")
				}
				if strings.Contains(w.log.String(), "refresh-alpha") || strings.Contains(w.log.String(), "access-alpha") {
					t.Errorf("the log shows a token: %s", w.log)
				}
			})
		})
	}
}

func TestADatabaseThatIsAwayForAWhile(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.approve("ann", "alpha")
		away := &absent{Store: w.store}
		if got, err := w.another(away).TokenOf(t.Context(), c.ID, force); err != nil || got.Access != "access-alpha-0-2" || away.n != 5 {
			t.Errorf("got %q, %v after %d tries", got.Access.Reveal(), err, away.n)
		}
		if f := w.family(c.ID); f.Refresh != "refresh-alpha-0-2" {
			t.Errorf("%+v", f)
		}
	})
}

// absent is a store whose database does not take four outcomes.
type absent struct {
	*store.Store
	n int
}

func (a *absent) SaveRenewal(ctx context.Context, f grant.Family, owner string, kept *grant.Kept, died *notice.Deed) error {
	if a.n++; a.n < 5 {
		return fault.New(fault.Unavailable, "the database does not answer")
	}
	return a.Store.SaveRenewal(ctx, f, owner, kept, died)
}

func TestNothingBeginsOnceTheServerStops(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.approve("ann", "alpha")
		stop := w.run(w.Custody)
		w.alpha.set(func() { w.alpha.took = 5 * time.Second })
		go func() { _, _ = w.TokenOf(t.Context(), c.ID, force) }()
		pass(time.Second)
		stop()
		if f := w.family(c.ID); f.Refresh != "refresh-alpha-0-2" {
			t.Errorf("the server stopped before it wrote down what it got: %+v", f)
		}
		_, err := w.TokenOf(t.Context(), c.ID, force)
		refused(t, err, fault.Unavailable, "stops")
		w.token(c.ID, custody.TokenWish{})
	})
}
