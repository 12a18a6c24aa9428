package proxy_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/attributeauthority"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

// A ca is the fixtures' certification authority, at work.
type ca struct {
	t    *testing.T
	cert *x509.Certificate
	key  crypto.Signer
}

func newCA(t *testing.T) *ca {
	cert, err := keyfile.Certificates(fixture(t, "pki/certs/fxca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := keyfile.Key(fixture(t, "pki/certs/fxca.key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &ca{t, cert[0], key}
}

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(fixtures + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// certify signs a certificate for a day.
func (c *ca) certify(public crypto.PublicKey, name string, hosts ...string) *x509.Certificate {
	c.t.Helper()
	n, err := dn.Parse("/DC=test/DC=lanyard/CN=" + name)
	if err != nil {
		c.t.Fatal(err)
	}
	subject, err := n.DER()
	if err != nil {
		c.t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		c.t.Fatal(err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		c.t.Fatal(err)
	}
	id := sha1.Sum(info.Key.Bytes)
	template := &x509.Certificate{SerialNumber: new(big.Int).SetUint64(uint64(now.UnixNano())), RawSubject: subject, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, DNSNames: hosts, SubjectKeyId: id[:]}
	der, err := x509.CreateCertificate(rand.Reader, template, c.cert, public, c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	return cert
}

// certificate is the answer of a server that signs the request in an order of the way certificate.
func (c *ca) certificate(k call) (int, any) {
	order := k.Body["proxy"].(map[string]any)
	block, _ := pem.Decode([]byte(order["request"].(string)))
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || request.CheckSignature() != nil {
		c.t.Error("the signing request is wrong:", err)
	}
	cert := c.certify(request.PublicKey, "Anna Virtanen abc123")
	return http.StatusCreated, api.Credential{ID: "crd_1", Kind: "proxy", Name: "proxy on vm", Project: "p1", State: "active", ExpiresAt: cert.NotAfter,
		Proxy: &api.Proxy{Way: api.WayCertificate, KeyPlace: api.KeyAtClient, Certificates: encode(cert)}}
}

func encode(certs ...*x509.Certificate) (text string) {
	for _, c := range certs {
		text += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return text
}

// An aa is an attribute authority of the VO climate that gives everybody what they ask for, for at
// most an hour.
type aa struct {
	cert   *x509.Certificate
	key    crypto.Signer
	port   int
	refuse *protocol.Error
	asked  []protocol.Request
}

func (s *aa) Attributes(_ context.Context, name string, h vo.Holder, r protocol.Request) (protocol.Answer, error) {
	s.asked = append(s.asked, r)
	if s.refuse != nil {
		return protocol.Answer{}, s.refuse
	}
	fqans := append(r.FQANs, "/climate")
	ac, err := voms.Create(voms.Template{VO: name, Host: "localhost", Port: s.port, FQANs: fqans, Targets: r.Targets,
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour)}, h.Result.EndEntity, s.cert, s.key)
	return protocol.Answer{AC: ac}, err
}

// start serves the VO and returns what a Lanyard server would tell of it.
func (s *aa) start(t *testing.T, c *ca) api.VO {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s.key, s.cert = key, c.certify(key.Public(), "localhost", "localhost")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	store := trust.New([]*x509.Certificate{c.cert})
	server, err := attributeauthority.New(attributeauthority.Config{VO: "climate", Authority: s, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		Certificate: func() (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{s.cert.Raw}, PrivateKey: s.key}, nil
		},
		Trust: func() (*trust.Store, error) { return store, nil }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return api.VO{Name: "climate", Managed: true, Servers: []api.VOServer{{Alias: "climate", Host: "localhost", Port: s.port,
		Subject: dn.Slash(s.cert.RawSubject), LSC: voms.LSCOf(s.cert).String()}}}
}

// site makes a server with an authority and a VO, on a machine without any grid files.
func (p *person) site(s *aa) (*[]call, map[string]func(call) (int, any)) {
	c := newCA(p.t)
	v := s.start(p.t, c)
	text := func(name string) func(call) (int, any) {
		return func(call) (int, any) { return http.StatusOK, string(fixture(p.t, name)) }
	}
	answers := map[string]func(call) (int, any){
		"GET /vos": func(call) (int, any) {
			return http.StatusOK, api.List[api.VO]{Schema: api.SchemaVOs, Items: []api.VO{v}}
		},
		"GET /ca/certificate.pem": text("pki/certs/fxca.pem"),
		"GET /ca/crl.pem":         text("pki/certs/fxca.crl"),
		"POST /credentials":       c.certificate,
	}
	calls := p.serve(answers)
	none := filepath.Join(p.t.TempDir(), "none")
	p.env["X509_CERT_DIR"], p.env["X509_VOMS_DIR"] = "", none
	return calls, answers
}

// globus puts ada's certificate and key where grid tools look for them.
func (p *person) globus() {
	p.t.Helper()
	dir := filepath.Join(p.env["HOME"], ".globus")
	if err := os.Mkdir(dir, 0o700); err != nil {
		p.t.Fatal(err)
	}
	for from, to := range map[string]string{"ada.pem": "usercert.pem", "ada.key": "userkey.pem"} {
		if err := os.WriteFile(filepath.Join(dir, to), fixture(p.t, "pki/certs/"+from), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}
