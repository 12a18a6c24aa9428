package broker_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

func ptr[T any](v T) *T { return &v }

func TestCreateAndChangeProject(t *testing.T) {
	w := newWorld(t)
	order := broker.ProjectOrder{Name: ptr("465000123"), Title: ptr("Sea ice"), QuotaBytes: ptr(int64(1 << 40)), MaxLife: ptr(48 * hour)}
	once := audit.Once{Key: "k", Fingerprint: "f"}
	v, err := w.CreateProject(t.Context(), operator(), order, once)
	w.check(err)
	if v.Source != "admin" || v.Title != "Sea ice" || v.QuotaBytes != 1<<40 || v.Life != (credential.Lifetime{Default: 24 * hour, Max: 48 * hour}) || v.Role != "" {
		t.Errorf("made %+v", v)
	}
	again, err := w.CreateProject(t.Context(), operator(), order, once)
	w.check(err)
	if again.ID != v.ID {
		t.Error("the replay made another project")
	}
	_, err = w.CreateProject(t.Context(), operator(), order, audit.Once{})
	refused(t, err, fault.Conflict)

	v, err = w.ChangeProject(t.Context(), operator(), "465000123", broker.ProjectOrder{Title: ptr("Ice"), EndsAt: ptr(start.Add(hour)), MaxLife: ptr(time.Duration(0))})
	w.check(err)
	if v.Title != "Ice" || v.QuotaBytes != 1<<40 || v.MaxLife != 0 || !v.EndsAt.Equal(start.Add(hour)) {
		t.Errorf("changed to %+v", v)
	}
	v, err = w.ChangeProject(t.Context(), operator(), "465000123", broker.ProjectOrder{EndsAt: ptr(time.Time{})})
	w.check(err)
	if !v.EndsAt.IsZero() {
		t.Errorf("ends at %s, want open", v.EndsAt)
	}
	_, err = w.ChangeProject(t.Context(), operator(), "465000123", broker.ProjectOrder{Name: ptr("other")})
	refused(t, err, fault.Invalid)
	_, err = w.ChangeProject(t.Context(), operator(), "465000123", broker.ProjectOrder{QuotaBytes: ptr(int64(-1))})
	refused(t, err, fault.Invalid)
	if a := w.actions(v.ID); !cmp.Equal(a, []string{"project.create", "project.change", "project.change"}) {
		t.Errorf("recorded %q", a)
	}
}

func TestProjectsAsTheirMembersSeeThem(t *testing.T) {
	w := newWorld(t)
	w.issue("ann", hour)
	w.issue("bob", hour)
	w.issue("bob", 3*hour)
	w.clock.Move(2 * hour)
	for who, want := range map[string][]string{
		"ann": {"climate user 0"}, "bob": {"climate user 1"}, "dan": {"climate deputy 1"}, "max": {"climate manager 1"}, "out": nil, "": {"climate  1", "ocean  0"},
	} {
		by := operator()
		if who != "" {
			by = w.as(who)
		}
		vs, err := w.ListProjects(t.Context(), by)
		w.check(err)
		var got []string
		for _, v := range vs {
			got = append(got, v.Name+" "+string(v.Role)+" "+string(rune('0'+v.ActiveKeys)))
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%q sees %q, want %q", who, got, want)
		}
	}
}

func TestMembersComeAndGo(t *testing.T) {
	w := newWorld(t)
	m, err := w.SetMember(t.Context(), w.as("max"), "climate", "out", identity.User)
	w.check(err)
	if m.Role != identity.User || m.Source != "admin" || m.AccountID != "usr_out" || m.ProjectName != "climate" {
		t.Errorf("member %+v", m)
	}
	c := w.issue("out", 24*hour)
	r, err := w.RemoveMember(t.Context(), w.as("dan"), "climate", "usr_out")
	w.check(err)
	if len(r.Credentials) != 1 || r.RefusedSince.IsZero() {
		t.Errorf("receipt %+v", r)
	}
	w.is(c.ID, credential.Frozen, credential.LeftProject)
	if cs, err := w.ListCredentials(t.Context(), w.as("out"), credential.Filter{}); err != nil || len(cs) != 1 {
		t.Errorf("who left sees %d own keys, %v; want 1", len(cs), err)
	}
	_, err = w.RemoveMember(t.Context(), w.as("dan"), "climate", "usr_out")
	refused(t, err, fault.NotFound)
	_, err = w.Thaw(t.Context(), w.as("max"), c.ID, audit.Once{})
	refused(t, err, fault.Conflict) // not a member

	_, err = w.SetMember(t.Context(), w.as("max"), "climate", "out", identity.User)
	w.check(err)
	w.is(c.ID, credential.Frozen, credential.LeftProject)
	_, err = w.Thaw(t.Context(), w.as("out"), c.ID, audit.Once{})
	refused(t, err, fault.Conflict) // a manager has to look at it
	_, err = w.Thaw(t.Context(), w.as("dan"), c.ID, audit.Once{})
	w.check(err)
	w.is(c.ID, credential.Active, "")
	if a := w.actions("usr_out"); !cmp.Equal(a, []string{"member.set", "member.remove", "member.set"}) {
		t.Errorf("recorded %q", a)
	}
}

func TestSetMemberRefuses(t *testing.T) {
	w := newWorld(t)
	w.account(identity.Account{ID: "usr_far", Kind: identity.Robot, Issuer: "robot", Subject: "far", Project: w.ocean.ID, CreatedAt: start})
	for _, tc := range []struct {
		account string
		role    identity.Role
		code    fault.Code
	}{
		{"out", "boss", fault.Invalid}, {"out", "", fault.Invalid}, {"nobody", identity.User, fault.NotFound},
		{"far", identity.User, fault.Invalid}, {"bot", identity.Manager, fault.Invalid}, {"bot", identity.Deputy, ""},
	} {
		_, err := w.SetMember(t.Context(), w.as("max"), "climate", tc.account, tc.role)
		if fault.CodeOf(err) != tc.code {
			t.Errorf("%s as %q: got %v, want %q", tc.account, tc.role, err, tc.code)
		}
	}
}

const idp = "https://idp.example"

func (w *world) imports(name, source string, ms ...broker.Membership) {
	w.t.Helper()
	a, err := w.store.Account(w.t.Context(), "usr_"+name)
	w.check(err)
	w.check(w.ImportMemberships(w.t.Context(), a, source, ms))
}

// roles returns an account's roles with their sources, by project name.
func (w *world) roles(name string) map[string]string {
	w.t.Helper()
	ms, err := w.store.ListMembers(w.t.Context(), "", "usr_"+name)
	w.check(err)
	got := map[string]string{}
	for _, m := range ms {
		got[m.ProjectName] = string(m.Role) + " " + m.Source
	}
	return got
}

func TestImportMemberships(t *testing.T) {
	w := newWorld(t)
	mine := func(name, source string) {
		_, err := w.store.InsertProject(t.Context(), project.Project{ID: "prj_" + name, Name: name, Source: source, CreatedAt: start}, did())
		w.check(err)
	}
	mine("foreign", "https://other.example")
	mine("configured", "config")
	w.imports("ann", idp,
		broker.Membership{Project: "fresh", Title: "Fresh", Role: identity.User},
		broker.Membership{Project: "fresh", Role: identity.Deputy}, // the higher one counts
		broker.Membership{Project: "climate", Role: identity.Manager},
		broker.Membership{Project: "ocean", Role: identity.User},
		broker.Membership{Project: "configured", Role: identity.User},
		broker.Membership{Project: "foreign", Role: identity.Manager},
		broker.Membership{Project: "No Name!", Role: identity.User},
		broker.Membership{Project: "prj_ocean", Role: identity.Manager},
		broker.Membership{Project: "nothing", Role: "emperor"},
	)
	if got, want := w.roles("ann"), map[string]string{"climate": "user admin", "configured": "user " + idp, "fresh": "deputy " + idp, "ocean": "user " + idp}; !cmp.Equal(got, want) {
		t.Errorf("roles:\n%s", cmp.Diff(want, got))
	}
	_, err := w.store.Project(t.Context(), "nothing")
	refused(t, err, fault.NotFound)
	p, err := w.store.Project(t.Context(), "fresh")
	w.check(err)
	if p.Source != idp || p.Title != "Fresh" {
		t.Errorf("made %+v", p)
	}

	o := order(hour)
	o.ProjectID = "fresh"
	key, err := w.Issue(t.Context(), w.as("ann"), o, audit.Once{})
	w.check(err)
	kept := w.issue("ann", hour)
	before := w.records()
	same := []broker.Membership{{Project: "configured", Role: identity.User}, {Project: "fresh", Role: identity.Deputy}, {Project: "ocean", Role: identity.User}}
	w.imports("ann", idp, same...)
	if w.records() != before {
		t.Error("an import that changes nothing wrote something")
	}
	w.imports("ann", "https://other.example") // who says nothing takes nothing of others'
	w.imports("ann", idp, broker.Membership{Project: "ocean", Role: identity.Deputy})
	if got, want := w.roles("ann"), map[string]string{"climate": "user admin", "ocean": "deputy " + idp}; !cmp.Equal(got, want) {
		t.Errorf("roles:\n%s", cmp.Diff(want, got))
	}
	w.is(key.Credential.ID, credential.Frozen, credential.LeftProject)
	w.is(kept.ID, credential.Active, "")

	// The last decision of a person stands.
	_, err = w.SetMember(t.Context(), operator(), "ocean", "ann", identity.User)
	w.check(err)
	w.imports("ann", idp, broker.Membership{Project: "ocean", Role: identity.Manager})
	w.imports("ann", idp)
	if got, want := w.roles("ann"), map[string]string{"climate": "user admin", "ocean": "user admin"}; !cmp.Equal(got, want) {
		t.Errorf("roles:\n%s", cmp.Diff(want, got))
	}
}

func TestApplyProjects(t *testing.T) {
	w := newWorld(t)
	apply := func(ps ...broker.ProjectConfig) broker.Applied {
		t.Helper()
		done, err := w.ApplyProjects(t.Context(), "config", ps)
		w.check(err)
		return done
	}
	demo := broker.ProjectConfig{Project: project.Project{Name: "demo", Title: "Demo", QuotaBytes: 1 << 30}, Members: []broker.ConfigMember{
		{Issuer: idp, Subject: "ann", Role: identity.Manager}, {Issuer: "local", Subject: "new", Role: identity.User}}}
	other := broker.ProjectConfig{Project: project.Project{Name: "other"}}
	climate := broker.ProjectConfig{Project: project.Project{Name: "climate", Title: "Mine!"}, Members: []broker.ConfigMember{
		{Issuer: idp, Subject: "ann", Role: identity.Manager}, {Issuer: idp, Subject: "out", Role: identity.User}}}
	if got := apply(demo, other, climate); !cmp.Equal(got, broker.Applied{Foreign: []string{"climate"}}) {
		t.Errorf("applied %+v", got)
	}
	if p, err := w.store.Project(t.Context(), "climate"); err != nil || p.Title != "All about climate" {
		t.Errorf("what the operator made was changed: %+v, %v", p, err)
	}
	if got, want := w.roles("ann"), map[string]string{"climate": "user admin", "demo": "manager config"}; !cmp.Equal(got, want) {
		t.Errorf("roles:\n%s", cmp.Diff(want, got))
	}
	found, err := w.store.ListAccounts(t.Context(), identity.Filter{Issuer: "local", Subject: "new"})
	w.check(err)
	if len(found) != 1 {
		t.Fatalf("%d accounts wait for the first sign-in, want 1", len(found))
	}
	signedIn, err := w.store.SignIn(t.Context(), identity.Account{ID: "usr_other", Kind: identity.Person, Issuer: "local", Subject: "new", Name: "New One", LastSeenAt: start}, audit.Record{At: start})
	w.check(err)
	if ms, err := w.store.ListMembers(t.Context(), "", signedIn.ID); err != nil || len(ms) != 1 || ms[0].AccountName != "New One" {
		t.Errorf("after the first sign-in: %+v, %v", ms, err)
	}

	before := w.records()
	apply(demo, other, climate)
	if w.records() != before {
		t.Error("applying the same again wrote something")
	}

	// Somebody leaves demo, a title changes, a project vanishes.
	o := order(hour)
	o.ProjectID = "demo"
	key, err := w.Issue(t.Context(), w.as("ann"), o, audit.Once{})
	w.check(err)
	demo.Title, demo.Members = "Demonstration", demo.Members[1:]
	if got := apply(demo, climate); !cmp.Equal(got, broker.Applied{Gone: []string{"other"}, Foreign: []string{"climate"}}) {
		t.Errorf("applied %+v", got)
	}
	w.is(key.Credential.ID, credential.Frozen, credential.LeftProject)
	if p, err := w.store.Project(t.Context(), "demo"); err != nil || p.Title != "Demonstration" || p.QuotaBytes != 1<<30 {
		t.Errorf("demo is %+v, %v", p, err)
	}
	_, err = w.store.Project(t.Context(), "other")
	w.check(err)

	// From the operator's first change on, the operator decides.
	v, err := w.ChangeProject(t.Context(), operator(), "demo", broker.ProjectOrder{Title: ptr("Demonstration")})
	w.check(err)
	if v.Source != "config" {
		t.Errorf("a change of nothing made the source %q", v.Source)
	}
	v, err = w.ChangeProject(t.Context(), operator(), "demo", broker.ProjectOrder{QuotaBytes: ptr(int64(2 << 30))})
	w.check(err)
	if v.Source != "admin" {
		t.Errorf("source %q", v.Source)
	}
	if got := apply(demo, other); !cmp.Equal(got, broker.Applied{Foreign: []string{"demo"}}) {
		t.Errorf("applied %+v", got)
	}
	if p, err := w.store.Project(t.Context(), "demo"); err != nil || p.QuotaBytes != 2<<30 {
		t.Errorf("demo is %+v, %v", p, err)
	}
}

func TestApplyProjectsRefuses(t *testing.T) {
	for name, pc := range map[string]broker.ProjectConfig{
		"a name":   {Project: project.Project{Name: "No Name"}},
		"a life":   {Project: project.Project{Name: "demo", MaxLife: 999 * hour}},
		"a role":   {Project: project.Project{Name: "demo"}, Members: []broker.ConfigMember{{Issuer: idp, Subject: "ann", Role: "boss"}}},
		"a member": {Project: project.Project{Name: "demo"}, Members: []broker.ConfigMember{{Subject: "ann", Role: identity.User}}},
	} {
		w := newWorld(t)
		_, err := w.ApplyProjects(t.Context(), "config", []broker.ProjectConfig{pc})
		if fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: got %v, want invalid", name, err)
		}
	}
}
