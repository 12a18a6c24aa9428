package broker_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

func TestExtend(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		name  string
		after time.Duration // since the key was made, for 24 hours
		life  time.Duration
		until time.Duration // since start
		want  time.Duration // since start
		code  fault.Code
	}{
		{"as late as allowed", hour, 0, 0, maximum + hour, ""},
		{"by a life", hour, 48 * hour, 0, 49 * hour, ""},
		{"until a time", hour, 0, 30 * hour, 30 * hour, ""},
		{"to the maximum exactly", hour, maximum, 0, maximum + hour, ""},
		{"beyond the maximum", hour, maximum + time.Second, 0, 24 * hour, fault.Limited},
		{"until beyond the maximum", hour, 0, maximum + 2*hour, 24 * hour, fault.Limited},
		{"never shorter", hour, 2 * hour, 0, 24 * hour, ""},
		{"never shorter by a date", hour, 0, 2 * hour, 24 * hour, ""},
		{"to the past", hour, 0, hour, 24 * hour, fault.Invalid},
		{"by nothing positive", hour, -hour, 0, 24 * hour, fault.Invalid},
		{"a life and a date", hour, hour, 30 * hour, 24 * hour, fault.Invalid},
		{"in the last second", 24*hour - time.Second, 0, 0, 24*hour - time.Second + maximum, ""},
		{"at the instant of its end", 24 * hour, 0, 0, 24 * hour, fault.Conflict},
	} {
		t.Run(tc.name, func(t *testing.T) {
			start := w.clock.Now()
			c := w.issue("ann", 24*hour)
			w.clock.Move(tc.after)
			var until time.Time
			if tc.until > 0 {
				until = start.Add(tc.until)
			}
			got, err := w.Extend(t.Context(), w.as("ann"), c.ID, tc.life, until, audit.Once{})
			refused(t, err, tc.code)
			if back := w.stored(c.ID); !back.ExpiresAt.Equal(start.Add(tc.want)) || !back.DueAt.Equal(back.ExpiresAt) || err == nil && !got.ExpiresAt.Equal(back.ExpiresAt) {
				t.Errorf("ends at %s, due %s, told %s; want %s", back.ExpiresAt, back.DueAt, got.ExpiresAt, start.Add(tc.want))
			}
		})
	}
}

func TestExtendNeverReachesBeyondTheProject(t *testing.T) {
	w := newWorld(t)
	c := w.issue("ann", hour)
	p := w.climate
	p.EndsAt = start.Add(5 * hour)
	_, err := w.store.SaveProject(t.Context(), p, did())
	w.check(err)
	_, err = w.Extend(t.Context(), w.as("ann"), c.ID, 6*hour, time.Time{}, audit.Once{})
	refused(t, err, fault.Limited)
	got, err := w.Extend(t.Context(), w.as("ann"), c.ID, 0, time.Time{}, audit.Once{})
	w.check(err)
	if !got.ExpiresAt.Equal(p.EndsAt) {
		t.Errorf("ends at %s, want the project's end %s", got.ExpiresAt, p.EndsAt)
	}
}

func TestFrozenAndEndedKeysCannotBeExtended(t *testing.T) {
	w := newWorld(t)
	c := w.issue("ann", hour)
	_, err := w.Freeze(t.Context(), w.as("ann"), c.ID, audit.Once{})
	w.check(err)
	_, err = w.Extend(t.Context(), w.as("ann"), c.ID, 2*hour, time.Time{}, audit.Once{})
	refused(t, err, fault.Conflict)
	_, err = w.End(t.Context(), w.as("ann"), c.ID, audit.Once{})
	w.check(err)
	_, err = w.Extend(t.Context(), w.as("ann"), c.ID, 2*hour, time.Time{}, audit.Once{})
	refused(t, err, fault.Conflict)
}

// Who froze, who may thaw.
func TestThaw(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		frozenBy, thawedBy string
		code               fault.Code
	}{
		{"ann", "ann", ""}, {"ann", "dan", ""}, {"ann", "max", ""}, {"ann", "operator", ""},
		{"dan", "ann", ""}, {"max", "dan", ""},
		{"operator", "ann", fault.Conflict}, {"operator", "max", fault.Conflict}, {"operator", "operator", ""},
	} {
		t.Run(tc.frozenBy+" then "+tc.thawedBy, func(t *testing.T) {
			who := func(name string) identity.Actor {
				if name == "operator" {
					return operator()
				}
				return w.as(name)
			}
			c := w.issue("ann", hour)
			_, err := w.Freeze(t.Context(), who(tc.frozenBy), c.ID, audit.Once{})
			w.check(err)
			if w.stored(c.ID).Usable(start) {
				t.Error("a frozen key is usable")
			}
			_, err = w.Thaw(t.Context(), who(tc.thawedBy), c.ID, audit.Once{})
			refused(t, err, tc.code)
			if got := w.stored(c.ID).Usable(start); got != (tc.code == "") {
				t.Errorf("usable is %t", got)
			}
		})
	}
}

func TestTheOperatorsFreezeReplacesTheOwners(t *testing.T) {
	w := newWorld(t)
	c := w.issue("ann", hour)
	for _, by := range []identity.Actor{w.as("ann"), operator(), w.as("ann")} {
		_, err := w.Freeze(t.Context(), by, c.ID, audit.Once{})
		w.check(err)
	}
	w.is(c.ID, credential.Frozen, credential.Stopped)
	_, err := w.Thaw(t.Context(), w.as("ann"), c.ID, audit.Once{})
	refused(t, err, fault.Conflict)
	if a := w.actions(c.ID); !cmp.Equal(a, []string{"s3key.create", "s3key.freeze", "s3key.freeze"}) {
		t.Errorf("recorded %q", a)
	}
}

func TestWhatExpiredWhileFrozenDoesNotComeBack(t *testing.T) {
	w := newWorld(t)
	c := w.issue("ann", hour)
	_, err := w.Freeze(t.Context(), w.as("ann"), c.ID, audit.Once{})
	w.check(err)
	w.clock.Move(hour)
	_, err = w.Thaw(t.Context(), w.as("ann"), c.ID, audit.Once{})
	refused(t, err, fault.Conflict)
}

func TestThawWhileItsGroundIsTakenAway(t *testing.T) {
	w := newWorld(t)
	c := w.issue("ann", hour)
	_, err := w.Freeze(t.Context(), w.as("ann"), c.ID, audit.Once{})
	w.check(err)
	w.Store = &upset{Store: w.store, between: func() {
		_, err := w.FreezeAccount(t.Context(), operator(), "ann", "")
		w.check(err)
	}}
	_, err = w.Thaw(t.Context(), w.as("max"), c.ID, audit.Once{})
	refused(t, err, fault.Conflict)
	w.is(c.ID, credential.Frozen, credential.AccountFrozen)
}

func TestEndIsFinalAndRepeatable(t *testing.T) {
	w := newWorld(t)
	c := w.issue("ann", hour)
	w.clock.Move(time.Minute)
	r, err := w.End(t.Context(), w.as("ann"), c.ID, audit.Once{})
	w.check(err)
	if len(r.Credentials) != 1 || r.Credentials[0].Status != credential.Ending || r.RefusedSince.IsZero() {
		t.Errorf("receipt %+v", r)
	}
	again, err := w.End(t.Context(), w.as("max"), c.ID, audit.Once{})
	w.check(err)
	if !again.Credentials[0].EndedAt.Equal(start.Add(time.Minute)) {
		t.Errorf("ended again: %+v", again.Credentials[0])
	}
	for name, do := range map[string]func() error{
		"thaw":   func() error { _, err := w.Thaw(t.Context(), operator(), c.ID, audit.Once{}); return err },
		"freeze": func() error { _, err := w.Freeze(t.Context(), operator(), c.ID, audit.Once{}); return err },
		"extend": func() error {
			_, err := w.Extend(t.Context(), operator(), c.ID, 0, time.Time{}, audit.Once{})
			return err
		},
	} {
		if err := do(); fault.CodeOf(err) != fault.Conflict {
			t.Errorf("%s: got %v, want conflict", name, err)
		}
	}
	w.is(c.ID, credential.Ending, credential.Deleted)
	if a := w.actions(c.ID); !cmp.Equal(a, []string{"s3key.create", "s3key.end"}) {
		t.Errorf("recorded %q", a)
	}
}

func TestChangesOnce(t *testing.T) {
	w := newWorld(t)
	c := w.issue("ann", hour)
	freeze := audit.Once{Key: "1", Fingerprint: "freeze"}
	_, err := w.Freeze(t.Context(), w.as("ann"), c.ID, freeze)
	w.check(err)
	_, err = w.Thaw(t.Context(), w.as("ann"), c.ID, audit.Once{Key: "2", Fingerprint: "thaw"})
	w.check(err)
	_, err = w.Freeze(t.Context(), w.as("ann"), c.ID, freeze) // the network lost the first answer
	w.check(err)
	w.is(c.ID, credential.Active, "")
	_, err = w.End(t.Context(), w.as("ann"), c.ID, audit.Once{Key: "1", Fingerprint: "end"})
	refused(t, err, fault.Conflict)
}

func TestReceiptWithoutConfirmation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.issue("ann", hour)
		w.gates.stuck = true
		begun := time.Now()
		r, err := w.End(t.Context(), w.as("ann"), c.ID, audit.Once{})
		w.check(err)
		if !r.RefusedSince.IsZero() || time.Since(begun) != 5*time.Second {
			t.Errorf("refused since %s, after %s", r.RefusedSince, time.Since(begun))
		}
		w.is(c.ID, credential.Ending, credential.Deleted)
		w.check(w.store.Close())
	})
}

func TestDecidesAnewWhenAnotherChangeCameFirst(t *testing.T) {
	for stale, code := range map[int]fault.Code{0: "", 2: "", 3: fault.Conflict} {
		t.Run(fmt.Sprint(stale), func(t *testing.T) {
			w := newWorld(t)
			c := w.issue("ann", hour)
			w.Store = &upset{Store: w.store, stale: stale}
			_, err := w.End(t.Context(), w.as("ann"), c.ID, audit.Once{})
			refused(t, err, code)
		})
	}
	t.Run("on what is there then", func(t *testing.T) {
		w := newWorld(t)
		c := w.issue("ann", hour)
		w.Store = &upset{Store: w.store, between: func() {
			_, err := w.End(t.Context(), w.as("ann"), c.ID, audit.Once{})
			w.check(err)
		}}
		_, err := w.Extend(t.Context(), w.as("ann"), c.ID, 0, time.Time{}, audit.Once{})
		refused(t, err, fault.Conflict)
		w.is(c.ID, credential.Ending, credential.Deleted)
	})
}

// 64 people at once make, freeze, thaw, extend and end the same keys. Whatever was acknowledged is
// there, each change has one record, and no key comes back from its end.
func TestManyAtOnceLoseNothing(t *testing.T) {
	w := newWorld(t)
	w.member(w.climate, "out", identity.Deputy)
	deputy := w.as("out")
	shared := []string{w.issue("ann", hour).ID, w.issue("ann", hour).ID, w.issue("bob", hour).ID}
	var mu sync.Mutex
	done := map[string][]string{} // acknowledged actions by key
	note := func(id, action string) {
		mu.Lock()
		defer mu.Unlock()
		done[id] = append(done[id], action)
	}
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			got, err := w.Issue(t.Context(), deputy, order(hour), audit.Once{})
			if err != nil {
				t.Error(err)
				return
			}
			note(got.Credential.ID, "s3key.create")
			for j := range 6 {
				id := shared[(i+j)%len(shared)]
				verb, change := "s3key.freeze", w.Freeze
				switch {
				case i%16 == 0 && j == 5:
					verb, change = "s3key.end", w.End
				case (i+j)%2 == 0:
					verb, change = "s3key.thaw", w.Thaw
				}
				_, err := change(t.Context(), deputy, id, audit.Once{})
				switch {
				case err == nil:
					note(id, verb)
				case fault.CodeOf(err) != fault.Conflict:
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for id, acked := range done {
		c, recorded := w.stored(id), w.actions(id)
		if int64(len(recorded)) != c.Generation+1 { // it was made with generation 0
			t.Errorf("%d records for generation %d of %s", len(recorded), c.Generation, id)
		}
		if slices.Contains(acked, "s3key.end") && c.Status != credential.Ending {
			t.Errorf("the end of %s was acknowledged and it is %s", id, c.Status)
		}
		if i := slices.Index(recorded, "s3key.end"); i >= 0 && i != len(recorded)-1 {
			t.Errorf("something came after the end: %q", recorded)
		}
	}
	if len(done) != 64+len(shared) {
		t.Errorf("%d keys, want %d", len(done), 64+len(shared))
	}
	bad, err := w.VerifyAudit(t.Context(), operator())
	w.check(err)
	if bad != 0 {
		t.Errorf("the audit trail does not fit at %d", bad)
	}
}

func TestRecordUses(t *testing.T) {
	w := newWorld(t)
	c := w.issue("ann", hour)
	var uses []credential.Use
	for i := range 600 {
		uses = append(uses, credential.Use{CredentialID: c.ID, At: start.Add(time.Duration(i) * time.Second), By: fmt.Sprintf("rclone/%d from 192.0.2.1", i)})
	}
	w.check(w.RecordUses(t.Context(), uses))
	if got := w.stored(c.ID); got.LastUsedBy != "rclone/599 from 192.0.2.1" || !got.LastUsedAt.Equal(start.Add(599*time.Second)) {
		t.Errorf("last used %s by %q", got.LastUsedAt, got.LastUsedBy)
	}
}
