package broker_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

func TestIssueMakesAKeyThatWorksAtOnce(t *testing.T) {
	w := newWorld(t)
	o := order(36 * hour)
	o.Spec = []byte(`{"mode":"read"}`)
	got, err := w.Issue(t.Context(), w.as("ann"), o, audit.Once{})
	w.check(err)
	c := got.Credential
	if !c.Usable(start) || !c.ExpiresAt.Equal(start.Add(36*hour)) || c.OwnerID != "usr_ann" || c.ProjectName != "climate" || got.Replayed {
		t.Errorf("got %+v", got)
	}
	if m := got.Material.S3; m == nil || m.AccessKeyID != c.PublicID || len(m.SecretAccessKey.Reveal()) != 40 {
		t.Errorf("material %+v does not fit key %s", m, c.PublicID)
	}
	if w.gates.seen == 0 {
		t.Error("gateways were not waited for")
	}
	back, err := w.Show(t.Context(), w.as("ann"), c.PublicID)
	w.check(err)
	if back.Generation = c.Generation; !cmp.Equal(back, c) {
		t.Errorf("stored differs:\n%s", cmp.Diff(c, back))
	}
	rs, err := w.ListAudit(t.Context(), operator(), audit.Filter{Subject: c.ID})
	w.check(err)
	want := map[string]string{"name": o.Name, "public_id": c.PublicID, "expires_at": "2026-11-23T00:00:00Z", "state": "active", "rights": `{"mode":"read"}`}
	if len(rs) != 1 || rs[0].Action != "s3key.create" || rs[0].Actor != "usr_ann" || rs[0].Project != w.climate.ID || !cmp.Equal(rs[0].Detail, want) {
		t.Errorf("recorded %+v", rs)
	}
	if strings.Contains(rs[0].Detail["rights"], got.Material.S3.SecretAccessKey.Reveal()) {
		t.Error("the record holds the secret")
	}
}

func TestIssueRefuses(t *testing.T) {
	w := newWorld(t)
	with := func(change func(*credential.Order)) credential.Order {
		o := order(hour)
		change(&o)
		return o
	}
	for _, tc := range []struct {
		name string
		by   string
		o    credential.Order
		code fault.Code
	}{
		{"no name", "ann", with(func(o *credential.Order) { o.Name = "" }), fault.Invalid},
		{"a name that disturbs a terminal", "ann", with(func(o *credential.Order) { o.Name = "a\x1b[2J" }), fault.Invalid},
		{"an unknown kind", "ann", with(func(o *credential.Order) { o.Kind = "gold" }), fault.Invalid},
		{"unknown rights", "ann", with(func(o *credential.Order) { o.Spec = []byte(`{"mode":"all"}`) }), fault.Invalid},
		{"too long", "ann", order(maximum + time.Second), fault.Limited},
		{"negative", "ann", order(-hour), fault.Invalid},
		{"until the past", "ann", with(func(o *credential.Order) { o.Life, o.Until = 0, start }), fault.Invalid},
		{"life and end", "ann", with(func(o *credential.Order) { o.Until = start.Add(hour) }), fault.Invalid},
		{"a foreign project", "ann", with(func(o *credential.Order) { o.ProjectID = "ocean" }), fault.NotFound},
		{"no such project", "ann", with(func(o *credential.Order) { o.ProjectID = "nowhere" }), fault.NotFound},
		{"the operator, who has no account", "", order(hour), fault.Denied},
	} {
		t.Run(tc.name, func(t *testing.T) {
			by := operator()
			if tc.by != "" {
				by = w.as(tc.by)
			}
			_, err := w.Issue(t.Context(), by, tc.o, audit.Once{})
			refused(t, err, tc.code)
		})
	}
	cs, err := w.ListCredentials(t.Context(), operator(), credential.Filter{})
	w.check(err)
	if len(cs) != 0 {
		t.Errorf("something was made: %+v", cs)
	}
}

func TestLifetimeIsNarrowedByTheProject(t *testing.T) {
	for _, tc := range []struct {
		name          string
		def, max, end time.Duration
		want          credential.Lifetime
		asked         time.Duration
		gets          time.Duration // 0: Limited
	}{
		{"the installation's rule", 0, 0, 0, credential.Lifetime{Default: 24 * hour, Max: 168 * hour}, 0, 24 * hour},
		{"a project's default", 8 * hour, 0, 0, credential.Lifetime{Default: 8 * hour, Max: 168 * hour}, 0, 8 * hour},
		{"a project's maximum cuts the default", 0, 12 * hour, 0, credential.Lifetime{Default: 12 * hour, Max: 12 * hour}, 0, 12 * hour},
		{"a project's maximum", 0, 48 * hour, 0, credential.Lifetime{Default: 24 * hour, Max: 48 * hour}, 49 * hour, 0},
		{"a project cannot widen", 0, 999 * hour, 0, credential.Lifetime{Default: 24 * hour, Max: 168 * hour}, 169 * hour, 0},
		{"a project's end", 0, 0, 10 * hour, credential.Lifetime{Default: 10 * hour, Max: 10 * hour}, 11 * hour, 0},
		{"up to a project's end", 0, 0, 10 * hour, credential.Lifetime{Default: 10 * hour, Max: 10 * hour}, 10 * hour, 10 * hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			p := w.climate
			p.DefaultLife, p.MaxLife = tc.def, tc.max
			if tc.end > 0 {
				p.EndsAt = start.Add(tc.end)
			}
			if got := w.Lifetime(p, "s3key"); got != tc.want {
				t.Errorf("rule is %+v, want %+v", got, tc.want)
			}
			_, err := w.store.SaveProject(t.Context(), p, did())
			w.check(err)
			got, err := w.Issue(t.Context(), w.as("ann"), order(tc.asked), audit.Once{})
			if tc.gets == 0 {
				refused(t, err, fault.Limited)
				if f := fault.Public(err); tc.end > 0 && !strings.Contains(f.Hint, "project climate ends at 2026-11-21T22:00:00Z") {
					t.Errorf("the hint does not name the project's end: %q", f.Hint)
				}
				return
			}
			w.check(err)
			if !got.Credential.ExpiresAt.Equal(start.Add(tc.gets)) {
				t.Errorf("expires %s, want after %s", got.Credential.ExpiresAt, tc.gets)
			}
		})
	}
}

func TestIssueInAProjectThatIsNotInForce(t *testing.T) {
	w := newWorld(t)
	p := w.climate
	p.EndsAt = start.Add(hour)
	_, err := w.store.SaveProject(t.Context(), p, did())
	w.check(err)
	w.clock.Move(hour)
	_, err = w.Issue(t.Context(), w.as("ann"), order(0), audit.Once{})
	refused(t, err, fault.Conflict)
}

func TestIssueLimits(t *testing.T) {
	w := newWorld(t)
	w.Limits = broker.Limits{KeysPerAccount: 2, KeysPerHour: 3}
	first := w.issue("ann", hour)
	w.issue("ann", 3*hour)
	_, err := w.Issue(t.Context(), w.as("ann"), order(hour), audit.Once{})
	refused(t, err, fault.Limited)
	w.issue("bob", hour) // others are not concerned

	_, err = w.End(t.Context(), w.as("ann"), first.ID, audit.Once{})
	w.check(err)
	w.clock.Move(10 * time.Minute)
	third := w.issue("ann", hour)
	_, err = w.End(t.Context(), w.as("ann"), third.ID, audit.Once{})
	w.check(err)
	_, err = w.Issue(t.Context(), w.as("ann"), order(hour), audit.Once{})
	refused(t, err, fault.Limited)
	if f := fault.Public(err); f.RetryAfter != 50*time.Minute {
		t.Errorf("retry after %s, want 50m", f.RetryAfter)
	}
	w.clock.Move(51 * time.Minute)
	w.issue("ann", hour)
}

func TestIssueLimitHoldsWhenManyAskAtOnce(t *testing.T) {
	w := newWorld(t)
	w.Limits = broker.Limits{KeysPerAccount: 5}
	ann := w.as("ann")
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() { _, _ = w.Issue(t.Context(), ann, order(hour), audit.Once{}) })
	}
	all.Wait()
	cs, err := w.ListCredentials(t.Context(), ann, credential.Filter{})
	w.check(err)
	if len(cs) != 5 {
		t.Errorf("%d keys, want 5", len(cs))
	}
}

func TestIssueOnce(t *testing.T) {
	w := newWorld(t)
	once := audit.Once{Key: "k", Fingerprint: "f"}
	first, err := w.Issue(t.Context(), w.as("ann"), order(hour), once)
	w.check(err)
	again, err := w.Issue(t.Context(), w.as("ann"), order(hour), once)
	w.check(err)
	if !again.Replayed || again.Credential.ID != first.Credential.ID || again.Material.S3.SecretAccessKey != first.Material.S3.SecretAccessKey {
		t.Errorf("the replay differs: %+v, first %+v", again, first)
	}
	_, err = w.Issue(t.Context(), w.as("ann"), order(2*hour), audit.Once{Key: "k", Fingerprint: "other"})
	refused(t, err, fault.Conflict)
	other, err := w.Issue(t.Context(), w.as("bob"), order(hour), once)
	w.check(err)
	if other.Replayed || other.Credential.ID == first.Credential.ID {
		t.Error("bob got ann's key")
	}
	if n := len(w.actions(first.Credential.ID)); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
	_, err = w.End(t.Context(), w.as("ann"), first.Credential.ID, audit.Once{})
	w.check(err)
	_, err = w.Issue(t.Context(), w.as("ann"), order(hour), once)
	refused(t, err, fault.Conflict)
}

// Two servers share the database, so nothing but the database tells them of each other.
func TestIssueOnceWhenManyAskAtOnce(t *testing.T) {
	w := newWorld(t)
	one, two := w.Broker, w.another(w.Now)
	ann := w.as("ann")
	var all sync.WaitGroup
	var mu sync.Mutex
	secrets, made := map[string]bool{}, 0
	for i := range 32 {
		b := one
		if i%2 == 0 {
			b = two
		}
		all.Go(func() {
			got, err := b.Issue(t.Context(), ann, order(hour), audit.Once{Key: "k", Fingerprint: "f"})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			secrets[got.Material.S3.SecretAccessKey.Reveal()] = true
			if !got.Replayed {
				made++
			}
		})
	}
	all.Wait()
	if len(secrets) != 1 || made != 1 {
		t.Errorf("%d secrets, made %d times; want 1 and 1", len(secrets), made)
	}
}

func TestIssueDoesNotFailBecauseGatewaysAreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.gates.stuck = true
		begun := time.Now()
		w.issue("ann", hour)
		if took := time.Since(begun); took > time.Second {
			t.Errorf("took %s, want at most a second", took)
		}
		w.check(w.store.Close())
	})
}

// Whoever stops something and whoever makes something at the same time both look twice.
func TestIssueWhileItsGroundIsTakenAway(t *testing.T) {
	for name, stop := range map[string]func(w *world) (broker.Receipt, error){
		"project": func(w *world) (broker.Receipt, error) {
			return w.FreezeProject(w.t.Context(), operator(), "climate", "")
		},
		"account": func(w *world) (broker.Receipt, error) { return w.FreezeAccount(w.t.Context(), operator(), "ann", "") },
		"provider": func(w *world) (broker.Receipt, error) {
			return w.FreezeProvider(w.t.Context(), operator(), "https://idp.example", "")
		},
		"member": func(w *world) (broker.Receipt, error) {
			return w.RemoveMember(w.t.Context(), operator(), "climate", "ann")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Store = &upset{Store: w.store, between: func() {
				_, err := stop(w)
				w.check(err)
			}}
			_, err := w.Issue(t.Context(), w.as("ann"), order(hour), audit.Once{})
			refused(t, err, fault.Conflict)
			cs, err := w.store.ListCredentials(t.Context(), credential.Filter{})
			w.check(err)
			for _, c := range cs {
				if c.Usable(start) {
					t.Errorf("%s key is in force", c.Status)
				}
			}
		})
	}
}

func TestAgainShowsTheSecretToItsOwnerOnly(t *testing.T) {
	w := newWorld(t)
	got, err := w.Issue(t.Context(), w.as("ann"), order(hour), audit.Once{})
	w.check(err)
	id := got.Credential.ID
	_, err = w.Again(t.Context(), w.as("ann"), id)
	refused(t, err, fault.Denied)
	w.Reveal = true
	again, err := w.Again(t.Context(), w.as("ann"), id)
	w.check(err)
	if again.Material.S3.SecretAccessKey != got.Material.S3.SecretAccessKey {
		t.Error("another secret")
	}
	if a := w.actions(id); !cmp.Equal(a, []string{"s3key.create", "s3key.reveal"}) {
		t.Errorf("recorded %q", a)
	}
	for name, by := range map[string]identity.Actor{"manager": w.as("max"), "operator": operator()} {
		if _, err := w.Again(t.Context(), by, id); fault.CodeOf(err) != fault.Denied {
			t.Errorf("%s: got %v, want denied", name, err)
		}
	}
	reader := w.as("ann")
	reader.Scopes = []identity.Scope{identity.ReadKeys}
	_, err = w.Again(t.Context(), reader, id)
	refused(t, err, fault.Denied)
	_, err = w.Again(t.Context(), w.as("out"), id)
	refused(t, err, fault.NotFound)
	_, err = w.End(t.Context(), w.as("ann"), id, audit.Once{})
	w.check(err)
	_, err = w.Again(t.Context(), w.as("ann"), id)
	refused(t, err, fault.Conflict)
}
