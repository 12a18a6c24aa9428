package e2e

import (
	"bytes"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lanyard-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "lanyard")
	build := exec.Command("go", "build", "-o", binary, "../cmd/lanyard")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build lanyard:", err)
		os.Exit(1)
	}
	// Debian's rclone fails on any bundle named here, and we speak to this machine only.
	os.Unsetenv("AWS_CA_BUNDLE")
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	// Tests wait for programs most of the time, so more of them run at once than there are processors.
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// A site is one server with three people and two projects.
type site struct {
	t        testing.TB
	dir      string // data directory, short because a socket lies in it
	config   string
	portal   string // URL
	s3       string // URL
	metrics  string // URL
	password map[string]string
	cmd      *exec.Cmd
	log      *journal

	authority string            // file of the CA of the portal's certificate; empty without TLS
	transport http.RoundTripper // trusts it
}

// Settings vary a site.
type settings struct {
	upstream string // YAML below "upstream:"
	database string // YAML below "database:"
	tls      bool   // of the S3 gateway, with a certificate of an own CA
	secure   bool   // TLS for the portal, with a certificate of the fixtures' CA
	extra    string // more YAML at the top level
	tokens   string // YAML below "tokens:", of a site with grants
	quota    string
	maxLife  string
}

const projectA, projectB = "462000008", "465000123"

// newSite configures a site and starts it.
func newSite(t testing.TB, o settings) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "ly")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &site{t: t, dir: dir, config: filepath.Join(dir, "lanyard.yaml"), password: map[string]string{}, log: &journal{}}
	ports := freePorts(t, 3)
	s.portal = "http://localhost:" + ports[0]
	s.s3, s.metrics = "http://127.0.0.1:"+ports[1], "http://127.0.0.1:"+ports[2]
	tls, portalTLS := "", ""
	s.transport = http.DefaultTransport
	if o.secure {
		hostCertificate(t, dir, "localhost")
		s.portal, s.transport = "https://localhost:"+ports[0], fixtureTransport(t)
		if s.authority, err = filepath.Abs(filepath.Join(fixtures, "pki/certs/fxca.pem")); err != nil {
			t.Fatal(err)
		}
		portalTLS = ", tls: {cert: host.pem, key: host.key}"
	}
	if o.tls {
		certificate(t, dir)
		s.s3 = "https://127.0.0.1:" + ports[1]
		tls = "  tls: {cert: s3.crt, key: s3.key}\n"
	}
	if o.quota == "" {
		o.quota = "100GB"
	}
	if o.maxLife == "" {
		o.maxLife = "7d"
	}
	var users strings.Builder
	for _, name := range []string{"anna", "ben", "chiara"} {
		s.password[name] = strings.ToLower(rand.Text())
		hash := s.run(command{stdin: s.password[name], args: []string{"admin", "password-hash"}}).ok(t)
		fmt.Fprintf(&users, "      - {name: %s, full_name: %s Test, password: %q}\n", name, strings.ToUpper(name[:1])+name[1:], strings.TrimSpace(hash))
	}
	text := fmt.Sprintf(`data_dir: %s
portal: {listen: "localhost:%s", url: "%s"%s}
s3:
  listen: 127.0.0.1:%s
  url: %s
  hosts: [s3.example.org]
  sigv2: true
%smetrics: {listen: "127.0.0.1:%s"}
limits: {keys_per_account: 0, keys_per_hour: 0, api_per_minute: 0}
lifetimes: {s3key: {default: 1d, max: %s}}
sign_in:
  local:
    users:
%sprojects:
  - {name: "%s", title: Climate, quota: %s, members: [{subject: anna, role: manager}, {subject: ben, role: user}]}
  - {name: "%s", title: Sea ice, quota: 1GB, members: [{subject: anna, role: manager}, {subject: chiara, role: user}]}
`, filepath.Join(dir, "data"), ports[0], s.portal, portalTLS, ports[1], s.s3, tls, ports[2], o.maxLife, users.String(), projectA, o.quota, projectB)
	if o.upstream != "" {
		text += "upstream:\n" + o.upstream
	}
	if o.database != "" {
		text += "database:\n" + o.database
	}
	if err := os.WriteFile(s.config, []byte(text+o.extra), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill) // also if it does not start
	s.start()
	return s
}

// start runs the server and returns once it is ready.
func (s *site) start() {
	s.t.Helper()
	s.cmd = exec.Command(binary, "serve", "--config", s.config)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	wait(s.t, patience, "the server to be ready", func() bool {
		resp, err := (&http.Client{Transport: s.transport}).Get(s.portal + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// stop ends the server as an operator does, and fails the test unless it ends well.
func (s *site) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("the server ended with %v\n%s", err, s.log)
	}
	s.cmd = nil
}

// kill ends the server as a crash does.
func (s *site) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
	if s.t.Failed() {
		s.t.Logf("the server's log:\n%s", s.log)
	}
}

// A person has a home directory in which lanyard is signed in.
type person struct {
	*site
	name, home string
	jar        *http.Client // their browser
	proof      string       // what its pages put into their forms
}

// signIn makes a home and signs somebody in there by a device code, as on a login node.
func (s *site) signIn(name string) *person {
	s.t.Helper()
	home, err := os.MkdirTemp("", "lyh")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { os.RemoveAll(home) })
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	p := &person{site: s, name: name, home: home, jar: &http.Client{Jar: jar, Timeout: patience, Transport: s.transport}}
	p.browse("/login/local", url.Values{"user": {name}, "password": {s.password[name]}, "next": {"/projects"}})
	cmd := p.cmdline(command{args: []string{"login", "--server", s.portal, "--device"}})
	out := &journal{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	var code string
	wait(s.t, patience, "a device code", func() bool {
		code = regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}`).FindString(out.String())
		return code != ""
	})
	p.browse("/device?check=1&user_code="+code, nil)
	p.browse("/device", url.Values{"user_code": {code}, "decision": {"approve"}})
	if err := cmd.Wait(); err != nil {
		s.t.Fatalf("lanyard login: %v\n%s", err, out)
	}
	return p
}

// browse gets a page, or posts a form, and returns the page that follows.
func (p *person) browse(path string, form url.Values) string {
	p.t.Helper()
	var resp *http.Response
	var err error
	if form == nil {
		resp, err = p.jar.Get(p.portal + path)
	} else {
		form.Set("proof", p.proof)
		resp, err = p.jar.PostForm(p.portal+path, form)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s %v\n%s", path, resp.Status, err, body)
	}
	if m := regexp.MustCompile(`name="proof" value="(\w+)"`).FindSubmatch(body); m != nil {
		p.proof = string(m[1])
	}
	return string(body)
}

// A command is one run of a program; lanyard unless program says otherwise.
type command struct {
	program string
	args    []string
	stdin   string
	env     []string
}

// A result is how a command ended.
type result struct {
	command
	out, err string
	code     int
}

func (s *site) run(c command) result { return (&person{site: s, home: s.dir}).run(c) }

// lanyard runs the program under test and returns what it printed.
func (p *person) lanyard(args ...string) string {
	p.t.Helper()
	return p.run(command{args: args}).ok(p.t)
}

func (p *person) cmdline(c command) *exec.Cmd {
	if c.program == "" {
		c.program = binary
	}
	cmd := exec.Command(c.program, c.args...)
	cmd.Stdin = strings.NewReader(c.stdin)
	cmd.Dir = p.home
	cmd.Env = append(os.Environ(), "HOME="+p.home, "XDG_RUNTIME_DIR="+p.home, "XDG_STATE_HOME=", "XDG_CONFIG_HOME=", "LANYARD_SERVER="+p.portal,
		"PATH="+filepath.Dir(binary)+":/usr/bin:"+os.Getenv("PATH"))
	if p.authority != "" {
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+p.authority)
	}
	cmd.Env = append(cmd.Env, c.env...)
	return cmd
}

func (p *person) run(c command) result {
	p.t.Helper()
	cmd := p.cmdline(c)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("%v: make test installs every client", err)
	}
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	r := result{c, out.String(), stderr.String(), 0}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		r.code = exit.ExitCode()
	} else if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// ok fails the test unless the command succeeded, and returns its output.
func (r result) ok(t testing.TB) string {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", r, r.code, r.out, r.err)
	}
	return r.out
}

// fails fails the test unless the command failed and said all of the words.
func (r result) fails(t testing.TB, words ...string) {
	t.Helper()
	if r.code == 0 {
		t.Errorf("%s succeeded:\n%s", r, r.out)
	}
	for _, w := range words {
		if !strings.Contains(strings.ToLower(r.out+r.err), strings.ToLower(w)) {
			t.Errorf("%s: %q is not in\n%s%s", r, w, r.out, r.err)
		}
	}
}

func (r result) String() string {
	return strings.Join(append([]string{filepath.Base(r.program)}, r.args...), " ")
}

// peer is a program of somebody else's that make test has built.
func peer(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(os.Getenv("LANYARD_PEERS"), name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: LANYARD_PEERS must name the directory of the peers; make test builds them", err)
	}
	return path
}

// patience is how long a busy machine may take for anything. What has a bound of its own says so.
const patience = 3 * time.Minute

// wait polls until f holds: for programs that cannot tell us.
func wait(t testing.TB, within time.Duration, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %s for %s", within, what)
		}
	}
}

// given are the ports that a test has.
var given sync.Map

// freePorts returns ports of this machine that no other test has. They are below those that the
// kernel gives to whoever asks for any, or connects: so they stay free until a server takes them, and
// while it is away.
func freePorts(t testing.TB, n int) (ports []string) {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(10_000 + mathrand.IntN(20_000))
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", ":"+port)
		if err != nil {
			continue
		}
		l.Close()
		if ports = append(ports, port); len(ports) == n {
			return ports
		}
	}
	t.Fatal("no port is free")
	return nil
}

// A journal keeps what a program prints.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
