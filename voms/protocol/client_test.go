package protocol_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms/protocol"
	"github.com/lanyardhq/lanyard/voms/vomses"
)

const pki = "../../testdata/voms/pki/"

// TestClientTakesTheFirstAnswer asks often enough to have every order of the servers.
func TestClientTakesTheFirstAnswer(t *testing.T) {
	good, bad := newPeer(t, answers("c-rest-ok.http")), newPeer(t, answers("c-rest-unknown.http"))
	servers := []vomses.Server{bad.server(), good.server(), silent(t)}
	firsts := map[string]bool{}
	for range 50 {
		var asked []vomses.Server
		var failed int
		c := client(t)
		c.Contacting = func(s vomses.Server) { asked = append(asked, s) }
		c.Contacted = func(s vomses.Server, err error) {
			if s != asked[len(asked)-1] {
				t.Errorf("contacted %v, not %v", s, asked[len(asked)-1])
			}
			if err != nil {
				failed++
			}
		}
		got, from, err := c.Get(t.Context(), servers, protocol.Request{})
		if err != nil || from != good.server() || !bytes.Equal(got.AC, certificate(t)) {
			t.Fatalf("%d bytes from %v: %v", len(got.AC), from, err)
		}
		if failed != len(asked)-1 || asked[failed] != good.server() {
			t.Errorf("%d failures, asked %v", failed, asked)
		}
		firsts[asked[0].Address()] = true
	}
	if len(firsts) != len(servers) {
		t.Errorf("of %d servers only %v were ever asked first", len(servers), firsts)
	}
}

func TestClientTellsEveryReason(t *testing.T) {
	unknown, closed, garbage := newPeer(t, answers("c-rest-unknown.http")), newPeer(t, answers("c-rest-debian12.http")), newPeer(t, says("hello\n"))
	servers := []vomses.Server{unknown.server(), closed.server(), garbage.server(), silent(t)}
	want := []string{
		"lanyard: User unknown to this VO.",
		"it closed the connection without an answer",
		"it does not answer as a web server does; asked in XML, its answer cannot be read: it is no XML",
		"connection refused: nothing listens there",
	}
	_, _, err := client(t).Get(t.Context(), servers, protocol.Request{})
	all, ok := errors.AsType[*protocol.Unanswered](err)
	if !ok || len(all.Failures) != len(servers) || all.VO != "lanyard" {
		t.Fatalf("%v", err)
	}
	for _, f := range all.Failures {
		if i := slices.Index(servers, f.Server); i < 0 || f.Err.Error() != want[i] {
			t.Errorf("%v: %q", f.Server, f.Err)
		}
		if line := f.Server.Address() + ": " + f.Err.Error() + "\n"; !strings.Contains(err.Error(), line) {
			t.Errorf("%q is not in %q", line, err)
		}
	}
	if last := "\nnone of the 4 servers of VO lanyard gave an attribute certificate"; !strings.HasSuffix(err.Error(), last) {
		t.Errorf("%q does not end with %q", err, last)
	}
	if refusal, ok := errors.AsType[*protocol.Error](err); !ok || refusal.Code != protocol.NoSuchUser || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the reasons are not found in %#v", err)
	}
	_, _, err = client(t).Get(t.Context(), servers[:1], protocol.Request{})
	if want := unknown.server().Address() + ": " + want[0] + "\nthe only server of VO lanyard gave no attribute certificate"; err == nil || err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

// TestClientFallsBack has the Debian 12 C server in mind, which answers XML alone.
func TestClientFallsBack(t *testing.T) {
	for _, tc := range []struct {
		name  string
		mode  protocol.LegacyMode
		r     protocol.Request
		rest  string
		forms string // of the requests that came, in order
		ok    bool
	}{
		{"REST answers", protocol.LegacyFallback, protocol.Request{}, "c-rest-ok.http", "R", true},
		{"REST does not", protocol.LegacyFallback, protocol.Request{}, "c-rest-debian12.http", "RX", true},
		{"REST does not know the address", protocol.LegacyFallback, protocol.Request{}, "c-rest-not-found.http", "RX", true},
		{"REST refuses", protocol.LegacyFallback, protocol.Request{}, "c-rest-suspended.http", "R", false},
		{"REST does not, XML is off", protocol.LegacyNever, protocol.Request{}, "c-rest-debian12.http", "R", false},
		{"XML alone", protocol.LegacyOnly, protocol.Request{}, "c-rest-ok.http", "X", true},
		{"a list", protocol.LegacyFallback, protocol.Request{List: true}, "c-rest-ok.http", "X", true},
		{"a list, XML is off", protocol.LegacyNever, protocol.Request{List: true}, "c-rest-ok.http", "", false},
	} {
		var forms atomic.Value
		forms.Store("")
		p := newPeer(t, func(t *testing.T, conn *tls.Conn) {
			in, err := protocol.ReadRequest(conn)
			if err != nil {
				t.Error(err)
			}
			file := tc.rest
			switch {
			case in.Form == protocol.REST:
				forms.Store(forms.Load().(string) + "R")
			case in.List:
				file = "c-xml-list.xml"
				forms.Store(forms.Load().(string) + "X")
			default:
				file = "c-xml-ok.xml"
				forms.Store(forms.Load().(string) + "X")
			}
			_, _ = conn.Write(read(t, "testdata/answers/"+file))
		})
		c := client(t)
		c.Legacy = tc.mode
		got, _, err := c.Get(t.Context(), []vomses.Server{p.server()}, tc.r)
		if (err == nil) != tc.ok || forms.Load() != tc.forms {
			t.Errorf("%s: %v after requests %q, want %q", tc.name, err, forms.Load(), tc.forms)
		}
		if tc.ok && tc.r.List != (len(got.List) == 2) || tc.ok && tc.r.List == (got.AC != nil) {
			t.Errorf("%s: answer %v", tc.name, got)
		}
	}
}

func TestClientVerifiesTheServer(t *testing.T) {
	load := func(name string) tls.Certificate { return pair(t, name) }
	serviceName := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "host/old.lanyard.test"}})
	address := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "127.0.0.1"}})
	alternative := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "old.lanyard.test"}, DNSNames: []string{"new.lanyard.test"}})
	for _, tc := range []struct {
		name, host string
		cert       tls.Certificate
		skip       bool
		want       string
	}{
		{"its host", "voms.lanyard.test", load("voms"), false, ""},
		{"its address", "127.0.0.1", load("voms"), false, ""},
		{"another host", "else.lanyard.test", load("voms"), false, "its certificate is not for the host else.lanyard.test but for voms.lanyard.test, localhost, 127.0.0.1"},
		{"another host, not asked for", "else.lanyard.test", load("voms"), true, ""},
		{"common name", "old.lanyard.test", serviceName, false, ""},
		{"common name is an address", "127.0.0.1", address, false, ""},
		{"common name beside another", "old.lanyard.test", alternative, false, "its certificate is not for the host old.lanyard.test but for new.lanyard.test"},
		{"unknown CA", "voms-untrusted.lanyard.test", load("voms-untrusted"), true, "its certificate is not trusted: "},
		{"expired", "voms-expired.lanyard.test", load("voms-expired"), true, "its certificate is not trusted: "},
		{"revoked", "voms-revoked.lanyard.test", load("voms-revoked"), true, "its certificate is not trusted: "},
		{"outside its CA's namespace", "voms-nsviol.lanyard.test", load("voms-nsviol"), true, "its certificate is not trusted: "},
	} {
		p := newPeer(t, answers("c-rest-ok.http"), func(p *peer) { p.config.Certificates = []tls.Certificate{tc.cert} })
		c := client(t)
		c.SkipHostname = tc.skip
		c.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, p.server().Address())
		}
		s := p.server()
		s.Host = tc.host
		_, _, err := c.Get(t.Context(), []vomses.Server{s}, protocol.Request{})
		if got := reason(err); tc.want == "" && err != nil || !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
		if _, typed := errors.AsType[*trust.Error](err); typed != strings.Contains(tc.want, "not trusted") {
			t.Errorf("%s: the error of the package trust is in it: %v", tc.name, typed)
		}
	}
}

func TestClientPutsFailuresInWords(t *testing.T) {
	refuses := newPeer(t, answers("c-rest-ok.http"), func(p *peer) {
		p.config.VerifyConnection = func(tls.ConnectionState) error { return errors.New("go away") }
	})
	plain := newPeer(t, nil, func(p *peer) {
		p.raw = func(conn net.Conn) { _, _ = io.WriteString(conn, "220 mail.lanyard.test\r\n") }
	})
	mute := newPeer(t, nil, func(p *peer) { p.raw = func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) } })
	hangs := newPeer(t, func(_ *testing.T, conn *tls.Conn) { _, _ = io.Copy(io.Discard, conn) })
	floods := newPeer(t, func(_ *testing.T, conn *tls.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n<voms>")
		for {
			if _, err := conn.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	dial := func(err error) func(context.Context, string, string) (net.Conn, error) {
		return func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: err}
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name   string
		server vomses.Server
		ctx    context.Context
		change func(*protocol.Client)
		want   string
	}{
		{name: "refuses the client's certificate", server: refuses.server(), want: "it refused the TLS connection: bad certificate. If it names a certificate, that is yours: is your CA known there, and your certificate or proxy valid?"},
		{name: "no TLS", server: plain.server(), want: "what listens there does not speak TLS"},
		{name: "no handshake", server: mute.server(), change: func(c *protocol.Client) { c.Timeout = 50 * time.Millisecond }, want: "it did not answer within 50ms"},
		{name: "no answer", server: hangs.server(), change: func(c *protocol.Client) { c.Timeout, c.Legacy = 200*time.Millisecond, protocol.LegacyNever }, want: "it did not answer within 200ms"},
		{name: "no end", server: floods.server(), want: "its answer is larger than 1048576 bytes; asked in XML, its answer is larger than 1048576 bytes"},
		{name: "no such host", server: first, change: func(c *protocol.Client) { c.Dial = dial(&net.DNSError{IsNotFound: true}) }, want: "there is no host with the name voms.lanyard.test"},
		{name: "no name server", server: first, change: func(c *protocol.Client) { c.Dial = dial(&net.DNSError{Err: "server misbehaving"}) }, want: "the name voms.lanyard.test cannot be looked up: server misbehaving"},
		{name: "no route", server: first, change: func(c *protocol.Client) { c.Dial = dial(syscall.EHOSTUNREACH) }, want: "it cannot be reached: no route to host"},
		{name: "the caller gives up", server: hangs.server(), ctx: canceled, want: "context canceled"},
	} {
		c := client(t)
		if tc.change != nil {
			tc.change(&c)
		}
		if tc.ctx == nil {
			tc.ctx = t.Context()
		}
		_, _, err := c.Get(tc.ctx, []vomses.Server{tc.server}, protocol.Request{})
		if got := reason(err); got != tc.want && (tc.name != "no end" || !strings.Contains(got, "larger than 1048576")) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestClientRefusesWhatItCannotSend(t *testing.T) {
	never := newPeer(t, func(t *testing.T, _ *tls.Conn) { t.Error("something was sent") })
	for _, tc := range []struct {
		name    string
		servers []vomses.Server
		r       protocol.Request
		want    string
	}{
		{"no server", nil, protocol.Request{}, "no server of the VO is known"},
		{"a bad name", []vomses.Server{never.server()}, protocol.Request{FQANs: []string{"/a b"}}, `"/a b" is no attribute`},
	} {
		_, _, err := client(t).Get(t.Context(), tc.servers, tc.r)
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	if _, _, err := (protocol.Client{}).Get(t.Context(), []vomses.Server{never.server()}, protocol.Request{}); err == nil {
		t.Error("a client without CAs asks a server")
	}
}

// reason returns the text of the only failure in err.
func reason(err error) string {
	if all, ok := errors.AsType[*protocol.Unanswered](err); ok && len(all.Failures) == 1 {
		return all.Failures[0].Err.Error()
	}
	return ""
}

func client(t *testing.T) protocol.Client {
	t.Helper()
	cas, err := trust.Load(pki + "certificates")
	if err != nil {
		t.Fatal(err)
	}
	return protocol.Client{Credential: pair(t, "ada"), Trust: cas, Now: time.Now}
}

// peer is a TLS server of which each test says how it answers.
type peer struct {
	listener net.Listener
	config   *tls.Config
	raw      func(net.Conn) // in place of TLS
}

func newPeer(t *testing.T, handle func(*testing.T, *tls.Conn), changes ...func(*peer)) *peer {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{listener: listener, config: &tls.Config{Certificates: []tls.Certificate{pair(t, "voms")}, ClientAuth: tls.RequireAnyClientCert}}
	for _, change := range changes {
		change(p)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				if p.raw != nil {
					p.raw(conn)
					return
				}
				secure := tls.Server(conn, p.config)
				defer secure.Close()
				if secure.HandshakeContext(context.Background()) == nil {
					handle(t, secure)
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return p
}

func (p *peer) server() vomses.Server {
	return vomses.Server{Alias: "lanyard", Host: "127.0.0.1", Port: p.listener.Addr().(*net.TCPAddr).Port, DN: hosts + "voms.lanyard.test", VO: "lanyard"}
}

// answers reads a request and answers with a file of testdata/answers.
func answers(file string) func(*testing.T, *tls.Conn) {
	return func(t *testing.T, conn *tls.Conn) {
		if _, err := protocol.ReadRequest(conn); err == nil {
			_, _ = conn.Write(read(t, "testdata/answers/"+file))
		}
	}
}

func says(text string) func(*testing.T, *tls.Conn) {
	return func(_ *testing.T, conn *tls.Conn) {
		if _, err := protocol.ReadRequest(conn); err == nil {
			_, _ = io.WriteString(conn, text)
		}
	}
}

// silent is a server at a port on which nobody listens.
func silent(t *testing.T) vomses.Server {
	t.Helper()
	p := newPeer(t, nil)
	p.listener.Close()
	return p.server()
}

func pair(t testing.TB, name string) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(pki+"certs/"+name+".pem", pki+"certs/"+name+".key")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// issue makes a server's certificate of the fixture CA, below its namespace.
func issue(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	ca, host := pair(t, "fxca"), pair(t, "voms")
	template.SerialNumber = big.NewInt(1 << 40)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	dc := func(v string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: []int{0, 9, 2342, 19200300, 100, 1, 25}, Value: v}
	}
	name, err := asn1.Marshal(pkix.RDNSequence{{dc("test")}, {dc("lanyard")}, {{Type: []int{2, 5, 4, 3}, Value: template.Subject.CommonName}}})
	if err != nil {
		t.Fatal(err)
	}
	template.RawSubject = name
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Leaf, host.PrivateKey.(crypto.Signer).Public(), ca.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: host.PrivateKey}
}

// certificate is the attribute certificate that the files in testdata/answers carry.
func certificate(t *testing.T) []byte {
	t.Helper()
	block, _ := pem.Decode(read(t, "../../testdata/voms/golden/g34-separate.ac"))
	return block.Bytes
}
