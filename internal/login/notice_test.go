package login_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/material"
)

// The owner is told of a reuse once, whoever shows the old token how often; and every program that
// shows any token of the family is told why it is refused.
func TestReuseIsTold(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	first, bystander := w.grant(anna), w.grant(anna)
	second, err := w.spend(first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Move(grace)
	why := func(name string, err error) {
		t.Helper()
		f := fault.Public(err)
		if !errors.Is(err, login.ErrReused) || f.Code != fault.Unauthenticated || f.Hint != "sign in again: lanyard login" ||
			!strings.HasPrefix(f.Message, "this sign-in was ended on ") || !strings.HasSuffix(f.Message, " UTC, because somebody used an old copy of its refresh token") {
			t.Errorf("%s: %v (%s)", name, err, f.Hint)
		}
	}
	stolen := login.Redemption{ClientID: client, Proof: first.Refresh, Grace: grace}
	thief := login.Request{Address: "192.0.2.66", Client: "curl/8.5\x1b[31m"}
	for range 3 {
		_, err = w.Refresh(t.Context(), stolen, thief)
		why("the old refresh token", err)
	}
	w.clock.Move(grace) // the time is that of the reuse
	_, err = w.spend(second.Refresh)
	why("the newest refresh token", err)
	for _, token := range []material.Secret{first.Access, second.Access} {
		_, err = w.Actor(t.Context(), token, from("192.0.2.1"))
		why("an access token", err)
	}
	if _, err := w.Refresh(t.Context(), login.Redemption{ClientID: "hub", Proof: second.Refresh}, from("192.0.2.1")); !errors.Is(err, login.ErrGrant) || errors.Is(err, login.ErrReused) {
		t.Errorf("another client is told %v", err)
	}
	if !w.works(bystander.Access) {
		t.Error("another sign-in of the same person ended")
	}
	told, err := w.store.Notices(t.Context(), anna.AccountID)
	if err != nil || len(told) != 1 {
		t.Fatalf("told %+v, error %v", told, err)
	}
	n := told[0]
	if n.Kind != notice.TokenReused || n.Subject != first.Session.ID || n.Name != client || n.Address != "192.0.2.66" || n.Program != "curl/8.5[31m" || !n.At.Equal(w.clock.Now().Add(-grace).Truncate(time.Second)) {
		t.Errorf("told %+v", n)
	}
}

// The reuse of a code is told too; programs are told nothing of it.
func TestReuseOfCodesIsTold(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	c := w.code(anna, scopes...)
	g, err := w.redeem(c)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := w.redeem(c); !errors.Is(err, login.ErrGrant) || errors.Is(err, login.ErrReused) {
			t.Errorf("error %v", err)
		}
	}
	if told, err := w.store.Notices(t.Context(), anna.AccountID); err != nil || len(told) != 1 || told[0].Kind != notice.CodeReused || told[0].Subject != g.Session.ID {
		t.Errorf("told %+v, error %v", told, err)
	}
}

// What ends in any other way is not told of.
func TestOtherEndsAreNotTold(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	for name, end := range map[string]func(login.Grant) error{
		"by the owner":  func(g login.Grant) error { return w.EndSession(t.Context(), anna, g.Session.ID) },
		"by its client": func(g login.Grant) error { return w.Revoke(t.Context(), client, g.Refresh, from("192.0.2.1")) },
		"by itself":     func(login.Grant) error { w.clock.Move(login.ClientLife); return nil },
	} {
		_, anna = w.signIn("anna")
		g := w.grant(anna)
		if _, err := w.spend(g.Refresh); err != nil {
			t.Fatal(err)
		}
		if err := end(g); err != nil {
			t.Fatal(err)
		}
		if _, err := w.spend(g.Refresh); !errors.Is(err, login.ErrGrant) || errors.Is(err, login.ErrReused) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if told, err := w.store.Notices(t.Context(), anna.AccountID); err != nil || len(told) != 0 {
		t.Errorf("told %+v, error %v", told, err)
	}
}
