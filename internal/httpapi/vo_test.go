package httpapi_test

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/authority/onlineca"
)

func TestVOsAsTheirMembersSeeThem(t *testing.T) {
	w := newWorld(t)
	want := map[string][]string{"anna": {"/climate", "/climate/Role=production"}, "ben": {"/climate"}, "chiara": nil}
	for user, fqans := range want {
		got, err := w.as(t, user).ListVOs(t.Context())
		check(t, err)
		if len(got.Items) != 1 || got.Items[0].Name != "climate" || !got.Items[0].Managed || !cmp.Equal(got.Items[0].FQANs, fqans) {
			t.Errorf("%s sees %+v, want FQANs %v", user, got.Items, fqans)
		}
		if groups := len(got.Items[0].Groups); (groups == 2) != (user != "chiara") {
			t.Errorf("%s sees %d groups", user, groups)
		}
	}
	_, err := w.as(t, "anna").ShowVO(t.Context(), "cms")
	refused(t, err, api.NotFound)
}

func TestManagersDecideAboutMembers(t *testing.T) {
	w := newWorld(t)
	anna := w.as(t, "anna")
	order := api.VOMemberOrder{Subject: "CN=Ada Tester,DC=example,DC=org", Issuer: "/DC=org/CN=CA", FQANs: []string{"/climate/ocean"},
		Attributes: []api.VOAttribute{{Name: "nickname", Value: "ada"}}, ExpiresAt: start.Add(time.Hour)}
	made, err := anna.SetVOMember(t.Context(), "climate", order)
	check(t, err)
	listed := func() api.VOMember {
		t.Helper()
		got, err := anna.ListVOMembers(t.Context(), "climate")
		check(t, err)
		if len(got.Items) != 1 {
			t.Fatalf("members are %+v", got.Items)
		}
		return got.Items[0]
	}
	wantMember := api.VOMember{Schema: "lanyard/v1/vo.member", ID: made.ID, VO: "climate", Subject: "/DC=org/DC=example/CN=Ada Tester", Issuer: "/DC=org/CN=CA",
		FQANs: []string{"/climate/ocean"}, Attributes: order.Attributes, State: "active", Source: "admin", Since: start, ExpiresAt: start.Add(time.Hour)}
	if diff := cmp.Diff(wantMember, listed()); diff != "" {
		t.Errorf("the member (-want +got):\n%s", diff)
	}
	order.Suspended, order.Reason = true, "key lost"
	_, err = anna.SetVOMember(t.Context(), "climate", order)
	check(t, err)
	if m := listed(); m.State != "suspended" || m.Reason != "key lost" || m.ID != made.ID {
		t.Errorf("suspended: %+v", m)
	}
	w.clock.Move(2 * time.Hour)
	delete(w.tokens, "anna")
	anna = w.as(t, "anna")
	_, err = anna.SetVOMember(t.Context(), "climate", api.VOMemberOrder{Subject: order.Subject, Issuer: order.Issuer, ExpiresAt: start})
	refused(t, err, api.Invalid)
	check(t, anna.RemoveVOMember(t.Context(), "climate", made.ID))
	refused(t, anna.RemoveVOMember(t.Context(), "climate", made.ID), api.NotFound)

	for what, o := range map[string]api.VOMemberOrder{"nobody": {}, "an unknown group": {Subject: "/CN=x", FQANs: []string{"/climate/sea"}},
		"no name": {Subject: "ada"}, "an account and a name": {AccountID: "usr_1", Subject: "/CN=x"}} {
		_, err := anna.SetVOMember(t.Context(), "climate", o)
		if refused(t, err, api.Invalid); err == nil {
			t.Errorf("took %s", what)
		}
	}
	_, err = anna.SetVOMember(t.Context(), "climate", api.VOMemberOrder{AccountID: "usr_nobody"})
	refused(t, err, api.NotFound)
	_, err = w.as(t, "ben").ListVOMembers(t.Context(), "climate")
	refused(t, err, api.NotFound)
}

func TestCertificatesOfAccounts(t *testing.T) {
	w := newWorld(t)
	op, names := w.operator(t), api.CertificateNames{Subject: "/DC=org/CN=Ada", Issuer: "/DC=org/CN=CA"}
	me, err := w.as(t, "ben").WhoAmI(t.Context())
	check(t, err)
	check(t, op.LinkCertificate(t.Context(), me.AccountID, names))
	check(t, op.LinkCertificate(t.Context(), me.AccountID, names)) // it says what is so
	got, err := w.as(t, "ben").ListCertificates(t.Context(), me.AccountID)
	check(t, err)
	if len(got.Items) != 1 || got.Items[0].Subject != names.Subject || got.Items[0].Source != "admin" {
		t.Errorf("ben's certificates are %+v", got.Items)
	}
	other, err := w.as(t, "anna").WhoAmI(t.Context())
	check(t, err)
	refused(t, op.LinkCertificate(t.Context(), other.AccountID, api.CertificateNames{Subject: "CN=ADA,DC=org", Issuer: names.Issuer}), api.Conflict)
	refused(t, w.as(t, "anna").LinkCertificate(t.Context(), other.AccountID, api.CertificateNames{Subject: "/CN=x", Issuer: "/CN=CA"}), api.Denied)
	check(t, w.as(t, "ben").UnlinkCertificate(t.Context(), me.AccountID, names))
	refused(t, op.UnlinkCertificate(t.Context(), me.AccountID, names), api.NotFound)
}

func TestTheCAIsTold(t *testing.T) {
	w := newWorld(t)
	if a := w.send(t, "", "GET", "/api/v1/ca/certificate.pem", ""); a.status != 404 {
		t.Errorf("without a CA: %d %s", a.status, a.body)
	}
	ca, err := onlineca.Open(t.Context(), onlineca.Config{Store: w.store, Base: "/DC=org/DC=example", Now: w.clock.Now})
	check(t, err)
	w.Grid.CA = ca
	for path, kind := range map[string]string{"certificate.pem": "CERTIFICATE", "crl.pem": "X509 CRL"} {
		a := w.send(t, "", "GET", "/api/v1/ca/"+path, "")
		block, rest := pem.Decode([]byte(a.body))
		if a.status != 200 || block == nil || block.Type != kind || len(rest) > 0 {
			t.Errorf("%s: %d %q", path, a.status, a.body)
		}
	}
	crl := w.send(t, "", "GET", "/api/v1/ca/crl.der", "")
	if got := crl.header.Get("Cache-Control"); got != "public, max-age=2" {
		t.Errorf("Cache-Control of the list: %q", got)
	}
	list, err := x509.ParseRevocationList([]byte(crl.body))
	check(t, err)
	check(t, list.CheckSignatureFrom(ca.Chain()[0]))
	if a := w.send(t, "", "GET", "/api/v1/ca/signing_policy", ""); !strings.Contains(a.body, `'"/DC=org/DC=example/*"'`) {
		t.Errorf("the signing policy is %q", a.body)
	}
}
