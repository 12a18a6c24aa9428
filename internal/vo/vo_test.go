package vo_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const hour = time.Hour

func climate() vo.VO {
	return vo.VO{Name: "climate", Host: "voms.example.org", Port: 15000, MaxLife: 24 * hour, ShortFQANs: true,
		Groups: []vo.Group{{Name: "/climate", Roles: []string{"production"}}, {Name: "/climate/ocean", Roles: []string{"pilot"}},
			{Name: "/climate/ocean/deep"}, {Name: "/climate/air", Roles: []string{"pilot"}}},
		Rules: []vo.Rule{
			{FQAN: "/climate", Project: "p1"},
			{FQAN: "/climate/Role=production", Project: "p1", Role: identity.Manager},
			{FQAN: "/climate/ocean/deep", Issuer: "https://idp", Claim: "deep"},
		},
		Attributes: []vo.Attribute{{Name: "site", Value: "lumi", Group: "/climate/ocean"}}}
}

func account() *identity.Account { return &identity.Account{ID: "usr_1", Issuer: "https://idp"} }

func in(name string, role identity.Role) vo.Role {
	return vo.Role{Project: project.Project{Name: name}, Role: role}
}

func TestJudge(t *testing.T) {
	member := func(change func(*vo.Member)) vo.Facts {
		m := vo.Member{ID: "vom_1", FQANs: []string{"/climate/ocean/Role=pilot"}}
		if change != nil {
			change(&m)
		}
		return vo.Facts{Members: []vo.Member{m}}
	}
	by := func(change func(*vo.Facts)) vo.Facts {
		f := vo.Facts{Account: account()}
		change(&f)
		return f
	}
	for _, tc := range []struct {
		name  string
		own   bool
		facts vo.Facts
		want  string // FQANs, or the number and the beginning of the refusal
	}{
		{"a stranger", false, vo.Facts{}, "1001 climate: User unknown to this VO."},
		{"an account without rights", false, vo.Facts{Account: account()}, "1001 climate: User unknown to this VO."},
		{"a member by name", false, member(nil), "/climate /climate/ocean /climate/ocean/Role=pilot"},
		{"until later", false, member(func(m *vo.Member) { m.ExpiresAt = now.Add(1) }), "/climate /climate/ocean /climate/ocean/Role=pilot"},
		{"until now", false, member(func(m *vo.Member) { m.ExpiresAt = now }), "1004 User is currently suspended!\nSuspension reason: The membership expired at 2026-11-21T12:00:00Z."},
		{"suspended", false, member(func(m *vo.Member) { m.SuspendedAt, m.Reason = now, "key lost" }), "1004 User is currently suspended!\nSuspension reason: key lost"},
		{"a group that is no more", false, member(func(m *vo.Member) { m.FQANs = []string{"/climate/sea", "/climate/Role=admin", "/other"} }), "1001 climate: User unknown"},
		{"a user of the project", false, by(func(f *vo.Facts) { f.Projects = []vo.Role{in("p1", identity.User)} }), "/climate"},
		{"a deputy of the project", false, by(func(f *vo.Facts) { f.Projects = []vo.Role{in("p1", identity.Deputy)} }), "/climate"},
		{"a manager of the project", false, by(func(f *vo.Facts) { f.Projects = []vo.Role{in("p1", identity.Manager)} }), "/climate /climate/Role=production"},
		{"a manager of another", false, by(func(f *vo.Facts) { f.Projects = []vo.Role{in("p2", identity.Manager)} }), "1001 climate"},
		{"a project that ended", false, by(func(f *vo.Facts) {
			f.Projects = []vo.Role{{Project: project.Project{Name: "p1", EndsAt: now}, Role: identity.User}}
		}), "1001 climate"},
		{"a project that is stopped", false, by(func(f *vo.Facts) {
			f.Projects = []vo.Role{{Project: project.Project{Name: "p1", FrozenAt: now}, Role: identity.User}}
		}), "1001 climate"},
		{"a group of the provider", false, by(func(f *vo.Facts) { f.Claims = []string{"x", "deep"} }), "/climate /climate/ocean /climate/ocean/deep"},
		{"a group of another provider", false, by(func(f *vo.Facts) { f.Claims, f.Account.Issuer = []string{"deep"}, "https://evil" }), "1001 climate"},
		{"suspended though the project says so", false, by(func(f *vo.Facts) {
			f.Projects, f.Members = []vo.Role{in("p1", identity.User)}, []vo.Member{{SuspendedAt: now}}
		}), "1004 User is currently suspended!\nSuspension reason: no reason was given"},
		{"expired, but the project says so", false, by(func(f *vo.Facts) {
			f.Projects, f.Members = []vo.Role{in("p1", identity.User)}, []vo.Member{{FQANs: []string{"/climate/air"}, ExpiresAt: now}}
		}), "/climate"},
		{"a stopped account", false, by(func(f *vo.Facts) {
			f.Projects, f.Account.FrozenAt, f.Account.FreezeReason = []vo.Role{in("p1", identity.User)}, now, "laptop stolen"
		}), "1004 User is currently suspended!\nSuspension reason: laptop stolen"},
		{"a stopped provider", false, by(func(f *vo.Facts) { f.Projects, f.ProviderStopped = []vo.Role{in("p1", identity.User)}, true }), "1004 User is currently"},
		{"our certificate, never issued", true, vo.Facts{Members: member(nil).Members}, "1001 climate"},
		{"our certificate, revoked", true, by(func(f *vo.Facts) {
			f.Projects, f.Credential = []vo.Role{in("p1", identity.User)}, &credential.Credential{Status: credential.Ending, ExpiresAt: now.Add(hour)}
		}), "1004 User is currently suspended!\nSuspension reason: This certificate has been revoked."},
		{"our certificate, frozen", true, by(func(f *vo.Facts) {
			f.Projects, f.Credential = []vo.Role{in("p1", identity.User)}, &credential.Credential{Status: credential.Frozen, ExpiresAt: now.Add(hour)}
		}), "1004 User is currently"},
		{"our certificate", true, by(func(f *vo.Facts) {
			f.Projects, f.Credential = []vo.Role{in("p1", identity.User)}, &credential.Credential{Status: credential.Active, ExpiresAt: now.Add(hour)}
		}), "/climate"},
	} {
		s, err := climate().Judge(tc.own, tc.facts, now)
		if got := told(strings.Join(s.List(), " "), err); got != tc.want && (err == nil || !strings.HasPrefix(got, tc.want)) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

// told is what somebody hears: text, or the number and the text of a refusal.
func told(text string, err error) string {
	if err == nil {
		return text
	}
	e, ok := errors.AsType[*protocol.Error](err)
	if !ok {
		return err.Error()
	}
	return map[int]string{1001: "1001 ", 1002: "1002 ", 1004: "1004 ", 1005: "1005 ", 1007: "1007 "}[e.Code] + e.Message
}

// standing holds two groups and roles in each, one of them for an hour.
func standing(t testing.TB, v vo.VO) vo.Standing {
	t.Helper()
	s, err := v.Judge(false, vo.Facts{Members: []vo.Member{
		{FQANs: []string{"/climate/Role=production", "/climate/air/Role=pilot", "/climate/air"}, Attributes: []vo.Attribute{{Name: "nickname", Value: "ada"}}},
		{FQANs: []string{"/climate/ocean/Role=pilot", "/climate/air"}, ExpiresAt: now.Add(hour)},
	}}, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestChoose(t *testing.T) {
	subset := "climate : your certificate already contains attributes, only a subset of them can be issued."
	ac := func(fqans ...string) []*voms.AC { return []*voms.AC{{VO: "climate", FQANs: fqans}} }
	for _, tc := range []struct {
		name    string
		request protocol.Request
		already []*voms.AC
		want    string
		warned  string
	}{
		{"nothing", protocol.Request{}, nil, "/climate /climate/air /climate/ocean", ""},
		{"the VO", protocol.Request{FQANs: []string{"/climate"}}, nil, "/climate /climate/air /climate/ocean", ""},
		{"a group first", protocol.Request{FQANs: []string{"/climate/ocean"}}, nil, "/climate/ocean /climate /climate/air", ""},
		{"its long form", protocol.Request{FQANs: []string{"/climate/ocean/Role=NULL/Capability=NULL"}}, nil, "/climate/ocean /climate /climate/air", ""},
		{"twice", protocol.Request{FQANs: []string{"/climate/ocean", "/climate/ocean"}}, nil, "/climate/ocean /climate /climate/air", ""},
		{"a role", protocol.Request{FQANs: []string{"/climate/Role=production"}}, nil, "/climate/Role=production /climate /climate/air /climate/ocean", ""},
		{"in this order", protocol.Request{FQANs: []string{"/climate/ocean", "/climate/air/Role=pilot"}}, nil, "/climate/ocean /climate/air/Role=pilot /climate /climate/air", ""},
		{"a role anywhere", protocol.Request{FQANs: []string{"/Role=pilot"}}, nil, "/climate/air/Role=pilot /climate/ocean/Role=pilot /climate /climate/air /climate/ocean", ""},
		{"everything", protocol.Request{All: true}, nil, "/climate /climate/air /climate/ocean /climate/Role=production /climate/air/Role=pilot /climate/ocean/Role=pilot", ""},
		{"ordered", protocol.Request{Order: []string{"/climate/ocean", "/climate/air"}}, nil, "/climate/ocean /climate/air /climate", ""},
		{"order over request", protocol.Request{FQANs: []string{"/climate/air"}, Order: []string{"/climate/ocean"}}, nil, "/climate/ocean /climate/air /climate", ""},
		{"an order adds no role", protocol.Request{Order: []string{"/climate/Role=production"}}, nil, "/climate /climate/air /climate/ocean", "FQAN: /climate/Role=production is not the first selected!"},
		{"an order for what is not held", protocol.Request{Order: []string{"/climate/ocean/deep", "/climate/ocean"}}, nil, "/climate/ocean /climate /climate/air", "FQAN: /climate/ocean/deep is not the first selected!"},
		{"a group not held", protocol.Request{FQANs: []string{"/climate/ocean/deep"}}, nil, "1007 climate: Unable to satisfy G/climate/ocean/deep request!", ""},
		{"a role not held", protocol.Request{FQANs: []string{"/climate", "/climate/ocean/Role=admin"}}, nil, "1007 climate: Unable to satisfy B/climate/ocean:admin request!", ""},
		{"a role held nowhere", protocol.Request{FQANs: []string{"/Role=admin"}}, nil, "1007 climate: Unable to satisfy Radmin request!", ""},
		{"another VO", protocol.Request{FQANs: []string{"/cms"}}, nil, "1007 climate: Unable to satisfy G/cms request!", ""},
		{"no FQAN", protocol.Request{FQANs: []string{"climate"}}, nil, "1005 climate: Unable to interpret command: \"climate\"", ""},
		{"with attributes", protocol.Request{}, ac("/climate", "/climate/ocean/Role=NULL/Capability=NULL"), "/climate /climate/ocean", subset},
		{"no role gained", protocol.Request{FQANs: []string{"/climate/Role=production"}}, ac("/climate"), "/climate", subset},
		{"all that it has", protocol.Request{}, ac("/climate", "/climate/ocean", "/climate/air"), "/climate /climate/air /climate/ocean", ""},
		{"what it had is gone", protocol.Request{}, ac("/climate/ocean/deep"), "1002 " + subset, ""},
	} {
		got, err := standing(t, climate()).Choose(tc.request, tc.already)
		if text := told(strings.Join(got.FQANs, " "), err); text != tc.want || strings.Join(got.Warnings, "|") != tc.warned {
			t.Errorf("%s: got %q, warned %q; want %q, %q", tc.name, text, got.Warnings, tc.want, tc.warned)
		}
	}
}

func TestWhatGoesWithAChoice(t *testing.T) {
	v := climate()
	got, err := standing(t, v).Choose(protocol.Request{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []voms.Attribute{{Name: "nickname", Value: "ada", Qualifier: "climate"}, {Name: "site", Value: "lumi", Qualifier: "/climate/ocean"}}
	if diff := cmp.Diff(want, got.Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if !got.EndsBy.Equal(now.Add(hour)) { // /climate/ocean is held for an hour, /climate/air for ever too
		t.Errorf("ends by %s", got.EndsBy)
	}
	got, err = standing(t, v).Choose(protocol.Request{}, []*voms.AC{{FQANs: []string{"/climate", "/climate/air"}}})
	if err != nil || len(got.Attributes) != 0 || !got.EndsBy.IsZero() {
		t.Errorf("below a certificate without attributes: %+v, %v", got, err)
	}
	v.ShortFQANs = false
	if got, err = standing(t, v).Choose(protocol.Request{FQANs: []string{"/climate/Role=production"}}, nil); err != nil ||
		got.FQANs[0] != "/climate/Role=production/Capability=NULL" || got.FQANs[1] != "/climate/Role=NULL/Capability=NULL" {
		t.Errorf("the long forms are %v, %v", got.FQANs, err)
	}
}

func TestLife(t *testing.T) {
	far := now.Add(1000 * hour)
	for _, tc := range []struct {
		name                   string
		asked                  time.Duration
		endsBy, aaEnd, holders time.Time
		want                   time.Duration
		warned                 string // seconds
	}{
		{"as asked", 12 * hour, time.Time{}, far, far, 12 * hour, ""},
		{"the most", 0, time.Time{}, far, far, 24 * hour, ""},
		{"exactly the most", 24 * hour, time.Time{}, far, far, 24 * hour, ""},
		{"too long", 25 * hour, time.Time{}, far, far, 24 * hour, "86400"},
		{"attributes end", 12 * hour, now.Add(hour), far, far, hour, "3600"},
		{"attributes end, nothing asked", 0, now.Add(hour), far, far, hour, ""},
		{"the authority's certificate ends", 12 * hour, time.Time{}, now.Add(2 * hour), far, 2 * hour, "7200"},
		{"the holder's certificate ends", 12 * hour, time.Time{}, far, now.Add(2 * hour), 2 * hour, ""},
		{"too long and the holder's ends", 25 * hour, time.Time{}, far, now.Add(2 * hour), 2 * hour, "86400"},
	} {
		end, warnings := climate().Life(tc.asked, now, tc.endsBy, tc.aaEnd, tc.holders)
		var want []string
		if tc.warned != "" {
			want = []string{"voms.example.org:15000: The validity of this VOMS AC in your proxy is shortened to " + tc.warned + " seconds!"}
		}
		if !end.Equal(now.Add(tc.want)) || !slices.Equal(warnings, want) {
			t.Errorf("%s: %s, %q; want %s, %q", tc.name, end.Sub(now), warnings, tc.want, want)
		}
	}
}

// TestNobodyGetsMore asks at random and holds every answer to what is held.
func TestNobodyGetsMore(t *testing.T) {
	v := climate()
	var all []string
	for _, g := range append(v.Groups, vo.Group{Name: "/climate"}, vo.Group{Name: "/cms"}) {
		all = append(all, g.Name)
		for _, r := range append(g.Roles, "admin") {
			all = append(all, g.Name+"/Role="+r)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		some := func(label string) []string { return rapid.SliceOfN(rapid.SampledFrom(all), 0, 6).Draw(t, label) }
		s, err := v.Judge(false, vo.Facts{Members: []vo.Member{{FQANs: some("held")}}}, now)
		if err != nil {
			return
		}
		r := protocol.Request{FQANs: some("asked"), All: rapid.Bool().Draw(t, "all"), Order: some("order")}
		var already []*voms.AC
		if rapid.Bool().Draw(t, "with attributes") {
			already = []*voms.AC{{FQANs: some("already")}}
		}
		got, err := s.Choose(r, already)
		if err != nil {
			return
		}
		if len(got.FQANs) == 0 {
			t.Fatal("an answer without attributes")
		}
		seen := map[string]bool{}
		for _, f := range got.FQANs {
			if _, held := s.FQANs[f]; !held || seen[f] || len(already) > 0 && !slices.Contains(already[0].FQANs, f) {
				t.Fatalf("%s is given, held are %v", f, s.List())
			}
			seen[f] = true
			if strings.Contains(f, "/Role=") && !r.All && !slices.Contains(r.FQANs, f) {
				t.Fatalf("%s is given unasked", f)
			}
		}
		if len(already) > 0 || len(r.Order) > 0 {
			return
		}
		if len(r.FQANs) > 0 && got.FQANs[0] != r.FQANs[0] {
			t.Fatalf("%s is primary, %s was asked for first", got.FQANs[0], r.FQANs[0])
		}
		for _, f := range s.List() {
			if !strings.Contains(f, "/Role=") && !seen[f] {
				t.Fatalf("group %s is missing in %v", f, got.FQANs)
			}
		}
	})
}

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{"climate": true, "vo.example.org": true, "beta.vo": true, "a": true, "c-m-s": true,
		"": false, "Climate": false, "../climate": false, "a..b": false, ".a": false, "a.": false, "-a": false, "a/b": false, "a b": false, "å": false, "a\n": false,
		strings.Repeat("a", 65): false} {
		if err := vo.CheckName(name); ok != (err == nil) || !ok && fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: %v", name, err)
		}
	}
	for text, want := range map[string]string{"/climate": "/climate", "/climate/Role=NULL/Capability=NULL": "/climate", "/climate/a.b/Role=x": "/climate/a.b/Role=x",
		"": "", "climate": "", "/climatex": "", "/cms": "", "/climate/../x": "", "/climate//x": "", "/climate/a b": "", "/climate/Role=a/b": "",
		"/climate/x\n": "", "/climate/Role=x/Capability=y": "", "/climate/" + strings.Repeat("a", 300): ""} {
		if got, err := vo.CheckFQAN("climate", text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestCheckMember(t *testing.T) {
	got, err := climate().CheckMember(vo.Member{Subject: "CN=Ada,DC=org", FQANs: []string{"/climate/ocean/Role=pilot", "/climate", "/climate/Role=NULL"}})
	if err != nil || got.Subject != "/DC=org/CN=Ada" || !slices.Equal(got.FQANs, []string{"/climate", "/climate/ocean/Role=pilot"}) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, m := range map[string]vo.Member{"nobody": {}, "two": {AccountID: "usr_1", Subject: "/CN=x"}, "an account with a CA": {AccountID: "usr_1", Issuer: "/CN=x"},
		"no name": {Subject: "x"}, "no such group": {AccountID: "usr_1", FQANs: []string{"/climate/sea"}}, "no such role": {AccountID: "usr_1", FQANs: []string{"/climate/ocean/Role=admin"}},
		"a reason of two lines": {AccountID: "usr_1", Reason: "a\nb"}, "an attribute of two lines": {AccountID: "usr_1", Attributes: []vo.Attribute{{Name: "a", Value: "x\ny"}}},
		"an attribute without a name": {AccountID: "usr_1", Attributes: []vo.Attribute{{Value: "x"}}}} {
		if _, err := climate().CheckMember(m); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
