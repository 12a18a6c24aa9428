package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/minting"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/signing"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/material"
)

// denied lists what is denied, in order.
func (w *world) denied(t testing.TB) []string {
	t.Helper()
	ds, err := w.Denials(t.Context(), 0)
	check(t, err)
	var ids []string
	for _, d := range ds {
		if !d.At.Equal(start) || !d.Until.Equal(start.Add(session.LongestToken)) {
			t.Errorf("denied %+v", d)
		}
		ids = append(ids, d.ID)
	}
	return ids
}

// Whatever ends a right to tokens denies those that were signed for it, in the same transaction.
func TestEndsDenyTokens(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, id := range []string{"ses_a", "ses_b"} {
			n := aSession(id, "usr_1")
			n.Kind, n.Audiences = session.Client, []string{"https://se.example"}
			_, err := w.InsertSession(t.Context(), n, []session.Token{aToken("r"+id, id, session.RefreshToken)}, nil, record("session.begin", id))
			check(t, err)
			got, err := w.Session(t.Context(), "r"+id)
			check(t, err)
			if !slices.Equal(got.Session.Audiences, n.Audiences) {
				t.Errorf("audiences %q", got.Session.Audiences)
			}
		}
		browser := aSession("ses_c", "usr_1")
		browser.Kind = session.Browser
		_, err := w.InsertSession(t.Context(), browser, nil, nil, record("session.begin", "ses_c"))
		check(t, err)
		check(t, w.EndSession(t.Context(), "ses_a", record("session.end", "ses_a")))
		check(t, w.EndSession(t.Context(), "ses_c", record("session.end", "ses_c"))) // nothing was ever signed for it
		c := key(1)
		c.Kind, c.ProjectID, c.Spec = grant.Kind, "", grant.Spec{Provider: "lanyard", Scopes: []string{"storage.read:/"}}.Encode()
		_, err = w.InsertCredential(t.Context(), c, nil, did("grant.create", c.ID))
		check(t, err)
		c.Status = credential.Frozen
		_, err = w.SaveCredentials(t.Context(), []credential.Credential{c}, changed)
		check(t, err)
		a := person("usr_1")
		a.FrozenAt = start
		check(t, w.SaveAccount(t.Context(), a, did("account.freeze", a.ID)))
		_, err = w.EndSessions(t.Context(), a.ID, "", start, did("account.sign_out", a.ID))
		check(t, err)
		if got, want := w.denied(t), []string{"ses_a", c.ID, "usr_1", "ses_b"}; !slices.Equal(got, want) {
			t.Errorf("denied %q, want %q", got, want)
		}
		check(t, w.Deny(t.Context(), session.Taken("ses_a", start), record("token.deny", "ses_a")))
		if got, want := w.denied(t), []string{c.ID, "usr_1", "ses_b", "ses_a"}; !slices.Equal(got, want) {
			t.Errorf("denied again %q, want %q", got, want)
		}
		check(t, w.PurgeTickets(t.Context(), start.Add(session.LongestToken+time.Second)))
		if got := w.denied(t); len(got) != 0 {
			t.Errorf("still denied once all have expired by themselves: %q", got)
		}
		w.verified(t)
	})
}

// minter is a server that mints for the members of climate on s.
func minter(t testing.TB, s *store.Store) *minting.Minter {
	t.Helper()
	keys := signing.New(signing.Config{Algorithms: []string{signing.ES256, signing.RS256}, Store: s, Now: clock, Log: slog.New(slog.DiscardHandler)})
	check(t, keys.Rotate(t.Context()))
	m, err := minting.New(minting.Config{Issuer: "https://lanyard.example", Keys: keys, Store: s, Now: clock,
		Policy: minting.Policy{AnyAudience: true, Rules: []minting.Rule{{Project: "climate", Scopes: []string{"storage.read:/climate"}}}}})
	check(t, err)
	return m
}

// What one server takes back, another on the same database refuses within a second.
func TestDenialsReachOtherServers(t *testing.T) {
	w := open(t, "postgres")
	other := another(t, w.config)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- other.Run(ctx) }()
	defer func() {
		stop()
		check(t, <-done)
	}()
	m := project.Member{ProjectID: "prj_1", AccountID: "usr_1", Role: identity.User, Source: "admin", Since: start}
	check(t, w.SaveMember(t.Context(), m, did("member.save", "usr_1")))
	here, there := minter(t, w.Store), minter(t, other)
	by := identity.System()
	quickest := time.Hour // a busy machine may be late, but not every time
	for i := range 5 {
		family := fmt.Sprint("ses_", i)
		tokens, err := here.Mint(t.Context(), minting.Order{Account: person("usr_1"), Scopes: []string{"storage.read:/climate"}, Family: family})
		check(t, err)
		if c, err := there.Verify(t.Context(), tokens.Access); err != nil || minting.Family(c) != family {
			t.Fatalf("refused before it was denied: %v", err)
		}
		changed := other.Changed()
		check(t, here.Deny(t.Context(), by, family, "test"))
		if !refusedBy(here, tokens.Access, t) {
			t.Error("the server that denied it takes it")
		}
		begun, late := time.Now(), time.After(3*time.Minute)
		for !refusedBy(there, tokens.Access, t) {
			select {
			case <-changed:
				changed = other.Changed()
			case <-late:
				t.Fatal("the other server takes it for ever")
			}
		}
		quickest = min(quickest, time.Since(begun))
	}
	if quickest > time.Second {
		t.Errorf("the other server takes it for %s", quickest)
	}
	records, err := w.Audit(t.Context(), audit.Filter{Subject: "ses_0"})
	check(t, err)
	if len(records) != 1 || records[0].Action != "token.deny" || records[0].Detail["reason"] != "test" {
		t.Errorf("audit trail %+v", records)
	}
}

func refusedBy(m *minting.Minter, token material.Secret, t testing.TB) bool {
	t.Helper()
	_, err := m.Verify(t.Context(), token)
	if err != nil && fault.CodeOf(err) != fault.Unauthenticated {
		t.Fatal(err)
	}
	return err != nil
}

// Clients that show one refresh token at two servers at once all get the same successor, and it
// works at both.
func TestOneSuccessorFromTwoServers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		servers := []*login.Login{signIn(t, w.Store), signIn(t, w.Store)}
		if w.config.URL != "" {
			servers[1] = signIn(t, another(t, w.config))
		}
		r := login.Request{Address: "192.0.2.1"}
		in, err := servers[0].Password(t.Context(), "anna", "correct horse", "/", r)
		check(t, err)
		by, err := servers[0].BrowserActor(t.Context(), in.Cookie, r)
		check(t, err)
		verifier := strings.Repeat("v", 43)
		code, err := servers[0].GrantCode(t.Context(), by, login.CodeRequest{ClientID: "cli", RedirectURI: "http://127.0.0.1/",
			Challenge: oauth2.S256ChallengeFromVerifier(verifier), Scopes: []identity.Scope{login.OfflineAccess}})
		check(t, err)
		g, err := servers[0].RedeemCode(t.Context(), login.Redemption{ClientID: "cli", Proof: code, RedirectURI: "http://127.0.0.1/", Verifier: verifier}, r)
		check(t, err)
		current := g.Refresh
		for range 5 {
			got := make([]login.Grant, 32)
			var wg sync.WaitGroup
			for i := range got {
				wg.Go(func() {
					p := login.Redemption{ClientID: "cli", Proof: current, Grace: time.Minute}
					var err error
					if got[i], err = servers[i%2].Refresh(t.Context(), p, r); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for _, g := range got {
				if g.Refresh != got[0].Refresh || g.Refresh == current {
					t.Fatalf("successors %q and %q", g.Refresh.Reveal(), got[0].Refresh.Reveal())
				}
			}
			current = got[0].Refresh
		}
		// The first of them, shown at both at once, ends the family. The person is told once.
		errs := make([]error, 16)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = servers[i%2].Refresh(t.Context(), login.Redemption{ClientID: "cli", Proof: g.Refresh, Grace: time.Minute}, r)
			})
		}
		wg.Wait()
		for _, err := range errs {
			if !errors.Is(err, login.ErrReused) {
				t.Errorf("reuse: %v", err)
			}
		}
		told, err := w.Notices(t.Context(), by.AccountID)
		check(t, err)
		if len(told) != 1 || told[0].Subject != g.Session.ID || told[0].Kind != notice.TokenReused {
			t.Errorf("told %+v", told)
		}
		w.verified(t)
	})
}

// signIn is a server at which anna can sign in, on s.
func signIn(t testing.TB, s *store.Store) *login.Login {
	t.Helper()
	l, err := login.New(login.Config{URL: "https://lanyard.example", Store: s, Now: clock, Log: slog.New(slog.DiscardHandler),
		// The password is "correct horse", at the lowest cost.
		Local: login.Local{Users: []login.LocalUser{{Name: "anna", FullName: "Anna Virtanen",
			Password: "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$8jCjveL9purNVvxZWhjl0nULgTWD4Roxh/u/NFFSew0"}}}})
	check(t, err)
	return l
}
