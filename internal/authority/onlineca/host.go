package onlineca

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// Host certificates are renewed when a third of their life is left. Attribute authorities need RSA
// keys, because the Java client verifies no others.
const (
	hostLife = 365 * 24 * time.Hour
	hostBits = 2048
)

// Host returns the certificate of an attribute authority at the host, with its key, as servers that
// share the database share it. It is made where there is none, and renewed in time; either takes a
// second, so call it ahead.
func (a *CA) Host(ctx context.Context, host string) (*tls.Certificate, error) {
	name, now := "aa/"+host, a.c.Now().UTC().Truncate(time.Second)
	k, err := a.c.Store.KeyPair(ctx, name)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return nil, fmt.Errorf("read the key of host %s: %w", host, err)
	}
	if err != nil || k.NotAfter.Sub(now) < hostLife/3 || !a.signed(k.Certificate) {
		if err := a.makeHost(ctx, name, host, k.ID, now); err != nil {
			return nil, err
		}
		if k, err = a.c.Store.KeyPair(ctx, name); err != nil {
			return nil, fmt.Errorf("read the key of host %s: %w", host, err)
		}
	}
	cert, key, err := openPair(k)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}

// signed reports whether this CA signed the certificate.
func (a *CA) signed(der []byte) bool {
	c, err := x509.ParseCertificate(der)
	return err == nil && c.CheckSignatureFrom(a.root) == nil
}

func (a *CA) makeHost(ctx context.Context, name, host, old string, now time.Time) error {
	key, err := rsa.GenerateKey(rand.Reader, hostBits)
	if err != nil {
		return fmt.Errorf("make the key of host %s: %w", host, err)
	}
	t := &x509.Certificate{SerialNumber: serial(), NotBefore: now.Add(-backdate), NotAfter: now.Add(hostLife),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if ip := net.ParseIP(host); ip != nil {
		t.IPAddresses = []net.IP{ip}
	} else {
		t.DNSNames = []string{host}
	}
	cert, err := a.sign(t, "/CN="+host, &key.PublicKey)
	if err != nil {
		return err
	}
	return a.keep(ctx, name, key, cert.Raw, t.NotAfter, old, "aa.create")
}
