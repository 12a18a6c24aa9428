package proxy_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

// nightly is a delegation at the server.
func nightly() api.Credential {
	return api.Credential{Schema: api.SchemaProxy, ID: "crd_N", Kind: "proxy", Name: "nightly", Project: "p1", Owner: "Anna Virtanen", State: "active",
		CreatedAt: now.Add(-time.Hour), ExpiresAt: now.Add(7 * 24 * time.Hour), ExtendUntil: now.Add(7 * 24 * time.Hour),
		Proxy: &api.Proxy{Way: api.WayDelegation, KeyPlace: api.KeyAtServer, Identity: "/DC=test/CN=Anna", VOMS: []api.VOMS{{VO: "climate", FQANs: []string{"/climate/ocean"}}}}}
}

func ok(body any) func(call) (int, any) {
	return func(call) (int, any) { return http.StatusOK, body }
}

func TestListAndShow(t *testing.T) {
	p := newPerson(t)
	issued := api.Credential{ID: "crd_2", Kind: "proxy", Name: "proxy on vm", Project: "p1", State: "active", EndsSoon: true, ExpiresAt: now.Add(time.Hour),
		Proxy: &api.Proxy{Way: api.WayCertificate, KeyPlace: api.KeyAtClient}}
	p.serve(map[string]func(call) (int, any){
		"GET /credentials":       ok(api.List[api.Credential]{Schema: api.SchemaProxies, Items: []api.Credential{nightly(), issued}}),
		"GET /credentials/crd_K": ok(api.Credential{ID: "crd_K", Kind: "s3key", Name: "rclone"}),
	})
	p.globus()
	p.must("init")
	p.must("list")
	p.sees(&p.out, "NAME         PROJECT  COMES                 VO       ENDS       LAST USED  STATE\n",
		"nightly      p1       delegated             climate  in 7 days  never      active\n",
		"proxy on vm  p1       issued by the server           in 1 hour  never      ends soon\n")
	p.sees(&p.errs, "On this machine: "+p.env["X509_USER_PROXY"]+" for /DC=test/DC=lanyard/OU=Users/CN=Ada Tester, ends in 12 hours")
	if got := p.must("list", "-o", "value"); got != "crd_N\ncrd_2\n" {
		t.Errorf("printed %q", got)
	}
	p.must("show", "nightly")
	p.sees(&p.out, "identity", "/DC=test/CN=Anna", "VO", "climate: /climate/ocean", "at the server, sealed", "in 7 days (Sat 28 Nov 2026, 12:00 UTC)")
	if code := p.run("show", "crd_K"); code != 3 {
		t.Errorf("exit code %d for a key", code)
	}
	p.sees(&p.errs, "✗ crd_K is no proxy")
	if code := p.run("show", "none"); code != 3 {
		t.Errorf("exit code %d", code)
	}
	p.sees(&p.errs, `✗ You have no proxy that is called "none"`, "lanyard proxy list --all")
}

// TestDelegate signs what the server asks for, with the certificate on this machine.
func TestDelegate(t *testing.T) {
	p := newPerson(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	request, err := proxycert.Request(key)
	if err != nil {
		t.Fatal(err)
	}
	var got proxycert.Credential
	complete := func(k call) (int, any) {
		certs, err := keyfile.Certificates([]byte(k.Body["chain"].(string)))
		if err != nil {
			t.Error(err)
		}
		if got, err = proxycert.Complete(key, certs); err != nil {
			t.Error(err)
		}
		done := nightly()
		done.Proxy.Identity, done.Proxy.Request, done.Proxy.ChainExpiresAt = got.Identity(), string(request), got.NotAfter()
		return http.StatusOK, done
	}
	intended := nightly()
	intended.State, intended.Proxy.Request, intended.Proxy.Identity = "intended", string(request), ""
	waiting := nightly()
	waiting.Proxy.Request, waiting.ExpiresAt = string(request), now.Add(24*time.Hour)
	answers := map[string]func(call) (int, any){
		"POST /credentials": ok(intended), "PUT /credentials/crd_N/chain": complete,
		"GET /credentials":               ok(api.List[api.Credential]{Items: []api.Credential{nightly()}}), // without the request
		"GET /credentials/crd_N":         ok(waiting),
		"POST /credentials/crd_N/extend": ok(nightly()), "DELETE /credentials/crd_N": ok(nightly()),
	}
	calls := p.serve(answers)
	if code := p.run("delegate", "--voms", "climate"); code == 0 || len(*calls) > 0 {
		t.Errorf("exit code %d, and the server was asked %+v, without a certificate", code, *calls)
	}
	p.globus()
	p.must("delegate", "--voms", "climate:/climate/ocean", "--name", "nightly", "--for", "7d")
	p.sees(&p.out, `✓ The server holds "nightly" for /DC=test/DC=lanyard/OU=Users/CN=Ada Tester, ends in 7 days (`, "  VO climate: /climate/ocean")
	p.sees(&p.errs, "the key was made at the server and stays there", "lanyard proxy get nightly")
	order := (*calls)[0].Body
	if asked, err := json.Marshal(order["proxy"]); err != nil || string(asked) != `{"voms":[{"fqans":["/climate/ocean"],"vo":"climate"}],"way":"delegation"}` || order["life"] != 7*86400.0 {
		t.Errorf("ordered %+v", order)
	}
	if end := got.NotAfter(); !end.Equal(now.Add(7*24*time.Hour)) || len(got.Chain) != 2 {
		t.Errorf("signed until %s: %d certificates", end, len(got.Chain))
	}
	for _, k := range *calls {
		if text, err := json.Marshal(k.Body); err != nil || strings.Contains(string(text), "PRIVATE KEY") {
			t.Errorf("a private key travelled in %s %s", k.Method, k.Path)
		}
	}

	*calls = nil
	p.must("delegate", "nightly", "--for", "3d")
	p.sees(&p.out, `✓ Renewed "nightly"`)
	if end := got.NotAfter(); !end.Equal(now.Add(3 * 24 * time.Hour)) {
		t.Errorf("renewed until %s", end)
	}
	if code := p.run("delegate", "nightly", "--voms", "cms"); code != 2 {
		t.Errorf("exit code %d", code)
	}

	// what the server refuses in the end is taken back
	*calls = nil
	answers["PUT /credentials/crd_N/chain"] = func(call) (int, any) {
		return http.StatusForbidden, api.Problem{Code: api.Denied, Detail: "the authority is not trusted here", RequestID: "r2"}
	}
	if code := p.run("delegate", "--voms", "climate"); code != 5 {
		t.Errorf("exit code %d", code)
	}
	p.sees(&p.errs, "✗ Cannot delegate: the authority is not trusted here.", "(request r2)")
	if last := (*calls)[len(*calls)-1]; last.Method != "DELETE" {
		t.Errorf("last asked %+v", last)
	}
}

// TestDelegateFromProxy signs with the proxy on this machine where there is no certificate.
func TestDelegateFromProxy(t *testing.T) {
	p := newPerson(t)
	p.globus()
	p.must("init")
	if err := os.RemoveAll(filepath.Join(p.env["HOME"], ".globus")); err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	request, err := proxycert.Request(key)
	if err != nil {
		t.Fatal(err)
	}
	intended := nightly()
	intended.State, intended.Proxy.Request, intended.ExpiresAt = "intended", string(request), now.Add(12*time.Hour)
	p.serve(map[string]func(call) (int, any){"POST /credentials": ok(intended), "PUT /credentials/crd_N/chain": func(k call) (int, any) {
		if n := strings.Count(k.Body["chain"].(string), "BEGIN CERTIFICATE"); n != 3 {
			t.Errorf("%d certificates were sent", n)
		}
		return http.StatusOK, intended
	}})
	p.must("delegate")
	p.sees(&p.errs, "It ends with what signed it")
}

func TestUpload(t *testing.T) {
	p := newPerson(t)
	calls := p.serve(map[string]func(call) (int, any){"POST /credentials": ok(nightly())})
	p.must("upload", fixtures+"golden/g09-c-voms-two.pem", "--name", "nightly", "--until", "2026-11-25")
	p.sees(&p.out, `✓ The server holds "nightly" for /DC=test/CN=Anna, ends in 7 days`)
	body := (*calls)[0].Body
	order := body["proxy"].(map[string]any)
	if order["way"] != "upload" || order["chain"] != string(fixture(t, "golden/g09-c-voms-two.pem")) || len(order["voms"].([]any)) != 2 || body["expires_at"] != "2026-11-25T23:59:59Z" {
		t.Errorf("ordered %+v", body)
	}
	*calls = nil
	for file, code := range map[string]int{fixtures + "golden/none": 3, fixtures + "hostile/h33-empty-file.pem": 2, fixtures + "golden/g23-fake-expired-proxy.pem": 2,
		fixtures + "pki/certs/ada.pem": 2} {
		if got := p.run("upload", file); got != code || len(*calls) > 0 {
			t.Errorf("%s: exit code %d, want %d; asked %v", file, got, code, *calls)
		}
	}
}

// TestUploadSecrets warns, asks, and sends what REANA keeps.
func TestUploadSecrets(t *testing.T) {
	p := newPerson(t)
	calls := p.serve(map[string]func(call) (int, any){"POST /credentials": ok(nightly())})
	key := fixtures + "pki/keyforms/" + encrypted(t)
	args := []string{"upload", "--reana", "--cert", fixtures + "pki/certs/ada.pem", "--key", key, "--voms", "lanyard", "--pwstdin"}
	p.in = "testpass\n"
	if code := p.run(args...); code != 2 || len(*calls) > 0 {
		t.Errorf("exit code %d without being asked", code)
	}
	p.must(append(args, "--yes")...)
	p.sees(&p.errs, "! The server could then act as you until your certificate ends", "lanyard proxy delegate")
	order := (*calls)[0].Body["proxy"].(map[string]any)
	if order["way"] != "secrets" || order["passphrase"] != base64.StdEncoding.EncodeToString([]byte("testpass")) || order["key"] == nil || order["chain"] == nil {
		t.Errorf("ordered %+v", order)
	}
	p.in = "wrong\n"
	if code := p.run(append(args, "--yes")...); code != 2 || len(*calls) > 1 {
		t.Errorf("exit code %d for a wrong passphrase", code)
	}
	if strings.Contains(p.errs.String(), "wrong\n") || strings.Contains(p.errs.String(), "testpass") {
		t.Error("a passphrase was printed")
	}
	if code := p.run("upload", "--reana", "--voms", "lanyard"); code != 2 {
		t.Errorf("exit code %d without files", code)
	}
}

// encrypted is an encrypted key among the fixtures.
func encrypted(t *testing.T) string {
	t.Helper()
	files, err := os.ReadDir(fixtures + "pki/keyforms")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.Contains(string(fixture(t, "pki/keyforms/"+f.Name())), "BEGIN ENCRYPTED PRIVATE KEY") {
			return f.Name()
		}
	}
	t.Fatal("no encrypted key is there")
	return ""
}

// TestGet fetches a proxy whose key is made here.
func TestGet(t *testing.T) {
	p := newPerson(t)
	p.globus()
	var asked call
	p.serve(map[string]func(call) (int, any){
		"GET /credentials": ok(api.List[api.Credential]{Items: []api.Credential{nightly()}}),
		"POST /credentials/crd_N/proxy": func(k call) (int, any) {
			asked = k
			cert, _ := pem.Decode(fixture(t, "pki/certs/ada.pem"))
			ada, err := x509.ParseCertificate(cert.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			key, err := keyfile.Key(fixture(t, "pki/certs/ada.key"), nil)
			if err != nil {
				t.Fatal(err)
			}
			chain, err := proxycert.Sign(proxycert.Credential{Chain: []*x509.Certificate{ada}, Key: key}, []byte(k.Body["request"].(string)),
				proxycert.Template{NotBefore: now.Add(-time.Minute), NotAfter: now.Add(2 * time.Hour)})
			if err != nil {
				t.Error(err)
			}
			return http.StatusOK, map[string]any{"schema": api.SchemaProxyMaterial, "credential_id": "crd_N", "pem": encode(chain...), "warnings": []string{"cut short"}}
		}})
	p.must("get", "nightly", "--valid", "2h", "--voms", "climate")
	p.sees(&p.out, "✓ Key made here, never sent. Proxy for /DC=test/DC=lanyard/OU=Users/CN=Ada Tester, ends in 2 hours", "Stored as "+p.env["X509_USER_PROXY"])
	p.sees(&p.errs, "! cut short")
	if asked.Body["life"] != 7200.0 || asked.Key == "" || strings.Contains(asked.Body["request"].(string), "PRIVATE") {
		t.Errorf("asked %+v", asked)
	}
	if a := p.verify(p.env["X509_USER_PROXY"]); a.Verdict != "accept" {
		t.Errorf("%+v", a)
	}
	if code := p.run("get", "nightly", "--out", "/proc/none/x"); code != 1 {
		t.Errorf("exit code %d", code)
	}
}

func TestCreateFreezeAndDelete(t *testing.T) {
	p := newPerson(t)
	frozen := nightly()
	frozen.State, frozen.RefusedSince = "frozen", now
	calls := p.serve(map[string]func(call) (int, any){
		"POST /credentials": ok(nightly()), "GET /credentials": ok(api.List[api.Credential]{Items: []api.Credential{nightly()}}),
		"POST /credentials/crd_N/freeze": ok(frozen), "POST /credentials/crd_N/thaw": ok(nightly()), "DELETE /credentials/crd_N": ok(frozen),
		"POST /credentials/crd_N/extend": ok(nightly()),
	})
	p.must("create", "--voms", "climate", "--name", "nightly")
	p.sees(&p.out, `✓ The server issued and holds "nightly"`)
	if order := (*calls)[0].Body["proxy"].(map[string]any); order["way"] != "certificate" || order["request"] != nil {
		t.Errorf("ordered %+v", order)
	}
	p.must("freeze", "nightly")
	p.sees(&p.out, "✓ nightly is frozen: refused by the server since 12:00:00")
	p.sees(&p.errs, "lanyard proxy thaw nightly")
	p.must("thaw", "nightly")
	p.must("extend", "nightly")
	p.sees(&p.out, "(the latest allowed now)")
	p.must("revoke", "nightly")
	p.sees(&p.out, "✓ nightly is deleted: refused by the server since 12:00:00 · it was never used")
}

// TestWhichProject chooses the project of a new proxy where the person names none.
func TestWhichProject(t *testing.T) {
	p := newPerson(t)
	through := map[string][]string{"climate": {"p2"}, "cms": {"p2", "p3"}}
	vo := func(name string) func(call) (int, any) {
		return ok(api.VO{Name: name, Projects: through[name], Servers: []api.VOServer{}})
	}
	calls := p.serve(map[string]func(call) (int, any){
		"GET /vos/climate": vo("climate"), "GET /vos/cms": vo("cms"),
		"POST /credentials": func(k call) (int, any) {
			if k.Body["proxy"].(map[string]any)["request"] != nil {
				return newCA(t).certificate(k)
			}
			return http.StatusCreated, nightly()
		},
		"GET /projects": ok(api.List[api.Project]{Items: []api.Project{{Name: "p1", State: "ended"}, {Name: "p2", State: "active"}, {Name: "p3", State: "active"}}}),
	})
	p.env["LANYARD_PROJECT"] = ""
	for _, tc := range []struct{ line, want string }{
		{"create --voms climate", "p2"}, {"create --voms cms", ""}, {"create", ""}, {"init", "p2"},
	} {
		*calls = nil
		code, got := p.run(strings.Fields(tc.line)...), ""
		for _, k := range *calls {
			if k.Method == http.MethodPost {
				got = k.Body["project"].(string)
			}
		}
		if got != tc.want || tc.want == "" && (code != 2 || !strings.Contains(p.errs.String(), "Which project?")) {
			t.Errorf("%s: exit code %d, project %q\n%s", tc.line, code, got, &p.errs)
		}
	}
}
