package voms_test

import (
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/voms"
)

func TestLSC(t *testing.T) {
	aa, _ := certificate(t, "voms")
	voms2, _ := certificate(t, "voms2")
	sub, _ := certificate(t, "subca")
	for _, test := range []struct {
		file  string
		chain []*x509.Certificate
		want  bool
	}{
		{"lanyard/voms.lanyard.test.lsc", []*x509.Certificate{aa}, true},
		{"lanyard/voms.lanyard.test.lsc", []*x509.Certificate{voms2}, false},
		{"lanyard/voms.lanyard.test.lsc", []*x509.Certificate{aa, sub}, false},
		{"lanyard/voms.lanyard.test.lsc", nil, false},
		{"lanyard/voms2.lanyard.test.lsc", []*x509.Certificate{voms2, sub}, true},
		{"lanyard/voms2.lanyard.test.lsc", []*x509.Certificate{sub, voms2}, false},
		{"lanyard/voms2.lanyard.test.lsc", []*x509.Certificate{voms2}, false},
		{"gamma/voms.lanyard.test.lsc", []*x509.Certificate{aa}, true}, // the second chain
	} {
		lsc, err := voms.ParseLSC(read(t, filepath.Join(vomsdir, test.file)))
		if err != nil {
			t.Errorf("%s: %v", test.file, err)
			continue
		}
		if got := lsc.Match(test.chain); got != test.want {
			t.Errorf("%s matches a chain of %d: %v, want %v", test.file, len(test.chain), got, test.want)
		}
		again, err := voms.ParseLSC([]byte(lsc.String()))
		if err != nil || again.String() != lsc.String() || len(again.Chains) != len(lsc.Chains) {
			t.Errorf("%s does not survive writing: %v\n%s", test.file, err, again)
		}
	}
}

func TestLSCOf(t *testing.T) {
	aa, _ := certificate(t, "voms")
	want := string(read(t, vomsdir+"/lanyard/voms.lanyard.test.lsc"))
	if got := voms.LSCOf(aa).String(); got != strings.TrimSpace(want)+"\n" {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !voms.LSCOf(aa).Match([]*x509.Certificate{aa}) {
		t.Error("the LSC of a certificate does not match it")
	}
	if voms.LSCOf().Match(nil) || (voms.LSC{}).Match([]*x509.Certificate{aa}) {
		t.Error("an empty LSC matches something")
	}
	// People write names in many ways.
	lsc, err := voms.ParseLSC([]byte("# the old server\r\n\r\n /dc=test/DC=Lanyard/OU=hosts/CN=voms.lanyard.test \r\n/DC=test/DC=lanyard/CN=Lanyard  Fixture CA\r\n"))
	if err != nil || !lsc.Match([]*x509.Certificate{aa}) {
		t.Errorf("got %v, %v, want a match", lsc, err)
	}
}

func TestLSCRefused(t *testing.T) {
	for _, text := range []string{
		"", "\n\n", "# nothing\n",
		"/CN=a\n", "/CN=a\n/CN=b\n/CN=c\n",
		"/CN=a\n/CN=b\n------ NEXT CHAIN ------\n",
		"------ NEXT CHAIN ------\n/CN=a\n/CN=b\n",
		"hello\nworld\n",
		"CN=a\nCN=b\n",
		strings.Repeat("/CN=a\n", 20000),
	} {
		if lsc, err := voms.ParseLSC([]byte(text)); err == nil {
			t.Errorf("%.40q: got %v, want an error", text, lsc)
		}
	}
}

func TestLSCPath(t *testing.T) {
	if path, err := voms.LSCPath("/d", "beta.vo", "voms.cern.ch"); path != "/d/beta.vo/voms.cern.ch.lsc" || err != nil {
		t.Errorf("got %s, %v", path, err)
	}
	for _, names := range [][2]string{
		{"", "h"}, {"v", ""}, {"..", "h"}, {"../v", "h"}, {"v", "../../h"}, {"v/w", "h"}, {".", "h"}, {"v", "."},
		{"v\x00", "h"}, {"v", "h\n"}, {"v", "a b"}, {`v\w`, "h"}, {"-v", "h"}, {strings.Repeat("v", 256), "h"},
	} {
		if path, err := voms.LSCPath("/d", names[0], names[1]); err == nil {
			t.Errorf("%q on %q: got %s, want an error", names[0], names[1], path)
		}
	}
}
