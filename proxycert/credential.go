package proxycert

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

// What Parse reads and a Verifier looks at, at most. Real files stay below 100 KiB and have fewer
// than ten certificates.
const (
	MaxFile         = 1 << 20 // bytes
	MaxCertificates = 32
)

// A Credential is a proxy or a person's own certificate, with its key. It is what proxies are made
// with and what is shown to services.
type Credential struct {
	// Chain is the certificate that Key belongs to, then its issuers up to the end-entity
	// certificate. No authority is among them.
	Chain []*x509.Certificate
	// Key belongs to Chain[0]. It is nil where only certificates are at hand.
	Key crypto.Signer
}

// Parse reads a proxy file: certificates and, if there is one, the private key, in PEM and in any
// order. A person's certificate with its key is read too. Authorities' certificates at the end are
// left out of the chain; anything else that does not belong to it is an error, and so is a chain
// that does not reach the end-entity. Parse verifies no signature: that is for a Verifier.
//
// Errors are of type *Error, except that those about a passphrase wrap keyfile.ErrPassphrase.
func Parse(data []byte, p keyfile.Passphrase) (Credential, error) {
	hasKey, err := scan(data)
	if err != nil {
		return Credential{}, err
	}
	certs, err := keyfile.Certificates(data)
	if err != nil {
		return Credential{}, &Error{Reason: Malformed, Detail: err.Error(), cause: err}
	}
	var key crypto.Signer
	if hasKey {
		if key, err = keyfile.Key(data, p); err != nil {
			return Credential{}, fmt.Errorf("read the private key: %w", err)
		}
	}
	return assemble(certs, key)
}

// scan looks at the PEM blocks before anything is read of them, so that a damaged block is not
// taken for a missing one, and reports whether a private key is among them.
func scan(data []byte) (hasKey bool, err error) {
	if len(data) > MaxFile {
		return false, refuse(Malformed, nil, "it has %d bytes; %d are the limit", len(data), MaxFile)
	}
	begun := bytes.Count(data, []byte("-----BEGIN "))
	if begun == 0 {
		return false, refuse(Malformed, nil, "it holds no PEM block")
	}
	if begun > MaxCertificates+1 {
		return false, refuse(Malformed, nil, "it holds %d PEM blocks; %d are the limit", begun, MaxCertificates+1)
	}
	whole, keys := 0, 0
	for b, rest := pem.Decode(data); b != nil; b, rest = pem.Decode(rest) {
		whole++
		if strings.HasSuffix(b.Type, "PRIVATE KEY") {
			keys++
		}
	}
	if whole != begun {
		return false, refuse(Malformed, nil, "%d of its %d PEM blocks are damaged", begun-whole, begun)
	}
	if keys > 1 {
		return false, refuse(Malformed, nil, "it holds %d private keys", keys)
	}
	return keys == 1, nil
}

// EndEntity returns the certificate of the person or host that the chain begins with, nil if the
// chain does not reach it.
func (c Credential) EndEntity() *x509.Certificate {
	i := slices.IndexFunc(c.Chain, func(c *x509.Certificate) bool { return kind(c) == None })
	if i < 0 {
		return nil
	}
	return c.Chain[i]
}

// Identity returns the end-entity's subject in slash form, "" if the chain does not reach it.
func (c Credential) Identity() string {
	if e := c.EndEntity(); e != nil {
		return slashOf(e)
	}
	return ""
}

// Limited reports whether any proxy of the chain is limited: then all of it is.
func (c Credential) Limited() bool {
	return slices.ContainsFunc(c.Chain, func(c *x509.Certificate) bool {
		info, _ := Inspect(c) // one that cannot be understood is refused elsewhere
		return info.Limited
	})
}

// NotAfter returns when the first certificate of the chain ends, and with it the credential. It is
// zero if there is no chain.
func (c Credential) NotAfter() time.Time {
	var end time.Time
	for i, c := range c.Chain {
		if i == 0 || c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end
}

// PEM returns the proxy file as all tools expect it: the leaf, its key, then the issuers. RSA keys
// are written as PKCS#1, because old peers read nothing else. Without a key there are only the
// certificates: what the receiver of a delegation is sent.
func (c Credential) PEM() ([]byte, error) {
	var out []byte
	for i, cert := range c.Chain {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
		if i > 0 || c.Key == nil {
			continue
		}
		key, err := keyfile.Marshal(c.Key)
		if err != nil {
			return nil, err
		}
		out = append(out, key...)
	}
	return out, nil
}

// TLS returns the credential for a connection. As a client, hand it out from GetClientCertificate:
// a server's list of authorities never names the issuer of a proxy.
func (c Credential) TLS() tls.Certificate {
	t := tls.Certificate{PrivateKey: c.Key}
	for _, cert := range c.Chain {
		t.Certificate = append(t.Certificate, cert.Raw)
	}
	if len(c.Chain) > 0 {
		t.Leaf = c.Chain[0]
	}
	return t
}
