package proxycert

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
)

// maxRequest is the size of a signing request, in bytes, above which Sign does not read it.
const maxRequest = 64 << 10

// Request returns a PEM signing request (PKCS #10) for key. It is the first step of a delegation:
// who wants a proxy makes a key and sends the request, who has one answers with Sign, and Complete
// puts both together. No private key travels. The request's subject means nothing.
func Request(key crypto.Signer) ([]byte, error) {
	if key == nil {
		return nil, errors.New("a signing request needs a key")
	}
	der, err := x509.CreateCertificateRequest(rand.Reader,
		&x509.CertificateRequest{Subject: pkix.Name{CommonName: "proxy"}}, key)
	if err != nil {
		return nil, fmt.Errorf("make a signing request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// Sign answers a signing request, PEM or DER: a new proxy for the request's key, then the issuer's
// chain. The request must prove that its sender holds the key, which has at least 2048 bits (RSA)
// or is on P-256 or a larger curve. Of what the request asks for besides, nothing is looked at.
func Sign(issuer Credential, request []byte, t Template) ([]*x509.Certificate, error) {
	if len(request) > maxRequest {
		return nil, refuse(Malformed, nil, "the signing request has %d bytes; %d are the limit", len(request), maxRequest)
	}
	if b, rest := pem.Decode(request); b != nil {
		if len(bytes.TrimSpace(rest)) > 0 {
			return nil, refuse(Malformed, nil, "there is something behind the signing request")
		}
		request = b.Bytes
	}
	csr, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, &Error{Reason: Malformed, Detail: "the signing request cannot be read", cause: err}
	}
	if weakness := weak(csr.PublicKey, delegatedRSA); weakness != "" {
		return nil, &Error{Reason: Algorithm, Detail: "the signing request: " + weakness}
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, &Error{Reason: Signature, Detail: "the signing request is not signed by its own key", cause: err}
	}
	return issue(issuer, csr.PublicKey, t)
}

// Complete joins a key and the chain that was made for its signing request. The chain may come in
// any order; the error is an *Error, of Reason KeyMismatch if the chain is for another key. As with
// Parse, signatures are not verified.
func Complete(key crypto.Signer, chain []*x509.Certificate) (Credential, error) {
	if key == nil {
		return Credential{}, errors.New("a credential needs a key")
	}
	if len(chain) > MaxCertificates {
		return Credential{}, refuse(Malformed, nil, "there are %d certificates; %d are the limit", len(chain), MaxCertificates)
	}
	return assemble(chain, key)
}
