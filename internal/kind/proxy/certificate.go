package proxy

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/proxycert"
)

// certify has the server's own authority sign a certificate for the account: for the key of the
// request, or for one of the server's. Its serial number is the credential's public id, so that
// ending the credential revokes the certificate.
func (k *Kind) certify(ctx context.Context, w Wanted, o credential.Order) (credential.Made, error) {
	if k.CA == nil {
		return credential.Made{}, fault.New(fault.Invalid, "this server has no certification authority of its own").
			WithHint("use a certificate that you have: lanyard proxy delegate")
	}
	spec := Spec{Way: Certificate, KeyPlace: AtServer, VOMS: w.VOMS, Limited: w.Limited}
	var c proxycert.Credential
	public, err := requested(w.Request)
	switch {
	case err != nil:
		return credential.Made{}, err
	case public != nil:
		spec.KeyPlace = AtClient
	default:
		if c.Key, err = k.Keys.Take(ctx); err != nil {
			return credential.Made{}, err
		}
		public = c.Key.Public()
	}
	number, err := serial()
	if err != nil {
		return credential.Made{}, err
	}
	cert, err := k.CA.Certify(ctx, o.Owner, public, number, o.Until)
	if err != nil {
		return credential.Made{}, err
	}
	c.Chain = []*x509.Certificate{cert}
	r := proxycert.Result{EndEntity: cert, Chain: c.Chain, Identity: c.Identity(), ExpiresAt: cert.NotAfter}
	return spec.describe(r).made(number.Text(16), c, "")
}

// requested returns the key of a signing request whose sender proved to hold it; nil without one.
func requested(text string) (crypto.PublicKey, error) {
	if text == "" {
		return nil, nil
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, fault.New(fault.Invalid, "the signing request is not PEM").WithHint("it begins with -----BEGIN CERTIFICATE REQUEST-----")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = request.CheckSignature()
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "the signing request cannot be used: %v", err).WithHint("make it anew: openssl req -new -newkey rsa:2048")
	}
	return request.PublicKey, nil
}

// serial returns a random number of 126 bits, which is positive and short enough (RFC 5280
// §4.1.2.2).
func serial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}
