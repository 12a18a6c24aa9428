package proxycert_test

import (
	"bytes"
	"crypto/elliptic"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// peer runs a program of other people with the fixtures' authorities, and returns what it prints to
// stdout. A missing program fails the test.
func peer(t *testing.T, name string, args ...string) string {
	t.Helper()
	trusted, err := filepath.Abs(fixtures + "pki/certificates")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "X509_CERT_DIR=" + trusted}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// today is a template for programs that look at the machine's clock.
func today(change func(*proxycert.Template)) proxycert.Template {
	t := proxycert.Template{NotBefore: time.Now().Add(-5 * time.Minute), NotAfter: time.Now().Add(12 * time.Hour)}
	change(&t)
	return t
}

func written(t *testing.T, c proxycert.Credential) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "proxy.pem")
	if err := proxycert.WriteFile(path, pemOf(t, c)); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOtherToolsReadOurProxies shows each sort of proxy to the C client, the Globus tools, OpenSSL
// and, because it is slow, two of them to the Java client.
func TestOtherToolsReadOurProxies(t *testing.T) {
	k := keys()
	ada := user(t, "ada")
	full := makeProxy(t, ada, k[0], today(func(*proxycert.Template) {}))
	proxy := func(change func(*proxycert.Template)) proxycert.Credential {
		return makeProxy(t, ada, k[0], today(change))
	}
	for what, c := range map[string]struct {
		proxy                proxycert.Credential
		c, globus, java, ssl string
	}{
		"full":          {full, "RFC compliant proxy", "RFC 3820 compliant impersonation proxy", "RFC3820 compliant impersonation proxy", "OK"},
		"limited":       {proxy(func(t *proxycert.Template) { t.Limited = true }), "RFC compliant proxy", "RFC 3820 compliant limited proxy", "RFC3820 compliant limited proxy", "OK"},
		"path length 0": {proxy(func(t *proxycert.Template) { t.PathLength = new(0) }), "RFC compliant proxy", "RFC 3820 compliant impersonation proxy", "", "OK"},
		"path length 1": {proxy(func(t *proxycert.Template) { t.PathLength = new(1) }), "RFC compliant proxy", "RFC 3820 compliant impersonation proxy", "", "OK"},
		"independent":   {proxy(func(t *proxycert.Template) { t.Independent = true }), "RFC compliant proxy", "RFC 3820 compliant independent proxy", "", "OK"},
		"depth 2":       {makeProxy(t, full, k[1], today(func(*proxycert.Template) {})), "RFC compliant proxy", "RFC 3820 compliant impersonation proxy", "", "OK"},
		"EC person":     {makeProxy(t, user(t, "ecuser"), k[0], today(func(*proxycert.Template) {})), "RFC compliant proxy", "RFC 3820 compliant impersonation proxy", "", "OK"},
		"EC proxy":      {makeProxy(t, ada, ecKey(t, elliptic.P256()), today(func(*proxycert.Template) {})), "RFC compliant proxy", "", "", "OK"},
		"UTF-8":         {makeProxy(t, user(t, "zoe"), k[0], today(func(*proxycert.Template) {})), "RFC compliant proxy", "RFC 3820 compliant impersonation proxy", "", "OK"},
		"legacy":        {proxy(func(t *proxycert.Template) { t.Kind = proxycert.Legacy }), "proxy", "full legacy globus proxy", "", ""},
		"draft":         {proxy(func(t *proxycert.Template) { t.Kind = proxycert.Draft }), "GT3-style proxy", "Proxy draft (pre-RFC) compliant impersonation proxy", "", ""},
	} {
		path, leaf := written(t, c.proxy), c.proxy.Chain[0]
		subject, issuer := dn.Slash(leaf.RawSubject), dn.Slash(leaf.RawIssuer)
		lines := strings.Split(peer(t, "voms-proxy-info2", "-file", path, "-subject", "-issuer", "-type", "-timeleft"), "\n")
		if len(lines) < 4 || lines[0] != subject || lines[1] != issuer || lines[2] != c.c {
			t.Errorf("%s: the C client says %q", what, lines)
		} else if left, err := strconv.Atoi(lines[3]); err != nil || left < 11*3600 || left > 12*3600 {
			t.Errorf("%s: the C client says %s s left", what, lines[3])
		}
		if c.globus != "" {
			if got := peer(t, "grid-proxy-info", "-file", path, "-subject", "-identity", "-type"); !strings.HasSuffix(got, c.globus+"\n") {
				t.Errorf("%s: Globus says %q", what, got)
			}
			peer(t, "grid-proxy-info", "-file", path, "-exists", "-valid", "11:00")
		}
		if c.java != "" {
			got := peer(t, "voms-proxy-info3", "-file", path, "-all")
			for _, want := range []string{"subject   : " + subject, "identity  : " + c.proxy.Identity(), "type      : " + c.java, "key usage : Digital Signature, Key Encipherment"} {
				if !strings.Contains(got, want+"\n") {
					t.Errorf("%s: the Java client does not say %q:\n%s", what, want, got)
				}
			}
		}
		if c.ssl != "" {
			ca, _ := filepath.Abs(fixtures + "pki/certs/fxca.pem")
			if got := peer(t, "openssl", "verify", "-x509_strict", "-allow_proxy_certs", "-CAfile", ca, "-untrusted", path, path); !strings.Contains(got, ": "+c.ssl) {
				t.Errorf("%s: OpenSSL says %q", what, got)
			}
		}
	}
}

// TestWeReadOtherToolsProxies has every tool make a proxy from a person's files.
func TestWeReadOtherToolsProxies(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "usercert.pem"), filepath.Join(dir, "userkey.pem")
	for path, name := range map[string]string{cert: "ada.pem", key: "ada.key"} {
		if err := os.WriteFile(path, read(t, fixtures+"pki/certs/"+name), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	if err := proxycert.CheckKeyFile(key, os.Getuid()); err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(dir, "from.pem")
	peer(t, "voms-proxy-init2", "-cert", cert, "-key", key, "-out", from, "-q")
	for _, c := range []struct {
		program, options string
		kind             proxycert.Kind
		limited          bool
		length           *int
		depth            int
	}{
		{"voms-proxy-init2", "", proxycert.RFC, false, nil, 2},
		{"voms-proxy-init2", "-limited -path-length 1", proxycert.RFC, true, new(1), 2},
		{"voms-proxy-init2", "-old", proxycert.Legacy, false, nil, 2},
		{"voms-proxy-init2", "-old -limited", proxycert.Legacy, true, nil, 2},
		{"voms-proxy-init2", "-proxyver 3 -path-length 2", proxycert.Draft, false, new(2), 2},
		{"voms-proxy-init3", "", proxycert.RFC, false, nil, 2},
		{"voms-proxy-init3", "-limited -noregen", proxycert.RFC, true, nil, 3},
		{"grid-proxy-init", "-rfc", proxycert.RFC, false, nil, 2},
		{"grid-proxy-init", "-rfc -limited -path-length 1", proxycert.RFC, true, new(1), 2},
		{"grid-proxy-init", "-draft -path-length 3", proxycert.Draft, false, new(3), 2},
		{"grid-proxy-init", "-old", proxycert.Legacy, false, nil, 2},
	} {
		what := c.program + " " + c.options
		out := filepath.Join(dir, "out.pem")
		args := append(strings.Fields(c.options), "-cert", cert, "-key", key, "-out", out)
		if strings.Contains(c.options, "-noregen") {
			args = append(strings.Fields(c.options), "-cert", from, "-out", out)
		}
		peer(t, c.program, args...)
		proxy := parse(t, out)
		info := inspect(t, proxy.Chain[0])
		if info.Kind != c.kind || info.Limited != c.limited || (info.PathLength == nil) != (c.length == nil) || c.length != nil && *info.PathLength != *c.length {
			t.Errorf("%s: %+v", what, info)
		}
		if info.Kind != proxycert.Legacy && info.Name != proxy.Chain[0].SerialNumber.String() {
			t.Errorf("%s: name %s, serial %s", what, info.Name, proxy.Chain[0].SerialNumber)
		}
		v := verifier(t)
		v.At, v.AllowLegacy, v.AllowDraft = time.Now(), true, true
		r, err := v.Verify(proxy.Chain)
		if err != nil || len(r.Chain) != c.depth || r.Limited != c.limited || r.Identity != "/DC=test/DC=lanyard/OU=Users/CN=Ada Tester" || proxy.Key == nil {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
}
