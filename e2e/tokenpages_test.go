package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/lanyardhq/lanyard/internal/provider/providertest"
)

// TestTokenPages drives the pages about tokens and approvals in Chromium.
func TestTokenPages(t *testing.T) {
	t.Parallel()
	g := newGrantSite(t, providertest.Options{Rotate: true, People: map[string]map[string]any{"anna-there": {"name": "Anna"}}}, settings{extra: "mytoken: {enabled: true}\n"})
	browser := chromium(t)
	for _, tc := range []struct {
		name string
		run  func(*testing.T, *grantSite, context.Context)
	}{
		{"an approval from begin to end", approvalJourney}, {"without scripts", consentWithoutScripts},
		{"by keyboard", approvalByKeyboard}, {"every page", everyTokenPage},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, g, browser) })
	}
}

// comesBack waits until the provider has sent the tab back to a page of ours.
func (p *tab) comesBack() {
	p.t.Helper()
	for began := time.Now(); !strings.HasPrefix(p.path(), "/tokens/crd_"); {
		if time.Since(began) > patience {
			p.t.Fatalf("the way through the provider ended at %s:\n%s", p.path(), p.text())
		}
	}
	p.do(chromedp.WaitReady(chromedp.CSS("footer")))
}

func approvalJourney(t *testing.T, g *grantSite, chromium context.Context) {
	anna := g.signIn("anna")
	p := g.newTab(t, chromium, true)
	p.open("/tokens")
	p.signsIn("anna")
	p.says("Tokens and approvals", "Nothing is approved")
	p.goes(p.click("Approve a provider"))
	p.says("Which one?", "Independent")
	p.goes(p.click("Independent"))
	p.goes(fill("name", "nightly transfers"), fill("for", "HTCondor at punch-login"), p.click("1 day"), p.click("Continue"))
	p.says("Do you want to approve this at Independent?", "HTCondor at punch-login (says who asked)", "go on while you are away", "Only continue if you started this")
	p.shot("approval")
	id := filepath.Base(p.path())
	anna.run(command{args: []string{"token", "get", id}}).fails(t)
	p.goes(p.click("Continue at Independent"))
	p.comesBack()
	p.says("Approved. You can close this page", "valid, less than a day left", "anna-there", "fine", "lanyard token get "+id, "approved at Independent by Anna Test")
	token := strings.TrimSpace(anna.lanyard("token", "get", id))
	if who := g.whoseAt(token); who != "anna-there" {
		t.Errorf("the token is %q's", who)
	}
	p.goes(p.click("Extend"))
	p.says("It has a new end")
	p.goes(p.click("Narrow"))
	p.goes(p.click("know your name"), p.click("Narrow"))
	p.says("It is narrower now", "narrowed to offline_access openid")
	p.goes(p.click("Pause"))
	p.says("It is paused")
	anna.run(command{args: []string{"token", "get", id, "--force"}}).fails(t)
	p.goes(p.click("Continue"))
	p.says("It gives tokens again")
	if fresh := strings.TrimSpace(anna.lanyard("token", "get", id, "--force")); fresh == token || fresh == "" {
		t.Errorf("after the pause the token is %q", fresh)
	}
	p.goes(p.click("Sign in again"))
	p.comesBack()
	p.says("Approved", "signed in again at Independent")
	if strings.Contains(p.text(), token) {
		t.Error("a token is on the page")
	}
	p.open("/tokens")
	p.says("nightly transfers", "HTCondor at punch-login", "renewed")
	p.shot("tokens")
	p.goes(p.click("nightly transfers"))
	p.goes(p.click("End"))
	p.says("Independent is told to forget it")
	p.goes(p.click("End it"))
	p.says("It has ended", "never comes back")
	anna.run(command{args: []string{"token", "get", id, "--force"}}).fails(t)
	wait(t, patience, "the provider's receipt", func() bool {
		p.open("/tokens/" + id)
		return strings.Contains(p.text(), "ended at Independent too")
	})
}

// asksFor begins a flow as a mytoken client does, and returns its consent page and polling code.
func (g *grantSite) asksFor(t *testing.T, request string) (page, polling string) {
	t.Helper()
	var answer struct {
		Page string `json:"consent_uri"`
		Code string `json:"polling_code"`
	}
	g.mytoken(t, strings.ReplaceAll(request, "ISSUER", g.provider.Issuer), http.StatusOK, &answer)
	if !strings.HasPrefix(answer.Page, g.portal+"/approvals/mytoken/") {
		t.Fatalf("the consent page is %q", answer.Page)
	}
	return strings.TrimPrefix(answer.Page, g.portal), answer.Code
}

// mytoken sends a request to mytoken's API.
func (g *grantSite) mytoken(t *testing.T, request string, status int, into any) {
	t.Helper()
	resp, err := http.Post(g.portal+"/mytoken/api/v0/token/my", "application/json", strings.NewReader(request))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		t.Fatalf("%s: %s", request, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

const forJobs = `{"grant_type":"oidc_flow","oidc_flow":"authorization_code","client_type":"native","oidc_issuer":"ISSUER","application_name":"htcondor","name":"jobs",
	"capabilities":["AT","tokeninfo","create_mytoken"],"restrictions":[{"scope":"openid profile offline_access","usages_AT":20}],"rotation":{"on_other":true}}`

func consentWithoutScripts(t *testing.T, g *grantSite, chromium context.Context) {
	p := g.newTab(t, chromium, false)
	page, polling := g.asksFor(t, forJobs)
	p.open(page)
	p.says("Sign in to see what asks for your approval")
	p.signsIn("ben")
	p.says("Do you want to let this application act for you?", "htcondor (as it calls itself; nobody has checked)", "127.0.0.1", "pass on a part of its rights", "access tokens: at most 20 times", " UTC)")
	p.goes(p.click("pass on a part"), p.click("know your name"), p.click("1 hour"), p.click("Agree and continue"))
	p.comesBack()
	p.says("Approved. You can close this page", "jobs", "valid")
	var issued struct {
		Token        string   `json:"mytoken"`
		Capabilities []string `json:"capabilities"`
		Life         int      `json:"expires_in"`
		Restrictions []struct {
			Scope string `json:"scope"`
		} `json:"restrictions"`
	}
	g.mytoken(t, `{"grant_type":"polling_code","polling_code":"`+polling+`"}`, http.StatusOK, &issued)
	if strings.Join(issued.Capabilities, " ") != "AT tokeninfo" || issued.Life > 3600 || len(issued.Restrictions) != 1 || strings.Contains(issued.Restrictions[0].Scope, "profile") {
		t.Errorf("issued %+v", issued)
	}
	p.open(strings.SplitN(p.path(), "?", 2)[0])
	p.says("Tokens that others hold", "jobs: get access tokens in your name")
	p.goes(p.click("jobs"))
	p.says("Token “jobs”", "htcondor (as it called itself)", "every use but getting access tokens replaces it", "made")
	p.goes(p.click("End"))
	p.says("The token has ended")
	page, _ = g.asksFor(t, forJobs)
	p.open(page)
	p.goes(p.click("Not me"))
	p.says("Declined: the application gets nothing")
	if status := p.open(page); status != 404 {
		t.Errorf("what was declined is shown again: %d", status)
	}
	p.says("Start again in the application")
}

func approvalByKeyboard(t *testing.T, g *grantSite, chromium context.Context) {
	p := g.newTab(t, chromium, true)
	keys := func(text string) { t.Helper(); p.do(chromedp.KeyEvent(text)) }
	p.open("/tokens")
	p.signsIn("chiara")
	p.tabTo(`main a.button`)
	p.enter()
	p.tabTo(`a[href*="provider=nop"]`)
	p.enter()
	p.becomes(`document.activeElement.id == "name"`)
	keys("by keyboard")
	p.tabTo(`input[name="scope"][value="profile"]`)
	keys(" ") // takes it away
	p.tabTo(`input[name="life"]`)
	keys(kb.ArrowUp)
	p.tabTo(`form[action="/tokens/new"] button`)
	p.enter()
	p.says("Do you want to approve this at Independent?")
	if strings.Contains(p.text(), "know your name") {
		t.Error("what was taken away is asked for")
	}
	p.tabTo(`button[value="approve"]`)
	p.enter()
	p.comesBack()
	p.says("Approved")
	for _, step := range []string{`a[href$="/narrow"]`, `form[action$="/narrow"] button`, `form[action$="/pause"] button`, `form[action$="/continue"] button`, `a.danger`, `button.danger`} {
		p.tabTo(step)
		p.enter()
	}
	p.says("It has ended")

	page, _ := g.asksFor(t, forJobs)
	p.open(page)
	p.tabTo(`input[value="create_mytoken"]`)
	keys(" ")
	p.tabTo(`button[value="approve"]`)
	p.enter()
	p.comesBack()
	p.says("Approved")
}

// everyTokenPage holds what must be true of all pages.
func everyTokenPage(t *testing.T, g *grantSite, chromium context.Context) {
	p, script := g.newTab(t, chromium, true), axe(t)
	p.open("/login/local")
	p.signsIn("anna")
	p.visit(script, "no such approval", "/tokens/crd_NONE", 404)
	p.visit(script, "no such request", "/approvals/mytoken/NONE", 404)
	p.visit(script, "providers", "/tokens/new", 200)
	p.visit(script, "lost", "/tokens?approval=lost", 200)
	p.visit(script, "a wrong answer", "/approvals/callback/nop?state=x", 400)
	p.visit(script, "new approval", "/tokens/new?provider=nop", 200)
	p.goes(fill("name", "kept"), fill("audiences", "https://storage.example.org/with/a/long/path/that/breaks"), p.click("Continue"))
	if !strings.HasPrefix(p.path(), "/approvals/") {
		p.look(script, "refused order")
		p.goes(chromedp.Clear(chromedp.ID("audiences")), p.click("Continue"))
	}
	p.look(script, "approval")
	id := filepath.Base(p.path())
	p.visit(script, "waiting", "/tokens/"+id, 200)
	p.visit(script, "list with one that waits", "/tokens", 200)
	p.open("/approvals/" + id)
	p.goes(p.click("Continue at Independent"))
	p.comesBack()
	p.look(script, "approved")
	p.visit(script, "sign in again", "/approvals/"+id, 200)
	p.visit(script, "narrow", "/tokens/"+id+"/narrow", 200)
	p.visit(script, "end", "/tokens/"+id+"/end", 200)
	p.open("/tokens/" + id)
	p.goes(p.click("Pause"))
	p.look(script, "paused")

	page, polling := g.asksFor(t, forJobs)
	p.visit(script, "consent", page, 200)
	p.scheme("light")
	p.shot("consent")
	p.goes(p.click("get access tokens"), p.click("see its own"), p.click("pass on"), p.click("Agree and continue"))
	p.look(script, "refused consent")
	p.says("A token that may do nothing is of no use")
	p.goes(p.click("get access tokens"), p.click("pass on"), p.click("Agree and continue"))
	p.comesBack()
	var root struct{ MyToken string }
	g.mytoken(t, `{"grant_type":"polling_code","polling_code":"`+polling+`"}`, http.StatusOK, &root)
	g.mytoken(t, `{"grant_type":"mytoken","mytoken":"`+root.MyToken+`","name":"node 17","capabilities":["AT"]}`, http.StatusOK, &root)
	p.visit(script, "with tokens that others hold", strings.SplitN(p.path(), "?", 2)[0], 200)
	p.visit(script, "end with what stops", p.path()+"/end", 200)
	p.goes(p.click("Keep it"))
	p.goes(p.click("jobs"))
	p.look(script, "mytoken")
	p.goes(p.click("End with all below"))
	p.look(script, "ended")
	page, _ = g.asksFor(t, forJobs)
	p.open(page)
	p.goes(p.click("Not me"))
	p.look(script, "declined")
	p.open("/tokens/new?provider=lanyard")
	p.goes(fill("name", "own"), p.click("Approve"))
	p.look(script, "own tokens")
	p.visit(script, "all approvals", "/tokens?ended=1", 200)
}
