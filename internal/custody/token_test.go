package custody_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
)

func TestTokensComeFromTheCache(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.approve("ann", "alpha")
		first := w.token(c.ID, custody.TokenWish{})
		if again := w.token(c.ID, custody.TokenWish{}); again.Access != first.Access || w.alpha.byToken["refresh-alpha-0-1"].refreshes != 1 {
			t.Errorf("%+v after %+v", again, first)
		}
		if got := w.token(c.ID, force); got.Access == first.Access || got.Refresh != "" {
			t.Errorf("a new one was wanted: %q", got.Access.Reveal())
		}
		if got := w.token(c.ID, custody.TokenWish{MinValid: 50 * time.Minute}); got.Access != "access-alpha-0-2" {
			t.Errorf("there was one that lives long enough, and we got %q", got.Access.Reveal())
		}
		pass(12 * time.Minute)
		if got := w.token(c.ID, custody.TokenWish{MinValid: 50 * time.Minute}); got.Access != "access-alpha-0-3" {
			t.Errorf("50 minutes were wanted, and we got %q", got.Access.Reveal())
		}
		if got := w.token(c.ID, custody.TokenWish{MinValid: 50 * time.Hour}); got.Access != "access-alpha-0-3" {
			t.Errorf("no token lives longer, and we got %q", got.Access.Reveal())
		}
		f := w.family(c.ID)
		if f.Renewals != 2 || f.Health != grant.Fine || f.Refresh != "refresh-alpha-0-3" || f.Attempts != 0 || !f.AttemptAt.IsZero() || !f.LeaseUntil.IsZero() {
			t.Errorf("%+v", f)
		}
	})
}

func TestWishes(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.approve("ann", "alpha", "openid", "storage.read:/", "compute.read")
		own := w.token(c.ID, wish("compute.read", "storage.read:/", "openid"))
		if own.Access != "access-alpha-0-1" {
			t.Errorf("a wish for all there is gave %q", own.Access.Reveal())
		}
		narrow := w.token(c.ID, wish("storage.read:/data"))
		if again := w.token(c.ID, wish("storage.read:/data")); again.Access != narrow.Access || narrow.Access != "access-alpha-0-2" {
			t.Errorf("%q, then %q", narrow.Access.Reveal(), again.Access.Reveal())
		}
		if asked := w.alpha.see().asked[len(w.alpha.see().asked)-1]; len(asked.Scopes) != 1 || asked.Scopes[0] != "storage.read:/data" {
			t.Errorf("asked for %v", asked)
		}
		_, err := w.TokenOf(t.Context(), c.ID, wish("storage.modify:/"))
		refused(t, err, fault.Denied, "storage.modify:/ was not granted")
		w.alpha.set(func() { w.alpha.wide = true })
		_, err = w.TokenOf(t.Context(), c.ID, wish("compute.read"))
		refused(t, err, fault.Conflict, "more than was asked for", "storage.read:/")
		if f := w.family(c.ID); f.Refresh != "refresh-alpha-0-3" {
			t.Errorf("the refresh token that came with a refused token is lost: %+v", f)
		}
		w.alpha.set(func() {
			w.alpha.wide = false
			w.alpha.before = func(int) error { return &grant.Refusal{Class: grant.Operator, Code: "invalid_scope", Status: 400} }
		})
		_, err = w.TokenOf(t.Context(), c.ID, wish("openid"))
		refused(t, err, fault.Denied, "invalid_scope")
		if f := w.family(c.ID); f.Health != grant.Fine {
			t.Errorf("a wish that is refused made the grant %s", f.Health)
		}
	})
}

func TestWhoGetsTokens(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.approve("ann", "alpha")
		for _, ref := range []string{c.ID, "jobs at alpha", "alpha", c.PublicID} {
			if got, err := w.Token(t.Context(), as("ann"), ref, custody.TokenWish{}); err != nil || got.Access == "" || got.GrantID != c.ID || got.Provider != "alpha" {
				t.Errorf("ann by %q: of %s at %s: %v", ref, got.GrantID, got.Provider, err)
			}
			_, err := w.Token(t.Context(), as("bob"), ref, custody.TokenWish{})
			refused(t, err, fault.NotFound, "you have no grant")
		}
		_, absent := w.Token(t.Context(), as("ann"), "crd_nobodys", custody.TokenWish{})
		refused(t, absent, fault.NotFound, "you have no grant")
		_, err := w.Token(t.Context(), identity.Actor{Operator: true}, c.ID, custody.TokenWish{})
		refused(t, err, fault.NotFound)
		reader := as("ann")
		reader.Scopes = []identity.Scope{identity.ReadTokens}
		_, err = w.Token(t.Context(), reader, c.ID, custody.TokenWish{})
		refused(t, err, fault.Denied, "tokens:write")
		if _, f, err := w.Find(t.Context(), reader, "alpha"); err != nil || f.Health != grant.Fine || f.Refresh != "" || f.Default.Access != "" || f.Default.AccessExpiresAt.IsZero() {
			t.Errorf("found %+v, %v", f, err)
		}
		w.approve("ann", "alpha")
		_, err = w.Token(t.Context(), as("ann"), "alpha", custody.TokenWish{})
		refused(t, err, fault.Conflict, "2 grants", c.ID)
		_, err = w.Token(t.Context(), as("ann"), "beta", custody.TokenWish{})
		refused(t, err, fault.NotFound, "lanyard token approve beta")
		_, err = w.Token(t.Context(), as("ann"), "gamma", custody.TokenWish{})
		refused(t, err, fault.NotFound)
	})
}

func TestWhatIsStoppedYieldsNothing(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.approve("ann", "alpha")
		_, err := w.broker.Freeze(t.Context(), as("ann"), c.ID, audit.Once{})
		w.check(err)
		_, err = w.TokenOf(t.Context(), c.ID, custody.TokenWish{})
		refused(t, err, fault.Conflict, "frozen", "thaw")
		_, err = w.broker.Thaw(t.Context(), as("ann"), c.ID, audit.Once{})
		w.check(err)
		w.token(c.ID, custody.TokenWish{})
		// A freeze that comes while the provider answers is obeyed too.
		w.alpha.set(func() {
			w.alpha.after = func(int) error {
				_, err := w.broker.Freeze(context.Background(), as("ann"), c.ID, audit.Once{})
				return err
			}
		})
		_, err = w.TokenOf(t.Context(), c.ID, force)
		refused(t, err, fault.Conflict, "frozen")
		w.alpha.set(func() { w.alpha.after = nil })
		if f := w.family(c.ID); f.Refresh != "refresh-alpha-0-2" {
			t.Errorf("the new refresh token was not kept: %v", f.Refresh.Reveal())
		}
		_, err = w.broker.Thaw(t.Context(), as("ann"), c.ID, audit.Once{})
		w.check(err)
		pass(7 * 24 * time.Hour)
		_, err = w.TokenOf(t.Context(), c.ID, custody.TokenWish{})
		refused(t, err, fault.Conflict, "expired")
		waiting := w.order("ann", "beta")
		_, err = w.TokenOf(t.Context(), waiting.ID, custody.TokenWish{})
		refused(t, err, fault.Conflict, "nobody has approved", "https://lanyard.test/approvals/"+waiting.ID)
	})
}

func TestWhoWaitsForATokenMayLeave(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.approve("ann", "alpha")
		w.alpha.set(func() { w.alpha.took = 3 * time.Second })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.TokenOf(ctx, c.ID, force); err == nil {
			t.Error("got a token before the provider gave it")
		}
		pass(5 * time.Second)
		if f := w.family(c.ID); f.Refresh != "refresh-alpha-0-2" || f.Renewals != 1 {
			t.Errorf("what the provider gave is lost: %+v", f)
		}
	})
}

func TestManyWhoWaitAreOneRequest(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.approve("ann", "alpha")
		other := w.another(w.store)
		w.alpha.set(func() { w.alpha.took = 200 * time.Millisecond })
		pass(time.Hour)
		got := make(chan string)
		for i := range 40 {
			server := w.Custody
			if i%2 == 1 {
				server = other
			}
			go func() {
				tokens, err := server.TokenOf(t.Context(), c.ID, custody.TokenWish{})
				if err != nil {
					got <- err.Error()
				}
				got <- tokens.Access.Reveal()
			}()
		}
		for range 40 {
			if access := <-got; access != "access-alpha-0-2" {
				t.Errorf("got %q", access)
			}
		}
		if w.alpha.see().parallel > 0 || w.alpha.see().reused > 0 || len(w.alpha.see().refreshed) != 1 {
			t.Errorf("%d parallel, %d reused, %d requests", w.alpha.see().parallel, w.alpha.see().reused, len(w.alpha.see().refreshed))
		}
	})
}

func TestOurOwnIssuer(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.order("ann", "own")
		got, err := w.Token(t.Context(), as("ann"), "own", wish("storage.read:/data"))
		if err != nil || got.Access != "minted" || strings.Join(got.Scopes, " ") != "storage.read:/data" {
			t.Errorf("%+v, %v", got, err)
		}
		_, f, err := w.Find(t.Context(), as("ann"), c.ID)
		if err != nil || f.Health != grant.Fine || f.Provider != "own" {
			t.Errorf("%+v, %v", f, err)
		}
		_, err = w.Begin(t.Context(), as("ann"), c.ID)
		refused(t, err, fault.Conflict, "need no approval")
	})
}

func TestNarrow(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.approve("ann", "alpha", "openid", "storage.read:/", "compute.read")
		w.token(c.ID, custody.TokenWish{})
		once := audit.Once{Key: "k", Fingerprint: "f"}
		for range 2 {
			if _, err := w.Narrow(t.Context(), as("ann"), "alpha", grant.Wish{Scopes: []string{"storage.read:/data"}}, once); err != nil {
				t.Fatal(err)
			}
		}
		got := w.token(c.ID, custody.TokenWish{})
		if got.Access != "access-alpha-0-2" || strings.Join(w.alpha.see().asked[len(w.alpha.see().asked)-1].Scopes, " ") != "storage.read:/data" {
			t.Errorf("got %q after asking for %v", got.Access.Reveal(), w.alpha.see().asked)
		}
		_, err := w.TokenOf(t.Context(), c.ID, wish("compute.read"))
		refused(t, err, fault.Denied, "was not granted")
		_, err = w.Narrow(t.Context(), as("ann"), c.ID, grant.Wish{Scopes: []string{"compute.read"}}, audit.Once{})
		refused(t, err, fault.Denied)
		_, err = w.Narrow(t.Context(), as("bob"), c.ID, grant.Wish{Scopes: []string{"openid"}}, audit.Once{})
		refused(t, err, fault.NotFound)
		if got := strings.Join(w.records(c.ID), " "); got != "grant.create grant.approve grant.narrow" {
			t.Errorf("on record: %s", got)
		}
	})
}
