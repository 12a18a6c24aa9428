package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// signedInFile is the file of the person's sign-in, with its tokens.
func (p *person) signedInFile() (path, text string) {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.home, ".local/state/lanyard/signin-*.json"))
	if err != nil || len(files) != 1 {
		p.t.Fatalf("sign-ins %q, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return files[0], string(content)
}

// age has the person's access token look old, so that the next command renews it.
func (p *person) age() {
	p.t.Helper()
	path, text := p.signedInFile()
	old := regexp.MustCompile(`"access_expires_at": "[^"]*"`).ReplaceAllString(text, `"access_expires_at": "2020-01-01T00:00:00Z"`)
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil || old == text {
		p.t.Fatal(err)
	}
}

// spend shows a refresh token, as a thief would, and returns the answer.
func (s *site) spend(t *testing.T, token string) (status int, answer map[string]any) {
	t.Helper()
	resp, err := http.PostForm(s.portal+"/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {"lanyard-cli"}, "refresh_token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// TestReuseIsTold has somebody use a copied refresh token. The sign-in ends, and its owner is told: by
// the program, and by every page until they dismiss it.
func TestReuseIsTold(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	anna := s.signIn("anna")
	browser := chromium(t)
	p := s.newTab(t, browser, false)
	p.open("/projects")
	p.signsIn("anna")
	if strings.Contains(p.text(), "Dismiss") {
		t.Fatalf("there is a notice already: %s", p.text())
	}

	_, text := anna.signedInFile()
	stolen := regexp.MustCompile(`"refresh_token": "([^"]+)"`).FindStringSubmatch(text)[1]
	const why = "his sign-in was ended on "
	token := stolen
	for range 2 {
		status, answer := s.spend(t, token)
		if status != http.StatusOK {
			t.Fatalf("%d %v", status, answer)
		}
		token, _ = answer["refresh_token"].(string)
	}
	// The owner's is an old one by now.
	anna.age()
	for range 2 {
		if r := anna.run(command{args: []string{"project", "list"}}); r.code != 4 || !strings.Contains(r.err, why) || !strings.Contains(r.err, "because somebody used an old copy of its refresh token") ||
			!strings.Contains(r.err, "lanyard login --server "+s.portal) {
			t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
		}
	}
	for name, token := range map[string]string{"the thief's": token, "the first": stolen} {
		status, answer := s.spend(t, token)
		description, _ := answer["error_description"].(string)
		if status != http.StatusBadRequest || answer["error"] != "invalid_grant" || !strings.Contains(description, why) || answer["error_uri"] != s.portal+"/account" {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}

	// Told once, on every page, also without scripts.
	for _, path := range []string{"/projects", "/tokens", "/account", "/nowhere"} {
		p.open(path)
		p.says("A sign-in was ended to protect you.", "Somebody at 127.0.0.1 with lanyard/", "used an old copy of the refresh token of the Lanyard command line on ", "Sign in again there: lanyard login.")
		if n := strings.Count(p.text(), "Dismiss"); n != 1 {
			t.Errorf("%s: %d notices", path, n)
		}
	}
	anew := s.signIn("anna")
	if r := anew.run(command{args: []string{"whoami"}}); r.code != 0 || !strings.Contains(r.err, "used an old copy of the refresh token") || !strings.Contains(r.err, s.portal+"/account") {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	// By everybody: contrast, names, sizes, with scripts too.
	q := s.newTab(t, browser, true)
	q.open("/account")
	q.signsIn("anna")
	script := axe(t)
	q.visit(script, "projects with a notice", "/projects", 200)
	q.visit(script, "account with a notice", "/account", 200)
	q.visit(script, "no such page, with a notice", "/nowhere", 404)
	q.open("/tokens")
	q.tabTo(`section[aria-label="Notices"] button`)

	p.open("/tokens")
	p.goes(p.click("Dismiss"))
	if at := p.path(); at != "/tokens" || strings.Contains(p.text(), "Dismiss") {
		t.Errorf("after dismissing it, at %s: %s", at, p.text())
	}
	if r := anew.run(command{args: []string{"whoami"}}); r.code != 0 || r.err != "" {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	// The program of the sign-in that ended still says why.
	if r := anna.run(command{args: []string{"whoami"}}); r.code != 4 || !strings.Contains(r.err, why) {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
}
