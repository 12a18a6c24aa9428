package e2e

import (
	"context"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
	"github.com/lanyardhq/lanyard/material"
)

// TestTwoServersOneGrant runs two servers on one PostgreSQL, with grants at a provider that replaces
// refresh tokens and ends a grant of which it sees an old one. Both refresh at once, and none is sent
// twice. What one server stops or takes back the other refuses within a second.
func TestTwoServersOneGrant(t *testing.T) {
	t.Parallel()
	database := "  driver: postgres\n  url_file: " + postgres(t) + "\n"
	s := settings{database: database}
	h, _ := hubs(t, &s)
	g := newWatchedSite(t, providertest.Options{Rotate: true}, s)
	s.extra += grantProviders(t, g.provider.Issuer, s) + "master_key_file: " + filepath.Join(g.dir, "data", "master.key") + "\n"
	s.upstream = "  directory: " + filepath.Join(g.dir, "data", "objects-two") + "\n"
	two := newSite(t, s)
	two.reconfigure(func(text string) string { // both have one address, as behind a balancer
		return strings.Replace(text, `url: "`+two.portal, `url: "`+g.portal, 1)
	})
	anna := g.signIn("anna")
	ids := anna.grants(6)
	here := anna.api()
	there, err := client.New(two.portal, client.Options{Token: client.StaticToken(material.Secret(anna.accessToken()))})
	if err != nil {
		t.Fatal(err)
	}

	seen := &sent{times: map[string]int{}}
	g.provider.Inject(seen.watch)
	var workers sync.WaitGroup
	for i := range 16 {
		c := []*client.Client{here, there}[i%2]
		workers.Go(func() {
			for n := range 10 {
				id := ids[(i/2+n)%len(ids)]
				if got, err := c.Token(t.Context(), id, api.TokenRequest{Force: true}); err != nil || got.AccessToken == "" {
					t.Errorf("grant %s by server %d: %v", id, i%2+1, err)
				}
			}
		})
	}
	workers.Wait()
	again, all := seen.again()
	if again > 0 || all < len(ids) {
		t.Errorf("%d refresh tokens of %d were sent twice", again, all)
	}
	for _, id := range ids {
		for n, c := range []*client.Client{here, there} {
			if got, err := c.Token(t.Context(), id, api.TokenRequest{}); err != nil || g.whoseAt(got.AccessToken.Reveal()) != "anna" {
				t.Errorf("grant %s by server %d afterwards: %v", id, n+1, err)
			}
		}
	}
	t.Logf("160 tokens by two servers took %d refreshes", all)

	gives := func(id string) bool {
		_, err := there.Token(t.Context(), id, api.TokenRequest{})
		return err == nil
	}
	changes := func(change func(context.Context, string) (api.Credential, error), id string) {
		t.Helper()
		if _, err := change(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	promptly(t, func() time.Duration {
		changes(here.FreezeCredential, ids[0])
		stopped := takes(t, "the second server to refuse a frozen grant", func() bool { return !gives(ids[0]) })
		changes(here.ThawCredential, ids[0])
		return max(stopped, takes(t, "the second server to give again", func() bool { return gives(ids[0]) }))
	})
	promptly(t, func() time.Duration {
		id := ids[len(ids)-1]
		ids = ids[:len(ids)-1]
		changes(here.DeleteCredential, id)
		return takes(t, "the second server to refuse a revoked grant", func() bool { return !gives(id) })
	})

	// A token of our own issuer, at the introspection of the server that did not mint it.
	h.of(two.portal)
	promptly(t, func() time.Duration {
		own, err := here.CreateCredential(t.Context(), api.CredentialOrder{Kind: "grant", Name: "own", Grant: &api.GrantOrder{Provider: "lanyard"}})
		if err != nil {
			t.Fatal(err)
		}
		minted, err := here.Token(t.Context(), own.ID, api.TokenRequest{})
		if err != nil {
			t.Fatal(err)
		}
		active := func() bool {
			a := h.post("/introspect", url.Values{"token": {minted.AccessToken.Reveal()}})
			return a.status == http.StatusOK && a.Active
		}
		if !active() {
			t.Error("the second server does not know what the first minted")
		}
		changes(here.DeleteCredential, own.ID)
		return takes(t, "the second server to call it inactive", func() bool { return !active() })
	})
}
