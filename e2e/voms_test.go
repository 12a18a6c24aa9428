package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/proxycert/trust"
)

// A gridSite is a site with the VO climate. Its project's members belong to it, and so does the
// fixtures' Ada, who has a certificate of another CA.
type gridSite struct {
	*site
	dir             string // of the files below
	certDir, vomses string // what grid programs are given
	vomsDir         string
}

const ada, fixtureCA = "/DC=test/DC=lanyard/OU=Users/CN=Ada Tester", "/DC=test/DC=lanyard/CN=Lanyard Fixture CA"

// newGridSite starts one; more are settings of the section grid.
func newGridSite(t testing.TB, more ...string) *gridSite {
	t.Helper()
	g := newGridFiles(t)
	port := freePorts(t, 1)[0]
	g.site = newSite(t, settings{extra: fmt.Sprintf(`grid: {certificates: %[1]s, online_ca: {enabled: true}%[4]s}
vos:
  - name: climate
    host: localhost
    port: %[2]s
    listen: 127.0.0.1:%[2]s
    groups: [{name: /climate, roles: [production]}, {name: /climate/ocean, roles: [pilot]}]
    members: [{project: "%[3]s"}, {fqan: /climate/Role=production, project: "%[3]s", role: manager}]
`, g.certDir, port, projectA, strings.Join(append([]string{""}, more...), ", "))})
	g.run(command{args: []string{"admin", "--socket", filepath.Join(g.site.dir, "data/admin.sock"), "vo", "member", "add", "climate", ada,
		"--ca", fixtureCA, "--group", "/climate/ocean", "--group", "/climate/ocean/Role=pilot"}}).ok(t)
	g.install()
	return g
}

// newGridFiles are those of a grid site that trusts the fixtures' CAs; its server comes later.
func newGridFiles(t testing.TB) *gridSite {
	t.Helper()
	dir, err := os.MkdirTemp("", "grid")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	g := &gridSite{dir: dir, certDir: filepath.Join(dir, "certificates"), vomsDir: filepath.Join(dir, "vomsdir"), vomses: filepath.Join(dir, "vomses")}
	if err := os.CopyFS(g.certDir, os.DirFS(filepath.Join(fixtures, "pki/certificates"))); err != nil {
		t.Fatal(err)
	}
	return g
}

// install gives grid programs what the server tells everybody: its CA, and who speaks for the VO.
func (g *gridSite) install() {
	g.t.Helper()
	cas, err := keyfile.Certificates([]byte(g.fetch("/ca/certificate.pem")))
	if err != nil {
		g.t.Fatal(err)
	}
	namespace := strings.SplitN(g.fetch("/ca/signing_policy"), `"`, 3)[1]
	if err := trust.WriteCA(g.certDir, cas[0], namespace); err != nil {
		g.t.Fatal(err)
	}
	hash, old := trust.Hashes(cas[0].RawSubject)
	crl := g.fetch("/ca/crl.pem") // xrootd wants one
	for name, text := range map[string]string{g.vomses: g.fetch("/vos/climate/vomses"), filepath.Join(g.vomsDir, "climate/localhost.lsc"): g.fetch("/vos/climate/lsc"),
		filepath.Join(g.certDir, hash+".r0"): crl, filepath.Join(g.certDir, old+".r0"): crl} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			g.t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			g.t.Fatal(err)
		}
	}
}

// fetch gets an open document of the API.
func (g *gridSite) fetch(path string) string {
	g.t.Helper()
	resp, err := http.Get(g.portal + "/api/v1" + path)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		g.t.Fatalf("%s: %s %v\n%s", path, resp.Status, err, text)
	}
	return string(text)
}

// as is the environment of grid programs, with the certificate of one of the fixtures' people.
func (g *gridSite) as(name string) []string {
	g.t.Helper()
	dir := g.t.(*testing.T).TempDir()
	for _, suffix := range []string{".pem", ".key"} {
		text, err := os.ReadFile(filepath.Join(fixtures, "pki/certs", name+suffix))
		if err != nil {
			g.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+suffix), text, 0o400); err != nil {
			g.t.Fatal(err)
		}
	}
	return append(g.grid(), "X509_USER_CERT="+filepath.Join(dir, name+".pem"), "X509_USER_KEY="+filepath.Join(dir, name+".key"))
}

func (g *gridSite) grid() []string {
	return []string{"X509_CERT_DIR=" + g.certDir, "X509_VOMS_DIR=" + g.vomsDir, "VOMS_USERCONF=" + g.vomses}
}

// TestProxyWithoutACertificate is the journey of somebody who has none: the server's CA issues one,
// and programs of the grid take the proxy below it until it is deleted.
func TestProxyWithoutACertificate(t *testing.T) {
	t.Parallel()
	g := newGridSite(t)
	anna := g.signIn("anna")
	proxy := filepath.Join(anna.home, "proxy.pem")
	made := anna.run(command{args: []string{"proxy", "init", "-p", projectA, "--voms", "climate:/climate/Role=production", "--out", proxy}})
	if text := made.ok(t) + made.err; !contains(text, "/climate/Role=production") {
		t.Errorf("what was made is not told:\n%s", text)
	}
	for _, info := range []string{"voms-proxy-info2", "voms-proxy-info3"} {
		r := anna.run(command{program: info, args: []string{"-all", "-file", proxy}, env: g.grid()})
		if !contains(r.ok(t), "attribute : /climate/Role=production") || contains(r.out+r.err, "WARNING", "Unable to verify") {
			t.Errorf("%s shows\n%s%s", info, r.out, r.err)
		}
	}
	s := newDataServer(t, g.certDir, g.vomsDir, "climate")
	s.admits(proxy)
	newDataServer(t, g.certDir, g.vomsDir, "cms").refuses(proxy)
	anna.run(command{args: []string{"proxy", "verify", proxy}}).ok(t)

	var all api.List[api.Credential]
	if err := json.Unmarshal([]byte(anna.lanyard("proxy", "list", "--json")), &all); err != nil || len(all.Items) != 1 {
		t.Fatalf("%d proxies are listed, %v", len(all.Items), err)
	}
	anna.lanyard("proxy", "delete", "--yes", all.Items[0].ID)
	crl := filepath.Join(g.dir, "crl.pem")
	wait(t, patience, "an entry in the revocation list", func() bool {
		if err := os.WriteFile(crl, []byte(g.fetch("/ca/crl.pem")), 0o644); err != nil {
			t.Fatal(err)
		}
		return contains(anna.run(command{program: "openssl", args: []string{"crl", "-in", crl, "-noout", "-text"}}).ok(t), "Serial Number")
	})
	// The proxy lives on in the file, and still the authority gives it nothing more.
	anna.run(command{program: "voms-proxy-init2", args: []string{"-noregen", "-cert", proxy, "-key", proxy, "-voms", "climate", "-vomses", g.vomses, "-out", filepath.Join(anna.home, "again.pem")},
		env: g.grid()}).fails(t, "None of the contacted servers")
}

// TestVOMSClients lets the field's clients, and ours under their names, ask for attributes.
func TestVOMSClients(t *testing.T) {
	t.Parallel()
	g := newGridSite(t)
	here := &person{site: g.site, home: t.TempDir()}
	drop := filepath.Join(here.home, "voms-proxy-init")
	if err := os.Symlink(binary, drop); err != nil {
		t.Fatal(err)
	}
	s := newDataServer(t, g.certDir, g.vomsDir, "climate")
	for _, client := range []string{"voms-proxy-init2", "voms-proxy-init3", drop} {
		proxy := filepath.Join(here.home, filepath.Base(client)+".pem")
		here.run(command{program: client, args: []string{"-voms", "climate:/climate/ocean/Role=pilot", "-vomses", g.vomses, "-out", proxy}, env: g.as("ada")}).ok(t)
		fqans := here.run(command{program: "voms-proxy-info2", args: []string{"-fqan", "-file", proxy}, env: g.grid()}).ok(t)
		if want := "/climate/ocean/Role=pilot/Capability=NULL\n/climate/Role=NULL/Capability=NULL\n/climate/ocean/Role=NULL/Capability=NULL\n"; fqans != want {
			t.Errorf("%s got\n%swant\n%s", client, fqans, want)
		}
		s.admits(proxy)
		here.run(command{program: client, args: []string{"-voms", "climate", "-vomses", g.vomses, "-out", proxy + ".bob"}, env: g.as("bob")}).
			fails(t, "User unknown to this VO", "None of the contacted servers")
		here.run(command{program: client, args: []string{"-voms", "climate:/climate/Role=production", "-vomses", g.vomses, "-out", proxy + ".no"}, env: g.as("ada")}).
			fails(t, "Unable to satisfy")
	}
}

// TestDelegation has the server hold a proxy whose key never travelled, and jobs fetch fresh ones
// below it until it is deleted.
func TestDelegation(t *testing.T) {
	t.Parallel()
	g := newGridSite(t)
	anna := g.signIn("anna")
	anna.run(command{args: []string{"proxy", "delegate", "-p", projectA, "--name", "nightly", "--voms", "climate:/climate/ocean/Role=pilot", "--for", "2d"}, env: g.as("ada")}).ok(t)
	proxy := filepath.Join(anna.home, "job.pem")
	anna.run(command{args: []string{"proxy", "get", "nightly", "--out", proxy}, env: g.grid()}).ok(t)
	newDataServer(t, g.certDir, g.vomsDir, "climate").admits(proxy)
	if got := strings.TrimSpace(anna.run(command{program: "voms-proxy-info3", args: []string{"-identity", "-file", proxy}, env: g.grid()}).ok(t)); !strings.HasPrefix(got, ada) {
		t.Errorf("the job acts as %q", got)
	}
	anna.lanyard("proxy", "delete", "--yes", "nightly")
	anna.run(command{args: []string{"proxy", "get", "nightly", "--out", proxy}, env: g.grid()}).fails(t)
}
