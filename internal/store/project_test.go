package store_test

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/session"
)

func TestProjects(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := project.Project{ID: "prj_2", Name: "462000008", Title: "Ünïcode", Description: "two\nlines", QuotaBytes: 1 << 40, QuotaBuckets: 10,
			UsedBytes: 1, UsedObjects: 2, UsedAt: start, DefaultLife: time.Hour, MaxLife: 48 * time.Hour, EndsAt: start.Add(time.Hour),
			Source: "config", CreatedAt: start}
		seq, err := w.InsertProject(t.Context(), p, did("project.create", p.ID))
		check(t, err)
		for _, ref := range []string{p.ID, p.Name} {
			got, err := w.Project(t.Context(), ref)
			check(t, err)
			if d := gocmp.Diff(p, got); d != "" {
				t.Errorf("by %s: %s", ref, d)
			}
		}
		_, err = w.Project(t.Context(), "weather")
		refused(t, err, fault.NotFound)
		_, err = w.InsertProject(t.Context(), project.Project{ID: "prj_3", Name: p.Name}, did("project.create", "prj_3"))
		refused(t, err, fault.Conflict)

		check(t, w.SetUsage(t.Context(), p.ID, objectstore.Usage{Bytes: 77, Objects: 7}, start.Add(time.Minute)))
		p.Title, p.FrozenAt, p.FreezeReason, p.MaxLife = "new", start, "incident 12", 0
		_, err = w.SaveProject(t.Context(), p, did("project.freeze", p.ID)) // p still has the old use
		check(t, err)
		p.UsedBytes, p.UsedObjects, p.UsedAt = 77, 7, start.Add(time.Minute)
		got, err := w.Project(t.Context(), p.ID)
		check(t, err)
		if d := gocmp.Diff(p, got); d != "" {
			t.Error(d)
		}
		if got := w.seen(t, seq-1); got != "prj_2 prj_2 prj_2" {
			t.Errorf("the feed says %q", got)
		}
		_, err = w.SaveProject(t.Context(), project.Project{ID: "prj_9", Name: "x"}, did("project.change", "prj_9"))
		refused(t, err, fault.NotFound)
		refused(t, w.SetUsage(t.Context(), "prj_9", objectstore.Usage{}, start), fault.NotFound)
		w.verified(t)
	})
}

func TestMembers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, err := w.InsertProject(t.Context(), project.Project{ID: "prj_2", Name: "Z-last-by-bytes-first"}, did("project.create", "prj_2"))
		check(t, err)
		check(t, w.InsertAccount(t.Context(), person("usr_2"), did("account.create", "usr_2")))
		m := project.Member{ProjectID: "prj_1", ProjectName: "climate", AccountID: "usr_1", AccountName: "Name of usr_1",
			AccountKind: identity.Person, Role: identity.User, Source: "config", Since: start}
		check(t, w.SaveMember(t.Context(), m, did("member.add", m.AccountID)))
		m.Role, m.Since = identity.Manager, start.Add(time.Hour)
		check(t, w.SaveMember(t.Context(), m, did("member.change", m.AccountID)))
		m.Since = start // it began then
		for _, n := range []project.Member{{ProjectID: "prj_2", AccountID: "usr_1", Role: identity.User}, {ProjectID: "prj_1", AccountID: "usr_2", Role: identity.Deputy}} {
			check(t, w.SaveMember(t.Context(), n, did("member.add", n.AccountID)))
		}
		got, err := w.ListMembers(t.Context(), "prj_1", "usr_1")
		check(t, err)
		if d := gocmp.Diff([]project.Member{m}, got); d != "" {
			t.Error(d)
		}
		if got, err := w.ListMembers(t.Context(), "prj_1", ""); err != nil || len(got) != 2 || got[1].AccountID != "usr_2" {
			t.Errorf("members of the project: %v, %v", got, err)
		}
		n := aSession("ses_1", "usr_1")
		_, err = w.InsertSession(t.Context(), n, []session.Token{aToken("h1", n.ID, session.AccessToken)}, nil, record("session.begin", n.ID))
		check(t, err)
		proof, err := w.Session(t.Context(), "h1")
		check(t, err)
		if d := gocmp.Diff(map[string]identity.Role{"prj_1": identity.Manager, "prj_2": identity.User}, proof.Roles); d != "" {
			t.Error(d)
		}
		if ps, err := w.ListProjects(t.Context(), "usr_1"); err != nil || len(ps) != 2 || ps[0].ID != "prj_2" {
			t.Errorf("projects of usr_1: %v, %v; want both, sorted by bytes", ps, err)
		}
		if ps, err := w.ListProjects(t.Context(), "usr_2"); err != nil || len(ps) != 1 || ps[0].ID != "prj_1" {
			t.Errorf("projects of usr_2: %v, %v", ps, err)
		}
		check(t, w.DeleteMember(t.Context(), "prj_1", "usr_1", did("member.remove", "usr_1")))
		if proof, err := w.Session(t.Context(), "h1"); err != nil || len(proof.Roles) != 1 || proof.Roles["prj_2"] != identity.User {
			t.Errorf("roles after one was taken: %v, %v", proof.Roles, err)
		}
		refused(t, w.DeleteMember(t.Context(), "prj_1", "usr_1", did("member.remove", "usr_1")), fault.NotFound)
		refused(t, w.SaveMember(t.Context(), project.Member{ProjectID: "prj_9", AccountID: "usr_1"}, did("member.add", "usr_1")), fault.Conflict)
		w.verified(t)
	})
}

func TestBuckets(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := bucket.Bucket{ID: "bkt_1", ProjectID: "prj_1", Name: "data", Upstream: "climate.data", PublicRead: false,
			State: bucket.Intended, CreatedBy: "usr_1", CreatedAt: start}
		seq, err := w.InsertBucket(t.Context(), b, did("bucket.create", b.ID))
		check(t, err)
		for _, n := range []bucket.Bucket{{ID: "bkt_2", ProjectID: "prj_1", Name: "data", Upstream: "u"}, {ID: "bkt_3", ProjectID: "prj_1", Name: "n", Upstream: b.Upstream}} {
			_, err := w.InsertBucket(t.Context(), n, did("bucket.create", n.ID))
			refused(t, err, fault.Conflict)
		}
		b.State, b.PublicRead = bucket.Active, true
		_, err = w.SaveBucket(t.Context(), b, false, did("bucket.publish", b.ID))
		check(t, err)
		got, err := w.Bucket(t.Context(), "prj_1", "data")
		check(t, err)
		if d := gocmp.Diff(b, got); d != "" {
			t.Error(d)
		}
		if all, err := w.ListBuckets(t.Context(), ""); err != nil || len(all) != 1 {
			t.Errorf("all buckets: %v, %v", all, err)
		}
		if none, err := w.ListBuckets(t.Context(), "prj_2"); err != nil || len(none) != 0 {
			t.Errorf("another project's buckets: %v, %v", none, err)
		}
		if got := w.seen(t, seq-1); got != "bkt_1 bkt_1" {
			t.Errorf("the feed says %q", got)
		}
		_, err = w.SaveBucket(t.Context(), b, true, did("bucket.delete", b.ID))
		check(t, err)
		_, err = w.Bucket(t.Context(), "prj_1", "data")
		refused(t, err, fault.NotFound)
		_, err = w.SaveBucket(t.Context(), b, true, did("bucket.delete", b.ID))
		refused(t, err, fault.NotFound)
		if got := w.seen(t, seq-1); got != "-bkt_1 -bkt_1 -bkt_1" {
			t.Errorf("the feed says %q", got)
		}
		w.verified(t)
	})
}
