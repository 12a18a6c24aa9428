package authority_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/authority"
	"github.com/lanyardhq/lanyard/internal/authority/onlineca"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

const hour = time.Hour

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// world is an authority for the VO climate, on a database, with an online CA and one outside.
type world struct {
	*authority.Authority
	t       testing.TB
	store   *store.Store
	ca      *onlineca.CA
	host    *tls.Certificate
	outside *outsideCA
	now     atomic.Int64
}

func (w *world) clock() time.Time { return time.Unix(w.now.Load(), 0).UTC() }

func (w *world) move(d time.Duration) { w.now.Add(int64(d / time.Second)) }

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t}
	w.now.Store(start.Unix())
	var err error
	w.store, err = store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "lanyard.db"), Keys: seal.NewKeys(), Now: w.clock})
	w.check(err)
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	_, err = w.store.InsertProject(t.Context(), project.Project{ID: "prj_1", Name: "p1"}, did("prj_1"))
	w.check(err)
	for _, id := range []string{"usr_anna", "usr_ben"} {
		w.check(w.store.InsertAccount(t.Context(), identity.Account{ID: id, Kind: identity.Person, Issuer: "https://idp", Subject: id, Name: id}, did(id)))
	}
	w.check(w.store.SaveMember(t.Context(), project.Member{ProjectID: "prj_1", AccountID: "usr_anna", Role: identity.Manager}, did("prj_1")))
	w.ca, err = onlineca.Open(t.Context(), onlineca.Config{Store: w.store, Base: "/DC=org/DC=example", Now: w.clock})
	w.check(err)
	w.host, err = w.ca.Host(t.Context(), "voms.example.org")
	w.check(err)
	w.outside = newOutsideCA(t, "/DC=org/DC=outside/CN=CA")
	w.Authority = authority.New(authority.Config{Store: w.store, CA: w.ca, Now: w.clock, Log: slog.New(slog.DiscardHandler),
		Keys:  map[string]func() (*tls.Certificate, error){"climate": func() (*tls.Certificate, error) { return w.host, nil }},
		Trust: w.trusted,
		VOs: []vo.VO{{Name: "climate", Host: "voms.example.org", Port: 15000, Project: "p1", MaxLife: 24 * hour, ShortFQANs: true,
			Groups: []vo.Group{{Name: "/climate", Roles: []string{"production"}}, {Name: "/climate/ocean", Roles: []string{"pilot"}}},
			Rules:  []vo.Rule{{FQAN: "/climate", Project: "p1"}, {FQAN: "/climate/ocean", Issuer: "https://idp", Claim: "ocean"}}}}})
	return w
}

func did(id string) audit.Change {
	return audit.Change{Record: audit.Record{Action: "test", Subject: id, At: time.Unix(1, 0)}}
}

func (w *world) trusted() (*trust.Store, error) {
	return trust.New([]*x509.Certificate{w.ca.Chain()[0], w.outside.cert}), nil
}

// outsideCA is a CA of somebody else.
type outsideCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func name(t testing.TB, slash string) []byte {
	t.Helper()
	n, err := dn.Parse(slash)
	if err == nil {
		var der []byte
		if der, err = n.DER(); err == nil {
			return der
		}
	}
	t.Fatal(err)
	return nil
}

func newOutsideCA(t testing.TB, subject string) *outsideCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{RawSubject: name(t, subject), SerialNumber: big.NewInt(1), NotBefore: start.Add(-hour), NotAfter: start.Add(10000 * hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &outsideCA{cert, key}
}

// holder is somebody with a certificate of that CA.
func (o *outsideCA) holder(t testing.TB, subject string) vo.Holder {
	t.Helper()
	template := &x509.Certificate{RawSubject: name(t, subject), SerialNumber: big.NewInt(7), NotBefore: start.Add(-hour), NotAfter: start.Add(1000 * hour),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, o.cert, &o.key.PublicKey, o.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return held(cert, o.cert)
}

func held(cert, ca *x509.Certificate) vo.Holder {
	return vo.Holder{Chain: []*x509.Certificate{cert}, Address: "192.0.2.7", Result: proxycert.Result{EndEntity: cert, Chain: []*x509.Certificate{cert},
		Path: []*x509.Certificate{cert, ca}, Identity: dn.Slash(cert.RawSubject), ExpiresAt: cert.NotAfter}}
}

// certified gives the account a certificate of the online CA, with its credential.
func (w *world) certified(id string) (vo.Holder, credential.Credential) {
	w.t.Helper()
	a, err := w.store.Account(w.t.Context(), id)
	w.check(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.check(err)
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	w.check(err)
	cert, err := w.ca.Certify(w.t.Context(), a, key.Public(), serial, w.clock().Add(12*hour))
	w.check(err)
	c := credential.Credential{ID: "crd_" + rand.Text(), Kind: "proxy", ProjectID: "prj_1", OwnerID: id, Name: "x", PublicID: serial.Text(16),
		Spec: []byte(`{"way":"certificate"}`), Status: credential.Active, CreatedAt: w.clock(), ExpiresAt: cert.NotAfter, Generation: 1}
	_, err = w.store.InsertCredential(w.t.Context(), c, []byte("s"), did(c.ID))
	w.check(err)
	return held(cert, w.ca.Chain()[0]), c
}

// ask returns the FQANs of the certificate that is given, or the refusal.
func (w *world) ask(h vo.Holder, r protocol.Request) string {
	w.t.Helper()
	answer, err := w.Attributes(w.t.Context(), "climate", h, r)
	if e, ok := errors.AsType[*protocol.Error](err); ok {
		return fmt.Sprintf("%d %s", e.Code, strings.ReplaceAll(e.Message, "\n", " "))
	}
	w.check(err)
	ac, err := voms.Parse(answer.AC)
	w.check(err)
	store, err := w.trusted()
	w.check(err)
	// What sites do with it.
	w.check(voms.Verifier{Trust: store, At: w.clock(), Anchors: voms.Anchors{Known: map[string]voms.LSC{"climate/voms.example.org": voms.LSCOf(w.host.Leaf)}}}.Verify(ac, h.Result.EndEntity))
	return strings.Join(ac.FQANs, " ")
}

func (w *world) expect(what string, h vo.Holder, want string) {
	w.t.Helper()
	if got := w.ask(h, protocol.Request{}); got != want && (want[0] == '/' || !strings.HasPrefix(got, want)) {
		w.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

var operator = identity.Actor{Name: "root", Operator: true}

func TestCertificatesOfTheOnlineCA(t *testing.T) {
	w := newWorld(t)
	anna, c := w.certified("usr_anna")
	ben, _ := w.certified("usr_ben")
	w.expect("a member of the project", anna, "/climate")
	w.expect("somebody without rights", ben, "1001 climate: User unknown to this VO.")
	w.check(w.store.SetGroups(t.Context(), "usr_ben", []string{"x", "ocean"}))
	w.expect("after a sign-in with the group", ben, "/climate /climate/ocean")
	w.check(w.store.SetGroups(t.Context(), "usr_ben", []string{"x"}))
	w.expect("after a sign-in without", ben, "1001")

	c = c.End(w.clock(), credential.Deleted)
	_, err := w.store.SaveCredentials(t.Context(), []credential.Credential{c}, func(credential.Credential) audit.Change { return did(c.ID) })
	w.check(err)
	w.expect("revoked", anna, "1004 User is currently suspended! Suspension reason: This certificate has been revoked.")

	// A certificate that we signed but do not know, and one that only claims to be of our CA.
	unknown, err := w.ca.Certify(t.Context(), identity.Account{ID: "usr_anna", Name: "anna"}, &w.outside.key.PublicKey, big.NewInt(99), w.clock().Add(hour))
	w.check(err)
	w.expect("never issued", held(unknown, w.ca.Chain()[0]), "1001")
	fake := newOutsideCA(t, dn.Slash(w.ca.Chain()[0].RawSubject)).holder(t, "/DC=org/CN=Ada")
	_, err = w.SetMember(t.Context(), operator, "climate", vo.Member{Subject: "/DC=org/CN=Ada"}, false)
	w.check(err)
	w.expect("under our name", fake, "1001")
}

func TestCertificatesOfOthers(t *testing.T) {
	w := newWorld(t)
	ada := w.outside.holder(t, "/DC=org/CN=Ada Tester")
	w.expect("a stranger", ada, "1001")
	w.check(w.LinkCertificate(t.Context(), operator, "usr_anna", "/DC=org/CN=ada  tester", "CN=CA,DC=outside,DC=org"))
	w.expect("linked to a member of the project", ada, "/climate")
	self := identity.Actor{AccountID: "usr_ben"}
	if err := w.LinkCertificate(t.Context(), self, "usr_ben", "/DC=org/CN=Ada Tester", "/DC=org/DC=outside/CN=CA"); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a certificate of two accounts: %v", err)
	}
	if err := w.LinkCertificate(t.Context(), self, "usr_anna", "/DC=org/CN=x", "/DC=org/CN=CA"); fault.CodeOf(err) != fault.Denied {
		t.Errorf("a certificate for somebody else: %v", err)
	}
	if err := w.LinkCertificate(t.Context(), self, "usr_ben", "/DC=org/CN=x", dn.Slash(w.ca.Chain()[0].RawSubject)); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a certificate of our own CA: %v", err)
	}
	w.check(w.UnlinkCertificate(t.Context(), operator, "usr_anna", "/DC=org/CN=Ada Tester", "/DC=org/DC=outside/CN=CA"))
	w.expect("unlinked", ada, "1001")

	member := vo.Member{Subject: "/DC=org/CN=Ada Tester", Issuer: "/DC=org/DC=other/CN=CA", FQANs: []string{"/climate/ocean"}}
	_, err := w.SetMember(t.Context(), operator, "climate", member, false)
	w.check(err)
	w.expect("of another CA", ada, "1001")
	member.Issuer, member.ExpiresAt = "", w.clock().Add(hour)
	_, err = w.SetMember(t.Context(), operator, "climate", member, false)
	w.check(err)
	w.expect("of any CA", ada, "/climate /climate/ocean")
	w.move(hour)
	w.expect("expired", ada, "1004 User is currently suspended! Suspension reason: The membership expired")
	member.ExpiresAt, member.Reason = time.Time{}, "key lost"
	_, err = w.SetMember(t.Context(), operator, "climate", member, true)
	w.check(err)
	w.expect("suspended", ada, "1004 User is currently suspended! Suspension reason: key lost")
}

func TestWhatIsSigned(t *testing.T) {
	w := newWorld(t)
	anna, c := w.certified("usr_anna")
	answer, err := w.Attributes(t.Context(), "climate", anna, protocol.Request{Lifetime: 48 * hour, Targets: []string{"ce.example.org"}})
	w.check(err)
	ac, err := voms.Parse(answer.AC)
	w.check(err)
	if ac.VO != "climate" || ac.Host != "voms.example.org" || ac.Port != 15000 || !slices.Equal(ac.Targets, []string{"ce.example.org"}) ||
		ac.Serial.BitLen() < 120 || !ac.NotAfter.Equal(c.ExpiresAt) || !ac.NotBefore.Equal(start.Add(-5*time.Minute)) || len(ac.Certificates) != 1 {
		t.Errorf("signed was %+v", ac)
	}
	if len(answer.Warnings) != 1 || !strings.Contains(answer.Warnings[0], "voms.example.org:15000: The validity of this VOMS AC in your proxy is shortened to 86400 seconds!") {
		t.Errorf("warned of %q", answer.Warnings)
	}
	list, err := w.Attributes(t.Context(), "climate", anna, protocol.Request{List: true})
	w.check(err)
	if list.AC != nil || !slices.Equal(list.List, []string{"/climate"}) {
		t.Errorf("the list is %+v", list)
	}
	if _, err := w.Attributes(t.Context(), "cms", anna, protocol.Request{}); err == nil {
		t.Error("another VO was served")
	}
}

// TestNothingIsSignedInVain lets the authority's own certificate run out: a signature that nobody
// accepts is worse than an error.
func TestNothingIsSignedInVain(t *testing.T) {
	w := newWorld(t)
	ada := w.outside.holder(t, "/DC=org/CN=Ada")
	_, err := w.SetMember(t.Context(), operator, "climate", vo.Member{Subject: "/DC=org/CN=Ada"}, false)
	w.check(err)
	w.expect("in time", ada, "/climate")
	w.move(366 * 24 * hour)
	if _, err := w.Attributes(t.Context(), "climate", ada, protocol.Request{}); err == nil || !strings.Contains(err.Error(), "certificate of the attribute authority of climate") {
		t.Errorf("with a certificate that is over: %v", err)
	} else if _, refusal := errors.AsType[*protocol.Error](err); refusal {
		t.Error("our own fault is told as if it were the client's")
	}
}

func TestEveryCertificateIsRecorded(t *testing.T) {
	w := newWorld(t)
	anna, _ := w.certified("usr_anna")
	stranger := w.outside.holder(t, "/DC=org/CN=Stranger")
	records := func() (all []string) {
		t.Helper()
		rs, err := w.store.Audit(t.Context(), audit.Filter{Subject: "climate"})
		w.check(err)
		for _, r := range rs {
			all = append(all, r.Actor+" "+r.Action+" "+r.Address)
		}
		slices.Reverse(all)
		return all
	}
	for range 3 {
		w.ask(anna, protocol.Request{})
		w.ask(stranger, protocol.Request{})
		w.ask(anna, protocol.Request{FQANs: []string{"/climate/ocean"}})
	}
	issued, refused := "usr_anna ac.issue 192.0.2.7", "usr_anna ac.refuse 192.0.2.7"
	want := []string{issued, "stranger ac.refuse 192.0.2.7", refused, issued, issued}
	if got := records(); !slices.Equal(got, want) {
		t.Errorf("recorded were\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	w.move(10 * time.Minute)
	w.ask(stranger, protocol.Request{})
	if got := records(); len(got) != len(want)+1 {
		t.Errorf("after a while the refusal is not recorded again: %d records", len(got))
	}
	// Strangers by the thousand leave no more than so many records.
	for i := range 4200 {
		h := stranger
		h.Result.Identity = fmt.Sprintf("/CN=%d", i)
		if _, err := w.Attributes(t.Context(), "climate", h, protocol.Request{}); err == nil {
			t.Fatal("a stranger was served")
		}
	}
	if got := records(); len(got) > 4120 {
		t.Errorf("%d records of strangers", len(got))
	}
	if bad, err := w.store.VerifyAudit(t.Context()); err != nil || bad != 0 {
		t.Errorf("the chain breaks at %d: %v", bad, err)
	}
}

func TestImportMembers(t *testing.T) {
	w := newWorld(t)
	people := func(from, to int) (ms []vo.Member) {
		for i := from; i < to; i++ {
			ms = append(ms, vo.Member{Subject: fmt.Sprintf("/DC=org/CN=Person %d", i), Issuer: "/DC=org/DC=outside/CN=CA", FQANs: []string{"/climate"}})
		}
		return ms
	}
	run := func(ms []vo.Member, confirmed int) string {
		t.Helper()
		done, err := w.ImportMembers(t.Context(), "climate", "ldap", ms, confirmed)
		if err != nil {
			return string(fault.CodeOf(err))
		}
		return fmt.Sprintf("+%d ~%d -%d =%d", done.Added, done.Changed, done.Removed, done.Kept)
	}
	_, err := w.SetMember(t.Context(), operator, "climate", vo.Member{Subject: "/DC=org/CN=Person 0", FQANs: []string{"/climate/ocean"}}, false)
	w.check(err)
	twice := append(people(0, 40), vo.Member{Subject: "CN=person 1,DC=org", Issuer: "/DC=org/DC=outside/CN=CA", FQANs: []string{"/climate/ocean"}}, vo.Member{Subject: "odd"})
	for _, step := range []struct {
		ms        []vo.Member
		confirmed int
		want      string
	}{
		{twice, 0, "+40 ~0 -0 =0"}, {twice, 0, "+0 ~0 -0 =40"}, {people(0, 40), 0, "+0 ~1 -0 =39"},
		{people(4, 40), 0, "+0 ~0 -4 =36"}, {people(10, 40), 0, "conflict"}, {people(10, 40), 5, "conflict"}, {people(10, 40), 6, "+0 ~0 -6 =30"},
		{nil, 0, "conflict"}, {people(10, 41), 0, "+1 ~0 -0 =30"}, {nil, 31, "+0 ~0 -31 =0"}, {nil, 0, "+0 ~0 -0 =0"},
	} {
		if got := run(step.ms, step.confirmed); got != step.want {
			t.Errorf("%d people, %d confirmed: %s, want %s", len(step.ms), step.confirmed, got, step.want)
		}
	}
	left, err := w.ListMembers(t.Context(), operator, "climate")
	w.check(err)
	if len(left) != 1 || left[0].Source != "admin" {
		t.Errorf("left are %+v", left)
	}
	if got := run(people(0, 1), 0); got != "+1 ~0 -0 =0" {
		t.Error(got)
	}
	if got := run(nil, 0); got != "conflict" {
		t.Errorf("the last member went: %s", got)
	}
}

// BenchmarkAttributes is a request with everything but TLS: look-up, rules, signature, record.
func BenchmarkAttributes(b *testing.B) {
	for _, n := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("clients=%d", n), func(b *testing.B) {
			w := newWorld(b)
			anna, _ := w.certified("usr_anna")
			work := make(chan struct{}, b.N)
			for range b.N {
				work <- struct{}{}
			}
			close(work)
			b.ResetTimer()
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					for range work {
						if _, err := w.Attributes(context.Background(), "climate", anna, protocol.Request{}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ac/s")
		})
	}
}
