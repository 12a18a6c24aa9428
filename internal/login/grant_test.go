package login_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/material"
)

const (
	client   = "lanyard-cli"
	returnTo = "http://127.0.0.1:4242/callback"
)

var (
	verifier = strings.Repeat("v", 43)
	scopes   = []identity.Scope{"openid", login.OfflineAccess, identity.ReadKeys}
)

// code gets a code for the person.
func (w *world) code(by identity.Actor, scopes ...identity.Scope) material.Secret {
	w.t.Helper()
	c, err := w.GrantCode(w.t.Context(), by, login.CodeRequest{ClientID: client, RedirectURI: returnTo, Scopes: scopes,
		Challenge: oauth2.S256ChallengeFromVerifier(verifier), Nonce: "n", Host: "laptop\x1b"})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) redeem(code material.Secret) (login.Grant, error) {
	return w.RedeemCode(w.t.Context(), login.Redemption{ClientID: client, Proof: code, RedirectURI: returnTo, Verifier: verifier}, from("192.0.2.1"))
}

// grant gives the command line a session of the person.
func (w *world) grant(by identity.Actor) login.Grant {
	w.t.Helper()
	g, err := w.redeem(w.code(by, scopes...))
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// works reports whether an access token is honoured.
func (w *world) works(token material.Secret) bool {
	w.t.Helper()
	_, err := w.Actor(w.t.Context(), token, from("192.0.2.1"))
	if err != nil && fault.CodeOf(err) != fault.Unauthenticated {
		w.t.Errorf("error %v", err)
	}
	return err == nil
}

func TestCodes(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	w.clock.Move(30 * time.Minute)
	g := w.grant(anna)
	by, err := w.Actor(t.Context(), g.Access, from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	if by.AccountID != anna.AccountID || !slices.Equal(by.Scopes, []identity.Scope{identity.ReadKeys}) || !by.AuthenticatedAt.Equal(anna.AuthenticatedAt) {
		t.Errorf("acts as %+v", by)
	}
	if g.Nonce != "n" || g.Session.Host != "laptop" || g.Session.ClientID != client || !slices.Equal(g.Session.Scopes, scopes) {
		t.Errorf("granted %+v", g)
	}
	t.Run("without offline_access there is nothing to refresh", func(t *testing.T) {
		g, err := w.redeem(w.code(anna, "openid"))
		if err != nil || g.Refresh != "" || !g.Session.ExpiresAt.Equal(g.ExpiresAt) {
			t.Errorf("granted %+v, error %v", g, err)
		}
		if by, err := w.Actor(t.Context(), g.Access, from("192.0.2.1")); err != nil || by.Scopes == nil || len(by.Scopes) != 0 {
			t.Errorf("a token for openid alone has API scopes %v, error %v", by.Scopes, err)
		}
	})
	t.Run("an hour later", func(t *testing.T) {
		w.clock.Move(time.Hour - time.Second)
		if !w.works(g.Access) {
			t.Error("ended early")
		}
		w.clock.Move(time.Second)
		if w.works(g.Access) {
			t.Error("still works")
		}
	})
}

func TestAttacksOnCodes(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	for name, attack := range map[string]func(material.Secret) (login.Grant, error){
		"another client": func(c material.Secret) (login.Grant, error) {
			return w.RedeemCode(t.Context(), login.Redemption{ClientID: "hub", Proof: c, RedirectURI: returnTo, Verifier: verifier}, from("192.0.2.66"))
		},
		"another redirect URI": func(c material.Secret) (login.Grant, error) {
			return w.RedeemCode(t.Context(), login.Redemption{ClientID: client, Proof: c, RedirectURI: returnTo + "/", Verifier: verifier}, from("192.0.2.66"))
		},
		"another verifier": func(c material.Secret) (login.Grant, error) {
			return w.RedeemCode(t.Context(), login.Redemption{ClientID: client, Proof: c, RedirectURI: returnTo, Verifier: strings.Repeat("w", 43)}, from("192.0.2.66"))
		},
		"PKCE downgrade: no verifier": func(c material.Secret) (login.Grant, error) {
			return w.RedeemCode(t.Context(), login.Redemption{ClientID: client, Proof: c, RedirectURI: returnTo, Verifier: ""}, from("192.0.2.66"))
		},
		"PKCE downgrade: the challenge itself": func(c material.Secret) (login.Grant, error) {
			return w.RedeemCode(t.Context(), login.Redemption{ClientID: client, Proof: c, RedirectURI: returnTo, Verifier: oauth2.S256ChallengeFromVerifier(verifier)}, from("192.0.2.66"))
		},
		"a minute later": func(c material.Secret) (login.Grant, error) {
			w.clock.Move(time.Minute)
			return w.redeem(c)
		},
		"unknown": func(material.Secret) (login.Grant, error) { return w.redeem("x") },
	} {
		t.Run(name, func(t *testing.T) {
			if g, err := attack(w.code(anna, scopes...)); !errors.Is(err, login.ErrGrant) {
				t.Errorf("granted %+v, error %v", g, err)
			}
		})
	}
	t.Run("one guess per code", func(t *testing.T) {
		c := w.code(anna, scopes...)
		w.RedeemCode(t.Context(), login.Redemption{ClientID: client, Proof: c, RedirectURI: returnTo, Verifier: strings.Repeat("w", 43)}, from("192.0.2.66"))
		if _, err := w.redeem(c); !errors.Is(err, login.ErrGrant) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("replay ends what the first use made", func(t *testing.T) {
		c := w.code(anna, scopes...)
		g, err := w.redeem(c)
		if err != nil || !w.works(g.Access) {
			t.Fatal(err)
		}
		if _, err := w.redeem(c); !errors.Is(err, login.ErrGrant) {
			t.Errorf("error %v", err)
		}
		if w.works(g.Access) {
			t.Error("the access token still works")
		}
		if _, err := w.Refresh(t.Context(), login.Redemption{ClientID: client, Proof: g.Refresh}, from("192.0.2.1")); !errors.Is(err, login.ErrGrant) {
			t.Errorf("refresh: %v", err)
		}
		if got, want := w.audited(audit.Filter{Subject: g.Session.ID}), []string{"session.create", "session.end (authorization code used twice)"}; !slices.Equal(got, want) {
			t.Errorf("audit trail %q, want %q", got, want)
		}
	})
	t.Run("a stolen token breeds no codes", func(t *testing.T) {
		by, err := w.Actor(t.Context(), w.grant(anna).Access, from("192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.GrantCode(t.Context(), by, login.CodeRequest{ClientID: client})
		wants(t, err, fault.Denied, "only a person")
	})
	t.Run("stopped meanwhile", func(t *testing.T) {
		c := w.code(anna, scopes...)
		w.freeze(anna.AccountID, "test")
		if _, err := w.redeem(c); !errors.Is(err, login.ErrGrant) {
			t.Errorf("error %v", err)
		}
	})
}

// Of many who show one code at once, at most one gets tokens, and those are ended.
func TestCodeUsedAtOnce(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	c := w.code(anna, scopes...)
	var mu sync.Mutex
	var granted []login.Grant
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if g, err := w.redeem(c); err == nil {
				mu.Lock()
				granted = append(granted, g)
				mu.Unlock()
			} else if !errors.Is(err, login.ErrGrant) {
				t.Errorf("error %v", err)
			}
		})
	}
	wg.Wait()
	if len(granted) != 1 {
		t.Fatalf("granted %d times", len(granted))
	}
	if w.works(granted[0].Access) {
		t.Error("a code that was shown eight times left a token that works")
	}
}

func TestRefresh(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	g := w.grant(anna)
	end := g.Session.ExpiresAt
	if want := w.clock.Now().UTC().Truncate(time.Second).Add(30 * 24 * time.Hour); !end.Equal(want) {
		t.Errorf("ends at %s, want %s", end, want)
	}
	refresh := func(token material.Secret, scopes ...identity.Scope) (login.Grant, error) {
		return w.Refresh(t.Context(), login.Redemption{ClientID: client, Proof: token, Scopes: scopes}, from("192.0.2.1"))
	}
	t.Run("rotates", func(t *testing.T) {
		old := g
		var err error
		if g, err = refresh(old.Refresh, "openid"); err != nil {
			t.Fatal(err)
		}
		if g.Refresh == old.Refresh || g.Access == old.Access || g.Session.ID != old.Session.ID || !g.Session.ExpiresAt.Equal(end) {
			t.Errorf("granted %+v after %+v", g, old)
		}
		if !w.works(old.Access) || !w.works(g.Access) {
			t.Error("an access token that has not ended does not work")
		}
	})
	t.Run("not wider", func(t *testing.T) {
		if _, err := refresh(g.Refresh, identity.WriteKeys); !errors.Is(err, login.ErrScope) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("not by another client", func(t *testing.T) {
		if _, err := w.Refresh(t.Context(), login.Redemption{ClientID: "hub", Proof: g.Refresh}, from("192.0.2.1")); !errors.Is(err, login.ErrGrant) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("not with an access token", func(t *testing.T) {
		if _, err := refresh(g.Access); !errors.Is(err, login.ErrGrant) || !w.works(g.Access) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a refresh token opens nothing else", func(t *testing.T) {
		if w.works(g.Refresh) {
			t.Error("it works as an access token")
		}
		if _, _, _, err := w.Introspect(t.Context(), g.Refresh); fault.CodeOf(err) != fault.Unauthenticated {
			t.Errorf("introspection: %v", err)
		}
	})
	t.Run("never past the session's end", func(t *testing.T) {
		w.clock.Move(end.Sub(w.clock.Now()) - 10*time.Minute)
		var err error
		if g, err = refresh(g.Refresh); err != nil || !g.ExpiresAt.Equal(end) {
			t.Errorf("access token ends at %s, want %s; error %v", g.ExpiresAt, end, err)
		}
		w.clock.Move(10 * time.Minute)
		if _, err := refresh(g.Refresh); !errors.Is(err, login.ErrGrant) {
			t.Errorf("error %v", err)
		}
	})
}

// A refresh token that is shown twice ends the session for the thief and for the owner.
func TestRefreshTokenReuse(t *testing.T) {
	for name, reuse := range map[string]func(w *world, first, second login.Grant) error{
		"at once": func(w *world, first, _ login.Grant) error {
			_, err := w.Refresh(w.t.Context(), login.Redemption{ClientID: client, Proof: first.Refresh}, from("192.0.2.66"))
			return err
		},
		"weeks later": func(w *world, first, second login.Grant) error {
			w.clock.Move(20 * 24 * time.Hour)
			_, err := w.Refresh(w.t.Context(), login.Redemption{ClientID: client, Proof: first.Refresh}, from("192.0.2.66"))
			return err
		},
		"after the owner went on": func(w *world, first, second login.Grant) error {
			if _, err := w.Refresh(w.t.Context(), login.Redemption{ClientID: client, Proof: second.Refresh}, from("192.0.2.1")); err != nil {
				return err
			}
			_, err := w.Refresh(w.t.Context(), login.Redemption{ClientID: client, Proof: first.Refresh}, from("192.0.2.66"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, anna := w.signIn("anna")
			first, other := w.grant(anna), w.grant(anna)
			second, err := w.Refresh(t.Context(), login.Redemption{ClientID: client, Proof: first.Refresh}, from("192.0.2.1"))
			if err != nil {
				t.Fatal(err)
			}
			if err := reuse(w, first, second); !errors.Is(err, login.ErrGrant) {
				t.Errorf("error %v", err)
			}
			for _, g := range []login.Grant{first, second} {
				if w.works(g.Access) {
					t.Error("an access token still works")
				}
			}
			if _, err := w.Refresh(t.Context(), login.Redemption{ClientID: client, Proof: second.Refresh}, from("192.0.2.1")); !errors.Is(err, login.ErrGrant) {
				t.Errorf("the owner's refresh token: %v", err)
			}
			if _, err := w.Refresh(t.Context(), login.Redemption{ClientID: client, Proof: other.Refresh}, from("192.0.2.1")); err != nil {
				t.Errorf("another session of the same person: %v", err)
			}
			if got := w.audited(audit.Filter{Subject: first.Session.ID}); !slices.Contains(got, "session.end (refresh token used twice)") {
				t.Errorf("audit trail %q", got)
			}
			if !strings.Contains(w.log.String(), "refresh token used twice") || !strings.Contains(w.log.String(), first.Session.ID) {
				t.Errorf("log says %q", w.log)
			}
		})
	}
}

func TestRefreshAtOnce(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	g := w.grant(anna)
	var mu sync.Mutex
	var granted []login.Grant
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if g, err := w.Refresh(t.Context(), login.Redemption{ClientID: client, Proof: g.Refresh}, from("192.0.2.1")); err == nil {
				mu.Lock()
				granted = append(granted, g)
				mu.Unlock()
			} else if !errors.Is(err, login.ErrGrant) {
				t.Errorf("error %v", err)
			}
		})
	}
	wg.Wait()
	if len(granted) > 1 {
		t.Fatalf("one refresh token was spent %d times", len(granted))
	}
	for _, g := range granted {
		if w.works(g.Access) {
			t.Error("the session outlived the reuse")
		}
	}
}

// A database that does not answer is no reason for a client to throw its tokens away.
func TestDatabaseAway(t *testing.T) {
	w := newWorld(t)
	_, anna := w.signIn("anna")
	g := w.grant(anna)
	l, err := login.New(login.Config{URL: portal, Store: away{w.store}, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, r := t.Context(), from("192.0.2.1")
	for name, call := range map[string]func() error{
		"actor": func() error { _, err := l.Actor(ctx, g.Access, r); return err },
		"refresh": func() error {
			_, err := l.Refresh(ctx, login.Redemption{ClientID: client, Proof: g.Refresh}, r)
			return err
		},
		"revoke": func() error { return l.Revoke(ctx, client, g.Refresh, r) },
		"redeem": func() error {
			_, err := l.RedeemCode(ctx, login.Redemption{ClientID: client, Proof: "x", RedirectURI: returnTo, Verifier: verifier}, r)
			return err
		},
		"poll": func() error {
			_, err := l.PollDevice(ctx, login.Redemption{ClientID: client, Proof: "x"}, r)
			return err
		},
	} {
		if err := call(); fault.CodeOf(err) != fault.Unavailable || errors.Is(err, login.ErrGrant) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRevoke(t *testing.T) {
	w := newWorld(t)
	cookie, anna := w.signIn("anna")
	for name, pick := range map[string]func(login.Grant) material.Secret{
		"access token":  func(g login.Grant) material.Secret { return g.Access },
		"refresh token": func(g login.Grant) material.Secret { return g.Refresh },
	} {
		t.Run(name, func(t *testing.T) {
			g := w.grant(anna)
			if err := w.Revoke(t.Context(), "hub", pick(g), from("192.0.2.1")); err != nil || !w.works(g.Access) {
				t.Errorf("another client ended it, error %v", err)
			}
			for range 2 {
				if err := w.Revoke(t.Context(), client, pick(g), from("192.0.2.1")); err != nil {
					t.Error(err)
				}
			}
			if w.works(g.Access) {
				t.Error("the access token still works")
			}
			if got, want := w.audited(audit.Filter{Subject: g.Session.ID}), []string{"session.create", "session.end (revoked by its client)"}; !slices.Equal(got, want) {
				t.Errorf("audit trail %q, want %q", got, want)
			}
		})
	}
	for _, token := range []material.Secret{"", "nonsense", cookie} {
		if err := w.Revoke(t.Context(), "", token, from("192.0.2.1")); err != nil {
			t.Error(err)
		}
	}
	w.actor(cookie) // a client cannot end what is not a client's
}

// The secrets of a whole flow are in no log, no audit record and no database file in clear.
func TestSecretsStayOut(t *testing.T) {
	w := newWorld(t)
	cookie, anna := w.signIn("anna")
	c := w.code(anna, scopes...)
	g, err := w.redeem(c)
	if err != nil {
		t.Fatal(err)
	}
	next, err := w.Refresh(t.Context(), login.Redemption{ClientID: client, Proof: g.Refresh}, from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	w.Refresh(t.Context(), login.Redemption{ClientID: client, Proof: g.Refresh}, from("192.0.2.1"))
	w.redeem(c)
	records, err := w.store.Audit(t.Context(), audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	trail, err := json.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	files := w.files()
	for name, secret := range map[string]material.Secret{"cookie": cookie, "code": c, "access": g.Access, "refresh": g.Refresh, "next refresh": next.Refresh, "password": password} {
		for place, text := range map[string]string{"log": w.log.String(), "audit trail": string(trail), "database": files} {
			if strings.Contains(text, secret.Reveal()) {
				t.Errorf("the %s stands in the %s", name, place)
			}
		}
	}
	if len(files) < 4096 || len(records) < 4 {
		t.Errorf("looked at %d bytes and %d records only", len(files), len(records))
	}
}
