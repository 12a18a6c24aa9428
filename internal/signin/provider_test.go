package signin_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/signin"
)

func TestDiscoverRefusesAnotherIssuer(t *testing.T) {
	p := &signin.Provider{HTTP: &http.Client{Transport: &issuer{}}, Now: time.Now}
	err := p.Discover(t.Context(), "http://localhost:8080")
	if fault.CodeOf(err) != fault.Invalid || !strings.Contains(fault.Public(err).Hint, server) {
		t.Errorf("got %v, want a refusal whose hint names %s", err, server)
	}
}

func TestDeviceObeysSlowDownForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{device: []string{"authorization_pending", "slow_down", "authorization_pending", "502", "authorization_pending"}}
		p := i.provider(t)
		d, err := p.RequestDevice(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d.UserCode != "WDJB-MJHT" || d.Life != 10*time.Minute {
			t.Errorf("got %+v", d)
		}
		begin := time.Now()
		tokens, err := p.AwaitDevice(t.Context(), d)
		if err != nil || tokens.Access != "access-1" || tokens.Refresh != "refresh-1" {
			t.Fatal(tokens.Access.Reveal(), err)
		}
		if want := time.Now().Add(10 * time.Minute).UTC(); !tokens.AccessExpiresAt.Equal(want) {
			t.Errorf("access token ends %s, want %s", tokens.AccessExpiresAt, want)
		}
		want := []int{5, 10, 20, 30, 50, 70} // a proxy's 502 doubles the pause
		for n, at := range i.polls {
			if got := int(at.Sub(begin).Seconds()); n >= len(want) || got != want[n] {
				t.Errorf("poll %d came after %d s, want %v", n, got, want)
			}
		}
	})
}

func TestDeviceEnds(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []string
		code    fault.Code
		late    bool
	}{
		{"refused on the page", []string{"authorization_pending", "access_denied"}, fault.Denied, false},
		{"over, says the server", []string{"expired_token"}, fault.Unavailable, true},
		{"over, by our clock", strings.Split(strings.Repeat("authorization_pending ", 200), " "), fault.Unavailable, true},
		{"used already", []string{"invalid_grant"}, fault.Unauthenticated, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := (&issuer{device: c.answers}).provider(t)
				d, err := p.RequestDevice(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				_, err = p.AwaitDevice(t.Context(), d)
				if fault.CodeOf(err) != c.code || errors.Is(err, signin.ErrNotApproved) != c.late {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// visit does what a browser does at the issuer: it comes back with what change makes of the answer.
func visit(t *testing.T, status *int, change func(back url.Values)) func(string) error {
	return func(address string) error {
		u, err := url.Parse(address)
		if err != nil {
			return err
		}
		q := u.Query()
		if q.Get("code_challenge_method") != "S256" || q.Get("client_id") != signin.ClientID || q.Get("host") != "lumi-login2" {
			t.Errorf("asked for %s", address)
		}
		back := url.Values{"code": {"c0de"}, "state": {q.Get("state")}, "iss": {server}, "challenge": {q.Get("code_challenge")}}
		change(back)
		w, err := http.Get(q.Get("redirect_uri") + "?" + back.Encode())
		if err != nil {
			return err
		}
		defer w.Body.Close()
		text, err := io.ReadAll(w.Body)
		if strings.Contains(string(text), "c0de") || w.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("the landing page tells of the code: %s", text)
		}
		*status = w.StatusCode
		return err
	}
}

func TestBrowser(t *testing.T) {
	i := &issuer{}
	p := i.provider(t)
	var status int
	var challenge string
	tokens, err := p.Browser(t.Context(), visit(t, &status, func(back url.Values) { challenge = back.Get("challenge") }))
	if err != nil || tokens.Access != "access-1" || status != 200 {
		t.Fatal(tokens.Access.Reveal(), status, err)
	}
	form := i.forms[len(i.forms)-1]
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	if form.Get("code") != "c0de" || base64.RawURLEncoding.EncodeToString(sum[:]) != challenge || len(form.Get("code_verifier")) < 43 {
		t.Errorf("redeemed with %v, challenge %s", form, challenge)
	}
	if to, err := url.Parse(form.Get("redirect_uri")); err != nil || to.Hostname() != "127.0.0.1" || to.Path != "/callback" {
		t.Errorf("redirect address %s", form.Get("redirect_uri"))
	}
}

func TestBrowserRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(url.Values)
		code     fault.Code
		insecure bool
	}{
		"a sign-in it did not begin": {func(q url.Values) { q.Set("state", "other") }, fault.Denied, true},
		"another issuer's answer":    {func(q url.Values) { q.Set("iss", "https://evil.example") }, fault.Denied, true},
		"a refusal":                  {func(q url.Values) { q.Set("error", "access_denied") }, fault.Denied, false},
		"no answer at all":           {func(q url.Values) { q.Del("code") }, fault.Internal, false},
	} {
		t.Run(name, func(t *testing.T) {
			i, status := &issuer{}, 0
			_, err := i.provider(t).Browser(t.Context(), visit(t, &status, c.change))
			if fault.CodeOf(err) != c.code || errors.Is(err, signin.ErrInsecure) != c.insecure {
				t.Errorf("got %v", err)
			}
			if i.n != 0 {
				t.Error("a token was asked for all the same")
			}
		})
	}
}

func TestBrowserEndsWithItsCaller(t *testing.T) {
	p := (&issuer{}).provider(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := p.Browser(ctx, func(string) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
