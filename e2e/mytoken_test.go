package e2e

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	mytokenapi "github.com/oidc-mytoken/api/v0"
	mytokenlib "github.com/oidc-mytoken/lib"

	"github.com/lanyardhq/lanyard/internal/provider/providertest"
)

// agrees has p agree to what an application asks for, as the page proposes it.
func (p *person) agrees(page string) {
	p.t.Helper()
	path := strings.TrimPrefix(page, p.portal)
	form := url.Values{"decision": {"approve"}}
	for _, m := range regexp.MustCompile(`<input type="(?:checkbox|radio)" name="(\w+)" value="([^"]*)" checked>`).FindAllStringSubmatch(p.browse(path, nil), -1) {
		form.Add(m[1], html.UnescapeString(m[2]))
	}
	onward := regexp.MustCompile(`<a class="button" href="(http[^"]+)"`).FindStringSubmatch(p.browse(path, form))
	if onward == nil {
		return // our own issuer needs no page of its own
	}
	resp, err := p.jar.Get(html.UnescapeString(onward[1]))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		p.t.Fatalf("the way through the provider ended at %s: %s", resp.Request.URL.Path, resp.Status)
	}
}

// TestMytokenLibrary is mytoken's own Go library at the built server: a person agrees in the portal,
// uses what she got, sees it in our command line, and ends it there.
func TestMytokenLibrary(t *testing.T) {
	t.Parallel()
	g := newGrantSite(t, providertest.Options{Rotate: true}, settings{})
	anna := g.signIn("anna")
	s, err := mytokenlib.NewMytokenServer(g.portal + "/mytoken")
	if err != nil {
		t.Fatal(err)
	}
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
