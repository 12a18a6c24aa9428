package token_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
)

func TestList(t *testing.T) {
	p := newPerson(t)
	retrying := helmholtz("valid")
	retrying.Name, retrying.Grant.Provider, retrying.Grant.Health, retrying.Grant.HealthSince = "wlcg", "wlcg", "retrying", now.Add(-time.Hour)
	w := p.serve(map[string]func(call) (int, any){"GET /credentials": list(helmholtz("revoked"), retrying, helmholtz("ends_soon")),
		"GET /providers": ok(api.List[api.Provider]{Items: []api.Provider{{ID: "helmholtz", Title: "Helmholtz AAI", Issuer: "https://login.test/", Scopes: []string{"openid"}, Health: "fine"},
			{ID: "wlcg", Health: "retrying", HealthSince: now.Add(-time.Minute)}}})})
	p.must("list")
	p.sees(&p.out, "NAME       PROVIDER   FOR                      SCOPES      LEFT    RENEWED   STATE\n",
		"helmholtz  helmholtz  HTCondor at punch-login  read write  7 days  41 times  revoked: sign in again\n",
		"wlcg       wlcg       HTCondor at punch-login  read write  7 days  41 times  valid, retrying since 11:00\n",
		"read write  1 hour  41 times  less than a day left\n")
	p.sees(&p.errs, "helmholtz: lanyard token approve helmholtz\n")
	if q := w.asked()[0].Query; strings.Contains(q, "project") {
		t.Errorf("asked for the grants of a project: %s", q)
	}
	if got := p.must("list", "--providers", "-o", "value"); got != "helmholtz\nwlcg\n" {
		t.Errorf("printed %q", got)
	}
	p.must("list", "--providers")
	p.sees(&p.out, "helmholtz  Helmholtz AAI  https://login.test/  openid  fine\n", "retrying, since 1 min ago\n")
}

func TestShowAndHistory(t *testing.T) {
	p := newPerson(t)
	p.serve(map[string]func(call) (int, any){
		"GET /credentials/helmholtz/grant": ok(helmholtz("valid")),
		"GET /credentials/crd_H/subgrants": ok(api.List[api.Subgrant]{Items: []api.Subgrant{{ID: "sub_1", Name: "htcondor", State: "active", ExpiresAt: now.Add(2 * time.Hour)},
			{ID: "sub_2", ParentID: "sub_1", Application: "rclone", State: "ended", Reason: "revoked"}}}),
		"GET /audit": func(k call) (int, any) {
			if k.Query != "subject=crd_H" {
				t.Errorf("asked for %s", k.Query)
			}
			return 200, api.List[api.AuditRecord]{Items: []api.AuditRecord{{At: now, Action: "grant.approve", ActorName: "Anna", Address: "192.0.2.1"}}}
		}})
	p.must("show", "helmholtz")
	p.sees(&p.out, "Valid, with a remaining life of 6 days 23 hours 59 minutes 58 seconds.", "41 times, last 12 min ago, next in 18 min", "token ends             in 41 min",
		"passed on\n  htcondor  active, ends in 2 hours  sub_1\n    rclone  ended (revoked)  sub_2\n")
	if got := p.must("show", "helmholtz", "--json"); !strings.Contains(got, `"id":"crd_H"`) || !strings.Contains(got, `"subgrants":[{"id":"sub_1"`) {
		t.Errorf("printed %s", got)
	}
	p.must("history", "helmholtz")
	p.sees(&p.out, "Sat 21 Nov 2026, 12:00 UTC  grant.approve  Anna  192.0.2.1\n")
	p.fails(console.NotFound, []string{"show", "none"}, "✗ Not here.")
}

// TestRevoke says what stops before it does so.
func TestRevoke(t *testing.T) {
	p := newPerson(t)
	used := helmholtz("valid")
	used.LastUsedAt, used.LastUsedBy = now.Add(-3*time.Minute), "lanyard/1.2.3"
	ending := api.Credential{ID: "crd_H", Kind: "grant", Name: "helmholtz", State: "ending"}
	w := p.serve(map[string]func(call) (int, any){"GET /credentials": list(used), "DELETE /credentials/crd_H": ok(ending),
		"GET /credentials/crd_H/subgrants": ok(api.List[api.Subgrant]{Items: []api.Subgrant{{ID: "sub_1", State: "active"}, {ID: "sub_2", State: "ended"}}})})
	p.fails(console.Misuse, []string{"revoke", "helmholtz"},
		"helmholtz is in use: mytokens that come of it end too: 1; it was used 3 min ago by lanyard/1.2.3; it is for HTCondor at punch-login", "--yes")
	for _, k := range w.asked() {
		if strings.HasPrefix(k.Line, "DELETE") {
			t.Error("revoked without being sure")
		}
	}
	p.terminal, p.in, p.env["NO_COLOR"] = true, "helmholtz\n", "1"
	p.must("revoke", "helmholtz")
	p.sees(&p.out, "✓ helmholtz is revoked: no more tokens come of it\n")
	p.sees(&p.errs, "Tokens that were handed out may be accepted until Sat 21 Nov 2026, 12:41 UTC", "The provider is being told (lanyard token show crd_H)", "Approve anew: lanyard token approve helmholtz")
	p.fails(console.NotFound, []string{"revoke", "other"}, `✗ Cannot revoke other: you have no grant that is called "other"`)
}

// TestRevokeMytoken ends what was passed on, with all that came of it.
func TestRevokeMytoken(t *testing.T) {
	p := newPerson(t)
	w := p.serve(map[string]func(call) (int, any){"DELETE /subgrants/sgr_1": ok(nil)})
	p.must("revoke", "sgr_1")
	p.sees(&p.out, "✓ sgr_1 is revoked, and all that came of it\n")
	if calls := w.asked(); len(calls) != 1 || calls[0].Query != "recursive=true" {
		t.Errorf("asked %v", calls)
	}
	p.fails(console.NotFound, []string{"revoke", "sgr_2"}, "✗ Cannot revoke sgr_2: not here.")
	p.fails(console.Misuse, []string{"revoke", "sgr_1", "helmholtz"}, "are revoked apart")
}

func TestNarrow(t *testing.T) {
	p := newPerson(t)
	narrow := helmholtz("valid")
	narrow.Grant.Scopes = []string{"read"}
	w := p.serve(map[string]func(call) (int, any){"GET /credentials": list(helmholtz("valid")), "POST /credentials/crd_H/narrow": ok(narrow)})
	p.must("narrow", "helmholtz", "--scope", "read")
	p.sees(&p.out, "✓ helmholtz is left with: read\n")
	if calls := w.asked(); len(calls[1].Body["scopes"].([]any)) != 1 {
		t.Errorf("asked %v", calls)
	}
	p.fails(console.Misuse, []string{"narrow", "helmholtz"}, "Nothing is named that shall remain.")
}

// TestCompletion offers grants, and to approve providers too.
func TestCompletion(t *testing.T) {
	p := newPerson(t)
	p.serve(map[string]func(call) (int, any){"GET /projects": ok(api.List[api.Project]{}), "GET /credentials": list(helmholtz("valid")),
		"GET /providers": ok(api.List[api.Provider]{Items: []api.Provider{{ID: "wlcg", Title: "WLCG IAM"}}})})
	for line, want := range map[string]string{"approve": "wlcg\tWLCG IAM\nhelmholtz\n", "get": "helmholtz\n", "revoke": "helmholtz\n"} {
		got := p.complete(line)
		for n := 0; n < 50 && got == ":4\n"; n++ {
			got = p.complete(line) // on a busy machine the server takes longer than somebody waits for the tab key
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q", line, got)
		}
	}
}
