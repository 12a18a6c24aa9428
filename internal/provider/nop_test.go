package provider_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/provider"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
	"github.com/lanyardhq/lanyard/material"
)

// These tests run against a provider that is not ours.

func newClient(t testing.TB, p grant.Provider) *provider.Client {
	t.Helper()
	c, err := provider.New(p, providertest.Redirect, &http.Transport{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// approve lets anna approve the wish.
func approve(t testing.TB, p *providertest.Provider, c *provider.Client, w grant.Wish) grant.Tokens {
	t.Helper()
	a, err := c.Begin(t.Context(), w, provider.Hint{Login: "anna"})
	if err != nil {
		t.Fatal(err)
	}
	answer := p.Approve(t, a.URL)
	if answer.Get("state") != a.State || a.State == "" || a.Interval != 0 {
		t.Fatalf("state %q came back as %q, interval %s", a.State, answer.Get("state"), a.Interval)
	}
	tokens, err := c.Finish(t.Context(), a.Data, answer)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// refusal fails unless err is a refusal of the class.
func refusal(t testing.TB, err error, class grant.Class) *grant.Refusal {
	t.Helper()
	r, ok := errors.AsType[*grant.Refusal](err)
	if !ok || r.Class != class {
		t.Fatalf("got %v, want a refusal of class %s", err, class)
	}
	return r
}

func TestApproveRefreshRevoke(t *testing.T) {
	p := providertest.Start(t, providertest.Options{Rotate: true, AccessTTL: 20 * time.Minute})
	for _, client := range []string{"basic", "post", "public"} {
		t.Run(client, func(t *testing.T) {
			config := p.Config(client)
			if client == "post" {
				config.Algorithms = []string{"ES256"}
			}
			c := newClient(t, config)
			first := approve(t, p, c, grant.Wish{})
			if first.Subject != "anna" || first.Access == "" || first.Refresh == "" || !slices.Contains(first.Scopes, "offline_access") {
				t.Errorf("approved: %+v", first)
			}
			if left := time.Until(first.AccessExpiresAt); left > 20*time.Minute || left < 19*time.Minute {
				t.Errorf("the access token lives %s", left)
			}
			second, err := c.Refresh(t.Context(), first.Refresh, grant.Wish{Scopes: []string{"openid", "offline_access"}})
			if err != nil {
				t.Fatal(err)
			}
			if second.Refresh == "" || second.Refresh == first.Refresh || second.Access == first.Access || !slices.Equal(second.Scopes, []string{"openid"}) {
				t.Errorf("refreshed: %+v", second)
			}
			receipt, err := c.Revoke(t.Context(), second.Refresh)
			if err != nil || receipt != "Independent revoked the refresh token; access tokens that were handed out work until they expire" {
				t.Errorf("receipt %q, %v", receipt, err)
			}
			_, err = c.Refresh(t.Context(), second.Refresh, grant.Wish{})
			if r := refusal(t, err, grant.Dead); r.Code != "invalid_grant" || r.Status != 400 || r.Unsent {
				t.Errorf("after revocation: %+v", r)
			}
			if _, err := c.Revoke(t.Context(), second.Refresh); err != nil {
				t.Errorf("a second revocation: %v", err)
			}
		})
	}
}

func TestUseOfAReplacedTokenIsDead(t *testing.T) {
	p := providertest.Start(t, providertest.Options{Rotate: true})
	c := newClient(t, p.Config("basic"))
	first := approve(t, p, c, grant.Wish{})
	second, err := c.Refresh(t.Context(), first.Refresh, grant.Wish{})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []material.Secret{first.Refresh, second.Refresh} {
		_, err := c.Refresh(t.Context(), token, grant.Wish{})
		refusal(t, err, grant.Dead)
	}
}

func TestWithoutRotationNoRefreshTokenIsNew(t *testing.T) {
	p := providertest.Start(t, providertest.Options{JWT: true})
	config := p.Config("basic")
	config.Audience = "resource"
	c := newClient(t, config)
	se := []string{"https://se1.example.org", "https://se2.example.org"}
	first := approve(t, p, c, grant.Wish{Scopes: []string{"openid", "storage.read:/data", "compute.read"}, Audiences: se})
	for _, audience := range se {
		got, err := c.Refresh(t.Context(), first.Refresh, grant.Wish{Scopes: []string{"storage.read:/data"}, Audiences: []string{audience}})
		if err != nil {
			t.Fatal(err)
		}
		if got.Refresh != "" || !slices.Equal(got.Audiences, []string{audience}) || !slices.Equal(got.Scopes, []string{"storage.read:/data"}) {
			t.Errorf("refreshed: %+v", got)
		}
	}
	_, err := c.Refresh(t.Context(), first.Refresh, grant.Wish{Audiences: []string{"https://other.example.org"}})
	if r := refusal(t, err, grant.Operator); r.Code != "invalid_target" || !r.OfWish() {
		t.Errorf("another audience: %+v", r)
	}
	_, err = c.Refresh(t.Context(), first.Refresh, grant.Wish{Scopes: []string{"storage.modify:/data"}})
	if r := refusal(t, err, grant.Operator); r.Code != "invalid_scope" || !r.OfWish() {
		t.Errorf("another scope: %+v", r)
	}
	if _, err := c.Refresh(t.Context(), first.Refresh, grant.Wish{Audiences: se[:1]}); err != nil {
		t.Errorf("after wishes that were refused: %v", err)
	}
}

func TestExchange(t *testing.T) {
	p := providertest.Start(t, providertest.Options{})
	config := p.Config("basic")
	config.Exchange = true
	c := newClient(t, config)
	first := approve(t, p, c, grant.Wish{Scopes: []string{"openid", "compute.read"}})
	narrow, err := c.Exchange(t.Context(), first.Access, grant.Wish{Scopes: []string{"compute.read"}})
	if err != nil || narrow.Access == "" || narrow.Access == first.Access || !slices.Equal(narrow.Scopes, []string{"compute.read"}) {
		t.Errorf("got %+v, %v", narrow, err)
	}
	_, err = c.Exchange(t.Context(), first.Access, grant.Wish{Scopes: []string{"storage.read:/data"}})
	refusal(t, err, grant.Operator)
}

// Whatever goes wrong with a refresh, the provider gets it once.
func TestRefreshIsOneRequest(t *testing.T) {
	p := providertest.Start(t, providertest.Options{})
	c := newClient(t, p.Config("basic"))
	token := approve(t, p, c, grant.Wish{}).Refresh
	for name, tc := range map[string]struct {
		fault  providertest.Fault
		status int
		wait   time.Duration
	}{
		"cut":    {providertest.Cut, 0, 0},
		"hang":   {providertest.Hang, 0, 0},
		"broken": {providertest.Broken, 500, 0},
		"page":   {providertest.Page, 502, 0},
		"busy":   {providertest.Busy, 429, 7 * time.Second},
		"drop":   {providertest.Drop, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := c.Refresh(t.Context(), token, grant.Wish{}); err != nil { // so that a connection is open
				t.Fatal(err)
			}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			inject := providertest.OfRefreshes(tc.fault, 1, 1)
			p.Inject(func(r *http.Request) providertest.Fault {
				fault := inject(r)
				if fault == providertest.Hang { // nobody waits for it any longer
					leave()
				}
				return fault
			})
			defer p.Inject(nil)
			_, err := c.Refresh(ctx, token, grant.Wish{})
			if r := refusal(t, err, grant.Again); r.Status != tc.status || r.Unsent || r.RetryAfter != tc.wait || strings.Contains(r.Description, "<") {
				t.Errorf("got %+v", r)
			}
			if n := p.Injected(tc.fault); n != 1 {
				t.Errorf("the provider was asked %d times", n)
			}
		})
	}
}

func TestNothingIsSentToAProviderThatIsAway(t *testing.T) {
	p, err := providertest.Launch(providertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, p.Config("basic"))
	token := approve(t, p, c, grant.Wish{}).Refresh
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = c.Refresh(t.Context(), token, grant.Wish{})
	if r := refusal(t, err, grant.Again); !r.Unsent || r.Error() != "the provider cannot be reached" {
		t.Errorf("got %+v", r)
	}
	if _, err := c.Begin(t.Context(), grant.Wish{}, provider.Hint{}); err != nil {
		t.Errorf("what the provider said of itself was forgotten: %v", err)
	}
	_, err = newClient(t, p.Config("basic")).Begin(t.Context(), grant.Wish{}, provider.Hint{})
	if fault.CodeOf(err) != fault.Unavailable || err.Error() != "Independent does not answer" {
		t.Errorf("a new client: %v", err)
	}
}

func TestRefusedApprovals(t *testing.T) {
	p := providertest.Start(t, providertest.Options{})
	c := newClient(t, p.Config("basic"))
	begin := func(t *testing.T, who string) (provider.Approval, url.Values) {
		t.Helper()
		a, err := c.Begin(t.Context(), grant.Wish{}, provider.Hint{Login: who})
		if err != nil {
			t.Fatal(err)
		}
		return a, p.Approve(t, a.URL)
	}
	for name, tc := range map[string]struct {
		who    string
		change func(url.Values)
		want   string
		final  bool // nothing will come of asking again
	}{
		"the person refuses":      {"nobody", func(url.Values) {}, "you declined at Independent", true},
		"scopes it does not know": {"nobody", func(q url.Values) { q.Set("error", "invalid_scope") }, "(invalid_scope", true},
		"it is ill":               {"nobody", func(q url.Values) { q.Set("error", "server_error") }, "Independent could not approve (server_error", false},
		"it is busy":              {"nobody", func(q url.Values) { q.Set("error", "temporarily_unavailable") }, "(temporarily_unavailable", false},
		"another issuer":          {"anna", func(q url.Values) { q.Set("iss", "https://evil.example.org") }, `the answer came from "https://evil.example.org", not from Independent`, false},
		"no issuer":               {"anna", func(q url.Values) { q.Del("iss") }, `the answer came from "", not from Independent`, false},
		"no code":                 {"anna", func(q url.Values) { q.Del("code") }, "has no code", false},
		"a made up code":          {"anna", func(q url.Values) { q.Set("code", "made up") }, "invalid_grant", false},
		"two codes":               {"anna", func(q url.Values) { q.Add("code", "another") }, `"code" twice`, false},
		"an error with a script":  {"anna", func(q url.Values) { q.Set("error", "a\x1b[31m\nb") }, "(a[31mb)", true},
	} {
		t.Run(name, func(t *testing.T) {
			a, answer := begin(t, tc.who)
			tc.change(answer)
			_, err := c.Finish(t.Context(), a.Data, answer)
			if fault.CodeOf(err) != fault.Denied || !strings.Contains(err.Error(), tc.want) || errors.Is(err, grant.ErrDeclined) != tc.final {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	t.Run("the answer to another approval", func(t *testing.T) {
		mine, _ := begin(t, "anna")
		_, theirs := begin(t, "anna")
		if _, err := c.Finish(t.Context(), mine.Data, theirs); fault.CodeOf(err) != fault.Denied {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no refresh token", func(t *testing.T) {
		config := p.Config("basic")
		config.Scopes, config.Offline = []string{"openid"}, "none"
		c := newClient(t, config)
		a, err := c.Begin(t.Context(), grant.Wish{}, provider.Hint{Login: "anna"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Finish(t.Context(), a.Data, p.Approve(t, a.URL)); fault.CodeOf(err) != fault.Denied || !strings.Contains(err.Error(), "gave no refresh token") {
			t.Errorf("got %v", err)
		}
	})
}
