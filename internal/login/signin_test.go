package login_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/material"
)

// provider is the independent provider as our client, one of those it knows.
func provider(t *testing.T, client, who string) login.Provider {
	p := login.Provider{ID: "nop", Title: "Independent", Issuer: independent(t), ClientID: client,
		Scopes: []string{"openid", "profile", "email", "groups"}, AuthParams: map[string]string{"login_hint": who},
		Projects: []login.Rule{{Prefix: "project_"}, {Match: `pi_([0-9]+)`, Project: "$1", Role: identity.Manager}}}
	if client != "public" {
		p.ClientSecret, p.ClientAuth = material.Secret("secret-of-"+client), client
	}
	return p
}

// browse follows redirects from an address, as a browser with its own cookies does, until one
// leads back to the portal, and returns that address's parameters.
func browse(t testing.TB, from string) url.Values {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for range 10 {
		r, err := c.Get(from)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		to, err := r.Location()
		if err != nil {
			t.Fatalf("%s answered %s without a redirect", from, r.Status)
		}
		if from = to.String(); strings.HasPrefix(from, portal) {
			if want := "/login/callback/nop"; to.Path != want {
				t.Fatalf("came back to %s, want %s", to.Path, want)
			}
			return to.Query()
		}
	}
	t.Fatal("no end of redirects")
	return nil
}

// start begins a sign-in and returns what its answer will be, and the binding cookie.
func (w *world) start(next string) (url.Values, material.Secret) {
	w.t.Helper()
	redirect, binding, err := w.Start(w.t.Context(), "nop", next, from("192.0.2.1"))
	if err != nil {
		w.t.Fatal(err)
	}
	return browse(w.t, redirect), binding
}

func TestSignInAtAnIndependentProvider(t *testing.T) {
	for _, client := range []string{"basic", "post", "public"} {
		t.Run(client, func(t *testing.T) {
			p := provider(t, client, "anna")
			if client == "post" {
				p.Algorithms = []string{"ES256"}
			}
			w := newWorld(t, p)
			q, binding := w.start("/device?user_code=WDJB-MJHT")
			in, err := w.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
			if err != nil {
				t.Fatal(err)
			}
			if in.Next != "/device?user_code=WDJB-MJHT" || in.Account.Issuer != p.Issuer || in.Account.Subject != "anna" ||
				in.Account.Name != "Anna Virtanen" || in.Account.Email != "anna@example.org" {
				t.Errorf("signed in as %+v, next %s", in.Account, in.Next)
			}
			want := imports{p.Issuer, map[string]identity.Role{"462000008": identity.User, "465000123": identity.Manager}, 1}
			if diff := cmp.Diff(want, w.imported, cmp.AllowUnexported(imports{})); diff != "" {
				t.Error(diff)
			}
			if len(w.groups) == 0 {
				t.Error("nobody was told the groups claim")
			}
			if by := w.actor(in.Cookie); by.AccountID != in.Account.ID || by.Kind != identity.Person || by.Scopes != nil {
				t.Errorf("acts as %+v", by)
			}
			// The same person again is the same account, in a session of its own.
			q, binding = w.start("/")
			again, err := w.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
			if err != nil {
				t.Fatal(err)
			}
			if again.Account.ID != in.Account.ID || again.Session.ID == in.Session.ID || again.Cookie == in.Cookie {
				t.Errorf("account %s then %s, session %s then %s", in.Account.ID, again.Account.ID, in.Session.ID, again.Session.ID)
			}
			got := w.audited(audit.Filter{Actor: in.Account.ID})
			if want := []string{"account.create", "session.create", "session.create"}; !slices.Equal(got, want) {
				t.Errorf("audit trail %q, want %q", got, want)
			}
		})
	}
}

func TestSameEmailIsNotSamePerson(t *testing.T) {
	anna, ben := newWorld(t, provider(t, "basic", "anna")), provider(t, "basic", "ben")
	q, binding := anna.start("/")
	first, err := anna.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	both, err := login.New(login.Config{URL: portal, Providers: []login.Provider{ben}, Store: anna.store, Now: anna.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	anna.Login = both
	q, binding = anna.start("/")
	second, err := anna.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	if first.Account.Email != second.Account.Email || first.Account.ID == second.Account.ID {
		t.Errorf("accounts %+v and %+v", first.Account, second.Account)
	}
}

func TestRefusedSignIns(t *testing.T) {
	t.Run("the person refuses", func(t *testing.T) {
		w := newWorld(t, provider(t, "basic", "nobody"))
		q, binding := w.start("/")
		_, err := w.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
		wants(t, err, fault.Denied, "Independent did not confirm you (access_denied)")
	})
	t.Run("wrong client secret", func(t *testing.T) {
		p := provider(t, "basic", "anna")
		p.ClientSecret = "not it"
		w := newWorld(t, p)
		q, binding := w.start("/")
		_, err := w.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
		wants(t, err, fault.Denied, "did not confirm you (invalid_client)")
	})
	t.Run("test account of MyAccessID", func(t *testing.T) {
		w := newWorld(t, provider(t, "basic", "TEST@myaccessid.org"))
		q, binding := w.start("/")
		_, err := w.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
		wants(t, err, fault.Denied, "test account")
	})
	t.Run("algorithm that is not configured", func(t *testing.T) {
		p := provider(t, "basic", "anna") // signs with RS256
		p.Algorithms = []string{"ES256"}
		w := newWorld(t, p)
		q, binding := w.start("/")
		_, err := w.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
		wants(t, err, fault.Denied, "no valid proof")
	})
	t.Run("stopped account", func(t *testing.T) {
		w := newWorld(t, provider(t, "basic", "anna"))
		q, binding := w.start("/")
		in, err := w.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		w.freeze(in.Account.ID, "left the institute")
		_, err = w.BrowserActor(t.Context(), in.Cookie, from("192.0.2.1"))
		wants(t, err, fault.Denied, "stopped: left the institute")
		q, binding = w.start("/")
		_, err = w.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
		wants(t, err, fault.Denied, "stopped: left the institute")
	})
	t.Run("stopped provider", func(t *testing.T) {
		p := provider(t, "basic", "anna")
		w := newWorld(t, p)
		if err := w.store.FreezeProvider(t.Context(), p.Issuer, true, audit.Change{Record: audit.By(identity.System(), w.clock.Now(), "provider.freeze", p.Issuer, "")}); err != nil {
			t.Fatal(err)
		}
		q, binding := w.start("/")
		_, err := w.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
		wants(t, err, fault.Denied, "stopped all sign-ins")
		if accounts, _ := w.store.ListAccounts(t.Context(), identity.Filter{Issuer: p.Issuer}); len(accounts) != 0 {
			t.Errorf("made %d accounts all the same", len(accounts))
		}
	})
}

func TestSubjectAndNameOfStrangers(t *testing.T) {
	p := provider(t, "basic", "ABC123@MyAccessID.org")
	p.IgnoreSubjectCase = true
	w := newWorld(t, p)
	q, binding := w.start("/")
	in, err := w.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	if in.Account.Subject != "abc123@myaccessid.org" || in.Account.Name != "Hidden [31mname" {
		t.Errorf("subject %q, name %q", in.Account.Subject, in.Account.Name)
	}
}

// What comes back from a provider is believed only in the browser that set out, at the provider
// that it set out to, once, and within ten minutes.
func TestAttacksOnTheCallback(t *testing.T) {
	other := login.Provider{ID: "other", Issuer: "http://127.0.0.1:1", ClientID: "x"}
	w := newWorld(t, provider(t, "basic", "anna"), other)
	ours, binding := w.start("/")
	theirs, theirBinding := w.start("/")
	with := func(q url.Values, name string, values ...string) url.Values {
		out := url.Values{}
		for k, v := range q {
			out[k] = v
		}
		out[name] = values
		return out
	}
	without := with(ours, "iss")
	delete(without, "iss")
	for _, c := range []struct {
		name     string
		provider string
		q        url.Values
		binding  material.Secret
		code     fault.Code
		text     string
	}{
		{"session swap: another browser's answer", "nop", theirs, binding, fault.Invalid, "began in another browser"},
		{"no pre-session cookie", "nop", ours, "", fault.Invalid, "began in another browser"},
		{"mix-up: at another provider's address", "other", ours, binding, fault.Invalid, "began in another browser"},
		{"made-up state", "nop", with(ours, "state", "x"), binding, fault.Invalid, "began in another browser"},
		{"no state", "nop", with(ours, "state", ""), binding, fault.Invalid, "began in another browser"},
		{"state twice", "nop", with(ours, "state", ours.Get("state"), "x"), binding, fault.Invalid, "two values"},
		{"unknown provider", "nowhere", ours, binding, fault.NotFound, "no sign-in provider"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.Finish(t.Context(), c.provider, c.q, c.binding, from("192.0.2.1"))
			wants(t, err, c.code, c.text)
		})
	}
	// None of them used the two sign-ins up.
	if _, err := w.Finish(t.Context(), "nop", ours, binding, from("192.0.2.1")); err != nil {
		t.Error(err)
	}
	if _, err := w.Finish(t.Context(), "nop", theirs, theirBinding, from("192.0.2.1")); err != nil {
		t.Error(err)
	}
	t.Run("replay", func(t *testing.T) {
		_, err := w.Finish(t.Context(), "nop", ours, binding, from("192.0.2.1"))
		wants(t, err, fault.Invalid, "used already")
	})
	t.Run("mix-up: another issuer's name", func(t *testing.T) {
		q, binding := w.start("/")
		_, err := w.Finish(t.Context(), "nop", with(q, "iss", "https://evil.example"), binding, from("192.0.2.1"))
		wants(t, err, fault.Denied, `came from "https://evil.example"`)
	})
	t.Run("mix-up: the name left out", func(t *testing.T) {
		q, binding := w.start("/")
		delete(q, "iss")
		_, err := w.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
		wants(t, err, fault.Denied, "not from Independent")
	})
	t.Run("code injection: the code of another sign-in", func(t *testing.T) {
		q, binding := w.start("/")
		stolen, _ := w.start("/")
		_, err := w.Finish(t.Context(), "nop", with(q, "code", stolen.Get("code")), binding, from("192.0.2.1"))
		wants(t, err, fault.Denied, "did not confirm you (invalid_grant)") // PKCE
	})
	t.Run("too late", func(t *testing.T) {
		q, binding := w.start("/")
		w.clock.Move(10 * time.Minute)
		_, err := w.Finish(t.Context(), "nop", q, binding, from("192.0.2.1"))
		wants(t, err, fault.Invalid, "longer than 10 minutes")
	})
}

func TestSignInStartsAreLimited(t *testing.T) {
	w := newWorld(t, provider(t, "basic", "anna"))
	for range 10 {
		if _, _, err := w.Start(t.Context(), "nop", "/", from("2001:db8::1")); err != nil {
			t.Fatal(err)
		}
	}
	// A host chooses its IPv6 address within a /64.
	_, _, err := w.Start(t.Context(), "nop", "/", from("2001:db8::2"))
	wants(t, err, fault.Limited, "too many")
	if _, _, err := w.Start(t.Context(), "nop", "/", from("192.0.2.7")); err != nil {
		t.Error(err)
	}
	w.clock.Move(time.Minute)
	if _, _, err := w.Start(t.Context(), "nop", "/", from("2001:db8::2")); err != nil {
		t.Error(err)
	}
}

func TestProviderThatIsDown(t *testing.T) {
	w := newWorld(t, login.Provider{ID: "down", Title: "Down", Issuer: "http://127.0.0.1:1", ClientID: "x"})
	_, _, err := w.Start(t.Context(), "down", "/", from("192.0.2.1"))
	wants(t, err, fault.Unavailable, "Down does not answer")
	since := w.clock.Now()
	w.clock.Move(time.Hour)
	_, _, err = w.Start(t.Context(), "down", "/", from("192.0.2.1"))
	wants(t, err, fault.Unavailable, "Down does not answer")
	want := []login.ProviderInfo{{ID: "down", Title: "Down", Issuer: "http://127.0.0.1:1", DownSince: since},
		{ID: "local", Title: "Local account", Issuer: "local", Password: true}}
	if diff := cmp.Diff(want, w.Providers()); diff != "" {
		t.Error(diff)
	}
}

func TestConfigurationMistakesAreToldTogether(t *testing.T) {
	_, err := login.New(login.Config{URL: portal, Now: time.Now,
		Providers: []login.Provider{{ID: "local", Issuer: "https://a.example", ClientID: "x"}, {ID: "B!"},
			{ID: "c", Issuer: "https://c.example", ClientID: "x"}, {ID: "c", Issuer: "https://d.example", ClientID: "x"}},
		Local: login.Local{Users: []login.LocalUser{{Name: "anna", Password: "plain"}}}})
	for _, text := range []string{`"local"`, `"B!"`, `"c": its id or issuer stands twice`, `local user 1 ("anna"): not an argon2id hash`} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v does not tell %s", err, text)
		}
	}
}
