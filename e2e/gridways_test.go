package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/api"
)

// TestHeldCertificate has the server certify somebody who has no certificate, and keep the key for
// jobs, until the certificate is revoked.
func TestHeldCertificate(t *testing.T) {
	t.Parallel()
	g := newGridSite(t)
	anna := g.signIn("anna")
	anna.lanyard("proxy", "create", "--voms", "climate:/climate/Role=production", "--name", "nightly", "--for", "2d")
	proxy := filepath.Join(anna.home, "job.pem")
	get := command{args: []string{"proxy", "get", "nightly", "--out", proxy}, env: g.grid()}
	anna.run(get).ok(t)
	info := anna.run(command{program: "voms-proxy-info3", args: []string{"-all", "-file", proxy}, env: g.grid()}).ok(t)
	if !strings.Contains(info, "attribute : /climate/Role=production") || !strings.Contains(info, "CN=Anna Test") {
		t.Errorf("the job's proxy is\n%s", info)
	}
	newDataServer(t, g.certDir, g.vomsDir, "climate").admits(proxy)
	verify := command{args: []string{"proxy", "verify", proxy, "--ca-dir", g.certDir, "--voms-dir", g.vomsDir}}
	if out := anna.run(verify).ok(t); !strings.Contains(out, "/climate/Role=production") {
		t.Errorf("a strict site says\n%s", out)
	}
	anna.lanyard("proxy", "freeze", "nightly")
	anna.run(get).fails(t, "frozen")
	anna.lanyard("proxy", "thaw", "nightly")
	anna.run(get).ok(t)
	anna.lanyard("proxy", "delete", "--yes", "nightly")
	anna.run(get).fails(t, "no proxy that is called")
	// The job has its file still. Sites that fetch the list of the CA refuse it now.
	anna.run(verify).ok(t)
	wait(t, patience, "the list of the CA to name the certificate", func() bool { g.install(); return anna.run(verify).code != 0 })
	anna.run(verify).fails(t, "revoked")
}

// TestSeveralProjects asks nobody for a project that does not matter.
func TestSeveralProjects(t *testing.T) {
	t.Parallel()
	g := newGridSite(t)
	anna := g.signIn("anna") // of both projects, of which one leads to the VO
	for _, line := range []string{"init --voms climate", "init", "create --voms climate --name held"} {
		args := append([]string{"proxy"}, strings.Fields(line)...)
		anna.run(command{args: args, env: []string{"X509_USER_PROXY=" + filepath.Join(anna.home, "proxy.pem")}}).ok(t)
	}
	var all api.List[api.Credential]
	if err := json.Unmarshal([]byte(anna.lanyard("proxy", "list", "--json")), &all); err != nil || len(all.Items) != 3 {
		t.Fatalf("%d proxies are listed, %v", len(all.Items), err)
	}
	for _, k := range all.Items {
		if k.Proxy != nil && len(k.Proxy.VOMS) > 0 && k.Project != projectA {
			t.Errorf("%s is in project %s, which does not lead to the VO", k.Name, k.Project)
		}
	}
	anna.run(command{args: []string{"proxy", "create", "--name", "which"}}).fails(t, "which project?")
}

// TestStoredSecrets hands over what REANA asks for, at a server whose operator allows that.
func TestStoredSecrets(t *testing.T) {
	t.Parallel()
	g := newGridSite(t, "stored_secrets: true")
	off := newSite(t, settings{extra: fmt.Sprintf("grid: {certificates: %s}\n", g.certDir)})
	cert, err := filepath.Abs(filepath.Join(fixtures, "pki/certs/ada.pem"))
	if err != nil {
		t.Fatal(err)
	}
	upload := command{args: []string{"proxy", "upload", "--yes", "-p", projectA, "--name", "workflow", "--reana", "--cert", cert, "--key", encryptedKey(t, "ada", "correct horse"),
		"--voms", "climate", "--pwstdin"}, stdin: "correct horse\n", env: g.grid()}
	off.signIn("anna").run(upload).fails(t, "does not take certificates with their keys and passphrases", "lanyard proxy delegate")

	anna := g.signIn("anna")
	wrong := upload
	wrong.stdin = "wrong\n"
	anna.run(wrong).fails(t, "passphrase")
	if r := anna.run(upload); !strings.Contains(r.ok(t)+r.err, "could then act as you until your certificate ends") {
		t.Errorf("nobody is warned:\n%s%s", r.out, r.err)
	}
	proxy := filepath.Join(anna.home, "job.pem")
	anna.run(command{args: []string{"proxy", "get", "workflow", "--out", proxy}, env: g.grid()}).ok(t)
	newDataServer(t, g.certDir, g.vomsDir, "climate").admits(proxy)
	g.keepsQuiet("correct horse", "Y29ycmVjdCBob3JzZQ")
	anna.lanyard("proxy", "delete", "--yes", "workflow")
	anna.run(command{args: []string{"proxy", "get", "workflow", "--out", proxy}, env: g.grid()}).fails(t)
}

// keepsQuiet fails the test if a secret stands in the log or in a file of the server.
func (s *site) keepsQuiet(secrets ...string) {
	s.t.Helper()
	texts := map[string]string{"the log": s.log.String()}
	err := filepath.WalkDir(filepath.Join(s.dir, "data"), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		texts[path] = string(text)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for where, text := range texts {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				s.t.Errorf("%s holds %q", where, secret)
			}
		}
	}
}

// TestForeignVO keeps proxies with attributes of a VO that somebody else decides about, and renews
// them there. That somebody is another Lanyard: the VOMS server that Debian has cannot serve the
// REST interface, so this shows that the way works, not that the field's server takes it.
func TestForeignVO(t *testing.T) {
	t.Parallel()
	theirs := newGridSite(t)
	certDir := filepath.Join(t.TempDir(), "certificates")
	if err := os.CopyFS(certDir, os.DirFS(theirs.certDir)); err != nil { // theirs, which their CA is in
		t.Fatal(err)
	}
	ours := newSite(t, settings{extra: fmt.Sprintf("grid: {certificates: %s, vomsdir: %s, vomses: [%s]}\n", certDir, theirs.vomsDir, theirs.vomses)})
	anna := ours.signIn("anna")
	anna.run(command{args: []string{"proxy", "delegate", "-p", projectA, "--name", "nightly", "--voms", "climate:/climate/ocean/Role=pilot", "--for", "2d"}, env: theirs.as("ada")}).ok(t)
	proxy := filepath.Join(anna.home, "job.pem")
	get := command{args: []string{"proxy", "get", "nightly", "--out", proxy}, env: theirs.grid()}
	serials := map[string]bool{}
	for range 2 { // each fetch gets fresh attributes
		anna.run(get).ok(t)
		fqans := anna.run(command{program: "voms-proxy-info2", args: []string{"-fqan", "-file", proxy}, env: theirs.grid()}).ok(t)
		if !strings.HasPrefix(fqans, "/climate/ocean/Role=pilot/") {
			t.Errorf("the job has\n%s", fqans)
		}
		serials[anna.run(command{program: "voms-proxy-info2", args: []string{"-serial", "-file", proxy}, env: theirs.grid()}).ok(t)] = true
	}
	if len(serials) != 2 || serials[""] {
		t.Errorf("serial numbers of the attributes: %v", serials)
	}
	newDataServer(t, theirs.certDir, theirs.vomsDir, "climate").admits(proxy)
	if !strings.Contains(theirs.log.String(), `msg="attributes given"`) {
		t.Error("somebody else than the VO's authority gave attributes")
	}
	// Whom they suspend gets nothing here either, and is told by whom.
	theirs.run(command{args: []string{"admin", "--socket", filepath.Join(theirs.site.dir, "data/admin.sock"), "vo", "member", "suspend", "climate", ada, "--reason", "on leave"}}).ok(t)
	anna.run(get).fails(t, "localhost", "on leave")
	theirs.kill()
	anna.run(get).fails(t, "climate")
}
