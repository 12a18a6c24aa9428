package keyfile_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

const pki = "../../testdata/voms/pki"

func read(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// asked is a Passphrase that counts.
type asked struct {
	text  string
	times int
}

func (a *asked) passphrase() ([]byte, error) {
	a.times++
	return []byte(a.text), nil
}

func certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	all, err := keyfile.Certificates(read(t, pki, "certs", name+".pem"))
	if err != nil || len(all) != 1 {
		t.Fatalf("%s: %d certificates, %v", name, len(all), err)
	}
	return all[0]
}

// fits reports whether key is that of c.
func fits(key crypto.Signer, c *x509.Certificate) bool {
	return key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(c.PublicKey)
}

// openssl runs the program and returns what it wrote to the file @out.
func openssl(t testing.TB, args ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "@", filepath.Join(pki, "certs")+"/")
	}
	cmd := exec.Command("openssl", append(args, "-out", out)...)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %v: %v: %s", args, err, said)
	}
	return read(t, out)
}

func TestKeysOfTheFixtures(t *testing.T) {
	ada := certificate(t, "ada")
	for name, times := range map[string]int{"ada.pkcs1-plain.key": 0, "ada.pkcs1-3des.key": 1, "ada.pkcs1-aes.key": 1, "ada.pkcs8-aes.key": 1} {
		p := asked{text: "testpass"}
		key, err := keyfile.Key(read(t, pki, "keyforms", name), p.passphrase)
		if err != nil || !fits(key, ada) || p.times != times {
			t.Errorf("%s: %v, asked %d times", name, err, p.times)
		}
		if times > 0 {
			refuses(t, name, func(p keyfile.Passphrase) error {
				_, err := keyfile.Key(read(t, pki, "keyforms", name), p)
				return err
			})
		}
	}
	for _, name := range []string{"ada.legacy.p12", "ada.p12"} {
		p := asked{text: "testpass"}
		key, certs, err := keyfile.PKCS12(read(t, pki, "keyforms", name), p.passphrase)
		if err != nil || p.times != 1 {
			t.Fatalf("%s: %v, asked %d times", name, err, p.times)
		}
		if !fits(key, ada) || len(certs) != 1 || !certs[0].Equal(ada) {
			t.Errorf("%s: another key, or %d certificates", name, len(certs))
		}
		refuses(t, name, func(p keyfile.Passphrase) error {
			_, _, err := keyfile.PKCS12(read(t, pki, "keyforms", name), p)
			return err
		})
	}
}

// refuses checks what a wrong, a missing and a withheld passphrase lead to.
func refuses(t *testing.T, what string, open func(keyfile.Passphrase) error) {
	t.Helper()
	wrong := asked{text: "wrong"}
	if err := open(wrong.passphrase); !errors.Is(err, keyfile.ErrPassphrase) || !strings.Contains(err.Error(), "wrong passphrase") {
		t.Errorf("%s, wrong passphrase: %v", what, err)
	}
	if err := open(nil); !errors.Is(err, keyfile.ErrPassphrase) || !strings.Contains(err.Error(), "encrypted") {
		t.Errorf("%s, no passphrase: %v", what, err)
	}
	interrupted := errors.New("interrupted")
	if err := open(func() ([]byte, error) { return nil, interrupted }); !errors.Is(err, interrupted) {
		t.Errorf("%s, interrupted: %v", what, err)
	}
}

func TestKeysOfOpenSSL(t *testing.T) {
	pkcs8 := func(more ...string) []string {
		return append([]string{"pkcs8", "-topk8", "-in", "@ada.key", "-passout", "pass:testpass"}, more...)
	}
	legacy := []string{"-provider", "legacy", "-provider", "default"}
	for what, args := range map[string][]string{
		"plain":                   {"pkcs8", "-topk8", "-in", "@ada.key", "-nocrypt"},
		"PBES2 SHA-1 3DES":        pkcs8("-v2", "des3", "-v2prf", "hmacWithSHA1"),
		"PBES2 SHA-512 AES-128":   pkcs8("-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"),
		"PBES2 SHA-384 AES-192":   pkcs8("-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA384"),
		"PBES2 SHA-224":           pkcs8("-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA224"),
		"PBES2 scrypt":            pkcs8("-scrypt"),
		"PBES2 many rounds":       pkcs8("-v2", "aes-256-cbc", "-iter", "600000"),
		"PBES1 MD5 DES":           pkcs8(append(legacy, "-v1", "PBE-MD5-DES")...),
		"PBES1 SHA-1 DES":         pkcs8(append(legacy, "-v1", "PBE-SHA1-DES")...),
		"PKCS12 SHA-1 3DES":       pkcs8("-v1", "PBE-SHA1-3DES"),
		"PKCS12 SHA-1 2DES":       pkcs8("-v1", "PBE-SHA1-2DES"),
		"PKCS12 SHA-1 RC2-128":    pkcs8(append(legacy, "-v1", "PBE-SHA1-RC2-128")...),
		"PKCS12 SHA-1 RC2-40":     pkcs8(append(legacy, "-v1", "PBE-SHA1-RC2-40")...),
		"traditional AES-192":     {"rsa", "-in", "@ada.key", "-traditional", "-aes192", "-passout", "pass:testpass"},
		"SEC 1":                   {"ec", "-in", "@ecuser.key"},
		"SEC 1 AES-256":           {"ec", "-in", "@ecuser.key", "-aes256", "-passout", "pass:testpass"},
		"EC in PKCS #8":           {"pkcs8", "-topk8", "-in", "@ecuser.key", "-nocrypt"},
		"EC in PKCS #8 encrypted": {"pkcs8", "-topk8", "-in", "@ecuser.key", "-passout", "pass:testpass"},
		"EC with parameters":      {"ecparam", "-name", "prime256v1", "-genkey"},
		"Ed25519":                 {"genpkey", "-algorithm", "ed25519"},
	} {
		t.Run(what, func(t *testing.T) {
			data := openssl(t, args...)
			p := asked{text: "testpass"}
			key, err := keyfile.Key(data, p.passphrase)
			if err != nil {
				t.Fatalf("%v\n%s", err, data)
			}
			owner := "ada"
			if args[0] == "ec" || strings.HasPrefix(what, "EC in") {
				owner = "ecuser"
			}
			if args[0] != "ecparam" && args[0] != "genpkey" && !fits(key, certificate(t, owner)) {
				t.Error("another key")
			}
			again, err := keyfile.Marshal(key)
			if err != nil {
				t.Fatal(err)
			}
			if same, err := keyfile.Key(again, nil); err != nil || !same.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
				t.Errorf("%v: not read again:\n%s", err, again)
			}
			if bytes.Contains(data, []byte("ENCRYPTED")) && what != "PBES2 many rounds" {
				refuses(t, what, func(p keyfile.Passphrase) error { _, err := keyfile.Key(data, p); return err })
			}
		})
	}
}

func TestPKCS12OfOpenSSL(t *testing.T) {
	export := func(more ...string) []string {
		return append([]string{"pkcs12", "-export", "-in", "@sam.pem", "-inkey", "@sam.key", "-certfile", "@subca.pem",
			"-passout", "pass:Ünicode ☕ 𝄞"}, more...)
	}
	for what, args := range map[string][]string{
		"modern":       export(),
		"legacy":       export("-legacy"),
		"3DES":         export("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"),
		"AES-128":      export("-keypbe", "aes-128-cbc", "-certpbe", "aes-192-cbc", "-macalg", "sha512"),
		"SHA-384":      export("-macalg", "sha384", "-iter", "1"),
		"RC2-128":      export("-legacy", "-keypbe", "PBE-SHA1-RC2-128", "-certpbe", "PBE-SHA1-RC2-128", "-macalg", "sha224"),
		"no MAC":       export("-nomac"),
		"plain":        export("-keypbe", "NONE", "-certpbe", "NONE", "-nomac"),
		"named":        export("-name", "my key", "-caname", "my ca"),
		"many rounds":  export("-iter", "600000", "-macalg", "sha256", "-legacy"),
		"many rounds2": export("-iter", "600000"),
	} {
		t.Run(what, func(t *testing.T) {
			data := openssl(t, args...)
			p := asked{text: "Ünicode ☕ 𝄞"}
			key, certs, err := keyfile.PKCS12(data, p.passphrase)
			if err != nil {
				t.Fatal(err)
			}
			sam, subca := certificate(t, "sam"), certificate(t, "subca")
			if !fits(key, sam) || len(certs) != 2 || !certs[0].Equal(sam) || !certs[1].Equal(subca) {
				t.Errorf("another key, or %d certificates in another order", len(certs))
			}
			if want := map[bool]int{true: 0, false: 1}[what == "plain"]; p.times != want {
				t.Errorf("asked %d times", p.times)
			}
			if !strings.HasPrefix(what, "many") && what != "plain" {
				refuses(t, what, func(p keyfile.Passphrase) error { _, _, err := keyfile.PKCS12(data, p); return err })
			}
		})
	}
}

// issued returns the DER of a certificate with the given serial number and subject, and its
// issuer's key.
func issued(t testing.TB, serial, subject []byte) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(0x7F7F7F7F), RawSubject: subject,
		NotBefore: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2049, 1, 1, 0, 0, 0, 0, time.UTC)},
		&x509.Certificate{RawSubject: subject}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(der, []byte{2, 4, 0x7F, 0x7F, 0x7F, 0x7F}, append([]byte{2, 4}, serial...), 1), key
}

// resign signs the certificate again, whose contents were changed.
func resign(t testing.TB, der []byte, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	c, err := keyfile.Certificate(der)
	if err != nil {
		t.Fatal(err)
	}
	digest := crypto.SHA256.New()
	digest.Write(c.RawTBSCertificate)
	signature, err := key.Sign(rand.Reader, digest.Sum(nil), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	body := append(bytes.Clone(c.RawTBSCertificate), 0x30, 10, 6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2, 3, byte(len(signature)+1), 0)
	body = append(body, signature...)
	return append([]byte{0x30, 0x82, byte(len(body) >> 8), byte(len(body))}, body...)
}

func TestCertificatesThatTheStandardLibraryRefuses(t *testing.T) {
	plain := []byte{0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x0C, 1, 'x'}
	for what, c := range map[string]struct {
		serial  []byte
		subject []byte
		number  int64
	}{
		"negative serial":       {[]byte{0x80, 0, 0, 1}, plain, -0x7FFFFFFF},
		"negative serial, odd":  {[]byte{0xFF, 0x7F, 0, 1}, plain, -0x80FFFF},
		"at sign in Printable":  {[]byte{1, 0, 0, 1}, []byte{0x30, 14, 0x31, 12, 0x30, 10, 6, 3, 0x55, 4, 3, 0x13, 3, 'a', '@', 'b'}, 0x1000001},
		"bad UTF-8":             {[]byte{1, 0, 0, 1}, []byte{0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x0C, 1, 0xFF}, 0x1000001},
		"UniversalString":       {[]byte{1, 0, 0, 1}, []byte{0x30, 15, 0x31, 13, 0x30, 11, 6, 3, 0x55, 4, 3, 0x1C, 4, 0, 0, 0, 'x'}, 0x1000001},
		"Latin-1 in IA5":        {[]byte{1, 0, 0, 1}, []byte{0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x16, 1, 0xEB}, 0x1000001},
		"both":                  {[]byte{0x80, 0, 0, 1}, []byte{0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x16, 1, 0xEB}, -0x7FFFFFFF},
		"BMPString, odd length": {[]byte{1, 0, 0, 1}, []byte{0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x1E, 1, 'x'}, 0x1000001},
	} {
		t.Run(what, func(t *testing.T) {
			der, key := issued(t, c.serial, c.subject)
			der = resign(t, der, key)
			if _, err := x509.ParseCertificate(der); err == nil {
				t.Error("crypto/x509 has learnt to read this: the detour can go")
			}
			got, err := keyfile.Certificate(der)
			if err != nil {
				t.Fatal(err)
			}
			if got.SerialNumber.Int64() != c.number {
				t.Errorf("serial number %s, should be %d", got.SerialNumber, c.number)
			}
			if !bytes.Equal(got.Raw, der) || !bytes.Contains(der, got.RawTBSCertificate) ||
				!bytes.Equal(got.RawSubject, c.subject) || !bytes.Equal(got.RawIssuer, c.subject) {
				t.Error("bytes are not the original ones")
			}
			if err := got.CheckSignature(got.SignatureAlgorithm, got.RawTBSCertificate, got.Signature); err != nil {
				t.Errorf("the signature does not verify: %v", err)
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	ada, ca := read(t, pki, "certs", "ada.pem"), read(t, pki, "certs", "fxca.pem")
	key := read(t, pki, "certs", "ada.key")
	chain := join([]byte("some text\n"), ada, key, ca)
	all, err := keyfile.Certificates(chain)
	if err != nil || len(all) != 2 || !all[0].Equal(certificate(t, "ada")) || !all[1].Equal(certificate(t, "fxca")) {
		t.Errorf("%d certificates: %v", len(all), err)
	}
	if one, err := keyfile.Certificates(all[0].Raw); err != nil || len(one) != 1 || !one[0].Equal(all[0]) {
		t.Errorf("DER: %v", err)
	}
	if all, err = keyfile.Certificates(bytes.ReplaceAll(chain, []byte("\n"), []byte("\r\n"))); err != nil || len(all) != 2 {
		t.Errorf("line ends of Windows: %v", err)
	}
	giant, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{},
		&rsa.PublicKey{N: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 20000), big.NewInt(1)), E: 3}, ed25519.NewKeyFromSeed(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	garbled := bytes.Replace(ada, []byte("MII"), []byte("M!I"), 1)
	for what, data := range map[string][]byte{
		"nothing": nil, "a key only": key, "cut off": chain[:len(chain)-40], "garbled in the middle": join(garbled, ca),
		"no certificate inside": []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		"trailing bytes":        append(bytes.Clone(all[0].Raw), 0), "text": []byte("hello"), "a giant key": giant,
		"too many": bytes.Repeat(ada, 1001),
	} {
		if all, err := keyfile.Certificates(data); err == nil {
			t.Errorf("%s: %d certificates", what, len(all))
		}
	}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestWhatIsNoKey(t *testing.T) {
	public := openssl(t, "pkey", "-in", "@ada.key", "-pubout")
	for what, data := range map[string][]byte{"nothing": nil, "a certificate": read(t, pki, "certs", "ada.pem"), "a public key": public,
		"rubbish":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}),
		"exchange":  openssl(t, "genpkey", "-algorithm", "x25519"),
		"encrypted": pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})} {
		if _, err := keyfile.Key(data, nil); err == nil || errors.Is(err, keyfile.ErrPassphrase) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// An encrypted key that cannot sign is not a wrong passphrase.
	p := asked{text: "testpass"}
	_, err := keyfile.Key(openssl(t, "genpkey", "-algorithm", "x25519", "-aes256", "-pass", "pass:testpass"), p.passphrase)
	if err == nil || errors.Is(err, keyfile.ErrPassphrase) {
		t.Errorf("encrypted exchange key: %v", err)
	}
}

func TestMarshal(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, label := range map[string]string{"ada": "RSA PRIVATE KEY", "ecuser": "EC PRIVATE KEY", "": "PRIVATE KEY"} {
		var key crypto.Signer = ed
		if name != "" {
			if key, err = keyfile.Key(read(t, pki, "certs", name+".key"), nil); err != nil {
				t.Fatal(err)
			}
		}
		data, err := keyfile.Marshal(key)
		if err != nil || !strings.HasPrefix(string(data), "-----BEGIN "+label+"-----\n") {
			t.Errorf("%s: %v\n%s", label, err, data)
		}
	}
}

// TestKeyDerivationIsBounded has files that would keep the reader busy for minutes.
func TestKeyDerivationIsBounded(t *testing.T) {
	pbes2 := openssl(t, "pkcs8", "-topk8", "-in", "@ada.key", "-passout", "pass:testpass", "-iter", "4097")
	scrypt := openssl(t, "pkcs8", "-topk8", "-in", "@ada.key", "-passout", "pass:testpass", "-scrypt")
	p12 := openssl(t, "pkcs12", "-export", "-in", "@ada.pem", "-inkey", "@ada.key", "-passout", "pass:testpass", "-iter", "4097")
	more := func(der, from, to string) []byte {
		if !strings.Contains(der, from) {
			t.Fatalf("%x not found", from)
		}
		return []byte(strings.ReplaceAll(der, from, to))
	}
	block := func(data []byte) string {
		b, _ := pem.Decode(data)
		return string(b.Bytes)
	}
	p := asked{text: "testpass"}
	for what, der := range map[string][]byte{
		"PBKDF2, many":     more(block(pbes2), "\x02\x02\x10\x01\x30\x0c", "\x02\x04\x7f\xff\xff\xff\x30\x0a"),
		"PBKDF2, none":     more(block(pbes2), "\x02\x02\x10\x01", "\x02\x02\x00\x00"),
		"PBKDF2, negative": more(block(pbes2), "\x02\x02\x10\x01", "\x02\x02\x80\x01"),
		"scrypt, N":        more(block(scrypt), "\x02\x02\x40\x00", "\x02\x02\x7f\xff"),
		"scrypt, r":        more(block(scrypt), "\x02\x01\x08\x02\x01\x01", "\x02\x01\x7f\x02\x01\x01"),
		"scrypt, p":        more(block(scrypt), "\x02\x01\x08\x02\x01\x01", "\x02\x01\x08\x02\x01\x7f"),
	} {
		if _, err := keyfile.Key(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}), p.passphrase); err == nil || errors.Is(err, keyfile.ErrPassphrase) {
			t.Errorf("%s: %v", what, err)
		}
	}
	end := len(p12) - 2
	if string(p12[end-2:]) != "\x02\x02\x10\x01" {
		t.Fatalf("the file ends with %x", p12[end-2:])
	}
	for _, rounds := range []string{"\x7f\xff\xff", "\x00", "\xff"} {
		der := append(bytes.Clone(p12[:end-1]), append([]byte{byte(len(rounds))}, rounds...)...)
		der = lengthen(der, len(rounds)-2)
		if _, _, err := keyfile.PKCS12(der, p.passphrase); err == nil || !strings.Contains(err.Error(), "rounds") {
			t.Errorf("%x rounds of PKCS #12: %v", rounds, err)
		}
	}
}

// lengthen adds n to the lengths of the outermost SEQUENCE of a PKCS #12 file and of its last
// element.
func lengthen(der []byte, n int) []byte {
	size := int(der[2])<<8 + int(der[3]) + n
	der[2], der[3] = byte(size>>8), byte(size)
	i := bytes.LastIndex(der, []byte("\x30\x31\x30\x0d\x06\x09\x60")) // DigestInfo of SHA-256
	der[i-1] += byte(n)
	return der
}

// browser rewrites definite lengths of constructed elements to indefinite ones, and octet strings to
// pieces, as Firefox exports PKCS #12.
func browser(der []byte) []byte {
	var out []byte
	for len(der) > 0 {
		header, size := 2, int(der[1])
		switch der[1] {
		case 0x81:
			header, size = 3, int(der[2])
		case 0x82:
			header, size = 4, int(der[2])<<8+int(der[3])
		}
		content := der[header : header+size]
		switch tag := der[0]; {
		case tag&0x20 != 0:
			out = append(append(append(out, tag, 0x80), browser(content)...), 0, 0)
		case (tag == 4 || tag == 0x80) && size > 100:
			out = append(out, tag|0x20, 0x80)
			for len(content) > 0 {
				n := min(len(content), 100)
				out = append(append(out, 4, byte(n)), content[:n]...)
				content = content[n:]
			}
			out = append(out, 0, 0)
		default:
			out = append(out, der[:header+size]...)
		}
		der = der[header+size:]
	}
	return out
}

func TestPKCS12OfBrowsers(t *testing.T) {
	for _, name := range []string{"ada.p12", "ada.legacy.p12"} {
		p := asked{text: "testpass"}
		key, certs, err := keyfile.PKCS12(browser(read(t, pki, "keyforms", name)), p.passphrase)
		if err != nil || !fits(key, certs[0]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	plain := openssl(t, "pkcs12", "-export", "-in", "@ada.pem", "-inkey", "@ada.key", "-passout", "pass:", "-keypbe", "NONE", "-certpbe", "NONE", "-nomac")
	inner := bytes.Index(plain, []byte{4, 0x82}) + 4 // the authenticated safe inside its octet string
	for _, der := range [][]byte{plain, append([]byte{0x24, 0x80}, plain...), bytes.Repeat([]byte{0x30, 0x80}, 1000), browser(plain)[:1000], plain[inner:]} {
		if _, _, err := keyfile.PKCS12(der, nil); (err == nil) != (len(der) == len(plain) && der[0] == 0x30) {
			t.Errorf("%.20x: %v", der, err)
		}
	}
}

func TestPKCS12WithoutKeyOrCertificate(t *testing.T) {
	for what, args := range map[string][]string{
		"no private key":                    {"pkcs12", "-export", "-nokeys", "-in", "@ada.pem", "-passout", "pass:testpass"},
		"no certificate of its private key": {"pkcs12", "-export", "-nocerts", "-inkey", "@ada.key", "-passout", "pass:testpass"},
	} {
		p := asked{text: "testpass"}
		if _, _, err := keyfile.PKCS12(openssl(t, args...), p.passphrase); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := keyfile.PKCS12(make([]byte, 2<<20), nil); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a large file: %v", err)
	}
}

func FuzzKey(f *testing.F) {
	forms, err := filepath.Glob(filepath.Join(pki, "keyforms", "*.key"))
	if err != nil || len(forms) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range append(forms, filepath.Join(pki, "certs", "ecuser.key")) {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := asked{text: "testpass"}
		if key, err := keyfile.Key(data, p.passphrase); err == nil {
			if _, err := keyfile.Marshal(key); err != nil {
				t.Fatal(err)
			}
		}
		if p.times > 1 {
			t.Fatalf("asked %d times", p.times)
		}
	})
}

func FuzzPKCS12(f *testing.F) {
	for _, name := range []string{"ada.p12", "ada.legacy.p12"} {
		f.Add(read(f, pki, "keyforms", name))
		f.Add(browser(read(f, pki, "keyforms", name)))
	}
	// Without encryption and authentication, so that changes get further than to those.
	f.Add(openssl(f, "pkcs12", "-export", "-in", "@ada.pem", "-inkey", "@ada.key", "-passout", "pass:", "-keypbe", "NONE", "-certpbe", "NONE", "-nomac"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := asked{text: "testpass"}
		key, certs, err := keyfile.PKCS12(data, p.passphrase)
		if err == nil && !fits(key, certs[0]) {
			t.Fatal("the first certificate is not that of the key")
		}
		if p.times > 1 {
			t.Fatalf("asked %d times", p.times)
		}
	})
}

func FuzzCertificates(f *testing.F) {
	for _, name := range []string{"ada", "zoe", "ecuser", "subca"} {
		f.Add(read(f, pki, "certs", name+".pem"))
		f.Add(certificate(f, name).Raw)
	}
	der, _ := issued(f, []byte{0x80, 0, 0, 1}, []byte{0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x16, 1, 0xEB})
	f.Add(der)
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := keyfile.Certificates(data)
		if err != nil {
			return
		}
		for _, c := range all {
			again, err := keyfile.Certificate(c.Raw)
			if err != nil || again.SerialNumber.Cmp(c.SerialNumber) != 0 {
				t.Fatalf("%x is read once only: %v", c.Raw, err)
			}
			if !bytes.Contains(c.Raw, c.RawTBSCertificate) || !bytes.Contains(c.RawTBSCertificate, c.RawSubject) || !bytes.Contains(c.RawTBSCertificate, c.RawIssuer) {
				t.Fatalf("%x: parts are not of the whole", c.Raw)
			}
		}
	})
}
