package portal_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/session"
)

// reuse ends a sign-in of b's, because somebody used an old refresh token of it.
func (b *browser) reuse(id, host, program string) {
	b.t.Helper()
	n := session.Session{ID: id, Kind: session.Client, AccountID: b.actor().AccountID, ClientID: "lanyard-cli", Host: host, CreatedAt: b.clock.Now(), ExpiresAt: b.clock.Now().Add(time.Hour)}
	_, err := b.store.InsertSession(b.t.Context(), n, nil, nil, audit.By(b.actor(), b.clock.Now(), "session.create", id, ""))
	b.check(err)
	b.check(b.store.EndReused(b.t.Context(), notice.OfSession(notice.TokenReused, n, b.clock.Now(), "192.0.2.66", program), audit.By(b.actor(), b.clock.Now(), "session.end", id, "")))
}

func (b *browser) notices() []notice.Notice {
	b.t.Helper()
	all, err := b.store.Notices(b.t.Context(), b.actor().AccountID)
	b.check(err)
	return all
}

// A notice stands on every page until its owner dismisses it, and leads back to the page that showed it.
func TestNoticesStandOnEveryPage(t *testing.T) {
	w := newWorld(t)
	anna, ben := w.signIn("anna"), w.signIn("ben")
	anna.get("/projects").hides("Notices", "Dismiss")
	anna.reuse("ses_1", "login2", "curl/8.5 <script>")
	w.clock.Move(3 * time.Minute)
	texts := []string{"A sign-in was ended to protect you. 3 minutes ago (Sat 21 Nov 2026, 12:00 UTC)",
		"Somebody at 192.0.2.66 with curl/8.5 <script> used an old copy of the refresh token of the Lanyard command line on login2.",
		"Sign in again there: lanyard login.", "somebody else had that sign-in, even if the address is your own: end your other sign-ins"}
	for path, status := range map[string]int{"/projects": 200, "/projects/climate": 200, "/account": 200, "/proxies": 200, "/device": 200, "/nowhere": 404, "/keys/crd_NONE": 404} {
		anna.get(path).is(status).says(texts...).filled("back", path)
		ben.get(path).hides("login2")
	}
	anna.post("/projects/climate/keys/new", url.Values{"name": {"x"}, "life": {"1h"}, "mode": {"custom"}}).is(http.StatusBadRequest).says(texts...).
		filled("back", "/projects/climate/keys/new?life=1h&mode=custom&name=x")
	w.browser().get("/login").is(http.StatusOK).hides("login2")

	dismiss := "/notices/" + anna.notices()[0].ID + "/dismiss"
	anna.get("/projects?q=clim").is(http.StatusOK).filled("back", "/projects?q=clim")
	anna.post(dismiss, url.Values{"proof": {"of another page"}}).is(http.StatusForbidden)
	ben.post(dismiss, nil).redirects("/account")
	if n := len(anna.notices()); n != 1 {
		t.Fatalf("%d notices", n)
	}
	anna.post(dismiss, url.Values{"back": {"/projects?q=clim"}}).redirects("/projects?q=clim").follow().hides("login2")
	for _, back := range []string{"", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example"} {
		anna.post(dismiss, url.Values{"back": {back}}).redirects("/account")
	}
	records, err := w.store.Audit(t.Context(), audit.Filter{Actor: anna.actor().AccountID})
	w.check(err)
	dismissed := 0
	for _, r := range records {
		if r.Action == "notice.dismiss" && r.Detail["about"] == "ses_1" && r.Detail["kind"] == "refresh_token_reused" {
			dismissed++
		}
	}
	if dismissed != 1 {
		t.Errorf("dismissed %d times", dismissed)
	}
}

// Many notices do not bury the page.
func TestManyNoticesStandInLine(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	for i := range 5 {
		anna.reuse(fmt.Sprint("ses_", i), fmt.Sprint("node", i), "")
		w.clock.Move(time.Minute)
	}
	anna.get("/projects").says("node4", "node3", "node2", "2 more will show here when you dismiss these").hides("node1", "node0")
	for _, n := range anna.notices()[:3] {
		anna.post("/notices/"+n.ID+"/dismiss", nil)
	}
	anna.get("/projects").says("node1", "node0").hides("node2", "more will show")
}
