package login_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
)

// ask starts a device request of a login node.
func (w *world) ask() login.DeviceCode {
	w.t.Helper()
	d, err := w.StartDevice(w.t.Context(), login.DeviceRequest{ClientID: client, Host: "lumi-login2.csc.fi", Scopes: scopes}, from("198.51.100.7"))
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) poll(d login.DeviceCode) (login.Grant, error) {
	return w.PollDevice(w.t.Context(), login.Redemption{ClientID: client, Proof: d.Code}, from("198.51.100.7"))
}

func TestDeviceFlow(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	d := w.ask()
	if !regexp.MustCompile(`^[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}$`).MatchString(d.UserCode) || d.Interval != 5*time.Second {
		t.Errorf("code %q, interval %s", d.UserCode, d.Interval)
	}
	if _, err := w.poll(d); !errors.Is(err, login.ErrPending) {
		t.Errorf("error %v", err)
	}
	w.clock.Move(20 * time.Second)
	got, err := w.FindDevice(t.Context(), anna, " "+strings.ToLower(strings.Replace(d.UserCode, "-", " ", 1))+"\n")
	if err != nil {
		t.Fatal(err)
	}
	if got.Host != "lumi-login2.csc.fi" || got.Address != "198.51.100.7" || got.ClientID != client || got.UserCode != d.UserCode ||
		w.clock.Now().Sub(got.AskedAt).Truncate(time.Second) != 20*time.Second || !slices.Equal(got.Scopes, scopes) {
		t.Errorf("shown %+v", got)
	}
	// Looking decides nothing.
	if _, err := w.poll(d); !errors.Is(err, login.ErrPending) {
		t.Errorf("error %v", err)
	}
	if err := w.DecideDevice(t.Context(), anna, d.UserCode, true); err != nil {
		t.Fatal(err)
	}
	wants(t, w.DecideDevice(t.Context(), anna, d.UserCode, false), fault.Conflict, "was approved already")
	g, err := w.poll(d) // at once: an approval makes nobody wait
	if err != nil {
		t.Fatal(err)
	}
	if g.Account.ID != anna.AccountID || g.Session.Host != "lumi-login2.csc.fi" || g.Refresh == "" || !w.works(g.Access) ||
		!g.Session.AuthenticatedAt.Equal(anna.AuthenticatedAt) {
		t.Errorf("granted %+v", g)
	}
	if _, err := w.poll(d); !errors.Is(err, login.ErrGrant) {
		t.Errorf("a second time: %v", err)
	}
	if !w.works(g.Access) {
		t.Error("a late poll ended the session")
	}
	records, err := w.store.Audit(t.Context(), audit.Filter{Subject: g.Session.ID})
	if err != nil || len(records) != 1 || records[0].Actor != anna.AccountID || records[0].Detail["host"] != "lumi-login2.csc.fi" {
		t.Errorf("audit trail %+v, error %v", records, err)
	}
}

func TestDeviceEnds(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	t.Run("refused", func(t *testing.T) {
		d := w.ask()
		if err := w.DecideDevice(t.Context(), anna, d.UserCode, false); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := w.poll(d); !errors.Is(err, login.ErrRefused) {
				t.Errorf("error %v", err)
			}
		}
		wants(t, w.DecideDevice(t.Context(), anna, d.UserCode, true), fault.Conflict, "was refused already")
		if !strings.Contains(w.log.String(), "device request refused") {
			t.Errorf("log says %q", w.log)
		}
	})
	t.Run("another client's code", func(t *testing.T) {
		d := w.ask()
		if err := w.DecideDevice(t.Context(), anna, d.UserCode, true); err != nil {
			t.Fatal(err)
		}
		if _, err := w.PollDevice(t.Context(), login.Redemption{ClientID: "hub", Proof: d.Code}, from("192.0.2.66")); !errors.Is(err, login.ErrGrant) {
			t.Errorf("error %v", err)
		}
		if _, err := w.poll(d); err != nil {
			t.Errorf("its own client: %v", err)
		}
	})
	t.Run("a code in place of the device's", func(t *testing.T) {
		d := w.ask()
		d.Code = "WDJB-MJHT"
		if _, err := w.poll(d); !errors.Is(err, login.ErrGrant) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("expired", func(t *testing.T) {
		d := w.ask()
		w.clock.Move(10 * time.Minute)
		if _, err := w.poll(d); !errors.Is(err, login.ErrExpired) {
			t.Errorf("error %v", err)
		}
		wants(t, w.DecideDevice(t.Context(), anna, d.UserCode, true), fault.NotFound, "it has ended")
		w.clock.Move(10 * time.Minute)
		if _, err := w.poll(d); !errors.Is(err, login.ErrGrant) {
			t.Errorf("long after: %v", err)
		}
	})
	t.Run("approved too late", func(t *testing.T) {
		_, anna := w.signIn("anna")
		d := w.ask()
		if err := w.DecideDevice(t.Context(), anna, d.UserCode, true); err != nil {
			t.Fatal(err)
		}
		w.clock.Move(10 * time.Minute)
		if _, err := w.poll(d); !errors.Is(err, login.ErrExpired) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("stopped meanwhile", func(t *testing.T) {
		_, ben := w.signIn("ben")
		d := w.ask()
		if err := w.DecideDevice(t.Context(), ben, d.UserCode, true); err != nil {
			t.Fatal(err)
		}
		w.freeze(ben.AccountID, "test")
		if _, err := w.poll(d); !errors.Is(err, login.ErrGrant) {
			t.Errorf("error %v", err)
		}
	})
}

// An honest client that was told to slow down is served again; a hasty one is not.
func TestSlowDown(t *testing.T) {
	w := newWorld(t)
	d := w.ask()
	for i, step := range []struct {
		wait time.Duration
		want error
	}{
		{0, login.ErrPending},
		{4 * time.Second, login.ErrPending},  // a second early is fine
		{3 * time.Second, login.ErrSlowDown}, // now every 10 seconds
		{3 * time.Second, login.ErrSlowDown}, // and that refusal counts for nothing
		{3 * time.Second, login.ErrPending},  // 9 seconds after the last that was answered
		{5 * time.Second, login.ErrSlowDown},
		{5 * time.Second, login.ErrPending}, // still 10: it grows once only
		{10 * time.Second, login.ErrPending},
	} {
		w.clock.Move(step.wait)
		if _, err := w.poll(d); !errors.Is(err, step.want) {
			t.Errorf("poll %d: %v, want %v", i, err, step.want)
		}
	}
}

// Guessing codes: five wrong ones a minute, by account and by address, and then no right one either.
func TestDeviceCodesAreNotGuessed(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	_, ben := w.signIn("ben")
	d := w.ask()
	for _, wrong := range []string{"AAAA-AAAA", "", "2222", "----", "ÄÖÜ\x00"} {
		_, err := w.FindDevice(t.Context(), anna, wrong)
		wants(t, err, fault.NotFound, "no such code")
	}
	_, err := w.FindDevice(t.Context(), anna, d.UserCode)
	wants(t, err, fault.Limited, "too many")
	wants(t, w.DecideDevice(t.Context(), anna, d.UserCode, true), fault.Limited, "too many")
	elsewhere := anna
	elsewhere.Address = "203.0.113.9"
	wants(t, w.DecideDevice(t.Context(), elsewhere, d.UserCode, true), fault.Limited, "too many")
	wants(t, w.DecideDevice(t.Context(), ben, d.UserCode, true), fault.Limited, "too many") // same address
	ben.Address = "203.0.113.9"
	if _, err := w.FindDevice(t.Context(), ben, d.UserCode); err != nil {
		t.Errorf("another person elsewhere: %v", err)
	}
	w.clock.Move(time.Minute)
	for range 10 { // right ones are free
		if _, err := w.FindDevice(t.Context(), anna, d.UserCode); err != nil {
			t.Error(err)
		}
	}
}

// Only a person at a browser approves: no robot, no stolen token, no operator.
func TestWhoMayApproveDevices(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	w.project("climate", anna.AccountID, identity.Manager)
	_, token, err := w.CreateRobot(t.Context(), identity.System(), "climate", login.RobotOrder{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	robot, err := w.Actor(t.Context(), token, from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := w.Actor(t.Context(), w.grant(anna).Access, from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	d := w.ask()
	for name, by := range map[string]identity.Actor{"robot": robot, "program": program, "operator": identity.System()} {
		t.Run(name, func(t *testing.T) {
			_, err := w.FindDevice(t.Context(), by, d.UserCode)
			wants(t, err, fault.Denied, "only a person")
			wants(t, w.DecideDevice(t.Context(), by, d.UserCode, true), fault.Denied, "only a person")
		})
	}
}

func TestDeviceRequestsAreLimited(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		w.ask()
	}
	_, err := w.StartDevice(t.Context(), login.DeviceRequest{ClientID: client, Host: "x"}, from("198.51.100.7"))
	wants(t, err, fault.Limited, "too many")
}

// FuzzUserCode: whatever is typed, only the code itself finds the request.
func FuzzUserCode(f *testing.F) {
	for _, s := range []string{"", "-", "AAAA-AAAA", "%", "' OR 1=1 --", "\x00", "ＡＡＡＡ", "I0O1", strings.Repeat("A", 10000)} {
		f.Add(s)
	}
	shared := newWorld(f)
	f.Fuzz(func(t *testing.T, typed string) {
		w := *shared
		w.t = t
		w.clock.Move(time.Minute) // past the limit of guesses
		_, anna := w.signIn("anna")
		w.ask()
		_, err := w.FindDevice(t.Context(), anna, typed)
		wants(t, err, fault.NotFound, "no such code")
	})
}
