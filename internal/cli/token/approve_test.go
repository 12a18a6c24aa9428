package token_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
)

// TestApprove orders a grant, shows the page first, and waits.
func TestApprove(t *testing.T) {
	p := newPerson(t)
	p.browser = true
	looks := 0
	w := p.serve(map[string]func(call) (int, any){"GET /credentials": list(), "POST /credentials": ok(helmholtz("absent")),
		"GET /credentials/crd_H": func(call) (int, any) {
			if looks++; looks < 2 {
				return 200, helmholtz("absent")
			}
			return 200, helmholtz("valid")
		}})
	p.must("approve", "helmholtz", "--scope", "read write", "--audience", "https://a", "--for", "my notebook", "--life", "7d")
	p.sees(&p.errs, "Approve on this page, on any device where you are signed in:\n\n    https://portal.test/approvals/crd_H\n\n", "Your browser was told",
		"Its remaining life is 6 days 23 hours 59 minutes 58 seconds (until Sat 28 Nov 2026", "Next: lanyard token get helmholtz")
	p.sees(&p.out, "✓ Approved: helmholtz\n")
	if len(p.opened) != 1 || p.opened[0] != "https://portal.test/approvals/crd_H" {
		t.Errorf("opened %q", p.opened)
	}
	order := w.asked()[1].Body
	g := order["grant"].(map[string]any)
	if order["kind"] != "grant" || order["name"] != "helmholtz" || order["life"] != 7*86400.0 || g["provider"] != "helmholtz" || g["for"] != "my notebook" || len(g["scopes"].([]any)) != 2 || order["project"] != "" {
		t.Errorf("ordered %v", order)
	}
}

// TestApproveWhatIsThere repairs the grant that there is: none is made beside it.
func TestApproveWhatIsThere(t *testing.T) {
	second := helmholtz("valid")
	second.ID, second.Name = "crd_2", "for jobs"
	jobs := helmholtz("valid")
	jobs.ID, jobs.Name = "crd_J", "jobs"
	page := ok(api.Approval{CredentialID: "crd_H", URL: "https://portal.test/approvals/crd_H", ExpiresAt: now.Add(10 * time.Minute), Interval: 1})
	renewed := helmholtz("valid")
	renewed.Grant.HealthSince = now
	for _, tc := range []struct {
		line, want string
		own        []api.Credential
		asked      string
		exit       console.Exit
	}{
		{line: "approve helmholtz", own: []api.Credential{helmholtz("valid")}, want: "✓ Approved already: helmholtz\n"},
		{line: "approve helmholtz --force", own: []api.Credential{helmholtz("valid")}, asked: "POST /credentials/crd_H/approval", want: "✓ Approved: helmholtz\n"},
		{line: "approve helmholtz", own: []api.Credential{helmholtz("revoked")}, asked: "POST /credentials/crd_H/approval", want: "✓ Approved: helmholtz\n"},
		{line: "approve crd_H", own: []api.Credential{helmholtz("revoked")}, asked: "POST /credentials/crd_H/approval", want: "✓ Approved: helmholtz\n"},
		{line: "approve helmholtz", own: []api.Credential{helmholtz("absent")}, want: "✓ Approved: helmholtz\n"}, // Ctrl-C ended the first time
		{line: "approve helmholtz --name jobs", own: []api.Credential{helmholtz("revoked")}, asked: "POST /credentials", want: "✓ Approved: helmholtz\n"},
		{line: "approve helmholtz --name=jobs", own: []api.Credential{helmholtz("revoked"), jobs}, want: "✓ Approved already: jobs\n"},
		{line: "approve helmholtz", own: []api.Credential{second, second}, want: "Which of your grants for helmholtz?", exit: console.Misuse},
		{line: "approve helmholtz --scope read", own: []api.Credential{helmholtz("revoked")}, want: "with other scopes or audiences", exit: console.Conflict},
		{line: "approve helmholtz", own: []api.Credential{helmholtz("paused")}, want: "The grant helmholtz is frozen.\n  lanyard token thaw helmholtz", exit: console.Conflict},
	} {
		p := newPerson(t)
		w := p.serve(map[string]func(call) (int, any){"GET /credentials": list(tc.own...), "POST /credentials": ok(helmholtz("absent")),
			"POST /credentials/crd_H/approval": page, "GET /credentials/crd_H": ok(renewed)})
		exit := p.run(strings.Fields(tc.line)...)
		if exit != int(tc.exit) || !strings.Contains(p.out.String()+p.errs.String(), tc.want) {
			t.Errorf("%s: exit code %d\n%s%s", tc.line, exit, &p.out, &p.errs)
		}
		var changed []string
		for _, k := range w.asked() {
			if strings.HasPrefix(k.Line, "POST") {
				changed = append(changed, k.Line)
			}
		}
		if got := strings.Join(changed, " "); got != tc.asked {
			t.Errorf("%s: asked %q", tc.line, got)
		}
	}
}

// TestApproveSoonOver moves the end of a grant that has less than a day left.
func TestApproveSoonOver(t *testing.T) {
	p := newPerson(t)
	renewed := helmholtz("ends_soon")
	renewed.Grant.HealthSince = now
	w := p.serve(map[string]func(call) (int, any){"GET /credentials": list(helmholtz("ends_soon")), "GET /credentials/crd_H": ok(renewed),
		"POST /credentials/crd_H/approval": ok(api.Approval{URL: "https://portal.test/x", ExpiresAt: now.Add(time.Minute), Interval: 1}), "POST /credentials/crd_H/extend": ok(helmholtz("valid"))})
	p.must("approve", "helmholtz")
	p.sees(&p.errs, "6 days 23 hours")
	if calls := w.asked(); calls[len(calls)-1].Line != "POST /credentials/crd_H/extend" {
		t.Errorf("asked %v", calls)
	}
}

func TestApproveWithoutWaiting(t *testing.T) {
	p := newPerson(t)
	w := p.serve(map[string]func(call) (int, any){"GET /credentials": list(), "POST /credentials": ok(helmholtz("absent"))})
	if got := p.must("approve", "helmholtz", "--no-wait"); got != "https://portal.test/approvals/crd_H\n" {
		t.Errorf("printed %q", got)
	}
	if got := p.must("approve", "helmholtz", "--no-wait", "--json"); !strings.Contains(got, `"schema":"lanyard/v1/approval","credential_id":"crd_H","url":"https://portal.test/approvals/crd_H"`) {
		t.Errorf("printed %s", got)
	}
	for _, k := range w.asked() {
		if k.Line == "GET /credentials/crd_H" {
			t.Error("it waited")
		}
	}
}

// TestApproveOfOurOwn is over at once: the server itself makes the tokens.
func TestApproveOfOurOwn(t *testing.T) {
	p := newPerson(t)
	own := helmholtz("valid")
	own.Grant.RenewedAt, own.Grant.Renewals = time.Time{}, 0
	p.serve(map[string]func(call) (int, any){"GET /credentials": list(), "POST /credentials": ok(own)})
	p.must("approve", "lanyard")
	p.sees(&p.out, "✓ Approved: helmholtz\n")
	if strings.Contains(p.errs.String(), "Approve on this page") {
		t.Error(&p.errs)
	}
}

// TestApprovalThatFails tells what happened, and what to do.
func TestApprovalThatFails(t *testing.T) {
	over := func(reason string) func(call) (int, any) {
		k := helmholtz("absent")
		k.State, k.Reason = "ended", reason
		return ok(k)
	}
	late := helmholtz("absent")
	late.Grant.Approval.ExpiresAt = now
	for name, tc := range map[string]struct {
		made  api.Credential
		looks func(call) (int, any)
		exit  console.Exit
		want  []string
	}{
		"refused":   {helmholtz("absent"), over("deleted"), console.Denied, []string{"✗ The approval was refused.", "lanyard token approve again"}},
		"declined":  {helmholtz("absent"), over("declined"), console.Denied, []string{"✗ The approval was declined at helmholtz.", "says why", "lanyard token approve helmholtz"}},
		"abandoned": {helmholtz("absent"), over("abandoned"), console.TimedOut, []string{"✗ Nobody approved in time.", "lanyard token approve helmholtz"}},
		"too late":  {late, nil, console.TimedOut, []string{"✗ Nobody approved in time.", "lanyard token approve helmholtz"}},
		"signed out": {helmholtz("absent"), func(call) (int, any) {
			return 401, api.Problem{Code: api.Unauthenticated, Detail: "your session has ended"}
		}, console.AuthNeeded,
			[]string{"✗ Cannot see whether it was approved: your session has ended.", "lanyard login"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPerson(t)
			p.serve(map[string]func(call) (int, any){"GET /credentials": list(), "POST /credentials": ok(tc.made), "GET /credentials/crd_H": tc.looks})
			p.fails(tc.exit, []string{"approve", "helmholtz"}, tc.want...)
		})
	}
}

// TestInterrupted says how to go on.
func TestInterrupted(t *testing.T) {
	p := newPerson(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	p.serve(map[string]func(call) (int, any){"GET /credentials": list(), "POST /credentials": ok(helmholtz("absent")), "GET /credentials/crd_H": func(call) (int, any) {
		cancel(errors.New("Ctrl-C"))
		return 200, helmholtz("absent")
	}})
	if code := p.runIn(ctx, "approve", "helmholtz"); code != int(console.Interrupted) {
		t.Errorf("exit code %d", code)
	}
	p.sees(&p.errs, "The page stays open until Sat 21 Nov 2026, 12:10 UTC. Go on waiting: lanyard token approve helmholtz")
}
