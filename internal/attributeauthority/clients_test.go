package attributeauthority_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/voms/protocol"
)

// The field's two clients. What they print is what their users see and scripts look for.
const (
	c    = "voms-proxy-init2"
	java = "voms-proxy-init3"
)

func TestFieldClientsGetAttributes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		program string
		args    []string
		request protocol.Request
		fqans   []string
	}{
		{"the VO", c, []string{"-voms", "lanyard"},
			protocol.Request{FQANs: []string{"/lanyard"}, Lifetime: 12 * time.Hour}, []string{"/lanyard", "/lanyard/physics"}},
		{"the VO", java, []string{"-voms", "lanyard"},
			protocol.Request{FQANs: []string{"/lanyard"}, Lifetime: 12 * time.Hour}, []string{"/lanyard", "/lanyard/physics"}},
		{"role, order, targets", c, []string{"-voms", "lanyard:/lanyard/physics/Role=pilot", "-voms", "lanyard", "-order", "/lanyard", "-order", "/lanyard/physics:pilot",
			"-target", "a.test", "-target", "localhost", "-vomslife", "1:30", "-dont-verify-ac"},
			protocol.Request{FQANs: []string{"/lanyard/physics/Role=pilot", "/lanyard"}, Order: []string{"/lanyard", "/lanyard/physics/Role=pilot"},
				Targets: []string{"a.test", "localhost"}, Lifetime: 90 * time.Minute},
			[]string{"/lanyard", "/lanyard/physics/Role=pilot", "/lanyard/physics"}},
		{"role, order, targets", java, []string{"-voms", "lanyard:/lanyard/physics/Role=pilot", "-order", "/lanyard", "-target", "a.test", "-vomslife", "1:30", "-dont_verify_ac"},
			protocol.Request{FQANs: []string{"/lanyard", "/lanyard/physics/Role=pilot"}, Targets: []string{"a.test"}, Lifetime: 90 * time.Minute},
			[]string{"/lanyard", "/lanyard/physics/Role=pilot", "/lanyard/physics"}},
		// The Java client has no word for everything.
		{"everything", c, []string{"-voms", "lanyard:all"}, protocol.Request{All: true, Lifetime: 12 * time.Hour}, []string{"/lanyard", "/lanyard/physics"}},
	} {
		t.Run(tc.program+", "+tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			r := w.proxyInit(t, tc.program, "ada", tc.args...)
			succeeded(t, tc.program, r)
			if strings.Contains(r.out+r.errs, "Warning") {
				t.Errorf("%s%s", r.out, r.errs)
			}
			if diff := cmp.Diff(tc.request, w.last(t).request); diff != "" || w.requests() != 1 {
				t.Errorf("request %d: %s", w.requests(), diff)
			}
			if !strings.Contains(w.log.String(), `msg="attributes given" vo=lanyard address=127.0.0.1 form=rest subject="`+ada+`"`) {
				t.Errorf("%s", w.log)
			}
			if diff := cmp.Diff(tc.fqans, w.fqans(t, r)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestFieldClientsFallBackToXML has a REST form that does not answer. The C client takes the XML
// one whenever REST brings no certificate; the Java client only if asked to.
func TestFieldClientsFallBackToXML(t *testing.T) {
	t.Parallel()
	role := []string{"/lanyard/physics/Role=pilot", "/lanyard", "/lanyard/physics"}
	args := []string{"-voms", "lanyard:/lanyard/physics/Role=pilot"}
	t.Run(c, func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.mu.Lock()
		w.failures = 1
		w.mu.Unlock()
		r := w.proxyInit(t, c, "ada", append(args, "-order", "/lanyard/physics:pilot", "-target", "localhost", "-dont-verify-ac")...)
		succeeded(t, c, r)
		want := protocol.Request{FQANs: role[:1], Order: role[:1], Targets: []string{"localhost"}, Lifetime: 12 * time.Hour}
		if diff := cmp.Diff(want, w.last(t).request) + cmp.Diff(role, w.fqans(t, r)); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(w.log.String(), `msg="attributes given" vo=lanyard address=127.0.0.1 form=xml`) {
			t.Errorf("%s", w.log)
		}
	})
	t.Run(java, func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, dropFirst)
		r := w.proxyInit(t, java, "ada", append(args, "--enable_legacy_protocol")...)
		succeeded(t, java, r)
		want := protocol.Request{FQANs: role[:1], Lifetime: 12 * time.Hour}
		if diff := cmp.Diff(want, w.last(t).request) + cmp.Diff(role, w.fqans(t, r)); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(w.log.String(), `msg="attributes given" vo=lanyard address=127.0.0.1 form=xml`) {
			t.Errorf("%s", w.log)
		}
	})
	t.Run(java+", refused", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, dropFirst)
		r := w.proxyInit(t, java, "bob", "-voms", "lanyard", "--enable_legacy_protocol")
		refused(t, java, w, r, "User is currently suspended!\nSuspension reason: asked for by the site")
	})
}

// dropFirst closes the first connection at once.
func dropFirst(l net.Listener) net.Listener { return &dropping{Listener: l} }

type dropping struct {
	net.Listener
	dropped atomic.Bool
}

func (d *dropping) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	if err == nil && d.dropped.CompareAndSwap(false, true) {
		conn.Close()
		return d.Listener.Accept()
	}
	return conn, err
}

func TestFieldClientsShowRefusals(t *testing.T) {
	t.Parallel()
	for _, program := range []string{c, java} {
		for _, tc := range []struct{ name, user, voms, text string }{
			{"unknown", "uma", "lanyard", "lanyard: User unknown to this VO."},
			{"suspended", "bob", "lanyard", "User is currently suspended!\nSuspension reason: asked for by the site"},
			{"not held", "ada", "lanyard:/lanyard/Role=admin", "lanyard: Unable to satisfy /lanyard/Role=admin request!"},
			{"broken", "sam", "lanyard", "The server has met an internal error. Its operator finds the reason in its log."},
		} {
			t.Run(program+", "+tc.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				refused(t, program, w, w.proxyInit(t, program, tc.user, "-voms", tc.voms), tc.text)
			})
		}
	}
}

func TestFieldClientsShowWarnings(t *testing.T) {
	t.Parallel()
	const text = "lanyard://voms.lanyard.test:21001: The validity of this VOMS AC in your proxy is shortened to 86400 seconds!"
	for _, program := range []string{c, java} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			r := w.proxyInit(t, program, "ada", "-voms", "lanyard", "-valid", "48:00")
			succeeded(t, program, r)
			if strings.Count(r.errs, text) != 1 || program == c && !strings.Contains(r.errs, "Warning: "+text) {
				t.Errorf("%s", r.errs)
			}
			r = w.proxyInit(t, program, "ada", "-voms", "lanyard", "-valid", "48:00", "-failonwarn")
			if _, err := os.Stat(r.proxy); r.code != 1 || err == nil || !strings.Contains(r.errs, text) {
				t.Errorf("with -failonwarn: exit code %d\n%s", r.code, r.errs)
			}
		})
	}
}

// TestFieldClientsAreRefusedForTheirCertificate has clients that do not know what the server knows:
// that a certificate is revoked. They show why.
func TestFieldClientsAreRefusedForTheirCertificate(t *testing.T) {
	t.Parallel()
	lax := t.TempDir()
	files, err := filepath.Glob(fixtures + "certificates/*.[0-9]")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(lax, filepath.Base(name)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{c, java} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			r := w.proxyInit(t, program, "dora", "-voms", "lanyard", "-certdir", lax)
			refused(t, program, w, r, "Your certificate or proxy is not accepted: ", "is revoked ")
			if w.requests() != 0 {
				t.Error("the authority was asked")
			}
		})
	}
}

// succeeded checks what both clients say of a proxy that they have made.
func succeeded(t *testing.T, program string, r run) {
	t.Helper()
	said := "Your proxy is valid until"
	if program == java {
		said = "Remote VOMS server contacted succesfully."
	}
	if r.code != 0 || !strings.Contains(r.out, said) {
		t.Fatalf("exit code %d\n%s%s", r.code, r.out, r.errs)
	}
}

// refused checks that a client shows the server's words, once, and makes no proxy.
func refused(t *testing.T, program string, w *world, r run, texts ...string) {
	t.Helper()
	after := "None of the contacted servers for lanyard were capable\nof returning a valid AC for the user."
	texts[0] = "\nError: " + texts[0]
	if program == java {
		texts[0] = strings.TrimPrefix(texts[0], "\nError: ")
		texts[0] = "VOMS server " + w.server.Address() + " returned the following errors:\n" + texts[0]
		after = "None of the contacted servers for lanyard were capable of returning a valid AC for the user.\nUser's request for VOMS attributes could not be fulfilled."
	}
	for _, text := range append(texts, after) {
		if strings.Count(r.errs, text) != 1 {
			t.Errorf("%q is not once in\n%s", text, r.errs)
		}
	}
	if _, err := os.Stat(r.proxy); r.code != 1 || err == nil {
		t.Errorf("exit code %d, proxy file: %v", r.code, err)
	}
}

// fqans are those in the proxy that a client has made, in their short form.
func (w *world) fqans(t *testing.T, r run) []string {
	t.Helper()
	text := w.info(t, r, "-fqan")
	for _, null := range []string{"/Capability=NULL", "/Role=NULL"} {
		text = strings.ReplaceAll(text, null, "")
	}
	return strings.Fields(text)
}
