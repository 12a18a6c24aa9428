package proxy_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/proxy"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

// TestInitWithoutCertificate makes a proxy with attributes on a machine without any grid file.
func TestInitWithoutCertificate(t *testing.T) {
	p, s := newPerson(t), &aa{}
	calls, _ := p.site(s)
	p.must("init", "--voms", "climate:/climate/ocean", "--valid", "8h")
	p.sees(&p.out, "✓ Key made here, never sent. Proxy for /DC=test/DC=lanyard/CN=Anna Virtanen abc123\n",
		"  VO climate: /climate/ocean, /climate\n", "  Attribute certificate ends in 1 hour (server limit), proxy ends in 8 hours (",
		"  Stored as "+p.env["X509_USER_PROXY"]+" (the place that grid tools look at)\n")
	p.sees(&p.errs, "! The attributes end before the proxy. Run this again before ", "lanyard proxy delegate")
	for _, k := range *calls {
		if k.Method != "POST" {
			continue
		}
		order := k.Body["proxy"].(map[string]any)
		if k.Key == "" || k.Body["project"] != "p1" || k.Body["name"] != "proxy on vm" || k.Body["life"] != 8*3600.0 || order["way"] != "certificate" ||
			strings.Contains(strings.ToUpper(order["request"].(string)), "PRIVATE") {
			t.Errorf("asked for %+v", k)
		}
	}
	text, err := os.ReadFile(p.env["X509_USER_PROXY"])
	if err != nil {
		t.Fatal(err)
	}
	if c, err := proxycert.Parse(text, nil); err != nil || c.Key == nil || len(c.Chain) != 2 {
		t.Errorf("the file holds %+v %v", c.Chain, err)
	}
	if i, err := os.Stat(p.env["X509_USER_PROXY"]); err != nil || i.Mode() != 0o600 {
		t.Error("mode", i.Mode(), err)
	}

	// what the server told is enough to judge it, also when the server is away
	p.must("verify")
	p.sees(&p.out, "✓ Accepted", "✓ climate: /climate/ocean, /climate")
	p.env["LANYARD_SERVER"] += "/"
	p.must("info")
	p.sees(&p.out, "identity", "VO climate: /climate/ocean, /climate", "✓ A strict site would accept it")
	p.must("info", "--json")
	var d map[string]any
	if err := json.Unmarshal(p.out.Bytes(), &d); err != nil || d["schema"] != "lanyard/v1/proxy.file" || d["verdict"] != "accept" || len(d["acs"].([]any)) != 1 {
		t.Errorf("%v %s", err, &p.out)
	}
	if got := p.must("info", "-o", "env"); got != "export X509_USER_PROXY="+p.env["X509_USER_PROXY"]+"\n" {
		t.Errorf("printed %q", got)
	}
	if code := p.run("info", "--classic"); code != 3 || strings.Join(p.classic, " ") != "-all" {
		t.Errorf("exit code %d of %q", code, p.classic)
	}
	p.must("destroy")
	p.sees(&p.out, "✓ Overwritten and removed: "+p.env["X509_USER_PROXY"])
	if code := p.run("info"); code != 3 {
		t.Errorf("exit code %d", code)
	}
	p.sees(&p.errs, "✗ There is no proxy file", "lanyard proxy init")
}

// TestInitThatFails leaves neither a file nor a certificate that nobody uses.
func TestInitThatFails(t *testing.T) {
	p, s := newPerson(t), &aa{refuse: &protocol.Error{Code: 1001, Name: "NoSuchUser", Message: "climate: User unknown to this VO.", HTTP: 403}}
	calls, answers := p.site(s)
	answers["DELETE /credentials/crd_1"] = func(call) (int, any) {
		return http.StatusOK, api.Credential{ID: "crd_1", Kind: "proxy", State: "ended"}
	}
	if code := p.run("init", "--voms", "climate"); code == 0 {
		t.Error("it succeeded")
	}
	p.sees(&p.errs, "✗ Cannot make a proxy: ", "climate")
	if last := (*calls)[len(*calls)-1]; last.Method != "DELETE" {
		t.Errorf("the certificate was left: last asked %+v", last)
	}
	if _, err := os.Stat(p.env["X509_USER_PROXY"]); err == nil {
		t.Error("there is a proxy")
	}
	if code := p.run("init", "--voms", "cms"); code != 3 {
		t.Errorf("exit code %d for a VO that nobody knows: %s", code, &p.errs)
	}
	p.sees(&p.errs, "cms", "climate")
	p.env["LANYARD_SERVER"], p.env["LANYARD_TOKEN"] = "", ""
	if code := p.run("init"); code != 4 {
		t.Errorf("exit code %d without certificate and sign-in", code)
	}
	p.sees(&p.errs, "✗ Cannot make a proxy: there is no certificate in ", "lanyard login", "--cert")
	for _, wrong := range [][]string{{"--valid", "soon"}, {"--voms", ":/x"}, {"--online", "--cert", "x"}} {
		if code := p.run(append([]string{"init"}, wrong...)...); code != 2 {
			t.Errorf("%v: exit code %d", wrong, code)
		}
	}
}

// TestInitFromCertificate uses the person's own certificate and no server.
func TestInitFromCertificate(t *testing.T) {
	p := newPerson(t)
	p.globus()
	p.must("init", "--limited", "--path-length", "0", "--valid", "6:30", "--out", filepath.Join(p.env["HOME"], "other"))
	p.sees(&p.out, "✓ Key made here, never sent. Proxy for /DC=test/DC=lanyard/OU=Users/CN=Ada Tester\n", "  Proxy ends in 6 h 30 min (", "  Stored as "+p.env["HOME"]+"/other\n")
	p.sees(&p.errs, "! The proxy is limited")
	a := p.verify(p.env["HOME"] + "/other")
	if a.Verdict != "accept" || !*a.Limited || a.ExpiresAt != "2026-11-21T18:30:00Z" {
		t.Errorf("%+v", a)
	}
	p.must("init", "--json")
	var d struct {
		Path string `json:"path"`
		ACs  []any  `json:"acs"`
		Ends int64  `json:"ends_in_seconds"`
	}
	if err := json.Unmarshal(p.out.Bytes(), &d); err != nil || d.Path != p.env["X509_USER_PROXY"] || d.ACs == nil || d.Ends != 12*3600 {
		t.Errorf("%v %s", err, &p.out)
	}
	if err := os.Chmod(filepath.Join(p.env["HOME"], ".globus", "userkey.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code := p.run("init"); code != 11 {
		t.Errorf("exit code %d for a key that others can read", code)
	}
	p.sees(&p.errs, "userkey.pem", "chmod")
}

// TestOneDash takes flags as grid users type them.
func TestOneDash(t *testing.T) {
	for line, want := range map[string]string{
		"proxy init -voms cms:/cms -valid=24:00 -rfc -p 1 --out -": "proxy init --voms cms:/cms --valid=24:00 --rfc -p 1 --out -",
		"proxy info -out": "proxy info -out", "init -voms": "init -voms", "proxy": "proxy", "proxy init -y -vo -o json": "proxy init -y -vo -o json",
	} {
		if got := proxy.Spell(strings.Fields(line)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s becomes %q", line, got)
		}
	}
	p := newPerson(t)
	p.globus()
	p.must("init", "--rfc", "--valid", "1:00")
}
