package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
	"github.com/lanyardhq/lanyard/internal/signin"
	"github.com/lanyardhq/lanyard/material"
)

// A grantSite is a server at which people approve grants at an independent OpenID provider, and at
// our own issuer.
type grantSite struct {
	*site
	provider *providertest.Provider
}

func newGrantSite(t *testing.T, o providertest.Options, s settings) *grantSite {
	t.Helper()
	port := freePorts(t, 1)[0]
	s.extra += grantProviders(t, "http://127.0.0.1:"+port, s)
	g := &grantSite{site: newSite(t, s)}
	o.Direct, o.Redirects = true, []string{g.portal + "/approvals/callback/nop"}
	var err error
	if o.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	g.provider = providertest.Start(t, o)
	return g
}

// newWatchedSite is one whose provider is behind a proxy, where a test sees its requests.
func newWatchedSite(t *testing.T, o providertest.Options, s settings) *grantSite {
	t.Helper()
	g := &grantSite{site: newSite(t, s)}
	o.Redirects = []string{g.portal + "/approvals/callback/nop"}
	g.provider = providertest.Start(t, o)
	g.reconfigure(func(text string) string { return text + grantProviders(t, g.provider.Issuer, s) })
	return g
}

// grantProviders configures the independent provider, and our own issuer.
func grantProviders(t *testing.T, issuer string, s settings) string {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "nop.secret")
	if err := os.WriteFile(secret, []byte("secret-of-basic\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`providers:
  - {id: nop, title: Independent, issuer: %q, client_id: basic, client_secret_file: %s, offline: consent, scopes: [openid, offline_access, profile]}
  - {id: lanyard, type: lanyard, scopes: ["storage.read:/climate"]}
tokens:
  audiences: [{name: "https://storage.example.org"}]
  default_audience: https://storage.example.org
  rules: [{project: %q, scopes: ["storage.read:/climate"]}]
`, issuer, secret, projectA) + s.tokens
}

// reconfigure changes the configuration, and starts the server with it.
func (s *site) reconfigure(edit func(string) string) {
	s.t.Helper()
	text, err := os.ReadFile(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.config, []byte(edit(string(text))), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.stop()
	s.start()
}

// approves has p approve what a command printed the page of, as a browser would.
func (p *person) approves(page string) string {
	p.t.Helper()
	at, err := url.Parse(page)
	if err != nil || !strings.HasPrefix(page, p.portal+"/approvals/") {
		p.t.Fatalf("%q is no page for an approval: %v", page, err)
	}
	p.browse(at.Path, nil)
	_, text := p.returns(p.browse(at.Path, url.Values{"decision": {"approve"}}))
	return text
}

// returns goes on to the provider, which approves by itself and sends the browser back, and returns
// the path and the text of the grant's page, where it ends.
func (p *person) returns(between string) (grant, page string) {
	p.t.Helper()
	resp, err := p.jar.Get(p.onward(between))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	at := resp.Request.URL
	if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(at.String(), p.portal+"/tokens/crd_") {
		p.t.Fatalf("the approval ended at %s: %s, %v\n%s", at.Path, resp.Status, err, text)
	}
	return at.Path, string(text)
}

// approvesAt has p approve a provider, new or once more, and returns the grant's id.
func (p *person) approvesAt(provider string) string {
	p.t.Helper()
	return p.follows("token", "approve", provider, "--force")
}

// follows has p run a command that asks for an approval, and approve. It returns the grant's id.
func (p *person) follows(command ...string) string {
	p.t.Helper()
	var asked api.Approval
	if err := json.Unmarshal([]byte(p.lanyard(append(command, "--no-wait", "--json")...)), &asked); err != nil {
		p.t.Fatal(err)
	}
	p.approves(asked.URL)
	return asked.CredentialID
}

// onward is where the page that leads away from the portal leads.
func (p *person) onward(between string) string {
	p.t.Helper()
	link := regexp.MustCompile(`<a class="button" href="([^"]+)"`).FindStringSubmatch(between)
	if link == nil {
		p.t.Fatalf("nothing leads on from\n%s", between)
	}
	return html.UnescapeString(link[1])
}

// api is a client that acts as p.
func (p *person) api() *client.Client {
	p.t.Helper()
	c, err := client.New(p.portal, client.Options{Token: func(ctx context.Context) (material.Secret, error) { return p.signedIn().Token(ctx, p.portal) }})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// signedIn is what lanyard login keeps.
func (p *person) signedIn() *signin.Store {
	return &signin.Store{Dir: filepath.Join(p.home, ".local/state/lanyard"), Now: time.Now, HTTP: http.DefaultClient}
}

// accessToken is what the command line signs its requests with.
func (p *person) accessToken() string {
	p.t.Helper()
	token, err := p.signedIn().Token(p.t.Context(), p.portal)
	if err != nil {
		p.t.Fatal(err)
	}
	return token.Reveal()
}

// shown is what lanyard token show tells.
type shown struct {
	api.Credential
	Subgrants []api.Subgrant `json:"subgrants"`
}

func (p *person) shows(ref string) (s shown) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.lanyard("token", "show", ref, "--json")), &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// inForce counts the mytokens of a grant that are in force.
func (s shown) inForce() (n int) {
	for _, g := range s.Subgrants {
		if g.State == "active" {
			n++
		}
	}
	return n
}

// TestGrantJourney is a person who approves once, uses tokens, and revokes.
func TestGrantJourney(t *testing.T) {
	t.Parallel()
	g := newGrantSite(t, providertest.Options{Rotate: true}, settings{})
	anna, ben := g.signIn("anna"), g.signIn("ben")
	anna.run(command{args: []string{"token", "get", "nop"}}).fails(t, "lanyard token approve nop")

	var asked, again api.Approval
	fields(t, anna.lanyard("token", "approve", "nop", "--no-wait", "--json"), &asked)
	// Nobody else sees it, and looking at it approves nothing.
	if resp, err := ben.jar.Get(asked.URL); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("somebody else's page is %v, %v", resp.Status, err)
	}
	if page := anna.approves(asked.URL); !strings.Contains(page, "Independent") {
		t.Errorf("after the approval comes\n%s", page)
	}
	if list := anna.lanyard("token", "list"); !strings.Contains(list, "valid") || !strings.Contains(list, "nop") {
		t.Errorf("the list is\n%s", list)
	}
	token := strings.TrimSpace(anna.lanyard("token", "get", "nop"))
	if who := g.whoseAt(token); who != "anna" {
		t.Errorf("the token is %q's at the provider", who)
	}
	fresh := strings.TrimSpace(anna.lanyard("token", "get", "nop", "--force"))
	if fresh == token || g.whoseAt(fresh) != "anna" {
		t.Error("a new token was asked for")
	}
	path := filepath.Join(anna.home, "token")
	anna.lanyard("token", "get", "nop", "--file", path)
	if text, err := os.ReadFile(path); err != nil || string(text) != fresh {
		t.Errorf("the file holds %q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}

	// Signing in again keeps the grant's id.
	fields(t, anna.lanyard("token", "approve", "nop", "--force", "--no-wait", "--json"), &again)
	anna.approves(again.URL)
	if again.CredentialID != asked.CredentialID {
		t.Errorf("the grant %s became %s", asked.CredentialID, again.CredentialID)
	}
	renewed := strings.TrimSpace(anna.lanyard("token", "get", "nop", "--force"))
	if g.whoseAt(renewed) != "anna" {
		t.Error("after signing in again there is no token")
	}

	anna.lanyard("token", "revoke", "nop", "--yes")
	anna.run(command{args: []string{"token", "get", "nop"}}).fails(t, "lanyard token approve nop")
	wait(t, patience, "the provider to be told", func() bool {
		return g.whoseAt(renewed) == "" // this provider ends access tokens with their grant
	})
	wait(t, patience, "the end", func() bool {
		var ended api.Credential
		fields(t, anna.lanyard("token", "show", asked.CredentialID, "--json"), &ended)
		return ended.State == "ended"
	})
	g.stop()
	for _, secret := range []string{token, fresh, renewed} {
		if strings.Contains(g.log.String(), secret) {
			t.Error("a token is in the server's log")
		}
	}
}

// TestTokensOutliveTheServer: what is kept on the machine is handed out without anybody.
func TestTokensOutliveTheServer(t *testing.T) {
	t.Parallel()
	g := newGrantSite(t, providertest.Options{}, settings{})
	anna := g.signIn("anna")
	anna.lanyard("token", "approve", "lanyard")
	token := anna.lanyard("token", "get", "lanyard")
	g.stop()
	if again := anna.lanyard("token", "get", "lanyard"); again != token {
		t.Errorf("without the server the token is %q, with it %q", again, token)
	}
	anna.run(command{args: []string{"token", "get", "lanyard", "--force"}}).fails(t, strings.TrimPrefix(g.portal, "http://"))
}

// whoseAt asks the provider whose access token that is; "" if it is nobody's.
func (g *grantSite) whoseAt(token string) string {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, g.provider.Issuer+"/me", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	var who struct {
		Subject string `json:"sub"`
	}
	if json.NewDecoder(resp.Body).Decode(&who) != nil {
		return ""
	}
	return who.Subject
}

// fields reads what a command printed as JSON.
func fields(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}
