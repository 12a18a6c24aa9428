package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the key cache of libscitokens

	"github.com/lanyardhq/lanyard/wlcg"
)

// A tokenIssuer is what storage sees of one: its metadata and its keys, over https, with the
// certificate of the fixtures' CA.
type tokenIssuer struct {
	url string

	mu   sync.Mutex
	keys wlcg.KeySet
}

func newTokenIssuer(t testing.TB) *tokenIssuer {
	t.Helper()
	dir := t.TempDir()
	hostCertificate(t, dir, "localhost")
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "host.pem"), filepath.Join(dir, "host.key"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	i := &tokenIssuer{url: "https://localhost:" + port}
	server := &http.Server{Handler: i, ReadHeaderTimeout: 10 * time.Second, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ServeTLS(l, "", "") }()
	t.Cleanup(func() { server.Close(); <-done })
	return i
}

func (i *tokenIssuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.url, "jwks_uri": i.url + "/jwks"})
	case "/jwks":
		_ = json.NewEncoder(w).Encode(i.keys)
	default:
		http.NotFound(w, r)
	}
}

// publish makes these the issuer's keys.
func (i *tokenIssuer) publish(keys ...wlcg.Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = wlcg.KeySet{}
	for _, k := range keys {
		i.keys.Keys = append(i.keys.Keys, k.Public())
	}
}

// siteAudience is a name of every token server beside its own.
const siteAudience = "https://storage.example.org"

// A tokenServer is an xrootd with Debian's SciTokens plug-in.
type tokenServer struct {
	t         testing.TB
	dir       string
	web, root string // URLs of HTTP and of xrootd's own protocol
	log       string
	client    *http.Client
}

// newTokenServer starts xrootd, which trusts one issuer. libscitokens knows no other authorities
// than the machine's, so the server runs where the machine's bundle holds the fixtures' CA, too.
func newTokenServer(t testing.TB, issuer string) *tokenServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "xrt")
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
	for _, sub := range []string{"export/data", "export/other", "adm", "run", "cache"} {
		check(os.MkdirAll(filepath.Join(dir, sub), 0o755))
	}
	for _, name := range []string{"data/f", "data/kept", "data/gone", "other/f", "top"} {
		check(os.WriteFile(filepath.Join(dir, "export", name), []byte("content of "+name), 0o644))
	}
	hostCertificate(t, dir, "localhost")
	ca, err := os.ReadFile(filepath.Join(fixtures, "pki/certs/fxca.pem"))
	check(err)
	const machine = "/etc/ssl/certs/ca-certificates.crt"
	bundle, err := os.ReadFile(machine)
	check(err)
	check(os.WriteFile(filepath.Join(dir, "bundle.pem"), append(bundle, ca...), 0o644))
	check(os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o644))
	ports := freePorts(t, 2)
	s := &tokenServer{t: t, dir: dir, web: "https://localhost:" + ports[1], root: "roots://localhost:" + ports[0], log: filepath.Join(dir, "log")}
	check(os.WriteFile(filepath.Join(dir, "scitokens.cfg"), fmt.Appendf(nil, "[Global]\naudience = %s, %s\n\n[Issuer test]\nissuer = %s\nbase_path = /\n", s.web, siteAudience, issuer), 0o644))
	check(os.WriteFile(filepath.Join(dir, "xrootd.cfg"), fmt.Appendf(nil, `all.role server
all.export /
oss.localroot %[1]s/export
all.adminpath %[1]s/adm
all.pidpath %[1]s/run
xrd.port %[2]s
xrd.network nodnr
xrd.protocol http:%[3]s libXrdHttp.so
xrd.tls %[1]s/host.pem %[1]s/host.key
xrd.tlsca certfile %[1]s/ca.pem
xrootd.tls capable all
http.header2cgi Authorization authz
xrootd.seclib libXrdSec.so
sec.protocol ztn
sec.protbind * only ztn
ofs.authorize 1
ofs.authlib libXrdAccSciTokens.so config=%[1]s/scitokens.cfg
scitokens.trace all
`, dir, ports[0], ports[1]), 0o644))

	// As root: a mount of our own, and xrootd drops to its user. As anybody else: the same in a user
	// namespace, and back to who we are.
	args := []string{"-m", "sh", "-c", `mount --bind "$1" "$2" && shift 2 && exec "$@"`, "sh", filepath.Join(dir, "bundle.pem"), machine}
	xrootd := []string{"xrootd", "-c", filepath.Join(dir, "xrootd.cfg"), "-l", s.log}
	if os.Geteuid() == 0 {
		xrootd = append(xrootd, "-R", "xrootd")
		check(os.Chmod(dir, 0o755))
		giveAway(t, dir, "xrootd")
	} else {
		args = append([]string{"-r"}, args...)
		xrootd = append([]string{"unshare", "-U", fmt.Sprint("--map-user=", os.Geteuid()), fmt.Sprint("--map-group=", os.Getegid())}, xrootd...)
	}
	cmd := exec.Command("unshare", append(args, xrootd...)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
	out := &journal{}
	cmd.Stdout, cmd.Stderr = out, out
	check(cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(s.log)
			t.Logf("xrootd: %s\n%s", out, log)
		}
	})
	s.client = &http.Client{Timeout: 30 * time.Second, Transport: fixtureTransport(t)}
	ready := regexp.MustCompile(`xrootd \S+:\d+ initialization completed`) // parts of it say so earlier
	wait(t, patience, "xrootd", func() bool {
		log, _ := os.ReadFile(s.log)
		return ready.Match(log)
	})
	return s
}

// fixtureTransport trusts servers with certificates of the fixtures' CA.
func fixtureTransport(t testing.TB) *http.Transport {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(fixtures, "pki/certs/fxca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
}

// ask sends one request with a token and returns its status and body.
func (s *tokenServer) ask(method, path, token string) (int, string) {
	s.t.Helper()
	var body io.Reader
	if method == http.MethodPut {
		body = strings.NewReader("new content")
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.web+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if method == "PROPFIND" {
		r.Header.Set("Depth", "1")
	}
	resp, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// refetch makes the server ask for an issuer's keys again, as it does by itself every ten minutes.
func (s *tokenServer) refetch(issuer string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "cache/scitokens/scitokens_cpp.sqllite")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	r, err := db.ExecContext(s.t.Context(), "UPDATE keycache SET keys = json_set(keys, '$.next_update', 1) WHERE issuer = ?", issuer)
	if err != nil {
		s.t.Fatal(err)
	}
	if n, err := r.RowsAffected(); n != 1 || err != nil {
		s.t.Fatalf("the server keeps keys of %d issuers called %s: %v", n, issuer, err)
	}
}

// signingKey makes a key of an issuer.
func signingKey(t testing.TB, id, algorithm string) wlcg.Key {
	t.Helper()
	if algorithm == wlcg.RS256 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return wlcg.Key{ID: id, Algorithm: algorithm, Signer: k}
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return wlcg.Key{ID: id, Algorithm: algorithm, Signer: k}
}

// dataToken is the claims of a token for a server; the server keeps what it said of a token for a
// minute, so no two of them are the same.
func (s *tokenServer) dataToken(issuer string, scopes ...string) wlcg.Claims {
	return wlcg.Claims{Issuer: issuer, Subject: "usr_alice", ID: rand.Text(), Audience: []string{s.web}, IssuedAt: time.Now().Add(-2 * time.Second),
		ExpiresAt: time.Now().Add(time.Hour), Scope: scopes, ClientID: "cli_test"}
}

func minted(t testing.TB, c wlcg.Claims, k wlcg.Key, p wlcg.Profile) string {
	t.Helper()
	token, err := c.Mint(k, p)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// unchecked signs claims that Mint would refuse: those of a good token, changed. A nil value takes a
// claim away.
func (s *tokenServer) unchecked(issuer string, k wlcg.Key, typ string, change map[string]any) string {
	s.t.Helper()
	now := time.Now().Unix()
	m := map[string]any{"iss": issuer, "sub": "usr_alice", "jti": rand.Text(), "aud": s.web, "iat": now - 2, "nbf": now - 60, "exp": now + 3600,
		"scope": "storage.read:/data", "wlcg.ver": "1.0"}
	maps.Copy(m, change)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	token, err := wlcg.Sign(k, typ, m)
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}
