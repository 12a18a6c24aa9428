package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/wlcg"
	"github.com/lanyardhq/lanyard/wlcg/bearer"
	"github.com/lanyardhq/lanyard/wlcg/storage"
)

// TestXRootDTakesOurTokens holds what we mint against XRootD and libscitokens as Debian ships them:
// each right opens what it should and nothing else.
func TestXRootDTakesOurTokens(t *testing.T) {
	t.Parallel()
	issuer := newTokenIssuer(t)
	ec, rs := signingKey(t, "ec", wlcg.ES256), signingKey(t, "rs", wlcg.RS256)
	issuer.publish(ec, rs)
	s := newTokenServer(t, issuer.url)
	const get, put, del, list, mkcol = http.MethodGet, http.MethodPut, http.MethodDelete, "PROPFIND", "MKCOL"
	for _, test := range []struct {
		name, scopes string
		profile      wlcg.Profile
		key          wlcg.Key
		method, path string
		want         int
	}{
		{"read opens its tree", "storage.read:/data", wlcg.WLCG, ec, get, "/data/f", 200},
		{"so does RSA", "storage.read:/data", wlcg.WLCG, rs, get, "/data/f", 200},
		{"read lists", "storage.read:/data", wlcg.WLCG, ec, list, "/data/", 207},
		{"read opens nothing else", "storage.read:/data", wlcg.WLCG, ec, get, "/other/f", 403},
		{"nor what is above", "storage.read:/data", wlcg.WLCG, ec, get, "/top", 403},
		{"nor the list of the root", "storage.read:/data", wlcg.WLCG, ec, list, "/", 403},
		{"read does not write", "storage.read:/data", wlcg.WLCG, ec, put, "/data/new1", 403},
		{"read does not delete", "storage.read:/data", wlcg.WLCG, ec, del, "/data/kept", 403},
		{"read of one file", "storage.read:/data/f", wlcg.WLCG, ec, get, "/data/kept", 403},
		{"create makes files", "storage.create:/data", wlcg.WLCG, ec, put, "/data/new2", 200},
		{"and directories on the way", "storage.create:/data", wlcg.WLCG, ec, put, "/data/sub/dir/new", 200},
		{"create does not overwrite", "storage.create:/data", wlcg.WLCG, ec, put, "/data/kept", 403},
		{"create does not delete", "storage.create:/data storage.read:/data", wlcg.WLCG, ec, del, "/data/kept", 403},
		{"create does not read", "storage.create:/data", wlcg.WLCG, ec, get, "/data/f", 403},
		{"create stays in its tree", "storage.create:/data", wlcg.WLCG, ec, put, "/other/new", 403},
		{"modify overwrites", "storage.modify:/data", wlcg.WLCG, ec, put, "/data/new2", 200},
		{"modify does not read", "storage.modify:/data", wlcg.WLCG, ec, get, "/data/f", 403},
		{"modify and read make directories", "storage.modify:/data storage.read:/data", wlcg.WLCG, ec, mkcol, "/data/made", 201},
		{"modify and read delete", "storage.modify:/data storage.read:/data", wlcg.WLCG, ec, del, "/data/gone", 200},
		{"modify alone cannot look, so does not delete", "storage.modify:/data", wlcg.WLCG, ec, del, "/data/kept", 403},
		{"stage does not read", "storage.stage:/data", wlcg.WLCG, ec, get, "/data/f", 403},
		{"other scopes do no harm", "openid compute.create storage.read:/data", wlcg.WLCG, ec, get, "/data/f", 200},
		{"SciTokens read", "read:/data", wlcg.SciTokens, ec, get, "/data/f", 200},
		{"SciTokens write", "write:/data", wlcg.SciTokens, rs, put, "/data/new3", 200},
		{"SciTokens read elsewhere", "read:/data", wlcg.SciTokens, ec, get, "/other/f", 403},
		{"RFC 9068 alone means nothing there", "storage.read:/data", wlcg.RFC9068, ec, get, "/data/f", 403},
	} {
		token := minted(t, s.dataToken(issuer.url, strings.Fields(test.scopes)...), test.key, test.profile)
		if code, body := s.ask(test.method, test.path, token); code != test.want {
			t.Errorf("%s: %s %s answers %d, want %d: %s", test.name, test.method, test.path, code, test.want, body)
		}
	}
	if code, _ := s.ask(http.MethodGet, "/data/f", ""); code == 200 {
		t.Error("no token is needed at all")
	}
	if text, err := os.ReadFile(filepath.Join(s.dir, "export/data/kept")); err != nil || string(text) != "content of data/kept" {
		t.Errorf("a file that nobody might touch: %s %v", text, err)
	}
}

// TestXRootDRefusesAndWeKnowWhy sends tokens that are wrong in one way each. XRootD says only
// "permission denied"; what storage.Explain says of the same token must name the reason, and must
// have nothing to say of tokens that pass.
func TestXRootDRefusesAndWeKnowWhy(t *testing.T) {
	t.Parallel()
	issuer := newTokenIssuer(t)
	ec, rs := signingKey(t, "ec", wlcg.ES256), signingKey(t, "rs", wlcg.RS256)
	issuer.publish(ec, rs)
	s := newTokenServer(t, issuer.url)
	now := time.Now().Unix()
	type change = map[string]any
	const unexplained = "-" // only the issuer's keys could tell
	for _, test := range []struct {
		name  string
		key   wlcg.Key
		typ   string
		claim change
		want  int
		why   string // in one of the findings; empty: there must be none
	}{
		{"as it should be", ec, "at+jwt", nil, 200, ""},
		{"for several audiences", ec, "", change{"aud": []string{"https://elsewhere.example.org", s.web}}, 200, ""},
		{"for everybody", ec, "", change{"aud": wlcg.AnyAudience}, 200, ""},
		{"without nbf, but typ at+jwt", rs, "at+jwt", change{"nbf": nil}, 200, "nbf is missing"}, // StoRM's rule
		{"expired", ec, "", change{"exp": now - 1}, 403, "expired at"},
		{"not valid yet", ec, "", change{"nbf": now + 1800}, 403, "not valid before"},
		{"issued in the future", ec, "", change{"iat": now + 1800}, 403, "issued in the future"},
		{"another audience", ec, "", change{"aud": "https://elsewhere.example.org"}, 403, "the audience is"},
		{"the audience with a slash", ec, "", change{"aud": s.web + "/"}, 403, "slash"},
		{"another issuer", ec, "", change{"iss": "https://elsewhere.example.org"}, 403, "the issuer is"},
		{"the issuer with a slash", ec, "", change{"iss": issuer.url + "/"}, 403, "slash"},
		{"wrong key of that name", signingKey(t, "ec", wlcg.ES256), "", nil, 403, unexplained},
		{"unknown key", signingKey(t, "nobody", wlcg.ES256), "", nil, 403, unexplained},
		{"no nbf", ec, "", change{"nbf": nil}, 403, "nbf is missing"},
		{"no iat", ec, "", change{"iat": nil}, 403, "iat is missing"},
		{"no exp", ec, "", change{"exp": nil}, 403, "exp is missing"},
		{"no sub", ec, "", change{"sub": nil}, 403, "sub is missing"},
		{"no aud", ec, "", change{"aud": nil}, 403, "aud is missing"},
		{"groups without scope", ec, "", change{"scope": nil, "wlcg.groups": []string{"/cms"}}, 403, "scope is missing"},
		{"scope as a list", ec, "", change{"scope": []string{"storage.read:/data"}}, 403, "scope is not a text"},
		{"no wlcg.ver", ec, "", change{"wlcg.ver": nil}, 403, "wlcg.ver is missing"},
		{"the newest wlcg.ver", ec, "", change{"wlcg.ver": "1.2"}, 403, "knows 1.0 only"},
		{"both versions", ec, "", change{"ver": "scitoken:2.0"}, 403, "both wlcg.ver and ver"},
		{"an escape in the path", ec, "", change{"scope": "storage.read:/d%61ta"}, 403, "not decoded"},
		{"no path: everything", ec, "", change{"scope": "storage.read"}, 200, "opens everything"},
		{"dots in the path: everything", ec, "", change{"scope": "storage.read:/data/.."}, 200, "dots"},
	} {
		token := s.unchecked(issuer.url, test.key, test.typ, test.claim)
		code, body := s.ask(http.MethodGet, "/data/f", token)
		if code != test.want {
			t.Errorf("%s: answers %d, want %d: %s", test.name, code, test.want, body)
		}
		var found []string
		for _, f := range storage.Explain(token, storage.Expectation{Now: time.Now(), Issuer: issuer.url, Audience: s.web}) {
			found = append(found, f.String())
		}
		named := slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, test.why) })
		if none := test.why == "" || test.why == unexplained; none && len(found) > 0 || !none && !named {
			t.Errorf("%s: we say %q, want %q", test.name, found, test.why)
		}
	}
}

// TestXRootDForgetsWithdrawnKeys: once a key is withdrawn and the server has looked, its tokens are
// worth nothing, and those of the next key are taken.
func TestXRootDForgetsWithdrawnKeys(t *testing.T) {
	t.Parallel()
	issuer := newTokenIssuer(t)
	leaked, next := signingKey(t, "leaked", wlcg.ES256), signingKey(t, "next", wlcg.ES256)
	issuer.publish(leaked)
	s := newTokenServer(t, issuer.url)
	read := func(k wlcg.Key) int {
		code, _ := s.ask(http.MethodGet, "/data/f", minted(t, s.dataToken(issuer.url, "storage.read:/data"), k, wlcg.WLCG))
		return code
	}
	if code := read(leaked); code != 200 {
		t.Fatalf("a good token: %d", code)
	}
	issuer.publish(next)
	if code := read(next); code != 403 { // why keys are published days ahead
		t.Errorf("a key that the server has not fetched yet: %d", code)
	}
	s.refetch(issuer.url)
	if code := read(leaked); code != 403 {
		t.Errorf("a withdrawn key: %d", code)
	}
	if code := read(next); code != 200 {
		t.Errorf("the next key: %d", code)
	}
}

// xrdcpCertificates is the fixtures' CA where xrdcp believes it: no group may write there.
func xrdcpCertificates(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "certificates")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(fixtures, "pki/certificates"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestClientsFindTheToken: what bearer.Write leaves is what xrdcp takes and what a script with curl
// reads.
func TestClientsFindTheToken(t *testing.T) {
	t.Parallel()
	issuer := newTokenIssuer(t)
	k := signingKey(t, "ec", wlcg.ES256)
	issuer.publish(k)
	s := newTokenServer(t, issuer.url)
	home, certificates := t.TempDir(), xrdcpCertificates(t)
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"XDG_RUNTIME_DIR": home, "HOME": home}
	getenv := func(name string) string { return env[name] }
	run := func(program string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "X509_CERT_DIR=" + certificates}
		for name, value := range env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	copyFile := func() (string, error) { return run("xrdcp", "-f", "-s", s.root+"//data/f", "-") }
	if out, err := copyFile(); err == nil {
		t.Errorf("xrdcp needs no token: %s", out)
	}

	path := bearer.Path(getenv, os.Geteuid())
	if filepath.Base(path) != "bt_u"+strconv.Itoa(os.Geteuid()) || filepath.Dir(path) != home {
		t.Errorf("the place of tokens is %s", path)
	}
	write := func(path string, scopes ...string) {
		t.Helper()
		if err := bearer.Write(path, minted(t, s.dataToken(issuer.url, scopes...), k, wlcg.WLCG)); err != nil {
			t.Fatal(err)
		}
	}
	write(path, "storage.read:/data")
	if out, err := copyFile(); err != nil || out != "content of data/f" {
		t.Errorf("xrdcp with the file that everybody looks for: %v\n%s", err, out)
	}
	token, source, err := bearer.Discover(getenv, os.Geteuid())
	if err != nil || source != path {
		t.Errorf("found %s: %v", source, err)
	}
	if text, _ := os.ReadFile(path); string(text) != token {
		t.Error("another token is found than is there")
	}

	named := filepath.Join(home, "token-of-a-job")
	write(named, "storage.create:/data")
	env["BEARER_TOKEN_FILE"] = named
	if out, err := copyFile(); err == nil {
		t.Errorf("BEARER_TOKEN_FILE does not come first: %s", out)
	}
	local := filepath.Join(home, "result")
	if err := os.WriteFile(local, []byte("result"), 0o600); err != nil {
		t.Fatal(err)
	}
	store := func() (string, error) { return run("xrdcp", "-s", local, s.root+"//data/result") }
	if out, err := store(); err == nil { // Explain says so: xrdcp looks first, and create does not include stat there
		t.Errorf("xrdcp writes without being allowed to look: %s", out)
	}
	write(named, "storage.create:/data", "storage.read:/data")
	if out, err := store(); err != nil {
		t.Errorf("xrdcp that writes with BEARER_TOKEN_FILE: %v\n%s", err, out)
	}
	write(named, "storage.read:/data")
	out, err := run("sh", "-c", `exec curl -sS --fail --cacert "$1" -H "Authorization: Bearer $(cat "$BEARER_TOKEN_FILE")" "$2"`, "sh", filepath.Join(s.dir, "ca.pem"), s.web+"/data/result")
	if err != nil || out != "result" {
		t.Errorf("curl with BEARER_TOKEN_FILE: %v\n%s", err, out)
	}
	if err := os.Chmod(named, 0o644); err != nil { // xrootd's client is strict, which is why Write is
		t.Fatal(err)
	}
	if out, err := copyFile(); err == nil {
		t.Errorf("xrdcp takes a token that others may read: %s", out)
	}
}

// TestXRootDTakesWhatTheServerMints: people get tokens by the command line, for what the policy
// gives them, and storage that trusts the server takes them.
func TestXRootDTakesWhatTheServerMints(t *testing.T) {
	t.Parallel()
	site := newSite(t, settings{secure: true, extra: fmt.Sprintf(`providers:
  - {id: own, title: This site, type: lanyard}
tokens:
  audiences:
    - {name: %[1]q}
    - {name: "https://rsa.example.org", algorithm: RS256}
    - {name: "https://other.example.org"}
  rules:
    - {project: %[2]q, scopes: ["storage.read:/data"]}
    - {project: %[2]q, role: manager, scopes: ["storage.create:/data/made"]}
`, siteAudience, projectA)})
	s := newTokenServer(t, site.portal)
	anna, ben := site.signIn("anna"), site.signIn("ben")
	for _, p := range []*person{anna, ben} {
		p.lanyard("token", "approve", "own", "--scope", "storage.read:/data", "--audience", siteAudience)
	}
	token := func(p *person, args ...string) string {
		t.Helper()
		return strings.TrimSpace(p.lanyard(append([]string{"token", "get"}, args...)...))
	}
	for _, test := range []struct {
		method, path string
		want         int
	}{{http.MethodGet, "/data/f", 200}, {http.MethodGet, "/other/f", 403}, {http.MethodPut, "/data/made/x", 403}} {
		if code, body := s.ask(test.method, test.path, token(ben, "own")); code != test.want {
			t.Errorf("ben's token: %s %s answers %d, want %d: %s", test.method, test.path, code, test.want, body)
		}
	}
	ben.lanyard("token", "get", "own", "--bearer-file")
	copied := ben.run(command{program: "xrdcp", args: []string{"-f", "-s", s.root + "//data/f", "-"}, env: []string{"X509_CERT_DIR=" + xrdcpCertificates(t)}})
	if copied.ok(t) != "content of data/f" {
		t.Errorf("xrdcp with the file of lanyard token get: %s", copied.out)
	}
	if found := storage.Explain(token(ben, "own"), storage.Expectation{Now: time.Now().Add(time.Second), Issuer: site.portal, Audience: siteAudience}); len(found) > 0 {
		t.Errorf("what the server mints breaks rules of storage: %v", found)
	}

	anna.lanyard("token", "approve", "own", "--name", "writes", "--scope", "storage.create:/data/made", "--audience", siteAudience)
	if code, body := s.ask(http.MethodPut, "/data/made/x", token(anna, "writes")); code != 200 {
		t.Errorf("anna's token: %d: %s", code, body)
	}
	ben.run(command{args: []string{"token", "approve", "own", "--name", "writes", "--scope", "storage.create:/data/made", "--audience", siteAudience}}).fails(t, "none of the scopes is yours")
	ben.run(command{args: []string{"token", "approve", "own", "--name", "all", "--scope", "storage.read:/", "--audience", siteAudience}}).fails(t, "none of the scopes is yours")

	ben.lanyard("token", "approve", "own", "--name", "elsewhere", "--scope", "storage.read:/data", "--audience", "https://other.example.org")
	if code, _ := s.ask(http.MethodGet, "/data/f", token(ben, "elsewhere")); code != 403 {
		t.Errorf("a token for another service: %d", code)
	}
}
