package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/gateway/keytable"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/minting"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/signing"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/internal/store/storetest"
)

// The store fits all who declare what they need of it.
var (
	_ broker.Store    = (*store.Store)(nil)
	_ login.Store     = (*store.Store)(nil)
	_ signing.Store   = (*store.Store)(nil)
	_ minting.Store   = (*store.Store)(nil)
	_ keytable.Source = (*store.Store)(nil)
)

// postgres is started by the first test that needs it.
var postgres storetest.Cluster

func TestMain(m *testing.M) {
	if os.Getenv(crashEnv) != "" {
		insertUntilKilled()
		return
	}
	code := m.Run()
	postgres.Stop()
	os.Exit(code)
}

// start is when the tests' clock stands.
var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return start }

// world is a store with an account, a project and what tests need to make more.
type world struct {
	*store.Store
	config store.Config
}

// each runs the test on SQLite and on PostgreSQL.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) { test(t, open(t, kind)) })
	}
}

// open opens a new database of a kind, with a project and a person.
func open(t testing.TB, kind string) *world {
	t.Helper()
	w := &world{config: store.Config{Keys: seal.NewKeys(), Now: clock}}
	if kind == "sqlite" {
		w.config.Path = filepath.Join(t.TempDir(), "data", "lanyard.db")
	} else {
		w.config.URL = postgres.NewDatabase(t)
	}
	w.Store = another(t, w.config)
	populate(t, w)
	return w
}

func populate(t testing.TB, w *world) {
	t.Helper()
	_, err := w.InsertProject(t.Context(), project.Project{ID: "prj_1", Name: "climate", CreatedAt: start}, did("project.create", "prj_1"))
	check(t, err)
	check(t, w.InsertAccount(t.Context(), person("usr_1"), did("account.create", "usr_1")))
}

// another opens a database once more.
func another(t testing.TB, c store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), c)
	check(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks that err is a fault of the code.
func refused(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Errorf("got %v (%s), want %s", err, fault.CodeOf(err), code)
	}
}

func person(id string) identity.Account {
	return identity.Account{ID: id, Kind: identity.Person, Issuer: "local", Subject: "subject of " + id, Name: "Name of " + id,
		Email: id + "@example.org", CreatedAt: start, LastSeenAt: start}
}

func key(n int) credential.Credential {
	return credential.Credential{ID: fmt.Sprintf("crd_%05d", n), Kind: "s3key", ProjectID: "prj_1", OwnerID: "usr_1", Name: "rclone",
		PublicID: fmt.Sprintf("LYD%017d", n), Spec: []byte(`{"rights":"all"}`), Status: credential.Active, CreatedAt: start,
		ExpiresAt: start.Add(time.Hour), DueAt: start.Add(time.Hour)}
}

func secretOf(n int) credential.State { return credential.State(fmt.Sprintf("secret-%05d", n)) }

// did is the change that goes with a write.
func did(action, subject string) audit.Change {
	return audit.Change{Record: record(action, subject)}
}

func record(action, subject string) audit.Record {
	return audit.Record{At: start, Actor: "usr_1", ActorName: "Ada", Action: action, Subject: subject, Project: "prj_1",
		Detail: map[string]string{"name": "rclone"}, RequestID: "req_1", Address: "192.0.2.1"}
}

func changed(c credential.Credential) audit.Change { return did("s3key.change", c.ID) }

// insert adds key n.
func (w *world) insert(t testing.TB, n int) credential.Credential {
	t.Helper()
	c := key(n)
	_, err := w.InsertCredential(t.Context(), c, secretOf(n), did("s3key.create", c.ID))
	check(t, err)
	return c
}

// get reads a credential.
func (w *world) get(t testing.TB, ref string) credential.Credential {
	t.Helper()
	c, _, err := w.Credential(t.Context(), ref)
	check(t, err)
	return c
}

// seen lists what the feed tells after a number, as "topic id", with a - for things that are gone.
func (w *world) seen(t testing.TB, after int64) string {
	t.Helper()
	es, err := w.Changes(t.Context(), after, 1000)
	check(t, err)
	var said []string
	for i, e := range es {
		if e.Seq != after+int64(i)+1 {
			t.Errorf("entry %d of the feed has number %d", i, e.Seq)
		}
		gone := "-"
		if e.Credential != nil || e.Project != nil || e.Bucket != nil {
			gone = ""
		}
		said = append(said, gone+e.ID)
	}
	return strings.Join(said, " ")
}

// verified checks the audit chain.
func (w *world) verified(t testing.TB) {
	t.Helper()
	if bad, err := w.VerifyAudit(context.WithoutCancel(t.Context())); err != nil || bad != 0 {
		t.Errorf("audit chain: first bad record %d, %v", bad, err)
	}
}
