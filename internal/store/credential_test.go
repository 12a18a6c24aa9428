package store_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/store"
)

func TestCredentialReadsBackAsWritten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		want := w.insert(t, 1)
		want.ProjectName, want.OwnerName = "climate", "Name of usr_1"
		for _, ref := range []string{want.ID, want.PublicID} {
			got, state, err := w.Credential(t.Context(), ref)
			check(t, err)
			if d := gocmp.Diff(want, got); d != "" {
				t.Errorf("by %s: %s", ref, d)
			}
			if string(state) != string(secretOf(1)) {
				t.Errorf("by %s the state is another", ref)
			}
		}
		for _, ref := range []string{"", "crd_2", "LYD", "crd_00001 ", "%"} {
			_, _, err := w.Credential(t.Context(), ref)
			refused(t, err, fault.NotFound)
		}
		_, _, err := w.Credential(t.Context(), "a\x00b")
		refused(t, err, fault.Invalid)
	})
}

func TestStateIsReplacedWithItsCredential(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := key(1)
		c.Kind, c.Status = "proxy", credential.Intended
		_, err := w.InsertCredential(t.Context(), c, secretOf(1), did("proxy.create", c.ID))
		check(t, err)
		c.Status, c.Spec, c.PublicID = credential.Active, []byte(`{"way":"delegation"}`), "A1B2"
		_, err = w.SaveState(t.Context(), c, secretOf(2), did("proxy.complete", c.ID))
		check(t, err)
		got, state, err := w.Credential(t.Context(), "A1B2")
		check(t, err)
		if got.Status != credential.Active || string(got.Spec) != string(c.Spec) || string(state) != string(secretOf(2)) || got.Generation != c.Generation+1 {
			t.Errorf("it is %+v", got)
		}
		_, err = w.SaveState(t.Context(), c, secretOf(3), did("proxy.complete", c.ID)) // of the generation before
		if !errors.Is(err, fault.ErrStale) {
			t.Errorf("the second of two changes: %v", err)
		}
		if _, state, err := w.Credential(t.Context(), c.ID); err != nil || string(state) != string(secretOf(2)) {
			t.Errorf("a refused change replaced the state, %v", err)
		}
		ended := got.End(start, credential.Deleted).Finish()
		_, err = w.SaveCredentials(t.Context(), []credential.Credential{ended}, func(credential.Credential) audit.Change { return did("proxy.end", c.ID) })
		check(t, err)
		if _, state, err := w.Credential(t.Context(), c.ID); err != nil || state != nil {
			t.Errorf("%d bytes of state outlive it, %v", len(state), err)
		}
	})
}

func TestAUseLeavesARecord(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.insert(t, 1)
		use := credential.Use{CredentialID: c.ID, At: start.Add(time.Minute), By: "curl from 192.0.2.1"}
		check(t, w.RecordUse(t.Context(), use, did("proxy.retrieve", c.ID).Record))
		got, _, err := w.Credential(t.Context(), c.ID)
		check(t, err)
		if !got.LastUsedAt.Equal(use.At) || got.LastUsedBy != use.By || got.Generation != c.Generation {
			t.Errorf("it is %+v", got)
		}
		if rs, err := w.Audit(t.Context(), audit.Filter{Subject: c.ID}); err != nil || len(rs) != 2 || rs[0].Action != "proxy.retrieve" {
			t.Errorf("records are %+v, %v", rs, err)
		}
		if bad, err := w.VerifyAudit(t.Context()); err != nil || bad != 0 {
			t.Errorf("record %d does not fit, %v", bad, err)
		}
	})
}

func TestInsertCredentialMeetsWhatIsThere(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.insert(t, 1)
		for name, c := range map[string]credential.Credential{
			"the same id":        {ID: "crd_00001", PublicID: "LYD2", ProjectID: "prj_1", OwnerID: "usr_1"},
			"the same public id": {ID: "crd_00002", PublicID: key(1).PublicID, ProjectID: "prj_1", OwnerID: "usr_1"},
			"no such project":    {ID: "crd_00003", PublicID: "LYD3", ProjectID: "prj_2", OwnerID: "usr_1"},
			"no such owner":      {ID: "crd_00004", PublicID: "LYD4", ProjectID: "prj_1", OwnerID: "usr_2"},
		} {
			_, err := w.InsertCredential(t.Context(), c, nil, did("s3key.create", c.ID))
			refused(t, err, fault.Conflict)
			if !errors.Is(err, fault.ErrStale) {
				t.Errorf("%s: %v is not ErrStale", name, err)
			}
		}
		if rs, err := w.Audit(t.Context(), audit.Filter{}); err != nil || len(rs) != 3 {
			t.Errorf("%d records, %v: refused inserts leave none", len(rs), err)
		}
	})
}

// TestOneOfManyInsertsWins: those that lose do not undo the work of the others in their
// transaction.
func TestOneOfManyInsertsWins(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		errs := make([]error, 40)
		for i := range errs {
			wg.Go(func() {
				c := key(i)
				if i%2 == 0 {
					c.PublicID = "LYDTHESAME"
				}
				_, errs[i] = w.InsertCredential(t.Context(), c, secretOf(i), did("s3key.create", c.ID))
			})
		}
		wg.Wait()
		same := 0
		for i, err := range errs {
			switch {
			case i%2 == 0 && err == nil:
				same++
			case i%2 == 0 && !errors.Is(err, fault.ErrStale), i%2 == 1 && err != nil:
				t.Errorf("insert %d: %v", i, err)
			}
		}
		cs, err := w.ListCredentials(t.Context(), credential.Filter{})
		if err != nil || same != 1 || len(cs) != 21 {
			t.Errorf("%d with the same public id, %d in all, %v", same, len(cs), err)
		}
		w.verified(t)
	})
}

func TestSaveCredentialsAllOrNone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, b := w.insert(t, 1), w.insert(t, 2)
		a.Status, a.Reason, b.Status = credential.Frozen, credential.FrozenByOwner, credential.Frozen
		seq, err := w.SaveCredentials(t.Context(), []credential.Credential{a, b}, changed)
		check(t, err)
		if got := w.seen(t, seq-2); got != "crd_00001 crd_00002" {
			t.Errorf("the feed says %q", got)
		}
		if got := w.get(t, a.ID); got.Status != credential.Frozen || got.Reason != credential.FrozenByOwner || got.Generation != 1 {
			t.Errorf("saved: %+v", got)
		}

		a, b = w.get(t, a.ID), w.get(t, b.ID)
		a.Status, b.Status, b.Generation = credential.Ending, credential.Ending, 0 // b was read earlier
		_, err = w.SaveCredentials(t.Context(), []credential.Credential{a, b}, changed)
		if !errors.Is(err, fault.ErrStale) {
			t.Errorf("stale save: %v", err)
		}
		if got := w.get(t, a.ID); got.Status != credential.Frozen {
			t.Errorf("%s was saved although its neighbour was stale", got.Status)
		}
		if got := w.seen(t, seq); got != "" {
			t.Errorf("the feed tells of what was undone: %s", got)
		}
		w.verified(t)
	})
}

func TestStateIsDestroyedAtTheEnd(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.insert(t, 1).End(start, credential.Deleted)
		_, err := w.SaveCredentials(t.Context(), []credential.Credential{c}, changed)
		check(t, err)
		c, state, err := w.Credential(t.Context(), c.ID)
		check(t, err)
		if c.Status != credential.Ending || len(state) == 0 {
			t.Fatalf("%s with a state of %d bytes: clean-up needs it", c.Status, len(state))
		}
		_, err = w.SaveCredentials(t.Context(), []credential.Credential{c.Finish()}, changed)
		check(t, err)
		c, state, err = w.Credential(t.Context(), c.ID)
		check(t, err)
		if c.Status != credential.Ended || c.Reason != credential.Deleted || !c.EndedAt.Equal(start) || state != nil {
			t.Errorf("%+v with a state of %d bytes", c, len(state))
		}
	})
}

func TestOneOfManyWritersWins(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.insert(t, 1)
		var wg sync.WaitGroup
		errs := make([]error, 20)
		for i := range errs {
			wg.Go(func() {
				mine := c
				mine.ExpiresAt = start.Add(time.Duration(i+2) * time.Hour)
				_, errs[i] = w.SaveCredentials(t.Context(), []credential.Credential{mine}, changed)
			})
		}
		wg.Wait()
		won := -1
		for i, err := range errs {
			switch {
			case err == nil && won < 0:
				won = i
			case err == nil:
				t.Errorf("writers %d and %d both won", won, i)
			case !errors.Is(err, fault.ErrStale):
				t.Error(err)
			}
		}
		if got := w.get(t, c.ID); won < 0 || !got.ExpiresAt.Equal(start.Add(time.Duration(won+2)*time.Hour)) {
			t.Errorf("writer %d won, and it is %s", won, got.ExpiresAt)
		}
		w.verified(t)
	})
}

func TestListCredentials(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := person("usr_2")
		other.Issuer = "https://idp.example"
		check(t, w.InsertAccount(t.Context(), other, did("account.create", other.ID)))
		for n := range 6 { // 0, 2, 4 are usr_2's; 0 and 1 of the first second, and so on
			c := key(n)
			c.CreatedAt = start.Add(time.Duration(n/2) * time.Second)
			if n%2 == 0 {
				c.OwnerID = other.ID
			}
			if n == 3 {
				c.Status = credential.Frozen
			}
			_, err := w.InsertCredential(t.Context(), c, secretOf(n), did("s3key.create", c.ID))
			check(t, err)
		}
		for _, test := range []struct {
			name string
			f    credential.Filter
			want string
		}{
			{"all", credential.Filter{}, "5 4 3 2 1 0"},
			{"project", credential.Filter{ProjectID: "prj_1", Kind: "s3key"}, "5 4 3 2 1 0"},
			{"another project", credential.Filter{ProjectID: "prj_2"}, ""},
			{"another kind", credential.Filter{Kind: "proxy"}, ""},
			{"owner", credential.Filter{OwnerID: "usr_2"}, "4 2 0"},
			{"issuer", credential.Filter{Issuer: "local"}, "5 3 1"},
			{"status", credential.Filter{Statuses: []credential.Status{credential.Frozen}}, "3"},
			{"statuses", credential.Filter{OwnerID: "usr_1", Statuses: []credential.Status{credential.Frozen, credential.Active}}, "5 3 1"},
			{"later", credential.Filter{CreatedAfter: start}, "5 4 3 2"},
			{"first page", credential.Filter{Limit: 3}, "5 4 3"},
			{"second page", credential.Filter{Limit: 2, Before: "crd_00003"}, "2 1"},
			{"last page", credential.Filter{Limit: 2, Before: "crd_00001"}, "0"},
		} {
			cs, err := w.ListCredentials(t.Context(), test.f)
			check(t, err)
			var got []string
			for _, c := range cs {
				got = append(got, strings.TrimPrefix(c.ID, "crd_0000"))
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("%s: got %s, want %s", test.name, got, test.want)
			}
		}
	})
}

func TestSaveUsesKeepsTheNewest(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.insert(t, 1)
		check(t, w.SaveUses(t.Context(), []credential.Use{{CredentialID: c.ID, At: start.Add(time.Minute), By: "rclone from 192.0.2.1"}}))
		check(t, w.SaveUses(t.Context(), []credential.Use{{CredentialID: c.ID, At: start, By: "late report"}, {CredentialID: "crd_gone", At: start}}))
		c.Status = credential.Frozen // written by somebody who read before the use
		_, err := w.SaveCredentials(t.Context(), []credential.Credential{c}, changed)
		check(t, err)
		if got := w.get(t, c.ID); !got.LastUsedAt.Equal(start.Add(time.Minute)) || got.LastUsedBy != "rclone from 192.0.2.1" {
			t.Errorf("last used %s by %s", got.LastUsedAt, got.LastUsedBy)
		}
	})
}

func TestClaimDue(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, b := w.insert(t, 1), w.insert(t, 2)
		due := start.Add(time.Hour)
		for _, test := range []struct {
			name string
			now  time.Time
			want int
		}{
			{"before it is due", due.Add(-time.Second), 0},
			{"when it is due", due, 2},
			{"while somebody has them", due.Add(30 * time.Second), 0},
			{"after the lease", due.Add(time.Minute), 2},
		} {
			got, err := w.ClaimDue(t.Context(), test.now, time.Minute, 10)
			check(t, err)
			if len(got) != test.want {
				t.Errorf("%s: %d were handed out, want %d", test.name, len(got), test.want)
			}
		}
		// What is saved is free for the next thing to do; what has nothing due is never handed out.
		a = a.End(due, credential.Expired)
		_, err := w.SaveCredentials(t.Context(), []credential.Credential{a}, changed)
		check(t, err)
		got, err := w.ClaimDue(t.Context(), due.Add(time.Minute), time.Minute, 10)
		check(t, err)
		if len(got) != 1 || got[0].ID != a.ID || got[0].Status != credential.Ending {
			t.Errorf("after the save: %v", got)
		}
		a, b = w.get(t, a.ID).Finish(), w.get(t, b.ID).End(due, credential.Expired).Finish()
		_, err = w.SaveCredentials(t.Context(), []credential.Credential{a, b}, changed)
		check(t, err)
		if got, err := w.ClaimDue(t.Context(), due.Add(time.Hour), time.Minute, 10); err != nil || len(got) != 0 {
			t.Errorf("ended ones are due: %v, %v", got, err)
		}
	})
}

func TestEightClaimersNeverShare(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const rows = 400
		for n := range rows {
			w.insert(t, n)
		}
		stores := slices.Repeat([]*store.Store{w.Store}, 8)
		if w.config.URL != "" { // servers of their own
			for i := range stores {
				stores[i] = another(t, w.config)
			}
		}
		due := start.Add(2 * time.Hour)
		claimed := make([][]credential.Credential, len(stores))
		var wg sync.WaitGroup
		for i, s := range stores {
			wg.Go(func() {
				for {
					cs, err := s.ClaimDue(t.Context(), due, time.Minute, 10)
					if err != nil {
						t.Error(err)
					}
					if len(cs) == 0 {
						return
					}
					claimed[i] = append(claimed[i], cs...)
				}
			})
		}
		wg.Wait()
		all := slices.Concat(claimed...)
		slices.SortFunc(all, func(a, b credential.Credential) int { return cmp.Compare(a.ID, b.ID) })
		distinct := slices.CompactFunc(slices.Clone(all), func(a, b credential.Credential) bool { return a.ID == b.ID })
		if len(all) != rows || len(distinct) != rows {
			t.Errorf("%d claims of %d rows", len(all), len(distinct))
		}
	})
}

func TestPurgeForgetsWhatEndedLongAgo(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		once := audit.Change{Record: record("s3key.end", "crd_00001"), Once: audit.Once{Key: "k", Fingerprint: "f"}}
		old, recent, live := w.insert(t, 1), w.insert(t, 2), w.insert(t, 3)
		old, recent = old.End(start, credential.Deleted).Finish(), recent.End(start.Add(48*time.Hour), credential.Deleted).Finish()
		seq, err := w.SaveCredentials(t.Context(), []credential.Credential{old, recent}, func(credential.Credential) audit.Change { return once })
		check(t, err)
		check(t, w.PurgeCredentials(t.Context(), start.Add(24*time.Hour)))
		_, _, err = w.Credential(t.Context(), old.ID)
		refused(t, err, fault.NotFound)
		w.get(t, recent.ID)
		w.get(t, live.ID)
		if got := w.seen(t, seq); got != "-"+old.ID {
			t.Errorf("the feed says %q", got)
		}
		if id, err := w.Done(t.Context(), "usr_1", once.Once); err != nil || id != "" {
			t.Errorf("an old promise is kept: %q, %v", id, err)
		}
	})
}
