package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	grantkind "github.com/lanyardhq/lanyard/internal/kind/grant"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/kind/proxy/gridtest"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/standin"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
)

// start is when the tests' clocks begin.
var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	hour    = time.Hour
	maximum = 168 * time.Hour
)

// world is a broker on a real database, with a clock, an object store and gateways that obey the
// test. There are two projects, climate and ocean. In climate, ann and bob are users, dan is
// deputy, max is manager and bot is a robot; out belongs to nothing.
type world struct {
	*broker.Broker
	t       testing.TB
	store   *store.Store
	clock   *standin.Clock
	objects *objects
	gates   *gates
	grid    *gridtest.Grid
	climate project.Project
	ocean   project.Project
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, clock: standin.NewClock(start), objects: &objects{}, gates: &gates{}}
	w.open(w.clock.Now)
	w.climate, w.ocean = w.project("climate"), w.project("ocean")
	for name, role := range map[string]identity.Role{"ann": identity.User, "bob": identity.User, "dan": identity.Deputy, "max": identity.Manager} {
		w.person(name, "https://idp.example")
		w.member(w.climate, name, role)
	}
	w.person("out", "https://idp.example")
	w.account(identity.Account{ID: "usr_bot", Kind: identity.Robot, Issuer: "robot", Subject: "bot", Name: "bot", Project: w.climate.ID, CreatedAt: start})
	w.member(w.climate, "bot", identity.User)
	return w
}

// open makes the broker on a new database.
func (w *world) open(now func() time.Time) {
	w.t.Helper()
	s, err := store.Open(w.t.Context(), store.Config{Path: filepath.Join(w.t.TempDir(), "lanyard.db"), Keys: seal.NewKeys(), Now: now})
	w.check(err)
	w.t.Cleanup(func() { _ = s.Close() })
	w.store = s
	w.Broker = w.another(now)
}

// another makes the broker of another server on the same database.
func (w *world) another(now func() time.Time) *broker.Broker {
	if w.grid == nil {
		w.grid = gridtest.New(w.t, now)
	}
	proxies := &proxy.Kind{Trust: w.grid.Trust, Anchors: w.grid.Anchors(), Keys: w.grid, CA: w.grid, Attributes: w.grid.Attributes, Now: now}
	rule := credential.Lifetime{Default: 24 * hour, Max: maximum}
	return &broker.Broker{
		Kinds:    map[string]credential.Kind{s3key.Name: s3key.Kind{}, proxy.Name: proxies, grant.Kind: &grantkind.Kind{Providers: providers()}},
		Rules:    map[string]credential.Lifetime{s3key.Name: rule, proxy.Name: rule, grant.Kind: rule},
		Store:    w.store,
		Backend:  w.objects,
		Gateways: w.gates,
		Now:      now,
		Log:      slog.New(slog.DiscardHandler),
	}
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// did is a change that tests write past the broker.
func did() audit.Change {
	return audit.Change{Record: audit.By(identity.System(), start, "test.setup", "test", "")}
}

func (w *world) project(name string) project.Project {
	w.t.Helper()
	p := project.Project{ID: "prj_" + name, Name: name, Title: "All about " + name, Source: "admin", CreatedAt: start}
	_, err := w.store.InsertProject(w.t.Context(), p, did())
	w.check(err)
	return p
}

func (w *world) account(a identity.Account) {
	w.t.Helper()
	w.check(w.store.InsertAccount(w.t.Context(), a, did()))
}

func (w *world) person(name, issuer string) {
	w.t.Helper()
	w.account(identity.Account{ID: "usr_" + name, Kind: identity.Person, Issuer: issuer, Subject: name, Name: name, CreatedAt: start})
}

func (w *world) member(p project.Project, name string, role identity.Role) {
	w.t.Helper()
	w.check(w.store.SaveMember(w.t.Context(), project.Member{ProjectID: p.ID, AccountID: "usr_" + name, Role: role, Source: "admin", Since: start}, did()))
}

// as returns the actor that a person or robot is now.
func (w *world) as(name string) identity.Actor {
	w.t.Helper()
	members, err := w.store.ListMembers(w.t.Context(), "", "usr_"+name)
	w.check(err)
	roles := map[string]identity.Role{}
	for _, m := range members {
		roles[m.ProjectID] = m.Role
	}
	return identity.Actor{AccountID: "usr_" + name, Name: name, Kind: identity.Person, Roles: roles, RequestID: "req_" + name, Address: "192.0.2.17", Client: "test"}
}

// operator acts on the administration socket.
func operator() identity.Actor {
	return identity.Actor{Name: "root", Operator: true, RequestID: "req_op", Client: "test"}
}

// order asks for a key in climate.
func order(life time.Duration) credential.Order {
	return credential.Order{Kind: s3key.Name, ProjectID: "climate", Name: "rclone on lumi-login2", Life: life}
}

// issue makes a key of name's in climate.
func (w *world) issue(name string, life time.Duration) credential.Credential {
	w.t.Helper()
	got, err := w.Issue(w.t.Context(), w.as(name), order(life), audit.Once{})
	w.check(err)
	return got.Credential
}

// stored returns a credential as it is in the database.
func (w *world) stored(id string) credential.Credential {
	w.t.Helper()
	c, _, err := w.store.Credential(w.t.Context(), id)
	w.check(err)
	return c
}

// is checks a credential's state in the database.
func (w *world) is(id string, status credential.Status, why credential.Reason) {
	w.t.Helper()
	if c := w.stored(id); c.Status != status || c.Reason != why {
		w.t.Errorf("key is %s (%s), want %s (%s)", c.Status, c.Reason, status, why)
	}
}

// actions returns what was recorded about a subject, oldest first.
func (w *world) actions(subject string) []string {
	w.t.Helper()
	rs, err := w.store.Audit(w.t.Context(), audit.Filter{Subject: subject})
	w.check(err)
	var out []string
	for i := range rs {
		out = append(out, rs[len(rs)-1-i].Action)
	}
	return out
}

// refused checks that err is a fault of the code.
func refused(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Errorf("got %v (%s), want %s", err, fault.CodeOf(err), code)
	}
}

// gates confirm every change at once, unless they are stuck.
type gates struct {
	mu    sync.Mutex
	stuck bool
	seen  int64
}

func (g *gates) Await(ctx context.Context, seq int64) error {
	g.mu.Lock()
	stuck := g.stuck
	g.seen = max(g.seen, seq)
	g.mu.Unlock()
	if stuck {
		<-ctx.Done()
		return fault.New(fault.Unavailable, "a gateway does not answer")
	}
	return nil
}

// objects is an object store in memory. Its hook, if set, is called before each operation with
// "create name" and so on, and may fail it.
type objects struct {
	mu      sync.Mutex
	buckets map[string]objectstore.Usage
	listed  int
	hook    func(ctx context.Context, what string) error
}

func (o *objects) do(ctx context.Context, what string, f func() error) error {
	o.mu.Lock()
	hook := o.hook
	o.mu.Unlock()
	if hook != nil {
		if err := hook(ctx, what); err != nil {
			return err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return f()
}

func (o *objects) fails(hook func(ctx context.Context, what string) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hook = hook
}

func (o *objects) put(name string, u objectstore.Usage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buckets == nil {
		o.buckets = map[string]objectstore.Usage{}
	}
	o.buckets[name] = u
}

func (o *objects) has(name string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.buckets[name]
	return ok
}

func (o *objects) CreateBucket(ctx context.Context, name string) error {
	return o.do(ctx, "create "+name, func() error {
		if o.buckets == nil {
			o.buckets = map[string]objectstore.Usage{}
		}
		if _, ok := o.buckets[name]; !ok {
			o.buckets[name] = objectstore.Usage{}
		}
		return nil
	})
}

func (o *objects) DeleteBucket(ctx context.Context, name string) error {
	return o.do(ctx, "delete "+name, func() error {
		if o.buckets[name].Objects > 0 {
			return fault.New(fault.Conflict, "not empty")
		}
		delete(o.buckets, name)
		return nil
	})
}

func (o *objects) BucketExists(ctx context.Context, name string) (exists bool, err error) {
	err = o.do(ctx, "exists "+name, func() error {
		_, exists = o.buckets[name]
		return nil
	})
	return exists, err
}

func (o *objects) Usage(ctx context.Context, name string) (u objectstore.Usage, err error) {
	err = o.do(ctx, "list "+name, func() error {
		o.listed++
		var ok bool
		if u, ok = o.buckets[name]; !ok {
			return fault.New(fault.NotFound, "no such bucket")
		}
		return nil
	})
	return u, err
}

// upset is a store whose writes of credentials meet somebody else's first, as often as told.
type upset struct {
	*store.Store
	stale   int
	between func() // called before each write
}

func (u *upset) SaveCredentials(ctx context.Context, cs []credential.Credential, change func(credential.Credential) audit.Change) (int64, error) {
	if u.between != nil {
		between := u.between
		u.between = nil
		between()
	}
	if u.stale > 0 {
		u.stale--
		return 0, fault.ErrStale
	}
	return u.Store.SaveCredentials(ctx, cs, change)
}

func (u *upset) InsertCredential(ctx context.Context, c credential.Credential, s credential.State, change audit.Change) (int64, error) {
	if u.between != nil {
		between := u.between
		u.between = nil
		between()
	}
	return u.Store.InsertCredential(ctx, c, s, change)
}

var errBroken = errors.New("broken")
