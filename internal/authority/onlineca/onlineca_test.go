package onlineca_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/authority/onlineca"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/trust"
)

const hour = time.Hour

// world is a CA on a database, and a clock that stands until it is moved. openssl judges by the
// true time, so the clock begins there.
type world struct {
	*onlineca.CA
	t     *testing.T
	store *store.Store
	now   time.Time
}

func config(w *world) onlineca.Config {
	return onlineca.Config{Store: w.store, Base: "/DC=org/DC=example", Organisations: map[string]string{"https://idp": "Example Universität"},
		Policy: "1.3.6.1.4.1.99999.1.1", CRL: "http://ca.example.org/crl.der", Now: func() time.Time { return w.now }}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Now().UTC().Truncate(time.Second)}
	var err error
	w.store, err = store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "lanyard.db"), Keys: seal.NewKeys(), Now: func() time.Time { return w.now }})
	w.check(err)
	t.Cleanup(func() { w.check(w.store.Close()) })
	_, err = w.store.InsertProject(t.Context(), project.Project{ID: "prj_1", Name: "p1"}, did("prj_1"))
	w.check(err)
	for _, a := range []identity.Account{anna(), {ID: "usr_2", Kind: identity.Robot, Issuer: "robot", Subject: "x", Name: "nightly"}} {
		w.check(w.store.InsertAccount(t.Context(), a, did(a.ID)))
	}
	w.CA, err = onlineca.Open(t.Context(), config(w))
	w.check(err)
	return w
}

func anna() identity.Account {
	return identity.Account{ID: "usr_1", Kind: identity.Person, Issuer: "https://idp", Subject: "anna", Name: "Änna  Virtanen/CN=root"}
}

func did(id string) audit.Change {
	return audit.Change{Record: audit.Record{Action: "test", Subject: id, At: time.Unix(1, 0)}}
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// openssl runs it in dir and returns what it says.
func openssl(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w *world) write(dir, name, kind string, der []byte) {
	w.t.Helper()
	w.check(os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func TestTheProfile(t *testing.T) {
	w := newWorld(t)
	cert, err := w.Certify(t.Context(), anna(), &rsaKey().PublicKey, big.NewInt(0x1234), w.now.Add(12*hour))
	w.check(err)
	name := dn.Slash(cert.RawSubject)
	if !strings.HasPrefix(name, "/DC=org/DC=example/O=Example Universitat/CN=Anna VirtanenCN-root ") && !strings.HasPrefix(name, "/DC=org/DC=example/O=Example Universitat/CN=Anna VirtanenCNroot ") {
		t.Errorf("the subject is %s", name)
	}
	if cert.SerialNumber.Int64() != 0x1234 || !cert.NotAfter.Equal(w.now.Add(12*hour)) || cert.NotBefore.After(w.now) {
		t.Errorf("serial %s, from %s to %s", cert.SerialNumber, cert.NotBefore, cert.NotAfter)
	}
	dir := t.TempDir()
	w.write(dir, "cert.pem", "CERTIFICATE", cert.Raw)
	text, err := openssl(t, dir, "x509", "-in", "cert.pem", "-noout", "-text")
	w.check(err)
	for _, want := range []string{"X509v3 Key Usage: critical\n                Digital Signature, Key Encipherment\n", "X509v3 Extended Key Usage: \n                TLS Web Client Authentication\n",
		"X509v3 Basic Constraints: critical\n                CA:FALSE\n", "X509v3 Subject Key Identifier", "X509v3 Authority Key Identifier",
		"URI:http://ca.example.org/crl.der", "Policy: 1.3.6.1.4.1.99999.1.1", "sha256WithRSAEncryption"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	// The name of an account never changes, whatever its provider calls it later.
	renamed := anna()
	renamed.Name = "Somebody Else"
	again, err := w.Certify(t.Context(), renamed, ecKey(t).Public(), big.NewInt(2), w.now.Add(hour))
	w.check(err)
	if got := dn.Slash(again.RawSubject); got != name {
		t.Errorf("renamed, %s became %s", name, got)
	}
	robot, err := w.Certify(t.Context(), identity.Account{ID: "usr_2", Kind: identity.Robot, Issuer: "robot", Subject: "x", Name: "nightly"}, ecKey(t).Public(), big.NewInt(3), w.now.Add(hour))
	w.check(err)
	if got := dn.Slash(robot.RawSubject); !strings.HasPrefix(got, "/DC=org/DC=example/O=Robots/CN=Robot nightly ") {
		t.Errorf("the robot is %s", got)
	}
	if !strings.Contains(w.SigningPolicy(), `'"/DC=org/DC=example/*"'`) {
		t.Errorf("the signing policy is %s", w.SigningPolicy())
	}
}

func TestWhatIsNotCertified(t *testing.T) {
	w := newWorld(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	w.check(err)
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	w.check(err)
	for name, tc := range map[string]struct {
		key   crypto.PublicKey
		until time.Time
		code  fault.Code
	}{
		"1024 bits":     {weak.Public(), w.now.Add(hour), fault.Invalid},
		"exponent 3":    {&rsa.PublicKey{N: rsaKey().N, E: 3}, w.now.Add(hour), fault.Invalid},
		"P-224":         {small.Public(), w.now.Add(hour), fault.Invalid},
		"the past":      {rsaKey().Public(), w.now, fault.Invalid},
		"over 11 days":  {rsaKey().Public(), w.now.Add(onlineca.MaxLife + time.Second), fault.Limited},
		"no key at all": {nil, w.now.Add(hour), fault.Invalid},
	} {
		if c, err := w.Certify(t.Context(), anna(), tc.key, big.NewInt(1), tc.until); fault.CodeOf(err) != tc.code || c != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, serial := range []*big.Int{nil, big.NewInt(0), big.NewInt(-1), new(big.Int).Lsh(big.NewInt(1), 160)} {
		if c, err := w.Certify(t.Context(), anna(), rsaKey().Public(), serial, w.now.Add(hour)); err == nil || c != nil {
			t.Errorf("the serial number %s was taken", serial)
		}
	}
	for _, base := range []string{"", "/", "DC=org", "/DC=*", "/DC=a\"b", "/nothing"} {
		if _, err := onlineca.CheckBase(base); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q can be what names begin with: %v", base, err)
		}
	}
}

// TestOpensslHonoursTheList asks openssl about a certificate before, while on hold, and after it is
// revoked.
func TestOpensslHonoursTheList(t *testing.T) {
	w := newWorld(t)
	const serial = "b3c4"
	cert, err := w.Certify(t.Context(), anna(), ecKey(t).Public(), big.NewInt(0xb3c4), w.now.Add(48*hour))
	w.check(err)
	c := credential.Credential{ID: "crd_1", Kind: "proxy", ProjectID: "prj_1", OwnerID: "usr_1", Name: "x", PublicID: serial, Spec: []byte(`{"way":"certificate"}`),
		Status: credential.Active, CreatedAt: w.now, ExpiresAt: w.now.Add(48 * hour), Generation: 1}
	_, err = w.store.InsertCredential(t.Context(), c, []byte("s"), did(c.ID))
	w.check(err)
	upload := c
	upload.ID, upload.PublicID, upload.Spec, upload.Status, upload.EndedAt = "crd_2", "PX1", []byte(`{"way":"upload"}`), credential.Ending, w.now
	_, err = w.store.InsertCredential(t.Context(), upload, []byte("s"), did(upload.ID)) // no certificate of ours
	w.check(err)

	dir := t.TempDir()
	w.write(dir, "ca.pem", "CERTIFICATE", w.Chain()[0].Raw)
	w.write(dir, "cert.pem", "CERTIFICATE", cert.Raw)
	number := int64(0)
	verify := func(want string) {
		t.Helper()
		der, err := w.CRL(t.Context())
		w.check(err)
		list, err := x509.ParseRevocationList(der)
		w.check(err)
		if list.Number.Int64() <= number {
			t.Errorf("list %s follows %d", list.Number, number)
		}
		number = list.Number.Int64()
		w.write(dir, "crl.pem", "X509 CRL", der)
		out, err := openssl(t, dir, "verify", "-crl_check", "-x509_strict", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "cert.pem")
		if !strings.Contains(out, want) || (err == nil) != (want == "OK") {
			t.Errorf("openssl says %s, %v; want %s", out, err, want)
		}
		// What sites use judges the same way.
		_, err = trust.New(nil).With(w.Chain(), [][]byte{der}).Verify([]*x509.Certificate{cert}, w.now, trust.Options{RequireCRL: true})
		if (err == nil) != (want == "OK") {
			t.Errorf("our own verifier says %v, want %s", err, want)
		}
	}
	save := func() {
		t.Helper()
		_, err := w.store.SaveCredentials(t.Context(), []credential.Credential{c}, func(credential.Credential) audit.Change { return did(c.ID) })
		w.check(err)
		c.Generation++
	}
	verify("OK")
	c.Status, c.Reason = credential.Frozen, credential.FrozenByOwner
	save()
	verify("certificate revoked")
	c.Status, c.Reason = credential.Active, ""
	save()
	verify("OK")
	c = c.End(w.now, credential.Deleted)
	save()
	verify("certificate revoked")
	text, err := openssl(t, dir, "crl", "-in", "crl.pem", "-noout", "-text")
	w.check(err)
	if !strings.Contains(text, "Serial Number: B3C4") || strings.Count(text, "Serial Number:") != 1 {
		t.Errorf("the list is\n%s", text)
	}

	// What is published follows soon.
	before, err := w.Published(t.Context())
	w.check(err)
	c.Status, c.Reason, c.EndedAt = credential.Active, "", time.Time{}
	save()
	if soon, err := w.Published(t.Context()); err != nil || string(soon) != string(before) {
		t.Errorf("the database is asked at each request: %v", err)
	}
	w.now = w.now.Add(onlineca.PublishEvery)
	gone, leave := context.WithCancel(t.Context())
	leave() // who asked has left: others still want to know
	if then, err := w.Published(gone); err != nil || string(then) == string(before) {
		t.Errorf("a change is not published: %v", err)
	}

	// The list stays as it is while nothing changes, and is made anew in time.
	first, err := w.CRL(t.Context())
	w.check(err)
	w.now = w.now.Add(23 * hour)
	if same, err := w.CRL(t.Context()); err != nil || string(same) != string(first) {
		t.Errorf("the list changed without reason: %v", err)
	}
	w.now = w.now.Add(2 * hour)
	der, err := w.CRL(t.Context())
	w.check(err)
	if list, err := x509.ParseRevocationList(der); err != nil || list.NextUpdate.Before(w.now.Add(6*24*hour)) {
		t.Errorf("the list of the next day: %v", err)
	}
	w.now = w.now.Add(48 * hour)
	der, err = w.CRL(t.Context())
	w.check(err)
	if list, err := x509.ParseRevocationList(der); err != nil || len(list.RevokedCertificateEntries) != 0 {
		t.Errorf("what is over is listed still: %v", err)
	}
}

// TestServersShareOneCA opens many at once, as machines that share a database do.
func TestServersShareOneCA(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			ca, err := onlineca.Open(t.Context(), config(w))
			if err != nil || !ca.Chain()[0].Equal(w.Chain()[0]) {
				t.Errorf("another server has another CA: %v", err)
				return
			}
			host, err := ca.Host(t.Context(), "voms.example.org")
			if err != nil || host.Leaf.CheckSignatureFrom(w.Chain()[0]) != nil {
				t.Errorf("a host certificate: %v", err)
			}
		})
	}
	wg.Wait()
	a, err := w.Host(t.Context(), "voms.example.org")
	w.check(err)
	b, err := w.Host(t.Context(), "voms.example.org")
	w.check(err)
	if !a.Leaf.Equal(b.Leaf) {
		t.Error("the host has two certificates")
	}
	if err := a.Leaf.VerifyHostname("voms.example.org"); err != nil {
		t.Error(err)
	}
	if len(a.Leaf.SubjectKeyId) == 0 || dn.Slash(a.Leaf.RawSubject) != "/DC=org/DC=example/CN=voms.example.org" {
		t.Errorf("the host is %s, key id %x", dn.Slash(a.Leaf.RawSubject), a.Leaf.SubjectKeyId)
	}
	w.now = w.now.Add(250 * 24 * hour)
	c, err := w.Host(t.Context(), "voms.example.org")
	w.check(err)
	if c.Leaf.Equal(a.Leaf) || dn.Slash(c.Leaf.RawSubject) != dn.Slash(a.Leaf.RawSubject) {
		t.Error("the host's certificate was not renewed, or under another name")
	}
	dir := t.TempDir()
	w.write(dir, "ca.pem", "CERTIFICATE", w.Chain()[0].Raw)
	w.write(dir, "host.pem", "CERTIFICATE", a.Leaf.Raw)
	if out, err := openssl(t, dir, "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "voms.example.org", "-CAfile", "ca.pem", "host.pem"); err != nil {
		t.Errorf("openssl about the host: %s", out)
	}
}

func TestOurNameProvesNothing(t *testing.T) {
	w := newWorld(t)
	cert, err := w.Certify(t.Context(), anna(), ecKey(t).Public(), big.NewInt(1), w.now.Add(hour))
	w.check(err)
	if own, foreign := w.Issued([]*x509.Certificate{cert, w.Chain()[0]}); !own || foreign {
		t.Error("our own certificate is not ours")
	}
	other := newWorld(t)
	fake := &x509.Certificate{Raw: []byte("x"), RawIssuer: w.Chain()[0].RawSubject}
	if own, foreign := w.Issued([]*x509.Certificate{fake, other.Chain()[0]}); own || !foreign {
		t.Error("a certificate under our name of another CA is taken for ours")
	}
	if own, foreign := other.Issued([]*x509.Certificate{cert, w.Chain()[0]}); own || foreign {
		t.Error("a certificate of another CA is taken for ours, or for a fake")
	}
	if own, foreign := w.Issued(nil); own || !foreign {
		t.Error("no path at all proves something")
	}
}
