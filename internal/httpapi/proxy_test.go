package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/kind/proxy/gridtest"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/proxycert"
)

const hour = time.Hour

func proxyOrder(o api.ProxyOrder) api.CredentialOrder {
	return api.CredentialOrder{Kind: "proxy", Project: "462000008", Name: "nightly", Proxy: &o}
}

// delegation is one in force, of the person's own certificate.
func (w *world) delegation(t *testing.T, name string) (api.Credential, proxycert.Credential) {
	t.Helper()
	person := w.grid.Person(name, 1000*hour)
	c, err := w.as(t, name).CreateCredential(t.Context(), proxyOrder(api.ProxyOrder{Way: api.WayDelegation,
		VOMS: []api.VOMS{{VO: "climate", FQANs: []string{"/climate/Role=production"}}}}))
	check(t, err)
	if c.State != "intended" || c.Proxy == nil || !strings.Contains(c.Proxy.Request, "CERTIFICATE REQUEST") || c.Proxy.KeyPlace != api.KeyAtServer {
		t.Fatalf("a delegation begins as %+v, %+v", c, c.Proxy)
	}
	chain := w.grid.Answer(person, c.Proxy.Request, proxycert.Template{NotAfter: start.Add(100 * hour)})
	c, err = w.as(t, name).CompleteProxy(t.Context(), c.ID, api.ProxyChain{Chain: chain})
	check(t, err)
	return c, person
}

func TestDelegation(t *testing.T) {
	w := newWorld(t)
	anna := w.as(t, "anna")
	c, _ := w.delegation(t, "anna")
	want := &api.Proxy{Way: "delegation", Identity: "/DC=test/CN=anna", Issuer: "/DC=test/CN=Test CA", KeyPlace: "server",
		VOMS: []api.VOMS{{VO: "climate", FQANs: []string{"/climate/Role=production"}}}, ChainExpiresAt: start.Add(100 * hour)}
	got := *c.Proxy
	if !strings.HasPrefix(got.Subject, got.Identity+"/CN=") {
		t.Errorf("the subject is %s", got.Subject)
	}
	got.Subject = ""
	if d := cmp.Diff(want, &got); d != "" {
		t.Error(d)
	}
	if c.Schema != "lanyard/v1/proxy" || c.State != "active" || !c.ExpiresAt.Equal(start.Add(48*hour)) || !c.ExtendUntil.Equal(start.Add(100*hour)) ||
		c.AccessKeyID+c.Endpoint+c.Region != "" || c.Rights != nil {
		t.Errorf("it is %+v", c)
	}

	// A look at it has what renewing takes, a list has not.
	shown, err := anna.ShowCredential(t.Context(), c.ID)
	check(t, err)
	if n, keys := gridtest.Certificates(shown.Proxy.Certificates); n != 2 || keys != 0 || !strings.Contains(shown.Proxy.Request, "REQUEST") {
		t.Errorf("shown with %d certificates and %d keys, %q", n, keys, shown.Proxy.Request)
	}
	list, err := anna.ListCredentials(t.Context(), client.CredentialFilter{Kind: "proxy"})
	check(t, err)
	if list.Schema != api.SchemaProxies || len(list.Items) != 1 || list.Items[0].Proxy.Request+list.Items[0].Proxy.Certificates != "" {
		t.Errorf("listed as %+v", list)
	}

	x, err := anna.RetrieveProxy(t.Context(), c.ID, api.ProxyRetrieval{Life: 3600})
	check(t, err)
	if n, keys := gridtest.Certificates(x.PEM.Reveal()); n != 3 || keys != 1 || x.Schema != api.SchemaProxyMaterial || x.CredentialID != c.ID || x.EndsInSeconds != 3600 ||
		x.Identity != "/DC=test/CN=anna" || !cmp.Equal(x.VOMS, want.VOMS) || !x.AttributesExpiresAt.Equal(start.Add(hour)) || len(x.Warnings) != 1 {
		t.Errorf("fetched %+v", x)
	}
	request, key := w.grid.Request()
	x, err = anna.RetrieveProxy(t.Context(), c.ID, api.ProxyRetrieval{Request: request, Limited: true})
	check(t, err)
	p, err := proxycert.Parse([]byte(x.PEM.Reveal()), nil)
	check(t, err)
	if _, err := proxycert.Complete(key, p.Chain); err != nil || p.Key != nil || !x.Limited {
		t.Errorf("for a key of mine: %v, %+v", err, x)
	}
	for _, secret := range []string{"PRIVATE KEY", "REQUEST-----"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log holds a %s", secret)
		}
	}
}

func TestProxiesOfOthers(t *testing.T) {
	w := newWorld(t)
	c, person := w.delegation(t, "ben")
	for name, want := range map[string]int{"anna": 403, "chiara": 404} { // its manager, and a stranger
		_, err := w.as(t, name).RetrieveProxy(t.Context(), c.ID, api.ProxyRetrieval{})
		problem(t, err, want)
		_, err = w.as(t, name).CompleteProxy(t.Context(), c.ID, api.ProxyChain{Chain: w.grid.PEM(proxycert.Credential{Chain: person.Chain})})
		problem(t, err, want)
	}
	_, err := w.operator(t).RetrieveProxy(t.Context(), c.ID, api.ProxyRetrieval{})
	problem(t, err, 403)
	if _, err := w.as(t, "anna").FreezeCredential(t.Context(), c.ID); err != nil { // stopping is a manager's
		t.Error(err)
	}
	_, err = w.as(t, "ben").RetrieveProxy(t.Context(), c.ID, api.ProxyRetrieval{})
	problem(t, err, 409)
	_, err = w.as(t, "anna").CreateCredential(t.Context(), proxyOrder(api.ProxyOrder{Way: api.WaySecrets, VOMS: []api.VOMS{{VO: "climate"}}}))
	problem(t, err, 403)
}

// problem checks the status of a refusal.
func problem(t *testing.T, err error, status int) {
	t.Helper()
	p, ok := err.(*api.Problem) //nolint:errorlint // the client returns it as it is
	if !ok || p.Status != status || p.Hint == "" && status == 403 {
		t.Errorf("got %v, want %d", err, status)
	}
}

func TestUploadsAndCertificates(t *testing.T) {
	w := newWorld(t)
	anna := w.as(t, "anna")
	person := w.grid.Person("Anna", 1000*hour)
	text := w.grid.PEM(w.grid.Proxy(person, proxycert.Template{NotAfter: start.Add(20 * hour), Attributes: w.grid.Extension(person, "climate", hour, "/climate")}))
	up, err := anna.CreateCredential(t.Context(), proxyOrder(api.ProxyOrder{Way: api.WayUpload, Chain: material.Secret(text)}))
	check(t, err)
	if up.State != "active" || !up.ExpiresAt.Equal(start.Add(20*hour)) || !up.Proxy.AttributesExpiresAt.Equal(start.Add(hour)) {
		t.Errorf("uploaded as %+v, %+v", up, up.Proxy)
	}
	if n, keys := gridtest.Certificates(up.Proxy.Certificates); n != 2 || keys != 0 {
		t.Errorf("the answer has %d certificates and %d keys", n, keys)
	}
	x, err := anna.RetrieveProxy(t.Context(), up.ID, api.ProxyRetrieval{})
	check(t, err)
	if x.PEM.Reveal() != text {
		t.Error("what was uploaded comes back changed")
	}

	request, _ := w.grid.Request()
	mine, err := anna.CreateCredential(t.Context(), proxyOrder(api.ProxyOrder{Way: api.WayCertificate, Request: request}))
	check(t, err)
	if n, _ := gridtest.Certificates(mine.Proxy.Certificates); n != 1 || mine.Proxy.KeyPlace != api.KeyAtClient || mine.Proxy.Identity != "/DC=test/O=People/CN=Anna Virtanen" {
		t.Errorf("certified as %+v", mine.Proxy)
	}
	_, err = anna.RetrieveProxy(t.Context(), mine.ID, api.ProxyRetrieval{})
	problem(t, err, 409)
	_, err = anna.Configuration(t.Context(), mine.ID, "rclone")
	problem(t, err, 404)

	for name, o := range map[string]api.CredentialOrder{
		"nothing of it":   {Kind: "proxy", Project: "462000008", Name: "x"},
		"rights of a key": {Kind: "proxy", Project: "462000008", Name: "x", S3: &api.S3Rights{Mode: "read"}},
		"a key's proxy":   {Kind: "s3key", Project: "462000008", Name: "x", Proxy: &api.ProxyOrder{Way: "upload"}},
		"rubbish":         proxyOrder(api.ProxyOrder{Way: "upload", Chain: "rubbish"}),
	} {
		_, err := anna.CreateCredential(t.Context(), o)
		if p, ok := err.(*api.Problem); !ok || p.Status != 400 { //nolint:errorlint // as above
			t.Errorf("%s: got %v", name, err)
		}
	}
}
