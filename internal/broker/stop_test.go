package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/store"
)

// A whole is what the operator can stop with one command.
type whole struct {
	freeze, thaw func(w *world) (broker.Receipt, error)
	why          credential.Reason
	sessions     int // that end
}

func wholes() map[string]whole {
	return map[string]whole{
		"account": {
			func(w *world) (broker.Receipt, error) {
				return w.FreezeAccount(w.t.Context(), operator(), "usr_ann", "key found on the web")
			},
			func(w *world) (broker.Receipt, error) { return w.ThawAccount(w.t.Context(), operator(), "ann") },
			credential.AccountFrozen, 2,
		},
		"project": {
			func(w *world) (broker.Receipt, error) {
				return w.FreezeProject(w.t.Context(), operator(), "climate", "key found on the web")
			},
			func(w *world) (broker.Receipt, error) { return w.ThawProject(w.t.Context(), operator(), w.climate.ID) },
			credential.ProjectFrozen, 0,
		},
		"provider": {
			func(w *world) (broker.Receipt, error) {
				return w.FreezeProvider(w.t.Context(), operator(), "https://idp.example", "key found on the web")
			},
			func(w *world) (broker.Receipt, error) {
				return w.ThawProvider(w.t.Context(), operator(), "https://idp.example")
			},
			credential.ProviderFrozen, 3,
		},
	}
}

// signIn gives an account a session.
func (w *world) signIn(name string) {
	w.t.Helper()
	s := session.Session{ID: fmt.Sprintf("ses_%s_%d", name, len(name)+int(w.records())), Kind: session.Browser, AccountID: "usr_" + name, CreatedAt: start, ExpiresAt: start.Add(hour)}
	_, err := w.store.InsertSession(w.t.Context(), s, nil, nil, audit.Record{At: start, Action: "test.sign_in"})
	w.check(err)
}

func TestStopAndReadmit(t *testing.T) {
	for name, x := range wholes() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.signIn("ann")
			w.signIn("ann")
			w.signIn("bob")
			alive, short, own, gone := w.issue("ann", 24*hour), w.issue("ann", hour), w.issue("ann", 24*hour), w.issue("ann", 24*hour)
			_, err := w.Freeze(t.Context(), w.as("ann"), own.ID, audit.Once{})
			w.check(err)
			_, err = w.End(t.Context(), w.as("ann"), gone.ID, audit.Once{})
			w.check(err)

			r, err := x.freeze(w)
			w.check(err)
			if ids := idsOf(r.Credentials); len(ids) != 2 || !ids[alive.ID] || !ids[short.ID] || r.Sessions != x.sessions || r.RefusedSince.IsZero() {
				t.Errorf("receipt %+v", r)
			}
			w.is(alive.ID, credential.Frozen, x.why)
			w.is(own.ID, credential.Frozen, credential.FrozenByOwner)
			w.is(gone.ID, credential.Ending, credential.Deleted)
			if a := w.actions(alive.ID); !slices.Equal(a, []string{"s3key.create", "s3key.freeze"}) {
				t.Errorf("recorded %q", a)
			}
			for _, by := range []identity.Actor{w.as("max"), operator()} {
				for _, id := range []string{alive.ID, own.ID} {
					if _, err := w.Thaw(t.Context(), by, id, audit.Once{}); err == nil {
						t.Errorf("%s thawed a key while the %s is stopped", by.Name, name)
					}
				}
			}
			if _, err := w.Issue(t.Context(), w.as("ann"), order(hour), audit.Once{}); err == nil {
				t.Errorf("a key was made while the %s is stopped", name)
			}

			again, err := x.freeze(w)
			w.check(err)
			if len(again.Credentials) != 0 {
				t.Errorf("stopped twice: %+v", again)
			}
			w.clock.Move(2 * hour)
			back, err := x.thaw(w)
			w.check(err)
			if ids := idsOf(back.Credentials); len(ids) != 1 || !ids[alive.ID] {
				t.Errorf("came back: %+v", back)
			}
			w.is(alive.ID, credential.Active, "")
			w.is(short.ID, credential.Frozen, x.why) // expired; the sweeper ends it
			w.is(own.ID, credential.Frozen, credential.FrozenByOwner)
			w.is(gone.ID, credential.Ending, credential.Deleted)
			_, err = w.Thaw(t.Context(), w.as("ann"), own.ID, audit.Once{})
			w.check(err)
			w.issue("ann", hour)
			again, err = x.thaw(w)
			w.check(err)
			if len(again.Credentials) != 0 {
				t.Errorf("readmitted twice: %+v", again)
			}
		})
	}
}

func idsOf(cs []credential.Credential) map[string]bool {
	ids := map[string]bool{}
	for _, c := range cs {
		ids[c.ID] = true
	}
	return ids
}

// Where two wholes are stopped, a key is back only when both are readmitted, in either order.
func TestStopsOverlap(t *testing.T) {
	for first, x := range wholes() {
		for second, y := range wholes() {
			if first == second {
				continue
			}
			t.Run(first+" and "+second, func(t *testing.T) {
				w := newWorld(t)
				c := w.issue("ann", hour)
				for _, do := range []func(*world) (broker.Receipt, error){x.freeze, y.freeze, x.thaw} {
					_, err := do(w)
					w.check(err)
				}
				w.is(c.ID, credential.Frozen, y.why)
				rs, err := w.store.Audit(t.Context(), audit.Filter{Subject: c.ID})
				w.check(err)
				for _, r := range rs[:len(rs)-1] {
					if r.Detail["state"] != "frozen" {
						t.Errorf("it was in force for a moment: %+v", r)
					}
				}
				r, err := y.thaw(w)
				w.check(err)
				w.is(c.ID, credential.Active, "")
				if len(r.Credentials) != 1 {
					t.Errorf("receipt %+v", r)
				}
			})
		}
	}
}

// What comes into force while the stop is under way is stopped too.
func TestStopSeesWhatCameMeanwhile(t *testing.T) {
	w := newWorld(t)
	first := w.issue("ann", hour)
	var second credential.Credential
	w.Store = &upset{Store: w.store, between: func() { second = w.issue("ann", hour) }}
	r, err := w.FreezeAccount(t.Context(), operator(), "ann", "")
	w.check(err)
	if ids := idsOf(r.Credentials); len(ids) != 2 || !ids[second.ID] {
		t.Errorf("receipt %+v", r)
	}
	w.is(first.ID, credential.Frozen, credential.AccountFrozen)
	w.is(second.ID, credential.Frozen, credential.AccountFrozen)
}

// One changed row does not keep the others of its batch from being stopped.
func TestStopWhenAnotherChangeCameFirst(t *testing.T) {
	w := newWorld(t)
	a, b, own := w.issue("ann", hour), w.issue("ann", hour), w.issue("ann", hour)
	w.Store = &upset{Store: w.store, between: func() {
		_, err := w.End(t.Context(), w.as("ann"), a.ID, audit.Once{})
		w.check(err)
		_, err = w.Freeze(t.Context(), w.as("ann"), own.ID, audit.Once{})
		w.check(err)
	}}
	r, err := w.FreezeAccount(t.Context(), operator(), "ann", "")
	w.check(err)
	if ids := idsOf(r.Credentials); len(ids) != 1 || !ids[b.ID] {
		t.Errorf("receipt %+v", r)
	}
	w.is(a.ID, credential.Ending, credential.Deleted)
	w.is(b.ID, credential.Frozen, credential.AccountFrozen)
	w.is(own.ID, credential.Frozen, credential.FrozenByOwner)
}

func TestStopMany(t *testing.T) {
	w := newWorld(t)
	const n = 1203 // three batches
	for i := range n {
		c := credential.Credential{ID: fmt.Sprintf("crd_%05d", i), Kind: "s3key", ProjectID: w.climate.ID, OwnerID: "usr_ann", Name: "many",
			PublicID: fmt.Sprintf("LYD%017d", i), Status: credential.Active, CreatedAt: start, ExpiresAt: start.Add(hour), DueAt: start.Add(hour)}
		_, err := w.store.InsertCredential(t.Context(), c, credential.State("x"), did())
		w.check(err)
	}
	begun := time.Now()
	r, err := w.FreezeAccount(t.Context(), operator(), "ann", "")
	w.check(err)
	t.Logf("stopped %d keys in %s", n, time.Since(begun))
	if len(idsOf(r.Credentials)) != n {
		t.Errorf("stopped %d, want %d", len(r.Credentials), n)
	}
	begun = time.Now()
	r, err = w.ThawAccount(t.Context(), operator(), "ann")
	w.check(err)
	t.Logf("readmitted them in %s", time.Since(begun))
	if len(idsOf(r.Credentials)) != n {
		t.Errorf("readmitted %d, want %d", len(r.Credentials), n)
	}
	rs, err := w.store.Audit(t.Context(), audit.Filter{Project: w.climate.ID})
	w.check(err)
	if len(rs) != 2*n {
		t.Errorf("%d records, want %d", len(rs), 2*n)
	}
}

// failing is a store in which noting that something is stopped fails.
type failing struct{ *store.Store }

func (failing) SaveAccount(context.Context, identity.Account, audit.Change) error { return errBroken }

// Whatever breaks: too much is frozen, never too little, and doing it again completes it.
func TestStopThatBreaksInTheMiddle(t *testing.T) {
	w := newWorld(t)
	c := w.issue("ann", hour)
	w.Store = failing{w.store}
	r, err := w.FreezeAccount(t.Context(), operator(), "ann", "")
	if !errors.Is(err, errBroken) || len(r.Credentials) != 1 || !r.RefusedSince.IsZero() {
		t.Errorf("receipt %+v, %v", r, err)
	}
	w.is(c.ID, credential.Frozen, credential.AccountFrozen)
	w.Store = w.store
	_, err = w.FreezeAccount(t.Context(), operator(), "ann", "")
	w.check(err)
	r, err = w.ThawAccount(t.Context(), operator(), "ann")
	w.check(err)
	if len(r.Credentials) != 1 {
		t.Errorf("readmitted %+v", r)
	}
}

func TestAFrozenRobotKeepsItsToken(t *testing.T) {
	w := newWorld(t)
	w.signIn("bot")
	r, err := w.FreezeAccount(t.Context(), operator(), "usr_bot", "")
	w.check(err)
	if r.Sessions != 0 {
		t.Errorf("%d sessions ended", r.Sessions)
	}
	_, err = w.Issue(t.Context(), w.as("bot"), order(hour), audit.Once{})
	refused(t, err, fault.Denied)
}

func TestStopRefuses(t *testing.T) {
	w := newWorld(t)
	w.person("twin", "https://one.example")
	w.account(identity.Account{ID: "usr_twin2", Kind: identity.Person, Issuer: "https://two.example", Subject: "twin", CreatedAt: start})
	for name, tc := range map[string]struct {
		do   func() error
		code fault.Code
	}{
		"an unknown account":   {func() error { _, err := w.FreezeAccount(t.Context(), operator(), "nobody", ""); return err }, fault.NotFound},
		"no account":           {func() error { _, err := w.FreezeAccount(t.Context(), operator(), "", ""); return err }, fault.NotFound},
		"an ambiguous subject": {func() error { _, err := w.FreezeAccount(t.Context(), operator(), "twin", ""); return err }, fault.Conflict},
		"an unknown project":   {func() error { _, err := w.FreezeProject(t.Context(), operator(), "nowhere", ""); return err }, fault.NotFound},
		"no provider":          {func() error { _, err := w.FreezeProvider(t.Context(), operator(), "", ""); return err }, fault.Invalid},
		"a reason of two lines": {func() error {
			_, err := w.FreezeProject(t.Context(), operator(), "climate", "one\ntwo")
			return err
		}, fault.Invalid},
	} {
		if err := tc.do(); fault.CodeOf(err) != tc.code {
			t.Errorf("%s: got %v, want %s", name, err, tc.code)
		}
	}
}

func TestTheReasonIsShown(t *testing.T) {
	w := newWorld(t)
	_, err := w.FreezeAccount(t.Context(), operator(), "ann", "key found on the web")
	w.check(err)
	_, err = w.ListProjects(t.Context(), w.as("ann"))
	refused(t, err, fault.Denied)
	if want := "your account is stopped: key found on the web"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
