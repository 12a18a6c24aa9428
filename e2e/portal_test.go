package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestPortal drives the pages in Chromium, the way people do.
func TestPortal(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	browser := chromium(t)
	for _, tc := range []struct {
		name string
		run  func(*testing.T, *site, context.Context)
	}{
		{"a key from birth to death", keyJourney}, {"without scripts", withoutScripts}, {"by keyboard", byKeyboard},
		{"a computer without a browser", connectComputer}, {"a session that idles", idleSession}, {"every page", everyPage}, {"hostile texts", hostileTexts},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, s, browser) })
	}
}

// rcloneWith runs Debian's rclone with a configuration file as it was downloaded.
func (s *site) rcloneWith(config string, args ...string) result {
	return s.run(command{program: "/usr/bin/rclone", args: append([]string{"--config", config, "--retries", "1", "--low-level-retries", "1"}, args...)})
}

func keyJourney(t *testing.T, s *site, chromium context.Context) {
	p := s.newTab(t, chromium, true)
	p.open("/login")
	p.shot("login")
	p.open("/projects")
	p.signsIn("anna")
	p.says("My projects", projectA+" Climate", "You are manager", "of 100 GB")
	p.shot("projects")
	p.goes(p.click(projectA))
	p.goes(p.click("Create key"))
	p.do(fill("name", "rclone on lumi-login2"))
	p.shot("newkey")
	if status := p.goes(p.click("Create key")); status != 200 {
		t.Fatalf("status %d: %s", status, p.text())
	}
	link := p.path()
	secret := eval[string](p, `document.getElementById("secret").value`)
	if len(secret) != 40 {
		t.Fatalf("no secret on the page: %s", p.text())
	}
	p.says("The secret is shown only now", "rclone", "s3cmd", "AWS CLI", "Python boto3", "MinIO client", "restic", "s3fs", "Shell environment", "lanyard configure rclone --project "+projectA)
	p.do(chromedp.Click(chromedp.CSS(`[data-copy="secret"]`)))
	p.becomes(`document.getElementById("status").textContent == "Copied"`)
	p.do(p.click("rclone"), chromedp.Click(chromedp.CSS(`a[download][href*="/rclone?"]`)))
	config := p.downloaded("rclone.conf")
	remote := "lumi-" + projectA + "-private:"
	s.rcloneWith(config, "mkdir", remote+"journey").ok(t)
	s.run(command{program: "/usr/bin/rclone", args: []string{"--config", config, "rcat", remote + "journey/hello"}, stdin: "hello"}).ok(t)
	if got := s.rcloneWith(config, "cat", remote+"journey/hello").ok(t); got != "hello" {
		t.Errorf("read back %q", got)
	}
	// The secret is no part of the picture.
	p.do(chromedp.Evaluate[chromedp.Void](`document.getElementById("secret").value = "40 letters and digits, shown once"; document.querySelectorAll("details")[1].open = false`))
	p.shot("reveal")
	// Leaving asks; storing does not.
	asked := p.dialogs()
	p.do(chromedp.Evaluate[chromedp.Void](`location = "/projects"`))
	select {
	case what := <-asked:
		if !strings.HasPrefix(what, "beforeunload") {
			t.Errorf("leaving the secret says %q", what)
		}
	case <-time.After(patience):
		t.Error("leaving the secret does not ask")
	}
	p.goes(p.click("I have stored it"))
	p.says("Key “rclone on lumi-login2”", "will not be shown again", "active", "created by Anna Test")
	if status := p.open(link); status != 410 {
		t.Errorf("the secret again: %d", status)
	}
	p.goes(p.click("The key"))
	p.says("It would then end in 7 days")
	wait(t, patience, "the gateway to report the use", func() bool {
		p.do(chromedp.Reload())
		return strings.Contains(p.text(), "by rclone")
	})
	p.shot("key")
	p.goes(p.click("Extend"))
	p.says("The key has a new end", "Ends", "in 7 days", "already ends as late as is allowed")
	p.goes(p.click("Freeze"))
	p.says("frozen", "Every gateway has refused it since")
	s.rcloneWith(config, "lsd", remote).fails(t, "403")
	p.goes(p.click("Thaw"))
	p.says("The key works again")
	s.rcloneWith(config, "lsd", remote).ok(t)
	p.open("/projects/" + projectA)
	p.shot("project")
	p.goes(p.click("rclone on lumi-login2"))
	p.goes(p.click("Delete"))
	p.says("It was used", "by rclone", "Type its name")
	if status := p.goes(fill("name", "another"), p.click("Delete key")); status != 400 {
		t.Errorf("another name: %d", status)
	}
	p.says("That is not the key's name")
	p.goes(fill("name", "rclone on lumi-login2"), p.click("Delete key"))
	p.says("refused for good", "Every gateway has refused it since", "deleted by Anna Test")
	s.rcloneWith(config, "lsd", remote).fails(t, "403")
}

func withoutScripts(t *testing.T, s *site, chromium context.Context) {
	p := s.newTab(t, chromium, false)
	p.open("/")
	p.signsIn("ben")
	p.says("Climate", "My keys", "No keys here") // the one project is opened at once
	p.goes(p.click("Create key"))
	p.goes(fill("name", "stage-out"), p.click("Read everything in this project"), p.click("1 hour"), p.click("Create key"))
	p.says("The secret is shown only now")
	if eval[bool](p, `[...document.querySelectorAll("[data-copy]")].some(b => b.offsetParent)`) {
		t.Error("there is a copy button, which cannot work")
	}
	text, err := chromedp.Run(p.ctx, chromedp.TextContent(chromedp.ID("text-s3cmd")))
	p.check(err)
	config := filepath.Join(t.TempDir(), "s3cfg")
	p.check(os.WriteFile(config, []byte(text), 0o600))
	s3cmd := func(args ...string) result {
		return s.run(command{program: "s3cmd", args: append([]string{"-c", config}, args...)})
	}
	s3cmd("ls").ok(t)
	s3cmd("mb", "s3://stage-out").fails(t, "403") // it reads only
	p.goes(p.click("I have stored it"))
	p.says("read everything in this project", " UTC)")
	if text := p.text(); !regexp.MustCompile(`in (1 hour|5\d min)`).MatchString(text) {
		t.Errorf("a key of an hour is shown as\n%s", text)
	}
	p.goes(p.click("Extend"))
	p.says("The key has a new end")
	p.goes(p.click("Freeze"))
	s3cmd("ls").fails(t, "403")
	p.goes(p.click("Thaw"))
	s3cmd("ls").ok(t)
	wait(t, patience, "the gateway to report the use", func() bool {
		p.open(p.path())
		return strings.Contains(p.text(), "by an unnamed program")
	})
	p.goes(p.click("Delete"))
	p.says("Type its name")
	p.goes(fill("name", "stage-out"), p.click("Delete key"))
	p.says("refused for good", "Every gateway has refused it since")
	s3cmd("ls").fails(t, "403")
	p.goes(chromedp.Click(chromedp.CSS(".account button")))
	if at := p.path(); at != "/login" {
		t.Errorf("signing out leads to %s", at)
	}
}

func byKeyboard(t *testing.T, s *site, chromium context.Context) {
	p := s.newTab(t, chromium, true)
	keys := func(text string) { t.Helper(); p.do(chromedp.KeyEvent(text)) }
	focused := func(id string) { // browsers move the focus a moment after the page is there
		t.Helper()
		p.becomes(`document.hasFocus() && document.activeElement.id == "` + id + `"`)
	}
	p.open("/projects")
	focused("user")
	keys("chiara" + kb.Tab + s.password["chiara"]) // the field has the focus already
	p.enter()
	p.says("Sea ice")
	p.tabTo(".skip")
	keys(kb.Enter)
	if !eval[bool](p, `document.activeElement.id == "main"`) {
		t.Error("the first stop does not lead to the content")
	}
	p.tabTo(`main a.button`)
	p.enter()
	focused("name")
	keys("by keyboard") // the name is enough
	p.enter()
	p.says("The secret is shown only now")
	p.tabTo(`details:nth-of-type(3) summary`)
	keys(kb.Enter)
	p.tabTo(`a[download]`)
	keys(kb.Enter)
	s.run(command{program: "s3cmd", args: []string{"-c", p.downloaded("s3cfg-lumi-" + projectB), "ls"}}).ok(t)
	p.tabTo(`form[data-leave] button`)
	p.enter()
	p.tabTo(`form[action$="/extend"] button`)
	p.enter()
	p.tabTo(`form[action$="/freeze"] button`)
	p.enter()
	p.says("frozen")
	p.tabTo(`form[action$="/thaw"] button`)
	p.enter()
	p.tabTo(`a.danger`)
	p.enter()
	if strings.Contains(p.text(), "Type its name") {
		keys("by keyboard")
		p.enter()
	} else {
		p.tabTo(`button.danger`)
		p.enter()
	}
	p.says("refused for good")
	p.tabTo(`header a[href="/projects"]`)
	p.enter()
	p.tabTo(`header button`)
	p.enter()
	if at := p.path(); at != "/login" {
		t.Errorf("signing out leads to %s", at)
	}
}

func connectComputer(t *testing.T, s *site, chromium context.Context) {
	home := t.TempDir()
	node := &person{site: s, name: "ben", home: home}
	cmd := node.cmdline(command{args: []string{"login", "--server", s.portal, "--device"}})
	out := &journal{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var code string
	wait(t, patience, "a device code", func() bool {
		code = regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}`).FindString(out.String())
		return code != ""
	})
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	p := s.newTab(t, chromium, true)
	p.open("/device")
	p.signsIn("ben")
	p.goes(fill("user_code", "AAAA-AAAA"), p.click("Continue"))
	p.says("There is no such code")
	p.goes(chromedp.Clear(chromedp.ID("user_code")), fill("user_code", strings.ToLower(strings.Replace(code, "-", " ", 1))), p.click("Continue"))
	p.says("Do you want to let this computer act for you?", "Lanyard command line", host, "(says the program)", "127.0.0.1", code, "make, extend and end S3 keys")
	if strings.Contains(p.text(), "openid") || strings.Contains(p.text(), "offline_access") {
		t.Errorf("the page asks in OAuth's words: %s", p.text())
	}
	p.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`for (const s of document.querySelectorAll("dd strong")) s.textContent = s.textContent.replace(%q, "lumi-login2.csc.fi")`, host)))
	p.shot("device")
	p.goes(p.click("Approve"))
	p.says("Done. You can close this page and go back to the terminal.")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("lanyard login: %v\n%s", err, out)
	}
	if got := node.lanyard("whoami"); !strings.Contains(got, "Ben Test") {
		t.Errorf("whoami: %s", got)
	}
	p.goes(p.click("your account"))
	p.says("Lanyard command line on " + host)
	p.goes(chromedp.Click(chromedp.Search(`//tr[contains(., "Lanyard command line")]//button`)))
	p.says("what used it is signed out")
	if r := node.run(command{args: []string{"project", "list"}}); r.code != 4 {
		t.Errorf("after its end the command line says, with exit code %d: %s%s", r.code, r.out, r.err)
	}
}

// idleSession warns before an idle session ends, and one button keeps it. Long waits are cut short.
func idleSession(t *testing.T, s *site, chromium context.Context) {
	p := s.newTab(t, chromium, true)
	_, err := chromedp.Call(p.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `let long = [], real = setTimeout;
		window.setTimeout = (f, ms) => ms < 1e5 ? real(f, ms) : long.push(ms) == 1 ? real(f, 100) : 0`})
	p.check(err)
	p.open("/projects")
	p.signsIn("ben")
	p.do(chromedp.WaitVisible(chromedp.CSS("#idle p")))
	if got := eval[string](p, `long.join() + document.querySelector("#idle").textContent`); !strings.Contains(got, "3480000Nothing has happened here for a while: you will be signed out in two minutes.") {
		t.Errorf("after 58 minutes it says %q", got)
	}
	p.do(chromedp.Click(chromedp.CSS("#idle button")), chromedp.WaitNotVisible(chromedp.CSS("#idle p")))
	if got := eval[string](p, `long.join()`); got != "3480000,3480000" {
		t.Errorf("waits %s", got)
	}
}

// everyPage holds what must be true of all pages: they can be used by everybody, on small screens
// too, and weigh little.
func everyPage(t *testing.T, s *site, chromium context.Context) {
	script := axe(t)
	p := s.newTab(t, chromium, true)
	p.dialogs() // the page with the secret asks before it is left
	look := func(name string) { t.Helper(); p.look(script, name) }
	visit := func(name, path string, status int64) { t.Helper(); p.visit(script, name, path, status) }
	visit("chooser", "/login", 200)
	visit("failed sign-in", "/login/callback/nowhere", 403)
	visit("password", "/login/local", 200)
	p.signsIn("anna")
	visit("projects", "/projects", 200)
	visit("projects, none found", "/projects?q=nothing", 200)
	visit("new key", "/projects/"+projectA+"/keys/new", 200)
	visit("new key for buckets", "/projects/"+projectA+"/keys/new?mode=custom&bucket1=results&name=workflow", 200)
	p.goes(chromedp.SetValue(chromedp.ID("bucket1"), "../etc"), p.click("Create key"))
	look("new key, refused")
	p.goes(chromedp.SetValue(chromedp.ID("bucket1"), "results"), p.click("Create key"))
	p.do(chromedp.Evaluate[chromedp.Void](`for (const d of document.querySelectorAll("details")) d.open = true`))
	look("secret")
	p.goes(p.click("I have stored it"))
	look("key")
	key, _, _ := strings.Cut(p.path(), "?")
	visit("delete", key+"/delete", 200)
	p.open("/projects/" + projectA)
	p.do(chromedp.Evaluate[chromedp.Void](`for (const d of document.querySelectorAll("details")) d.open = true`))
	look("project")
	visit("project, none found", "/projects/"+projectA+"?q=nothing", 200)
	p.open(key)
	p.goes(p.click("Freeze"))
	look("frozen key")
	p.goes(p.click("Delete"))
	p.goes(p.click("Delete key"))
	look("deleted key")
	visit("device", "/device", 200)
	visit("device, wrong code", "/device?check=1&user_code=AAAA-AAAA", 404)
	visit("account", "/account", 200)
	visit("no such page", "/nope", 404)
}

// hostileTexts puts texts that would run where something forgets to escape into everything that
// people can write, and looks at every page that shows it.
func hostileTexts(t *testing.T, s *site, chromium context.Context) {
	payloads := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'><svg onload=alert(1)>`, `" autofocus onfocus="alert(1)" x="`, `javascript:alert(1)`,
		`</title><script>alert(1)</script>`, `</textarea><iframe srcdoc="<script>alert(1)</script>">`, `<a href="javascript:alert(1)">x</a>`,
	}
	admin := func(args ...string) {
		t.Helper()
		s.run(command{args: append(append([]string{"admin"}, args...), "--data-dir", filepath.Join(s.dir, "data"))}).ok(t)
	}
	p := s.newTab(t, chromium, true)
	p.open("/login/local")
	p.signsIn("anna")
	ran := p.dialogs()
	look := func(what, payload string) {
		t.Helper()
		odd := eval[string](p, `[...document.querySelectorAll("script:not([src^='/static/']), img, svg, iframe, [href^='javascript:'], style")].map(e => e.outerHTML).join() +
			[...document.querySelectorAll("*")].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith("on") || a.name == "style").map(a => a.name + "=" + a.value).join()`)
		if odd != "" {
			t.Errorf("%s with %q holds %s", what, payload, odd)
		}
		select {
		case said := <-ran:
			t.Errorf("%s with %q ran: %s", what, payload, said)
		default:
		}
	}
	for i, payload := range payloads {
		name := fmt.Sprintf("hostile%d", i)
		admin("project", "create", name, "--title", payload)
		admin("member", "set", name, "anna", "manager")
		q := url.QueryEscape(payload)
		for _, path := range []string{"/projects?q=" + q, "/projects/" + name + "?q=" + q, "/projects/" + name + "/keys/new?mode=custom&bucket1=" + q + "&prefix1=" + q + "&name=" + q + "&until=" + q,
			"/device?user_code=" + q, "/login?again=1&next=" + q, "/keys/" + url.PathEscape(payload)} {
			p.open(path)
			look(path, payload)
		}
		p.open("/projects/" + name + "/keys/new")
		p.goes(fill("name", payload), p.click("Create key"))
		look("secret", payload)
		p.goes(p.click("I have stored it"))
		look("key", payload)
		p.goes(p.click("Delete"))
		look("delete", payload)
		p.open("/projects/" + name)
		look("project", payload)
	}
	p.open("/projects")
	look("projects", "all of them")
}
