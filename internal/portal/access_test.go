package portal_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jba/templatecheck"

	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/portal"
)

func TestTemplatesFitTheirPages(t *testing.T) {
	pages, samples, err := portal.Samples()
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, error %v", len(pages), err)
	}
	for name, page := range pages {
		sample, ok := samples[name]
		if !ok && name != "layout" {
			t.Errorf("%s.html is no page's", name)
		}
		if ok {
			if err := templatecheck.CheckHTML(page.Lookup("layout.html"), sample); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Every page, seen by somebody who is not signed in, by a member of another project only, by the
// key's owner and by a manager.
func TestWhoSeesWhat(t *testing.T) {
	w := newWorld(t)
	people := w.people("chiara", "ben", "anna")
	const in = 303 // sent to sign in, or on to where the deed is told
	for _, tc := range []struct {
		method, path                  string // KEY is one of ben's, MINE one of whoever asks
		nobody, outsider, user, chief int
	}{
		{"GET", "/", 303, 303, 303, 303},
		{"GET", "/login", 200, 303, 303, 303},
		{"GET", "/login/local", 200, 200, 200, 200},
		{"GET", "/projects", in, 303, 303, 200}, // one project: opened at once
		{"GET", "/projects/climate", in, 404, 200, 200},
		{"GET", "/projects/nowhere", in, 404, 404, 404},
		{"GET", "/projects/climate/keys/new", in, 404, 200, 200},
		{"POST", "/projects/climate/keys/new", 401, 404, 303, 303},
		{"GET", "/keys/KEY", in, 404, 200, 200},
		{"GET", "/keys/crd_NONE", in, 404, 404, 404},
		{"GET", "/keys/KEY/secret?once=x", in, 404, 410, 410},
		{"GET", "/keys/KEY/secret/rclone?once=x", in, 404, 404, 404},
		{"POST", "/keys/KEY/secret", 401, 404, 403, 403}, // shown only once here
		{"POST", "/keys/KEY/stored", 401, 303, 303, 303}, // puts away what the session holds: nothing
		{"POST", "/keys/KEY/extend", 401, 404, 303, 303},
		{"POST", "/keys/KEY/freeze", 401, 404, 303, 303},
		{"POST", "/keys/KEY/thaw", 401, 404, 303, 303},
		{"GET", "/keys/KEY/delete", in, 404, 200, 200},
		{"POST", "/keys/KEY/delete", 401, 404, 303, 303},
		{"GET", "/proxies", in, 200, 200, 200},
		{"GET", "/proxies?project=climate", in, 404, 200, 200},
		{"GET", "/proxies/new", in, 200, 200, 200},
		{"GET", "/proxies/new?way=upload", in, 200, 200, 200},
		{"GET", "/proxies/new?way=secrets", in, 404, 404, 404}, // turned off here
		{"POST", "/proxies/new", 401, 400, 400, 400},           // not a form with files
		{"GET", "/proxies/PROXY", in, 404, 200, 200},
		{"GET", "/proxies/PROXY/request.pem", in, 404, 200, 200},
		{"GET", "/proxies/PROXY/certificates.pem", in, 404, 404, 404}, // none yet
		{"POST", "/proxies/PROXY/chain", 401, 404, 400, 400},          // the same
		{"POST", "/proxies/PROXY/extend", 401, 404, 409, 409},
		{"POST", "/proxies/PROXY/freeze", 401, 404, 409, 409},
		{"POST", "/proxies/PROXY/thaw", 401, 404, 409, 409},
		{"GET", "/proxies/PROXY/delete", in, 404, 200, 200},
		{"POST", "/proxies/PROXY/delete", 401, 404, 303, 303},
		{"GET", "/keys/PROXY", in, 404, 303, 303},
		{"GET", "/proxies/KEY", in, 404, 303, 303},
		{"GET", "/device", in, 200, 200, 200},
		{"GET", "/account", in, 200, 200, 200},
		{"POST", "/notices/ntc_NONE/dismiss", 401, 303, 303, 303},
		{"POST", "/account/sessions/ses_NONE/end", 401, 404, 404, 404},
		{"GET", "/nope", 404, 404, 404, 404},
		{"GET", "/static/style.css", 200, 200, 200, 200},
		{"GET", "/static/", 404, 404, 404, 404},
		{"DELETE", "/keys/KEY", 404, 404, 404, 404},
	} {
		for name, want := range map[string]int{"nobody": tc.nobody, "chiara": tc.outsider, "ben": tc.user, "anna": tc.chief} {
			key := w.key(people["ben"], "climate", "stage-out", time.Hour)
			path, b := strings.ReplaceAll(tc.path, "KEY", key.ID), people[name]
			if strings.Contains(path, "PROXY") {
				path = strings.ReplaceAll(path, "PROXY", w.delegation(people["ben"], "stage-out").ID)
			}
			var form url.Values
			if tc.method == "POST" {
				form = url.Values{"proof": {b.proof}, "name": {"stage-out"}, "life": {"1h0m0s"}, "mode": {"read"}}
			}
			got := b.do(tc.method, path, form)
			if got.resp.StatusCode != want {
				t.Errorf("%s for %s: %s, want %d: %s", got.what, name, got.resp.Status, want, got.words())
			}
			if name == "nobody" && want == in && path != "/" {
				got.redirects("/login?next=" + url.QueryEscape(path))
			}
			if c := w.stored(key.ID); want >= 400 && (c.Status != "active" || c.Generation != key.Generation) {
				t.Errorf("%s for %s was refused, and yet the key is %s", got.what, name, c.Status)
			}
		}
	}
}

// What is not theirs looks as if it did not exist.
func TestForbiddenLooksAbsent(t *testing.T) {
	w := newWorld(t)
	anna, chiara := w.signIn("anna"), w.signIn("chiara")
	key := w.key(anna, "climate", "annas", time.Hour)
	varies := regexp.MustCompile(`req_\w+|crd_\w+|LYD\w+|climate|nowhere`)
	for there, absent := range map[string]string{
		"/projects/climate": "/projects/nowhere", "/projects/climate/keys/new": "/projects/nowhere/keys/new",
		"/keys/" + key.ID: "/keys/crd_AAAAAAAAAAAAAAAAAAAAAAAAAA", "/keys/" + key.PublicID: "/keys/LYDAAAAAAAAAAAAAAAAA",
		"/keys/" + key.ID + "/delete": "/keys/crd_AAAAAAAAAAAAAAAAAAAAAAAAAA/delete",
	} {
		a, b := chiara.get(there).is(404), chiara.get(absent).is(404)
		if x, y := varies.ReplaceAllString(a.body, "…"), varies.ReplaceAllString(b.body, "…"); x != y {
			t.Errorf("%s differs from %s:\n%s\n%s", there, absent, x, y)
		}
		a.hides("annas", "Climate")
	}
}

// Members without a role of their own see who belongs to a project, and their own keys only.
func TestWhatMembersSee(t *testing.T) {
	w := newWorld(t)
	anna, ben := w.signIn("anna"), w.signIn("ben")
	mine, theirs := w.key(ben, "climate", "bens key", time.Hour), w.key(anna, "climate", "annas key", time.Hour)
	ben.get("/projects/climate").is(200).says("My keys", "bens key", "Members (2)", "Anna Virtanen", "manager", "its managers decide", "https://s3.example.org").
		hides("annas key", theirs.PublicID, "Show only mine")
	anna.get("/projects/climate").is(200).says("bens key", "annas key", "Show only mine", "Ben Okafor").hides("its managers decide")
	anna.get("/projects/climate?mine=1").is(200).says("My keys", "annas key", "Show everybody's keys").hides("bens key")
	ben.get("/projects").redirects("/projects/climate")
	anna.get("/projects").is(200).says("climate Climate downscaling", "You are manager", "2 active keys", "0 bytes of 150 GB (0.0 %)")
	dora := w.signIn("dora")
	dora.get("/projects").is(200).says("not a member of any project", "Tell them your account id: "+dora.actor().AccountID)
	anna.get("/keys/"+mine.ID).is(200).says("Ben Okafor", "read and write everything in this project")
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	key := w.key(anna, "climate", "x", time.Hour)
	for _, p := range []page{anna.get("/projects"), anna.get("/keys/" + key.ID), anna.get("/nope"), w.browser().get("/login"), anna.post("/keys/"+key.ID+"/extend", nil)} {
		for name, want := range map[string]string{
			"Content-Security-Policy":      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "same-origin",
			"Cache-Control":                "no-store",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Strict-Transport-Security":    "",
		} {
			if got := p.resp.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", p.what, name, got)
			}
		}
		if !regexp.MustCompile(`^req_\w{16}$`).MatchString(p.resp.Header.Get("X-Request-Id")) {
			t.Errorf("%s: request id %q", p.what, p.resp.Header.Get("X-Request-Id"))
		}
	}
	// Static files are named by their content and kept for good; what is not there is not.
	for _, ref := range regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`).FindAllStringSubmatch(anna.get("/projects").body, -1) {
		p := anna.get(ref[1]).is(200)
		if !strings.Contains(ref[1], "?v=") || !strings.Contains(p.resp.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %q", ref[1], p.resp.Header)
		}
	}
	if got := anna.get("/static/nope.css").is(404).resp.Header.Get("Cache-Control"); strings.Contains(got, "immutable") {
		t.Errorf("an absent file is kept: %q", got)
	}
}

// Over TLS the session's cookie is bound to this host and to TLS.
func TestCookies(t *testing.T) {
	for address, want := range map[string]string{
		"http://localhost":    "lanyard=V; Path=/; HttpOnly; SameSite=Lax",
		"https://lan.example": "__Host-lanyard=V; Path=/; HttpOnly; Secure; SameSite=Lax",
	} {
		w := newWorld(t, func(p *portal.Portal, _ *login.Config) { p.URL = address })
		p := w.browser().post("/login/local", url.Values{"user": {"anna"}, "password": {password}}).redirects("/")
		got := regexp.MustCompile(`=lyt_\w+`).ReplaceAllString(p.resp.Header.Get("Set-Cookie"), "=V")
		if got != want {
			t.Errorf("%s: %s", address, got)
		}
		if hsts := p.resp.Header.Get("Strict-Transport-Security"); (hsts != "") != strings.HasPrefix(address, "https:") {
			t.Errorf("%s: Strict-Transport-Security %q", address, hsts)
		}
	}
}

// A session that has ended, or whose person was stopped, shows nothing more.
func TestSessionsEnd(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	anna.get("/projects").is(200)
	w.clock.Move(login.BrowserIdle)
	anna.get("/projects").redirects("/login?next=%2Fprojects")
	anna = w.signIn("anna")
	old := anna.cookies["lanyard"]
	anna.post("/logout", nil).redirects("/login")
	if _, ok := anna.cookies["lanyard"]; ok {
		t.Error("the cookie stays after signing out")
	}
	anna.cookies["lanyard"] = old
	anna.get("/projects").redirects("/login*")
	ben := w.signIn("ben")
	_, err := w.Broker.FreezeAccount(t.Context(), identity.System(), ben.actor().AccountID, "lost laptop")
	w.check(err)
	ben.get("/projects").redirects("/login*")
	ben.post("/login/local", url.Values{"user": {"ben"}, "password": {password}}).is(http.StatusForbidden).says("lost laptop")
}
