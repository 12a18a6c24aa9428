package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fixtures are what the field's own tools made; see the README there.
const fixtures = "../testdata/voms"

// A dataServer is an xrootd that lets members of one VO read, by their proxies' attributes.
type dataServer struct {
	t         testing.TB
	url, dir  string
	certDir   string
	log       string
	authority string // the VO that may read
}

// newDataServer starts xrootd with the VOMS plug-in. It trusts the CAs of certDir and the attribute
// authorities of vomsDir; its own certificate is signed by the fixtures' CA, which certDir must hold
// for the client's sake.
func newDataServer(t testing.TB, certDir, vomsDir, vo string) *dataServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "xrd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{"data", "adm", "run"} {
		check(os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	check(os.WriteFile(filepath.Join(dir, "data", "events.root"), []byte("events\n"), 0o644))
	check(os.CopyFS(filepath.Join(dir, "certificates"), os.DirFS(certDir)))
	check(os.CopyFS(filepath.Join(dir, "vomsdir"), os.DirFS(vomsDir)))
	hostCertificate(t, dir, "localhost")
	port := freePorts(t, 1)[0]
	check(os.WriteFile(filepath.Join(dir, "authdb"), []byte("o "+vo+" / lr\n"), 0o644))
	config := fmt.Sprintf(`all.export /
oss.localroot %[1]s/data
all.adminpath %[1]s/adm
all.pidpath %[1]s/run
xrd.port %[2]s
xrd.network nodnr
xrootd.seclib libXrdSec.so
sec.protocol gsi -certdir:%[1]s/certificates -cert:%[1]s/host.pem -key:%[1]s/host.key -crl:2 -gmapopt:10 -vomsat:1 -vomsfun:default
acc.authdb %[1]s/authdb
ofs.authorize
`, dir, port)
	check(os.WriteFile(filepath.Join(dir, "xrootd.cfg"), []byte(config), 0o644))
	s := &dataServer{t: t, dir: dir, url: "root://localhost:" + port, certDir: filepath.Join(dir, "certificates"),
		log: filepath.Join(dir, "log"), authority: vo}
	args := []string{"-c", filepath.Join(dir, "xrootd.cfg"), "-l", s.log, "-p", port}
	if os.Geteuid() == 0 { // it refuses to serve as root
		args = append(args, "-R", "xrootd")
		check(os.Chmod(dir, 0o755))
		giveAway(t, dir, "xrootd")
	}
	cmd := exec.Command("xrootd", args...)
	cmd.Env = append(os.Environ(), "X509_CERT_DIR="+s.certDir, "X509_VOMS_DIR="+filepath.Join(dir, "vomsdir"))
	out := &journal{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: make test installs xrootd", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(s.log)
			t.Logf("xrootd: %s\n%s", out, log)
		}
	})
	wait(t, patience, "xrootd", func() bool {
		ping := exec.Command("xrdfs", s.url, "query", "config", "version")
		ping.Env = append(os.Environ(), "X509_USER_PROXY=/nonexistent", "XRD_CONNECTIONWINDOW=1", "XRD_CONNECTIONRETRY=1")
		text, _ := ping.CombinedOutput()
		return len(text) > 0 && !contains(string(text), "Connection", "refused", "Socket")
	})
	return s
}

// list tries to list the server's directory with a proxy, and returns what the client said.
func (s *dataServer) list(proxy string) (string, error) {
	s.t.Helper()
	cmd := exec.Command("xrdfs", s.url, "ls", "/")
	cmd.Env = append(os.Environ(), "X509_USER_PROXY="+proxy, "X509_CERT_DIR="+s.certDir, "HOME="+s.dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// admits fails the test unless the proxy may read.
func (s *dataServer) admits(proxy string) {
	s.t.Helper()
	if out, err := s.list(proxy); err != nil || !contains(out, "/events.root") {
		s.t.Errorf("xrootd for VO %s keeps %s out: %v\n%s", s.authority, filepath.Base(proxy), err, out)
	}
}

// refuses fails the test unless the proxy is kept out for lack of rights.
func (s *dataServer) refuses(proxy string) {
	s.t.Helper()
	if out, err := s.list(proxy); err == nil || !contains(out, "permission denied") {
		s.t.Errorf("xrootd for VO %s lets %s in, or fails otherwise: %v\n%s", s.authority, filepath.Base(proxy), err, out)
	}
}

// hostCertificate writes host.pem and host.key for a name, signed by the fixtures' CA, into dir.
func hostCertificate(t testing.TB, dir, name string) {
	t.Helper()
	ca := filepath.Join(fixtures, "pki/certs/fxca")
	extensions := filepath.Join(dir, "host.ext")
	text := "subjectAltName=DNS:" + name + "\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\nsubjectKeyIdentifier=hash\n"
	if err := os.WriteFile(extensions, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, args := range [][]string{
		{"req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", at("host.key"), "-subj", "/DC=test/DC=lanyard/OU=Hosts/CN=" + name, "-out", at("host.csr")},
		{"x509", "-req", "-in", at("host.csr"), "-CA", ca + ".pem", "-CAkey", ca + ".key", "-days", "30", "-extfile", extensions, "-set_serial", strconv.FormatInt(time.Now().UnixNano(), 10), "-out", at("host.pem")},
	} {
		if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
	}
	if err := os.Chmod(at("host.key"), 0o400); err != nil {
		t.Fatal(err)
	}
}

// giveAway makes somebody the owner of a tree.
func giveAway(t testing.TB, dir, name string) {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	err = filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, uid, gid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func contains(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// proxyFile copies a fixture to where a client takes it from: readable by its owner only.
func proxyFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fixtures, name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), filepath.Base(name))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDataServerTellsProxiesApart holds the data server itself against proxies of the field's own
// tools, so that what it says of ours means something.
func TestDataServerTellsProxiesApart(t *testing.T) {
	t.Parallel()
	s := newDataServer(t, filepath.Join(fixtures, "pki/certificates"), filepath.Join(fixtures, "pki/vomsdir"), "lanyard")
	s.admits(proxyFile(t, "golden/g07-c-voms.pem"))
	s.refuses(proxyFile(t, "golden/g01-c-plain.pem"))            // no VO
	s.refuses(proxyFile(t, "golden/g13-c-bits4096.pem"))         // another VO
	s.refuses(proxyFile(t, "golden/g25-fake-wrong-vo-fqan.pem")) // a foreign attribute
	s.refuses(proxyFile(t, "hostile/x04-fqan-tampered.pem"))     // changed after signing
}
