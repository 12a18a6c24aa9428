package minting_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/minting"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/signing"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/wlcg"
)

const self = "https://lanyard.example"

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// world is a minter on a database in memory.
type world struct {
	*minting.Minter
	now      time.Time
	members  []project.Member
	projects map[string]project.Project
	groups   map[string][]string // by VO
	mu       sync.Mutex
	keys     []session.SigningKey
	denials  []session.Denial
	changed  chan struct{}
	broken   error
}

func (w *world) ListMembers(context.Context, string, string) ([]project.Member, error) {
	return w.members, w.broken
}

func (w *world) Project(_ context.Context, ref string) (project.Project, error) {
	p, ok := w.projects[ref]
	if !ok {
		return p, fault.New(fault.NotFound, "no project")
	}
	return p, nil
}

func (w *world) Deny(_ context.Context, d session.Denial, _ audit.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	d.Seq = int64(len(w.denials)) + 1
	w.denials = append(w.denials, d)
	close(w.changed)
	w.changed = make(chan struct{})
	return w.broken
}

func (w *world) Denials(_ context.Context, after int64) ([]session.Denial, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.denials[after:]), w.broken
}

func (w *world) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *world) SigningKeys(context.Context) ([]session.SigningKey, error) { return w.keys, nil }

func (w *world) InsertSigningKey(_ context.Context, k session.SigningKey, _ audit.Record) (bool, error) {
	w.keys = append(w.keys, k)
	return true, nil
}

func (w *world) PurgeSigningKeys(context.Context, time.Time) error { return nil }

func newWorld(t testing.TB, p minting.Policy) *world {
	t.Helper()
	w := &world{now: noon, projects: map[string]project.Project{}, groups: map[string][]string{}, changed: make(chan struct{})}
	now := func() time.Time { return w.now }
	keys := signing.New(signing.Config{Algorithms: []string{signing.ES256, signing.RS256}, Store: w, Now: now, Log: slog.New(slog.DiscardHandler)})
	if err := keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var err error
	w.Minter, err = minting.New(minting.Config{Issuer: self, Policy: p, Keys: keys, Store: w, Now: now,
		Groups: func(_ context.Context, vo, _ string) ([]string, error) { return w.groups[vo], nil }})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// join gives the person a role in a project.
func (w *world) join(name string, role identity.Role) {
	id := "prj_" + name
	w.projects[id] = project.Project{ID: id, Name: name}
	w.members = append(w.members, project.Member{ProjectID: id, ProjectName: name, AccountID: "usr_1", Role: role})
}

var ann = identity.Account{ID: "usr_1", Name: "Ann Example"}

func (w *world) mint(t testing.TB, scopes ...string) (grant.Tokens, error) {
	t.Helper()
	return w.Mint(t.Context(), minting.Order{Account: ann, Scopes: scopes, Family: "ses_1", ClientID: "cli"})
}

var policy = minting.Policy{AnyAudience: true, VOs: []string{"climate"}, Rules: []minting.Rule{
	{Project: "climate", Scopes: []string{"storage.read:/climate", "storage.modify:/climate/scratch", "climate.admin"}},
	{Project: "climate", Role: identity.Manager, Scopes: []string{"storage.modify:/climate"}},
	{Project: "*", Scopes: []string{"storage.read:/projects/{project}"}},
	{VO: "climate", Scopes: []string{"compute.read"}},
	{VO: "climate", Group: "/climate/Role=pilot", Scopes: []string{"compute.create"}, Groups: []string{"/climate/pilots"}},
}}

func TestPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		role   identity.Role // "" is no member
		groups []string
		asked  string
		want   string // "" is a refusal
	}{
		"as it stands":               {identity.User, nil, "storage.read:/climate", "storage.read:/climate"},
		"below":                      {identity.User, nil, "storage.read:/climate/a/b", "storage.read:/climate/a/b"},
		"beside":                     {identity.User, nil, "storage.read:/climate2", ""},
		"above":                      {identity.User, nil, "storage.read:/", ""},
		"another's":                  {identity.User, nil, "storage.read:/projects/physics", ""},
		"of every project":           {identity.User, nil, "storage.read:/projects/climate/x", "storage.read:/projects/climate/x"},
		"create is less than modify": {identity.User, nil, "storage.create:/climate/scratch", "storage.create:/climate/scratch"},
		"modify is not read":         {identity.User, nil, "storage.stage:/climate", ""},
		"a part":                     {identity.User, nil, "storage.modify:/climate storage.read:/climate openid", "storage.read:/climate"},
		"a manager":                  {identity.Manager, nil, "storage.modify:/climate", "storage.modify:/climate"},
		"a deputy is no manager":     {identity.Deputy, nil, "storage.modify:/climate", ""},
		"a word":                     {identity.User, nil, "climate.admin", "climate.admin"},
		"a word and more":            {identity.User, nil, "climate.admin:x", ""},
		"a stranger":                 {"", nil, "storage.read:/climate", ""},
		"a member of the VO":         {"", []string{"/climate"}, "compute.read compute.create", "compute.read"},
		"a role of the VO":           {"", []string{"/climate", "/climate/Role=pilot"}, "compute.create", "compute.create"},
		"groups":                     {"", []string{"/climate", "/climate/Role=pilot"}, "wlcg.groups", "wlcg.groups"},
		"a group by name":            {"", []string{"/climate", "/climate/Role=pilot"}, "wlcg.groups:/climate/pilots", "wlcg.groups:/climate/pilots"},
		"groups of others":           {"", []string{"/climate"}, "wlcg.groups:/climate/pilots", ""},
		"one of two groups":          {"", []string{"/climate"}, "wlcg.groups:/climate/pilots wlcg.groups:/climate", "wlcg.groups:/climate"},
		"no groups at all":           {identity.User, nil, "wlcg.groups", ""},
		"the format":                 {identity.User, nil, "wlcg storage.read:/climate", "storage.read:/climate"},
		"the format alone":           {identity.User, nil, "wlcg", ""},
		"nothing":                    {identity.Manager, nil, "", ""},
		"an ill-formed one":          {identity.Manager, nil, "storage.read:/climate storage.read:/climate/..", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, policy)
			if c.role != "" {
				w.join("climate", c.role)
			}
			w.groups["climate"] = c.groups
			got, err := w.mint(t, strings.Fields(c.asked)...)
			if c.want == "" {
				if !errors.Is(err, minting.ErrScope) || got.Access != "" {
					t.Errorf("minted %+v, error %v", got, err)
				}
				return
			}
			if err != nil || strings.Join(got.Scopes, " ") != c.want {
				t.Fatalf("got %q, error %v", got.Scopes, err)
			}
			claims, err := w.Verify(t.Context(), got.Access)
			if err != nil || strings.Join(claims.Scope, " ") != c.want || claims.Subject != ann.ID || minting.Family(claims) != "ses_1" {
				t.Errorf("claims %+v, error %v", claims, err)
			}
		})
	}
}

func TestOutOfForce(t *testing.T) {
	w := newWorld(t, policy)
	w.join("climate", identity.User)
	p := w.projects["prj_climate"]
	for name, stop := range map[string]func(){
		"frozen": func() { p.FrozenAt = noon },
		"ended":  func() { p.EndsAt = noon },
		"gone":   func() { delete(w.projects, "prj_climate") },
	} {
		w.projects["prj_climate"] = project.Project{ID: "prj_climate", Name: "climate"}
		p = w.projects["prj_climate"]
		if _, err := w.mint(t, "storage.read:/climate"); err != nil {
			t.Fatal(err)
		}
		if stop(); name != "gone" {
			w.projects["prj_climate"] = p
		}
		if _, err := w.mint(t, "storage.read:/climate"); !errors.Is(err, minting.ErrScope) {
			t.Errorf("project %s: %v", name, err)
		}
	}
	w.projects["prj_climate"] = project.Project{ID: "prj_climate", Name: "climate"}
	stopped := ann
	stopped.FrozenAt = noon
	if _, err := w.Mint(t.Context(), minting.Order{Account: stopped, Scopes: []string{"storage.read:/climate"}, Family: "ses_1"}); !errors.Is(err, minting.ErrScope) {
		t.Errorf("a stopped account: %v", err)
	}
	w.broken = errors.New("no database")
	if _, err := w.mint(t, "storage.read:/climate"); !errors.Is(err, w.broken) || errors.Is(err, minting.ErrScope) {
		t.Errorf("no database: %v", err)
	}
}

func TestLives(t *testing.T) {
	p := policy
	p.Life, p.Audiences = 4*time.Hour, []minting.Audience{{Name: "https://a.example"}, {Name: "https://b.example", MaxLife: 30 * time.Minute}}
	w := newWorld(t, p)
	w.join("climate", identity.User)
	for name, c := range map[string]struct {
		order minting.Order
		want  time.Duration
	}{
		"the policy's":          {minting.Order{}, 4 * time.Hour},
		"less":                  {minting.Order{Life: 20 * time.Minute}, 20 * time.Minute},
		"more":                  {minting.Order{Life: 20 * time.Hour}, 4 * time.Hour},
		"the audience's":        {minting.Order{Audiences: []string{"https://b.example"}}, 30 * time.Minute},
		"the shorter of two":    {minting.Order{Audiences: []string{"https://b.example", "https://a.example"}}, 30 * time.Minute},
		"until a session ends":  {minting.Order{Until: noon.Add(time.Minute)}, time.Minute},
		"until long after that": {minting.Order{Until: noon.Add(100 * time.Hour)}, 4 * time.Hour},
		"nothing is left":       {minting.Order{Until: noon}, 0},
	} {
		o := c.order
		o.Account, o.Scopes, o.Family = ann, []string{"storage.read:/climate"}, "ses_1"
		got, err := w.Mint(t.Context(), o)
		if c.want == 0 {
			if !errors.Is(err, minting.ErrToken) {
				t.Errorf("%s: %v", name, err)
			}
		} else if err != nil || got.AccessExpiresAt != noon.Add(c.want) {
			t.Errorf("%s: until %s, error %v", name, got.AccessExpiresAt, err)
		}
	}
}

func TestDenials(t *testing.T) {
	w := newWorld(t, policy)
	w.join("climate", identity.User)
	mint := func() (material.Secret, wlcg.Claims) {
		t.Helper()
		got, err := w.mint(t, "storage.read:/climate")
		if err != nil {
			t.Fatal(err)
		}
		c, err := w.Verify(t.Context(), got.Access)
		if err != nil {
			t.Fatal(err)
		}
		return got.Access, c
	}
	for name, id := range map[string]func(wlcg.Claims) string{
		"itself": func(c wlcg.Claims) string { return c.ID }, "session": minting.Family, "account": func(c wlcg.Claims) string { return c.Subject },
	} {
		w.now = w.now.Add(time.Second) // what was denied before is no longer in the way
		token, c := mint()
		if err := w.Minter.Deny(t.Context(), identity.System(), id(c), "test"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Verify(t.Context(), token); !errors.Is(err, minting.ErrToken) {
			t.Errorf("by its %s: %v", name, err)
		}
	}
	w.now = w.now.Add(time.Second)
	token, _ := mint()
	w.broken = errors.New("no database")
	if _, err := w.Verify(t.Context(), token); err != nil {
		t.Errorf("the list is a second old: %v", err)
	}
	w.now = w.now.Add(5 * time.Second)
	if _, err := w.Verify(t.Context(), token); fault.CodeOf(err) != fault.Unavailable || errors.Is(err, minting.ErrToken) {
		t.Errorf("nobody knows what was denied: %v", err)
	}
}

func TestTokensOfGrants(t *testing.T) {
	w := newWorld(t, policy)
	w.join("climate", identity.User)
	g := minting.Grants{Minter: w.Minter, Account: func(_ context.Context, id string) (identity.Account, error) {
		return identity.Account{ID: id}, nil
	}}
	c := credential.Credential{ID: "crd_1", OwnerID: ann.ID, ExpiresAt: noon.Add(10 * time.Minute),
		Spec: grant.Spec{Provider: "lanyard", Scopes: []string{"storage.read:/climate", "storage.modify:/climate/scratch"}}.Encode()}
	got, err := g.Mint(t.Context(), c, grant.Wish{Scopes: []string{"storage.read:/climate"}})
	if err != nil || got.AccessExpiresAt != c.ExpiresAt || !slices.Equal(got.Scopes, []string{"storage.read:/climate"}) || got.Subject != ann.ID {
		t.Errorf("got %+v, error %v", got, err)
	}
	if claims, err := w.Verify(t.Context(), got.Access); err != nil || minting.Family(claims) != c.ID {
		t.Errorf("claims %+v, error %v", claims, err)
	}
	if _, err := g.Mint(t.Context(), c, grant.Wish{Scopes: []string{"storage.read:/projects/climate"}}); fault.CodeOf(err) != fault.Denied {
		t.Errorf("more than was granted: %v", err)
	}
}

func TestMistakesInThePolicyAreToldTogether(t *testing.T) {
	_, err := minting.New(minting.Config{Policy: minting.Policy{Life: time.Minute, DefaultAudience: "https://c.example", VOs: []string{"No"},
		Audiences: []minting.Audience{{Name: "a b"}, {Name: wlcg.AnyAudience}, {Name: "https://a.example", Algorithm: "none"}, {Name: "https://a.example", Profile: "x"},
			{Name: "https://b.example", MaxLife: 7 * time.Hour}},
		Rules: []minting.Rule{{}, {Project: "p", VO: "v"}, {Project: "P!"}, {Project: "p", Role: "emperor"}, {VO: "v", Group: "/w/x"},
			{Project: "q", Scopes: []string{"storage.read"}}, {Project: "q", Scopes: []string{"storage.read:/../{project}"}}, {VO: "v", Groups: []string{"x"}}},
		Exchanges: []minting.Exchange{{}, {Client: "hub", Scopes: []string{"storage.read:x"}}}}})
	for _, text := range []string{"life is from", `default audience "https://c.example"`, `"No" is not a VO`, `"a b" cannot`, `algorithm "none"`, `profile "x"`,
		"stands twice", `"https://b.example": max_life`, "names a project or a VO", `"P!" is not a project`, `"emperor"`, "/w/x", "the path is missing", `segment ".."`, "must begin with /",
		"names no client", `exchange of "hub"`} {
		if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not tell %s: %v", text, err)
		}
	}
}

// FuzzMint: whatever somebody asks for, what they get is within the policy, and can be read again.
func FuzzMint(f *testing.F) {
	for _, s := range []string{"storage.read:/climate/a", "storage.read:/climate/../x", "storage.modify:/ wlcg.groups:/climate/pilots", "read:/climate queue condor:/x",
		"wlcg.capabilityset:/climate storage.read:/climate%2f", "climate.admin \"", "storage.read:/climate/{project}", "openid offline_access"} {
		f.Add(s, "")
	}
	f.Add("storage.read:/climate", "https://sci.example")
	f.Add("storage.create:/climate/scratch", "https://api.example https://sci.example")
	p := policy
	p.Audiences = []minting.Audience{{Name: "https://sci.example", Profile: "scitokens"}, {Name: "https://api.example", Profile: "rfc9068"}}
	w := newWorld(f, p)
	w.join("climate", identity.User)
	w.groups["climate"] = []string{"/climate", "/climate/Role=pilot"}
	all := []string{"storage.read:/climate", "storage.modify:/climate/scratch", "climate.admin", "storage.read:/projects/climate", "compute.read", "compute.create",
		"wlcg.groups", "wlcg.groups:/climate", "wlcg.groups:/climate/pilots"}
	f.Fuzz(func(t *testing.T, scopes, audiences string) {
		got, err := w.Mint(t.Context(), minting.Order{Account: ann, Scopes: strings.Fields(scopes), Audiences: strings.Fields(audiences), Family: "ses_1", ClientID: "cli"})
		if err != nil {
			if !errors.Is(err, minting.ErrScope) && !errors.Is(err, minting.ErrTarget) {
				t.Errorf("%q for %q: %v", scopes, audiences, err)
			}
			return
		}
		c, err := w.Verify(t.Context(), got.Access)
		if err != nil || !minting.Covers(all, c.Scope) || len(c.Scope) == 0 || !slices.Equal(c.Scope, got.Scopes) {
			t.Errorf("%q for %q gave %q, error %v", scopes, audiences, c.Scope, err)
		}
	})
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		limit, scopes string
		want          bool
	}{
		{"storage.read:/a", "storage.read:/a/b", true}, {"storage.read:/a", "storage.read:/ab", false}, {"storage.read:/a x", "x", true},
		{"storage.read:/a", "x", false}, {"storage.read:/a", "", true}, {"", "storage.read:/a", false}, {"read:/a", "storage.read:/a/b", true},
		{"storage.read:/a", "storage.read:/a/..", false}, {"storage.read:/a/..", "x", false}, {"wlcg.groups:/a", "wlcg.groups:/a", true}, {"wlcg.groups:/a", "wlcg.groups:/b", false},
	} {
		if got := minting.Covers(strings.Fields(c.limit), strings.Fields(c.scopes)); got != c.want {
			t.Errorf("%q covers %q: %t", c.limit, c.scopes, got)
		}
	}
}
