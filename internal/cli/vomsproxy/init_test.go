package vomsproxy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/proxycert"
)

// personal are a person's files, by the arguments that name them.
var personal = []string{"-cert", "ada.pem", "-key", "ada.key", "-out", "p"}

func with(args ...string) []string { return append(personal[:len(personal):len(personal)], args...) }

// TestInitAsTheOriginals runs ours and the original for what works and for every failure that users
// know. The text is a part of what both say on standard error; all of standard output must be alike.
func TestInitAsTheOriginals(t *testing.T) {
	const c, java = "voms-proxy-init2", "voms-proxy-init3"
	for _, tc := range []struct {
		program string
		args    []string
		input   string
		code    int
		text    string
	}{
		{c, with(), "", 0, ""},
		{c, with("-verify"), "", 0, ""},
		{c, with("-hours", "5", "-limited", "--bits=1024"), "", 0, ""},
		{c, with("-quiet"), "", 0, ""},
		{c, with("-old", "-valid", "1:30"), "", 0, ""},
		{c, with("-valid", "300000:00"), "", 1, "which is within the requested lifetime of the proxy"},
		{c, with("-valid", "12"), "", 1, "-valid argument must be in the format: h:m"},
		{c, with("-valid", "1:75"), "", 1, "specified minutes must be in the range 0-59"},
		{c, with("-bits", "1000"), "", 1, "Error: number of bits in key must be one of 512, 1024, 2048, 4096."},
		{c, with("-proxyver", "7"), "", 1, "Error: proxyver must be 2, 3 or 4"},
		{c, with("--nonsense"), "", 1, "voms-proxy-init2: unrecognized option '--nonsense'"},
		{c, with("-vo", "x"), "", 1, "voms-proxy-init2: option '-vo' is ambiguous; possibilities:"},
		{c, with("-valid"), "", 1, "voms-proxy-init2: option '-valid' requires an argument"},
		{c, with("-quiet=1"), "", 1, "voms-proxy-init2: option '-quiet' doesn't allow an argument"},
		{c, with("stray"), "", 1, "Found non option element stray in command line."},
		{c, with("-voms", "nope", "-vomses", "vomses"), "", 1, "VOMS Server for nope not known!"},
		{c, with("-voms", "lanyard", "-vomses", "none"), "", 1, "Cannot find file or dir: none"},
		{c, with("-list"), "", 1, "Exactly ONE voms server must be specified!"},
		{c, with("-voms", "lanyard", "-vomses", "vomses"), "", 1, "None of the contacted servers for lanyard were capable\nof returning a valid AC for the user."},
		{c, with("-pl", "1.2.3"), "", 1, "Error: if you specify a policy language you also need to specify a policy file"},
		{c, []string{"-cert", "none.pem", "-key", "ada.key"}, "", 1, "Unable to find user certificate or key: none.pem"},
		{c, []string{"-cert", "ada.pem", "-key", "bob.key", "-out", "p"}, "", 3, "user key and certificate don't match"},
		{c, []string{"-cert", "ada.pem", "-key", "open.key", "-out", "p"}, "", 1, "ERROR: Couldn't find valid credentials to generate a proxy.\nUse --debug for further information."},
		{c, []string{"-cert", "ada.pem", "-key", "locked.key", "-out", "p", "-pwstdin"}, "testpass\n", 0, ""},
		{c, []string{"-cert", "ada.pem", "-key", "locked.key", "-out", "p", "-pwstdin"}, "wrong\n", 3, "bad decrypt\n"},
		{c, []string{"-cert", "ada.pem", "-key", "locked.key", "-out", "p", "-pwstdin"}, "", 3, "Failed to read pass-phrase from stdin"},
		{c, []string{"-cert", "ada.p12", "-out", "p", "-pwstdin"}, "testpass\n", 0, ""},
		{c, []string{"-cert", "ada.p12", "-out", "p", "-pwstdin"}, "wrong\n", 3, "mac verify failure"},
		{c, []string{"-cert", "dora.pem", "-key", "dora.key", "-out", "p"}, "", 1, "Error: Certificate verification failed.\ncertificate revoked by CRL"},
		{c, []string{"-cert", "unt.pem", "-key", "unt.key", "-out", "p"}, "", 1, "certificate validation error: unable to get issuer certificate"},
		{c, []string{"-cert", "ada.pem", "-key", "ada.key", "-out", "none/p"}, "", 1, "ERROR: Cannot write proxy to: none/p"},
		{c, with("-certdir", "/none"), "", 3, "unable to access trusted certificates in:x509_cert_dir=/none"},
		{c, []string{"-noregen", "-out", "p"}, "", 1, "Unable to find user certificate or key:"},
		{java, with(), "", 0, ""},
		{java, with("-valid", "300000:00"), "", 0, "WARNING: proxy lifetime limited to issuing credential lifetime."},
		{java, with("-valid", "12"), "", 1, "Illegal format for lifetime property."},
		{java, with("-bits", "1000"), "", 1, "Unsupported key size:1000"},
		{java, with("-voms", "nope", "-vomses", "vomses"), "", 1, "VOMS server for VO nope is not known! Check your vomses configuration."},
		{java, []string{"-cert", "ada.pem", "-key", "open.key", "-out", "p"}, "", 1, "Credentials couldn't be loaded [open.key, ada.pem]: Wrong file permissions on file open.key. Required permissions are: 400, 600"},
		{java, []string{"-cert", "ada.pem", "-key", "bob.key", "-out", "p"}, "", 1, "Provided private key is not matching the certificate\nNo credentials found!"},
		{java, []string{"-cert", "expired.pem", "-key", "expired.key", "-out", "p", "-verify"}, "", 1, "Certificate validation error: Certificate has expired on: Sun Jan 01 00:00:00 UTC 2023\nUser credential is not valid!"},
	} {
		t.Run(tc.program+" "+strings.Join(tc.args, " ")+" "+tc.input, func(t *testing.T) {
			ours, theirs := newDesk(t, "ada", "bob", "dora", "unt", "expired"), newDesk(t, "ada", "bob", "dora", "unt", "expired")
			for _, d := range []*desk{ours, theirs} {
				d.input = tc.input
				d.take(fixtures+"pki/keyforms/ada.pkcs1-aes.key", "locked.key")
				d.take(fixtures+"pki/keyforms/ada.p12", "ada.p12")
				d.take(fixtures+"pki/certs/ada.key", "open.key")
				if err := os.Chmod(filepath.Join(d.dir, "open.key"), 0o644); err != nil {
					t.Fatal(err)
				}
				d.write("vomses", `"lanyard" "localhost" "1" "/CN=x" "lanyard"`+"\n")
			}
			want, got := theirs.theirs(tc.program, tc.args...), ours.ours(tc.program, tc.args...)
			if want.code != tc.code || got.code != tc.code {
				t.Errorf("exit %d, the original %d, want %d\n%s", got.code, want.code, tc.code, got.errs)
			}
			if diff := cmp.Diff(alike(want.out), alike(got.out)); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(dots.ReplaceAllString(want.errs, ""), tc.text) || !strings.Contains(got.errs, tc.text) {
				t.Errorf("says %q, the original %q, want %q", got.errs, want.errs, tc.text)
			}
			if tc.code == 0 && tc.text == "" && got.errs != "" {
				t.Errorf("complains: %s", got.errs)
			}
			if theirs.has("p") != ours.has("p") {
				t.Errorf("there is a proxy: %t, the original %t", ours.has("p"), theirs.has("p"))
			}
		})
	}
}

// TestInitExplains names the fix behind the original's text.
func TestInitExplains(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		want []string
	}{
		{"expired", []string{"-cert", "expired.pem", "-key", "expired.key", "-out", "p"},
			[]string{"ERROR: Your certificate expired Sun Jan  1 00:00:00 2023\n", "Why: your certificate has expired at 2023-01-01 00:00:00 UTC\nFix: ask your certification authority"}},
		{"from the future", []string{"-cert", "future.pem", "-key", "future.key", "-out", "p"},
			[]string{"remote certificate not yet valid\n", "Fix: set the clock of this machine\n"}},
		{"unknown VO", with("-voms", "nope:/nope/Role=x", "-vomses", "vomses"),
			[]string{"VOMS Server for nope:/nope/Role=x not known!\n", "Fix: known here: lanyard; ask the VO for its vomses line"}},
		{"no authorities", with("-certdir", "/none"), []string{"Fix: install the certificates of the grid's authorities there"}},
		{"weak key", with("-bits", "512"), []string{"Why: a key of 512 bits protects nothing\nFix: use 2048"}},
		{"open key", []string{"-cert", "ada.pem", "-key", "open.key", "-out", "p"}, []string{"Fix: chmod 400 open.key\n"}},
		{"options file", with("-conf", "none"), []string{"Error reading options file: none (No such file or directory)"}},
		{"options file in itself", with("-conf", "loop"), []string{"names itself"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t, "ada", "expired", "future")
			d.write("vomses", `"lanyard" "localhost" "1" "/CN=x" "lanyard"`+"\n")
			d.write("loop", "-limited -conf=loop\n")
			d.take(fixtures+"pki/certs/ada.key", "open.key")
			if err := os.Chmod(filepath.Join(d.dir, "open.key"), 0o644); err != nil {
				t.Fatal(err)
			}
			r := d.ours("voms-proxy-init", tc.args...)
			for _, text := range tc.want {
				if !strings.Contains(r.errs, text) {
					t.Errorf("says %q, not %q", r.errs, text)
				}
			}
			if r.code == 0 || d.has("p") {
				t.Errorf("exit %d, and there is a proxy: %t", r.code, d.has("p"))
			}
		})
	}
}

// TestInitMakes looks into the proxies that options ask for.
func TestInitMakes(t *testing.T) {
	d := newDesk(t, "ada")
	d.write("conf", "-limited # and a comment\n--path_length 1\n-hours=2\n")
	d.write("policy", "rules")
	d.write("more", "content")
	d.env["VO"] = "lanyard"
	first := d.ours("voms-proxy-init", with("-conf", "conf", "-include", "more")...)
	if first.code != 0 {
		t.Fatal(first.errs)
	}
	info := func(path string) (proxycert.Info, proxycert.Credential) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(d.dir, path))
		if err != nil {
			t.Fatal(err)
		}
		cred, err := proxycert.Parse(data, nil)
		if err != nil || cred.Key == nil {
			t.Fatal(cred.Key, err)
		}
		i, err := proxycert.Inspect(cred.Chain[0])
		if err != nil {
			t.Fatal(err)
		}
		return i, cred
	}
	i, cred := info("p")
	if left := cred.NotAfter().Sub(d.now()).Minutes(); i.Kind != proxycert.RFC || !i.Limited || i.PathLength == nil || *i.PathLength != 1 || left < 118 || left > 120 {
		t.Errorf("%+v, %g minutes", i, left)
	}
	if r := d.theirs("voms-proxy-info2", "-file", "p", "-all"); !strings.Contains(r.out, "included  : content\n") {
		t.Errorf("%s%s", r.out, r.errs)
	}
	if r := d.ours("voms-proxy-info", "-file", "p", "-included-file"); r.out != "included  : content\n" {
		t.Errorf("%s%s", r.out, r.errs)
	}

	// below a limited proxy all is limited, and the Java flavour says so
	d.env["X509_USER_PROXY"] = "p"
	r := d.ours("voms-proxy-init3", "-noregen", "-out", "q")
	if i, _ := info("q"); r.code != 0 || !i.Limited || !strings.Contains(r.errs, "WARNING: forced the creation of a limited proxy") {
		t.Errorf("%+v %s", i, r.errs)
	}

	if r := d.ours("voms-proxy-init", with("-policy", "policy", "-pl", "1.2.3.4", "-bits", "0")...); r.code != 0 {
		t.Errorf("exit %d: %s", r.code, r.errs)
	}
	if i, cred := info("p"); i.Language.String() != "1.2.3.4" || string(i.Policy) != "rules" || len(cred.Chain) != 2 {
		t.Errorf("%+v", i)
	}
}

// TestInitFindsTheCredential walks through the usual places.
func TestInitFindsTheCredential(t *testing.T) {
	if _, err := os.Stat("/etc/grid-security/hostcert.pem"); err == nil && os.Getuid() == 0 {
		t.Fatal("root's own host certificate comes first; remove it")
	}
	d := newDesk(t, "ada", "bob")
	identity := func(want string, args ...string) {
		t.Helper()
		if r := d.ours("voms-proxy-init", append(args, "-out", "p")...); r.code != 0 || !strings.Contains(r.out, "CN="+want+"\n") {
			t.Errorf("not %s: %s%s", want, r.out, r.errs)
		}
	}
	if r := d.ours("voms-proxy-init"); r.code != 3 || !strings.Contains(r.errs, "ERROR: Coudln't find valid credentials to generate a proxy.") {
		t.Errorf("exit %d: %s", r.code, r.errs)
	}
	if r := d.ours("voms-proxy-init3"); r.code != 1 || !strings.HasPrefix(r.errs, "No credentials found!\n") {
		t.Errorf("exit %d: %s", r.code, r.errs)
	}
	if err := os.Mkdir(filepath.Join(d.dir, ".globus"), 0o700); err != nil {
		t.Fatal(err)
	}
	d.take(fixtures+"pki/keyforms/ada.p12", ".globus/usercred.p12")
	d.input = "testpass\n"
	identity("Ada Tester")
	d.take(fixtures+"pki/certs/bob.pem", ".globus/usercert.pem")
	d.take(fixtures+"pki/certs/bob.key", ".globus/userkey.pem")
	identity("Bob Builder")
	d.env["X509_USER_CERT"], d.env["X509_USER_KEY"] = "ada.pem", "ada.key"
	identity("Ada Tester")
	identity("Bob Builder", "-cert", "bob.pem", "-key", "bob.key")
}

func TestHelpAndVersion(t *testing.T) {
	d := newDesk(t)
	for _, plain := range []string{"voms-proxy-init", "voms-proxy-info", "voms-proxy-destroy", "voms-proxy-list"} {
		for _, flavour := range []string{"", "2"} {
			if r := d.ours(plain+flavour, "-help"); r.code != 0 || r.out != "" || !strings.HasPrefix(r.errs, plain+flavour+": \n    Options\n    -help") {
				t.Errorf("%s%s: exit %d, %q, %q", plain, flavour, r.code, r.out, r.errs)
			}
		}
		if r := d.ours(plain+"3", "--usage"); r.code != 0 || r.errs != "" || !strings.HasPrefix(r.out, "usage: "+plain+" [options]\noptions:\n") {
			t.Errorf("%s3: exit %d, %q, %q", plain, r.code, r.out, r.errs)
		}
		if r := d.ours(plain, "-version"); r.code != 0 || !strings.HasPrefix(r.out, plain+"\nVersion: 2.1.1\n") {
			t.Errorf("%s: %q", plain, r.out)
		}
		if r := d.ours(plain+"3", "-version"); r.code != 0 || !strings.HasPrefix(r.out, plain+" v. 3.3.2 ") {
			t.Errorf("%s3: %q", plain, r.out)
		}
	}
}

func TestDestroy(t *testing.T) {
	for _, tc := range []struct {
		program    string
		args       []string
		out, errs  string
		code       int
		left, held bool // p and the usual proxy are still there
	}{
		{"voms-proxy-destroy2", []string{"-file", "p"}, "", "", 0, false, true},
		{"voms-proxy-destroy2", nil, "", "", 0, true, false},
		{"voms-proxy-destroy2", []string{"-file", "p", "-dry"}, "", "Would remove p\n", 0, true, true},
		{"voms-proxy-destroy2", []string{"-file", "none"}, "", "\nProxy file doesn't exist or has bad permissions\n\n", 1, true, true},
		{"voms-proxy-destroy2", []string{"-file", "none", "-quiet"}, "", "", 1, true, true},
		{"voms-proxy-destroy3", []string{"-file", "p"}, "", "", 0, false, true},
		{"voms-proxy-destroy3", []string{"-file", "p", "-dry"}, "Would remove p", "", 0, true, true},
		{"voms-proxy-destroy3", []string{"-file", "none"}, "\nProxy file doesn't exist or has bad permissions\n\n", "", 1, true, true},
	} {
		d := newDesk(t)
		d.write("p", "secret")
		d.write("usual", "secret")
		p, err := os.Open(filepath.Join(d.dir, "p"))
		if err != nil {
			t.Fatal(err)
		}
		r := d.ours(tc.program, tc.args...)
		if diff := cmp.Diff(run{tc.out, tc.errs, tc.code}, r, cmp.AllowUnexported(run{})); diff != "" || d.has("p") != tc.left || d.has("usual") != tc.held {
			t.Errorf("%s %v: %s, files left: %t, %t", tc.program, tc.args, diff, d.has("p"), d.has("usual"))
		}
		content := make([]byte, 6)
		if _, err := p.Read(content); err != nil || !tc.left && string(content) != "\x00\x00\x00\x00\x00\x00" {
			t.Errorf("%s %v left %q %v", tc.program, tc.args, content, err)
		}
		p.Close()
		if tc.program == "voms-proxy-destroy2" { // the same as the original does
			o := newDesk(t)
			o.write("p", "secret")
			o.write("usual", "secret")
			if diff := cmp.Diff(o.theirs(tc.program, tc.args...), r, cmp.AllowUnexported(run{})); diff != "" {
				t.Errorf("%v: %s", tc.args, diff)
			}
		}
	}
}
