package vomsproxy_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/attributeauthority"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

// authority gives what is asked for to Ada, and at most an hour of it. Host is what its attribute
// certificates say they come from.
type authority struct {
	certificate tls.Certificate
	host        string
}

func (a authority) Attributes(_ context.Context, name string, h vo.Holder, r protocol.Request) (protocol.Answer, error) {
	if !strings.HasSuffix(h.Result.Identity, "CN=Ada Tester") {
		return protocol.Answer{}, protocol.NewError(protocol.NoSuchUser, "%s: User unknown to this VO.", name)
	}
	fqans := slices.Concat(r.Order, r.FQANs, []string{"/lanyard", "/lanyard/physics"})
	if r.All {
		fqans = append(fqans, "/lanyard/Role=pilot")
	}
	var unique, warnings []string
	for _, f := range fqans {
		if !slices.Contains(unique, f) {
			unique = append(unique, f)
		}
	}
	life := r.Lifetime
	if life > 48*time.Hour {
		life, warnings = 48*time.Hour, []string{protocol.WarnShortened("lanyard://"+a.host+":15000", 48*3600)}
	}
	now := time.Now()
	ac, err := voms.Create(voms.Template{VO: name, Host: a.host, Port: 15000, FQANs: unique, Targets: r.Targets, NotBefore: now, NotAfter: now.Add(life)},
		h.Result.EndEntity, a.certificate.Leaf, a.certificate.PrivateKey.(crypto.Signer))
	return protocol.Answer{AC: ac, Warnings: warnings}, err
}

// serve starts an attribute authority of the VO lanyard and writes its vomses file.
func (d *desk) serve(host string) {
	d.Helper()
	own, err := tls.LoadX509KeyPair(fixtures+"pki/certs/voms.pem", fixtures+"pki/certs/voms.key")
	if err != nil {
		d.Fatal(err)
	}
	cas, err := trust.Load(fixtures + "pki/certificates")
	if err != nil {
		d.Fatal(err)
	}
	server, err := attributeauthority.New(attributeauthority.Config{VO: "lanyard", Authority: authority{own, host}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Certificate: func() (*tls.Certificate, error) { return &own, nil }, Trust: func() (*trust.Store, error) { return cas, nil }})
	if err != nil {
		d.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(d.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		d.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	d.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			d.Error(err)
		}
	})
	d.write("vomses", fmt.Sprintf("\"grid\" \"localhost\" \"%d\" \"/DC=test/CN=voms\" \"lanyard\"\n", listener.Addr().(*net.TCPAddr).Port))
}

// TestInitWithAttributes asks an authority as the originals do, and compares what is told and what
// the C program reads in the proxy.
func TestInitWithAttributes(t *testing.T) {
	for _, tc := range []struct {
		name, program string
		args          []string
		host          string
		code          int
		text          string // both say it
		fqans         []string
	}{
		{"the VO", "voms-proxy-init2", []string{"-voms", "grid"}, "voms.lanyard.test", 0, "", []string{"/lanyard", "/lanyard/physics"}},
		{"the VO", "voms-proxy-init3", []string{"-voms", "grid"}, "voms.lanyard.test", 0, "", []string{"/lanyard", "/lanyard/physics"}},
		{"merged requests", "voms-proxy-init2", []string{"-voms", "grid:/lanyard/Role=pilot", "-voms", "grid:/lanyard"}, "voms.lanyard.test", 0, "",
			[]string{"/lanyard/Role=pilot", "/lanyard", "/lanyard/physics"}},
		{"order", "voms-proxy-init2", []string{"-voms", "grid", "-order", "/lanyard/physics"}, "voms.lanyard.test", 0, "", []string{"/lanyard/physics", "/lanyard"}},
		{"shortened", "voms-proxy-init2", []string{"-voms", "grid", "-vomslife", "100:00"}, "voms.lanyard.test", 0,
			"Warning: lanyard://voms.lanyard.test:15000: The validity of this VOMS AC in your proxy is shortened to 172800 seconds!", []string{"/lanyard", "/lanyard/physics"}},
		{"shortened, fail", "voms-proxy-init2", []string{"-voms", "grid", "-vomslife", "100:00", "-failonwarn"}, "voms.lanyard.test", 1, "Error in getting data from VOMS server:", nil},
		{"shortened, fail", "voms-proxy-init3", []string{"-voms", "grid", "-vomslife", "100:00", "-failonwarn"}, "voms.lanyard.test", 1, "is shortened to 172800 seconds!", nil},
		{"no LSC file", "voms-proxy-init2", []string{"-voms", "grid"}, "other.lanyard.test", 1, "Error: verification failed.\nCannot verify AC signature!", []string{"/lanyard", "/lanyard/physics"}},
		{"no LSC file", "voms-proxy-init3", []string{"-voms", "grid"}, "other.lanyard.test", 1, "WARNING: VOMS AC validation for VO lanyard failed for the following reasons:", []string{"/lanyard", "/lanyard/physics"}},
		{"unverified", "voms-proxy-init2", []string{"-voms", "grid", "-dont-verify-ac"}, "other.lanyard.test", 0, "", []string{"/lanyard", "/lanyard/physics"}},
		{"other target", "voms-proxy-init2", []string{"-voms", "grid", "-target", "elsewhere.test"}, "voms.lanyard.test", 1, "Error: verification failed.\nCannot find match among allowed hosts.", []string{"/lanyard", "/lanyard/physics"}},
		{"not a member", "voms-proxy-init2", []string{"-voms", "grid", "-cert", "bob.pem", "-key", "bob.key"}, "voms.lanyard.test", 1,
			"Error: lanyard: User unknown to this VO.", nil},
		{"not a member", "voms-proxy-init3", []string{"-voms", "grid", "-cert", "bob.pem", "-key", "bob.key"}, "voms.lanyard.test", 1,
			"returned the following errors:\nlanyard: User unknown to this VO.\nNone of the contacted servers for grid were capable of returning a valid AC for the user.\nUser's request for VOMS attributes could not be fulfilled.", nil},
	} {
		t.Run(tc.program+", "+tc.name, func(t *testing.T) {
			d := newDesk(t, "ada", "bob")
			d.serve(tc.host)
			args := append([]string{"-vomses", "vomses", "-out", "p"}, tc.args...)
			if !slices.Contains(args, "-cert") {
				args = append(args, "-cert", "ada.pem", "-key", "ada.key")
			}
			var runs []run
			for _, program := range []func(string, ...string) run{d.theirs, d.ours} {
				if err := os.RemoveAll(filepath.Join(d.dir, "p")); err != nil {
					t.Fatal(err)
				}
				r := program(tc.program, args...)
				runs = append(runs, r)
				if r.code != tc.code || !strings.Contains(dots.ReplaceAllString(r.errs, ""), tc.text) {
					t.Errorf("exit %d: %s", r.code, r.errs)
				}
				if d.has("p") != (tc.fqans != nil) {
					t.Errorf("there is a proxy: %t", d.has("p"))
				}
				if tc.fqans == nil {
					continue
				}
				got := strings.Fields(d.theirs("voms-proxy-info2", "-file", "p", "-fqan").out)
				if diff := cmp.Diff(tc.fqans, got); diff != "" {
					t.Error(diff)
				}
			}
			if diff := cmp.Diff(alike(runs[0].out), alike(runs[1].out)); diff != "" {
				t.Errorf("standard output: %s", diff)
			}
		})
	}
}

func TestListAttributes(t *testing.T) {
	d := newDesk(t, "ada")
	d.serve("voms.lanyard.test")
	for _, args := range [][]string{{"voms-proxy-list"}, {"voms-proxy-init", "-list"}} {
		r := d.ours(args[0], append(args[1:], "-voms", "grid", "-vomses", "vomses", "-cert", "ada.pem", "-key", "ada.key", "-out", "p")...)
		if r.code != 0 || !strings.HasSuffix(r.out, "Available attributes:\n/lanyard\n/lanyard/physics\n/lanyard/Role=pilot\n\n") || d.has("p") {
			t.Errorf("exit %d: %s%s", r.code, r.out, r.errs)
		}
	}
}

// TestSeparate writes attributes to a file of their own and puts them into a proxy later.
func TestSeparate(t *testing.T) {
	d := newDesk(t, "ada")
	d.serve("voms.lanyard.test")
	if r := d.ours("voms-proxy-init", with("-voms", "grid", "-vomses", "vomses", "-separate", "acs")...); r.code != 0 || !strings.Contains(r.out, "Wrote ACs to acs\n") || d.has("p") {
		t.Fatalf("exit %d: %s%s", r.code, r.out, r.errs)
	}
	for _, init := range []func(string, ...string) run{d.theirs, d.ours} {
		if r := init("voms-proxy-init2", with("-includeac", "acs")...); r.code != 0 {
			t.Fatalf("exit %d: %s%s", r.code, r.out, r.errs)
		}
		if r := d.ours("voms-proxy-info", "-file", "p", "-fqan"); r.out != "/lanyard\n/lanyard/physics\n" {
			t.Errorf("%s%s", r.out, r.errs)
		}
	}
}
