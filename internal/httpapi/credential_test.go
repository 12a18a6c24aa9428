package httpapi_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/material"
)

// refused checks that err is a problem of the code, and returns it.
func refused(t *testing.T, err error, code string) *api.Problem {
	t.Helper()
	p, ok := errors.AsType[*api.Problem](err)
	if !ok || p.Code != code {
		t.Fatalf("got %v, want a problem with code %s", err, code)
	}
	return p
}

func TestTheLifeOfAKey(t *testing.T) {
	w := newWorld(t)
	ben := w.as(t, "ben")
	made, err := ben.CreateCredential(t.Context(), api.CredentialOrder{Kind: "s3key", Project: "462000008", Name: "rclone on lumi-login2",
		Life: 3600, S3: &api.S3Rights{Mode: "custom", Grants: []api.S3Grant{{Bucket: "results", Prefix: "run1/", Read: true}}}})
	check(t, err)
	if len(made.AccessKeyID) != 20 || len(made.SecretAccessKey) != 40 {
		t.Errorf("the key pair has %d and %d characters", len(made.AccessKeyID), len(made.SecretAccessKey))
	}
	shown, err := ben.ShowCredential(t.Context(), made.AccessKeyID)
	check(t, err)
	want := api.Credential{Schema: "lanyard/v1/s3key", ID: made.ID, Kind: "s3key", Name: "rclone on lumi-login2", Project: "462000008",
		ProjectID: made.ProjectID, Owner: "Ben Okafor", OwnerID: made.OwnerID, State: "active", AccessKeyID: made.AccessKeyID,
		Endpoint: "https://s3.example.org", Region: "lanyard", Rights: &api.S3Rights{Mode: "custom", Grants: []api.S3Grant{{Bucket: "results", Prefix: "run1/", Read: true}}},
		CreatedAt: start, ExpiresAt: start.Add(time.Hour), EndsInSeconds: 3600, ExtendUntil: start.Add(168 * time.Hour)}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}

	w.clock.Move(55 * time.Minute)
	shown, err = ben.ShowCredential(t.Context(), made.ID)
	check(t, err)
	if !shown.EndsSoon || shown.EndsInSeconds != 300 {
		t.Errorf("5 minutes before its end: ends_soon %v, ends_in_seconds %d", shown.EndsSoon, shown.EndsInSeconds)
	}
	longer, err := ben.ExtendCredential(t.Context(), made.ID, api.Extension{})
	check(t, err)
	if !longer.ExpiresAt.Equal(start.Add(55*time.Minute + 168*time.Hour)) {
		t.Errorf("extended to %s", longer.ExpiresAt)
	}
	_, err = ben.ExtendCredential(t.Context(), made.ID, api.Extension{Life: 169 * 3600})
	refused(t, err, api.Limited)

	frozen, err := ben.FreezeCredential(t.Context(), made.ID)
	check(t, err)
	if frozen.State != "frozen" || frozen.RefusedSince.IsZero() || !frozen.ExtendUntil.IsZero() {
		t.Errorf("frozen: %+v", frozen)
	}
	thawed, err := w.as(t, "anna").ThawCredential(t.Context(), made.ID) // the manager may
	check(t, err)
	if thawed.State != "active" {
		t.Errorf("thawed: %+v", thawed)
	}
	ended, err := ben.DeleteCredential(t.Context(), made.ID)
	check(t, err)
	if ended.State != "ending" && ended.State != "ended" || ended.Reason != "deleted" || ended.RefusedSince.IsZero() || ended.EndsInSeconds != 0 {
		t.Errorf("ended: %+v", ended)
	}
	_, err = ben.ExtendCredential(t.Context(), made.ID, api.Extension{})
	if p := refused(t, err, api.Conflict); p.Hint == "" {
		t.Errorf("no hint: %+v", p)
	}
}

func TestEndsSoon(t *testing.T) {
	w := newWorld(t)
	day := 24 * time.Hour
	for _, tt := range []struct {
		life, left time.Duration
		want       bool
	}{
		{time.Hour, 7 * time.Minute, false}, {time.Hour, 6 * time.Minute, true},
		{2 * day, 5 * time.Hour, false}, {2 * day, 4 * time.Hour, true},
		{7 * day, 3*day + time.Second, false}, {7 * day, 3 * day, true},
	} {
		k, err := w.as(t, "ben").CreateCredential(t.Context(), api.CredentialOrder{Kind: "s3key", Project: "462000008", Name: "x", Life: int64(tt.life / time.Second)})
		check(t, err)
		w.clock.Move(tt.life - tt.left)
		delete(w.tokens, "ben") // it lives an hour
		k, err = w.as(t, "ben").ShowCredential(t.Context(), k.ID)
		check(t, err)
		if k.EndsSoon != tt.want {
			t.Errorf("%s before the end of %s: ends_soon is %v", tt.left, tt.life, k.EndsSoon)
		}
	}
}

func TestListsGoInPages(t *testing.T) {
	w := newWorld(t)
	var want []string
	for range 5 {
		want = append([]string{w.key(t, "ben", "462000008").ID}, want...)
		w.clock.Move(time.Second)
	}
	w.key(t, "chiara", "465000123")
	ids := func(l api.List[api.Credential], err error) []string {
		check(t, err)
		got := []string{}
		for _, k := range l.Items {
			got = append(got, k.ID)
			if k.SecretAccessKey != "" || k.ExtendUntil.IsZero() {
				t.Errorf("listed: %+v", k)
			}
		}
		return got
	}
	page, err := w.as(t, "ben").ListCredentials(t.Context(), client.CredentialFilter{Limit: 2})
	if got := ids(page, err); !cmp.Equal(got, want[:2]) || page.Next == nil || page.Schema != "lanyard/v1/credential.list" || !page.ServerTime.Equal(w.clock.Now()) {
		t.Errorf("the first page is %v of %v: %+v", got, want, page)
	}
	if got := ids(w.as(t, "ben").AllCredentials(t.Context(), client.CredentialFilter{Limit: 2})); !cmp.Equal(got, want) {
		t.Errorf("all pages are %v, want %v", got, want)
	}
	if got := ids(w.as(t, "anna").AllCredentials(t.Context(), client.CredentialFilter{Project: "462000008"})); !cmp.Equal(got, want) {
		t.Errorf("the manager sees %v", got)
	}
	if got := ids(w.as(t, "anna").AllCredentials(t.Context(), client.CredentialFilter{Project: "462000008", Owner: "me"})); len(got) != 0 {
		t.Errorf("the manager's own are %v", got)
	}
	if got := ids(w.as(t, "ben").AllCredentials(t.Context(), client.CredentialFilter{States: []string{"frozen", "ended"}})); len(got) != 0 {
		t.Errorf("frozen and ended are %v", got)
	}
	_, err = w.as(t, "ben").ListCredentials(t.Context(), client.CredentialFilter{States: []string{"forzen"}})
	refused(t, err, api.Invalid)
}

// TestOnceOnly is INV-7: the same Idempotency-Key with the same request has one effect and one
// answer, also when the requests arrive together.
func TestOnceOnly(t *testing.T) {
	w := newWorld(t)
	token := w.token(t, "ben")
	order := `{"kind":"s3key","project":"462000008","name":"once"}`
	answers := make([]answer, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			answers[i] = w.send(t, token, "POST", "/api/v1/credentials", order, "Idempotency-Key: k1")
		})
	}
	wg.Wait()
	replayed := 0
	for _, a := range answers {
		if a.status != 201 || a.body != answers[0].body || a.header.Get("Location") != answers[0].header.Get("Location") {
			t.Errorf("answers differ: %d %s", a.status, a.body)
		}
		if a.header.Get("Idempotency-Replayed") == "true" {
			replayed++
		}
	}
	all, err := w.as(t, "ben").AllCredentials(t.Context(), client.CredentialFilter{})
	check(t, err)
	if len(all.Items) != 1 || replayed != len(answers)-1 {
		t.Errorf("%d keys were made, %d answers were replayed", len(all.Items), replayed)
	}
	for _, tt := range []struct{ method, path, body string }{
		{"POST", "/api/v1/credentials", `{"kind":"s3key","project":"462000008","name":"twice"}`},
		{"POST", "/api/v1/credentials/" + all.Items[0].ID + "/freeze", ""},
	} {
		if a := w.send(t, token, tt.method, tt.path, tt.body, "Idempotency-Key: k1"); a.problem(t).Code != api.Conflict {
			t.Errorf("another request under the same key: %d %s", a.status, a.body)
		}
	}
	for range 2 { // a second deletion under its key is the first one's answer
		if a := w.send(t, token, "DELETE", "/api/v1/credentials/"+all.Items[0].ID, "", "Idempotency-Key: k2"); a.status != 200 {
			t.Errorf("delete: %d %s", a.status, a.body)
		}
	}
	if a := w.send(t, token, "POST", "/api/v1/credentials", order, "Idempotency-Key: "+strings.Repeat("k", 256)); a.problem(t).Code != api.Invalid {
		t.Errorf("a key that is too long: %d %s", a.status, a.body)
	}
}

func TestSecretsAreShownOnceOrAlways(t *testing.T) {
	w := newWorld(t)
	k := w.key(t, "ben", "462000008")
	_, err := w.as(t, "ben").CredentialSecret(t.Context(), k.ID)
	refused(t, err, api.Denied)
	text, err := w.as(t, "ben").Configuration(t.Context(), k.ID, "rclone")
	check(t, err)
	if !strings.Contains(text.Reveal(), "PUT-THE-SECRET-HERE") || strings.Contains(text.Reveal(), k.SecretAccessKey.Reveal()) {
		t.Errorf("without the secret the file reads %s", text.Reveal())
	}

	w.Broker.Reveal = true
	again, err := w.as(t, "ben").CredentialSecret(t.Context(), k.ID)
	check(t, err)
	if again.SecretAccessKey != k.SecretAccessKey {
		t.Error("another secret came back")
	}
	_, err = w.as(t, "anna").CredentialSecret(t.Context(), k.ID) // not even the manager
	refused(t, err, api.Denied)
	for name, want := range map[string]string{"ben": k.SecretAccessKey.Reveal(), "anna": "PUT-THE-SECRET-HERE"} {
		text, err := w.as(t, name).Configuration(t.Context(), k.ID, "rclone")
		check(t, err)
		if !strings.Contains(text.Reveal(), want) || !strings.Contains(text.Reveal(), "lumi-462000008-private") || !strings.Contains(text.Reveal(), k.AccessKeyID) {
			t.Errorf("%s gets %s", name, text.Reveal())
		}
	}
}

func TestConfigurationsAreDownloads(t *testing.T) {
	w := newWorld(t)
	k := w.key(t, "ben", "462000008")
	list, err := w.as(t, "ben").ListConfigurations(t.Context(), k.ID)
	check(t, err)
	if len(list.Items) != 2 || list.Items[0] != (api.Configuration{Client: "rclone", Title: "rclone", Path: "~/.config/rclone/rclone.conf"}) {
		t.Errorf("the list is %+v", list.Items)
	}
	a := w.send(t, w.token(t, "ben"), "GET", "/api/v1/credentials/"+k.ID+"/configurations/rclone", "")
	if got := a.header.Get("Content-Disposition"); got != `attachment; filename="rclone.conf"` {
		t.Errorf("Content-Disposition is %s", got)
	}
	if got := a.header.Get("Content-Type"); got != "text/plain; charset=utf-8" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers are %v", a.header)
	}
	_, err = w.as(t, "ben").Configuration(t.Context(), k.ID, "wget")
	refused(t, err, api.NotFound)
}

func TestRobots(t *testing.T) {
	w := newWorld(t)
	made, err := w.as(t, "anna").CreateRobot(t.Context(), "462000008", api.RobotOrder{Name: "nightly", Scopes: []string{"s3:read", "s3:write"}, Life: 86400})
	check(t, err)
	if made.Token == "" || made.Project != "462000008" || made.State != "active" || !made.ExpiresAt.Equal(start.Add(24*time.Hour)) {
		t.Errorf("made: %+v", made)
	}
	robot := w.with(t, made.Token)
	who, err := robot.WhoAmI(t.Context())
	check(t, err)
	if who.Kind != "robot" || who.Name != "nightly" || !cmp.Equal(who.Scopes, []string{"s3:read", "s3:write"}) {
		t.Errorf("it is %+v", who)
	}
	k, err := robot.CreateCredential(t.Context(), api.CredentialOrder{Kind: "s3key", Project: "462000008", Name: "of the robot"})
	check(t, err)
	if k.ExtendUntil.IsZero() {
		t.Error("a robot is not told how far it may extend its key")
	}
	_, err = robot.ListProjects(t.Context())
	refused(t, err, api.Denied)
	list, err := w.as(t, "anna").ListRobots(t.Context(), "462000008")
	check(t, err)
	if len(list.Items) != 1 || list.Items[0].Token != "" || list.Items[0].ID != made.ID {
		t.Errorf("listed: %+v", list.Items)
	}
	_, err = w.as(t, "ben").CreateRobot(t.Context(), "462000008", api.RobotOrder{Name: "mine"})
	refused(t, err, api.Denied)
	check(t, w.as(t, "anna").DeleteRobot(t.Context(), made.ID))
	_, err = robot.WhoAmI(t.Context())
	refused(t, err, api.Unauthenticated)
}

func TestNoSecretIsLogged(t *testing.T) {
	w := newWorld(t)
	k := w.key(t, "ben", "462000008")
	made, err := w.as(t, "anna").CreateRobot(t.Context(), "462000008", api.RobotOrder{Name: "nightly"})
	check(t, err)
	w.send(t, w.token(t, "ben"), "POST", "/api/v1/credentials?token="+made.Token.Reveal(), `{"name":"`+made.Token.Reveal()+`"}`)
	w.send(t, "wrong-canary", "GET", "/api/v1/whoami", "")
	for name, secret := range map[string]material.Secret{"secret": k.SecretAccessKey, "robot's token": made.Token, "ben's token": w.token(t, "ben"),
		"anna's token": w.token(t, "anna"), "wrong token": "wrong-canary"} {
		if strings.Contains(w.log.String(), secret.Reveal()) {
			t.Errorf("the log holds the %s", name)
		}
	}
}
