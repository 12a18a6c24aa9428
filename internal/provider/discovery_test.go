package provider_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/provider"
)

const wellKnown = "/.well-known/openid-configuration"

func TestDiscoveryIsKept(t *testing.T) {
	f := newFake(t)
	c := f.client(t, f.config())
	begin := func() string {
		t.Helper()
		a, err := c.Begin(t.Context(), grant.Wish{}, provider.Hint{})
		if err != nil {
			t.Fatal(err)
		}
		address, _, _ := strings.Cut(strings.TrimPrefix(a.URL, f.URL), "?")
		return address
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := c.Begin(t.Context(), grant.Wish{}, provider.Hint{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	f.clock.Move(6*time.Hour - time.Second)
	f.discovery(map[string]any{"authorization_endpoint": f.URL + "/moved"})
	if to := begin(); to != "/authorize" || f.count(wellKnown) > 10 {
		t.Errorf("sent to %s after %d requests", to, f.count(wellKnown))
	}
	before := f.count(wellKnown)
	begin()
	if n := f.count(wellKnown); n != before {
		t.Errorf("%d requests, then %d", before, n)
	}
	f.clock.Move(time.Second)
	if to := begin(); to != "/moved" {
		t.Errorf("sent to %s after six hours", to)
	}
	// While it does not answer the old one serves, and it is asked every five seconds only.
	f.clock.Move(7 * time.Hour)
	f.says(wellKnown, 503, "")
	before = f.count(wellKnown)
	for range 3 {
		if to := begin(); to != "/moved" {
			t.Errorf("sent to %s while it is down", to)
		}
	}
	f.clock.Move(5 * time.Second)
	begin()
	if n := f.count(wellKnown); n != before+2 {
		t.Errorf("asked %d times while it is down", n-before)
	}
	f.discovery(nil)
	f.clock.Move(5 * time.Second)
	if to := begin(); to != "/authorize" {
		t.Errorf("sent to %s when it was back", to)
	}
}

func TestDiscoveryThatCannotBeUsed(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*fake)
		want   string
	}{
		"another issuer":    {func(f *fake) { f.discovery(map[string]any{"issuer": f.URL + "/"}) }, `it calls itself "`},
		"no token endpoint": {func(f *fake) { f.discovery(map[string]any{"token_endpoint": nil}) }, `its token_endpoint "": not an address`},
		"plain http":        {func(f *fake) { f.discovery(map[string]any{"token_endpoint": "http://10.0.0.1/token"}) }, `its token_endpoint "http://10.0.0.1/token": must begin with https://`},
		"a file":            {func(f *fake) { f.discovery(map[string]any{"jwks_uri": "file:///etc/passwd"}) }, "not an address"},
		"a page":            {func(f *fake) { f.says(wellKnown, 200, "<html>") }, "Fake does not answer"},
		"a redirect":        {func(f *fake) { f.replies[wellKnown] = reply{302, "", map[string]string{"Location": f.URL + "/x"}} }, "Fake does not answer"},
		"down":              {func(f *fake) { f.says(wellKnown, 500, "") }, "Fake does not answer"},
		"none":              {func(f *fake) { delete(f.replies, wellKnown) }, "Fake does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			tc.change(f)
			c := f.client(t, f.config())
			_, err := c.Begin(t.Context(), grant.Wish{}, provider.Hint{})
			if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if _, err := c.Refresh(t.Context(), "rt", grant.Wish{}); err == nil || f.count("/token")+f.count("/x") != 0 {
				t.Errorf("refreshed, %v", err)
			} else if r, ok := errors.AsType[*grant.Refusal](err); !ok || !r.Unsent || r.Class == grant.Dead {
				t.Errorf("%+v", err)
			}
		})
	}
}

func TestOtherWaysToKnowAProvider(t *testing.T) {
	t.Run("RFC 8414", func(t *testing.T) {
		f := newFake(t)
		doc := strings.ReplaceAll(f.replies[wellKnown].body, `"issuer":"`+f.URL, `"issuer":"`+f.URL+`/tenant/`)
		f.replies = map[string]reply{"/.well-known/oauth-authorization-server/tenant": {200, doc, nil}}
		p := f.config()
		p.Issuer += "/tenant/"
		if _, err := f.client(t, p).Begin(t.Context(), grant.Wish{}, provider.Hint{}); err != nil {
			t.Error(err)
		}
	})
	t.Run("the operator says all", func(t *testing.T) {
		f := newFake(t)
		delete(f.replies, wellKnown)
		f.says("/t", 200, `{"access_token":"at"}`)
		p := f.config()
		p.AuthorizationEndpoint, p.TokenEndpoint = f.URL+"/a?tenant=x", f.URL+"/t"
		c := f.client(t, p)
		a, err := c.Begin(t.Context(), grant.Wish{}, provider.Hint{})
		if err != nil || !strings.HasPrefix(a.URL, f.URL+"/a?") || query(t, a.URL).Get("tenant") != "x" {
			t.Errorf("%q, %v", a.URL, err)
		}
		if _, err := c.Refresh(t.Context(), "rt", grant.Wish{}); err != nil {
			t.Error(err)
		}
	})
	t.Run("the operator says all, and it is down", func(t *testing.T) {
		f := newFake(t)
		f.says(wellKnown, 503, "")
		p := f.config()
		p.AuthorizationEndpoint, p.TokenEndpoint = f.URL+"/a", f.URL+"/t"
		if _, err := f.client(t, p).Begin(t.Context(), grant.Wish{}, provider.Hint{}); fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("it may have a document with more: %v", err)
		}
	})
	t.Run("the operator knows better", func(t *testing.T) {
		f := newFake(t)
		f.says("/t", 200, `{"access_token":"at"}`)
		p := f.config()
		p.TokenEndpoint = f.URL + "/t"
		if _, err := f.client(t, p).Refresh(t.Context(), "rt", grant.Wish{}); err != nil || f.count("/token") != 0 {
			t.Error(err)
		}
	})
}

func TestNew(t *testing.T) {
	for name, p := range map[string]grant.Provider{
		"wrong": {ID: "x", Issuer: "https://x.example.org"},
		"own":   {ID: "lanyard", Type: grant.Lanyard},
	} {
		if _, err := provider.New(p, "", nil, time.Now); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// hanging never answers.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// Who asks a provider that hangs waits as long as they want to, and the provider gives up later.
func TestDiscoveryThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := provider.New(grant.Provider{ID: "x", Issuer: "https://x.example.org", ClientID: "us", Scopes: []string{"openid"}}, "", hanging{}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Refresh(ctx, "rt", grant.Wish{})
		if r := refusal(t, err, grant.Again); !r.Unsent || time.Since(start) != time.Second {
			t.Errorf("%+v after %s", r, time.Since(start))
		}
		_, err = c.Refresh(t.Context(), "rt", grant.Wish{})
		if r := refusal(t, err, grant.Again); !r.Unsent || time.Since(start) != 10*time.Second {
			t.Errorf("%+v after %s", r, time.Since(start))
		}
	})
}
