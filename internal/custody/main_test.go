package custody_test

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	grantkind "github.com/lanyardhq/lanyard/internal/kind/grant"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/internal/store/storetest"
)

// The store fits custody.
var _ custody.Store = (*store.Store)(nil)

// postgres is started by the first test that needs it.
var postgres storetest.Cluster

func TestMain(m *testing.M) {
	code := m.Run()
	postgres.Stop()
	os.Exit(code)
}

// world is custody on a real database, with the broker beside it and two providers of our own making,
// alpha and beta.
type world struct {
	*custody.Custody
	t      testing.TB
	store  *store.Store
	broker *broker.Broker
	beside map[*custody.Custody]*broker.Broker // the brokers of the same servers
	config store.Config
	alpha  *fake
	beta   *fake
	log    *locked
}

// both runs a test on SQLite and on PostgreSQL, in a bubble where time passes as soon as nobody works.
func both(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			c := place(t, kind)
			synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, c)) })
		})
	}
}

// pass lets time go by in a bubble.
func pass(d time.Duration) { time.Sleep(d) }

// place returns an empty database of a kind.
func place(t testing.TB, kind string) store.Config {
	c := store.Config{Keys: seal.NewKeys(), Now: time.Now}
	if kind == "sqlite" {
		c.Path = filepath.Join(t.TempDir(), "data", "lanyard.db")
	} else {
		c.URL = postgres.NewDatabase(t)
	}
	return c
}

func newWorld(t testing.TB, c store.Config) *world {
	t.Helper()
	w := &world{t: t, config: c, alpha: newFake("alpha"), beta: newFake("beta"), log: &locked{}, beside: map[*custody.Custody]*broker.Broker{}}
	s, err := store.Open(t.Context(), c)
	w.check(err)
	t.Cleanup(func() { w.check(s.Close()) })
	w.store = s
	w.person("ann")
	w.person("bob")
	w.Custody = w.another(s)
	return w
}

// another makes custody as another server has it, with the same providers.
func (w *world) another(s custody.Store) *custody.Custody {
	providers := map[string]custody.Provider{
		"alpha": {Provider: grant.Provider{ID: "alpha", Title: "Alpha", Scopes: []string{"openid", "storage.read:/"}}, Client: w.alpha},
		"beta":  {Provider: grant.Provider{ID: "beta", Title: "Beta", Scopes: []string{"openid"}}, Client: w.beta},
		"own":   {Provider: grant.Provider{ID: "own", Type: grant.Lanyard, Scopes: []string{"storage.read:/"}}},
	}
	kind := kindOf(&custody.Custody{Providers: providers})
	log := slog.New(slog.NewTextHandler(w.log, nil))
	b := &broker.Broker{Kinds: map[string]credential.Kind{grant.Kind: kind}, Store: w.store, Gateways: silent{}, Log: log, Now: time.Now,
		Rules: map[string]credential.Lifetime{grant.Kind: {Default: 7 * 24 * time.Hour, Max: 30 * 24 * time.Hour}}}
	if w.broker == nil {
		w.broker = b
	}
	c := &custody.Custody{Store: s, Providers: providers, Portal: "https://lanyard.test", Now: time.Now, Log: log, Mint: minter{},
		Issue: func(ctx context.Context, by identity.Actor, o credential.Order, once audit.Once) (credential.Credential, error) {
			got, err := b.Issue(ctx, by, o, once)
			return got.Credential, err
		}}
	w.beside[c] = b
	return c
}

// slowly has custody look for work once a minute only, for tests of days.
func slowly(c *custody.Custody) *custody.Custody {
	c.Every = time.Minute
	return c
}

// kindOf is the kind of credential for the providers of c.
func kindOf(c *custody.Custody) *grantkind.Kind {
	kind := &grantkind.Kind{Providers: map[string]grant.Provider{}}
	for id, p := range c.Providers {
		kind.Providers[id] = p.Provider
	}
	return kind
}

// run runs custody and, unless it is slow, the broker's upkeep as a server does, and returns how to
// stop them.
func (w *world) run(c *custody.Custody) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var all sync.WaitGroup
	all.Go(func() { _ = c.Run(ctx) })
	if b := w.beside[c]; c.Every == 0 {
		all.Go(func() { _ = b.Run(ctx) })
	}
	return func() { cancel(); all.Wait() }
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) person(name string) {
	w.t.Helper()
	a := identity.Account{ID: "usr_" + name, Kind: identity.Person, Issuer: "https://idp.example", Subject: name, Name: name, CreatedAt: time.Now()}
	w.check(w.store.InsertAccount(w.t.Context(), a, audit.Change{Record: audit.By(identity.System(), time.Now(), "account.create", a.ID, "")}))
}

// as is somebody in a browser.
func as(name string) identity.Actor {
	return identity.Actor{AccountID: "usr_" + name, Name: name, Kind: identity.Person, SessionID: "ses_" + name, RequestID: "req_1"}
}

// order makes a grant that waits for its approval.
func (w *world) order(who, provider string, scopes ...string) credential.Credential {
	w.t.Helper()
	c, err := w.NewGrant(w.t.Context(), as(who), grant.Spec{Provider: provider, Scopes: scopes}, "jobs at "+provider, 0)
	w.check(err)
	return c
}

// approve makes a grant and has it approved.
func (w *world) approve(who, provider string, scopes ...string) credential.Credential {
	w.t.Helper()
	c := w.order(who, provider, scopes...)
	c, err := w.callback(who, c.ID, provider)
	w.check(err)
	return c
}

// callback goes through the provider's page for an order that is there.
func (w *world) callback(who, id, provider string) (credential.Credential, error) {
	w.t.Helper()
	to, err := w.Begin(w.t.Context(), as(who), id)
	w.check(err)
	return w.Callback(w.t.Context(), as(who), provider, answerOf(to))
}

// answerOf is what a provider's page brings back.
func answerOf(page string) url.Values {
	u, _ := url.Parse(page)
	return url.Values{"state": {u.Query().Get("state")}, "code": {"good"}}
}

func (w *world) token(id string, wish custody.TokenWish) grant.Tokens {
	w.t.Helper()
	got, err := w.TokenOf(w.t.Context(), id, wish)
	w.check(err)
	return got
}

// family is what is kept of a grant, secrets included.
func (w *world) family(id string) grant.Family {
	w.t.Helper()
	claim, err := w.store.Whole(w.t.Context(), id)
	w.check(err)
	return claim.Family
}

// records are the actions that are on record about a grant, oldest first.
func (w *world) records(id string) (all []string) {
	w.t.Helper()
	found, err := w.store.Audit(w.t.Context(), audit.Filter{Subject: id})
	w.check(err)
	for _, r := range slices.Backward(found) {
		all = append(all, r.Action)
	}
	return all
}

// refused checks that err has the code and says all of the words, in message or hint.
func refused(t testing.TB, err error, code fault.Code, words ...string) {
	t.Helper()
	f := fault.Public(err)
	for _, word := range words {
		if !strings.Contains(f.Message+" | "+f.Hint, word) {
			t.Errorf("%q with the hint %q does not say %q", f.Message, f.Hint, word)
		}
	}
	if err == nil || f.Code != code {
		t.Errorf("got %v (%s), want %s", err, f.Code, code)
	}
}

type silent struct{}

func (silent) Await(context.Context, int64) error { return nil }

// minter is our own issuer.
type minter struct{}

func (minter) Mint(_ context.Context, c credential.Credential, w grant.Wish) (grant.Tokens, error) {
	return grant.Tokens{Access: "minted", AccessExpiresAt: time.Now().Add(time.Hour), Scopes: w.Scopes, Subject: c.OwnerID}, nil
}

// locked is a log that several write to.
type locked struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func wish(scopes ...string) custody.TokenWish {
	return custody.TokenWish{Wish: grant.Wish{Scopes: scopes}}
}

var force = custody.TokenWish{Force: true}

func once(key string) audit.Once { return audit.Once{Key: key, Fingerprint: key} }

// until waits for something that happens elsewhere.
func until(t testing.TB, done func() bool) {
	t.Helper()
	look, late := time.NewTicker(50*time.Millisecond), time.After(3*time.Minute)
	defer look.Stop()
	for !done() {
		select {
		case <-look.C:
		case <-late:
			t.Fatal("it does not happen")
		}
	}
}
