package e2e

import (
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestProxyPages drives the pages of proxies in Chromium.
func TestProxyPages(t *testing.T) {
	t.Parallel()
	g := newGridSite(t, "stored_secrets: true")
	browser := chromium(t)
	for _, tc := range []struct {
		name string
		run  func(*testing.T, *gridSite, context.Context)
	}{
		{"a delegation from begin to end", delegationJourney}, {"an upload without scripts", uploadWithoutScripts},
		{"a certificate by keyboard", certificateByKeyboard}, {"every page", everyProxyPage},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, g, browser) })
	}
}

func delegationJourney(t *testing.T, g *gridSite, chromium context.Context) {
	anna := g.signIn("anna")
	p := g.newTab(t, chromium, true)
	p.open("/proxies")
	p.signsIn("anna")
	p.says("My proxies", "No proxies here")
	p.goes(p.click("New proxy"))
	p.says("lanyard proxy init --voms VO", "lanyard proxy create --voms VO", "lanyard proxy delegate --voms VO", "lanyard login --server "+g.portal)
	p.shot("newproxy")
	p.goes(p.click("Begin a delegation"))
	p.goes(fill("name", "nightly transfers"), fill("voms", "climate:/climate/ocean/Role=pilot"), p.click("7 days"), p.click("Begin"))
	p.says("waits for its signature", "Sign it", "known once it is signed")
	p.do(p.click("Without the command line"), p.click("Download the signing request"))
	if text, err := os.ReadFile(p.downloaded("request.pem")); err != nil || !strings.Contains(string(text), "BEGIN CERTIFICATE REQUEST") {
		t.Errorf("the request is %q, %v", text, err)
	}
	id := filepath.Base(p.path())
	wrong := filepath.Join(t.TempDir(), "chain.pem")
	p.check(os.WriteFile(wrong, []byte("not a certificate"), 0o600))
	if status := p.goes(chromedp.SetUploadFiles(chromedp.ID("chain"), []string{wrong}), p.click("Upload")); status != 400 {
		t.Errorf("a wrong chain: %d", status)
	}
	p.says("The chain cannot be read")
	anna.run(command{args: []string{"proxy", "delegate", id, "--for", "6d"}, env: g.as("ada")}).ok(t)
	get := command{args: []string{"proxy", "get", id, "--out", filepath.Join(anna.home, "job.pem")}, env: g.grid()}
	anna.run(get).ok(t)
	p.open("/proxies/" + id)
	p.says("active", ada, "climate: /climate/ocean/Role=pilot", "here, sealed", "Renew it", "lanyard proxy get "+id, "by lanyard")
	p.shot("proxy")
	if strings.Contains(p.text(), "Extend It would") { // renewing moved its end as far as the signature allows
		t.Errorf("it can be extended beyond its certificates: %s", p.text())
	}
	p.do(p.click("Download the certificates"))
	if text, err := os.ReadFile(p.downloaded("certificates.pem")); err != nil || strings.Contains(string(text), "PRIVATE") || !strings.Contains(string(text), "BEGIN CERTIFICATE-") {
		t.Errorf("the certificates are %q, %v", text, err)
	}
	p.goes(p.click("Freeze"))
	p.says("The proxy is frozen")
	anna.run(get).fails(t, "frozen")
	p.goes(p.click("Thaw"))
	p.says("The proxy works again")
	anna.run(get).ok(t)
	p.open("/proxies")
	p.shot("proxies")
	p.goes(p.click("nightly transfers"))
	p.goes(p.click("Delete"))
	p.says("Type its name")
	p.goes(fill("name", "nightly transfers"), p.click("Delete proxy"))
	p.says("The proxy is deleted", "never comes back")
	anna.run(get).fails(t)
}

func uploadWithoutScripts(t *testing.T, g *gridSite, chromium context.Context) {
	p := g.newTab(t, chromium, false)
	file := filepath.Join(t.TempDir(), "x509up")
	g.run(command{program: "voms-proxy-init2", args: []string{"-voms", "climate", "-vomses", g.vomses, "-out", file}, env: g.as("ada")}).ok(t)
	large := filepath.Join(t.TempDir(), "large")
	p.check(os.WriteFile(large, make([]byte, 3<<20), 0o600))
	p.open("/proxies/new?way=upload")
	p.signsIn("ben")
	if status := p.goes(fill("name", "the wrong file"), chromedp.SetUploadFiles(chromedp.ID("chain"), []string{large}), p.click("Upload proxy")); status != 400 {
		t.Errorf("a large file: %d", status)
	}
	p.says("What you sent is larger than 64 KiB, so nothing was done", "look which file you chose")
	p.open("/proxies/new?way=upload")
	if strings.Contains(p.text(), "How long?") {
		t.Error("the page asks for how long, and a proxy has its own end")
	}
	p.goes(fill("name", "analysis"), fill("voms", "climate:/climate/Role=production"), chromedp.SetUploadFiles(chromedp.ID("chain"), []string{file}), p.click("Upload proxy"))
	p.says("has attributes of VO climate, but not /climate/Role=production")
	p.goes(chromedp.Clear(chromedp.ID("voms")), chromedp.SetUploadFiles(chromedp.ID("chain"), []string{file}), p.click("Upload proxy"))
	p.says("The proxy is stored", ada, "climate: /climate, /climate/ocean", "active", " UTC)")
	p.goes(p.click("Freeze"))
	p.goes(p.click("Thaw"))
	p.goes(p.click("Delete"))
	p.goes(p.click("Delete proxy"))
	p.says("The proxy is deleted")
}

func certificateByKeyboard(t *testing.T, g *gridSite, chromium context.Context) {
	p := g.newTab(t, chromium, true)
	keys := func(text string) { t.Helper(); p.do(chromedp.KeyEvent(text)) }
	p.open("/proxies")
	p.signsIn("anna")
	p.tabTo(`main a.button`)
	p.enter()
	p.tabTo(`a[href*="way=certificate"]`)
	p.enter()
	p.becomes(`document.activeElement.id == "name"`)
	keys("made by keyboard")
	p.tabTo(`#voms`)
	keys("climate")
	p.tabTo(`input[name="life"]`)
	keys(kb.ArrowUp) // a shorter one
	p.tabTo(`form[action="/proxies/new"] button`)
	if status := p.enter(); status != 200 {
		t.Fatalf("status %d: %s", status, p.text())
	}
	p.says("made by keyboard", "here, sealed", "Use it")
	p.says("It ends as late as its certificates")
	p.tabTo(`form[action$="/freeze"] button`)
	p.enter()
	p.tabTo(`form[action$="/thaw"] button`)
	p.enter()
	p.tabTo(`a.danger`)
	p.enter()
	p.tabTo(`button.danger`)
	p.enter()
	p.says("The proxy is deleted")
}

// everyProxyPage holds what must be true of all pages.
func everyProxyPage(t *testing.T, g *gridSite, chromium context.Context) {
	p, script := g.newTab(t, chromium, true), axe(t)
	p.open("/login/local")
	p.signsIn("anna")
	for _, way := range []string{"", "?way=delegation", "?way=certificate", "?way=upload", "?way=secrets"} {
		p.visit(script, "new proxy "+way, "/proxies/new"+way, 200)
	}
	p.visit(script, "no such way", "/proxies/new?way=none", 404)
	p.open("/proxies/new?way=delegation")
	p.goes(fill("name", "waiting"), fill("voms", "/climate"), p.click("Begin"))
	p.look(script, "refused order")
	p.goes(chromedp.Clear(chromedp.ID("voms")), fill("voms", "climate"), p.click("Begin"))
	p.do(p.click("Without the command line"))
	p.look(script, "waiting proxy")
	p.open("/proxies/new?way=certificate")
	p.goes(fill("name", "held"), fill("voms", "climate"), p.click("Get certificate"))
	p.look(script, "held proxy")
	p.visit(script, "delete", p.path()+"/delete", 200)
	p.goes(p.click("Keep it"))
	p.goes(p.click("Freeze"))
	p.look(script, "frozen proxy")
	p.visit(script, "proxies", "/proxies", 200)
	p.visit(script, "proxies of a project", "/proxies?project="+projectA, 200)
	p.goes(p.click("held"))
	p.goes(p.click("Delete"))
	p.goes(p.click("Delete proxy"))
	p.look(script, "deleted proxy")
	secrets(t, g, p)
	p.look(script, "stored secrets")
	p.visit(script, "all proxies", "/proxies?ended=1", 200)
}

// secrets stores somebody's certificate with its key.
func secrets(t *testing.T, g *gridSite, p *tab) {
	t.Helper()
	key := encryptedKey(t, "ada", "testpass")
	cert, err := filepath.Abs(filepath.Join(fixtures, "pki/certs/ada.pem"))
	p.check(err)
	p.open("/proxies/new?way=secrets")
	p.says("Be careful", "is stored on this server")
	p.goes(fill("name", "for REANA"), fill("voms", "climate"), fill("passphrase", "testpass"), chromedp.SetUploadFiles(chromedp.ID("chain"), []string{cert}),
		chromedp.SetUploadFiles(chromedp.ID("key"), []string{key}), p.click("Store them here"))
	p.says("The proxy is stored", "is stored on this server", ada)
	if hidden := base64.StdEncoding.EncodeToString([]byte("testpass")); strings.Contains(g.log.String(), hidden) || strings.Contains(g.log.String(), "testpass") {
		t.Error("the passphrase is in the log")
	}
}

// encryptedKey is the key of one of the fixtures' people behind a passphrase.
func encryptedKey(t *testing.T, name, passphrase string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "userkey.pem")
	out, err := exec.Command("openssl", "pkcs8", "-topk8", "-in", filepath.Join(fixtures, "pki/certs", name+".key"), "-passout", "pass:"+passphrase, "-out", path).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
	return path
}
