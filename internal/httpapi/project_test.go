package httpapi_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/identity"
)

func TestWhoAmI(t *testing.T) {
	w := newWorld(t)
	who, err := w.as(t, "anna").WhoAmI(t.Context())
	check(t, err)
	if who.Name != "Anna Virtanen" || who.Email != "anna@example.org" || who.Issuer != "local" || who.Subject != "anna" || who.Kind != "person" ||
		len(who.Projects) != 1 || who.Projects[0].Role != "manager" || who.Projects[0].MaxLife != 168*3600 || who.Projects[0].DefaultLife != 48*3600 || len(who.Scopes) != len(identity.Scopes()) {
		t.Errorf("anna is %+v", who)
	}
	who, err = w.operator(t).WhoAmI(t.Context())
	check(t, err)
	if who.Kind != "operator" || who.AccountID != "" || len(who.Projects) != 2 {
		t.Errorf("the operator is %+v", who)
	}
}

func TestSessions(t *testing.T) {
	w := newWorld(t)
	list, err := w.as(t, "ben").ListSessions(t.Context())
	check(t, err)
	var current, other string
	for _, s := range list.Items {
		if s.Current {
			current = s.ID
		} else {
			other = s.ID
		}
	}
	if len(list.Items) != 2 || current == "" || other == "" {
		t.Fatalf("ben's sessions are %+v", list.Items)
	}
	refused(t, w.as(t, "chiara").EndSession(t.Context(), other), api.NotFound)
	check(t, w.as(t, "ben").EndSession(t.Context(), other))
	check(t, w.as(t, "ben").EndSession(t.Context(), current))
	_, err = w.as(t, "ben").WhoAmI(t.Context())
	refused(t, err, api.Unauthenticated)
}

func TestMembers(t *testing.T) {
	w := newWorld(t)
	k := w.key(t, "ben", "462000008")
	anna := w.as(t, "anna")
	list, err := anna.ListMembers(t.Context(), "462000008")
	check(t, err)
	if len(list.Items) != 2 {
		t.Fatalf("members are %+v", list.Items)
	}
	_, err = w.as(t, "ben").SetMember(t.Context(), "462000008", k.OwnerID, "manager")
	refused(t, err, api.Denied)
	m, err := anna.SetMember(t.Context(), "462000008", k.OwnerID, "deputy")
	check(t, err)
	if m.Role != "deputy" || m.Name != "Ben Okafor" || m.Source != "admin" {
		t.Errorf("ben is %+v", m)
	}
	r, err := anna.RemoveMember(t.Context(), "462000008", k.OwnerID)
	check(t, err)
	if len(r.Credentials) != 1 || r.Credentials[0].ID != k.ID || r.Credentials[0].Reason != "left_project" || r.Subject != k.OwnerID {
		t.Errorf("the receipt is %+v", r)
	}
}

func TestTheOperatorsWork(t *testing.T) {
	w := newWorld(t)
	op := w.operator(t)
	k := w.key(t, "ben", "462000008")

	name, title, quota, life := "465000999", "Aerosols", int64(1e12), int64(86400)
	p, err := op.CreateProject(t.Context(), api.ProjectOrder{Name: &name, Title: &title, QuotaBytes: &quota, MaxLife: &life})
	check(t, err)
	if p.Name != name || p.QuotaBytes != quota || p.MaxLife != life || p.DefaultLife != life || p.Source != "admin" || p.State != "active" {
		t.Errorf("made: %+v", p)
	}
	end := start.Add(240 * time.Hour)
	p, err = op.ChangeProject(t.Context(), name, api.ProjectOrder{EndsAt: &end})
	check(t, err)
	if !p.EndsAt.Equal(end) || p.Title != title {
		t.Errorf("changed: %+v", p)
	}

	r, err := op.FreezeProject(t.Context(), "462000008", "audit")
	check(t, err)
	if len(r.Credentials) != 1 || r.Credentials[0].State != "frozen" || r.RefusedSince.IsZero() {
		t.Errorf("froze: %+v", r)
	}
	p, err = w.as(t, "ben").ShowProject(t.Context(), "462000008")
	check(t, err)
	if p.State != "frozen" || p.Reason != "audit" {
		t.Errorf("frozen: %+v", p)
	}
	r, err = op.ThawProject(t.Context(), "462000008")
	check(t, err)
	if len(r.Credentials) != 1 || r.Credentials[0].State != "active" {
		t.Errorf("thawed: %+v", r)
	}

	people, err := op.ListAccounts(t.Context(), client.AccountFilter{Kind: "person", Search: "Okafor"})
	check(t, err)
	if len(people.Items) != 1 || people.Items[0].ID != k.OwnerID || people.Items[0].State != "active" {
		t.Fatalf("found %+v", people.Items)
	}
	r, err = op.FreezeAccount(t.Context(), k.OwnerID, "left the institute")
	check(t, err)
	if len(r.Credentials) != 1 || r.Sessions != 2 {
		t.Errorf("froze: %+v", r)
	}
	_, err = w.as(t, "ben").WhoAmI(t.Context())
	refused(t, err, api.Unauthenticated)
	_, err = op.ThawAccount(t.Context(), k.OwnerID)
	check(t, err)
	w.token(t, "anna")
	r, err = op.FreezeProvider(t.Context(), "local", "compromised")
	check(t, err)
	if r.Sessions == 0 || r.Subject != "local" {
		t.Errorf("froze: %+v", r)
	}
	_, err = op.ThawProvider(t.Context(), "local")
	check(t, err)

	trail, err := op.ListAudit(t.Context(), client.AuditFilter{Limit: 3})
	check(t, err)
	if len(trail.Items) != 3 || trail.Next == nil || trail.Items[1].Action != "provider.thaw" || !strings.HasPrefix(trail.Items[0].RequestID, "req_") ||
		!strings.HasPrefix(trail.Items[0].Address, "socket, pid ") || len(trail.Items[0].Hash) != 64 {
		t.Errorf("the trail is %+v", trail)
	}
	older, err := op.ListAudit(t.Context(), client.AuditFilter{Limit: 1, Before: trail.Items[2].Seq})
	check(t, err)
	if len(older.Items) != 1 || older.Items[0].Seq != trail.Items[2].Seq-1 {
		t.Errorf("before %d comes %+v", trail.Items[2].Seq, older.Items)
	}
	v, err := op.VerifyAudit(t.Context())
	check(t, err)
	if !v.Intact || v.FirstBad != 0 {
		t.Errorf("the trail is %+v", v)
	}
}

// TestOnlyTheOperatorOperates tries each of the operator's routes as a manager.
func TestOnlyTheOperatorOperates(t *testing.T) {
	w := newWorld(t)
	anna := w.as(t, "anna")
	id := w.key(t, "anna", "462000008").OwnerID
	name := "465000999"
	for what, do := range map[string]func() error{
		"create project": func() error { _, err := anna.CreateProject(t.Context(), api.ProjectOrder{Name: &name}); return err },
		"change project": func() error {
			_, err := anna.ChangeProject(t.Context(), "462000008", api.ProjectOrder{Title: &name})
			return err
		},
		"freeze project":  func() error { _, err := anna.FreezeProject(t.Context(), "462000008", "x"); return err },
		"thaw project":    func() error { _, err := anna.ThawProject(t.Context(), "462000008"); return err },
		"list accounts":   func() error { _, err := anna.ListAccounts(t.Context(), client.AccountFilter{}); return err },
		"freeze account":  func() error { _, err := anna.FreezeAccount(t.Context(), id, "x"); return err },
		"thaw account":    func() error { _, err := anna.ThawAccount(t.Context(), id); return err },
		"freeze provider": func() error { _, err := anna.FreezeProvider(t.Context(), "local", "x"); return err },
		"thaw provider":   func() error { _, err := anna.ThawProvider(t.Context(), "local"); return err },
		"verify audit":    func() error { _, err := anna.VerifyAudit(t.Context()); return err },
	} {
		t.Run(what, func(t *testing.T) { refused(t, do(), api.Denied) })
	}
}

// TestTheSocketKnowsWhoIsThere connects as another user; root cannot be kept out.
func TestTheSocketKnowsWhoIsThere(t *testing.T) {
	w := newWorld(t)
	cmd := exec.Command("curl", "--silent", "--show-error", "--unix-socket", w.socket, "http://localhost/api/v1/whoami")
	want := `"kind":"operator"`
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		want = `"code":"denied"`
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("got %v: %s, want %s", err, out, want)
	}
	// Where the kernel says nothing, nobody is let in.
	tcp := *w.API
	server := w.server.Config
	server.Handler = tcp.OperatorHandler(os.Geteuid())
	if a := w.send(t, w.token(t, "anna"), "GET", "/api/v1/whoami", ""); a.status != 403 {
		t.Errorf("over TCP: %d %s", a.status, a.body)
	}
}

func TestListsAreNeverNull(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/credentials", "/projects/465000123/members", "/sessions", "/projects"} {
		if a := w.send(t, w.token(t, "chiara"), "GET", "/api/v1"+path, ""); a.status != 200 || strings.Contains(a.body, `"items":null`) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if diff := cmp.Diff(`{"schema":"lanyard/v1/credential.list","items":[],"next":null,"server_time":"2026-11-21T12:00:00Z"}`+"\n",
		w.send(t, w.token(t, "chiara"), "GET", "/api/v1/credentials", "").body); diff != "" {
		t.Error(diff)
	}
}
