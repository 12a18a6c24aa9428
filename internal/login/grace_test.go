package login_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/material"
)

const grace = time.Minute

// spend shows a refresh token with the grace that most clients have.
func (w *world) spend(token material.Secret) (login.Grant, error) {
	return w.Refresh(w.t.Context(), login.Redemption{ClientID: client, Proof: token, Grace: grace}, from("192.0.2.1"))
}

// Within the grace everybody who shows one token gets one successor, as its text and as a token that
// works, and an access token each.
func TestRefreshAtOnceWithinTheGrace(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	first := w.grant(anna)
	got := make([]login.Grant, 64)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = w.spend(first.Refresh); err != nil {
				t.Errorf("error %v", err)
			}
		})
	}
	wg.Wait()
	seen := map[material.Secret]bool{}
	for _, g := range got {
		if g.Refresh != got[0].Refresh || g.Refresh == first.Refresh || !w.works(g.Access) || seen[g.Access] {
			t.Fatalf("got %q and %q", g.Refresh.Reveal(), g.Access.Reveal())
		}
		seen[g.Access] = true
	}
	if _, err := w.spend(got[0].Refresh); err != nil {
		t.Errorf("the successor: %v", err)
	}
	// Nothing in the files tells the successor to somebody who has no token of the family.
	if files := w.files(); strings.Contains(files, got[0].Refresh.Reveal()) || strings.Contains(files, got[0].Refresh.Reveal()[4:56]) {
		t.Error("a refresh token lies in the database")
	}
}

func TestTheEndOfTheGrace(t *testing.T) {
	for name, reuse := range map[string]func(w *world, first, second login.Grant) error{
		"a minute later": func(w *world, first, _ login.Grant) error {
			w.clock.Move(grace)
			_, err := w.spend(first.Refresh)
			return err
		},
		"once the successor was spent": func(w *world, first, second login.Grant) error {
			if _, err := w.spend(second.Refresh); err != nil {
				return err
			}
			_, err := w.spend(first.Refresh)
			return err
		},
		"by a client without grace": func(w *world, first, _ login.Grant) error {
			_, err := w.Refresh(t.Context(), login.Redemption{ClientID: client, Proof: first.Refresh}, from("192.0.2.66"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, anna := w.signIn("anna")
			first := w.grant(anna)
			second, err := w.spend(first.Refresh)
			if err != nil {
				t.Fatal(err)
			}
			if err := reuse(w, first, second); !errors.Is(err, login.ErrGrant) {
				t.Errorf("error %v", err)
			}
			if _, err := w.spend(second.Refresh); !errors.Is(err, login.ErrGrant) || w.works(second.Access) {
				t.Errorf("the family outlived the reuse: %v", err)
			}
			if got := w.audited(audit.Filter{Subject: first.Session.ID}); !slices.Contains(got, "session.end (refresh token used twice)") {
				t.Errorf("audit trail %q", got)
			}
		})
	}
	t.Run("another client", func(t *testing.T) {
		w := newWorld(t)
		_, anna := w.signIn("anna")
		first := w.grant(anna)
		second, err := w.spend(first.Refresh)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Refresh(t.Context(), login.Redemption{ClientID: "hub", Proof: first.Refresh, Grace: grace}, from("192.0.2.66")); !errors.Is(err, login.ErrGrant) {
			t.Errorf("error %v", err)
		}
		if _, err := w.spend(second.Refresh); err != nil {
			t.Errorf("a stranger's guess ended the family: %v", err)
		}
	})
}

// An issuer that makes the access token itself is asked before anything is written.
func TestMintersAreAskedFirst(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	var id string
	no, refuses := errors.New("no"), true
	mint := func(_ context.Context, s session.Session, a identity.Account) (material.Secret, time.Time, error) {
		if id = s.ID; refuses {
			return "", time.Time{}, no
		}
		return material.Secret("minted for " + a.ID), w.clock.Now().Add(time.Hour), nil
	}
	code := w.code(anna, scopes...)
	p := login.Redemption{ClientID: client, Proof: code, RedirectURI: returnTo, Verifier: verifier, Mint: mint}
	if _, err := w.RedeemCode(t.Context(), p, from("192.0.2.1")); !errors.Is(err, no) {
		t.Fatalf("error %v", err)
	}
	refuses = false
	g, err := w.RedeemCode(t.Context(), p, from("192.0.2.1"))
	if err != nil || g.Access != material.Secret("minted for "+anna.AccountID) || g.Session.ID != id || !strings.HasPrefix(id, "ses_") {
		t.Fatalf("granted %+v for session %s, error %v", g, id, err)
	}
	refuses = true
	p = login.Redemption{ClientID: client, Proof: g.Refresh, Mint: mint}
	if _, err := w.Refresh(t.Context(), p, from("192.0.2.1")); !errors.Is(err, no) {
		t.Errorf("error %v", err)
	}
	refuses = false
	if _, err := w.Refresh(t.Context(), p, from("192.0.2.1")); err != nil {
		t.Errorf("a refusal spent the refresh token: %v", err)
	}
}
