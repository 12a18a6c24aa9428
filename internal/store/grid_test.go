package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/authority"
	"github.com/lanyardhq/lanyard/internal/authority/onlineca"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/material"
)

var (
	_ authority.Store = (*store.Store)(nil)
	_ onlineca.Store  = (*store.Store)(nil)
)

const (
	ada     = "/DC=org/CN=Ada Tester"
	someCA  = "/DC=org/CN=CA"
	otherCA = "/DC=org/CN=Other CA"
)

func noted(action string) audit.Record { return did(action, "x").Record }

func TestMembersOfVOs(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		m := vo.Member{ID: "vom_1", VO: "climate", Subject: ada, Issuer: someCA, FQANs: []string{"/climate", "/climate/ocean"},
			Attributes: []vo.Attribute{{Name: "nickname", Value: "ada ✓"}}, Source: "admin", Since: start, ExpiresAt: start.Add(time.Hour)}
		byAccount := vo.Member{ID: "vom_2", VO: "climate", AccountID: "usr_1", FQANs: []string{}, SuspendedAt: start, Reason: "key lost", Source: "admin", Since: start.Add(1 * time.Second)}
		check(t, w.SaveMembers(ctx, []vo.MemberChange{{Member: m, Record: noted("vo.member.add")}, {Member: byAccount, Record: noted("vo.member.add")}}))
		got, err := w.Members(ctx, "climate", "")
		check(t, err)
		byAccount.AccountName = person("usr_1").Name
		if diff := cmp.Diff([]vo.Member{m, byAccount}, got); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
		if got, err := w.Members(ctx, "climate", "usr_1"); err != nil || len(got) != 1 || got[0].ID != "vom_2" {
			t.Errorf("of the account: %+v, %v", got, err)
		}
		if got, err := w.Members(ctx, "cms", ""); err != nil || len(got) != 0 {
			t.Errorf("of another VO: %+v, %v", got, err)
		}
		same := m
		same.ID, same.Subject = "vom_3", "/dc=ORG/CN=ada  tester" // the same name, written otherwise
		if err := w.SaveMembers(ctx, []vo.MemberChange{{Member: same, Record: noted("x")}}); err == nil {
			t.Error("somebody is a member twice by the same source")
		}
		same.Source = "ldap"
		check(t, w.SaveMembers(ctx, []vo.MemberChange{{Member: same, Record: noted("x")}}))
		find := func(subject, issuer string) []string {
			t.Helper()
			f, err := w.Holding(ctx, vo.Question{VO: "climate", Subject: subject, Issuer: issuer})
			check(t, err)
			var ids []string
			for _, m := range f.Members {
				ids = append(ids, m.ID)
			}
			slices.Sort(ids)
			return ids
		}
		if got := find(ada, someCA); !slices.Equal(got, []string{"vom_1", "vom_3"}) {
			t.Errorf("found %v", got)
		}
		if got := find(ada, otherCA); len(got) != 0 {
			t.Errorf("under another CA: %v", got)
		}
		anyCA := vo.Member{ID: "vom_4", VO: "climate", Subject: ada, FQANs: []string{"/climate"}, Source: "admin", Since: start}
		check(t, w.SaveMembers(ctx, []vo.MemberChange{{Member: anyCA, Record: noted("x")}}))
		if got := find(ada, otherCA); !slices.Equal(got, []string{"vom_4"}) {
			t.Errorf("under any CA: %v", got)
		}
		// All or none.
		if err := w.SaveMembers(ctx, []vo.MemberChange{{Member: m, Removed: true, Record: noted("x")}, {Member: vo.Member{ID: "vom_9"}, Removed: true, Record: noted("x")}}); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("an absent one was removed: %v", err)
		}
		if got := find(ada, someCA); len(got) != 3 {
			t.Errorf("half a change was written: %v", got)
		}
	})
}

// Servers that import the same at once do it once, and none of them fails.
func TestRevisingMembersAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				err := w.ReviseMembers(t.Context(), "climate", func(all []vo.Member) ([]vo.MemberChange, error) {
					if len(all) > 0 {
						return nil, nil
					}
					m := vo.Member{ID: fmt.Sprint("vom_", i), VO: "climate", Subject: ada, Issuer: someCA, FQANs: []string{"/climate"}, Source: "ldap", Since: start}
					return []vo.MemberChange{{Member: m, Record: noted("vo.member.add")}}, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got, err := w.Members(t.Context(), "climate", ""); err != nil || len(got) != 1 {
			t.Errorf("%d members, %v", len(got), err)
		}
		records, err := w.Audit(t.Context(), audit.Filter{Subject: "x"})
		check(t, err)
		if len(records) != 1 {
			t.Errorf("%d records of one change", len(records))
		}
	})
}

func TestHolding(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		check(t, w.SaveMember(ctx, project.Member{ProjectID: "prj_1", AccountID: "usr_1", Role: identity.Deputy, Since: start}, did("member.set", "prj_1")))
		check(t, w.LinkCertificate(ctx, vo.Certificate{AccountID: "usr_1", Subject: ada, Issuer: someCA, Source: "admin", Since: start}, noted("certificate.link")))
		check(t, w.SetGroups(ctx, "usr_1", []string{"b", "a", "b", "ä"}))
		f, err := w.Holding(ctx, vo.Question{VO: "climate", Subject: "CN=ada tester,DC=org", Issuer: someCA})
		check(t, err)
		if f.Account == nil || f.Account.ID != "usr_1" || f.Credential != nil || f.ProviderStopped || len(f.Projects) != 1 || f.Projects[0].Project.Name != "climate" ||
			f.Projects[0].Role != identity.Deputy || len(f.Claims) != 3 {
			t.Errorf("the facts are %+v", f)
		}
		check(t, w.SetGroups(ctx, "usr_1", nil))
		check(t, w.FreezeProvider(ctx, f.Account.Issuer, true, did("provider.freeze", "x")))
		if f, err = w.AccountFacts(ctx, "climate", "usr_1"); err != nil || len(f.Claims) != 0 || !f.ProviderStopped {
			t.Errorf("later: %+v, %v", f, err)
		}
		// By serial number the names do not count: the certificate is whose credential it is.
		f, err = w.Holding(ctx, vo.Question{VO: "climate", Subject: ada, Issuer: someCA, Serial: "abc"})
		if err != nil || f.Account != nil || f.Credential != nil {
			t.Errorf("an unknown serial number: %+v, %v", f, err)
		}
		c := credential.Credential{ID: "crd_p", Kind: "proxy", ProjectID: "prj_1", OwnerID: "usr_1", Name: "x", PublicID: "abc", Status: credential.Frozen,
			CreatedAt: start, ExpiresAt: start.Add(time.Hour), Generation: 1, Spec: []byte(`{"way":"certificate"}`)}
		_, err = w.InsertCredential(ctx, c, []byte("s"), did("proxy.create", c.ID))
		check(t, err)
		f, err = w.Holding(ctx, vo.Question{VO: "climate", Subject: ada, Issuer: someCA, Serial: "abc"})
		if err != nil || f.Account == nil || f.Credential == nil || f.Credential.Status != credential.Frozen || !f.Credential.ExpiresAt.Equal(c.ExpiresAt) {
			t.Errorf("a known serial number: %+v, %v", f, err)
		}
		if got, err := w.Revoked(ctx, start); err != nil || len(got) != 1 || got[0].Serial != "abc" || !got[0].OnHold {
			t.Errorf("revoked are %+v, %v", got, err)
		}
		if got, err := w.Revoked(ctx, c.ExpiresAt); err != nil || len(got) != 0 {
			t.Errorf("revoked after their time are %+v, %v", got, err)
		}
		if _, err := w.Holding(ctx, vo.Question{VO: "climate", Subject: "no name", Issuer: someCA}); err == nil {
			t.Error("something that is no name was looked up")
		}
	})
}

// TestRevokedCertificatesStayListed is about credentials that ended long before their time.
func TestRevokedCertificatesStayListed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for id, kind := range map[string]string{"abc": "proxy", "LYDX": "s3key"} {
			c := credential.Credential{ID: "crd_" + id, Kind: kind, ProjectID: "prj_1", OwnerID: "usr_1", Name: "x", PublicID: id, Status: credential.Ended,
				CreatedAt: start, EndedAt: start, ExpiresAt: start.Add(200 * time.Hour), Generation: 1, Spec: []byte(`{"way":"certificate"}`)}
			_, err := w.InsertCredential(ctx, c, nil, did("x", c.ID))
			check(t, err)
		}
		check(t, w.PurgeCredentials(ctx, start.Add(100*time.Hour)))
		if _, _, err := w.Credential(ctx, "LYDX"); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("an S3 key that ended long ago: %v", err)
		}
		if got, err := w.Revoked(ctx, start.Add(100*time.Hour)); err != nil || len(got) != 1 {
			t.Errorf("revoked are %+v, %v", got, err)
		}
		check(t, w.PurgeCredentials(ctx, start.Add(201*time.Hour)))
		if _, _, err := w.Credential(ctx, "abc"); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("after its time it is kept: %v", err)
		}
	})
}

func TestCertificatesBelongToOneAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		check(t, w.InsertAccount(ctx, person("usr_9"), did("account.create", "usr_9")))
		c := vo.Certificate{AccountID: "usr_1", AccountName: person("usr_1").Name, Subject: ada, Issuer: someCA, Source: "admin", Since: start}
		check(t, w.LinkCertificate(ctx, c, noted("certificate.link")))
		check(t, w.LinkCertificate(ctx, c, noted("certificate.link")))
		other := c
		other.AccountID, other.Subject = "usr_9", "/DC=ORG/CN=ADA TESTER"
		if err := w.LinkCertificate(ctx, other, noted("x")); fault.CodeOf(err) != fault.Conflict {
			t.Errorf("a second account: %v", err)
		}
		if got, err := w.Certificates(ctx, "usr_1"); err != nil || !cmp.Equal(got, []vo.Certificate{c}) {
			t.Errorf("listed are %+v, %v", got, err)
		}
		if err := w.UnlinkCertificate(ctx, other, noted("x")); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("another account gave it up: %v", err)
		}
		check(t, w.UnlinkCertificate(ctx, c, noted("certificate.unlink")))
		check(t, w.LinkCertificate(ctx, other, noted("certificate.link")))
		trail, err := w.Audit(ctx, audit.Filter{Subject: "x"})
		if err != nil || len(trail) != 3 {
			t.Errorf("%d records, %v", len(trail), err)
		}
	})
}

// TestOneOfManyKeysIsKept is what lets servers agree on one CA.
func TestOneOfManyKeysIsKept(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		if _, err := w.KeyPair(ctx, "ca"); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("no key: %v", err)
		}
		key := func(id string) vo.KeyPair {
			return vo.KeyPair{ID: id, Name: "ca", Private: material.Secret("private " + id), Certificate: []byte("c" + id), NotAfter: start}
		}
		var wg sync.WaitGroup
		won := make(chan string, 8)
		for _, id := range []string{"a", "b", "c", "d"} {
			wg.Go(func() {
				if done, err := w.KeepKeyPair(ctx, key(id), "", noted("ca.create")); err != nil {
					t.Error(err)
				} else if done {
					won <- id
				}
			})
		}
		wg.Wait()
		close(won)
		id := <-won
		got, err := w.KeyPair(ctx, "ca")
		if err != nil || len(won) != 0 || !cmp.Equal(got, key(id)) {
			t.Errorf("%s won and %d more; kept is %s, %v", id, len(won), got.ID, err)
		}
		if done, err := w.KeepKeyPair(ctx, key("e"), "other", noted("x")); err != nil || done {
			t.Errorf("a key that was renewed meanwhile was renewed again: %t, %v", done, err)
		}
		if done, err := w.KeepKeyPair(ctx, key("e"), id, noted("x")); err != nil || !done {
			t.Errorf("renewed: %t, %v", done, err)
		}
		if got, err = w.KeyPair(ctx, "ca"); err != nil || got.Private.Reveal() != "private e" {
			t.Errorf("after that: %s, %v", got.ID, err)
		}
	})
}

func TestRevocationLists(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		if _, err := w.RevocationList(ctx, "ca"); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("no list: %v", err)
		}
		one := vo.RevocationList{Number: 1, Digest: "d", DER: []byte{0, 1}, At: start}
		for _, step := range []struct {
			number int64
			want   bool
		}{{1, true}, {1, false}, {3, false}, {2, true}, {1, false}} {
			one.Number = step.number
			if done, err := w.KeepRevocationList(ctx, "ca", one); err != nil || done != step.want {
				t.Errorf("list %d: %t, %v", step.number, done, err)
			}
		}
		one.Number = 2
		if got, err := w.RevocationList(ctx, "ca"); err != nil || !cmp.Equal(got, one) {
			t.Errorf("kept is %+v, %v", got, err)
		}
	})
}

func TestCertificateSubjectsStay(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for _, step := range []struct{ base, proposed, want string }{
			{"/DC=a/", "/DC=a/CN=x", "/DC=a/CN=x"}, {"/DC=a/", "/DC=a/CN=y", "/DC=a/CN=x"},
			{"/DC=b/", "/DC=b/CN=x", "/DC=b/CN=x"}, {"/DC=b/", "/DC=b/CN=z", "/DC=b/CN=x"},
		} {
			if got, err := w.CertificateSubject(ctx, "usr_1", step.base, step.proposed); err != nil || got != step.want {
				t.Errorf("%s: %s, %v; want %s", step.proposed, got, err, step.want)
			}
		}
	})
}
