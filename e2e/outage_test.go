package e2e

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
)

// TestProviderGoesAndForgets is a provider that stops, and comes back with nothing that it knew. While
// it is away what is at hand is handed out; once it refuses, the person is told, and one command
// repairs the same grant.
func TestProviderGoesAndForgets(t *testing.T) {
	t.Parallel()
	o := providertest.Options{Rotate: true}
	g := newGrantSite(t, o, settings{})
	anna := g.signIn("anna")
	id := anna.approvesAt("nop")
	c := anna.api()
	get := func(force bool) (string, error) {
		got, err := c.Token(t.Context(), id, api.TokenRequest{Force: force})
		return got.AccessToken.Reveal(), err
	}
	before, err := get(false)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(g.provider.Issuer[strings.LastIndexByte(g.provider.Issuer, ':')+1:])
	if err != nil {
		t.Fatal(err)
	}
	if err := g.provider.Close(); err != nil {
		t.Fatal(err)
	}

	// The words depend on whether the last of the client's tries is one that the server sends on.
	away := regexp.MustCompile(`Independent (does not answer|gives no new token now: the provider cannot be reached)`)
	if _, err := get(true); err == nil || !away.MatchString(err.Error()) {
		t.Errorf("a new token while the provider is away: %v", err)
	}
	if list := anna.lanyard("token", "list"); !regexp.MustCompile(`valid, retrying since \d\d:\d\d`).MatchString(list) {
		t.Errorf("the list is\n%s", list)
	}
	if again, err := get(false); err != nil || again != before {
		t.Errorf("what is at hand is not handed out: %v", err)
	}

	// The test ends what it starts; the first provider is ended already.
	o.Direct, o.Port, o.Redirects = true, port, []string{g.portal + "/approvals/callback/nop"}
	g.provider = providertest.Start(t, o)
	// Nobody asks for a token meanwhile.
	wait(t, patience, "the provider to be asked again", func() bool {
		shown, err := c.ShowGrant(t.Context(), id)
		return err == nil && shown.Grant.Health == "needs_sign_in"
	})
	if _, err := get(true); err == nil || !strings.Contains(err.Error(), "refuses this grant") {
		t.Errorf("a new token of a grant that the provider has forgotten: %v", err)
	}
	if list := anna.lanyard("token", "list"); !strings.Contains(list, "sign in again") {
		t.Errorf("the list is\n%s", list)
	}
	anna.run(command{args: []string{"token", "get", "nop", "--force"}}).fails(t, "lanyard token approve nop")
	if again := anna.follows("token", "approve", "nop"); again != id {
		t.Errorf("grant %s became %s", id, again)
	}
	after, err := get(false)
	if err != nil || after == before || g.whoseAt(after) != "anna" {
		t.Errorf("after signing in again: %v", err)
	}
}
