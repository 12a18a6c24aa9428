package portal_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/portal"
	"github.com/lanyardhq/lanyard/material"
)

// secretOf is the secret that a page shows.
func secretOf(p page) string {
	m := regexp.MustCompile(`id="secret" readonly value="([A-Z0-9]{40})"`).FindStringSubmatch(p.body)
	if m == nil {
		return ""
	}
	return m[1]
}

func TestSecretIsShownOnce(t *testing.T) {
	w := newWorld(t)
	anna, elsewhere, ben := w.signIn("anna"), w.signIn("anna"), w.signIn("ben")
	made := anna.post(newKey, filled()).redirects("/keys/*")
	link, _ := url.Parse(made.resp.Header.Get("Location"))
	id, once := strings.Split(link.Path, "/")[2], link.Query().Get("once")
	shown := made.follow().is(200).says("The secret is shown only now", "rclone on lumi-login2", "Easiest", "lanyard configure rclone --project climate", "s3cmd", "[lanyard-climate-private]")
	secret := secretOf(shown)
	c := w.stored(id)
	if len(secret) != 40 || !strings.Contains(shown.body, c.PublicID) || shown.resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("the page shows no key: %s", shown.words())
	}
	if secretOf(anna.get(link.String())) != secret {
		t.Error("a reload does not show it again")
	}
	// What is downloaded is what the page shows, and what lanyard configure would write.
	for _, target := range w.Targets {
		a := deliver.Access{Name: "lanyard-climate", Project: "climate", Endpoint: w.Endpoint, Region: w.Region, ExpiresAt: c.ExpiresAt,
			Keys: material.S3Keys{AccessKeyID: c.PublicID, SecretAccessKey: material.Secret(secret)}}
		_, want := target.Snippet(a)
		file := anna.get("/keys/" + id + "/secret/" + target.Name() + "?once=" + once).is(200)
		if file.body != want || !strings.Contains(html.UnescapeString(shown.body), want) {
			t.Errorf("%s: downloaded\n%s\nwant\n%s", target.Name(), file.body, want)
		}
		name := map[string]string{"rclone": "rclone.conf", "s3cmd": "s3cfg-lanyard-climate"}[target.Name()]
		if got := file.resp.Header.Get("Content-Disposition"); got != `attachment; filename="`+name+`"` {
			t.Errorf("%s: %s", target.Name(), got)
		}
	}
	anna.get("/keys/" + id + "/secret/winscp?once=" + once).is(404)
	// The link alone is worth nothing: not in another session, for another person, or for another key.
	other := w.key(anna, "climate", "other", time.Hour)
	for _, p := range []page{elsewhere.get(link.String()), elsewhere.get("/keys/" + id + "/secret/rclone?once=" + once), ben.get(link.String()), w.browser().get(link.String()),
		anna.get("/keys/" + other.ID + "/secret?once=" + once), anna.get("/keys/" + id + "/secret?once=" + once[1:]), anna.get("/keys/" + id + "/secret")} {
		if p.resp.StatusCode == 200 {
			t.Errorf("%s: %s", p.what, p.resp.Status)
		}
		p.hides(secret)
	}
	elsewhere.post("/keys/"+id+"/stored", url.Values{"once": {once}}).redirects("/keys/" + id + "?done=stored") // and nothing happens
	anna.get(link.String()).is(200)
	anna.post("/keys/"+id+"/stored", url.Values{"once": {once}}).redirects("/keys/" + id + "?done=stored").follow().is(200).says("will not be shown again").hides(secret)
	anna.get(link.String()).is(http.StatusGone).says("no longer shown", "Create a new key if you did not keep the secret").hides(secret)
	anna.get("/keys/" + id + "/secret/rclone?once=" + once).is(404).hides(secret)
	if strings.Contains(w.log.String(), secret) || strings.Contains(w.log.String(), once) {
		t.Error("the log tells it")
	}
}

func TestSecretIsShownForTenMinutes(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	made := anna.post(newKey, filled())
	w.clock.Move(10*time.Minute - time.Second)
	made.follow().is(200)
	w.clock.Move(time.Second)
	made.follow().is(http.StatusGone)
	made = anna.post(newKey, filled())
	anna.post("/logout", nil)
	made.follow().redirects("/login*") // and nobody who signs in here afterwards sees it
	anna.post("/login/local", url.Values{"user": {"anna"}, "password": {password}})
	made.follow().is(http.StatusGone)
}

// Where the operator lets owners see secrets again, they do, and nobody else does.
func TestRevealAlways(t *testing.T) {
	w := newWorld(t, func(p *portal.Portal, _ *login.Config) { p.Broker.Reveal = true })
	anna, ben := w.signIn("anna"), w.signIn("ben")
	made := ben.post(newKey, filled()).redirects("/keys/*").follow().is(200).says("You can see it again").hides("only now")
	key := w.keys("climate")[0]
	ben.get("/keys/" + key.ID).says("Show the secret")
	again := ben.post("/keys/"+key.ID+"/secret", nil).redirects("/keys/" + key.ID + "/secret?once=*").follow().is(200)
	if secretOf(again) == "" || secretOf(again) != secretOf(made) {
		t.Error("another secret is shown")
	}
	ben.get("/keys/" + key.ID).says("its secret shown again by Ben Okafor")
	anna.get("/keys/" + key.ID).hides("Show the secret")
	anna.post("/keys/"+key.ID+"/secret", nil).is(http.StatusForbidden).says("Only its owner")
	ben.post("/keys/"+key.ID+"/delete", nil)
	ben.get("/keys/" + key.ID).hides("Show the secret")
	ben.post("/keys/"+key.ID+"/secret", nil).is(http.StatusConflict)

	strict := newWorld(t)
	chiara := strict.signIn("chiara")
	key = strict.key(chiara, "ocean", "x", time.Hour)
	chiara.get("/keys/" + key.ID).hides("Show the secret")
	chiara.post("/keys/"+key.ID+"/secret", nil).is(http.StatusForbidden).says("only once")
}
