package issuer_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/material"
)

// The way that the command line signs in on a desktop, by libraries that are not ours.
func TestCodeFlowOfAnIndependentClient(t *testing.T) {
	w := newWorld(t)
	p, c := w.client("lanyard-cli", "", "http://127.0.0.1:51234/callback", "openid", "profile", "email", "offline_access")
	address := c.AuthCodeURL("the-state", oidc.Nonce("the-nonce"), oauth2.S256ChallengeOption(verifier))

	// Nobody is signed in: first to the sign-in page, which leads back here.
	first := w.get(strings.TrimPrefix(address, self))
	to, err := url.Parse(first.header.Get("Location"))
	if err != nil || first.status != http.StatusFound || to.Path != "/login" || to.IsAbs() {
		t.Fatalf("sent to %s with %d", first.header.Get("Location"), first.status)
	}
	w.signIn()
	second := w.get(to.Query().Get("next"))
	back, err := url.Parse(second.header.Get("Location"))
	if err != nil || second.status != http.StatusFound || back.Host != "127.0.0.1:51234" || back.Path != "/callback" {
		t.Fatalf("sent back to %s with %d %s", second.header.Get("Location"), second.status, second.body)
	}
	if q := back.Query(); q.Get("state") != "the-state" || q.Get("iss") != self || len(q) != 3 {
		t.Errorf("sent back with %s", back.RawQuery)
	}
	got, err := c.Exchange(w.ctx(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	w.checkIDToken(p, c, got, "the-nonce")
	if want := "openid profile email offline_access s3:read s3:write proxies:read proxies:write tokens:read tokens:write projects:read projects:write"; got.Extra("scope") != want {
		t.Errorf("scope %q, want %q", got.Extra("scope"), want)
	}
	by, err := w.login.Actor(t.Context(), material.Secret(got.AccessToken), login.Request{})
	if err != nil || !slices.Equal(by.Scopes, identity.Scopes()) || by.AccountID != w.by.AccountID {
		t.Errorf("acts as %+v, error %v", by, err)
	}
	info, err := p.UserInfo(w.ctx(), oauth2.StaticTokenSource(got))
	if err != nil || info.Subject != by.AccountID || info.Email != "anna@example.org" {
		t.Errorf("userinfo %+v, error %v", info, err)
	}

	// Refresh rotates. For a minute the token before yields the same successor; after that it ends
	// it all.
	again, err := c.TokenSource(w.ctx(), &oauth2.Token{RefreshToken: got.RefreshToken}).Token()
	if err != nil || again.RefreshToken == got.RefreshToken || !w.works(again.AccessToken) {
		t.Fatalf("refreshed to the same token, or error %v", err)
	}
	w.checkIDToken(p, c, again, "")
	w.clock.Move(59 * time.Second)
	lost, err := c.TokenSource(w.ctx(), &oauth2.Token{RefreshToken: got.RefreshToken}).Token()
	if err != nil || lost.RefreshToken != again.RefreshToken || !w.works(lost.AccessToken) || !w.works(again.AccessToken) {
		t.Fatalf("within the grace: %v", err)
	}
	w.clock.Move(time.Second)
	for _, token := range []string{got.RefreshToken, again.RefreshToken} { // the reuse, and then the newest
		_, err = c.TokenSource(w.ctx(), &oauth2.Token{RefreshToken: token}).Token()
		if e, ok := errors.AsType[*oauth2.RetrieveError](err); !ok || e.ErrorCode != "invalid_grant" || e.Response.StatusCode != http.StatusBadRequest ||
			!strings.HasPrefix(e.ErrorDescription, "this sign-in was ended on ") || e.ErrorURI != self+"/account" {
			t.Errorf("reuse: %v", err)
		}
	}
	if w.works(again.AccessToken) || w.works(got.AccessToken) {
		t.Error("an access token outlived the reuse")
	}
	// Nobody else is told anything.
	_, err = c.TokenSource(w.ctx(), &oauth2.Token{RefreshToken: "lyt_unknown"}).Token()
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); !ok || e.ErrorCode != "invalid_grant" || e.ErrorURI != "" {
		t.Errorf("a made-up token: %v", err)
	}
	if a := w.post("/introspect", url.Values{"token": {again.AccessToken}}, basic("hub", hubKey)); strings.TrimSpace(a.body) != `{"active":false}` {
		t.Errorf("introspection says %s", a.body)
	}
}

// checkIDToken checks an ID token as a careful client does.
func (w *world) checkIDToken(p *oidc.Provider, c *oauth2.Config, got *oauth2.Token, nonce string) {
	w.t.Helper()
	raw, _ := got.Extra("id_token").(string)
	token, err := p.Verifier(&oidc.Config{ClientID: c.ClientID, Now: w.clock.Now}).Verify(w.ctx(), raw)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := token.VerifyAccessToken(got.AccessToken); err != nil {
		w.t.Error(err)
	}
	claims := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		w.t.Fatal(err)
	}
	delete(claims, "at_hash")
	now := float64(w.clock.Now().Unix())
	want := map[string]any{"iss": self, "sub": w.by.AccountID, "aud": c.ClientID, "azp": c.ClientID, "iat": now, "exp": now + 3600,
		"auth_time": float64(w.by.AuthenticatedAt.Unix()), "name": "Anna Virtanen", "email": "anna@example.org"}
	if nonce != "" {
		want["nonce"] = nonce
	}
	if diff := cmp.Diff(want, claims); diff != "" {
		w.t.Error(diff)
	}
}

// A relying party such as JupyterHub: a secret, RS256, an address that is matched exactly.
func TestConfidentialClient(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	w.clock.Move(time.Minute)
	p, c := w.client("hub", hubKey, hubURI, "openid", "profile", "email")
	a := w.get(strings.TrimPrefix(c.AuthCodeURL("s", oidc.Nonce("n"), oauth2.S256ChallengeOption(verifier)), self))
	back, err := url.Parse(a.header.Get("Location"))
	if err != nil || !strings.HasPrefix(back.String(), hubURI+"?") {
		t.Fatalf("sent to %s", a.header.Get("Location"))
	}
	got, err := c.Exchange(w.ctx(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	w.checkIDToken(p, c, got, "n")
	raw, _ := got.Extra("id_token").(string)
	if _, err := p.Verifier(&oidc.Config{ClientID: "hub", SupportedSigningAlgs: []string{"RS256"}, Now: w.clock.Now}).Verify(w.ctx(), raw); err != nil {
		t.Errorf("not RS256: %v", err)
	}
	if got.RefreshToken != "" {
		t.Error("a refresh token that nobody asked for")
	}
	in := w.post("/introspect", url.Values{"token": {got.AccessToken}}, basic("hub", hubKey))
	want := map[string]any{"active": true, "scope": "openid profile email", "client_id": "hub", "token_type": "Bearer", "iss": self, "sub": w.by.AccountID,
		"exp": float64(w.clock.Now().Add(time.Hour).Unix()), "auth_time": float64(noon.Unix())}
	if diff := cmp.Diff(want, in.json); diff != "" {
		t.Error(diff)
	}
	if w.post("/introspect", url.Values{"token": {got.AccessToken}, "client_id": {"hub"}, "client_secret": {hubKey}}, nil).json["active"] != true {
		t.Error("not active when the secret comes in the body")
	}
	w.clock.Move(time.Hour)
	for _, token := range []string{got.AccessToken, "lyt_nonsense", "x"} {
		if in := w.post("/introspect", url.Values{"token": {token}}, basic("hub", hubKey)); strings.TrimSpace(in.body) != `{"active":false}` || in.status != http.StatusOK {
			t.Errorf("%d %s", in.status, in.body)
		}
	}
}

// The way that the command line signs in on a login node. oauth2 waits as long as it is told, so
// this runs in a bubble where waiting takes no time.
func TestDeviceFlowOfAnIndependentClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, trueClock{})
		w.signIn()
		_, c := w.client("lanyard-cli", "", "", "openid", "offline_access", "s3:read")
		d, err := c.DeviceAuth(w.ctx(), oauth2.SetAuthURLParam("host", "lumi-login2.csc.fi"))
		if err != nil {
			t.Fatal(err)
		}
		if d.VerificationURI != self+"/device" || d.VerificationURIComplete != self+"/device?user_code="+d.UserCode || d.Interval != 5 ||
			time.Until(d.Expiry).Round(time.Minute) != 10*time.Minute {
			t.Errorf("device request %+v", d)
		}
		go func() {
			time.Sleep(12 * time.Second)
			seen, err := w.login.FindDevice(t.Context(), w.by, d.UserCode)
			if err != nil || seen.Host != "lumi-login2.csc.fi" || seen.Address != "192.0.2.1" || seen.ClientID != "lanyard-cli" {
				t.Errorf("shown %+v, error %v", seen, err)
			}
			if err := w.login.DecideDevice(t.Context(), w.by, d.UserCode, true); err != nil {
				t.Error(err)
			}
		}()
		began := time.Now()
		got, err := c.DeviceAccessToken(w.ctx(), d)
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != 15*time.Second || got.RefreshToken == "" || got.Extra("scope") != "openid offline_access s3:read" || !w.works(got.AccessToken) {
			t.Errorf("after %s: %+v", waited, got)
		}
	})
}

type trueClock struct{}

func (trueClock) Now() time.Time { return time.Now() }

func TestDeviceFlowRefusedAndExpired(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	ask := func() (code, user string) {
		t.Helper()
		a := w.post("/device_authorization", url.Values{"client_id": {"lanyard-cli"}}, nil)
		if a.status != http.StatusOK || a.json["expires_in"] != 600.0 || a.json["interval"] != 5.0 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		code, _ = a.json["device_code"].(string)
		user, _ = a.json["user_code"].(string)
		return code, user
	}
	poll := func(code, want string) {
		t.Helper()
		a := w.post("/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {"lanyard-cli"}, "device_code": {code}}, nil)
		if got, _ := a.json["error"].(string); got != want || want != "" && a.status != http.StatusBadRequest {
			t.Errorf("%d %s, want %q", a.status, a.body, want)
		}
	}
	code, user := ask()
	poll(code, "authorization_pending")
	poll(code, "slow_down")
	if err := w.login.DecideDevice(t.Context(), w.by, user, false); err != nil {
		t.Fatal(err)
	}
	poll(code, "access_denied")
	code, user = ask()
	if err := w.login.DecideDevice(t.Context(), w.by, user, true); err != nil {
		t.Fatal(err)
	}
	poll(code, "")
	poll(code, "invalid_grant")
	code, _ = ask()
	w.clock.Move(10 * time.Minute)
	poll(code, "expired_token")
	poll("unknown", "invalid_grant")
}

// What oidc-agent sends: Basic credentials with an empty password, the audience, odd parameters.
func TestHabitsOfOtherClients(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	for name, pairs := range map[string][]string{
		"a port of its own":   {"redirect_uri", "http://localhost:4242"},
		"with a slash":        {"redirect_uri", "http://localhost:8080/"},
		"IPv6":                {"redirect_uri", "http://[::1]:4242/callback"},
		"asks for more":       {"access_type", "offline", "prompt", "consent", "audience", self},
		"nothing but a scope": {"scope", "openid", "state", "", "nonce", ""},
		"no scope":            {"scope", ""},
	} {
		t.Run(name, func(t *testing.T) {
			req := with(request(), pairs...)
			form := redeem(w.code(pairs...), "redirect_uri", req.Get("redirect_uri"), "client_id", "")
			a := w.post("/token", form, basic("lanyard-cli", ""))
			if a.status != http.StatusOK || a.json["id_token"] == nil {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if refresh, ok := a.json["refresh_token"].(string); ok {
				form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "scope": {a.json["scope"].(string)}, "audience": {self}}
				if a := w.post("/token", form, basic("lanyard-cli", "")); a.status != http.StatusOK {
					t.Errorf("refresh: %d %s", a.status, a.body)
				}
			} else if req.Get("scope") != "openid" {
				t.Error("no refresh token")
			}
		})
	}
}

func TestRevocation(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	for _, which := range []string{"access_token", "refresh_token"} {
		got := w.tokens()
		other := w.tokens()
		for range 2 {
			a := w.post("/revoke", url.Values{"client_id": {"lanyard-cli"}, "token": {got[which].(string)}, "token_type_hint": {"refresh_token"}}, nil)
			if a.status != http.StatusOK || a.body != "" {
				t.Errorf("%d %q", a.status, a.body)
			}
		}
		if w.works(got["access_token"]) || !w.works(other["access_token"]) {
			t.Errorf("revoking the %s ended too little or too much", which)
		}
	}
}
