package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/store"
)

// reuse is what is told when the session's refresh token is used again.
func reuse(n session.Session) notice.Notice {
	return notice.OfSession(notice.TokenReused, n, start, "192.0.2.66", "curl/8.5")
}

// family adds a session with a spent, a current and an access token.
func (w *world) family(t *testing.T, id string) session.Session {
	t.Helper()
	n := aSession(id, "usr_1")
	ok, err := w.InsertSession(t.Context(), n, []session.Token{aToken("spent of "+id, id, session.SpentToken),
		aToken("refresh of "+id, id, session.RefreshToken), aToken("access of "+id, id, session.AccessToken)}, nil, record("session.create", id))
	check(t, err)
	if !ok {
		t.Fatal("not inserted")
	}
	return n
}

// told lists what a person has been told.
func (w *world) told(t *testing.T) []notice.Notice {
	t.Helper()
	ns, err := w.Notices(t.Context(), "usr_1")
	check(t, err)
	return ns
}

// What two servers notice at once is told once, together with the end and its record.
func TestReuseIsToldOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		servers := []*store.Store{w.Store, w.Store}
		if w.config.URL != "" {
			servers[1] = another(t, w.config)
		}
		n := w.family(t, "ses_1")
		const times = 8
		errs := make([]error, times)
		var wg sync.WaitGroup
		for i := range times {
			wg.Go(func() {
				errs[i] = servers[i%2].EndReused(t.Context(), reuse(n), record("session.end", n.ID))
			})
		}
		wg.Wait()
		ended := 0
		for _, err := range errs {
			if err == nil {
				ended++
			} else {
				refused(t, err, fault.NotFound)
			}
		}
		records, err := w.Audit(t.Context(), audit.Filter{Subject: n.ID})
		check(t, err)
		told := w.told(t)
		if ended != 1 || len(told) != 1 || len(records) != 2 {
			t.Fatalf("ended %d times, told %d times, %d records", ended, len(told), len(records))
		}
		want := reuse(n)
		want.ID = told[0].ID
		if d := gocmp.Diff(want, told[0]); d != "" {
			t.Error(d)
		}
		// All that was handed out is known, proves nothing any more and cannot be renewed.
		for _, hash := range []string{"spent of ses_1", "refresh of ses_1", "access of ses_1"} {
			got, err := w.Session(t.Context(), hash)
			if err != nil || got.Token.Use != session.ReusedToken || !got.Session.EndedAt.Equal(start) {
				t.Errorf("%s: %+v of a session that ended at %s, %v", hash, got.Token, got.Session.EndedAt, err)
			}
		}
		if ok, err := w.Rotate(t.Context(), session.Token{Hash: "refresh of ses_1"}, n, nil); ok || err != nil {
			t.Errorf("its refresh token: %v, %v", ok, err)
		}
		if ok, err := w.AddTokens(t.Context(), "refresh of ses_1", n, nil); ok || err != nil {
			t.Errorf("more tokens: %v, %v", ok, err)
		}
		w.verified(t)
	})
}

// A notice whose session cannot be ended is not written either, and the other way round.
func TestNothingIsToldOfNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.family(t, "ses_1")
		stranger := n
		stranger.AccountID = "usr_9"
		if err := w.EndReused(t.Context(), reuse(stranger), record("session.end", n.ID)); err == nil {
			t.Error("somebody was told who does not exist")
		}
		if got, err := w.Session(t.Context(), "access of ses_1"); err != nil || got.Token.Use != session.AccessToken {
			t.Errorf("the session ended although nobody was told: %+v, %v", got.Token, err)
		}
		check(t, w.EndSession(t.Context(), n.ID, record("session.end", n.ID)))
		refused(t, w.EndReused(t.Context(), reuse(n), record("session.end", n.ID)), fault.NotFound)
		if told := w.told(t); len(told) != 0 {
			t.Errorf("told %+v", told)
		}
		_, err := w.Session(t.Context(), "refresh of ses_1")
		refused(t, err, fault.NotFound)
	})
}

// What strangers say of themselves must not keep a session from ending.
func TestAnyProgramCanBeTold(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.family(t, "ses_1")
		told := reuse(n)
		told.Program, told.Place = "a\x00b\xff", "c\x00"
		check(t, w.EndReused(t.Context(), told, record("session.end", n.ID)))
		if all := w.told(t); len(all) != 1 || all[0].Program != "a\ufffdb\ufffd" {
			t.Errorf("told %+v", all)
		}
	})
}

func TestNoticesAreDismissed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		check(t, w.InsertAccount(t.Context(), person("usr_2"), did("account.create", "usr_2")))
		check(t, w.EndReused(t.Context(), reuse(w.family(t, "ses_1")), record("session.end", "ses_1")))
		id := w.told(t)[0].ID
		refused(t, w.DismissNotice(t.Context(), "usr_2", id, record("notice.dismiss", id)), fault.NotFound)
		if len(w.told(t)) != 1 {
			t.Error("somebody else dismissed it")
		}
		check(t, w.DismissNotice(t.Context(), "usr_1", id, record("notice.dismiss", id)))
		refused(t, w.DismissNotice(t.Context(), "usr_1", id, record("notice.dismiss", id)), fault.NotFound)
		records, err := w.Audit(t.Context(), audit.Filter{Subject: id})
		check(t, err)
		if len(w.told(t)) != 0 || len(records) != 1 {
			t.Errorf("%d notices, %d records", len(w.told(t)), len(records))
		}
		// Who shows a token of that session can still be told why it ended.
		check(t, w.PurgeTickets(t.Context(), start.Add(59*time.Minute)))
		if got, err := w.Session(t.Context(), "refresh of ses_1"); err != nil || got.Token.Use != session.ReusedToken {
			t.Errorf("%+v, %v", got.Token, err)
		}
		check(t, w.PurgeTickets(t.Context(), start.Add(61*time.Minute)))
		check(t, w.PurgeTickets(t.Context(), start.Add(61*time.Minute)))
		_, err = w.Session(t.Context(), "refresh of ses_1")
		refused(t, err, fault.NotFound)
		w.verified(t)
	})
}

func TestNoticesAreBounded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i := range notice.Most + 3 {
			n := w.family(t, fmt.Sprintf("ses_%02d", i))
			told := reuse(n)
			told.At = start.Add(time.Duration(i) * time.Minute)
			check(t, w.EndReused(t.Context(), told, record("session.end", n.ID)))
		}
		all := w.told(t)
		if len(all) != notice.Most || all[0].Subject != "ses_22" || all[notice.Most-1].Subject != "ses_03" {
			t.Fatalf("%d notices, from %+v", len(all), all[0])
		}
		check(t, w.PurgeTickets(t.Context(), start.Add(notice.Kept+10*time.Minute)))
		if all := w.told(t); len(all) != 13 || all[12].Subject != "ses_10" {
			t.Errorf("%d notices after %s", len(all), notice.Kept)
		}
	})
}
