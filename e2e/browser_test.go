package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// chromium starts Debian's browser, with a profile of its own that ends with the test.
func chromium(t testing.TB) context.Context {
	t.Helper()
	const program = "/usr/bin/chromium"
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: make test installs it", err)
	}
	dir, err := os.MkdirTemp("", "lyb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(program), chromedp.UserDataDir(dir), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(patience)}
	for _, name := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage",
		"disable-extensions", "disable-default-apps", "hide-scrollbars"} {
		options = append(options, chromedp.Flag(name, true))
	}
	// Not the test's own context: that ends before the browser can be told to.
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return ctx
}

// A tab is a page of its own in the browser, with its own cookies.
type tab struct {
	*site
	t         *testing.T
	ctx       context.Context
	downloads string
}

// newTab opens one; without scripts if js is false.
func (s *site) newTab(t *testing.T, chromium context.Context, js bool) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*patience)
	t.Cleanup(cancel)
	p := &tab{site: s, t: t, ctx: ctx, downloads: t.TempDir()}
	p.do(chromedp.EmulateViewport(1000, 700))
	_, err := chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow,
		BrowserContextID: chromedp.FromContext(ctx).BrowserContextID, DownloadPath: p.downloads})
	p.check(err)
	_, err = chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !js})
	p.check(err)
	return p
}

func (p *tab) check(err error) {
	p.t.Helper()
	if err != nil {
		text, _ := chromedp.Run(p.ctx, chromedp.Text(chromedp.CSS("body")))
		p.t.Fatalf("%v, on the page\n%s", err, text)
	}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	p.check(chromedp.Do(p.ctx, steps...))
}

// open shows a page and returns its status.
func (p *tab) open(path string) int64 {
	p.t.Helper()
	resp, err := chromedp.RunResponse(p.ctx, chromedp.Navigate(p.portal+path))
	p.check(err)
	return resp.Status
}

// goes runs steps that lead to another page, and returns its status.
func (p *tab) goes(steps ...chromedp.Action[chromedp.Void]) int64 {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	resp, err := chromedp.RunResponse(ctx, steps...)
	p.check(err)
	return resp.Status
}

// click presses what is called text: a link, a button or a summary.
func (p *tab) click(text string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(called(text))
}

// called finds what people would press by its first words.
func called(text string) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`//main//*[self::a or self::button or self::summary or self::label][starts-with(normalize-space(.), %q)]`, text))
}

func fill(id, text string) chromedp.Action[chromedp.Void] {
	return chromedp.SendKeys(chromedp.ID(id), text)
}

// becomes waits until an expression in the page is true.
func (p *tab) becomes(script string) {
	p.t.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Poll[bool](script, chromedp.WithPollingTimeout(patience)))
	p.check(err)
}

// eval returns the value of an expression in the page.
func eval[T any](p *tab, script string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	p.check(err)
	return v
}

// text is what people read on the page.
func (p *tab) text() string {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.TextContent(chromedp.CSS("main")))
	p.check(err)
	return regexp.MustCompile(`[\s\x{a0}]+`).ReplaceAllString(text, " ")
}

func (p *tab) says(words ...string) {
	p.t.Helper()
	text := p.text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			p.t.Errorf("the page does not say %q:\n%s", w, text)
		}
	}
}

// path is where the tab is.
func (p *tab) path() string {
	p.t.Helper()
	at, err := chromedp.Run(p.ctx, chromedp.Location())
	p.check(err)
	return strings.TrimPrefix(at, p.portal)
}

// signsIn does so on the page that asks for it, which leads on to where the tab wanted to go.
func (p *tab) signsIn(name string) {
	p.t.Helper()
	if status := p.goes(fill("user", name), fill("password", p.password[name]), p.click("Sign in")); status != 200 {
		p.t.Fatalf("sign-in: %d\n%s", status, p.text())
	}
}

// downloaded waits for a file and returns its path.
func (p *tab) downloaded(name string) string {
	p.t.Helper()
	path := filepath.Join(p.downloads, name)
	wait(p.t, patience, "the download of "+name, func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
	return path
}

// scheme chooses light or dark.
func (p *tab) scheme(name string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
	p.check(err)
}

// dialogs collects what the page asks or alerts, and dismisses it.
func (p *tab) dialogs() <-chan string {
	out := make(chan string, 100)
	events := chromedp.Events(p.ctx, page.JavascriptDialogOpening)
	go func() { // ends with the tab
		for ev, err := range events {
			if err != nil {
				return
			}
			out <- fmt.Sprintf("%s %s", ev.Type, ev.Message)
			_, _ = chromedp.Call(p.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: false})
		}
	}()
	return out
}

// shot keeps a picture of the page for the documents, if LANYARD_SCREENSHOTS is set.
func (p *tab) shot(name string) {
	p.t.Helper()
	if os.Getenv("LANYARD_SCREENSHOTS") == "" {
		return
	}
	image, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	p.check(err)
	p.check(os.MkdirAll("../docs/images", 0o755))
	p.check(os.WriteFile(filepath.Join("../docs/images", name+".png"), image, 0o644))
}

// tabTo presses the tab key until what sel finds has the focus, and checks on the way that the
// focus can be seen.
func (p *tab) tabTo(sel string) {
	p.t.Helper()
	for range 80 {
		p.do(chromedp.KeyEvent(kb.Tab))
		at := eval[struct {
			Here    bool
			Outline string
			What    string
		}](p, fmt.Sprintf(`(() => { const e = document.activeElement, r = e.getBoundingClientRect();
			return {here: e.matches(%q), outline: getComputedStyle(e).outlineStyle + " " + getComputedStyle(e).outlineWidth, what: e.outerHTML.slice(0, 80)} })()`, sel))
		if at.Outline != "solid 3px" && at.What[:5] != "<body" {
			p.t.Errorf("the focus on %s cannot be seen: outline %s", at.What, at.Outline)
		}
		if at.Here {
			return
		}
	}
	p.t.Fatalf("the tab key does not reach %s on\n%s", sel, p.text())
}

// enter presses the enter key, which leads to another page, and returns its status.
func (p *tab) enter() int64 {
	p.t.Helper()
	return p.goes(chromedp.KeyEvent(kb.Enter))
}

// axe returns the script of axe-core.
func axe(t testing.TB) string {
	t.Helper()
	text, err := axeCore()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// axeCore installs axe-core, which is Mozilla-licensed and no part of Lanyard, and reads it. Several
// tests want it at the same time.
var axeCore = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	lock, err := os.ReadFile("testdata/axe/package-lock.json")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "lanyard-axe")
	script := filepath.Join(dir, "node_modules", "axe-core", "axe.min.js")
	if kept, err := os.ReadFile(filepath.Join(dir, "package-lock.json")); err != nil || string(kept) != string(lock) || missing(script) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		for _, name := range []string{"package.json", "package-lock.json"} {
			text, err := os.ReadFile(filepath.Join("testdata/axe", name))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
			}
			if err != nil {
				return "", err
			}
		}
		npm := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
		npm.Dir = dir
		if out, err := npm.CombinedOutput(); err != nil {
			return "", fmt.Errorf("npm ci: %w\n%s", err, out)
		}
	}
	text, err := os.ReadFile(script)
	return string(text), err
})

func missing(path string) bool {
	_, err := os.Stat(path)
	return err != nil
}

// violations are what axe-core finds on the page, whatever its impact.
func (p *tab) violations(axe string) []string {
	p.t.Helper()
	found := eval[json.RawMessage](p, axe+`;axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], rules: {"target-size": {enabled: true}}, resultTypes: ["violations"]}).
		then(r => r.violations.map(v => v.impact + " " + v.id + ": " + v.help + " (" + v.nodes.map(n => n.html.slice(0, 120) + (n.any[0] ? " " + n.any[0].message : "")).join("; ") + ")"))`)
	var out []string
	p.check(json.Unmarshal(found, &out))
	return out
}

// look holds what must be true of all pages: they can be used by everybody, on small screens too,
// and weigh little.
func (p *tab) look(axe, name string) {
	p.t.Helper()
	weight := eval[struct{ Bytes, Requests int }](p, `(() => { const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
		return {bytes: all.reduce((n, e) => n + e.encodedBodySize + 500, 0), requests: all.length} })()`)
	if weight.Bytes > 60_000 || weight.Requests > 4 || weight.Bytes < 2000 {
		p.t.Errorf("%s weighs %d bytes in %d requests", name, weight.Bytes, weight.Requests)
	}
	p.do(chromedp.EmulateViewport(320, 700))
	if wide := eval[int](p, `document.documentElement.scrollWidth`); wide > 320 {
		p.t.Errorf("%s is %d pixels wide on a screen of 320", name, wide)
	}
	p.do(chromedp.EmulateViewport(1000, 700))
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		for _, v := range p.violations(axe) {
			p.t.Errorf("%s, %s: %s", name, scheme, v)
		}
	}
}

// visit opens a page and looks at it.
func (p *tab) visit(axe, name, path string, status int64) {
	p.t.Helper()
	if got := p.open(path); got != status {
		p.t.Errorf("%s: status %d, want %d", name, got, status)
	}
	p.look(axe, name)
}
