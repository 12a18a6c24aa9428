package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// stage is a world in which every use case has something to act on: a key of ann's, one that left
// the project with bob, a bucket, something frozen.
type stage struct {
	*world
	key string // ann's
}

func newStage(t *testing.T) stage {
	w := newWorld(t)
	w.person("fay", "https://idp.example")
	w.member(w.climate, "fay", identity.Manager)
	w.Reveal = true
	s := stage{w, w.issue("ann", hour).ID}
	_, err := w.CreateBucket(t.Context(), w.as("ann"), "climate", "results", false)
	w.check(err)
	_, err = w.FreezeAccount(t.Context(), operator(), "fay", "left the house")
	w.check(err)
	return s
}

func (s stage) actor(who string) identity.Actor {
	switch who {
	case "nobody":
		return identity.Actor{RequestID: "req_0"}
	case "outsider":
		return s.as("out")
	case "user":
		return s.as("bob")
	case "owner":
		return s.as("ann")
	case "deputy":
		return s.as("dan")
	case "manager":
		return s.as("max")
	case "robot":
		return s.as("bot")
	case "robot without scope":
		by := s.as("bot")
		by.Scopes = []identity.Scope{}
		return by
	case "frozen manager":
		return s.as("fay")
	}
	return operator()
}

// Each use case and what each actor gets; "" is leave to do it.
func TestWhoMayDoWhat(t *testing.T) {
	const (
		may    = fault.Code("")
		denied = fault.Denied
		absent = fault.NotFound
		nobody = fault.Unauthenticated
	)
	actors := []string{"nobody", "outsider", "user", "owner", "deputy", "manager", "robot", "robot without scope", "frozen manager", "operator"}
	ctx := t.Context()
	err1 := func(_ any, err error) error { return err }
	title := "new"
	for _, tc := range []struct {
		name string
		do   func(s stage, by identity.Actor) error
		want []fault.Code // by actor, as above
	}{
		{"issue", func(s stage, by identity.Actor) error { return err1(s.Issue(ctx, by, order(hour), audit.Once{})) },
			[]fault.Code{nobody, absent, may, may, may, may, may, denied, denied, denied}},
		{"show", func(s stage, by identity.Actor) error { return err1(s.Show(ctx, by, s.key)) },
			[]fault.Code{nobody, absent, absent, may, may, may, absent, denied, denied, may}},
		{"again", func(s stage, by identity.Actor) error { return err1(s.Again(ctx, by, s.key)) },
			[]fault.Code{nobody, absent, absent, may, denied, denied, absent, denied, denied, denied}},
		{"extend", func(s stage, by identity.Actor) error {
			return err1(s.Extend(ctx, by, s.key, 0, time.Time{}, audit.Once{}))
		},
			[]fault.Code{nobody, absent, absent, may, may, may, absent, denied, denied, may}},
		{"freeze", func(s stage, by identity.Actor) error { return err1(s.Freeze(ctx, by, s.key, audit.Once{})) },
			[]fault.Code{nobody, absent, absent, may, may, may, absent, denied, denied, may}},
		{"thaw", func(s stage, by identity.Actor) error { return err1(s.Thaw(ctx, by, s.key, audit.Once{})) },
			[]fault.Code{nobody, absent, absent, may, may, may, absent, denied, denied, may}},
		{"end", func(s stage, by identity.Actor) error { return err1(s.End(ctx, by, s.key, audit.Once{})) },
			[]fault.Code{nobody, absent, absent, may, may, may, absent, denied, denied, may}},
		{"list keys of a project", func(s stage, by identity.Actor) error {
			return err1(s.ListCredentials(ctx, by, credential.Filter{ProjectID: "climate"}))
		}, []fault.Code{nobody, absent, may, may, may, may, may, denied, denied, may}},
		{"list own keys", func(s stage, by identity.Actor) error {
			return err1(s.ListCredentials(ctx, by, credential.Filter{}))
		}, []fault.Code{nobody, may, may, may, may, may, may, denied, denied, may}},
		{"list projects", func(s stage, by identity.Actor) error { return err1(s.ListProjects(ctx, by)) },
			[]fault.Code{nobody, may, may, may, may, may, may, denied, denied, may}},
		{"show project", func(s stage, by identity.Actor) error { return err1(s.ShowProject(ctx, by, "climate")) },
			[]fault.Code{nobody, absent, may, may, may, may, may, denied, denied, may}},
		{"create project", func(s stage, by identity.Actor) error {
			name := "new"
			return err1(s.CreateProject(ctx, by, broker.ProjectOrder{Name: &name}, audit.Once{}))
		}, []fault.Code{denied, denied, denied, denied, denied, denied, denied, denied, denied, may}},
		{"change project", func(s stage, by identity.Actor) error {
			return err1(s.ChangeProject(ctx, by, "climate", broker.ProjectOrder{Title: &title}))
		}, []fault.Code{denied, denied, denied, denied, denied, denied, denied, denied, denied, may}},
		{"freeze project", func(s stage, by identity.Actor) error { return err1(s.FreezeProject(ctx, by, "climate", "")) },
			[]fault.Code{denied, denied, denied, denied, denied, denied, denied, denied, denied, may}},
		{"thaw project", func(s stage, by identity.Actor) error { return err1(s.ThawProject(ctx, by, "climate")) },
			[]fault.Code{denied, denied, denied, denied, denied, denied, denied, denied, denied, may}},
		{"list members", func(s stage, by identity.Actor) error { return err1(s.ListMembers(ctx, by, "climate")) },
			[]fault.Code{nobody, absent, may, may, may, may, may, denied, denied, may}},
		{"set a user", func(s stage, by identity.Actor) error {
			return err1(s.SetMember(ctx, by, "climate", "out", identity.User))
		}, []fault.Code{nobody, absent, denied, denied, may, may, denied, denied, denied, may}},
		{"set a manager", func(s stage, by identity.Actor) error {
			return err1(s.SetMember(ctx, by, "climate", "bob", identity.Manager))
		}, []fault.Code{nobody, absent, denied, denied, denied, may, denied, denied, denied, may}},
		{"demote a manager", func(s stage, by identity.Actor) error {
			return err1(s.SetMember(ctx, by, "climate", "fay", identity.User))
		}, []fault.Code{nobody, absent, denied, denied, denied, may, denied, denied, denied, may}},
		{"remove a user", func(s stage, by identity.Actor) error { return err1(s.RemoveMember(ctx, by, "climate", "ann")) },
			[]fault.Code{nobody, absent, denied, denied, may, may, denied, denied, denied, may}},
		{"remove a manager", func(s stage, by identity.Actor) error { return err1(s.RemoveMember(ctx, by, "climate", "fay")) },
			[]fault.Code{nobody, absent, denied, denied, denied, may, denied, denied, denied, may}},
		{"list accounts", func(s stage, by identity.Actor) error { return err1(s.ListAccounts(ctx, by, identity.Filter{})) },
			[]fault.Code{denied, denied, denied, denied, denied, denied, denied, denied, denied, may}},
		{"freeze account", func(s stage, by identity.Actor) error { return err1(s.FreezeAccount(ctx, by, "bob", "")) },
			[]fault.Code{denied, denied, denied, denied, denied, denied, denied, denied, denied, may}},
		{"thaw account", func(s stage, by identity.Actor) error { return err1(s.ThawAccount(ctx, by, "fay")) },
			[]fault.Code{denied, denied, denied, denied, denied, denied, denied, denied, denied, may}},
		{"freeze provider", func(s stage, by identity.Actor) error {
			return err1(s.FreezeProvider(ctx, by, "https://idp.example", ""))
		}, []fault.Code{denied, denied, denied, denied, denied, denied, denied, denied, denied, may}},
		{"thaw provider", func(s stage, by identity.Actor) error {
			return err1(s.ThawProvider(ctx, by, "https://idp.example"))
		}, []fault.Code{denied, denied, denied, denied, denied, denied, denied, denied, denied, may}},
		{"create bucket", func(s stage, by identity.Actor) error {
			return err1(s.CreateBucket(ctx, by, "climate", "more", false))
		}, []fault.Code{nobody, absent, may, may, may, may, may, denied, denied, may}},
		{"delete bucket", func(s stage, by identity.Actor) error { return s.DeleteBucket(ctx, by, "climate", "results") },
			[]fault.Code{nobody, absent, may, may, may, may, may, denied, denied, may}},
		{"publish bucket", func(s stage, by identity.Actor) error {
			return s.PublishBucket(ctx, by, "climate", "results", true)
		}, []fault.Code{nobody, absent, may, may, may, may, may, denied, denied, may}},
		{"audit of a project", func(s stage, by identity.Actor) error {
			return err1(s.ListAudit(ctx, by, audit.Filter{Project: "climate"}))
		}, []fault.Code{nobody, absent, may, may, may, may, may, denied, denied, may}},
		{"audit of a key", func(s stage, by identity.Actor) error {
			return err1(s.ListAudit(ctx, by, audit.Filter{Subject: s.key}))
		}, []fault.Code{nobody, absent, absent, may, may, may, absent, denied, denied, may}},
		{"own audit", func(s stage, by identity.Actor) error { return err1(s.ListAudit(ctx, by, audit.Filter{})) },
			[]fault.Code{nobody, may, may, may, may, may, may, denied, denied, may}},
		{"verify audit", func(s stage, by identity.Actor) error { return err1(s.VerifyAudit(ctx, by)) },
			[]fault.Code{denied, denied, denied, denied, denied, denied, denied, denied, denied, may}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			for i, who := range actors {
				before := s.records()
				err := tc.do(s, s.actor(who))
				if fault.CodeOf(err) != tc.want[i] {
					t.Errorf("%s: got %v (%s), want %q", who, err, fault.CodeOf(err), tc.want[i])
				}
				if err != nil && s.records() != before {
					t.Errorf("%s was refused and changed something", who)
				}
				if err == nil && s.records() != before { // the next one meets what the first one met
					s = newStage(t)
				}
			}
		})
	}
}

// records counts everything that was ever changed.
func (w *world) records() int64 {
	w.t.Helper()
	rs, err := w.store.Audit(w.t.Context(), audit.Filter{Limit: 1})
	w.check(err)
	return rs[0].Seq
}

func TestAbsentAndForbiddenLookTheSame(t *testing.T) {
	w := newWorld(t)
	c := w.issue("ann", hour)
	w.Reveal = true
	for name, ask := range map[string]func(ref string) error{
		"show":  func(ref string) error { _, err := w.Show(t.Context(), w.as("bob"), ref); return err },
		"again": func(ref string) error { _, err := w.Again(t.Context(), w.as("bob"), ref); return err },
		"extend": func(ref string) error {
			_, err := w.Extend(t.Context(), w.as("bob"), ref, 0, time.Time{}, audit.Once{})
			return err
		},
		"freeze": func(ref string) error { _, err := w.Freeze(t.Context(), w.as("bob"), ref, audit.Once{}); return err },
		"thaw":   func(ref string) error { _, err := w.Thaw(t.Context(), w.as("bob"), ref, audit.Once{}); return err },
		"end":    func(ref string) error { _, err := w.End(t.Context(), w.as("bob"), ref, audit.Once{}); return err },
		"records": func(ref string) error {
			_, err := w.ListAudit(t.Context(), w.as("bob"), audit.Filter{Subject: ref})
			return err
		},
	} {
		same(t, name, ask, c.PublicID, "LYD00000000000000000")
	}
	for name, ask := range map[string]func(ref string) error{
		"show":    func(ref string) error { _, err := w.ShowProject(t.Context(), w.as("bob"), ref); return err },
		"members": func(ref string) error { _, err := w.ListMembers(t.Context(), w.as("bob"), ref); return err },
		"set": func(ref string) error {
			_, err := w.SetMember(t.Context(), w.as("bob"), ref, "out", identity.User)
			return err
		},
		"remove": func(ref string) error { _, err := w.RemoveMember(t.Context(), w.as("bob"), ref, "out"); return err },
		"keys": func(ref string) error {
			_, err := w.ListCredentials(t.Context(), w.as("bob"), credential.Filter{ProjectID: ref})
			return err
		},
		"records": func(ref string) error {
			_, err := w.ListAudit(t.Context(), w.as("bob"), audit.Filter{Project: ref})
			return err
		},
		"bucket": func(ref string) error {
			_, err := w.CreateBucket(t.Context(), w.as("bob"), ref, "some", false)
			return err
		},
		"issue": func(ref string) error {
			o := order(hour)
			o.ProjectID = ref
			_, err := w.Issue(t.Context(), w.as("bob"), o, audit.Once{})
			return err
		},
	} {
		same(t, name, ask, "ocean", "oceam")
	}
}

// same checks that asking for what is there but hidden, and for what is not there, differ in
// nothing but the name that was asked for.
func same(t *testing.T, name string, ask func(ref string) error, hidden, missing string) {
	t.Helper()
	text := func(ref string) string {
		f := fault.Public(ask(ref))
		return fmt.Sprintf("%s|%s|%s|%s", f.Code, f.Message, f.Hint, f.RetryAfter)
	}
	a, b := strings.ReplaceAll(text(hidden), hidden, "REF"), strings.ReplaceAll(text(missing), missing, "REF")
	if a != b || !strings.HasPrefix(a, "not_found|") {
		t.Errorf("%s: %q and %q differ", name, a, b)
	}
}

func TestWhoSeesWhichKeys(t *testing.T) {
	w := newWorld(t)
	w.member(w.ocean, "ann", identity.User)
	w.issue("ann", hour)
	w.issue("bob", hour)
	w.issue("max", hour)
	o := order(hour)
	o.ProjectID = "ocean"
	_, err := w.Issue(t.Context(), w.as("ann"), o, audit.Once{})
	w.check(err)
	for _, tc := range []struct {
		who string
		f   credential.Filter
		n   int
	}{
		{"ann", credential.Filter{}, 2},
		{"ann", credential.Filter{ProjectID: "climate"}, 1},
		{"ann", credential.Filter{OwnerID: "usr_bob"}, 0},
		{"ann", credential.Filter{ProjectID: "climate", OwnerID: "usr_bob"}, 0},
		{"ann", credential.Filter{Issuer: "https://idp.example"}, 2},
		{"dan", credential.Filter{}, 0},
		{"dan", credential.Filter{ProjectID: w.climate.ID}, 3},
		{"max", credential.Filter{ProjectID: "climate", OwnerID: "usr_bob"}, 1},
		{"max", credential.Filter{OwnerID: "usr_bob"}, 0},
		{"out", credential.Filter{}, 0},
		{"operator", credential.Filter{}, 4},
		{"operator", credential.Filter{OwnerID: "usr_ann"}, 2},
	} {
		by := operator()
		if tc.who != "operator" {
			by = w.as(tc.who)
		}
		cs, err := w.ListCredentials(t.Context(), by, tc.f)
		w.check(err)
		if len(cs) != tc.n {
			t.Errorf("%s with %+v sees %d keys, want %d", tc.who, tc.f, len(cs), tc.n)
		}
	}
}

func TestMembersSeeLittleOfWhatOthersDo(t *testing.T) {
	w := newWorld(t)
	mine, others := w.issue("ann", hour), w.issue("bob", hour)
	_, err := w.CreateBucket(t.Context(), w.as("bob"), "climate", "results", false)
	w.check(err)
	_, err = w.Freeze(t.Context(), w.as("max"), mine.ID, audit.Once{})
	w.check(err)
	for _, tc := range []struct {
		who  string
		f    audit.Filter
		want []string
	}{
		{"ann", audit.Filter{Project: "climate"}, []string{
			"s3key.freeze usr_max 192.0.0.0/16  ", // nobody's, for who does not know whose it is
			"bucket.create usr_bob 192.0.0.0/16 results", "bucket.intend usr_bob 192.0.0.0/16 results",
			"s3key.create usr_bob 192.0.0.0/16  ",
			"s3key.create usr_ann 192.0.2.17 rclone on lumi-login2 " + mine.ID}},
		{"ann", audit.Filter{Subject: mine.PublicID}, []string{
			"s3key.freeze usr_max 192.0.0.0/16 rclone on lumi-login2 " + mine.ID,
			"s3key.create usr_ann 192.0.2.17 rclone on lumi-login2 " + mine.ID}},
		{"ann", audit.Filter{Project: "climate", Subject: others.ID}, []string{"s3key.create usr_bob 192.0.0.0/16  "}},
		{"ann", audit.Filter{}, []string{"s3key.create usr_ann 192.0.2.17 rclone on lumi-login2 " + mine.ID}},
		{"dan", audit.Filter{Project: "climate", Subject: others.ID}, []string{"s3key.create usr_bob 192.0.2.17 rclone on lumi-login2 " + others.ID}},
	} {
		rs, err := w.ListAudit(t.Context(), w.as(tc.who), tc.f)
		w.check(err)
		var got []string
		for _, r := range rs {
			line := fmt.Sprintf("%s %s %s %s", r.Action, r.Actor, r.Address, r.Detail["name"])
			if strings.HasPrefix(r.Action, "s3key.") {
				line += " " + r.Subject
			}
			got = append(got, line)
		}
		if !cmp.Equal(got, tc.want) {
			t.Errorf("%s with %+v sees:\n%s", tc.who, tc.f, cmp.Diff(tc.want, got))
		}
	}
}
