package notice_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/session"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestOfGrants(t *testing.T) {
	c := credential.Credential{ID: "crd_1", OwnerID: "usr_1", Name: "nightly transfers"}
	for name, test := range map[string]struct {
		n                 notice.Notice
		title, text, next string
	}{
		"dead": {notice.OfGrant(c, "Helmholtz AAI", noon), "An approval waits for you to sign in again",
			"Helmholtz AAI no longer accepts the approval “nightly transfers”. It gives no new tokens until you sign in there again.",
			"Sign in again on its page, or with: lanyard token approve crd_1. What uses it"},
		"a mytoken": {notice.OfMytoken("usr_1", "crd_1", "jobs\n", noon, "192.0.2.66", "curl/8.5"), "A mytoken was ended to protect you",
			"Somebody at 192.0.2.66 with curl/8.5 used an old copy of the mytoken “jobs”. Nobody can tell whose the right one is, so it was ended, with all that were made from it.",
			"Have a new one made where it was used."},
		"one without a name": {notice.OfMytoken("usr_1", "crd_1", "", noon, "192.0.2.66", ""), "A mytoken was ended to protect you",
			"Somebody at 192.0.2.66 used an old copy of a mytoken. Nobody", "Have a new one made where it was used."},
	} {
		t.Run(name, func(t *testing.T) {
			if test.n.Title() != test.title || !strings.HasPrefix(test.n.Text(), test.text) || !strings.HasPrefix(test.n.Next(), test.next) {
				t.Errorf("%s\n%s\n%s", test.n.Title(), test.n.Text(), test.n.Next())
			}
			if test.n.Page() != "/tokens/crd_1" || test.n.AccountID != "usr_1" || !strings.HasPrefix(test.n.ID, "ntc_") || !test.n.At.Equal(noon) {
				t.Errorf("%+v", test.n)
			}
		})
	}
}

func TestOfSession(t *testing.T) {
	cli := session.Session{ID: "ses_1", AccountID: "usr_1", ClientID: "lanyard-cli", Host: "login2\u202e"}
	hub := session.Session{ID: "ses_2", AccountID: "usr_1", ClientID: "jupyterhub"}
	for name, test := range map[string]struct {
		n          notice.Notice
		text, next string
	}{
		"our command line": {notice.OfSession(notice.TokenReused, cli, noon, "192.0.2.66", "curl/8.5"),
			"Somebody at 192.0.2.66 with curl/8.5 used an old copy of the refresh token of the Lanyard command line on login2. Nobody can tell whose the right one is, so the sign-in was ended for all who had it.",
			"Sign in again there: lanyard login. A home directory"},
		"somebody's hub, from nowhere": {notice.OfSession(notice.TokenReused, hub, noon, "", ""),
			"Somebody at an unknown address used an old copy of the refresh token of jupyterhub. Nobody",
			"Sign in again there. A home directory"},
		"a code": {notice.OfSession(notice.CodeReused, hub, noon, "192.0.2.66", strings.Repeat("x", 300)),
			"Somebody at 192.0.2.66 with " + strings.Repeat("x", 100) + " used the code once more by which jupyterhub was signed in. Nobody",
			"Sign in again there."},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.HasPrefix(test.n.Text(), test.text) || !strings.HasPrefix(test.n.Next(), test.next) {
				t.Errorf("%s\n%s", test.n.Text(), test.n.Next())
			}
			if test.n.Title() != "A sign-in was ended to protect you" || test.n.Page() != "/account" || test.n.AccountID != "usr_1" || !strings.HasPrefix(test.n.ID, "ntc_") || !test.n.At.Equal(noon) {
				t.Errorf("%+v", test.n)
			}
		})
	}
}
