package store_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/material"
)

func aSession(id, account string) session.Session {
	return session.Session{ID: id, Kind: session.Client, AccountID: account, ClientID: "lanyard-cli", Host: "lumi-login2",
		Scopes: []identity.Scope{identity.ReadKeys}, CreatedAt: start, ExpiresAt: start.Add(12 * time.Hour), LastSeenAt: start, AuthenticatedAt: start}
}

func aToken(hash, sessionID string, use session.Use) session.Token {
	return session.Token{Hash: hash, SessionID: sessionID, Use: use, ExpiresAt: start.Add(time.Hour)}
}

func TestAccounts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		refused(t, w.InsertAccount(t.Context(), func() identity.Account { a := person("usr_1"); a.ID = "usr_2"; return a }(), did("account.create", "usr_2")), fault.Conflict)
		robot := identity.Account{ID: "usr_3", Kind: identity.Robot, Issuer: "robot", Subject: "50%_done", Name: "CI", Project: "prj_1", CreatedAt: start.Add(time.Second)}
		check(t, w.InsertAccount(t.Context(), robot, did("robot.create", robot.ID)))
		for _, test := range []struct {
			f    identity.Filter
			want int
		}{
			{identity.Filter{}, 2},
			{identity.Filter{Kind: identity.Robot}, 1},
			{identity.Filter{Issuer: "local", Subject: "subject of usr_1"}, 1},
			{identity.Filter{ProjectID: "prj_1"}, 1},
			{identity.Filter{Search: "USR_1@EXAMPLE"}, 1},
			{identity.Filter{Search: "name of"}, 1},
			{identity.Filter{Search: "50%_d"}, 1},
			{identity.Filter{Search: "5%d"}, 0},
			{identity.Filter{Search: `\`}, 0},
			{identity.Filter{Limit: 1}, 1},
		} {
			if as, err := w.ListAccounts(t.Context(), test.f); err != nil || len(as) != test.want {
				t.Errorf("%+v: %d accounts, %v; want %d", test.f, len(as), err, test.want)
			}
		}
		robot.Name, robot.FrozenAt, robot.FreezeReason = "CI 2", start, "stolen"
		check(t, w.SaveAccount(t.Context(), robot, did("account.freeze", robot.ID)))
		got, err := w.Account(t.Context(), robot.ID)
		check(t, err)
		if d := gocmp.Diff(robot, got); d != "" {
			t.Error(d)
		}
		refused(t, w.SaveAccount(t.Context(), identity.Account{ID: "usr_9"}, did("account.freeze", "usr_9")), fault.NotFound)
		_, err = w.Account(t.Context(), "usr_9")
		refused(t, err, fault.NotFound)
	})
}

func TestSignInFindsOrMakes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		count := func() int {
			rs, err := w.Audit(t.Context(), audit.Filter{})
			check(t, err)
			return len(rs)
		}
		before := count()
		a := person("usr_new")
		got, err := w.SignIn(t.Context(), a, record("account.create", a.ID))
		check(t, err)
		if d := gocmp.Diff(a, got); d != "" || count() != before+1 {
			t.Errorf("a new account: %s, %d records", d, count()-before)
		}
		again := a
		again.ID, again.Name, again.LastSeenAt, again.CreatedAt = "usr_other", "Ada King", start.Add(time.Hour), start.Add(time.Hour)
		got, err = w.SignIn(t.Context(), again, record("account.create", again.ID))
		check(t, err)
		again.ID, again.CreatedAt = a.ID, a.CreatedAt
		if d := gocmp.Diff(again, got); d != "" || count() != before+1 {
			t.Errorf("a known account: %s, %d records", d, count()-before)
		}
	})
}

func TestSessions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := aSession("ses_1", "usr_1")
		ok, err := w.InsertSession(t.Context(), n, []session.Token{aToken("h1", n.ID, session.AccessToken), aToken("h2", n.ID, session.RefreshToken)}, nil, record("session.begin", n.ID))
		check(t, err)
		got, err := w.Session(t.Context(), "h2")
		check(t, err)
		want := session.Proof{Session: n, Token: aToken("h2", n.ID, session.RefreshToken), Account: person("usr_1"), Roles: map[string]identity.Role{}}
		if d := gocmp.Diff(want, got); !ok || d != "" {
			t.Error(ok, d)
		}
		_, err = w.Session(t.Context(), "h3")
		refused(t, err, fault.NotFound)

		all := aSession("ses_all", "usr_1")
		all.Scopes, all.CreatedAt = nil, start.Add(time.Second)
		if _, err := w.InsertSession(t.Context(), all, nil, nil, record("session.begin", all.ID)); err != nil {
			t.Fatal(err)
		}
		list, err := w.ListSessions(t.Context(), "usr_1")
		check(t, err)
		if d := gocmp.Diff([]session.Session{all, n}, list); d != "" {
			t.Errorf("newest first, and no scopes mean all: %s", d)
		}

		check(t, w.TouchSession(t.Context(), n.ID, start.Add(time.Minute)))
		check(t, w.TouchSession(t.Context(), n.ID, start))
		if got, err := w.Session(t.Context(), "h1"); err != nil || !got.Session.LastSeenAt.Equal(start.Add(time.Minute)) {
			t.Errorf("last seen %s, %v", got.Session.LastSeenAt, err)
		}

		check(t, w.EndSession(t.Context(), n.ID, record("session.end", n.ID)))
		_, err = w.Session(t.Context(), "h1")
		refused(t, err, fault.NotFound)
		refused(t, w.EndSession(t.Context(), n.ID, record("session.end", n.ID)), fault.NotFound)
		if list, err := w.ListSessions(t.Context(), "usr_1"); err != nil || len(list) != 1 {
			t.Errorf("%d sessions, %v", len(list), err)
		}
		w.verified(t)
	})
}

func TestRefreshTokenIsSpentOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := aSession("ses_1", "usr_1")
		if _, err := w.InsertSession(t.Context(), n, []session.Token{aToken("r0", n.ID, session.RefreshToken), aToken("a0", n.ID, session.AccessToken)}, nil, record("session.begin", n.ID)); err != nil {
			t.Fatal(err)
		}
		n.LastSeenAt = start.Add(time.Minute)
		var wins atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				ok, err := w.Rotate(t.Context(), session.Token{Hash: "r0", SpentAt: n.LastSeenAt, Salt: "salt" + string(rune('a'+i))}, n, []session.Token{aToken("r1-"+string(rune('a'+i)), n.ID, session.RefreshToken)})
				if err != nil {
					t.Error(err)
				}
				if ok {
					wins.Add(1)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 {
			t.Errorf("%d rotations of one token", wins.Load())
		}
		proof, err := w.Session(t.Context(), "r0")
		check(t, err)
		got, token := proof.Session, proof.Token
		if token.Use != session.SpentToken || !token.SpentAt.Equal(n.LastSeenAt) || len(token.Salt) != 5 || !got.LastSeenAt.Equal(n.LastSeenAt) {
			t.Errorf("the old token is %+v, last seen %s", token, got.LastSeenAt)
		}
		current := "r1-" + token.Salt[4:]
		for holds, want := range map[string]bool{current: true, "r0": false, "a0": false, "nothing": false} {
			if ok, err := w.AddTokens(t.Context(), holds, n, []session.Token{aToken("a-"+holds, n.ID, session.AccessToken)}); ok != want || err != nil {
				t.Errorf("tokens for who holds %s: %v, %v", holds, ok, err)
			}
		}
		other := n
		other.ID = "ses_2"
		for name, try := range map[string]struct {
			old string
			n   session.Session
		}{"unknown": {"nothing", n}, "access token": {"a0", n}, "another session's": {"r0", other}} {
			if ok, err := w.Rotate(t.Context(), session.Token{Hash: try.old}, try.n, nil); ok || err != nil {
				t.Errorf("%s: %v, %v", name, ok, err)
			}
		}
	})
}

func TestEndSessionsOfAccountsAndIssuers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, id := range []string{"usr_2", "usr_3"} {
			a := person(id)
			a.Issuer = "https://idp.example"
			check(t, w.InsertAccount(t.Context(), a, did("account.create", id)))
		}
		for id, account := range map[string]string{"ses_1": "usr_1", "ses_2": "usr_2", "ses_3": "usr_2", "ses_4": "usr_3"} {
			if _, err := w.InsertSession(t.Context(), aSession(id, account), []session.Token{aToken("hash of "+id, id, session.CookieToken)}, nil, record("session.begin", id)); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := w.EndSessions(t.Context(), "usr_2", "", start, did("account.freeze", "usr_2")); n != 2 || err != nil {
			t.Errorf("of an account: %d, %v", n, err)
		}
		if n, err := w.EndSessions(t.Context(), "", "https://idp.example", start, did("provider.freeze", "https://idp.example")); n != 1 || err != nil {
			t.Errorf("of an issuer: %d, %v", n, err)
		}
		_, err := w.Session(t.Context(), "hash of ses_4")
		refused(t, err, fault.NotFound)
		if _, err := w.Session(t.Context(), "hash of ses_1"); err != nil {
			t.Error(err)
		}
		for range 2 {
			check(t, w.FreezeProvider(t.Context(), "https://idp.example", true, did("provider.freeze", "https://idp.example")))
		}
		if got, err := w.ListFrozenProviders(t.Context()); err != nil || len(got) != 1 || got[0] != "https://idp.example" {
			t.Errorf("frozen: %v, %v", got, err)
		}
		check(t, w.FreezeProvider(t.Context(), "https://idp.example", false, did("provider.thaw", "https://idp.example")))
		if got, err := w.ListFrozenProviders(t.Context()); err != nil || len(got) != 0 {
			t.Errorf("frozen: %v, %v", got, err)
		}
		w.verified(t)
	})
}

func TestTickets(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		k := session.Ticket{ID: "t1", Purpose: "device", Handle: "BCDF-GHJK", Data: []byte(`{"a":1}`), ExpiresAt: start.Add(time.Minute)}
		check(t, w.InsertTicket(t.Context(), k))
		for name, other := range map[string]session.Ticket{
			"id": {ID: "t1", Purpose: "device"}, "handle": {ID: "t2", Purpose: "device", Handle: k.Handle},
		} {
			if err := w.InsertTicket(t.Context(), other); fault.CodeOf(err) != fault.Conflict {
				t.Errorf("the same %s: %v", name, err)
			}
		}
		check(t, w.InsertTicket(t.Context(), session.Ticket{ID: "t1", Purpose: "signin", ExpiresAt: start.Add(time.Minute)}))
		check(t, w.InsertTicket(t.Context(), session.Ticket{ID: "t3", Purpose: "signin", ExpiresAt: start.Add(time.Minute)}))
		for _, by := range [][2]string{{"t1", ""}, {"", "BCDF-GHJK"}} {
			got, err := w.Ticket(t.Context(), "device", by[0], by[1], start)
			check(t, err)
			if d := gocmp.Diff(k, got); d != "" {
				t.Errorf("by %q: %s", by, d)
			}
		}
		for name, try := range map[string]struct {
			purpose, id, handle string
			at                  time.Time
		}{
			"expired": {"device", "t1", "", start.Add(time.Minute)}, "nothing given": {"signin", "", "", start},
			"another purpose": {"reveal", "t1", "", start}, "unknown": {"device", "t9", "", start},
		} {
			if _, err := w.Ticket(t.Context(), try.purpose, try.id, try.handle, try.at); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("%s: %v", name, err)
			}
		}
		k.Data, k.ExpiresAt = []byte(`{"a":2}`), start.Add(time.Hour)
		if ok, err := w.SaveTicket(t.Context(), k, false); !ok || err != nil {
			t.Errorf("save: %v, %v", ok, err)
		}
		if ok, err := w.SaveTicket(t.Context(), k, false); ok || err != nil {
			t.Errorf("save with the old generation: %v, %v", ok, err)
		}
		if ok, err := w.SaveTicket(t.Context(), k, true); ok || err != nil {
			t.Errorf("remove with the old generation: %v, %v", ok, err)
		}
		got, err := w.Ticket(t.Context(), "device", "t1", "", start.Add(time.Minute))
		check(t, err)
		if string(got.Data) != `{"a":2}` {
			t.Errorf("saved: %s", got.Data)
		}

		// A session uses up its ticket, or does not begin.
		for i, want := range []bool{true, false} {
			n := aSession("ses_"+string(rune('1'+i)), "usr_1")
			if ok, err := w.InsertSession(t.Context(), n, nil, &got, record("session.begin", n.ID)); ok != want || err != nil {
				t.Errorf("session %d: %v, %v", i+1, ok, err)
			}
		}
		if ss, err := w.ListSessions(t.Context(), "usr_1"); err != nil || len(ss) != 1 {
			t.Errorf("%d sessions, %v", len(ss), err)
		}
	})
}

func TestPurgeTickets(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		old, now := aSession("ses_old", "usr_1"), aSession("ses_now", "usr_1")
		old.ExpiresAt = start.Add(time.Minute)
		for _, n := range []session.Session{old, now} {
			k := aToken("live of "+n.ID, n.ID, session.AccessToken)
			gone := aToken("gone of "+n.ID, n.ID, session.AccessToken)
			gone.ExpiresAt = start.Add(time.Minute)
			if _, err := w.InsertSession(t.Context(), n, []session.Token{k, gone}, nil, record("session.begin", n.ID)); err != nil {
				t.Fatal(err)
			}
		}
		check(t, w.PurgeTickets(t.Context(), start.Add(2*time.Minute)))
		for hash, want := range map[string]fault.Code{"live of ses_now": "", "gone of ses_now": fault.NotFound, "live of ses_old": fault.NotFound} {
			_, err := w.Session(t.Context(), hash)
			if fault.CodeOf(err) != want {
				t.Errorf("%s: %v", hash, err)
			}
		}
	})
}

func TestRobots(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := identity.Account{ID: "usr_r", Kind: identity.Robot, Issuer: "robot", Subject: "usr_r", Name: "CI", Project: "prj_1", CreatedAt: start}
		m := project.Member{ProjectID: "prj_1", AccountID: a.ID, Role: identity.User, Source: "admin", Since: start}
		n := aSession("ses_r", a.ID)
		n.Kind = session.Robot
		k := aToken("hr", n.ID, session.AccessToken)
		check(t, w.InsertRobot(t.Context(), a, m, n, k, record("robot.create", a.ID)))
		got, err := w.Session(t.Context(), "hr")
		check(t, err)
		if d := gocmp.Diff(session.Proof{Session: n, Token: k, Account: a, Roles: map[string]identity.Role{m.ProjectID: m.Role}}, got); d != "" {
			t.Error(d)
		}
		// All or none: a second robot with the first one's token leaves nothing.
		b := a
		b.ID, b.Subject = "usr_s", "usr_s"
		refused(t, w.InsertRobot(t.Context(), b, project.Member{ProjectID: "prj_1", AccountID: b.ID}, aSession("ses_s", b.ID), k, record("robot.create", b.ID)), fault.Conflict)
		_, err = w.Account(t.Context(), b.ID)
		refused(t, err, fault.NotFound)

		a.FrozenAt, a.FreezeReason = start, "deleted"
		check(t, w.EndRobot(t.Context(), a, record("robot.delete", a.ID)))
		_, err = w.Session(t.Context(), "hr")
		refused(t, err, fault.NotFound)
		if got, err := w.Account(t.Context(), a.ID); err != nil || !got.Frozen() {
			t.Errorf("%+v, %v", got, err)
		}
		w.verified(t)
	})
}

func TestSigningKeys(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		k := session.SigningKey{ID: "kid-1", Algorithm: "ES256", Private: material.Secret("\x00\xff der"), NotBefore: start, RetiredAt: start.Add(time.Hour)}
		for i, try := range []struct {
			k    session.SigningKey
			want bool
		}{
			{k, true},
			{session.SigningKey{ID: "kid-2", Algorithm: "ES256", NotBefore: start}, false},
			{session.SigningKey{ID: "kid-3", Algorithm: "RS256", NotBefore: start.Add(-time.Hour)}, true},
			{session.SigningKey{ID: "kid-4", Algorithm: "ES256", NotBefore: start.Add(time.Hour)}, true},
		} {
			if ok, err := w.InsertSigningKey(t.Context(), try.k, record("issuer.key", try.k.ID)); ok != try.want || err != nil {
				t.Errorf("key %d: %v, %v", i+1, ok, err)
			}
		}
		keys, err := w.SigningKeys(t.Context())
		check(t, err)
		if len(keys) != 3 || keys[0].ID != "kid-3" || keys[2].ID != "kid-4" {
			t.Fatalf("oldest first: %v", keys)
		}
		if d := gocmp.Diff(k, keys[1]); d != "" {
			t.Error(d)
		}
		check(t, w.PurgeSigningKeys(t.Context(), start.Add(2*time.Hour)))
		if keys, err := w.SigningKeys(t.Context()); err != nil || len(keys) != 2 {
			t.Errorf("%d keys after the purge, %v", len(keys), err)
		}
		w.verified(t)
	})
}
