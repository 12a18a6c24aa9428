package proxy_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/kind/proxy/gridtest"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/proxycert"
)

func TestUploadTellsWhatItIs(t *testing.T) {
	w := newWorld(t)
	ann := w.grid.Person("Ann", 300*hour)
	p := w.grid.Proxy(ann, proxycert.Template{NotAfter: start.Add(20 * hour), Attributes: w.grid.Extension(ann, gridtest.VO, 10*hour, "/climate/Role=production", "/climate")})
	for name, secret := range map[string]proxy.Secret{
		"one file":      {Chain: material.Secret(w.grid.PEM(p))},
		"key elsewhere": {Chain: material.Secret(w.grid.PEM(proxycert.Credential{Chain: p.Chain})), Key: keyOf(w, p)},
	} {
		x := w.make(proxy.Wanted{Way: proxy.Upload, VOMS: vo("climate", "/climate")}, secret)
		want := proxy.Spec{Way: proxy.Upload, VOMS: vo("climate", "/climate/Role=production", "/climate"), Identity: "/DC=test/CN=Ann",
			Issuer: "/DC=test/CN=Test CA", KeyPlace: proxy.AtServer, ChainExpiresAt: start.Add(20 * hour), AttributesExpireAt: start.Add(10 * hour)}
		got := w.spec(x)
		if !strings.HasPrefix(got.Subject, want.Identity+"/CN=") {
			t.Errorf("%s: the subject is %s", name, got.Subject)
		}
		got.Subject = ""
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if strings.Contains(string(x.Spec), "PRIVATE") || !x.ExpiresAt.Equal(want.ChainExpiresAt) || x.Status != credential.Active {
			t.Errorf("%s: %s until %s: %s", name, x.Status, x.ExpiresAt, x.Spec)
		}
		if n, _ := gridtest.Certificates(w.seen(x).PEM.Reveal()); n != 2 {
			t.Errorf("%s: %d certificates may be seen", name, n)
		}
	}
}

func keyOf(w *world, c proxycert.Credential) material.Secret {
	text := w.grid.PEM(c)
	_, text, _ = strings.Cut(text, "-----END CERTIFICATE-----\n")
	text, _, _ = strings.Cut(text, "-----BEGIN CERTIFICATE-----")
	return material.Secret(text)
}

func TestUploadsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	ann, ben := w.grid.Person("Ann", 300*hour), w.grid.Person("Ben", 300*hour)
	p, q := w.grid.Proxy(ann, proxycert.Template{}), w.grid.Proxy(ben, proxycert.Template{})
	other := gridtest.New(t, func() time.Time { return start })
	gone := w.grid.Person("Revoked", 300*hour)
	w.grid.Revoke(gone.Chain[0])
	for name, tc := range map[string]struct {
		chain string
		vos   []material.VO
		code  fault.Code
		text  string
	}{
		"nothing":        {"", nil, fault.Invalid, "no PEM block"},
		"rubbish":        {"rubbish", nil, fault.Invalid, "no PEM block"},
		"no key":         {w.grid.PEM(proxycert.Credential{Chain: p.Chain}), nil, fault.Invalid, "private key of the proxy is missing"},
		"another's key":  {w.grid.PEM(proxycert.Credential{Chain: p.Chain, Key: q.Key}), nil, fault.Invalid, "private key does not belong"},
		"no proxy":       {w.grid.PEM(ann), nil, fault.Invalid, "not a proxy"},
		"cut off":        {w.grid.PEM(proxycert.Credential{Chain: p.Chain[:1], Key: p.Key}), nil, fault.Invalid, "incomplete"},
		"expired":        {w.grid.PEM(w.grid.Proxy(ann, proxycert.Template{NotBefore: start.Add(-hour), NotAfter: start.Add(-1)})), nil, fault.Invalid, "has expired"},
		"of tomorrow":    {w.grid.PEM(w.grid.Proxy(ann, proxycert.Template{NotBefore: start.Add(24 * hour), NotAfter: start.Add(30 * hour)})), nil, fault.Invalid, "not valid yet"},
		"revoked":        {w.grid.PEM(w.grid.Proxy(gone, proxycert.Template{})), nil, fault.Invalid, "revoked"},
		"of another CA":  {w.grid.PEM(other.Proxy(other.Person("Ann", 24*hour), proxycert.Template{})), nil, fault.Invalid, "signature"},
		"independent":    {w.grid.PEM(w.grid.Proxy(ann, proxycert.Template{Independent: true})), nil, fault.Invalid, "rights"},
		"legacy":         {w.grid.PEM(w.grid.Proxy(ann, proxycert.Template{Kind: proxycert.Legacy})), nil, fault.Invalid, "kind of proxy is not accepted"},
		"without the VO": {w.grid.PEM(p), vo("climate"), fault.Invalid, "no attributes of VO climate"},
		"without the role": {w.grid.PEM(w.grid.Proxy(ann, proxycert.Template{Attributes: w.grid.Extension(ann, "climate", hour, "/climate")})),
			vo("climate", "/climate/Role=production"), fault.Invalid, "but not /climate/Role=production"},
		"attributes of another": {w.grid.PEM(w.grid.Proxy(ann, proxycert.Template{Attributes: w.grid.Extension(ben, "climate", hour, "/climate")})),
			nil, fault.Invalid, ""},
		"attributes of nobody known": {w.grid.PEM(w.grid.Proxy(ann, proxycert.Template{Attributes: w.grid.Extension(ann, "weather", hour, "/weather")})),
			vo("weather"), fault.Invalid, "weather"},
	} {
		_, err := w.Make(t.Context(), w.order(proxy.Wanted{Way: proxy.Upload, VOMS: tc.vos}, proxy.Secret{Chain: material.Secret(tc.chain)}))
		refused(t, name, err, tc.code, tc.text)
		if err != nil && fault.Public(err).Hint == "" {
			t.Errorf("%s: %v does not say what to do", name, err)
		}
	}
}

// TestAttributesOfAStrangersVO: nobody claimed them, and nothing here can judge them.
func TestAttributesOfAStrangersVO(t *testing.T) {
	w := newWorld(t)
	ann := w.grid.Person("Ann", 300*hour)
	p := w.grid.Proxy(ann, proxycert.Template{Attributes: w.grid.Extension(ann, "weather", hour, "/weather")})
	s := w.spec(w.make(proxy.Wanted{Way: proxy.Upload}, proxy.Secret{Chain: material.Secret(w.grid.PEM(p))}))
	if len(s.VOMS) != 0 || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "weather") {
		t.Errorf("it says %+v", s)
	}
}

func TestOrdersThatAreRefused(t *testing.T) {
	w := newWorld(t)
	many := make([]material.VO, 17)
	for i := range many {
		many[i].Name = "vo" + strings.Repeat("x", i)
	}
	for name, tc := range map[string]struct {
		want   proxy.Wanted
		secret proxy.Secret
		code   fault.Code
		text   string
	}{
		"no way":               {proxy.Wanted{}, proxy.Secret{}, fault.Invalid, "is no way"},
		"another way":          {proxy.Wanted{Way: "fax"}, proxy.Secret{}, fault.Invalid, `"fax" is no way`},
		"a key to delegate":    {proxy.Wanted{Way: proxy.Delegation}, proxy.Secret{Key: "x"}, fault.Invalid, "upload and secrets only"},
		"a passphrase":         {proxy.Wanted{Way: proxy.Upload}, proxy.Secret{Passphrase: "eA=="}, fault.Invalid, "passphrase"},
		"a request to upload":  {proxy.Wanted{Way: proxy.Upload, Request: "x"}, proxy.Secret{}, fault.Invalid, "signing request"},
		"a request of rubbish": {proxy.Wanted{Way: proxy.Certificate, Request: "x"}, proxy.Secret{}, fault.Invalid, "not PEM"},
		"a long request":       {proxy.Wanted{Way: proxy.Certificate, Request: strings.Repeat("x", 65<<10)}, proxy.Secret{}, fault.Invalid, "64 KiB"},
		"a bad VO":             {proxy.Wanted{Way: proxy.Delegation, VOMS: vo("../etc")}, proxy.Secret{}, fault.Invalid, "name of a VO"},
		"a VO that is a role":  {proxy.Wanted{Way: proxy.Delegation, VOMS: vo("cms/Role=x")}, proxy.Secret{}, fault.Invalid, "name of a VO"},
		"a foreign attribute":  {proxy.Wanted{Way: proxy.Delegation, VOMS: vo("cms", "/atlas")}, proxy.Secret{}, fault.Invalid, "no attribute of VO cms"},
		"a bad attribute":      {proxy.Wanted{Way: proxy.Delegation, VOMS: vo("cms", "cms")}, proxy.Secret{}, fault.Invalid, "no FQAN"},
		"a VO twice":           {proxy.Wanted{Way: proxy.Delegation, VOMS: append(vo("cms"), vo("cms")...)}, proxy.Secret{}, fault.Invalid, "named twice"},
		"many VOs":             {proxy.Wanted{Way: proxy.Delegation, VOMS: many}, proxy.Secret{}, fault.Limited, "17 VOs"},
		"many attributes":      {proxy.Wanted{Way: proxy.Delegation, VOMS: vo("cms", make([]string, 65)...)}, proxy.Secret{}, fault.Limited, "65 attributes"},
	} {
		_, err := w.Make(t.Context(), w.order(tc.want, tc.secret))
		refused(t, name, err, tc.code, tc.text)
	}
	for name, o := range map[string]credential.Order{
		"no spec":         {},
		"unknown fields":  {Spec: json.RawMessage(`{"way":"delegation","admin":true}`)},
		"two documents":   {Spec: json.RawMessage(`{"way":"delegation"} {}`)},
		"a secret number": {Spec: json.RawMessage(`{"way":"upload"}`), Secret: "17"},
	} {
		_, err := w.Make(t.Context(), o)
		refused(t, name, err, fault.Invalid, "")
		if err != nil && strings.Contains(err.Error(), "17") {
			t.Errorf("%s: %v tells the secret", name, err)
		}
	}
}

func TestCertificates(t *testing.T) {
	w := newWorld(t)
	request, key := w.grid.Request()
	mine := w.make(proxy.Wanted{Way: proxy.Certificate, Request: request}, proxy.Secret{})
	s := w.spec(mine)
	if s.KeyPlace != proxy.AtClient || s.Identity != "/DC=test/O=People/CN=Ann" || s.Subject != s.Identity || !s.ChainExpiresAt.Equal(start.Add(168*hour)) {
		t.Errorf("it is %+v", s)
	}
	c, _ := w.judged(w.seen(mine).PEM)
	if got := c.Chain[0].SerialNumber.Text(16); got != mine.PublicID {
		t.Errorf("the serial number is %s, the public id %s", got, mine.PublicID)
	}
	if !key.Public().(*ecdsa.PublicKey).Equal(c.Chain[0].PublicKey) {
		t.Error("the certificate is for another key than the request's")
	}
	_, err := w.fetch(mine, proxy.Wish{}, 0)
	refused(t, "below a key that is elsewhere", err, fault.Conflict, "is not here")

	theirs := w.make(proxy.Wanted{Way: proxy.Certificate, VOMS: vo("climate")}, proxy.Secret{})
	if s := w.spec(theirs); s.KeyPlace != proxy.AtServer || theirs.PublicID == mine.PublicID {
		t.Errorf("it is %+v, %s", s, theirs.PublicID)
	}
	m, err := w.fetch(theirs, proxy.Wish{}, 0)
	w.check(err)
	if _, r := w.judged(m.X509.PEM); r.Identity != "/DC=test/O=People/CN=Ann" {
		t.Errorf("handed out %s", r.Identity)
	}

	head, body, _ := strings.Cut(request, "REQUEST-----\n")
	body = strings.Replace(body, body[70:72], "Ab", 1) // somewhere in the key
	spoiled := head + "REQUEST-----\n" + body
	_, err = w.Make(t.Context(), w.order(proxy.Wanted{Way: proxy.Certificate, Request: spoiled}, proxy.Secret{}))
	refused(t, "a request that was changed", err, fault.Invalid, "cannot be used")
	w.CA = nil
	_, err = w.Make(t.Context(), w.order(proxy.Wanted{Way: proxy.Certificate}, proxy.Secret{}))
	refused(t, "no authority", err, fault.Invalid, "no certification authority")
}

// encrypted is the key of c as users keep it.
func encrypted(t *testing.T, c proxycert.Credential, phrase string) material.Secret {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(c.Key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	block, err := x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", der, []byte(phrase), x509.PEMCipherAES256) //nolint:staticcheck // users' files are so
	if err != nil {
		t.Fatal(err)
	}
	return material.Secret(pem.EncodeToMemory(block))
}

func TestSecrets(t *testing.T) {
	w := newWorld(t)
	ann := w.grid.Person("Ann", 300*hour)
	secret := proxy.Secret{Chain: material.Secret(w.grid.PEM(proxycert.Credential{Chain: ann.Chain})), Key: encrypted(t, ann, "hunter2"),
		Passphrase: material.Secret(base64.StdEncoding.EncodeToString([]byte("hunter2")) + "\n")}
	want := proxy.Wanted{Way: proxy.Secrets, VOMS: vo("climate")}
	_, err := w.Make(t.Context(), w.order(want, secret))
	refused(t, "turned off", err, fault.Denied, "does not take certificates with their keys")

	w.StoredSecrets = true
	x := w.make(want, secret)
	if s := w.spec(x); s.KeyPlace != proxy.AtServer || s.Identity != "/DC=test/CN=Ann" || !cmp.Equal(s.Warnings, []string{proxy.SecretsWarning}) {
		t.Errorf("it is %+v", s)
	}
	if strings.Contains(string(x.state), "hunter2") || strings.Contains(string(x.state), base64.StdEncoding.EncodeToString([]byte("hunter2"))) {
		t.Error("the passphrase is kept")
	}
	m, err := w.fetch(x, proxy.Wish{}, 0)
	w.check(err)
	if _, r := w.judged(m.X509.PEM); r.Identity != "/DC=test/CN=Ann" || len(r.Chain) != 2 {
		t.Errorf("handed out %s, a chain of %d", r.Identity, len(r.Chain))
	}
	for name, tc := range map[string]struct {
		change func(*proxy.Wanted, *proxy.Secret)
		text   string
	}{
		"no VO":              {func(w *proxy.Wanted, _ *proxy.Secret) { w.VOMS = nil }, "VO is missing"},
		"wrong passphrase":   {func(_ *proxy.Wanted, s *proxy.Secret) { s.Passphrase = "d3Jvbmc=" }, "passphrase is wrong"},
		"plain passphrase":   {func(_ *proxy.Wanted, s *proxy.Secret) { s.Passphrase = "hunter2!" }, "not base64"},
		"no key":             {func(_ *proxy.Wanted, s *proxy.Secret) { s.Key = "" }, "private key of the certificate is missing"},
		"the key of another": {func(_ *proxy.Wanted, s *proxy.Secret) { s.Key = encrypted(t, w.grid.Person("Ben", hour), "hunter2") }, "does not belong"},
		"a proxy": {func(_ *proxy.Wanted, s *proxy.Secret) {
			*s = proxy.Secret{Chain: material.Secret(w.grid.PEM(w.grid.Proxy(ann, proxycert.Template{}))), Passphrase: s.Passphrase}
		}, "this is a proxy"},
	} {
		wanted, s := want, secret
		tc.change(&wanted, &s)
		_, err := w.Make(t.Context(), w.order(wanted, s))
		refused(t, name, err, fault.Invalid, tc.text)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v tells the passphrase", name, err)
		}
	}
}
