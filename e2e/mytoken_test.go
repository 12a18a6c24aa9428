package e2e

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	mytokenapi "github.com/oidc-mytoken/api/v0"
	mytokenlib "github.com/oidc-mytoken/lib"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
)

// agrees has p agree to what an application asks for, as the page proposes it, and returns the id of
// the grant that the way through the provider ends at.
func (p *person) agrees(page string) (grant string) {
	p.t.Helper()
	path := strings.TrimPrefix(page, p.portal)
	between := p.browse(path, p.proposed(path))
	if !strings.Contains(between, `<a class="button" href="http`) {
		return "" // our own issuer needs no page of its own
	}
	grant, _ = p.returns(between)
	return strings.TrimPrefix(grant, "/tokens/")
}

// proposed is the form of a consent page as it proposes it.
func (p *person) proposed(path string) url.Values {
	p.t.Helper()
	form := url.Values{"decision": {"approve"}}
	for _, m := range regexp.MustCompile(`<input type="(?:checkbox|radio)" name="(\w+)" value="([^"]*)" checked>`).FindAllStringSubmatch(p.browse(path, nil), -1) {
		form.Add(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// newMytokenSite is a server with a provider, anna at it, and mytoken's own library for its facade.
func newMytokenSite(t *testing.T) (*grantSite, *person, *mytokenlib.MytokenServer) {
	t.Helper()
	g := newGrantSite(t, providertest.Options{Rotate: true}, settings{})
	s, err := mytokenlib.NewMytokenServer(g.portal + "/mytoken")
	if err != nil {
		t.Fatal(err)
	}
	return g, g.signIn("anna"), s
}

// TestMytokenLibrary is mytoken's own Go library at the built server: a person agrees in the portal,
// uses what she got, sees it in our command line, and ends it there.
func TestMytokenLibrary(t *testing.T) {
	t.Parallel()
	g, anna, s := newMytokenSite(t)
	obtain := func(issuer string) string {
		t.Helper()
		flow, err := s.Mytoken.APIInitAuthorizationFlow(mytokenapi.GeneralMytokenRequest{Issuer: issuer, Name: "laptop", ApplicationName: "test"})
		if err != nil {
			t.Fatal(err)
		}
		anna.agrees(flow.ConsentURI)
		got, err := s.Mytoken.APIPollOnce(flow.PollingCode)
		if err != nil || got == nil {
			t.Fatalf("after consent: %v, %v", got, err)
		}
		return got.Mytoken
	}

	there := obtain(g.provider.Issuer)
	at, err := s.AccessToken.Get(&there, "", nil, nil, "")
	if err != nil || g.whoseAt(at) != "anna" {
		t.Errorf("the access token is %q's, %v", g.whoseAt(at), err)
	}
	ours := obtain(g.portal)
	if at, err := s.AccessToken.APIGet(ours, "", []string{"storage.read:/climate"}, nil, ""); err != nil || strings.Count(at.AccessToken, ".") != 2 || at.Scope != "storage.read:/climate" {
		t.Errorf("a token of our own issuer: %+v, %v", at, err)
	}
	if shown := anna.lanyard("token", "show", "nop"); !strings.Contains(shown, "laptop") {
		t.Errorf("the grant is\n%s", shown)
	}
	for _, grant := range []string{"nop", "lanyard"} {
		anna.lanyard("token", "revoke", grant, "--yes")
	}
	for _, token := range []string{there, ours} {
		if _, err := s.AccessToken.Get(&token, "", nil, nil, ""); err == nil || err.Error() != "invalid_token" {
			t.Errorf("after its grant ended: %v", err)
		}
	}
}

// TestMyTokenServerAsProvider is a server whose people approve at a mytoken server. The field's own
// server cannot be had here, so both ends are ours: this shows that they fit each other. That each
// fits the field is shown by mytoken's own library and recorded exchanges, in internal/mytoken.
func TestMyTokenServerAsProvider(t *testing.T) {
	t.Parallel()
	a := newGrantSite(t, providertest.Options{Rotate: true}, settings{})
	b := newSite(t, settings{extra: fmt.Sprintf(`providers:
  - {id: mt, title: Mytokens, type: mytoken, issuer: "%s/mytoken", upstream_issuer: "%s", scopes: [openid, offline_access, profile]}
`, a.portal, a.provider.Issuer)})
	there, here := a.signIn("anna"), b.signIn("anna")

	approve := func(more ...string) (id, at string) {
		t.Helper()
		var asked api.Approval
		fields(t, here.lanyard(append([]string{"token", "approve", "mt", "--no-wait", "--json"}, more...)...), &asked)
		page := strings.TrimPrefix(asked.URL, b.portal)
		here.browse(page, nil)
		before := here.shows(asked.CredentialID)
		consent := here.onward(here.browse(page, url.Values{"decision": {"approve"}}))
		at = there.agrees(consent)
		wait(t, patience, "the mytoken", func() bool {
			now := here.shows(asked.CredentialID)
			return now.State == "active" && now.Grant.Health == "fine" && now.Grant.RenewedAt.After(before.Grant.RenewedAt)
		})
		return asked.CredentialID, at
	}
	id, atA := approve()
	token := strings.TrimSpace(here.lanyard("token", "get", "mt"))
	if who := a.whoseAt(token); who != "anna" {
		t.Errorf("the token is %q's at the provider", who)
	}
	// Mytoken's API knows no force: the other server hands out what it has while that is fresh.
	if who := a.whoseAt(strings.TrimSpace(here.lanyard("token", "get", "mt", "--force"))); who != "anna" {
		t.Errorf("the next token is %q's at the provider", who)
	}
	// There it shows among what was passed on, with no more rights than it needs.
	if s := there.shows(atA); len(s.Subgrants) != 1 || s.Subgrants[0].Application != "Lanyard" || strings.Contains(strings.Join(s.Subgrants[0].Capabilities, " "), "create") {
		t.Errorf("passed on: %+v", s.Subgrants)
	}

	// What is revoked there gives nothing here, and the one command repairs it.
	there.lanyard("token", "revoke", atA, "--yes")
	here.run(command{args: []string{"token", "get", "mt", "--force"}}).fails(t, "lanyard token approve mt")
	if list := here.lanyard("token", "list"); !strings.Contains(list, "sign in again") {
		t.Errorf("the list is\n%s", list)
	}
	again, atA := approve()
	if again != id {
		t.Errorf("the grant %s became %s", id, again)
	}
	if who := a.whoseAt(strings.TrimSpace(here.lanyard("token", "get", "mt", "--force"))); who != "anna" {
		t.Errorf("after signing in again the token is %q's", who)
	}

	// What is revoked here is revoked there.
	here.lanyard("token", "revoke", "mt", "--yes")
	wait(t, patience, "the other server to be told", func() bool { return there.shows(atA).inForce() == 0 })
	wait(t, patience, "the end", func() bool { return here.shows(id).State == "ended" })
	b.stop()
	if strings.Contains(b.log.String(), token) {
		t.Error("a token is in the server's log")
	}
}

// TestMyTokensInLists is a person who sees what a program made of the mytoken that they gave it, and
// ends a part of that.
func TestMyTokensInLists(t *testing.T) {
	t.Parallel()
	g := newGrantSite(t, providertest.Options{Rotate: true}, settings{})
	anna, ben := g.signIn("anna"), g.signIn("ben")
	s, err := mytokenlib.NewMytokenServer(g.portal + "/mytoken")
	if err != nil {
		t.Fatal(err)
	}
	all := mytokenapi.NewCapabilities([]string{"AT", "create_mytoken"})
	flow, err := s.Mytoken.APIInitAuthorizationFlow(mytokenapi.GeneralMytokenRequest{Issuer: g.provider.Issuer, Name: "jobs", ApplicationName: "htcondor", Capabilities: all})
	if err != nil {
		t.Fatal(err)
	}
	id := anna.agrees(flow.ConsentURI)
	root, err := s.Mytoken.APIPollOnce(flow.PollingCode)
	if err != nil || root == nil {
		t.Fatalf("after consent: %v, %v", root, err)
	}
	derive := func(from, name string, may ...string) string {
		t.Helper()
		got, err := s.Mytoken.APIFromMytoken(from, "", nil, mytokenapi.NewCapabilities(may), nil, mytokenapi.ResponseTypeToken, name)
		if err != nil {
			t.Fatal(err)
		}
		return got.Mytoken
	}
	node := derive(root.Mytoken, "node 17", "AT", "create_mytoken")
	job := derive(node, "job 1", "AT")

	tree := anna.shows(id)
	names := map[string]api.Subgrant{}
	for _, sub := range tree.Subgrants {
		names[sub.Name] = sub
	}
	if len(tree.Subgrants) != 3 || names["node 17"].ParentID != names["jobs"].ID || names["job 1"].ParentID != names["node 17"].ID {
		t.Fatalf("passed on: %+v", tree.Subgrants)
	}
	if text := anna.lanyard("token", "show", id); !regexp.MustCompile(`(?s)passed on\n  +jobs .*\n    +node 17 .*\n      +job 1 `).MatchString(text) {
		t.Errorf("no tree:\n%s", text)
	}
	access := func(token string) error {
		_, err := s.AccessToken.Get(&token, "", nil, nil, "")
		return err
	}
	for name, token := range map[string]string{"jobs": root.Mytoken, "node 17": node, "job 1": job} {
		if err := access(token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Only whom it belongs to ends it, and at once.
	node17 := names["node 17"].ID
	if err := ben.api().EndSubgrant(t.Context(), node17, true); err == nil {
		t.Error("somebody else ends it")
	}
	if err := access(node); err != nil {
		t.Errorf("after somebody else wanted to end it: %v", err)
	}
	if err := anna.api().EndSubgrant(t.Context(), node17, true); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"node 17": node, "job 1": job} {
		if err := access(token); err == nil || err.Error() != "invalid_token" {
			t.Errorf("%s is ended: %v", name, err)
		}
	}
	if err := access(root.Mytoken); err != nil {
		t.Errorf("what it was made of: %v", err)
	}
	if n := anna.shows(id).inForce(); n != 1 {
		t.Errorf("%d are in force", n)
	}
	// The grant pauses, and all of it with it.
	anna.lanyard("token", "freeze", id)
	if access(root.Mytoken) == nil {
		t.Error("a mytoken of a paused grant gets a token")
	}
	anna.lanyard("token", "thaw", id)
	if err := access(root.Mytoken); err != nil {
		t.Errorf("after the pause: %v", err)
	}
	anna.lanyard("token", "revoke", id, "--yes")
	if err := access(root.Mytoken); err == nil || err.Error() != "invalid_token" {
		t.Errorf("after the end of the grant: %v", err)
	}
}

// TestDeclinedAtTheProvider is a person who says no at the provider: programs that wait for her learn
// it at once, and what she had approved before goes on.
func TestDeclinedAtTheProvider(t *testing.T) {
	t.Parallel()
	g, anna, s := newMytokenSite(t)
	// declines says no at the provider behind a page that leads there, and returns what she reads then.
	declines := func(between string) string {
		t.Helper()
		resp, err := anna.jar.Get(anna.onward(between) + "&login_hint=nobody")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusForbidden || !strings.Contains(string(text), "You declined at Independent") {
			t.Fatalf("back from the provider: %s, %v\n%s", resp.Status, err, text)
		}
		return string(text)
	}

	flow, err := s.Mytoken.APIInitAuthorizationFlow(mytokenapi.GeneralMytokenRequest{Issuer: g.provider.Issuer, Name: "laptop", ApplicationName: "test"})
	if err != nil {
		t.Fatal(err)
	}
	consent := strings.TrimPrefix(flow.ConsentURI, g.portal)
	if text := declines(anna.browse(consent, anna.proposed(consent))); !strings.Contains(text, "the request for it has ended here") {
		t.Errorf("the page says\n%s", text)
	}
	if _, err := s.Mytoken.APIPollOnce(flow.PollingCode); err == nil || err.Error() != "invalid_token: Bad polling or transfer code" {
		t.Errorf("the application is told %v", err)
	}

	waits := make(chan result, 1)
	go func() {
		waits <- anna.run(command{args: []string{"token", "approve", "nop", "--no-qr", "--name", "jobs"}})
	}()
	var waiting string
	wait(t, patience, "the command to ask", func() bool {
		list, err := anna.api().ListCredentials(t.Context(), client.CredentialFilter{Kind: "grant"})
		for _, k := range list.Items {
			if k.Name == "jobs" {
				waiting = k.ID
			}
		}
		return err == nil && waiting != ""
	})
	declines(anna.browse("/approvals/"+waiting, url.Values{"decision": {"approve"}}))
	if r := <-waits; !strings.Contains(r.err, "The approval was declined at nop") { // its page would be open for an hour
		t.Errorf("the command ends with %d\n%s", r.code, r.err)
	}
	if k := anna.shows(waiting); k.Reason != "declined" || k.Grant.Standing != "absent" {
		t.Errorf("it is %s (%s), %s", k.State, k.Reason, k.Grant.Standing)
	}

	id := anna.approvesAt("nop")
	var asked api.Approval
	fields(t, anna.lanyard("token", "approve", "nop", "--force", "--no-wait", "--json"), &asked)
	declines(anna.browse(strings.TrimPrefix(asked.URL, g.portal), url.Values{"decision": {"approve"}}))
	if who := g.whoseAt(strings.TrimSpace(anna.lanyard("token", "get", id, "--force"))); who != "anna" {
		t.Errorf("after a repair that she declined the token is %q's", who)
	}
}
