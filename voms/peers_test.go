package voms_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms"
)

var proxyKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// run runs one of the field's programs with the fixtures' folders. It fails the test if it is not
// there.
func run(t *testing.T, env []string, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	for _, dir := range []string{"X509_CERT_DIR=" + cadir, "X509_VOMS_DIR=" + vomsdir} {
		key, path, _ := strings.Cut(dir, "=")
		full, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, key+"="+full)
	}
	cmd.Env = append(append(cmd.Env, "HOME="+t.TempDir(), "PATH="+os.Getenv("PATH")), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if _, ran := errors.AsType[*exec.ExitError](err); !ran {
			t.Fatal(err)
		}
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// current is day for the clock of the machine, which other programs ask.
func current(change func(*voms.Template)) voms.Template {
	now := time.Now().UTC().Truncate(time.Second)
	tmpl := voms.Template{VO: "lanyard", Host: "voms.lanyard.test", Port: 15000, FQANs: []string{"/lanyard"},
		NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(12 * time.Hour)}
	change(&tmpl)
	return tmpl
}

// TestReadByOthers puts our ACs into proxies that the field's library verifies and its tools show.
func TestReadByOthers(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	long := current(func(t *voms.Template) {
		t.FQANs = []string{"/lanyard/physics/Role=pilot/Capability=NULL", "/lanyard/Role=NULL/Capability=NULL"}
	})
	beta := current(func(t *voms.Template) {
		t.VO, t.Port, t.FQANs = "beta.vo", 15001, []string{"/beta.vo", "/beta.vo/Role=x"}
	})
	for _, test := range []struct {
		name      string
		templates []voms.Template
		fault     string // what the library says
	}{
		{"one", []voms.Template{long}, ""},
		{"two VOs", []voms.Template{long, beta}, ""},
		{"attributes", []voms.Template{current(func(t *voms.Template) {
			t.Attributes = []voms.Attribute{{"nickname", "ada", "lanyard"}, {"quota", "100 = much", "/lanyard/physics"}, {"empty", "", "lanyard"}}
		})}, ""},
		{"for this host", []voms.Template{current(func(t *voms.Template) { t.Targets = []string{"other.test", host} })}, ""},
		{"for another host", []voms.Template{current(func(t *voms.Template) { t.Targets = []string{"other.test"} })}, "Cannot find match among allowed hosts."},
		{"unknown VO", []voms.Template{current(func(t *voms.Template) { t.VO, t.FQANs = "nobody", []string{"/nobody"} })}, "Cannot verify AC signature!"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path, all := withACs(t, test.templates)
			env := []string{"X509_USER_CERT=" + path}
			if stdout, stderr, code := run(t, env, "voms-verify"); code != 0 || !strings.Contains(stdout+stderr, "verified succesfully") {
				t.Errorf("voms-verify: %d\n%s%s", code, stdout, stderr)
			}
			want := "ok"
			if test.fault != "" {
				want = test.fault
			}
			stdout, stderr, code := run(t, nil, "python3", "testdata/retrieve.py", path)
			if strings.TrimSpace(stdout) != want {
				t.Errorf("libvomsapi: %d\n%s%s\nwant %s", code, stdout, stderr, want)
			}
			stdout, stderr, code = run(t, nil, "voms-proxy-info2", "-all", "-file", path)
			if code != 0 || stderr != "" {
				t.Errorf("voms-proxy-info2: %d\n%s%s", code, stdout, stderr)
			}
			compare(t, "voms-proxy-info2", all, blocks(stdout))
			stdout, stderr, code = run(t, nil, "voms-proxy-info3", "-all", "-file", path)
			if code != 0 {
				t.Errorf("voms-proxy-info3: %d\n%s%s", code, stdout, stderr)
			}
			compare(t, "voms-proxy-info3", all, blocks(stdout))
		})
	}
}

// withACs writes a proxy of ada with an AC for each template.
func withACs(t *testing.T, templates []voms.Template) (path string, all []voms.Parsed) {
	t.Helper()
	aa, aaKey := certificate(t, "voms")
	ada, adaKey := certificate(t, "ada")
	var acs [][]byte
	for _, tmpl := range templates {
		der, err := voms.Create(tmpl, ada, aa, aaKey)
		if err != nil {
			t.Fatal(err)
		}
		ac, err := voms.Parse(der)
		if err != nil {
			t.Fatal(err)
		}
		acs, all = append(acs, der), append(all, voms.Parsed{AC: ac})
	}
	value, err := voms.Extension(acs...)
	if err != nil {
		t.Fatal(err)
	}
	issuer := proxycert.Credential{Key: adaKey}
	issuer.Chain = append(issuer.Chain, ada)
	c, err := proxycert.New(issuer, proxyKey(), proxycert.Template{NotBefore: templates[0].NotBefore, NotAfter: templates[0].NotAfter, Attributes: value})
	if err != nil {
		t.Fatal(err)
	}
	pem, err := c.PEM()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "proxy.pem")
	if err := proxycert.WriteFile(path, pem); err != nil {
		t.Fatal(err)
	}
	return path, all
}

// TestFake reads and verifies what voms-proxy-fake makes, and makes it again, byte for byte.
func TestFake(t *testing.T) {
	for _, test := range []struct {
		name  string
		args  []string
		want  voms.Reason
		again bool
	}{
		{"plain", []string{"-fqan", "/lanyard", "-fqan", "/lanyard/Role=x/Capability=NULL"}, "", true},
		{"attributes", []string{"-fqan", "/lanyard", "-ga", "nick=ada (lanyard)", "-ga", "quota=5 (/lanyard/a)"}, "", true},
		{"holder as in the RFC", []string{"-fqan", "/lanyard", "-newformat"}, "", false},
		{"foreign FQAN", []string{"-fqan", "/lanyard", "-fqan", "/cms"}, voms.FQANs, false},
		{"targets that it cannot write", []string{"-fqan", "/lanyard", "-target", "a.test"}, voms.Target, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := fake(t, test.args)
			c, err := proxycert.Parse(read(t, path), nil)
			if err != nil {
				t.Fatal(err)
			}
			all, err := voms.FromChain(c.Chain)
			if err != nil || len(all) != 1 || all[0].Err != nil {
				t.Fatalf("got %v, %v, want one AC", all, err)
			}
			ac := all[0].AC
			v := verifier(t)
			v.At = time.Now()
			if got := reason(t, v.Verify(ac, c.EndEntity())); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if !test.again {
				return
			}
			got := create(t, voms.Template{VO: ac.VO, Host: ac.Host, Port: ac.Port, FQANs: slices.Clone(ac.FQANs), Attributes: ac.Attributes,
				NotBefore: ac.NotBefore, NotAfter: ac.NotAfter, Serial: ac.Serial})
			if !bytes.Equal(got.Raw, ac.Raw) {
				t.Errorf("got\n%x\nwant\n%x", got.Raw, ac.Raw)
			}
		})
	}
}

// fake has voms-proxy-fake make a proxy of ada with an AC of the authority voms.
func fake(t *testing.T, args []string) (path string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"ada", "voms"} { // it insists on the mode of key files
		if err := os.WriteFile(filepath.Join(dir, name+".key"), read(t, fixtures+"/pki/certs/"+name+".key"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path = filepath.Join(dir, "proxy.pem")
	args = append([]string{"-rfc", "-cert", fixtures + "/pki/certs/ada.pem", "-key", dir + "/ada.key", "-hostcert", fixtures + "/pki/certs/voms.pem",
		"-hostkey", dir + "/voms.key", "-voms", "lanyard", "-uri", "voms.lanyard.test:15000", "-hours", "12", "-vomslife", "12", "-out", path}, args...)
	if stdout, stderr, code := run(t, nil, "voms-proxy-fake", args...); code != 0 {
		t.Fatalf("voms-proxy-fake: %d\n%s%s", code, stdout, stderr)
	}
	return path
}
