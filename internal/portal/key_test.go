package portal_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// The life of a key as its page tells it.
func TestKeyPage(t *testing.T) {
	w := newWorld(t)
	ben := w.signIn("ben")
	key := w.key(ben, "climate", "nightly", 24*time.Hour)
	at := "/keys/" + key.ID
	ben.get(at).is(200).says("Key “nightly”", "active", key.PublicID, "Ends in 1 day (Sun 22 Nov 2026, 12:00 UTC)", "Last used never",
		"It would then end in 7 days (Sat 28 Nov 2026, 12:00 UTC)", "just now (Sat 21 Nov 2026, 12:00 UTC): created by Ben Okafor from 192.0.2.", ", to end in 1 day").
		hides("s3key.create", "Thaw", "Show the secret")
	ben.post(at+"/extend", nil).redirects(at+"?done=extended").follow().says("The key has a new end", "Ends in 7 days", "extended by Ben Okafor", "already ends as late as is allowed").hides("It would then end")
	ben.post(at+"/freeze", nil).redirects(at+"?done=frozen&since="+strconv.FormatInt(start.Unix(), 10)).follow().
		says("The key is frozen", "Every gateway has refused it since Sat 21 Nov 2026, 12:00:00 UTC", "❄ frozen", "Thaw").hides("Extend")
	ben.post(at+"/extend", nil).is(http.StatusConflict).says("cannot be extended")
	ben.post(at+"/thaw", nil).redirects(at+"?done=thawed").follow().says("works again", "active")
	w.check(w.Broker.RecordUses(t.Context(), []credential.Use{{CredentialID: key.ID, At: start, By: "rclone from lumi-login2"}}))
	w.clock.Move(3 * time.Minute)
	ben.get(at).says("Last used 3 minutes ago (Sat 21 Nov 2026, 12:00 UTC) by rclone from lumi-login2")
	w.clock.Move(4*24*time.Hour + time.Minute)
	ben = w.signIn("ben")
	ben.get(at).says("◔ ends soon")
	anna := w.signIn("anna")
	anna.post(at+"/freeze", nil).redirects(at + "?done=frozen*")
	_, err := w.Broker.Freeze(t.Context(), identity.Actor{Name: "root", Operator: true, RequestID: "req_op", Client: "cli"}, key.ID, audit.Once{})
	w.check(err)
	ben.get(at).says("frozen: the operator stopped it", "You cannot thaw it", "frozen by Anna Virtanen from 192.0.0.0/16", "frozen: the operator stopped it by the operator").hides("Thaw ")
	w.clock.Move(3 * 24 * time.Hour)
	ben = w.signIn("ben")
	ben.get(at).says("○ expired", "never comes back").hides("Delete…", "Freeze", "Extend")
	_, err = w.Broker.End(t.Context(), identity.System(), key.ID, audit.Once{})
	w.check(err)
	ben.get(at).says("○ deleted", "Ended just now").hides("never comes back “")
}

// Deleting asks for the name where somebody would notice, and tells since when the key is refused.
func TestDelete(t *testing.T) {
	w := newWorld(t)
	anna, ben := w.signIn("anna"), w.signIn("ben")
	del := func(c credential.Credential) string { return "/keys/" + c.ID + "/delete" }

	idle := w.key(ben, "climate", "idle", time.Hour)
	ben.get(del(idle)).is(200).says("Delete key “idle”?", "cannot be undone").hides("Type its name")
	w.clock.Move(90 * time.Second)
	done := ben.post(del(idle), nil).redirects("/keys/" + idle.ID + "?done=deleted&since=*").follow()
	done.says("refused for good", "Every gateway has refused it since Sat 21 Nov 2026, 12:01:30 UTC", "○ deleted", "deleted by Ben Okafor", "Create a new one")
	ben.get("/projects/climate").hides(">idle<")
	ben.get("/projects/climate?ended=1").says("idle", "deleted")

	busy := w.key(ben, "climate", "busy <key>", time.Hour)
	w.check(w.Broker.RecordUses(t.Context(), []credential.Use{{CredentialID: busy.ID, At: w.clock.Now(), By: "aws-cli from n0012"}}))
	ben.get(del(busy)).says("It was used just now", "by aws-cli from n0012", "Type its name")
	for _, typed := range []string{"", "busy", "BUSY <KEY>"} {
		ben.post(del(busy), url.Values{"name": {typed}}).is(http.StatusBadRequest).says("That is not the key's name. Nothing was deleted; type busy <key>.")
	}
	if c := w.stored(busy.ID); c.Status != credential.Active {
		t.Errorf("it is %s", c.Status)
	}
	ben.post(del(busy), url.Values{"name": {" busy <key> "}}).redirects("/keys/*")

	theirs := w.key(ben, "climate", "bens", time.Hour)
	anna.get(del(theirs)).says("It belongs to Ben Okafor", "Type its name")
	anna.post(del(theirs), nil).is(http.StatusBadRequest)
	w.gatewayDown = true
	anna.post(del(theirs), url.Values{"name": {"bens"}}).redirects("/keys/"+theirs.ID+"?done=unsure").follow().
		says("written down for good", "Not every gateway has confirmed", "○ deleted").hides("Every gateway has refused")
}

// A link that claims what is not so says nothing.
func TestNoticesAreTrue(t *testing.T) {
	w := newWorld(t)
	ben := w.signIn("ben")
	live, dead := w.key(ben, "climate", "a", 100*time.Hour), w.key(ben, "climate", "b", 100*time.Hour)
	ben.post("/keys/"+dead.ID+"/delete", nil)
	for _, since := range []int64{0, -1, start.Add(time.Hour).Unix(), start.Unix(), 1 << 62} {
		q := fmt.Sprintf("&since=%d", since)
		ben.get("/keys/"+live.ID+"?done=deleted"+q).hides("refused for good", "Every gateway")
		ben.get("/keys/"+live.ID+"?done=frozen"+q).hides("The key is frozen", "Every gateway")
		ben.get("/keys/" + live.ID + "?done=extended" + q).says("a new end").hides("Every gateway")
		ben.get("/keys/"+dead.ID+"?done=thawed"+q).hides("works again", "Every gateway")
		p := ben.get("/keys/" + dead.ID + "?done=deleted" + q).says("refused for good")
		if said := strings.Contains(p.words(), "Every gateway"); said != (since == start.Unix()) {
			t.Errorf("since=%d: a receipt is shown: %t", since, said)
		}
	}
	ben.get("/keys/"+live.ID+"?done=<script>alert(1)</script>").is(200).hides("alert", "role=\"status\"><p>")
}

// Who left the project still sees what became of their keys.
func TestKeyOfSomebodyWhoLeft(t *testing.T) {
	w := newWorld(t)
	anna, ben := w.signIn("anna"), w.signIn("ben")
	key := w.key(ben, "climate", "x", time.Hour)
	_, err := w.Broker.RemoveMember(t.Context(), anna.actor(), "climate", ben.actor().AccountID)
	w.check(err)
	ben.get("/keys/"+key.ID).is(200).says("frozen: its owner left the project", "You cannot thaw it")
	ben.post("/keys/"+key.ID+"/thaw", nil).is(http.StatusConflict)
	anna.get("/keys/" + key.ID).says("Thaw")
}

func TestLists(t *testing.T) {
	w := newWorld(t)
	anna, ben := w.signIn("anna"), w.signIn("ben")
	anna.get("/projects/climate").says("No keys here", "Create one").hides("Search name")
	for i := range 58 {
		w.key(ben, "climate", fmt.Sprintf("job %02d", i), time.Hour)
	}
	needle := w.key(anna, "climate", "needle", time.Hour)
	rows := func(p page) int { return strings.Count(p.body, `<a href="/keys/crd_`) }
	first := anna.get("/projects/climate").says("Older keys", "Search name, access key or owner", "Newest first")
	if rows(first) != 50 {
		t.Errorf("%d rows", rows(first))
	}
	_, link, _ := strings.Cut(first.body, `<p class="links"><a href="`)
	link, _, _ = strings.Cut(link, `"`)
	second := anna.get(strings.ReplaceAll(link, "&amp;", "&")).says("Back to all").hides("Older keys")
	if rows(second) != 9 {
		t.Errorf("%d rows on the second page", rows(second))
	}
	for q, want := range map[string]int{"needle": 1, "NEEDLE ": 1, needle.PublicID[3:12]: 1, "anna v": 1, "job 0": 10, "ben okafor": 50, "no such": 0} {
		if p := anna.get("/projects/climate?q=" + url.QueryEscape(q)).is(200); rows(p) != want {
			t.Errorf("%q finds %d keys, want %d", q, rows(p), want)
		}
	}
	anna.get("/projects/climate?q=okafor").says("58 matches, the newest 50 of them shown")
	anna.get("/projects/climate?q=needle").says("1 match ")
	anna.get("/projects/climate?q=no+such").says("No key matches “no such”", "Back to all")
	if p := anna.get("/projects/climate?q=job&mine=1"); rows(p) != 0 {
		t.Errorf("%d keys of others", rows(p))
	}
}
