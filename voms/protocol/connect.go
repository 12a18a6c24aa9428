package protocol

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/lanyardhq/lanyard/voms/vomses"
)

var errNoList = errors.New("only the XML form can ask for a list")

// connect opens a TLS connection to s and verifies its certificate as the grid does, which
// crypto/tls cannot: with signing policies and CRLs, and with host names in common names.
func (c Client) connect(ctx context.Context, s vomses.Server) (*tls.Conn, error) {
	dial := c.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	raw, err := dial(ctx, "tcp", s.Address())
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         s.Host,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it, by the grid's rules
		VerifyConnection: func(state tls.ConnectionState) error {
			if _, err := c.Trust.Verify(state.PeerCertificates, c.Now(), c.Options); err != nil {
				return ours(err, "its certificate is not trusted: %v", err)
			}
			if c.SkipHostname {
				return nil
			}
			return checkHost(state.PeerCertificates[0], s.Host)
		},
		// The server's list of CAs never names the issuer of a proxy, so it does not count.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.Credential, nil },
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// checkHost is the check of RFC 6125 with the common name as a way out, which old grid hosts need:
// they have no subjectAltName, and some a service's name before the host's ("host/voms.example").
func checkHost(cert *x509.Certificate, host string) error {
	names := *cert
	if len(cert.DNSNames)+len(cert.IPAddresses) == 0 {
		cn := cert.Subject.CommonName
		if _, after, ok := strings.Cut(cn, "/"); ok {
			cn = after
		}
		names = x509.Certificate{Raw: cert.Raw, Extensions: cert.Extensions, DNSNames: []string{cn}}
		if ip := net.ParseIP(cn); ip != nil {
			names.IPAddresses = []net.IP{ip}
		}
	}
	if names.VerifyHostname(host) == nil {
		return nil
	}
	others := names.DNSNames
	for _, ip := range names.IPAddresses {
		others = append(others[:len(others):len(others)], ip.String())
	}
	return fmt.Errorf("its certificate is not for the host %s but for %s", host, strings.Join(others[:min(len(others), 5)], ", "))
}

// wrong is an error whose text is ours and whose cause somebody may look for.
type wrong struct {
	text  string
	cause error
}

func (w *wrong) Error() string { return w.text }
func (w *wrong) Unwrap() error { return w.cause }

func ours(cause error, format string, args ...any) error {
	return &wrong{fmt.Sprintf(format, args...), cause}
}

// inWords says what a failed connection means, in a clause about the server.
func inWords(ctx context.Context, err error, s vomses.Server, limit time.Duration) error {
	if err == nil {
		return nil
	}
	if _, refused := errors.AsType[*Error](err); refused {
		return err
	}
	if ctx.Err() != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return ours(ctx.Err(), "it did not answer within %s", limit)
		}
		return ctx.Err()
	}
	if unknown, ok := errors.AsType[*net.DNSError](err); ok {
		if unknown.IsNotFound {
			return ours(err, "there is no host with the name %s", s.Host)
		}
		return ours(err, "the name %s cannot be looked up: %s", s.Host, unknown.Err)
	}
	if remote, ok := errors.AsType[*net.OpError](err); ok && remote.Op == "remote error" {
		return ours(err, "it refused the TLS connection: %s. If it names a certificate, that is yours: is your CA known there, and your certificate or proxy valid?",
			strings.TrimPrefix(remote.Err.Error(), "tls: "))
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return ours(err, "what listens there does not speak TLS")
	}
	if _, ok := errors.AsType[*wrong](err); ok {
		return err
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return ours(err, "connection refused: nothing listens there")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ours(err, "%v", errClosed)
	}
	if call, ok := errors.AsType[*net.OpError](err); ok && call.Op == "dial" {
		return ours(err, "it cannot be reached: %v", call.Err)
	}
	return err
}
