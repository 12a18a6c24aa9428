package portal_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/kind/proxy/gridtest"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/portal"
	"github.com/lanyardhq/lanyard/proxycert"
)

// delegation begins one in climate as somebody who is signed in.
func (w *world) delegation(b *browser, name string) credential.Credential {
	w.t.Helper()
	got, err := w.Broker.Issue(w.t.Context(), b.actor(), credential.Order{Kind: proxy.Name, ProjectID: "climate", Name: name,
		Spec: []byte(`{"way":"delegation","voms":[{"name":"climate","fqans":["/climate/Role=production"]}]}`)}, audit.Once{})
	w.check(err)
	return got.Credential
}

func TestNewProxyTellsTheCommand(t *testing.T) {
	w := newWorld(t)
	ben := w.signIn("ben")
	ben.get("/proxies").is(200).says("My proxies", "No proxies here", "New proxy")
	ben.get("/proxies/new").is(200).says("lanyard proxy init --voms VO", "lanyard proxy delegate --voms VO", "lanyard login --server http://localhost",
		"Begin a delegation", "Get a certificate", "Upload a proxy").hides("passphrase")
	dora := w.signIn("dora")
	dora.get("/proxies/new").is(200).says("not a member of any project").hides("lanyard proxy init")
}

// A delegation by browser alone: begun, signed elsewhere, uploaded, renewed, ended.
func TestDelegationByForms(t *testing.T) {
	w := newWorld(t)
	ben := w.signIn("ben")
	person := w.grid.Person("Ben", 1000*time.Hour)
	begun := ben.get("/proxies/new?way=delegation&project=climate").is(200).filled("way", "delegation").
		upload("/proxies/new", url.Values{"way": {"delegation"}, "project": {"climate"}, "name": {"nightly"}, "life": {"24h0m0s"}, "voms": {"climate:/climate/Role=production\r\nclimate:/climate"}}, nil)
	at := begun.resp.Header.Get("Location")
	begun.redirects("/proxies/crd_*").follow().is(200).says("Proxy “nightly”", "waits for its signature", "Sign it", "lanyard proxy delegate crd_",
		"climate: /climate/Role=production, /climate", "known once it is signed").hides("Extend", "Freeze", "Use it", "cannot thaw")
	request := ben.get(at + "/request.pem").is(200)
	if !strings.Contains(request.body, "BEGIN CERTIFICATE REQUEST") || !strings.Contains(request.resp.Header.Get("Content-Disposition"), "request.pem") {
		t.Errorf("downloaded %q as %q", request.body, request.resp.Header.Get("Content-Disposition"))
	}

	ben.get(at)
	ben.upload(at+"/chain", url.Values{}, map[string]string{"chain": "rubbish"}).is(400).says("The chain cannot be read", "Proxy “nightly”")
	ben.upload(at+"/chain", url.Values{}, nil).is(400)
	chain := w.grid.Answer(person, request.body, proxycert.Template{NotAfter: start.Add(100 * time.Hour)})
	ben.upload(at+"/chain", url.Values{}, map[string]string{"chain": chain}).redirects(at+"?done=completed").follow().is(200).
		says("The proxy is in force", "/DC=test/CN=Ben", "/DC=test/CN=Test CA", "active", "here, sealed", "Renew it", "lanyard proxy get crd_", "completed by Ben Okafor").hides("Sign it")
	certificates := ben.get(at + "/certificates.pem").is(200)
	if n, keys := gridtest.Certificates(certificates.body); n != 2 || keys != 0 {
		t.Errorf("downloaded %d certificates and %d keys", n, keys)
	}
	ben.get("/proxies").says("nightly", "/DC=test/CN=Ben", "climate: /climate/Role=production, /climate", "here, sealed", "active")

	ben.post(at+"/extend", nil).redirects(at+"?done=extended").follow().says("The proxy has a new end", "Ends in 4 days")
	ben.post(at+"/freeze", nil).redirects(at+"?done=frozen").follow().says("The proxy is frozen", "Thaw").hides("lanyard proxy get", "gateway")
	ben.post(at+"/thaw", nil).redirects(at + "?done=thawed").follow().says("The proxy works again")
	ben.get(at+"/delete").is(200).says("Delete proxy “nightly”?", "is destroyed").hides("presigned")
	ben.post(at+"/delete", nil).redirects(at+"?done=deleted").follow().says("The proxy is deleted", "never comes back").hides("Renew it")
	ben.get("/proxies").hides("nightly")
	ben.get("/proxies?ended=1").says("nightly", "deleted")
}

func TestUploadByForm(t *testing.T) {
	w := newWorld(t)
	ben := w.signIn("ben")
	person := w.grid.Person("Ben", 1000*time.Hour)
	text := w.grid.PEM(w.grid.Proxy(person, proxycert.Template{NotAfter: start.Add(20 * time.Hour)}))
	form := url.Values{"way": {"upload"}, "project": {"climate"}, "name": {"made <elsewhere>"}, "voms": {"climate"}}
	ben.get("/proxies/new?way=upload")
	ben.upload("/proxies/new", form, map[string]string{"chain": text}).is(400).says("no attributes of VO climate").filled("name", "made <elsewhere>").hides("PRIVATE")
	form.Set("voms", "")
	done := ben.upload("/proxies/new", form, map[string]string{"chain": text}).redirects("/proxies/crd_*").follow()
	done.is(200).says("The proxy is stored", "Proxy “made <elsewhere>”", "uploaded with its key", "Ends in 20 hours").hides("<elsewhere>”</h1>", "Renew it")
	ben.upload("/proxies/new", form, map[string]string{"chain": w.grid.PEM(person)}).is(400).says("not a proxy", "nothing was stored")
	ben.upload("/proxies/new", form, map[string]string{"chain": strings.Repeat("x", 70<<10)}).
		is(400).says("larger than 64 KiB, so nothing was done", "look which file you chose")
	form.Set("voms", "/climate/Role=x")
	ben.upload("/proxies/new", form, map[string]string{"chain": text}).is(400).says("does not begin with a VO")
}

func TestCertificateByForm(t *testing.T) {
	w := newWorld(t)
	ben := w.signIn("ben")
	request, _ := w.grid.Request()
	ben.get("/proxies/new?way=certificate").says("Its end cannot be moved").hides("you can extend it")
	form := url.Values{"way": {"certificate"}, "project": {"climate"}, "name": {"laptop"}}
	ben.upload("/proxies/new", form, map[string]string{"request": request}).is(400).says("Choose how long the proxy shall live")
	form.Set("life", "until")
	form.Set("until", "2027-06-01")
	ben.upload("/proxies/new", form, map[string]string{"request": request}).is(429).filled("until", "2027-06-01")
	form.Set("life", "8h0m0s")
	ben.upload("/proxies/new", form, map[string]string{"request": request}).redirects("/proxies/crd_*").follow().is(200).
		says("Ends in 8 hours", "/DC=test/O=People/CN=Ben Okafor", "with its owner, never here", "Download the certificates").hides("lanyard proxy get")
}

func TestStoredSecretsAreWarnedOf(t *testing.T) {
	w := newWorld(t, func(p *portal.Portal, _ *login.Config) { p.Ways.Secrets = true })
	ben := w.signIn("ben")
	ben.get("/proxies/new").says("Store certificate, key and passphrase, if nothing else works")
	ben.get("/proxies/new?way=secrets&project=climate").is(200).says("At least one.", "Be careful", "act as you until the certificate expires")
	person := w.grid.Person("Ben", 1000*time.Hour)
	certificate := w.grid.PEM(proxycert.Credential{Chain: person.Chain})
	key := strings.TrimPrefix(w.grid.PEM(person), certificate)
	form := url.Values{"way": {"secrets"}, "project": {"climate"}, "name": {"reana"}, "life": {"24h0m0s"}, "voms": {"climate"}, "passphrase": {"hunter2"}}
	ben.upload("/proxies/new", form, map[string]string{"chain": certificate}).is(400).says("private key of the certificate is missing").hides("hunter2")
	ben.upload("/proxies/new", form, map[string]string{"chain": certificate, "key": key}).redirects("/proxies/crd_*").follow().
		is(200).says("act as you until the certificate expires", "stored with its key").hides("hunter2")
	if strings.Contains(w.log.String(), "hunter2") {
		t.Error("the passphrase is in the log")
	}
}

// A form that is sent twice makes one proxy.
func TestAProxyIsMadeOnce(t *testing.T) {
	w := newWorld(t)
	ben := w.signIn("ben")
	once, err := ben.get("/proxies/new?way=delegation").input("once")
	w.check(err)
	form := url.Values{"way": {"delegation"}, "project": {"climate"}, "name": {"nightly"}, "life": {"1h0m0s"}, "once": {once}}
	first := ben.upload("/proxies/new", form, nil).redirects("/proxies/crd_*").resp.Header.Get("Location")
	ben.upload("/proxies/new", form, nil).redirects(first)
}

func TestManagersSeeProxiesOfTheirProject(t *testing.T) {
	w := newWorld(t)
	ben, anna := w.signIn("ben"), w.signIn("anna")
	c := w.delegation(ben, "bens")
	anna.get("/projects/climate").says("Proxies in this project")
	ben.get("/projects/climate").hides("Proxies in this project")
	anna.get("/proxies").hides("bens")
	anna.get("/proxies?project=climate").says("bens", "Ben Okafor")
	page := anna.get("/proxies/"+c.ID).is(200).says("bens").hides("Sign it", "lanyard proxy delegate")
	if regexp.MustCompile(`action="[^"]*/chain"`).MatchString(page.body) {
		t.Error("a manager is offered to sign for somebody else")
	}
	anna.get("/proxies/" + c.ID + "/delete").says("It belongs to Ben Okafor")
}
