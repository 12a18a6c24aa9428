package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/database"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/material"
)

// approved writes a grant whose token runs out at the given time after the start and that is due.
func (w *world) approved(t testing.TB, n int, ends time.Duration) credential.Credential {
	t.Helper()
	c := key(n)
	c.Kind, c.ProjectID, c.Status, c.ExpiresAt = grant.Kind, "", credential.Active, start.Add(100*time.Hour)
	_, err := w.InsertCredential(t.Context(), c, nil, did("grant.create", c.ID))
	check(t, err)
	f := grant.Family{GrantID: c.ID, Provider: "p", Refresh: material.Secret("refresh-" + c.ID), Health: grant.Fine, DueAt: start, RunsOutAt: start.Add(ends), RenewedAt: start}
	k := grant.Kept{Tokens: grant.Tokens{Access: "access", AccessExpiresAt: start.Add(ends)}, IssuedAt: start, UsedAt: start}
	check(t, w.SaveApproval(t.Context(), c, f, k, did("grant.approve", c.ID)))
	return c
}

func TestClaimsOfSeveralServers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		servers := []*store.Store{w.Store}
		if w.config.URL != "" {
			servers = append(servers, another(t, w.config))
		}
		const n = 200
		for i := range n {
			w.approved(t, i, time.Duration(n-i)*time.Second)
		}
		frozen := w.approved(t, n, time.Hour)
		frozen.Status, frozen.Generation = credential.Ending, 1
		_, err := w.SaveCredentials(t.Context(), []credential.Credential{frozen}, changed)
		check(t, err)
		first, err := w.ClaimRenewals(t.Context(), "p", start, time.Minute, 3)
		check(t, err)
		if len(first) != 3 || first[0].Credential.ID != key(n-1).ID || first[2].Credential.ID != key(n-3).ID {
			t.Fatalf("not those that run out first: %+v", first)
		}
		seen := map[string]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for {
					claims, err := servers[i%len(servers)].ClaimRenewals(t.Context(), "p", start, time.Minute, 7)
					if err != nil || len(claims) == 0 {
						check(t, err)
						return
					}
					mu.Lock()
					for _, c := range claims {
						seen[c.Credential.ID]++
						if c.Family.Attempts != 1 || !c.Family.AttemptAt.Equal(start) || c.Family.Refresh == "" || len(c.Kept) != 1 {
							t.Errorf("%+v", c)
						}
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if len(seen) != n-3 {
			t.Errorf("%d of %d were claimed", len(seen), n-3)
		}
		for id, times := range seen {
			if times > 1 {
				t.Errorf("%s was claimed %d times", id, times)
			}
		}
		again, err := w.ClaimRenewals(t.Context(), "p", start.Add(time.Minute), time.Minute, 1000)
		if err != nil || len(again) != n || again[0].Family.Attempts != 2 {
			t.Errorf("after the lease %d are there, %v", len(again), err)
		}
	})
}

func TestWhoIsOvertakenWritesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.approved(t, 1, time.Hour)
		_, read, err := w.Grant(t.Context(), c.ID)
		check(t, err)
		mine, err := w.Attempt(t.Context(), read, start, time.Minute)
		check(t, err)
		if _, err := w.Attempt(t.Context(), read, start, time.Minute); !errors.Is(err, fault.ErrStale) {
			t.Errorf("a second attempt: %v", err)
		}
		c.Generation = 1
		check(t, w.SaveApproval(t.Context(), c, grant.Family{GrantID: c.ID, Provider: "p", Refresh: "newer", Health: grant.Fine}, grant.Kept{}, did("grant.repair", c.ID)))
		mine.Refresh = "older"
		if err := w.SaveRenewal(t.Context(), mine, c.OwnerID, nil, nil); !errors.Is(err, fault.ErrStale) {
			t.Errorf("what was approved anew was written over: %v", err)
		}
		if _, f, err := w.Grant(t.Context(), c.ID); err != nil || f.Refresh != "newer" || f.Attempts != 0 {
			t.Errorf("%+v, %v", f, err)
		}
	})
}

func TestWhatIsReady(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.approved(t, 1, time.Hour)
		whole, f, err := w.Grant(t.Context(), c.ID)
		check(t, err)
		kept := grant.Kept{Tokens: grant.Tokens{Access: "access", AccessExpiresAt: start.Add(time.Hour)}, IssuedAt: start, UsedAt: start}
		for wish, want := range map[string]grant.Kept{"": kept, (grant.Wish{Scopes: []string{"less"}}).Key(): {}} {
			got, err := w.Ready(t.Context(), c.ID, wish)
			check(t, err)
			if got.Kept.Access != want.Access || !got.Kept.AccessExpiresAt.Equal(want.AccessExpiresAt) || !got.Kept.IssuedAt.Equal(want.IssuedAt) ||
				!got.Kept.UsedAt.Equal(want.UsedAt) || !slices.Equal(got.Kept.Scopes, want.Scopes) {
				t.Errorf("wish %q: %+v, want %+v", wish, got.Kept, want)
			}
			if one := got.Credential; one.ID != c.ID || one.OwnerID != whole.OwnerID || one.Status != whole.Status || !one.ExpiresAt.Equal(whole.ExpiresAt) ||
				string(one.Spec) != string(whole.Spec) || got.Health != f.Health || !got.HealthSince.Equal(f.HealthSince) {
				t.Errorf("wish %q: %+v", wish, got)
			}
		}
		_, err = w.Ready(t.Context(), "crd_none", "")
		refused(t, err, fault.NotFound)
		_, err = w.InsertCredential(t.Context(), key(7), secretOf(1), did("s3key.create", key(7).ID))
		check(t, err)
		_, err = w.Ready(t.Context(), key(7).ID, "") // no grant
		refused(t, err, fault.NotFound)
	})
}

// TestLeasesEndWithTheirServer is a crash in the midst of a refresh. Where several servers may be at
// it, nobody knows whether that one is gone.
func TestLeasesEndWithTheirServer(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.approved(t, 1, time.Hour)
		_, read, err := w.Grant(t.Context(), c.ID)
		check(t, err)
		_, err = w.Attempt(t.Context(), read, start, time.Minute)
		check(t, err)
		check(t, w.Close())
		_, f, err := another(t, w.config).Grant(t.Context(), c.ID)
		check(t, err)
		if alone := w.config.URL == ""; f.LeaseUntil.IsZero() != alone {
			t.Errorf("a new server finds a lease until %s", f.LeaseUntil)
		}
		if f.Attempts != 1 || !f.AttemptAt.Equal(start) {
			t.Errorf("the attempt is forgotten: %+v", f)
		}
	})
}

func TestWishesAreBounded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.approved(t, 1, time.Hour)
		_, f, err := w.Grant(t.Context(), c.ID)
		check(t, err)
		for i := range 50 {
			k := grant.Kept{Tokens: grant.Tokens{Access: "a", AccessExpiresAt: start.Add(time.Hour)}, Wish: grant.Wish{Scopes: []string{fmt.Sprint("s", i)}},
				IssuedAt: start, UsedAt: start.Add(time.Duration(i) * time.Second)}
			check(t, w.SaveRenewal(t.Context(), f, c.OwnerID, &k, nil))
			f.Generation++
		}
		whole, err := w.Whole(t.Context(), c.ID)
		check(t, err)
		own := slices.ContainsFunc(whole.Kept, func(k grant.Kept) bool { return k.Wish.Key() == "" })
		if newest := slices.ContainsFunc(whole.Kept, func(k grant.Kept) bool { return slices.Contains(k.Wish.Scopes, "s49") }); len(whole.Kept) > 33 || !own || !newest {
			t.Errorf("%d are kept, the grant's own: %t, the newest: %t", len(whole.Kept), own, newest)
		}
	})
}

// TestCredentialsOutliveTheMigration has keys from before there were grants.
func TestCredentialsOutliveTheMigration(t *testing.T) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			c := store.Config{Keys: seal.NewKeys(), Now: clock, Path: t.TempDir() + "/lanyard.db"}
			driver, address := "sqlite", "file:"+c.Path
			openOld := func() (*database.DB, error) { return database.OpenSQLite(c.Path) }
			if kind == "postgres" {
				c.Path, c.URL = "", postgres.NewDatabase(t)
				driver, address = "pgx", c.URL
				openOld = func() (*database.DB, error) { return database.OpenPostgres(c.URL) }
			}
			old, err := openOld()
			check(t, err)
			texts := fstest.MapFS{}
			for _, name := range []string{"00001_begin.sql", "00002_grid.sql"} {
				text, err := fs.ReadFile(os.DirFS("migrations"), name)
				check(t, err)
				texts[name] = &fstest.MapFile{Data: text}
			}
			check(t, old.Migrate(t.Context(), texts))
			check(t, old.Close())
			db, err := sql.Open(driver, address)
			check(t, err)
			for _, text := range []string{
				`INSERT INTO account VALUES ('usr_1', 'person', 'i', 's', 'Ann', '', '', 0, '', 1, 1)`,
				`INSERT INTO project VALUES ('prj_1', 'climate', '', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, '', '', 1)`,
				`INSERT INTO credential VALUES ('crd_1', 's3key', 'prj_1', 'usr_1', 'n', 'LYD1', '{}', 'active', '', 1, 2, 3, 4, 0, 5, 'by', 6, NULL)`,
			} {
				_, err := db.ExecContext(t.Context(), text)
				check(t, err)
			}
			check(t, db.Close())
			s := another(t, c)
			got, _, err := s.Credential(t.Context(), "LYD1")
			if err != nil || got.ID != "crd_1" || got.ProjectName != "climate" || got.LastUsedBy != "by" || got.Generation != 6 || got.DueAt.Unix() != 3 {
				t.Errorf("%+v, %v", got, err)
			}
			personal := got
			personal.ID, personal.PublicID, personal.ProjectID = "crd_2", "GR2", ""
			_, err = s.InsertCredential(t.Context(), personal, nil, did("grant.create", "crd_2"))
			check(t, err)
			nowhere := got
			nowhere.ID, nowhere.PublicID, nowhere.ProjectID = "crd_3", "GR3", "prj_none"
			if _, err := s.InsertCredential(t.Context(), nowhere, nil, did("s3key.create", "crd_3")); err == nil {
				t.Error("a key in a project that is not there")
			}
			twice := personal
			twice.ID = "crd_4"
			if _, err := s.InsertCredential(t.Context(), twice, nil, did("grant.create", "crd_4")); err == nil {
				t.Error("two credentials of one public id")
			}
		})
	}
}
