package portal_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/portal"
)

func TestChooser(t *testing.T) {
	none := newWorld(t, func(_ *portal.Portal, c *login.Config) { c.Local.Users = nil })
	none.browser().get("/login").is(200).says("Nobody can sign in yet")

	one := newWorld(t)
	one.browser().get("/login").is(200).says("Continue with Local account") // after signing out, say
	one.browser().get("/login?next=/device").redirects("/login/local?next=%2Fdevice").follow().is(200).says("approve the request of a computer")

	broken := httptest.NewServer(http.NotFoundHandler())
	defer broken.Close()
	many := newWorld(t, func(_ *portal.Portal, c *login.Config) {
		c.Providers = []login.Provider{{ID: "myaccessid", Title: "MyAccessID", Issuer: broken.URL, ClientID: "lanyard"}, {ID: "haka", Title: "HAKA", Issuer: broken.URL + "/haka", ClientID: "lanyard"}}
	})
	titles := func(p page) []string {
		var out []string
		for _, m := range regexp.MustCompile(`Continue with ([^<]+)`).FindAllStringSubmatch(p.body, -1) {
			out = append(out, m[1])
		}
		return out
	}
	b := many.browser()
	p := b.get("/login?next=/device").is(200).says("approve the request of a computer")
	if got := titles(p); !slices.Equal(got, []string{"MyAccessID", "HAKA", "Local account"}) {
		t.Errorf("choices %q", got)
	}
	// One that is down says so, and stays a choice.
	down := b.get("/login/start/haka?next=/device").is(http.StatusForbidden).says("HAKA does not answer", "Request req_", "did not answer just now", "approve the request")
	if got := titles(down); len(got) != 3 || !strings.Contains(down.body, `href="/login/start/haka?next=%2fdevice"`) && !strings.Contains(down.body, `href="/login/start/haka?next=%2Fdevice"`) {
		t.Errorf("choices %q: %s", got, down.body)
	}
	if !strings.Contains(many.log.String(), "sign-in failed") {
		t.Errorf("the log says %s", many.log.String())
	}
	b.get("/login/callback/haka?error=access_denied&state=x").is(http.StatusForbidden).says("Begin again")
	b.get("/login/start/nowhere").is(http.StatusForbidden).says(`There is no sign-in provider "nowhere"`)
	// The way of last time is on top, next time; an odd cookie moves nothing.
	b.post("/login/local", url.Values{"user": {"anna"}, "password": {password}})
	b.post("/logout", url.Values{"proof": {b.get("/projects").proof}}).redirects("/login")
	if got := titles(b.get("/login").says("as last time")); got[0] != "Local account" || len(got) != 3 {
		t.Errorf("choices %q", got)
	}
	b.cookies["lanyard-provider"] = "nowhere"
	if got := titles(b.get("/login").hides("as last time")); got[0] != "MyAccessID" {
		t.Errorf("choices %q", got)
	}
	// Who is signed in goes on, unless another sign-in is asked for.
	anna := many.signIn("anna")
	anna.get("/login?next=/account").redirects("/account")
	anna.get("/login?next=/account&again=1").is(200)
}

func TestWrongPassword(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	form := url.Values{"user": {"anna"}, "password": {"wrong horse"}, "next": {"/device?user_code=A"}}
	p := b.post("/login/local", form).is(http.StatusForbidden).filled("user", "anna").filled("next", "/device?user_code=A").filled("password", "").hides("wrong horse")
	stranger := w.browser().post("/login/local", url.Values{"user": {"nobody"}, "password": {"wrong horse"}}).is(http.StatusForbidden)
	if p.words() != strings.Replace(stranger.words(), "Sign in to Test site ", "Sign in to Test site Sign in to approve the request of a computer. ", 1) {
		t.Errorf("a wrong name reads otherwise:\n%s\n%s", p.words(), stranger.words())
	}
	for range 10 {
		b.post("/login/local", form)
	}
	b.post("/login/local", form).is(http.StatusForbidden).says("oo many")
	if strings.Contains(w.log.String(), "wrong horse") {
		t.Error("the log tells the password")
	}
}

// ask starts a device request.
func (w *world) ask(scopes ...identity.Scope) login.DeviceCode {
	w.t.Helper()
	d, err := w.Login.StartDevice(w.t.Context(), login.DeviceRequest{ClientID: "lanyard-cli", Host: "lumi-login2.csc.fi", Scopes: scopes}, login.Request{Address: "198.51.100.7"})
	w.check(err)
	return d
}

func TestDevice(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	d := w.ask("openid", "profile", "offline_access", identity.ReadKeys, identity.WriteKeys)
	w.clock.Move(20 * time.Second)
	anna.get("/device?user_code="+d.UserCode).is(200).filled("user_code", d.UserCode).hides("Approve", "lumi-login2") // a link only fills in
	typed := url.QueryEscape(" " + strings.ToLower(strings.ReplaceAll(d.UserCode, "-", " ")))
	anna.get("/device?check=1&user_code="+typed).is(200).says("Do you want to let this computer act for you?", "Lanyard command line", "lumi-login2.csc.fi (says the program)", "198.51.100.7",
		"20 seconds ago", d.UserCode, "make, extend and end S3 keys", "see your S3 keys (not their secrets)", "know your name and e-mail address", "at the latest in 30 days").
		hides("openid", "offline_access", "profile ", "see your projects", "everything")
	anna.post("/device", url.Values{"user_code": {d.UserCode}, "decision": {"approve"}}).is(200).says("Done. You can close this page and go back to the terminal.")
	anna.post("/device", url.Values{"user_code": {d.UserCode}, "decision": {"approve"}}).is(http.StatusConflict).says("approved already").filled("user_code", d.UserCode)

	d = w.ask()
	anna.get("/device?check=1&user_code=" + d.UserCode).says("do everything in Lanyard that you can")
	anna.post("/device", url.Values{"user_code": {d.UserCode}}).is(200).says("The request was refused") // anything but approve
	d = w.ask("openid")
	anna.get("/device?check=1&user_code="+d.UserCode).says("know your name").hides("everything in Lanyard", "see your")
	d = w.ask("openid", "offline_access", "storage.modify:/climate")
	anna.get("/device?check=1&user_code="+d.UserCode).says("use other services for you, with the right", "storage.modify:/climate").hides("offline_access")
	w.clock.Move(10 * time.Minute)
	anna.get("/device?check=1&user_code="+d.UserCode).is(http.StatusNotFound).says("or it has ended", "run the command again").filled("user_code", d.UserCode)
	anna.post("/device", url.Values{"user_code": {d.UserCode}, "decision": {"approve"}}).is(http.StatusNotFound).says("or it has ended")
	for range 5 {
		anna.get("/device?check=1&user_code=AAAA-AAAA")
	}
	anna.get("/device?check=1&user_code=AAAA-AAAA").is(http.StatusTooManyRequests).says("oo many")
}

// What was lost is signed out from any other browser, and only by its owner.
func TestAccount(t *testing.T) {
	w := newWorld(t)
	laptop, anna, ben := w.signIn("anna"), w.signIn("anna"), w.signIn("ben")
	lost := laptop.actor().SessionID
	anna.get("/account").is(200).says("Anna Virtanen", "anna@example.org", "Local account, as anna", anna.actor().AccountID, "Browser", "this one", "End")
	ben.post("/account/sessions/"+lost+"/end", nil).is(http.StatusNotFound)
	laptop.get("/projects").is(200)
	anna.post("/account/sessions/"+lost+"/end", nil).redirects("/account?done=ended").follow().says("signed out")
	laptop.get("/projects").redirects("/login*")
	d := w.ask(identity.ReadKeys)
	anna.post("/device", url.Values{"user_code": {d.UserCode}, "decision": {"approve"}})
	_, err := w.Login.PollDevice(t.Context(), login.Redemption{ClientID: "lanyard-cli", Proof: d.Code}, login.Request{Address: "198.51.100.7"})
	w.check(err)
	anna.get("/account").says("Lanyard command line on lumi-login2.csc.fi")
}

// Whatever goes wrong inside is told by a number that the log has too, and nothing else.
func TestInternalErrorsTellNothing(t *testing.T) {
	w := newWorld(t, func(p *portal.Portal, _ *login.Config) { p.Help = "https://help.example/" })
	anna := w.signIn("anna")
	if p := anna.get("/projects"); !strings.Contains(p.body, `<a href="https://help.example/">Help</a>`) {
		t.Errorf("no link to help: %s", p.body)
	}
	w.check(w.store.Close())
	for _, path := range []string{"/projects", "/keys/crd_X", "/account"} {
		p := anna.get(path).is(http.StatusInternalServerError).says("Something went wrong here", "not your fault", "ask for help").hides("sql", "database", "closed", "goroutine")
		id := p.resp.Header.Get("X-Request-Id")
		p.says("Request " + id)
		if !strings.Contains(w.log.String(), id) || !strings.Contains(w.log.String(), "closed") {
			t.Errorf("the log does not tell of %s: %s", id, w.log.String())
		}
	}
}
