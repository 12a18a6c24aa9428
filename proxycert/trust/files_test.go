package trust_test

import (
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/trust"
)

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestPolicies has files that name "/O=Test/CN=Root" and what it may sign.
func TestPolicies(t *testing.T) {
	root := issue(t, nil, "/O=Test/CN=Root", authority)
	hash, old := trust.Hashes(root.RawSubject)
	sign := func(subjects string) string {
		return "access_id_CA X509 '/O=Test/CN=Root'\npos_rights globus CA:sign\ncond_subjects globus " + subjects + "\n"
	}
	const ada, uma = "/O=Test/OU=Users/CN=Ada", "/O=Other/CN=Uma/Email=uma@lanyard.test"
	for _, c := range []struct {
		what, file, text string
		ada, uma         bool
	}{
		{"no file", "x.txt", "", true, true},
		{"tail", ".signing_policy", sign(`'"/O=Test/*"'`), true, false},
		{"two", ".signing_policy", sign(`'"/O=Test/*" "/O=Other/*"'`), true, true},
		{"all", ".signing_policy", sign(`'"*"'`), true, true},
		{"in the middle", ".signing_policy", sign(`'"/O=Test/*/CN=Ad?"'`), true, false},
		{"exact", ".signing_policy", sign(`'"/O=Test/OU=Users/CN=Ada"'`), true, false},
		{"a part", ".signing_policy", sign(`'"/O=Test"'`), false, false},
		{"case and blanks", ".signing_policy", sign(`  '"/o=TEST/ou=users/*"'`), true, false},
		{"spelling of e-mail", ".signing_policy", sign(`'"/O=Other/CN=Uma/emailAddress=*"'`), false, true},
		{"short spelling of e-mail", ".signing_policy", sign(`'"/O=Other/CN=Uma/E=*"'`), false, true},
		{"no inner quotes", ".signing_policy", sign(`'/O=Test/*'`), true, false},
		{"no outer quotes", ".signing_policy", sign(`"/O=Test/*" "/O=X/*"`), true, false},
		{"comments and tabs", ".signing_policy", "# text\n\n" + strings.ReplaceAll(sign(`'"/O=Test/*"'`), " ", "\t"), true, false},
		{"several authorities", ".signing_policy", strings.Replace(sign(`'"/O=Other/*"'`), "CN=Root", "CN=Else", 1) + sign(`'"/O=Test/*"'`), true, false},
		{"not for it", ".signing_policy", strings.Replace(sign(`'"*"'`), "CN=Root", "CN=Else", 1), false, false},
		{"no right", ".signing_policy", strings.Replace(sign(`'"*"'`), "CA:sign", "CA:look", 1), false, false},
		{"broken", ".signing_policy", "access_id_CA X509 rubbish", false, false},
		{"conditions of nobody", ".signing_policy", "cond_subjects globus '\"*\"'\n", false, false},
		{"empty", ".signing_policy", "", false, false},

		{"permit", ".namespaces", `TO Issuer "/O=Test/CN=Root" PERMIT Subject "/O=Test/.*"`, true, false},
		{"self", ".namespaces", "#NAMESPACES-VERSION: 1.0\n# text\nTO Issuer SELF \\\n  PERMIT Subject \"/O=Test/.*\"\n", true, false},
		{"quoted self", ".namespaces", `to issuer "self" permit subject "/o=test/.*"`, true, false},
		{"two rules", ".namespaces", "TO Issuer SELF PERMIT Subject \"/O=Test/.*\"\nTO Issuer SELF PERMIT Subject \"/O=Other/.*\"", true, true},
		{"deny", ".namespaces", "TO Issuer SELF DENY Subject \".*/CN=Ada\"\nTO Issuer SELF PERMIT Subject \".*\"", false, true},
		{"whole names only", ".namespaces", `TO Issuer SELF PERMIT Subject "/O=Test"`, false, false},
		{"e-mail", ".namespaces", `TO Issuer SELF PERMIT Subject "/O=Other/CN=[A-Z][a-z]+/emailAddress=.*@lanyard\.test"`, false, true},
		{"for another", ".namespaces", `TO Issuer "/O=Test/CN=Else" PERMIT Subject ".*"`, false, false},
		{"bad expression", ".namespaces", `TO Issuer SELF PERMIT Subject "("`, false, false},
		{"bad words", ".namespaces", `TO Issuer SELF ALLOW Subject ".*"`, false, false},
		{"open quote", ".namespaces", `TO Issuer SELF PERMIT Subject ".*`, false, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			for _, h := range []string{hash, old} {
				dir := t.TempDir()
				put(t, dir, "root.pem", encode(root.Certificate))
				put(t, dir, h+c.file, []byte(c.text))
				s := load(t, dir)
				for subject, may := range map[string]bool{ada: c.ada, uma: c.uma} {
					want := trust.Reason("")
					if !may {
						want = trust.Namespace
					}
					expect(t, subject, reason(t, s, trust.Options{}, issue(t, root, subject, nil).Certificate), want)
				}
				wants := trust.Reason("")
				if c.what == "no file" {
					wants = trust.Namespace
				}
				if c.ada {
					expect(t, "required", reason(t, s, trust.Options{RequireSigningPolicy: true}, issue(t, root, ada, nil).Certificate), wants)
				}
			}
		})
	}
}

// TestBothPoliciesHold has a signing policy and namespaces that differ.
func TestBothPoliciesHold(t *testing.T) {
	root := issue(t, nil, "/O=Test/CN=Root", authority)
	hash, _ := trust.Hashes(root.RawSubject)
	dir := t.TempDir()
	put(t, dir, hash+".0", encode(root.Certificate))
	put(t, dir, "any.signing_policy", []byte("access_id_CA X509 '/O=Test/CN=Root'\npos_rights globus CA:sign\ncond_subjects globus '\"/O=Test/*\"'\n"))
	put(t, dir, "any.namespaces", []byte(`TO Issuer "/O=Test/CN=Root" PERMIT Subject ".*/CN=Ada"`))
	s := load(t, dir)
	for subject, want := range map[string]trust.Reason{"/O=Test/CN=Ada": "", "/O=Else/CN=Ada": trust.Namespace, "/O=Test/CN=Uma": trust.Namespace} {
		expect(t, subject, reason(t, s, trust.Options{}, issue(t, root, subject, nil).Certificate), want)
	}
}

func TestLoad(t *testing.T) {
	root := issue(t, nil, "/O=Test/CN=Root", authority)
	user := issue(t, root, "/CN=User", nil)
	hash, old := trust.Hashes(root.RawSubject)
	dir := t.TempDir()
	if _, err := trust.Load(dir); err == nil || !strings.Contains(err.Error(), "no authority") {
		t.Errorf("empty directory: %v", err)
	}
	if _, err := trust.Load(filepath.Join(dir, "none")); err == nil {
		t.Error("no directory: no error")
	}
	put(t, dir, "Root.pem", encode(root.Certificate))
	if err := os.Symlink("Root.pem", filepath.Join(dir, hash+".0")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nothing", filepath.Join(dir, "dangling.pem")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "00000000.0", []byte("rubbish"))
	put(t, dir, "README", []byte("rubbish"))
	s := load(t, dir)
	expect(t, "user", reason(t, s, trust.Options{}, user.Certificate), "")
	said := fmt.Sprint(s.Problems())
	for _, file := range []string{"dangling.pem", "pipe.pem", "00000000.0"} {
		if strings.Count(said, file) != 1 {
			t.Errorf("%s is told otherwise than once: %s", file, said)
		}
	}
	if len(s.Problems()) != 3 {
		t.Errorf("problems: %s", said)
	}
	// A list that is there and cannot be read might have revoked anything.
	put(t, dir, old+".r0", []byte("rubbish"))
	expect(t, "broken list", reason(t, load(t, dir), trust.Options{}, user.Certificate), trust.CRLExpired)
}

func TestDirectory(t *testing.T) {
	root := issue(t, nil, "/O=Test/CN=Root", authority)
	user := issue(t, root, "/CN=User", nil)
	hash, _ := trust.Hashes(root.RawSubject)
	dir, clock := filepath.Join(t.TempDir(), "certificates"), now
	d := trust.Directory{Path: dir, Now: func() time.Time { return clock }}
	if _, err := d.Current(); err == nil {
		t.Error("no directory: no error")
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	current := func() *trust.Store {
		t.Helper()
		s, err := d.Current()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	later := func() { clock = clock.Add(10 * time.Second) }
	put(t, dir, hash+".0", encode(root.Certificate))
	first := current()
	expect(t, "no list", reason(t, first, trust.Options{}, user.Certificate), "")

	put(t, dir, hash+".r0", crl(t, root, now, user))
	if current() != first {
		t.Error("looked again at once")
	}
	later()
	expect(t, "list added", reason(t, current(), trust.Options{}, user.Certificate), trust.Revoked)
	if a := current(); func() bool { later(); return current() != a }() {
		t.Error("read again without a change")
	}

	put(t, dir, hash+".r0", []byte("half a li"))
	later()
	s := current()
	expect(t, "list broken", reason(t, s, trust.Options{}, user.Certificate), trust.Revoked)
	if p := fmt.Sprint(s.Problems()); !strings.Contains(p, hash+".r0") {
		t.Errorf("the broken list is not told: %s", p)
	}
	put(t, dir, hash+".r0", crl(t, root, now.Add(time.Second)))
	later()
	s = current()
	expect(t, "list mended", reason(t, s, trust.Options{}, user.Certificate), "")
	if p := s.Problems(); len(p) > 0 {
		t.Errorf("problems stay: %v", p)
	}

	put(t, dir, hash+".0", []byte("half a certificate"))
	later()
	expect(t, "authority broken", reason(t, current(), trust.Options{}, user.Certificate), "")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	later()
	s = current()
	expect(t, "directory away", reason(t, s, trust.Options{}, user.Certificate), "")
	if p := fmt.Sprint(s.Problems()); !strings.Contains(p, "as it was before") {
		t.Errorf("the absence is not told: %s", p)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "other.pem", encode(issue(t, nil, "/CN=Other", authority).Certificate))
	if err := os.Remove(filepath.Join(dir, hash+".0")); err != nil {
		t.Fatal(err)
	}
	later()
	expect(t, "authority removed", reason(t, current(), trust.Options{}, user.Certificate), trust.UnknownCA)
	if err := os.Remove(filepath.Join(dir, "other.pem")); err != nil {
		t.Fatal(err)
	}
	later()
	if _, err := d.Current(); err == nil {
		t.Error("no authority left: no error")
	}
	later()
	if _, err := d.Current(); err == nil {
		t.Error("no authority left: no error the second time")
	}
}

// TestHashesOfOpenSSL compares with the program, and has it verify with directories of WriteCA.
func TestHashesOfOpenSSL(t *testing.T) {
	for _, subject := range []string{"/DC=test/DC=lanyard/CN=Lanyard Fixture CA", "/C=ZZ/O=Foo  Bar & Co/CN=Zoë Ünïcode/Email=A@b.TEST",
		"/O=A+OU=B+CN=C/CN= x ", "/CN=host\\/w1/UID=a/1.2.3.4=x"} {
		root := issue(t, nil, subject, authority)
		user := issue(t, root, "/DC=test/CN=User", nil)
		file := filepath.Join(t.TempDir(), "ca.pem")
		put(t, filepath.Dir(file), "ca.pem", encode(root.Certificate))
		put(t, filepath.Dir(file), "user.pem", encode(user.Certificate))
		out, err := exec.Command("openssl", "x509", "-in", file, "-noout", "-subject_hash", "-subject_hash_old").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		current, old := trust.Hashes(root.RawSubject)
		if got := current + "\n" + old + "\n"; got != string(out) {
			t.Errorf("%s: hashes %q, in OpenSSL %q", subject, got, out)
		}

		dir := t.TempDir()
		if err := trust.WriteCA(dir, root.Certificate, "/DC=test/*"); err != nil {
			t.Fatal(err)
		}
		out, err = exec.Command("openssl", "verify", "-attime", fmt.Sprint(now.Unix()), "-CApath", dir, "-no-CAfile", "-no-CAstore",
			filepath.Join(filepath.Dir(file), "user.pem")).CombinedOutput()
		if err != nil {
			t.Errorf("%s: openssl verify: %s", subject, out)
		}
		expect(t, subject, reason(t, load(t, dir), trust.Options{RequireSigningPolicy: true}, user.Certificate), "")
		expect(t, subject+", other user", reason(t, load(t, dir), trust.Options{}, issue(t, root, "/DC=else/CN=User", nil).Certificate), trust.Namespace)
	}
	if a, b := trust.Hashes([]byte("x")); a+b != "" {
		t.Error("what is no name has hashes")
	}
}

func TestWriteCA(t *testing.T) {
	root, twin := issue(t, nil, "/O=Test/CN=Root", authority), issue(t, nil, "/O=Test/CN=Root", authority)
	current, old := trust.Hashes(root.RawSubject)
	dir := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	put(t, filepath.Dir(elsewhere), "elsewhere", []byte("mine"))
	if err := os.Symlink(elsewhere, filepath.Join(dir, current+".signing_policy")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ca        *x509.Certificate
		namespace string
	}{{root.Certificate, "/O=Test/*"}, {twin.Certificate, "/O=Test/*"}, {root.Certificate, "/O=Test/* /O=More/*"}} {
		if err := trust.WriteCA(dir, c.ca, c.namespace); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	want := fmt.Sprintf("[%s.0 %[1]s.1 %[1]s.signing_policy %[2]s.0 %[2]s.1 %[2]s.signing_policy]", min(current, old), max(current, old))
	if fmt.Sprint(files) != want {
		t.Errorf("%v, should be %s", files, want)
	}
	if read(t, elsewhere) != "mine" {
		t.Error("a link was followed")
	}
	if got, want := read(t, filepath.Join(dir, old+".signing_policy")),
		"access_id_CA      X509    '/O=Test/CN=Root'\npos_rights        globus  CA:sign\ncond_subjects     globus  '\"/O=Test/*\" \"/O=More/*\"'\n"; got != want {
		t.Errorf("policy:\n%s", got)
	}
	if info, err := os.Stat(filepath.Join(dir, current+".0")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode: %v %v", info.Mode(), err)
	}
	s := load(t, dir)
	for _, ca := range []*entity{root, twin} {
		expect(t, "user", reason(t, s, trust.Options{RequireSigningPolicy: true}, issue(t, ca, "/O=More/CN=User", nil).Certificate), "")
	}
	for namespace, where := range map[string]string{"": dir, `/O="x"/*`: dir, "/O=Test/*": filepath.Join(dir, "none")} {
		if err := trust.WriteCA(where, root.Certificate, namespace); err == nil {
			t.Errorf("%q into %s: no error", namespace, where)
		}
	}
}

// FuzzPolicies has files of a directory whose writers made mistakes.
func FuzzPolicies(f *testing.F) {
	f.Add(read(f, pki+"/certificates/1261a433.signing_policy"), "TO Issuer SELF PERMIT Subject \"/O=.*\"\n")
	f.Add("access_id_CA X509 \"/CN=x\"\npos_rights globus CA:sign\ncond_subjects globus \"/a*\" '", "to issuer \"/CN=x\" deny subject \"\\\"\" # \\")
	ca := fixture(f, "fxca")
	hash, _ := trust.Hashes(ca.RawSubject)
	ada := fixture(f, "ada")
	f.Fuzz(func(t *testing.T, policy, namespaces string) {
		dir := t.TempDir()
		put(t, dir, hash+".0", encode(ca))
		put(t, dir, hash+".signing_policy", []byte(policy))
		put(t, dir, hash+".namespaces", []byte(namespaces))
		s := load(t, dir)
		if _, err := s.Verify([]*x509.Certificate{ada}, now, trust.Options{}); err == nil && len(s.Problems()) > 0 {
			t.Fatalf("accepted in spite of %v", s.Problems())
		}
	})
}
