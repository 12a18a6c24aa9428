package broker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/kind/proxy/gridtest"
	"github.com/lanyardhq/lanyard/proxycert"
)

// delegation orders one in climate, for three days.
func delegation() credential.Order {
	return credential.Order{Kind: proxy.Name, ProjectID: "climate", Name: "nightly", Life: 72 * hour,
		Spec: json.RawMessage(`{"way":"delegation","voms":[{"name":"climate"}]}`)}
}

// intend begins a delegation of ann's, and returns it with the request to sign.
func (w *world) intend() (id, request string) {
	w.t.Helper()
	got, err := w.Issue(w.t.Context(), w.as("ann"), delegation(), audit.Once{})
	w.check(err)
	if c := got.Credential; c.Status != credential.Intended || got.Material.X509.Request == "" {
		w.t.Fatalf("it begins %s with %+v", c.Status, got.Material.X509)
	}
	return got.Credential.ID, got.Material.X509.Request
}

// answer signs a request until so long after the start.
func (w *world) answer(person proxycert.Credential, request string, until time.Duration) string {
	w.t.Helper()
	return w.grid.Answer(person, request, proxycert.Template{NotBefore: start, NotAfter: start.Add(until)})
}

// delegated is a delegation in force.
func (w *world) delegated(until time.Duration) string {
	w.t.Helper()
	id, request := w.intend()
	_, err := w.Complete(w.t.Context(), w.as("ann"), id, w.answer(w.grid.Person("Ann", 1000*hour), request, until), audit.Once{})
	w.check(err)
	return id
}

func (w *world) fetch(name, id string) error {
	w.t.Helper()
	_, err := w.Retrieve(w.t.Context(), w.as(name), id, credential.Wish{})
	return err
}

func TestADelegationLives(t *testing.T) {
	w := newWorld(t)
	id, request := w.intend()
	refused(t, w.fetch("ann", id), fault.Conflict)
	_, err := w.Freeze(t.Context(), w.as("ann"), id, audit.Once{})
	refused(t, err, fault.Conflict)
	_, err = w.Extend(t.Context(), w.as("ann"), id, 0, time.Time{}, audit.Once{})
	refused(t, err, fault.Conflict)

	ann := w.grid.Person("Ann", 1000*hour)
	c, err := w.Complete(t.Context(), w.as("ann"), id, w.answer(ann, request, 50*hour), audit.Once{})
	w.check(err)
	if c.Status != credential.Active || !c.ExpiresAt.Equal(start.Add(50*hour)) || !c.DueAt.Equal(c.ExpiresAt) {
		t.Errorf("it is %s until %s, not as long as its chain", c.Status, c.ExpiresAt)
	}
	got, err := w.Retrieve(t.Context(), w.as("ann"), id, credential.Wish{})
	w.check(err)
	if n, keys := gridtest.Certificates(got.Material.X509.PEM.Reveal()); n != 3 || keys != 1 || !got.Material.ExpiresAt.Equal(start.Add(12*hour)) {
		t.Errorf("handed out %d certificates and %d keys until %s", n, keys, got.Material.ExpiresAt)
	}
	if c := w.stored(id); !c.LastUsedAt.Equal(start) || c.LastUsedBy != "test from 192.0.2.17" {
		t.Errorf("last used at %s by %q", c.LastUsedAt, c.LastUsedBy)
	}

	// Nothing outlives the chain, until it is renewed.
	_, err = w.Extend(t.Context(), w.as("ann"), id, 100*hour, time.Time{}, audit.Once{})
	refused(t, err, fault.Limited)
	c, err = w.Complete(t.Context(), w.as("ann"), id, w.answer(ann, request, 100*hour), audit.Once{})
	w.check(err)
	if !c.ExpiresAt.Equal(start.Add(100 * hour)) {
		t.Errorf("renewed, it ends at %s", c.ExpiresAt)
	}
	c, err = w.Complete(t.Context(), w.as("ann"), id, w.answer(ann, request, 900*hour), audit.Once{})
	w.check(err)
	if !c.ExpiresAt.Equal(start.Add(maximum)) {
		t.Errorf("renewed for long, it ends at %s, not by the rule", c.ExpiresAt)
	}
	want := []string{"proxy.create", "proxy.complete", "proxy.retrieve", "proxy.renew", "proxy.renew"}
	if a := w.actions(id); !cmp.Equal(a, want) {
		t.Errorf("recorded %v", a)
	}

	_, err = w.Freeze(t.Context(), w.as("ann"), id, audit.Once{})
	w.check(err)
	refused(t, w.fetch("ann", id), fault.Conflict)
	_, err = w.Complete(t.Context(), w.as("ann"), id, w.answer(ann, request, 950*hour), audit.Once{})
	refused(t, err, fault.Conflict)
	_, err = w.Thaw(t.Context(), w.as("ann"), id, audit.Once{})
	w.check(err)
	w.check(w.fetch("ann", id))
	_, err = w.End(t.Context(), w.as("ann"), id, audit.Once{})
	w.check(err)
	refused(t, w.fetch("ann", id), fault.Conflict)
}

// TestWhatEndedIsDestroyed: at the next sweep nothing of it is left but what lists show.
func TestWhatEndedIsDestroyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		forgotten, _ := w.intend()
		deleted, expired := w.delegated(50*hour), w.delegated(2*hour)
		_, err := w.End(t.Context(), w.as("ann"), deleted, audit.Once{})
		w.check(err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		w.clock.Move(2 * hour)
		time.Sleep(3 * time.Second)
		stop()
		w.check(<-done)
		for id, why := range map[string]credential.Reason{forgotten: credential.Abandoned, deleted: credential.Deleted, expired: credential.Expired} {
			w.is(id, credential.Ended, why)
			if _, state, err := w.store.Credential(context.Background(), id); err != nil || len(state) != 0 {
				t.Errorf("%s: %d bytes of state are left, %v", why, len(state), err)
			}
		}
	})
}

func TestAnIntentWaitsForAnHour(t *testing.T) {
	w := newWorld(t)
	id, request := w.intend()
	answer := w.answer(w.grid.Person("Ann", 1000*hour), request, 50*hour)
	w.clock.Move(hour - time.Second)
	c, err := w.Complete(t.Context(), w.as("ann"), id, answer, audit.Once{})
	w.check(err)
	if c.Status != credential.Active {
		t.Errorf("it is %s", c.Status)
	}
	late, request := w.intend()
	w.clock.Move(hour)
	_, err = w.Complete(t.Context(), w.as("ann"), late, w.answer(w.grid.Person("Ann", 1000*hour), request, 50*hour), audit.Once{})
	refused(t, err, fault.Conflict)
}

// TestCompletingAtOnce: whoever comes second renews, and nothing is lost or written twice.
func TestCompletingAtOnce(t *testing.T) {
	w := newWorld(t)
	ann := w.grid.Person("Ann", 1000*hour)
	id, request := w.intend()
	answer, by := w.answer(ann, request, 50*hour), w.as("ann")
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		all.Go(func() {
			_, errs[i] = w.another(w.clock.Now).Complete(context.WithoutCancel(t.Context()), by, id, answer, audit.Once{})
		})
	}
	all.Wait()
	worked := 0
	for _, err := range errs {
		if err == nil {
			worked++
		} else if fault.CodeOf(err) != fault.Conflict {
			t.Errorf("got %v", err)
		}
	}
	a := w.actions(id)
	if worked == 0 || len(a) != 1+worked || a[1] != "proxy.complete" || len(a) > 2 && a[2] != "proxy.renew" {
		t.Errorf("%d worked, recorded %v", worked, a)
	}
	w.is(id, credential.Active, "")
}

// TestCompletingWhatIsStoppedMeanwhile: a change that comes between reading and writing wins.
func TestCompletingWhatIsStoppedMeanwhile(t *testing.T) {
	w := newWorld(t)
	id, request := w.intend()
	answer := w.answer(w.grid.Person("Ann", 1000*hour), request, 50*hour)
	between := func() {
		_, err := w.End(t.Context(), w.as("ann"), id, audit.Once{})
		w.check(err)
	}
	b := w.another(w.clock.Now)
	b.Store = &late{upset: &upset{Store: w.store}, between: between}
	_, err := b.Complete(t.Context(), w.as("ann"), id, answer, audit.Once{})
	refused(t, err, fault.Conflict)
	w.is(id, credential.Ending, credential.Deleted)

	id, request = w.intend()
	answer = w.answer(w.grid.Person("Ann", 1000*hour), request, 50*hour)
	_, err = w.FreezeAccount(t.Context(), operator(), "usr_ann", "left")
	w.check(err)
	_, err = w.Complete(t.Context(), identity.Actor{AccountID: "usr_ann", Roles: map[string]identity.Role{w.climate.ID: identity.User}}, id, answer, audit.Once{})
	refused(t, err, fault.Denied)
	w.is(id, credential.Intended, "")
}

// watched notes the states that it completes.
type watched struct {
	*proxy.Kind
	states []credential.State
}

func (k *watched) Complete(ctx context.Context, c credential.Credential, s credential.State, answer string) (credential.Made, error) {
	k.states = append(k.states, s)
	return k.Kind.Complete(ctx, c, s, answer)
}

// TestCompletingAfterAnotherAnswer: who comes second goes on from what the first left, all of it.
func TestCompletingAfterAnotherAnswer(t *testing.T) {
	w := newWorld(t)
	id, request := w.intend()
	ann := w.grid.Person("Ann", 1000*hour)
	_, intended, err := w.store.Credential(t.Context(), id)
	w.check(err)
	var answered credential.State
	between := func() {
		_, err := w.Complete(t.Context(), w.as("ann"), id, w.answer(ann, request, 50*hour), audit.Once{})
		w.check(err)
		_, answered, err = w.store.Credential(t.Context(), id)
		w.check(err)
	}
	b := w.another(w.clock.Now)
	kind := &watched{Kind: b.Kinds[proxy.Name].(*proxy.Kind)}
	b.Kinds[proxy.Name] = kind
	b.Store = &late{upset: &upset{Store: w.store}, between: between}
	c, err := b.Complete(t.Context(), w.as("ann"), id, w.answer(ann, request, 100*hour), audit.Once{})
	w.check(err)
	if !c.ExpiresAt.Equal(start.Add(100 * hour)) {
		t.Errorf("it ends at %s, not with the second chain", c.ExpiresAt)
	}
	if want := []credential.State{intended, answered}; bytes.Equal(intended, answered) || !cmp.Equal(kind.states, want) {
		t.Error("the second attempt did not begin with the state that the first answer left")
	}
	if a, want := w.actions(id), []string{"proxy.create", "proxy.complete", "proxy.renew"}; !cmp.Equal(a, want) {
		t.Errorf("recorded %v", a)
	}
}

// late lets something happen before a state is saved or a use recorded.
type late struct {
	*upset
	between func()
}

func (l *late) run() {
	if l.between != nil {
		between := l.between
		l.between = nil
		between()
	}
}

func (l *late) SaveState(ctx context.Context, c credential.Credential, s credential.State, change audit.Change) (int64, error) {
	l.run()
	return l.Store.SaveState(ctx, c, s, change)
}

func (l *late) RecordUse(ctx context.Context, u credential.Use, r audit.Record) error {
	l.run()
	return l.Store.RecordUse(ctx, u, r)
}

// TestNothingIsHandedOutAfterTheEnd, even if it was made before.
func TestNothingIsHandedOutAfterTheEnd(t *testing.T) {
	w := newWorld(t)
	id := w.delegated(50 * hour)
	b := w.another(w.clock.Now)
	b.Store = &late{upset: &upset{Store: w.store}, between: func() {
		_, err := w.Freeze(t.Context(), w.as("ann"), id, audit.Once{})
		w.check(err)
	}}
	got, err := b.Retrieve(t.Context(), w.as("ann"), id, credential.Wish{})
	refused(t, err, fault.Conflict)
	if got.Material.X509 != nil {
		t.Error("it was handed out")
	}
}

func TestAPromiseIsKeptForProxiesToo(t *testing.T) {
	w := newWorld(t)
	once := audit.Once{Key: "k1", Fingerprint: "f1"}
	one, err := w.Issue(t.Context(), w.as("ann"), delegation(), once)
	w.check(err)
	two, err := w.Issue(t.Context(), w.as("ann"), delegation(), once)
	w.check(err)
	if !two.Replayed || two.Credential.ID != one.Credential.ID || two.Material.X509.Request != one.Material.X509.Request {
		t.Error("a repeated order made another proxy, or another request")
	}
	answer, twice := w.answer(w.grid.Person("Ann", 1000*hour), one.Material.X509.Request, 50*hour), audit.Once{Key: "k2", Fingerprint: "f2"}
	for range 2 {
		c, err := w.Complete(t.Context(), w.as("ann"), one.Credential.ID, answer, twice)
		w.check(err)
		if c.Status != credential.Active {
			t.Errorf("it is %s", c.Status)
		}
	}
	if a := w.actions(one.Credential.ID); len(a) != 2 {
		t.Errorf("recorded %v", a)
	}
}

func TestWhoMayUseAProxy(t *testing.T) {
	w := newWorld(t)
	id := w.delegated(50 * hour)
	robot := func(scopes ...identity.Scope) identity.Actor {
		by := w.as("ann")
		by.Scopes = scopes
		return by
	}
	for name, tc := range map[string]struct {
		by          identity.Actor
		look, fetch fault.Code
	}{
		"owner":             {w.as("ann"), "", ""},
		"another user":      {w.as("bob"), fault.NotFound, fault.NotFound},
		"a stranger":        {w.as("out"), fault.NotFound, fault.NotFound},
		"a manager":         {w.as("max"), "", fault.Denied},
		"a deputy":          {w.as("dan"), "", fault.Denied},
		"the operator":      {operator(), "", fault.Denied},
		"for keys only":     {robot(identity.ReadKeys, identity.WriteKeys), fault.Denied, fault.Denied},
		"for looking only":  {robot(identity.ReadProxies), "", fault.Denied},
		"for fetching only": {robot(identity.WriteProxies), fault.Denied, ""},
	} {
		got, err := w.Inspect(t.Context(), tc.by, id)
		if fault.CodeOf(err) != tc.look {
			t.Errorf("%s looks: %v, want %q", name, err, tc.look)
		}
		if x := got.Material.X509; x != nil {
			if _, keys := gridtest.Certificates(x.PEM.Reveal()); keys != 0 {
				t.Errorf("%s sees a private key", name)
			}
		}
		if _, err := w.Retrieve(t.Context(), tc.by, id, credential.Wish{}); fault.CodeOf(err) != tc.fetch {
			t.Errorf("%s fetches: %v, want %q", name, err, tc.fetch)
		}
		if _, err := w.Complete(t.Context(), tc.by, id, "rubbish", audit.Once{}); tc.fetch != "" && fault.CodeOf(err) != tc.fetch {
			t.Errorf("%s completes: %v, want %q", name, err, tc.fetch)
		}
		list, err := w.ListCredentials(t.Context(), tc.by, credential.Filter{ProjectID: "climate"})
		if n := len(list); n > 0 && tc.look != "" || n == 0 && tc.look == "" {
			t.Errorf("%s lists %d, %v", name, n, err)
		}
	}
	_, err := w.Again(t.Context(), w.as("ann"), id)
	refused(t, err, fault.Conflict)
	key := w.issue("ann", hour)
	refused(t, w.fetch("ann", key.ID), fault.Invalid)
	_, err = w.Complete(t.Context(), w.as("ann"), key.ID, "x", audit.Once{})
	refused(t, err, fault.Invalid)
	if got, err := w.Inspect(t.Context(), w.as("ann"), key.ID); err != nil || got.Material.S3 != nil {
		t.Errorf("a look at a key shows its secret, %v", err)
	}
}

func TestProxiesAreStoppedWithTheirProject(t *testing.T) {
	w := newWorld(t)
	id := w.delegated(50 * hour)
	waiting, request := w.intend()
	_, err := w.FreezeProject(t.Context(), operator(), "climate", "budget")
	w.check(err)
	refused(t, w.fetch("ann", id), fault.Conflict)
	_, err = w.Complete(t.Context(), w.as("ann"), waiting, w.answer(w.grid.Person("Ann", 1000*hour), request, 50*hour), audit.Once{})
	if err == nil {
		t.Error("a delegation was completed in a project that is stopped")
	}
	_, err = w.ThawProject(t.Context(), operator(), "climate")
	w.check(err)
	w.check(w.fetch("ann", id))
}

func TestAttributesThatCannotBeHadAreTold(t *testing.T) {
	w := newWorld(t)
	id := w.delegated(50 * hour)
	w.grid.Refuse(errors.New("connection refused"))
	refused(t, w.fetch("ann", id), fault.Unavailable)
	if c := w.stored(id); !c.LastUsedAt.IsZero() {
		t.Error("what failed counts as used")
	}
}
