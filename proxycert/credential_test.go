package proxycert_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

// blocks cuts a PEM file.
func blocks(t testing.TB, data []byte) (b [][]byte) {
	t.Helper()
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		b = append(b, pem.EncodeToMemory(block))
	}
	return b
}

func TestParseTakesAnyOrder(t *testing.T) {
	k := keys()
	c := makeProxy(t, makeProxy(t, user(t, "sam"), k[0], day()), k[1], day())
	file, err := c.PEM()
	if err != nil {
		t.Fatal(err)
	}
	b := blocks(t, file) // leaf, key, proxy, person
	subca, root := read(t, fixtures+"pki/certs/subca.pem"), read(t, fixtures+"pki/certs/fxca.pem")
	if len(b) != 4 || !bytes.Contains(b[1], []byte("BEGIN RSA PRIVATE KEY")) {
		t.Fatalf("the file is\n%s", file)
	}
	for what, parts := range map[string][][]byte{
		"as written":        b,
		"backwards":         {b[3], b[2], b[1], b[0]},
		"key first":         {b[1], b[2], b[0], b[3]},
		"without key":       {b[2], b[3], b[0]},
		"with authorities":  append(slices.Clone(b), subca, root),
		"one of them twice": {b[0], b[1], b[0], b[2], b[3], b[3]},
		"text between":      {[]byte("subject=/CN=x\n"), b[0], []byte("\n\n"), b[1], b[2], b[3]},
		"Windows lines":     {bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n"))},
	} {
		got, err := proxycert.Parse(bytes.Join(parts, nil), nil)
		if err != nil || !slices.EqualFunc(got.Chain, c.Chain, (*x509.Certificate).Equal) || (got.Key == nil) != (what == "without key") {
			t.Errorf("%s: %+v, %v", what, got.Chain, err)
		}
		if got.Identity() != "/DC=test/DC=lanyard/OU=Users/CN=Sam Sub" && got.Identity() != user(t, "sam").Identity() {
			t.Errorf("%s: identity %q", what, got.Identity())
		}
	}
}

func TestParseRefuses(t *testing.T) {
	k := keys()
	full := makeProxy(t, user(t, "ada"), k[0], day())
	file, err := full.PEM()
	if err != nil {
		t.Fatal(err)
	}
	b := blocks(t, file) // leaf, key, person
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	bob, adaKey := read(t, fixtures+"pki/certs/bob.pem"), read(t, fixtures+"pki/certs/ada.key")
	longer := append(slices.Clone(full.Chain[0].Raw), 0)
	for what, c := range map[string]struct {
		data []byte
		want proxycert.Reason
	}{
		"nothing":                     {nil, proxycert.Malformed},
		"text":                        {[]byte("hello"), proxycert.Malformed},
		"only a key":                  {b[1], proxycert.Malformed},
		"a proxy without its person":  {join(b[0], b[1]), proxycert.Incomplete},
		"only an authority":           {read(t, fixtures+"pki/certs/fxca.pem"), proxycert.Incomplete},
		"key of the person":           {join(b[0], adaKey, b[2]), proxycert.KeyMismatch},
		"key of nobody":               {join(b[0], read(t, fixtures+"pki/certs/bob.key"), b[2]), proxycert.KeyMismatch},
		"somebody else's certificate": {join(file, bob), proxycert.Unrelated},
		"two chains":                  {join(b[0], b[2], pemOf(t, makeProxy(t, user(t, "bob"), k[1], day()))), proxycert.KeyMismatch},
		"two keys":                    {join(file, adaKey), proxycert.Malformed},
		"cut in the last certificate": {file[:len(file)-100], proxycert.Malformed},
		"cut in the key":              {file[:bytes.Index(file, []byte("END RSA"))], proxycert.Malformed},
		"a block that is no base64":   {join(file, []byte("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n")), proxycert.Malformed},
		"bytes after the DER":         {join(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: longer}), b[1], b[2]), proxycert.Malformed},
		"too many blocks":             {bytes.Repeat(b[2], 40), proxycert.Malformed},
		"a great many beginnings":     {bytes.Repeat([]byte("-----BEGIN "), 1<<16), proxycert.Malformed},
		"more than a megabyte":        {append(bytes.Repeat([]byte("#\n"), proxycert.MaxFile/2), file...), proxycert.Malformed},
	} {
		got, err := proxycert.Parse(c.data, nil)
		if r := reason(t, err); r != c.want || len(got.Chain) > 0 || got.Key != nil {
			t.Errorf("%s: %+v, %v; want %q", what, got, err, c.want)
		}
	}
}

func pemOf(t testing.TB, c proxycert.Credential) []byte {
	t.Helper()
	file, err := c.PEM()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func request(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	csr, err := proxycert.Request(key)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

// TestParseReadsPeoplesOwnFiles has a certificate and a key with a passphrase in one file.
func TestParseReadsPeoplesOwnFiles(t *testing.T) {
	file := slices.Concat(read(t, fixtures+"pki/certs/ada.pem"), read(t, fixtures+"pki/keyforms/ada.pkcs8-aes.key"))
	asked := 0
	c, err := proxycert.Parse(file, func() ([]byte, error) { asked++; return []byte("testpass"), nil })
	if err != nil || asked != 1 || len(c.Chain) != 1 || c.EndEntity() != c.Chain[0] || c.Limited() {
		t.Errorf("%+v, %v, asked %d times", c, err, asked)
	}
	for _, p := range []keyfile.Passphrase{nil, func() ([]byte, error) { return []byte("wrong"), nil }} {
		if _, err := proxycert.Parse(file, p); !errors.Is(err, keyfile.ErrPassphrase) || strings.Contains(err.Error(), "wrong\"") {
			t.Errorf("without the passphrase: %v", err)
		}
	}
}

func TestCredentialForms(t *testing.T) {
	c := makeProxy(t, user(t, "ada"), ecKey(t, elliptic.P256()), day())
	file := string(pemOf(t, c))
	if !strings.Contains(file, "BEGIN EC PRIVATE KEY") || strings.Index(file, "KEY") > strings.LastIndex(file, "BEGIN CERTIFICATE") {
		t.Errorf("the file is\n%s", file)
	}
	public := string(pemOf(t, proxycert.Credential{Chain: c.Chain}))
	if strings.Contains(public, "KEY") || strings.Count(public, "BEGIN CERTIFICATE") != 2 {
		t.Errorf("without the key the file is\n%s", public)
	}
	pair := c.TLS()
	if len(pair.Certificate) != 2 || pair.Leaf != c.Chain[0] || pair.PrivateKey != c.Key {
		t.Errorf("for TLS: %+v", pair)
	}
	if again, err := tls.X509KeyPair([]byte(file), []byte(file)); err != nil || !bytes.Equal(again.Certificate[1], pair.Certificate[1]) {
		t.Errorf("crypto/tls does not read the file: %v", err)
	}
	var none proxycert.Credential
	if none.EndEntity() != nil || none.Identity() != "" || none.Limited() || !none.NotAfter().IsZero() || none.TLS().Leaf != nil {
		t.Error("the zero credential says something")
	}
}

func TestDelegation(t *testing.T) {
	k := keys()
	ada := makeProxy(t, user(t, "ada"), k[0], day())
	for what, key := range map[string]crypto.Signer{"RSA": k[1], "P-256": ecKey(t, elliptic.P256())} {
		csr := request(t, key)
		chain, err := proxycert.Sign(ada, csr, day())
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(chain) // it may come in any order
		c, err := proxycert.Complete(key, chain)
		if err != nil || len(c.Chain) != 3 || c.Key == nil {
			t.Fatalf("%s: %+v, %v", what, c, err)
		}
		if r, err := verifier(t).Verify(c.Chain); err != nil || r.Identity != "/DC=test/DC=lanyard/OU=Users/CN=Ada Tester" {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
		if _, err := proxycert.Complete(k[2], chain); reason(t, err) != proxycert.KeyMismatch {
			t.Errorf("%s: with another key: %v", what, err)
		}
		block, _ := pem.Decode(csr)
		if _, err := proxycert.Sign(ada, block.Bytes, day()); err != nil {
			t.Errorf("%s in DER: %v", what, err)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	ada := user(t, "ada")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good := request(t, keys()[1])
	block, _ := pem.Decode(good)
	forged := bytes.Clone(block.Bytes)
	forged[len(forged)-1] ^= 1
	for what, c := range map[string]struct {
		request []byte
		want    proxycert.Reason
	}{
		"nothing":               {nil, proxycert.Malformed},
		"text":                  {[]byte("hello"), proxycert.Malformed},
		"a certificate":         {read(t, fixtures+"pki/certs/ada.pem"), proxycert.Malformed},
		"two requests":          {append(bytes.Clone(good), good...), proxycert.Malformed},
		"far too much":          {append(bytes.Clone(good), bytes.Repeat([]byte("\n"), 1<<17)...), proxycert.Malformed},
		"another's signature":   {forged, proxycert.Signature},
		"RSA 1024":              {request(t, weak), proxycert.Algorithm},
		"an unfit curve, P-224": {request(t, ecKey(t, elliptic.P224())), proxycert.Algorithm},
	} {
		chain, err := proxycert.Sign(ada, c.request, day())
		if r := reason(t, err); r != c.want || chain != nil {
			t.Errorf("%s: %v, %v; want %q", what, chain, err, c.want)
		}
	}
	last := makeProxy(t, ada, keys()[0], with(func(t *proxycert.Template) { t.PathLength = new(0) }))
	if _, err := proxycert.Sign(last, good, day()); reason(t, err) != proxycert.PathLength {
		t.Errorf("below path length 0: %v", err)
	}
	if _, err := proxycert.Request(nil); err == nil {
		t.Error("a request without a key was made")
	}
	if _, err := proxycert.Complete(nil, ada.Chain); err == nil {
		t.Error("a credential without a key was made")
	}
	if _, err := proxycert.Complete(keys()[1], slices.Repeat(ada.Chain, 40)); reason(t, err) != proxycert.Malformed {
		t.Errorf("far too many certificates: %v", err)
	}
}
