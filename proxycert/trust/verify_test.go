package trust_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/proxycert/trust"
)

func TestFixtures(t *testing.T) {
	s := load(t, pki+"/certificates")
	if p := s.Problems(); len(p) > 0 {
		t.Errorf("problems: %v", p)
	}
	strict := trust.Options{RequireCRL: true, RequireSigningPolicy: true}
	for name, want := range map[string]trust.Reason{
		"ada": "", "bob": "", "uma": "", "zoe": "", "robot": "", "uid": "", "sam": "", "ecuser": "", "bare": "",
		"voms": "", "voms2": "", "voms-ec": "", "voms-other": "", "fxca": "", "subca": "",
		"dora": trust.Revoked, "voms-revoked": trust.Revoked, "expired": trust.Expired, "voms-expired": trust.Expired,
		"future": trust.NotYetValid, "nsviol": trust.Namespace, "voms-nsviol": trust.Namespace,
		"unt": trust.UnknownCA, "voms-untrusted": trust.UnknownCA, "untrusted": trust.UnknownCA,
	} {
		expect(t, name, reason(t, s, strict, fixture(t, name)), want)
	}
	path, err := s.Verify([]*x509.Certificate{fixture(t, "sam")}, now, strict)
	if err != nil || len(path) != 3 || !path[0].Equal(fixture(t, "sam")) || !path[1].Equal(fixture(t, "subca")) || !path[2].Equal(fixture(t, "fxca")) {
		t.Errorf("path of sam: %d certificates, %v", len(path), err)
	}
	// An untrusted authority does not become trusted by coming along.
	expect(t, "unt with its authority", reason(t, s, strict, fixture(t, "unt"), fixture(t, "untrusted")), trust.UnknownCA)
	_, err = s.Verify([]*x509.Certificate{fixture(t, "dora")}, now, strict)
	if want := "certificate /DC=test/DC=lanyard/OU=Users/CN=Dora Revoked: was revoked by /DC=test/DC=lanyard/CN=Lanyard Fixture CA"; err == nil || err.Error() != want {
		t.Errorf("%v, should be %s", err, want)
	}
}

func TestLinks(t *testing.T) {
	root := issue(t, nil, "/O=Test/CN=Root", authority)
	sub := issue(t, root, "/O=Test/CN=Sub", authority)
	narrow := issue(t, root, "/O=Test/CN=Narrow", func(c *x509.Certificate) { authority(c); c.MaxPathLenZero = true })
	low := issue(t, narrow, "/O=Test/CN=Low", authority)
	one := issue(t, root, "/O=Test/CN=One", func(c *x509.Certificate) { authority(c); c.MaxPathLen = 1 })
	two := issue(t, one, "/O=Test/CN=Two", authority)
	three := issue(t, two, "/O=Test/CN=Three", authority)
	rollover := issueFor(t, one, "/O=Test/CN=One", one.key, authority) // does not count as one more
	user := issue(t, root, "/O=Test/CN=User", nil)
	mute := issue(t, root, "/O=Test/CN=Mute", func(c *x509.Certificate) { authority(c); c.KeyUsage = x509.KeyUsageCRLSign })
	old := issue(t, root, "/O=Test/CN=Old", func(c *x509.Certificate) { authority(c); c.NotAfter = now.Add(-time.Second) })
	odd := issue(t, root, "/O=Test/CN=Odd", func(c *x509.Certificate) {
		authority(c)
		c.ExtraExtensions = []pkix.Extension{extension(true, 1, 2, 3)}
	})
	host := func(names ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.DNSNames = names }
	}
	named := issue(t, root, "/O=Test/CN=Named", func(c *x509.Certificate) {
		authority(c)
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"lanyard.test"}
	})
	impostor := issue(t, nil, "/O=Test/CN=Root", authority)
	leaf := func(ca *entity, change func(*x509.Certificate)) *x509.Certificate {
		return issue(t, ca, "/O=Test/CN=Leaf", change).Certificate
	}
	s := trust.New([]*x509.Certificate{root.Certificate})
	for _, c := range []struct {
		what  string
		want  trust.Reason
		chain []*x509.Certificate
	}{
		{"one link", "", []*x509.Certificate{leaf(root, nil)}},
		{"two links", "", []*x509.Certificate{leaf(sub, nil), sub.Certificate}},
		{"any order, with the root and others", "", []*x509.Certificate{leaf(two, nil), root.Certificate, two.Certificate, sub.Certificate, one.Certificate}},
		{"the authority itself", "", []*x509.Certificate{root.Certificate}},
		{"intermediate missing", trust.UnknownCA, []*x509.Certificate{leaf(sub, nil)}},
		{"path length 0 kept", "", []*x509.Certificate{leaf(narrow, nil), narrow.Certificate}},
		{"path length 0 exceeded", trust.Constraint, []*x509.Certificate{leaf(low, nil), low.Certificate, narrow.Certificate}},
		{"path length 1 exceeded", trust.Constraint, []*x509.Certificate{leaf(three, nil), one.Certificate, two.Certificate, three.Certificate}},
		{"path length with a rollover", "", []*x509.Certificate{leaf(two, nil), two.Certificate, rollover.Certificate, one.Certificate}},
		{"issued by a user", trust.Constraint, []*x509.Certificate{leaf(user, nil), user.Certificate}},
		{"issued by an authority for lists only", trust.Constraint, []*x509.Certificate{leaf(mute, nil), mute.Certificate}},
		{"issued by an expired authority", trust.Expired, []*x509.Certificate{leaf(old, nil), old.Certificate}},
		{"issued by an odd authority", trust.CriticalExtension, []*x509.Certificate{leaf(odd, nil), odd.Certificate}},
		{"name of the root, key of another", trust.Signature, []*x509.Certificate{leaf(impostor, nil), impostor.Certificate}},
		{"critical extension", trust.CriticalExtension, []*x509.Certificate{leaf(root, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{extension(true, 1, 3, 6, 1, 5, 5, 7, 1, 14)}
		})}},
		{"extension", "", []*x509.Certificate{leaf(root, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{extension(false, 1, 2, 3)}
		})}},
		{"name constraint kept", "", []*x509.Certificate{leaf(named, host("a.lanyard.test")), named.Certificate}},
		{"name constraint broken", trust.Constraint, []*x509.Certificate{leaf(named, host("a.example.org")), named.Certificate}},
		{"last second", "", []*x509.Certificate{leaf(root, func(c *x509.Certificate) { c.NotAfter = now })}},
		{"second after", trust.Expired, []*x509.Certificate{leaf(root, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) })}},
		{"nothing", trust.UnknownCA, nil},
		{"too many", trust.Constraint, append([]*x509.Certificate{leaf(root, nil)}, make([]*x509.Certificate, 100)...)},
	} {
		expect(t, c.what, reason(t, s, trust.Options{}, c.chain...), c.want)
	}
}

// TestNamesAreComparedAsNames has issuers written with other string types and case.
func TestNamesAreComparedAsNames(t *testing.T) {
	root := issue(t, nil, "/O=Test/CN=Root", authority)
	other := &entity{&x509.Certificate{RawSubject: bytes.Replace(root.RawSubject, []byte("Test"), []byte("TEST"), 1)}, root.key}
	sub := issue(t, other, "/O=Test/CN=Sub", authority)
	otherSub := &entity{&x509.Certificate{RawSubject: bytes.Replace(sub.RawSubject, []byte("Sub"), []byte("sUB"), 1)}, sub.key}
	user := issue(t, otherSub, "/O=Test/CN=User", nil)
	s := trust.New([]*x509.Certificate{root.Certificate})
	expect(t, "folded names", reason(t, s, trust.Options{}, user.Certificate, sub.Certificate), "")
}

// TestRenewedAuthority has two certificates of one authority, one of them expired, and two
// authorities of one name.
func TestRenewedAuthority(t *testing.T) {
	first := issue(t, nil, "/O=Test/CN=Root", func(c *x509.Certificate) { authority(c); c.NotAfter = now.Add(-time.Hour) })
	renewed := issueFor(t, nil, "/O=Test/CN=Root", first.key, authority)
	rekeyed := issue(t, nil, "/O=Test/CN=Root", authority)
	a, b := issue(t, first, "/O=Test/CN=A", nil), issue(t, rekeyed, "/O=Test/CN=B", nil)
	s := trust.New([]*x509.Certificate{first.Certificate, renewed.Certificate, rekeyed.Certificate})
	expect(t, "of the renewed", reason(t, s, trust.Options{}, a.Certificate), "")
	expect(t, "of the other key", reason(t, s, trust.Options{}, b.Certificate), "")
	// A list of one of them is no broken list of the other.
	s = s.With(nil, [][]byte{crl(t, rekeyed, now, b)})
	expect(t, "of the renewed, with a list of the other", reason(t, s, trust.Options{}, a.Certificate), "")
	expect(t, "revoked", reason(t, s, trust.Options{}, b.Certificate), trust.Revoked)
}

func TestAlgorithms(t *testing.T) {
	key, err := keyfile.Key([]byte(read(t, pki+"/certs/fxca.key")), nil)
	if err != nil {
		t.Fatal(err)
	}
	ca := &entity{fixture(t, "fxca"), key}
	s := trust.New([]*x509.Certificate{ca.Certificate})
	modern := issue(t, ca, "/CN=User", nil).Certificate
	sha1 := weak(t, modern, ca.key, crypto.SHA1, 5)
	expect(t, "SHA-1", reason(t, s, trust.Options{}, sha1), trust.Algorithm)
	expect(t, "SHA-1 allowed", reason(t, s, trust.Options{AllowSHA1: true}, sha1), "")
	md5 := weak(t, modern, ca.key, crypto.MD5, 4)
	expect(t, "MD5", reason(t, s, trust.Options{AllowSHA1: true}, md5), trust.Algorithm)
	if unknown := weak(t, modern, ca.key, crypto.SHA256, 99); unknown.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		expect(t, "unknown", reason(t, s, trust.Options{}, unknown), trust.Algorithm)
	}
}

// weak signs c again with PKCS #1 v1.5 over another hash; oid is the last number of the algorithm's.
// (crypto/x509 does not make such certificates any more.)
func weak(t testing.TB, c *x509.Certificate, key crypto.Signer, hash crypto.Hash, oid byte) *x509.Certificate {
	t.Helper()
	algorithm := []byte{6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 11}
	changed := append(bytes.Clone(algorithm[:len(algorithm)-1]), oid)
	tbs := bytes.ReplaceAll(c.RawTBSCertificate, algorithm, changed)
	h := hash.New()
	h.Write(tbs)
	signature, err := rsa.SignPKCS1v15(rand.Reader, key.(*rsa.PrivateKey), hash, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	der := bytes.ReplaceAll(c.Raw, algorithm, changed)
	got, err := keyfile.Certificate(append(der[:len(der)-len(signature)], signature...))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRevocationLists(t *testing.T) {
	root := issue(t, nil, "/O=Test/CN=Root", authority)
	impostor := issue(t, nil, "/O=Test/CN=Root", authority)
	sub := issue(t, root, "/O=Test/CN=Sub", authority)
	good, bad, low := issue(t, root, "/CN=Good", nil), issue(t, root, "/CN=Bad", nil), issue(t, sub, "/CN=Low", nil)
	for _, c := range []struct {
		what                string
		lists               [][]byte
		good, bad, low, all trust.Reason // all: of good, where lists are required
		problems            int
	}{
		{"none", nil, "", "", "", trust.CRLExpired, 0},
		{"in date", [][]byte{crl(t, root, now, bad)}, "", trust.Revoked, "", "", 0},
		{"about to expire", [][]byte{crl(t, root, now.AddDate(0, 0, -1), bad)}, "", trust.Revoked, "", "", 0},
		{"expired", [][]byte{crl(t, root, now.AddDate(0, 0, -2), bad)}, trust.CRLExpired, trust.Revoked, trust.CRLExpired, trust.CRLExpired, 0},
		{"the newest counts", [][]byte{crl(t, root, now, bad), crl(t, root, now.AddDate(0, 0, -2))}, "", trust.Revoked, "", "", 0},
		{"a clock that is late", [][]byte{crl(t, root, now.Add(4*time.Minute), bad)}, "", trust.Revoked, "", "", 0},
		{"of the future", [][]byte{crl(t, root, now.Add(6*time.Minute), bad)}, trust.CRLExpired, trust.Revoked, trust.CRLExpired, trust.CRLExpired, 0},
		{"of an impostor", [][]byte{crl(t, impostor, now, good)}, trust.CRLExpired, trust.CRLExpired, trust.CRLExpired, trust.CRLExpired, 1},
		{"of an impostor, beside a good one", [][]byte{crl(t, impostor, now, good), crl(t, root, now, bad)}, "", trust.Revoked, "", "", 1},
		{"of an authority of the chain", [][]byte{crl(t, sub, now, low)}, "", "", trust.Revoked, trust.CRLExpired, 0},
		{"of an authority in between", [][]byte{crl(t, root, now, sub)}, "", "", trust.Revoked, "", 0},
		{"rubbish", [][]byte{[]byte("rubbish")}, "", "", "", trust.CRLExpired, 1},
	} {
		s := trust.New([]*x509.Certificate{root.Certificate}).With(nil, c.lists)
		expect(t, c.what+", good", reason(t, s, trust.Options{}, good.Certificate), c.good)
		expect(t, c.what+", bad", reason(t, s, trust.Options{}, bad.Certificate), c.bad)
		expect(t, c.what+", low", reason(t, s, trust.Options{}, low.Certificate, sub.Certificate), c.low)
		expect(t, c.what+", required", reason(t, s, trust.Options{RequireCRL: true}, good.Certificate), c.all)
		if len(s.Problems()) != c.problems {
			t.Errorf("%s: problems %v", c.what, s.Problems())
		}
	}
	// A key that may not sign lists has signed none.
	mute := issue(t, nil, "/O=Test/CN=Mute", func(c *x509.Certificate) { authority(c); c.KeyUsage = x509.KeyUsageCertSign })
	user := issue(t, mute, "/CN=User", nil)
	signer := *mute.Certificate
	signer.KeyUsage = x509.KeyUsageCRLSign
	s := trust.New([]*x509.Certificate{mute.Certificate}).With(nil, [][]byte{crl(t, &entity{&signer, mute.key}, now)})
	expect(t, "list of a key for certificates", reason(t, s, trust.Options{}, user.Certificate), trust.CRLExpired)
}

// TestWithLeavesTheStoreAlone checks that copies do not share what changes.
func TestWithLeavesTheStoreAlone(t *testing.T) {
	root := issue(t, nil, "/O=Test/CN=Root", authority)
	user := issue(t, root, "/CN=User", nil)
	base := load(t, pki+"/certificates")
	more := base.With([]*x509.Certificate{root.Certificate}, nil)
	revoking := more.With(nil, [][]byte{crl(t, root, now, user)})
	strict := trust.Options{RequireSigningPolicy: true}
	for _, c := range []struct {
		what      string
		s         *trust.Store
		user, ada trust.Reason
	}{{"base", base, trust.UnknownCA, ""}, {"more", more, "", ""}, {"revoking", revoking, trust.Revoked, ""}} {
		expect(t, c.what+", user", reason(t, c.s, strict, user.Certificate), c.user)
		expect(t, c.what+", ada", reason(t, c.s, strict, fixture(t, "ada")), c.ada)
	}
}

// TestHostileChainsAreCheap has chains made to keep a verifier busy: many authorities of one name,
// all of which fit, and large keys.
func TestHostileChainsAreCheap(t *testing.T) {
	loop := issue(t, nil, "/CN=Loop", authority)
	var chain []*x509.Certificate
	for range 100 {
		chain = append(chain, issueFor(t, loop, "/CN=Loop", loop.key, authority).Certificate)
	}
	s := load(t, pki+"/certificates")
	started := time.Now()
	if got := reason(t, s, trust.Options{}, chain...); got == "" {
		t.Error("accepted")
	}
	if took := time.Since(started); took > 10*time.Second { // one that was tried in all ways would take for ever
		t.Errorf("a hostile chain took %s", took)
	}
	large := *fixture(t, "fxca")
	large.PublicKey = &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1<<20), E: 3}
	expect(t, "a large key", reason(t, trust.New([]*x509.Certificate{&large}), trust.Options{}, fixture(t, "ada")), trust.Algorithm)
}

func FuzzVerify(f *testing.F) {
	for _, name := range []string{"ada", "sam", "subca", "zoe", "unt"} {
		f.Add(fixture(f, name).Raw, fixture(f, "subca").Raw)
	}
	f.Add(fixture(f, "ada").Raw, []byte(read(f, pki+"/certificates/1261a433.r0")))
	s := load(f, pki+"/certificates")
	f.Fuzz(func(t *testing.T, a, b []byte) {
		s := s.With(nil, [][]byte{b})
		leaf, err := keyfile.Certificate(a)
		if err != nil {
			return
		}
		chain := []*x509.Certificate{leaf}
		if c, err := keyfile.Certificate(b); err == nil {
			chain = append(chain, c)
		}
		path, err := s.Verify(chain, now, trust.Options{})
		if err == nil && (len(path) == 0 || !path[0].Equal(leaf)) {
			t.Fatal("another path")
		}
		if _, ok := errors.AsType[*trust.Error](err); err != nil && !ok {
			t.Fatalf("%#v", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := load(b, pki+"/certificates")
	for _, name := range []string{"ada", "sam"} {
		chain := []*x509.Certificate{fixture(b, name)}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Verify(chain, now, trust.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
