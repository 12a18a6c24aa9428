package agent_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/api"
)

// client runs a program of Debian's oidc-agent-cli against the agent.
func (p *person) client(program string, args ...string) (out, errs string, code int) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), program, args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + p.env["HOME"], "OIDC_SOCK=" + p.socket}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		p.t.Fatalf("%s: %v (Debian has it in oidc-agent-cli)", program, err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// TestOidcToken lets Debian's oidc-token ask for tokens in all its ways.
func TestOidcToken(t *testing.T) {
	p := newPerson(t)
	p.wlcg()
	p.start()
	for _, tc := range []struct{ line, want string }{
		{"wlcg", "token\n"},
		{"https://wlcg.test/", "token\n"},
		{"https://wlcg.test", "token\n"},
		{"-t 1800 wlcg", "token\n"},
		{"-f wlcg", "token.forced\n"},
		{"--name=rclone wlcg", "token.forced\n"}, // the new one is kept
		{"--aud=https://site wlcg", "token.https---site\n"},
	} {
		out, errs, code := p.client("oidc-token", strings.Fields(tc.line)...)
		if out != tc.want || code != 0 {
			t.Errorf("oidc-token %s: exit code %d, %q %s", tc.line, code, out, errs)
		}
	}
	// What was not approved is left out, what is part of it is asked for.
	if out, errs, code := p.client("oidc-token", "-s", "storage.read:/data/raw openid", "wlcg"); out != "token.storage.read--data-raw\n" || code != 0 {
		t.Errorf("with scopes: exit code %d, %q %s", code, out, errs)
	}
	out, errs, _ := p.client("oidc-token", "-a", "wlcg")
	if lines := strings.Split(out, "\n"); len(lines) < 3 || lines[0] != "token.forced" || lines[1] != "https://wlcg.test/" || len(lines[2]) != 10 {
		t.Errorf("-a printed %q %s", out, errs)
	}
	out, errs, _ = p.client("oidc-token", "-c", "wlcg")
	for _, want := range []string{"OIDC_AT=token.forced; export OIDC_AT;", "OIDC_ISS=https://wlcg.test/; export OIDC_ISS;", "OIDC_EXP="} {
		if !strings.Contains(strings.ReplaceAll(out, `"`, ""), want) {
			t.Errorf("-c printed %q %s", out, errs)
		}
	}
	// What is ready needs no server.
	p.asked()
	p.client("oidc-token", "wlcg")
	if calls := p.asked(); len(calls) > 0 {
		t.Errorf("asked %v", calls)
	}
}

// TestOidcTokenErrors shows what repairs it.
func TestOidcTokenErrors(t *testing.T) {
	p := newPerson(t)
	p.wlcg()
	dead := api.Credential{ID: "crd_D", Name: "dead", Grant: &api.Grant{Standing: "revoked", StandingText: "Revoked: it gives no more tokens until you approve again.", NextStep: "lanyard token approve dead"}}
	p.answer("GET /credentials/dead/grant", ok(dead))
	p.answer("POST /credentials/dead/token", func(call) (int, any) { return 409, api.Problem{Code: api.Conflict, Detail: "no"} })
	p.answer("POST /credentials/none/token", func(call) (int, any) {
		return 404, api.Problem{Code: api.NotFound, Detail: "you have no grant", Hint: "approve one: lanyard token approve none"}
	})
	p.start()
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"dead"}, "Error: dead: Revoked: it gives no more tokens until you approve again.\nlanyard token approve dead"},
		{[]string{"https://other.test/"}, "Error: no provider has the issuer https://other.test/\nlanyard token list --providers"},
		{[]string{"-s", "compute.create", "wlcg"}, "Error: nothing of that was approved for wlcg\nsee: lanyard token show wlcg"},
		{[]string{"none"}, "approve one: lanyard token approve none"},
	} {
		out, errs, code := p.client("oidc-token", tc.args...)
		if code != 1 || out != "" || !strings.Contains(errs, tc.want) {
			t.Errorf("oidc-token %v: exit code %d, %q %q, want %q", tc.args, code, out, errs, tc.want)
		}
	}
	if out, errs, code := p.client("oidc-token", "--id-token", "wlcg"); code == 0 || strings.Contains(out, "token") {
		t.Errorf("gave an ID token: %q %q", out, errs)
	}
}

// TestOidcAdd lets oidc-add see whether an agent lives, and what it has.
func TestOidcAdd(t *testing.T) {
	p := newPerson(t)
	p.wlcg()
	p.start()
	out, errs, code := p.client("oidc-add", "--loaded")
	if code != 0 || !strings.Contains(out, "wlcg") {
		t.Errorf("oidc-add --loaded: exit code %d, %q %q", code, out, errs)
	}
}

// TestCurl hands curl the token in the file that BEARER_TOKEN_FILE names.
func TestCurl(t *testing.T) {
	p := newPerson(t)
	p.wlcg()
	path := p.env["HOME"] + "/job-token"
	p.must("keep", "token", "wlcg", "--file", path)
	p.answer("GET /whoami", ok(map[string]string{}))
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", `curl -sS --oauth2-bearer "$(cat "$BEARER_TOKEN_FILE")" -o /dev/null -w '%{http_code}' "$URL" -v`)
	cmd.Env = append(os.Environ(), "BEARER_TOKEN_FILE="+path, "URL="+p.env["LANYARD_SERVER"]+"/api/v1/whoami")
	text, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "200") || !strings.Contains(string(text), "Authorization: Bearer token\r\n") && !strings.Contains(string(text), "Authorization: Bearer token\n") {
		t.Errorf("%v\n%s", err, text)
	}
}
