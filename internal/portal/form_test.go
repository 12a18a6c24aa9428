package portal_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
)

const newKey = "/projects/climate/keys/new"

// filled is a form that makes a key.
func filled(pairs ...string) url.Values {
	form := url.Values{"name": {"rclone on lumi-login2"}, "life": {"24h0m0s"}, "mode": {"read-write"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// A form that another site made somebody send does nothing, whichever way it comes.
func TestForeignForms(t *testing.T) {
	w := newWorld(t)
	anna, ben := w.signIn("anna"), w.signIn("ben")
	key := w.key(anna, "climate", "x", time.Hour)
	for name, tc := range map[string]struct{ header, value, proof string }{
		"cross-site":            {"Sec-Fetch-Site", "cross-site", anna.proof},
		"another port":          {"Sec-Fetch-Site", "same-site", anna.proof}, // such as the gateway's
		"older browser":         {"Origin", "https://evil.example", anna.proof},
		"sandboxed frame":       {"Origin", "null", anna.proof},
		"no proof":              {"Sec-Fetch-Site", "same-origin", ""},
		"another session's":     {"Sec-Fetch-Site", "same-origin", ben.proof},
		"nothing but the proof": {"Sec-Fetch-Site", "none, cross-site", anna.proof},
	} {
		for _, path := range []string{"/keys/" + key.ID + "/delete", "/keys/" + key.ID + "/freeze", newKey, "/device", "/logout"} {
			anna.header.Set(tc.header, tc.value)
			anna.post(path, filled("proof", tc.proof)).is(http.StatusForbidden).says("nothing was done", "Open the page again")
			if c := w.stored(key.ID); c.Status != credential.Active || len(w.keys("climate")) != 1 {
				t.Errorf("%s: %s worked: %s, %d keys", name, path, c.Status, len(w.keys("climate")))
			}
		}
	}
	nobody := w.browser()
	nobody.header.Set("Sec-Fetch-Site", "cross-site") // sign-in of somebody as the attacker
	nobody.post("/login/local", url.Values{"user": {"anna"}, "password": {password}}).is(http.StatusForbidden)
	if len(nobody.cookies) != 0 {
		t.Errorf("cookies %v", nobody.cookies)
	}
	anna.header.Set("Origin", "http://example.com") // httptest's name for us
	anna.post("/keys/"+key.ID+"/freeze", nil).redirects("/keys/" + key.ID + "?done=frozen&since=*")
}

// Whatever an address names as the next page, browsers stay here.
func TestNextStaysHere(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	for _, next := range []string{"https://evil.example", "//evil.example", `/\evil.example`, `\\evil.example`, "javascript:alert(1)", "/\t/evil.example",
		"/\n/evil.example", "evil.example", "", "http:evil.example", "///evil.example", "@evil.example", "/%0d%0aSet-Cookie:x=y"} {
		b := w.browser()
		w.clock.Move(time.Minute) // past the limit of sign-ins
		for _, p := range []page{anna.get("/login?next=" + url.QueryEscape(next)), b.post("/login/local", url.Values{"user": {"anna"}, "password": {password}, "next": {next}})} {
			to := p.resp.Header.Get("Location")
			u, err := url.Parse(to)
			if p.resp.StatusCode != 303 || err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
				t.Errorf("%s with next=%q leads to %q (%s)", p.what, next, to, p.resp.Status)
			}
		}
	}
	anna = w.signIn("anna")
	anna.get("/login?next=%2Fdevice%3Fuser_code%3DWDJB-MJHT").redirects("/device?user_code=WDJB-MJHT")
	// A program's own sign-in leaves this site, which a redirect after a form may not: a page does.
	p := w.browser().post("/login/local", url.Values{"user": {"anna"}, "password": {password}, "next": {"/authorize?client_id=x"}}).is(200)
	if got := p.resp.Header.Get("Refresh"); got != "0; url=/authorize?client_id=x" || !strings.Contains(p.body, `href="/authorize?client_id=x"`) {
		t.Errorf("Refresh %q: %s", got, p.body)
	}
}

// Pressing twice makes one key, and shows it both times.
func TestDoubleSubmit(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	once, err := anna.get(newKey).input("once")
	w.check(err)
	first := anna.post(newKey, filled("once", once)).redirects("/keys/crd_*")
	again := anna.post(newKey, filled("once", once)).redirects("/keys/crd_*")
	if n := len(w.keys("climate")); n != 1 {
		t.Errorf("%d keys", n)
	}
	if x, y := secretOf(first.follow()), secretOf(again.follow()); x == "" || x != y {
		t.Errorf("the secrets shown differ: %d and %d characters", len(x), len(y))
	}
	anna.post(newKey, filled("once", once, "name", "something else")).is(http.StatusConflict).filled("name", "something else")
	if next, _ := anna.get(newKey).input("once"); next == once || next == "" {
		t.Errorf("the next form has the name %q", next)
	}
	if n := len(w.keys("climate")); n != 1 {
		t.Errorf("%d keys", n)
	}
}

// What cannot be right is told on the form, which keeps what was typed.
func TestFormErrorsKeepTheInput(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	for _, tc := range []struct {
		change []string
		status int
		says   string
	}{
		{[]string{"name", ""}, 400, "1 to 60 characters"},
		{[]string{"name", strings.Repeat("x", 61)}, 400, "1 to 60 characters"},
		{[]string{"life", ""}, 400, "Choose how long"},
		{[]string{"life", "-1h"}, 400, "Choose how long"},
		{[]string{"life", "soon"}, 400, "Choose how long"},
		{[]string{"life", "169h"}, 429, "At most 7 days are allowed, you asked for 169 hours."},
		{[]string{"life", "until"}, 400, `"" is not a date. Write it like 2026-11-22.`},
		{[]string{"life", "until", "until", "next week"}, 400, `"next week" is not a date`},
		{[]string{"life", "until", "until", "2026-11-20"}, 400, "has already passed"},
		{[]string{"life", "until", "until", "2026-11-29"}, 429, "too late: at most 7 days from now"},
		{[]string{"mode", "everything"}, 400, "not a mode of rights"},
		{[]string{"mode", "custom"}, 400, "No bucket is named"},
		{[]string{"bucket1", "results", "read1", "1"}, 400, "the key would reach everything"},
		{[]string{"mode", "read", "bucket2", "results", "read2", "1"}, 400, "the key would reach everything"},
		{[]string{"mode", "custom", "bucket1", "results"}, 400, "grants nothing"},
		{[]string{"mode", "custom", "bucket1", "results", "read1", "1", "prefix3", "raw/"}, 400, `"raw/" stands in a row without a bucket`},
		{[]string{"mode", "custom", "bucket1", "../x", "read1", "1"}, 400, "../x"},
	} {
		form := filled(append([]string{"prefix1", "a b&c<d"}, tc.change...)...)
		if !slices.Contains(tc.change, "bucket1") && !slices.Contains(tc.change, "prefix3") {
			form.Del("prefix1")
		}
		got := anna.post(newKey, form).is(tc.status).says(tc.says)
		for _, field := range []string{"name", "until", "bucket1", "prefix1", "bucket2", "prefix3"} {
			got.filled(field, form.Get(field))
		}
		if !strings.Contains(got.body, "<title>Error: New key") || !strings.Contains(got.body, `role="alert"`) {
			t.Errorf("%q: the page does not tell that something is wrong", tc.change)
		}
	}
	if n := len(w.keys("climate")); n != 0 {
		t.Errorf("%d keys were made", n)
	}
}

// A day means all of it in UTC, and the last day that is allowed ends when the rule says.
func TestUntilADay(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	for day, want := range map[string]time.Time{
		"2026-11-21":   time.Date(2026, 11, 21, 23, 59, 59, 0, time.UTC),
		"2026-11-22":   time.Date(2026, 11, 22, 23, 59, 59, 0, time.UTC),
		"2026-11-27":   time.Date(2026, 11, 27, 23, 59, 59, 0, time.UTC),
		" 2026-11-28 ": start.Add(168 * time.Hour), // at noon
	} {
		p := anna.post(newKey, filled("life", "until", "until", day)).redirects("/keys/*")
		id := strings.Split(p.resp.Header.Get("Location"), "/")[2]
		if got := w.stored(id).ExpiresAt; !got.Equal(want) {
			t.Errorf("until %s ends %s, want %s", day, got, want)
		}
	}
}

func TestRightsOfTheForm(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	for want, form := range map[string]url.Values{
		`{"mode":"read-write"}`: filled(), `{"mode":"read"}`: filled("mode", "read", "read1", "1"),
		`{"mode":"custom","grants":[{"bucket":"raw","write":true,"delete":true},{"bucket":"results","prefix":"2026/","read":true}]}`: filled("mode", "custom",
			"bucket1", "results", "prefix1", "2026/", "read1", "1", "bucket3", " raw ", "write3", "1", "delete3", "1", "read2", "1"),
	} {
		p := anna.post(newKey, form).redirects("/keys/*")
		if got := w.stored(strings.Split(p.resp.Header.Get("Location"), "/")[2]); string(got.Spec) != want {
			t.Errorf("rights %s, want %s", got.Spec, want)
		}
	}
	var custom credential.Credential
	for _, c := range w.keys("climate") {
		if strings.Contains(string(c.Spec), "custom") {
			custom = c
		}
	}
	anna.get("/keys/"+custom.ID).says("write, delete in the bucket raw", "read in the bucket results what begins with 2026/")
	anna.get("/projects/climate").says("chosen buckets", "read, write")
}

// The choices are those that the project allows.
func TestPresets(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	if p := anna.get(newKey).says("1 hour", "8 hours", "1 day", "7 days", "At most 7 days").hides("30 days"); p.chosen("life") != "24h0m0s" || p.chosen("mode") != "read-write" {
		t.Errorf("chosen: %s, %s", p.chosen("life"), p.chosen("mode"))
	}
	change := func(o broker.ProjectOrder) {
		_, err := w.Broker.ChangeProject(t.Context(), identity.System(), "climate", o)
		w.check(err)
	}
	def, longest, end := 36*time.Hour, 3*24*time.Hour, start.Add(30*time.Hour+7*time.Second)
	change(broker.ProjectOrder{DefaultLife: &def, MaxLife: &longest})
	if p := anna.get(newKey).says("36 hours", "3 days", "At most 3 days").hides("7 days"); p.chosen("life") != "36h0m0s" {
		t.Errorf("chosen: %s", p.chosen("life"))
	}
	change(broker.ProjectOrder{EndsAt: &end})
	p := anna.get(newKey).says("1 day", "as long as the project", "At most 30 hours").hides("36 hours")
	if p.chosen("life") != "end" {
		t.Errorf("chosen: %s", p.chosen("life"))
	}
	w.clock.Move(7 * time.Second) // the form was open for a while
	made := anna.post(newKey, filled("life", "end")).redirects("/keys/*")
	if c := w.stored(strings.Split(made.resp.Header.Get("Location"), "/")[2]); !c.ExpiresAt.Equal(end) {
		t.Errorf("ends %s, not with the project", c.ExpiresAt)
	}
	w.clock.Move(29*time.Hour + 50*time.Minute)
	anna = w.signIn("anna")
	if p := anna.get(newKey).hides("1 hour"); p.chosen("life") != "end" {
		t.Errorf("10 minutes before the end, chosen: %q", p.chosen("life"))
	}
	w.clock.Move(time.Hour)
	anna = w.signIn("anna")
	anna.get(newKey).is(http.StatusConflict).says("ended")
	anna.post(newKey, filled("life", "1h")).is(http.StatusConflict).says("ended")
	anna.get("/projects/climate").is(200).says("This project ended").hides("Create key")
	anna.get("/projects").is(200).says("the project ended")
}

// What was typed survives a sign-in that ended meanwhile.
func TestSignedOutInBetween(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	form := filled("mode", "custom", "bucket1", "results", "prefix1", "a&b", "write1", "1")
	w.clock.Move(login.BrowserIdle)
	p := anna.post(newKey, form).is(http.StatusUnauthorized).says("You were signed out", "Sign in and go on")
	_, link, _ := strings.Cut(p.body, `class="button" href="`)
	link, _, _ = strings.Cut(link, `"`)
	next := anna.get(strings.ReplaceAll(link, "&amp;", "&")).redirects("/login/local?next=*").follow()
	where, err := next.input("next")
	w.check(err)
	if strings.Contains(where, "proof") || strings.Contains(where, "once") {
		t.Errorf("the way back carries %s", where)
	}
	back := anna.post("/login/local", url.Values{"user": {"anna"}, "password": {password}, "next": {where}}).follow().is(200).
		filled("name", "rclone on lumi-login2").filled("bucket1", "results").filled("prefix1", "a&b")
	if back.chosen("mode") != "custom" || back.chosen("life") != "24h0m0s" || !strings.Contains(back.body, `name="write1" value="1" checked`) || strings.Contains(back.body, `name="read1" value="1" checked`) {
		t.Errorf("what was chosen is lost: %s", back.body)
	}
	key := w.key(anna, "climate", "x", 3*time.Hour)
	w.clock.Move(login.BrowserIdle)
	if p := anna.post("/keys/"+key.ID+"/extend", nil).is(http.StatusUnauthorized); !strings.Contains(p.body, url.QueryEscape("/keys/"+key.ID)) {
		t.Errorf("no way back to the key: %s", p.body)
	}
}

// Guides can link to a form that is filled in; rights are asked for, never taken.
func TestLinkFillsTheFormIn(t *testing.T) {
	w := newWorld(t)
	p := w.signIn("anna").get(newKey+"?name=stage-out&mode=custom&bucket1=results").is(200).filled("name", "stage-out").filled("bucket1", "results")
	if p.chosen("mode") != "custom" || !strings.Contains(p.body, `name="read1" value="1" checked`) {
		t.Errorf("the form is not filled in: %s", p.body)
	}
	if n := len(w.keys("climate")); n != 0 {
		t.Errorf("%d keys", n)
	}
}

func TestLargeFormsAreRefused(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	if p := anna.post(newKey, filled("name", strings.Repeat("x", 100<<10))); p.resp.StatusCode/100 != 4 {
		t.Errorf("%s", p.resp.Status)
	}
}
