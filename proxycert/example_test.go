package proxycert_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/trust"
)

// A person's certificate and key, as they lie in ~/.globus.
const (
	usercert = "../testdata/voms/pki/certs/ada.pem"
	userkey  = "../testdata/voms/pki/certs/ada.key"
)

func fatal(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// load reads a person's certificate and key from two files.
func load() proxycert.Credential {
	certs, err := os.ReadFile(usercert)
	fatal(err)
	key, err := os.ReadFile(userkey)
	fatal(err)
	ask := func() ([]byte, error) { return nil, errors.New("no terminal to ask for a passphrase") }
	c, err := proxycert.Parse(append(certs, key...), ask)
	fatal(err)
	return c
}

// What grid-proxy-init does: a proxy of twelve hours, written where every tool looks for it.
func ExampleNew() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	fatal(err)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) // time.Now()
	proxy, err := proxycert.New(load(), key, proxycert.Template{
		NotBefore: now.Add(-5 * time.Minute), // clocks differ
		NotAfter:  now.Add(12 * time.Hour),
	})
	fatal(err)
	file, err := proxy.PEM()
	fatal(err)
	dir, err := os.MkdirTemp("", "")
	fatal(err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "x509up") // proxycert.DefaultPath(os.Getuid(), os.Getenv)
	fatal(proxycert.WriteFile(path, file))
	fmt.Println("Your identity:", proxy.Identity())
	fmt.Println("Your proxy is valid until", proxy.NotAfter())
	// Output:
	// Your identity: /DC=test/DC=lanyard/OU=Users/CN=Ada Tester
	// Your proxy is valid until 2026-11-22 00:00:00 +0000 UTC
}

// What grid-proxy-info does: say what is in a file. Nothing is verified here.
func ExampleParse() {
	data, err := os.ReadFile("../testdata/voms/golden/g44-j-limited.pem")
	fatal(err)
	proxy, err := proxycert.Parse(data, nil)
	fatal(err)
	for _, c := range proxy.Chain {
		info, err := proxycert.Inspect(c)
		fatal(err)
		fmt.Printf("kind %s, limited %t, name %q\n", info.Kind, info.Limited, info.Name)
	}
	fmt.Println("identity", proxy.Identity())
	// Output:
	// kind RFC 3820, limited true, name "1282623045"
	// kind none, limited false, name ""
	// identity /DC=test/DC=lanyard/OU=Users/CN=Ada Tester
}

// What a service does with the certificates of a TLS connection, in VerifyConnection.
func ExampleVerifier_Verify() {
	data, err := os.ReadFile("../testdata/voms/hostile/h21-namespace-violation.pem")
	fatal(err)
	peer, err := proxycert.Parse(data, nil)
	fatal(err)

	trusted, err := trust.Load("../testdata/voms/pki/certificates") // /etc/grid-security/certificates
	fatal(err)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) // time.Now()
	result, err := proxycert.Verifier{Trust: trusted, At: now}.Verify(peer.Chain)
	if refused, ok := errors.AsType[*proxycert.Error](err); ok {
		fmt.Println("refused:", refused.Reason)
		fmt.Println(refused.Hint())
		return
	}
	fmt.Println("welcome,", result.Identity)
	// Output:
	// refused: namespace
	// Compare the subject with the authority's signing_policy or namespaces file.
}

// Delegation: a server gets a proxy and no private key travels.
func ExampleSign() {
	// The server makes a key and a signing request.
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	fatal(err)
	request, err := proxycert.Request(key)
	fatal(err)

	// The person signs it.
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) // time.Now()
	chain, err := proxycert.Sign(load(), request, proxycert.Template{
		NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(7 * 24 * time.Hour), Limited: true})
	fatal(err)

	// The server puts both together.
	proxy, err := proxycert.Complete(key, chain)
	fatal(err)
	fmt.Println(proxy.Identity(), "until", proxy.NotAfter().Format(time.DateOnly))
	// Output:
	// /DC=test/DC=lanyard/OU=Users/CN=Ada Tester until 2026-11-28
}
