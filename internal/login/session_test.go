package login_test

import (
	"encoding/base32"
	"errors"
	"hash/crc32"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/material"
)

func TestPassword(t *testing.T) {
	w := newWorld(t)
	in, err := w.Password(t.Context(), "anna", password, "/projects", from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	if a := in.Account; a.Issuer != "local" || a.Subject != "anna" || a.Name != "Anna Virtanen" || in.Next != "/projects" {
		t.Errorf("signed in as %+v, next %s", a, in.Next)
	}
	if got := w.imported; got.source != "local" || got.roles["climate"] != identity.Manager {
		t.Errorf("imported %+v", got)
	}
	for user, p := range map[string]material.Secret{"anna": "correct hors", "nobody": password, "": "", "ben": material.Secret(strings.Repeat("x", 2000))} {
		_, err := w.Password(t.Context(), user, p, "/", from("192.0.2.2"))
		wants(t, err, fault.Unauthenticated, "do not belong together")
	}
	// Somebody without projects is said to have none, so that what the configuration no longer
	// names is taken away.
	if _, err := w.Password(t.Context(), "ben", password, "/", from("192.0.2.1")); err != nil || w.imported.roles == nil || len(w.imported.roles) > 0 {
		t.Errorf("error %v, imported %+v", err, w.imported)
	}
}

func TestPasswordGuessesAreLimited(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		_, err := w.Password(t.Context(), "anna", "guess", "/", from("192.0.2.1"))
		wants(t, err, fault.Unauthenticated, "do not belong")
	}
	_, err := w.Password(t.Context(), "anna", password, "/", from("192.0.2.1"))
	wants(t, err, fault.Limited, "too many")
	if f := fault.Public(err); f.RetryAfter != time.Minute {
		t.Errorf("retry after %s", f.RetryAfter)
	}
	if _, err := w.Password(t.Context(), "anna", password, "/", from("192.0.2.2")); err != nil {
		t.Errorf("another address: %v", err)
	}
	w.clock.Move(time.Minute)
	if _, err := w.Password(t.Context(), "anna", password, "/", from("192.0.2.1")); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// FuzzNext: after sign-in nobody is sent to another host, whatever a link asked for.
func FuzzNext(f *testing.F) {
	for _, s := range []string{"/device?user_code=A", "//evil.example", `/\evil.example`, "https://evil.example", "javascript:alert(1)",
		"/\t/evil.example", "/%2f/evil.example", "///evil.example", "\x00", "/a\r\nLocation: x", "projects", "/..//evil.example", "http:/evil.example"} {
		f.Add(s)
	}
	local := regexp.MustCompile(`^/([^/\\]|$)`)
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, next string) {
		w.clock.Move(time.Minute) // past the limit of guesses
		in, err := w.Password(t.Context(), "anna", password, next, from("192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		if !local.MatchString(in.Next) || strings.ContainsAny(in.Next, "\r\n\t\x00") {
			t.Errorf("%q leads to %q", next, in.Next)
		}
	})
}

func TestBrowserSessions(t *testing.T) {
	w := newWorld(t)
	cookie, by := w.signIn("anna")
	seen := func() time.Time {
		t.Helper()
		all, err := w.store.ListSessions(t.Context(), by.AccountID)
		if err != nil || len(all) != 1 {
			t.Fatalf("%d sessions, error %v", len(all), err)
		}
		return all[0].LastSeenAt
	}
	began := seen()
	w.clock.Move(59 * time.Second)
	w.actor(cookie)
	if got := seen(); !got.Equal(began) {
		t.Errorf("noted within a minute: %s", got)
	}
	w.clock.Move(2 * time.Second)
	w.actor(cookie)
	if got := seen(); !got.After(began) {
		t.Errorf("not noted after a minute: %s", got)
	}
	t.Run("used often", func(t *testing.T) {
		for range 12 {
			w.clock.Move(59 * time.Minute)
			w.actor(cookie)
		}
		w.clock.Move(12 * time.Minute) // 12 hours in all
		_, err := w.BrowserActor(t.Context(), cookie, from("192.0.2.1"))
		wants(t, err, fault.Unauthenticated, "ended")
	})
	t.Run("left alone", func(t *testing.T) {
		cookie, _ := w.signIn("anna")
		w.clock.Move(time.Hour)
		_, err := w.BrowserActor(t.Context(), cookie, from("192.0.2.1"))
		wants(t, err, fault.Unauthenticated, "ended")
	})
	t.Run("signed out", func(t *testing.T) {
		cookie, by := w.signIn("anna")
		if err := w.SignOut(t.Context(), by); err != nil {
			t.Fatal(err)
		}
		_, err := w.BrowserActor(t.Context(), cookie, from("192.0.2.1"))
		wants(t, err, fault.Unauthenticated, "ended")
		if err := w.SignOut(t.Context(), by); err != nil {
			t.Errorf("twice: %v", err)
		}
	})
	t.Run("a cookie is no bearer token, nor the other way round", func(t *testing.T) {
		cookie, by := w.signIn("anna")
		_, err := w.Actor(t.Context(), cookie, from("192.0.2.1"))
		wants(t, err, fault.Unauthenticated, "not signed in")
		g := w.grant(by)
		for _, token := range []material.Secret{g.Access, g.Refresh} {
			_, err = w.BrowserActor(t.Context(), token, from("192.0.2.1"))
			wants(t, err, fault.Unauthenticated, "not signed in")
		}
	})
}

func TestSessionsOfOneself(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	cookie, other := w.signIn("anna")
	_, ben := w.signIn("ben")
	mine, err := w.Sessions(t.Context(), anna)
	if err != nil || len(mine) != 2 {
		t.Fatalf("%d sessions, error %v", len(mine), err)
	}
	wants(t, w.EndSession(t.Context(), ben, other.SessionID), fault.NotFound, "you have no session")
	wants(t, w.EndSession(t.Context(), ben, "ses_none"), fault.NotFound, "you have no session")
	if err := w.EndSession(t.Context(), anna, other.SessionID); err != nil {
		t.Fatal(err)
	}
	_, err = w.BrowserActor(t.Context(), cookie, from("192.0.2.1"))
	wants(t, err, fault.Unauthenticated, "ended")
	if got, want := w.audited(audit.Filter{Subject: other.SessionID}), []string{"session.create", "session.end (ended by its owner)"}; !slices.Equal(got, want) {
		t.Errorf("audit trail %q, want %q", got, want)
	}
	a, s, err := w.WhoAmI(t.Context(), anna)
	if err != nil || a.ID != anna.AccountID || s.ID != anna.SessionID {
		t.Errorf("who am I: %+v %+v %v", a, s, err)
	}
	_, _, err = w.WhoAmI(t.Context(), identity.System())
	wants(t, err, fault.NotFound, "no session")
}

// Only hashes of tokens are stored, and a token says itself that it is one.
func TestTokenText(t *testing.T) {
	w := newWorld(t)
	cookie, _ := w.signIn("anna")
	m := regexp.MustCompile(`^lyt_([A-Z2-7]{52})([A-Z2-7]{7})$`).FindStringSubmatch(cookie.Reveal())
	if m == nil {
		t.Fatal("a token of another form")
	}
	sum := crc32.ChecksumIEEE([]byte(m[1]))
	if want := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}); m[2] != want {
		t.Errorf("checksum %s, want %s", m[2], want)
	}
	for _, bad := range []string{"", "lyt_", "lyt_" + m[1], "LYT_" + m[1] + m[2], m[1] + m[2], "lyt_" + m[1] + m[2] + " ", "lyt_" + m[2] + m[1], "lyt_" + strings.ToLower(m[1]) + m[2]} {
		_, err := w.BrowserActor(t.Context(), material.Secret(bad), from("192.0.2.1"))
		wants(t, err, fault.Unauthenticated, "not signed in")
	}
}

func TestReveal(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	_, elsewhere := w.signIn("anna")
	once, err := w.PutReveal(t.Context(), anna, []byte("the secret"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Reveal(t.Context(), elsewhere, once)
	wants(t, err, fault.NotFound, "put away")
	for range 2 { // the page may be loaded again
		if got, err := w.Reveal(t.Context(), anna, once); err != nil || string(got) != "the secret" {
			t.Errorf("got %q, error %v", got, err)
		}
	}
	wants(t, w.EndReveal(t.Context(), elsewhere, once), fault.NotFound, "put away")
	if err := w.EndReveal(t.Context(), anna, once); err != nil {
		t.Fatal(err)
	}
	_, err = w.Reveal(t.Context(), anna, once)
	wants(t, err, fault.NotFound, "put away")
	if once, err = w.PutReveal(t.Context(), anna, []byte("x")); err != nil {
		t.Fatal(err)
	}
	w.clock.Move(10 * time.Minute)
	_, err = w.Reveal(t.Context(), anna, once)
	wants(t, err, fault.NotFound, "10 minutes are over")
}

func TestRobots(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	_, ben := w.signIn("ben")
	p := w.project("climate", anna.AccountID, identity.Manager)
	w.project("ocean", ben.AccountID, identity.Manager)
	member := w.project("sea", anna.AccountID, identity.Deputy)
	_, anna = w.signIn("anna") // with the new roles

	robot, token, err := w.CreateRobot(t.Context(), anna, "climate", login.RobotOrder{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	by, err := w.Actor(t.Context(), token, from("192.0.2.9"))
	if err != nil {
		t.Fatal(err)
	}
	if by.AccountID != robot.ID || by.Kind != identity.Robot || !by.In(p.ID, identity.User) || by.In(p.ID, identity.Deputy) ||
		!by.Holds(identity.WriteKeys) || by.Holds(identity.WriteProjects) {
		t.Errorf("acts as %+v", by)
	}
	for name, c := range map[string]struct {
		by      identity.Actor
		project string
		o       login.RobotOrder
		code    fault.Code
		text    string
	}{
		"a stranger":         {ben, "climate", login.RobotOrder{Name: "x"}, fault.NotFound, "no project"},
		"no such project":    {ben, "nowhere", login.RobotOrder{Name: "x"}, fault.NotFound, "no project"},
		"a deputy":           {anna, member.Name, login.RobotOrder{Name: "x"}, fault.Denied, "not a manager"},
		"a robot":            {by, "climate", login.RobotOrder{Name: "x"}, fault.Denied, "does not cover projects:write"},
		"same name":          {anna, "climate", login.RobotOrder{Name: "ci"}, fault.Conflict, `has a robot "ci" already`},
		"no name":            {anna, "climate", login.RobotOrder{}, fault.Invalid, "a name says"},
		"manager":            {anna, "climate", login.RobotOrder{Name: "x", Role: identity.Manager}, fault.Invalid, "user or deputy"},
		"unknown scope":      {anna, "climate", login.RobotOrder{Name: "x", Scopes: []identity.Scope{"root"}}, fault.Invalid, "no scope"},
		"two years":          {anna, "climate", login.RobotOrder{Name: "x", Life: 730 * 24 * time.Hour}, fault.Limited, "at most 366 days"},
		"an end in the past": {anna, "climate", login.RobotOrder{Name: "x", Until: w.clock.Now().Add(-time.Hour)}, fault.Invalid, "already passed"},
	} {
		_, _, err := w.CreateRobot(t.Context(), c.by, c.project, c.o)
		if fault.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	list, err := w.ListRobots(t.Context(), anna, p.ID)
	if err != nil || len(list) != 1 || list[0].ID != robot.ID || list[0].Role != identity.User || list[0].Session.ID != robot.Session.ID || list[0].ProjectName != "climate" {
		t.Errorf("robots %+v, error %v", list, err)
	}
	_, err = w.ListRobots(t.Context(), ben, p.ID)
	wants(t, err, fault.NotFound, "no project")
	wants(t, w.DeleteRobot(t.Context(), ben, robot.ID), fault.NotFound, "no robot")
	wants(t, w.DeleteRobot(t.Context(), anna, anna.AccountID), fault.NotFound, "no robot")
	if err := w.DeleteRobot(t.Context(), anna, robot.ID); err != nil {
		t.Fatal(err)
	}
	_, err = w.Actor(t.Context(), token, from("192.0.2.9"))
	wants(t, err, fault.Unauthenticated, "not signed in")
	if !slices.Equal(w.left, []string{robot.ID}) {
		t.Errorf("left the project: %q", w.left)
	}
	wants(t, w.DeleteRobot(t.Context(), anna, robot.ID), fault.NotFound, "no robot")
	if list, err := w.ListRobots(t.Context(), identity.System(), "climate"); err != nil || len(list) != 0 {
		t.Errorf("robots %+v, error %v", list, err)
	}
	if _, _, err := w.CreateRobot(t.Context(), identity.System(), "climate", login.RobotOrder{Name: "ci", Role: identity.Deputy}); err != nil {
		t.Errorf("the operator, the old name: %v", err)
	}
	if got, want := w.audited(audit.Filter{Subject: robot.ID}), []string{"robot.create", "robot.delete"}; !slices.Equal(got, want) {
		t.Errorf("audit trail %q, want %q", got, want)
	}
}

func TestRobotTokensEnd(t *testing.T) {
	w := newWorld(t)
	w.project("climate", "", "")
	_, token, err := w.CreateRobot(t.Context(), identity.System(), "climate", login.RobotOrder{Name: "ci", Life: 48 * time.Hour, Scopes: []identity.Scope{identity.ReadKeys}})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Move(47 * time.Hour) // never used meanwhile: robots do not idle out
	by, err := w.Actor(t.Context(), token, from("192.0.2.9"))
	if err != nil || !slices.Equal(by.Scopes, []identity.Scope{identity.ReadKeys}) {
		t.Errorf("scopes %q, error %v", by.Scopes, err)
	}
	w.clock.Move(time.Hour)
	_, err = w.Actor(t.Context(), token, from("192.0.2.9"))
	wants(t, err, fault.Unauthenticated, "ended")
	_, err = w.BrowserActor(t.Context(), token, from("192.0.2.9"))
	wants(t, err, fault.Unauthenticated, "ended")
}

// A provider that is stopped between the check and the new session leaves nobody signed in.
func TestStoppedWhileSigningIn(t *testing.T) {
	w := newWorld(t)
	w.signIn("anna")
	l, err := login.New(login.Config{URL: portal, Store: &stopping{Store: w.store, after: 1}, Now: w.clock.Now, Log: nil,
		Local: login.Local{Users: []login.LocalUser{{Name: "anna", Password: cheap}}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Password(t.Context(), "anna", password, "/", from("192.0.2.1"))
	wants(t, err, fault.Denied, "stopped all sign-ins from local")
	accounts, err := w.store.ListAccounts(t.Context(), identity.Filter{Subject: "anna"})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := w.store.ListSessions(t.Context(), accounts[0].ID); err != nil || len(left) != 1 {
		t.Errorf("%d sessions in force, want the first alone; error %v", len(left), err)
	}
}

// A database that cannot be written still lets people in who want to revoke something.
func TestUseThatCannotBeNoted(t *testing.T) {
	w := newWorld(t)
	cookie, _ := w.signIn("anna")
	w.clock.Move(2 * time.Minute)
	w.brokenTouch()
	w.actor(cookie)
	if !strings.Contains(w.log.String(), "session use not noted") {
		t.Errorf("log says %q", w.log)
	}
}

func TestExpiredThingsAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &purges{}
		l, err := login.New(login.Config{URL: portal, Store: s, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		go l.Run(t.Context())
		time.Sleep(35 * time.Minute)
		synctest.Wait()
		if len(s.at) != 3 || !s.at[0].Equal(s.at[1].Add(-10*time.Minute)) {
			t.Errorf("purged at %s", s.at)
		}
	})
}

var errFull = errors.New("database or disk is full")
