package login_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
	"github.com/lanyardhq/lanyard/internal/standin"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/material"
)

const portal = "http://lanyard.test"

// imports remembers what sign-ins said of projects.
type imports struct {
	source string
	roles  map[string]identity.Role
	calls  int
}

// world is a Login on a real database, with a clock and a log of its own.
type world struct {
	*login.Login
	t        testing.TB
	dir      string // of the database
	store    *store.Store
	clock    *standin.Clock
	log      *bytes.Buffer
	imported imports
	left     []string // account ids that left their project
	groups   []string // as the provider last told
}

// cheap is the argon2id hash of "correct horse" at the lowest cost.
const cheap = "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$8jCjveL9purNVvxZWhjl0nULgTWD4Roxh/u/NFFSew0"

const password = material.Secret("correct horse")

func newWorld(t testing.TB, providers ...login.Provider) *world {
	t.Helper()
	// Independent programs judge by the true time, so the clock begins there.
	w := &world{t: t, dir: t.TempDir(), clock: standin.NewClock(time.Now()), log: &bytes.Buffer{}}
	var err error
	w.store, err = store.Open(t.Context(), store.Config{Path: filepath.Join(w.dir, "lanyard.db"), Keys: seal.NewKeys(), Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.Login, err = login.New(login.Config{URL: portal, Providers: providers, Store: w.store, Now: w.clock.Now,
		Local: login.Local{Users: []login.LocalUser{
			{Name: "anna", FullName: "Anna Virtanen", Email: "anna@example.org", Password: cheap, Projects: map[string]identity.Role{"climate": identity.Manager}},
			{Name: "ben", FullName: "Ben", Password: cheap},
		}},
		Log: slog.New(slog.NewTextHandler(w.log, nil)),
		Import: func(_ context.Context, _ identity.Account, source string, roles map[string]identity.Role) error {
			w.imported = imports{source, roles, w.imported.calls + 1}
			return nil
		},
		Groups: func(_ context.Context, _ string, groups []string) error {
			w.groups = groups
			return nil
		},
		Leave: func(_ context.Context, _ identity.Actor, _, accountID string) error {
			w.left = append(w.left, accountID)
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// signIn signs a local user in and returns the cookie and the actor.
func (w *world) signIn(user string) (material.Secret, identity.Actor) {
	w.t.Helper()
	in, err := w.Password(w.t.Context(), user, password, "/", from("192.0.2.1"))
	if err != nil {
		w.t.Fatal(err)
	}
	return in.Cookie, w.actor(in.Cookie)
}

func (w *world) actor(cookie material.Secret) identity.Actor {
	w.t.Helper()
	by, err := w.BrowserActor(w.t.Context(), cookie, from("192.0.2.1"))
	if err != nil {
		w.t.Fatal(err)
	}
	return by
}

// project makes a project with a member.
func (w *world) project(name string, accountID string, role identity.Role) project.Project {
	w.t.Helper()
	p := project.Project{ID: "prj_" + name, Name: name, Title: name, Source: "admin", CreatedAt: w.clock.Now()}
	change := audit.Change{Record: audit.By(identity.System(), w.clock.Now(), "project.create", p.ID, p.ID)}
	if _, err := w.store.InsertProject(w.t.Context(), p, change); err != nil {
		w.t.Fatal(err)
	}
	if accountID != "" {
		m := project.Member{ProjectID: p.ID, AccountID: accountID, Role: role, Source: "admin", Since: w.clock.Now()}
		if err := w.store.SaveMember(w.t.Context(), m, change); err != nil {
			w.t.Fatal(err)
		}
	}
	return p
}

// audited returns the actions that the trail holds, oldest first.
func (w *world) audited(f audit.Filter) []string {
	w.t.Helper()
	records, err := w.store.Audit(w.t.Context(), f)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, r := range records {
		text := r.Action
		if why := r.Detail["reason"]; why != "" {
			text += " (" + why + ")"
		}
		out = append([]string{text}, out...)
	}
	return out
}

// files returns the bytes of the database's files.
func (w *world) files() string {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(w.dir, "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			w.t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// freeze stops an account.
func (w *world) freeze(id, why string) {
	w.t.Helper()
	a, err := w.store.Account(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	a.FrozenAt, a.FreezeReason = w.clock.Now(), why
	if err := w.store.SaveAccount(w.t.Context(), a, audit.Change{Record: audit.By(identity.System(), w.clock.Now(), "account.freeze", id, "")}); err != nil {
		w.t.Fatal(err)
	}
}

func from(address string) login.Request {
	return login.Request{ID: "req_test", Address: address, Client: "test"}
}

// wants fails unless err is a fault of the code whose message holds the text.
func wants(t *testing.T, err error, code fault.Code, text string) {
	t.Helper()
	if fault.CodeOf(err) != code || code != "" && !strings.Contains(err.Error(), text) {
		t.Errorf("got error %q (%s), want %s with %q", err, fault.CodeOf(err), code, text)
	}
}

// nop is the independent OpenID provider, started when the first test asks for it.
var nop struct {
	sync.Once
	provider *providertest.Provider
	err      error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if nop.provider != nil {
		if err := nop.provider.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// people are those whom the independent provider knows.
var people = map[string]map[string]any{
	"anna": {"name": "Anna Virtanen", "email": "anna@example.org", "groups": []string{"project_462000008", "pi_465000123", "other"}},
	// Some proxies send a list of one as a string. The e-mail is Anna's: it must not matter.
	"ben":                   {"name": "Ben", "email": "anna@example.org", "groups": "project_462000008"},
	"TEST@myaccessid.org":   {"name": "Test"},
	"ABC123@MyAccessID.org": {"name": "Hidden \u202e\x1b[31mname"},
}

func independent(t *testing.T) string {
	t.Helper()
	nop.Do(func() {
		nop.provider, nop.err = providertest.Launch(providertest.Options{Redirects: []string{portal + "/login/callback/nop"}, People: people, Direct: true})
	})
	if nop.err != nil {
		t.Fatal(nop.err)
	}
	return nop.provider.Issuer
}
