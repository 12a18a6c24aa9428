package attributeauthority_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/attributeauthority"
	"github.com/lanyardhq/lanyard/internal/standin"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
	"github.com/lanyardhq/lanyard/voms/vomses"
)

const (
	fixtures = "../../testdata/voms/pki/"
	people   = "/DC=test/DC=lanyard/OU=Users/CN="
	ada      = people + "Ada Tester"
)

// authority is as small as one can be that gives, shortens and refuses. The real rules are tested
// where they are.
type authority struct {
	certificate tls.Certificate
	port        int
	// asked keeps what came.
	mu    sync.Mutex
	asked []question
	// failures is how many requests it fails to answer, and panics whether it breaks at any.
	failures int
	panics   bool
	// gate, where set, holds up requests that have entered.
	entered, gate chan struct{}
}

type question struct {
	holder  vo.Holder
	request protocol.Request
}

const maxLife = 24 * time.Hour

func (a *authority) Attributes(_ context.Context, name string, h vo.Holder, r protocol.Request) (protocol.Answer, error) {
	a.mu.Lock()
	a.asked = append(a.asked, question{h, r})
	broken, panics, entered, gate := len(a.asked) <= a.failures, a.panics, a.entered, a.gate
	a.mu.Unlock()
	if gate != nil {
		entered <- struct{}{}
		<-gate
	}
	switch {
	case panics:
		panic("the authority is broken")
	case broken:
		return protocol.Answer{}, errors.New("disk sdb is broken")
	}
	held := []string{"/lanyard", "/lanyard/physics"}
	switch h.Result.Identity {
	case ada:
	case people + "Bob Builder":
		return protocol.Answer{}, protocol.NewError(protocol.SuspendedUser, "User is currently suspended!\nSuspension reason: asked for by the site")
	case people + "Sam Subca":
		return protocol.Answer{}, errors.New("disk sdb is broken")
	default:
		return protocol.Answer{}, protocol.NewError(protocol.NoSuchUser, "%s: User unknown to this VO.", name)
	}
	var fqans []string
	for _, f := range append(r.Order, r.FQANs...) {
		switch {
		case slices.Contains(fqans, f):
		case slices.Contains(held, f), f == "/lanyard/physics/Role=pilot" && slices.Contains(r.FQANs, f):
			fqans = append(fqans, f)
		default:
			return protocol.Answer{}, protocol.NewError(protocol.NoSuchAttribute, "%s: Unable to satisfy %s request!", name, f)
		}
	}
	for _, f := range held {
		if !slices.Contains(fqans, f) {
			fqans = append(fqans, f)
		}
	}
	var warnings []string
	if len(h.ACs) > 0 {
		fqans, warnings = h.ACs[0].FQANs[:1], []string{protocol.WarnSubset(name)}
	}
	life := r.Lifetime
	if life == 0 {
		life = maxLife
	}
	if life > maxLife {
		life, warnings = maxLife, append(warnings, protocol.WarnShortened("lanyard://voms.lanyard.test:21001", int64(maxLife/time.Second)))
	}
	now := time.Now()
	ac, err := voms.Create(voms.Template{VO: name, Host: "voms.lanyard.test", Port: a.port, FQANs: fqans, Targets: r.Targets, NotBefore: now, NotAfter: now.Add(life)},
		h.Result.EndEntity, a.certificate.Leaf, a.certificate.PrivateKey.(crypto.Signer))
	return protocol.Answer{AC: ac, Warnings: warnings}, err
}

// holdUp makes requests wait at the gate.
func (a *authority) holdUp() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entered, a.gate = make(chan struct{}), make(chan struct{})
}

// last is what was asked last.
func (a *authority) last(t *testing.T) question {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.asked) == 0 {
		t.Fatal("nothing was asked")
	}
	return a.asked[len(a.asked)-1]
}

func (a *authority) requests() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.asked)
}

// world is a server with its authority, and what a client needs to find it.
type world struct {
	*authority
	server vomses.Server
	trust  *trust.Store
	vomses string
	log    *standin.Log
	stop   func()
	served chan error
}

// newWorld starts a server. What is wrapped around its listener sees all connections.
func newWorld(t testing.TB, wrap func(net.Listener) net.Listener, changes ...func(*attributeauthority.Config)) *world {
	t.Helper()
	cas, err := trust.Load(fixtures + "certificates")
	if err != nil {
		t.Fatal(err)
	}
	own := pair(t, "voms")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	w := &world{authority: &authority{certificate: own, port: port}, trust: cas, log: &standin.Log{},
		server: vomses.Server{Alias: "lanyard", Host: "localhost", Port: port, DN: "/DC=test/DC=lanyard/OU=Hosts/CN=voms.lanyard.test", VO: "lanyard"}}
	w.vomses = filepath.Join(t.TempDir(), "vomses")
	if err := os.WriteFile(w.vomses, []byte(w.server.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := attributeauthority.Config{VO: "lanyard", Authority: w.authority, Now: time.Now,
		Log:         slog.New(slog.NewTextHandler(w.log, nil)),
		Certificate: func() (*tls.Certificate, error) { return &own, nil },
		Trust:       func() (*trust.Store, error) { return cas, nil }}
	for _, change := range changes {
		change(&c)
	}
	server, err := attributeauthority.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if wrap != nil {
		listener = wrap(listener)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop, w.served = cancel, make(chan error, 1)
	go func() { w.served <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-w.served; err != nil {
			t.Error(err)
		}
	})
	return w
}

// client is our own client with somebody's certificate.
func (w *world) client(t testing.TB, name string, mode protocol.LegacyMode) protocol.Client {
	return protocol.Client{Credential: pair(t, name), Trust: w.trust, Now: time.Now, Legacy: mode}
}

func pair(t testing.TB, name string) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(fixtures+"certs/"+name+".pem", fixtures+"certs/"+name+".key")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run is one run of a program of the field.
type run struct {
	out, errs, proxy string
	code             int
}

// proxyInit runs voms-proxy-init2 or -init3 for somebody of the fixtures.
func (w *world) proxyInit(t *testing.T, program, name string, args ...string) run {
	t.Helper()
	dir := t.TempDir()
	key, proxy := filepath.Join(dir, "key.pem"), filepath.Join(dir, "proxy.pem")
	data, err := os.ReadFile(fixtures + "certs/" + name + ".key")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, data, 0o600); err != nil { // the programs look at its mode
		t.Fatal(err)
	}
	return w.command(t, dir, program, proxy, append([]string{"-vomses", w.vomses, "-cert", absolute(t, fixtures+"certs/"+name+".pem"), "-key", key, "-out", proxy}, args...)...)
}

func (w *world) command(t *testing.T, dir, program, proxy string, args ...string) run {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &errs, dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "X509_CERT_DIR=" + absolute(t, fixtures+"certificates"), "X509_VOMS_DIR=" + absolute(t, fixtures+"vomsdir")}
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatalf("%s: %v", program, err)
	}
	return run{out.String(), errs.String(), proxy, cmd.ProcessState.ExitCode()}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	p, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// info asks voms-proxy-info2 for some of what a proxy says.
func (w *world) info(t *testing.T, r run, what string) string {
	t.Helper()
	i := w.command(t, t.TempDir(), "voms-proxy-info2", "", "-file", r.proxy, what)
	if i.code != 0 {
		t.Fatalf("voms-proxy-info2 %s: %s%s", what, i.out, i.errs)
	}
	return strings.TrimSpace(i.out)
}
