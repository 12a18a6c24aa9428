package attributeauthority_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/attributeauthority"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
	"github.com/lanyardhq/lanyard/voms/vomses"
)

const (
	golden  = "../../testdata/voms/golden/"
	hostile = "../../testdata/voms/hostile/"
)

// TestOwnClient asks in both forms.
func TestOwnClient(t *testing.T) {
	w := newWorld(t, nil)
	for mode, form := range map[protocol.LegacyMode]string{protocol.LegacyNever: "rest", protocol.LegacyOnly: "xml"} {
		ask := func(name string, r protocol.Request) (protocol.Answer, error) {
			got, from, err := w.client(t, name, mode).Get(t.Context(), []vomses.Server{w.server}, r)
			if err == nil && from != w.server {
				t.Errorf("%s: the answer is from %v", form, from)
			}
			return got, err
		}
		r := protocol.Request{FQANs: []string{"/lanyard/physics/Role=pilot"}, Lifetime: time.Hour, Targets: []string{"a.test", "b.test"}}
		got, err := ask("ada", r)
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		ac, err := voms.Parse(got.AC)
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		if diff := cmp.Diff(r.FQANs[0], ac.FQANs[0]) + cmp.Diff(r.Targets, ac.Targets) + cmp.Diff(r, w.last(t).request); diff != "" || ac.NotAfter.Sub(ac.NotBefore) != time.Hour {
			t.Errorf("%s: %s from %s to %s", form, diff, ac.NotBefore, ac.NotAfter)
		}
		h := w.last(t).holder
		if h.Address != "127.0.0.1" || h.Result.Identity != ada || len(h.Chain) != 1 || len(h.ACs) != 0 {
			t.Errorf("%s: holder %+v", form, h)
		}
		got, err = ask("ada", protocol.Request{Lifetime: 48 * time.Hour})
		if err != nil || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "shortened to 86400 seconds") {
			t.Errorf("%s: warnings %q, %v", form, got.Warnings, err)
		}
		for name, want := range map[string]protocol.Error{
			"uma": {Code: protocol.NoSuchUser, Name: "NoSuchUser", HTTP: 403, Message: "lanyard: User unknown to this VO."},
			"bob": {Code: protocol.SuspendedUser, Name: "SuspendedUser", HTTP: 403, Message: "User is currently suspended!\nSuspension reason: asked for by the site"},
			"sam": {Code: protocol.InternalError, Name: "InternalError", HTTP: 500, Message: "The server has met an internal error. Its operator finds the reason in its log."},
		} {
			_, err := ask(name, protocol.Request{})
			refusal, ok := errors.AsType[*protocol.Error](err)
			if mode == protocol.LegacyOnly {
				want.HTTP = 0
			}
			if !ok || *refusal != want {
				t.Errorf("%s, %s: %#v", form, name, err)
			}
		}
	}
	if log := w.log.String(); !strings.Contains(log, `level=ERROR msg="attributes not given"`) || !strings.Contains(log, "disk sdb is broken") {
		t.Errorf("the operator does not read what broke:\n%s", log)
	}
}

// TestClientCertificates says which clients get as far as the authority.
func TestClientCertificates(t *testing.T) {
	strict := newWorld(t, nil)
	older := newWorld(t, nil, func(c *attributeauthority.Config) { c.AllowLegacy, c.AllowDraft = true, true })
	for _, tc := range []struct {
		name       string
		credential tls.Certificate
		// accepted by the strict server, and by one that takes older forms
		strict, older bool
		refusal       string
	}{
		{"certificate", pair(t, "ada"), true, true, ""},
		{"below a sub-CA", chained(t, "bob", "fxca"), true, true, ""}, // a CA in the chain is ignored
		{"proxy", proxy(t, golden+"g01-c-plain"), true, true, ""},
		{"limited proxy", proxy(t, golden+"g44-j-limited"), true, true, ""},
		{"proxy of a proxy", proxy(t, golden+"g48-j-noregen-depth2"), true, true, ""},
		{"legacy proxy", proxy(t, golden+"g03-c-legacy"), false, true, "Your certificate or proxy is not accepted: "},
		{"draft proxy", proxy(t, golden+"g05-c-draft"), false, true, "Your certificate or proxy is not accepted: "},
		{"independent proxy", proxy(t, golden+"g31-globus-independent"), false, false, "Your certificate or proxy is not accepted: "},
		{"expired proxy", proxy(t, golden+"g23-fake-expired-proxy"), false, false, "expired"},
		{"certificate of the future", pair(t, "future"), false, false, "Your certificate or proxy is not accepted: "},
		{"revoked certificate", pair(t, "dora"), false, false, "revoked"},
		{"unknown CA", pair(t, "unt"), false, false, "Your certificate or proxy is not accepted: "},
		{"outside its CA's namespace", pair(t, "nsviol"), false, false, "Your certificate or proxy is not accepted: "},
		{"end-entity as CA", chained(t, "ada", "bob"), true, true, ""}, // a stranger in the chain is ignored
	} {
		for w, want := range map[*world]bool{strict: tc.strict, older: tc.older} {
			before := w.requests()
			client := w.client(t, "ada", protocol.LegacyNever)
			client.Credential = tc.credential
			_, _, err := client.Get(t.Context(), []vomses.Server{w.server}, protocol.Request{})
			if asked := w.requests() > before; asked != want {
				t.Errorf("%s: the authority was asked: %v, want %v (%v)", tc.name, asked, want, err)
			}
			if refusal, ok := errors.AsType[*protocol.Error](err); !want && (!ok || refusal.Code != protocol.BadRequest || !strings.Contains(refusal.Message, tc.refusal)) {
				t.Errorf("%s: %v, want %q", tc.name, err, tc.refusal)
			}
		}
	}
}

// TestHeldAttributes says which attribute certificates in a client's proxy count: those of this VO
// that verify.
func TestHeldAttributes(t *testing.T) {
	w := newWorld(t, nil)
	lanyard := []string{"/lanyard/Role=NULL/Capability=NULL", "/lanyard/physics/Role=NULL/Capability=NULL", "/lanyard/physics/muon/Role=NULL/Capability=NULL"}
	for name, want := range map[string][]string{
		golden + "g01-c-plain":        nil,
		golden + "g07-c-voms":         lanyard,
		golden + "g09-c-voms-two":     lanyard, // not those of beta.vo
		hostile + "x02-ac-future":     nil,
		hostile + "x04-fqan-tampered": nil,
	} {
		client := w.client(t, "ada", protocol.LegacyNever)
		client.Credential = proxy(t, name)
		got, _, err := client.Get(t.Context(), []vomses.Server{w.server}, protocol.Request{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var held []string
		for _, ac := range w.last(t).holder.ACs {
			held = append(held, ac.FQANs...)
		}
		if diff := cmp.Diff(want, held); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if subset := len(got.Warnings) == 1; subset != (want != nil) {
			t.Errorf("%s: warnings %q", name, got.Warnings)
		}
	}
}

// TestHostileClients sends what no client of the field does, and then asks as one does.
func TestHostileClients(t *testing.T) {
	w := newWorld(t, nil)
	for _, tc := range []struct{ name, send, want string }{
		{"another path", "GET /etc/passwd HTTP/1.0\r\n\r\n", "HTTP/1.1 404 Not Found\r\n"},
		{"a long head", "GET /generate-ac?fqans=" + strings.Repeat("/a", 5000) + "\r\n\r\n", "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
		{"another method", "POST /generate-ac HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 400 Bad Request\r\n"},
		{"no request", "\x00\x01\x02\n\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"a long document", "<voms>" + strings.Repeat("<command>A</command>", 5000), `<?xml version="1.0" encoding = "US-ASCII"?><vomsans>`},
		{"an entity", `<!DOCTYPE v [<!ENTITY a "b">]><voms><command>&a;</command></voms>`, `<?xml version="1.0" encoding = "US-ASCII"?><vomsans>`},
		{"a forged log line", "GET /generate-ac?fqans=/x HTTP/1.1\nUser-Agent: x\x1b[2J\rmsg=forged\n\n", "HTTP/1.1 400 Bad Request\r\n"},
	} {
		conn := w.dial(t, &tls.Config{Certificates: []tls.Certificate{pair(t, "ada")}})
		_, _ = io.WriteString(conn, tc.send) // the server may have hung up
		got, _ := io.ReadAll(conn)
		// What the server had not read may have cost us its answer.
		if !bytes.HasPrefix(got, []byte(tc.want)) && (len(got) > 0 || len(tc.send) <= 1<<13) {
			t.Errorf("%s: %.200q, want %q", tc.name, got, tc.want)
		}
	}
	if conn, err := tls.Dial("tcp", w.server.Address(), &tls.Config{InsecureSkipVerify: true}); err == nil {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("somebody without a certificate got an answer")
		}
		conn.Close()
	}
	plain, err := net.Dial("tcp", w.server.Address())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(plain, "GET /generate-ac HTTP/1.0\r\n\r\n")
	_, _ = io.ReadAll(plain)
	plain.Close()
	w.mu.Lock()
	w.asked, w.panics = nil, true
	w.mu.Unlock()
	if _, _, err := w.client(t, "ada", protocol.LegacyNever).Get(t.Context(), []vomses.Server{w.server}, protocol.Request{}); err == nil || !strings.Contains(err.Error(), "closed the connection without an answer") {
		t.Errorf("an authority that panics: %v", err)
	}
	w.mu.Lock()
	w.panics = false
	w.mu.Unlock()
	if _, _, err := w.client(t, "ada", protocol.LegacyNever).Get(t.Context(), []vomses.Server{w.server}, protocol.Request{}); err != nil {
		t.Errorf("after all of that: %v", err)
	}
	log := w.log.String()
	if !strings.Contains(log, `msg="request broke off" vo=lanyard address=127.0.0.1 panic="the authority is broken"`) || strings.Contains(log, "\x1b") {
		t.Errorf("%s", log)
	}
}

// TestHostileChains shows the server every bad chain and every bad attribute certificate of the
// fixtures. None may reach the authority as something that it is not.
func TestHostileChains(t *testing.T) {
	w := newWorld(t, nil)
	index, err := os.ReadFile(hostile + "INDEX.tsv")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	var unread []string // crypto/tls does not even load them, so no client can show them
	for line := range strings.Lines(string(index)) {
		name, rest, _ := strings.Cut(line, "\t")
		verdict, _, _ := strings.Cut(rest, "\t")
		// The server needs no LSC file for what its own certificate has signed.
		if verdict != "reject" || name == "x14-no-lsc-for-host" {
			continue
		}
		credential, err := tls.LoadX509KeyPair(hostile+name+".pem", hostile+name+".pem")
		if err != nil {
			unread = append(unread, name)
			continue
		}
		tried++
		before := w.requests()
		client := w.client(t, "ada", protocol.LegacyNever)
		client.Credential = credential
		_, _, err = client.Get(t.Context(), []vomses.Server{w.server}, protocol.Request{})
		asked := w.requests() > before
		switch {
		case strings.HasPrefix(name, "h") && asked:
			t.Errorf("%s: the authority was asked for %s", name, w.last(t).holder.Result.Identity)
		case strings.HasPrefix(name, "x") && asked && len(w.last(t).holder.ACs) > 0:
			t.Errorf("%s: its attributes count: %v", name, w.last(t).holder.ACs[0].FQANs)
		case !asked && err == nil:
			t.Errorf("%s: an answer came from nowhere", name)
		}
	}
	if tried < 30 {
		t.Errorf("only %d were tried", tried)
	}
	if diff := cmp.Diff([]string{"h07-pci-double", "h33-empty-file"}, unread); diff != "" {
		t.Errorf("not loaded: %s", diff)
	}
}

// TestServeEnds stops a server when one client is silent and another one waits for its answer.
func TestServeEnds(t *testing.T) {
	w := newWorld(t, nil)
	w.holdUp()
	silent, err := new(net.Dialer).DialContext(t.Context(), "tcp", w.server.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	answered := make(chan error, 1)
	go func() {
		_, _, err := w.client(t, "ada", protocol.LegacyNever).Get(t.Context(), []vomses.Server{w.server}, protocol.Request{})
		answered <- err
	}()
	<-w.entered
	w.stop()
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the silent client got an answer")
	}
	select {
	case err := <-w.served:
		t.Fatalf("the server ended before the answer: %v", err)
	default:
	}
	close(w.gate)
	if err := <-answered; err != nil {
		t.Errorf("the client that waited: %v", err)
	}
	if err := <-w.served; err != nil {
		t.Error(err)
	}
	w.served <- nil // for the clean-up
	if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", w.server.Address()); err == nil {
		conn.Close()
		t.Error("somebody still listens")
	}
}

// TestConnectionsAreBounded has room for one client at a time.
func TestConnectionsAreBounded(t *testing.T) {
	w := newWorld(t, nil, func(c *attributeauthority.Config) { c.Connections = 1 })
	w.holdUp()
	answered := make(chan error)
	for range 2 {
		go func() {
			_, _, err := w.client(t, "ada", protocol.LegacyNever).Get(t.Context(), []vomses.Server{w.server}, protocol.Request{})
			answered <- err
		}()
	}
	<-w.entered
	if n := w.requests(); n != 1 {
		t.Errorf("%d clients are served at once", n)
	}
	w.gate <- struct{}{}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	<-w.entered // the second one only now
	w.gate <- struct{}{}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// TestCertificateIsAskedForAtEachConnection renews the server's certificate, loses it, and loses the
// CAs.
func TestCertificateIsAskedForAtEachConnection(t *testing.T) {
	var current atomic.Pointer[tls.Certificate]
	var noCAs atomic.Bool
	old, renewed := pair(t, "voms"), pair(t, "voms2")
	current.Store(&old)
	w := newWorld(t, nil, func(c *attributeauthority.Config) {
		load := c.Trust
		c.Certificate = func() (*tls.Certificate, error) {
			if own := current.Load(); own != nil {
				return own, nil
			}
			return nil, errors.New("no such file")
		}
		c.Trust = func() (*trust.Store, error) {
			if noCAs.Load() {
				return nil, errors.New("no such directory")
			}
			return load()
		}
	})
	for _, want := range []*tls.Certificate{&old, &renewed} {
		current.Store(want)
		conn := w.dial(t, &tls.Config{Certificates: []tls.Certificate{pair(t, "ada")}})
		if !conn.ConnectionState().PeerCertificates[0].Equal(want.Leaf) {
			t.Errorf("the server shows %s", conn.ConnectionState().PeerCertificates[0].Subject)
		}
		conn.Close()
	}
	ask := func() error {
		client := w.client(t, "ada", protocol.LegacyNever)
		client.SkipHostname = true
		_, _, err := client.Get(t.Context(), []vomses.Server{w.server}, protocol.Request{})
		return err
	}
	noCAs.Store(true)
	if err := ask(); err == nil || !strings.Contains(err.Error(), "internal error") || strings.Contains(err.Error(), "directory") {
		t.Errorf("without CAs: %v", err)
	}
	noCAs.Store(false)
	current.Store(nil)
	if err := ask(); err == nil || !strings.Contains(err.Error(), "closed the connection") {
		t.Errorf("without a certificate: %v", err)
	}
	current.Store(&renewed)
	if err := ask(); err != nil {
		t.Error(err)
	}
	for _, text := range []string{`msg="no certificate to serve with" vo=lanyard address=127.0.0.1 err="no such file"`, `read the trusted CAs: no such directory`} {
		if log := w.log.String(); !strings.Contains(log, text) {
			t.Errorf("%q is not in\n%s", text, log)
		}
	}
}

func TestNewRefusesHalfAConfiguration(t *testing.T) {
	if _, err := attributeauthority.New(attributeauthority.Config{VO: "lanyard"}); err == nil {
		t.Error("a server without a certificate is made")
	}
}

// dial opens a connection as a client that verifies nothing.
func (w *world) dial(t *testing.T, c *tls.Config) *tls.Conn {
	t.Helper()
	c.InsecureSkipVerify = true
	conn, err := (&tls.Dialer{Config: c}).DialContext(t.Context(), "tcp", w.server.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*tls.Conn)
}

// proxy is one of the fixtures, as a client shows it.
func proxy(t *testing.T, name string) tls.Certificate {
	t.Helper()
	data, err := os.ReadFile(name + ".pem")
	if err != nil {
		t.Fatal(err)
	}
	c, err := proxycert.Parse(data, nil)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c.TLS()
}

// chained is somebody's certificate with another's behind it.
func chained(t *testing.T, name, behind string) tls.Certificate {
	t.Helper()
	c := pair(t, name)
	c.Certificate = append(c.Certificate, pair(t, behind).Certificate...)
	return c
}
