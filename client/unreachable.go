package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/lanyardhq/lanyard/api"
)

// Unreachable is a request that got no answer.
type Unreachable struct {
	// Server is the host, or the path of the socket.
	Server string
	// Why says it in words.
	Why string
	// Cause is what the network said.
	Cause error
}

// Error implements error.
func (u *Unreachable) Error() string { return "cannot reach " + u.Server + ": " + u.Why }

// Unwrap returns the cause.
func (u *Unreachable) Unwrap() error { return u.Cause }

// A tokenError marks what Options.Token failed with.
type tokenError struct{ error }

// explain turns what went wrong into what callers are promised.
func (c *Client) explain(caller context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*api.Problem](err); ok {
		return err
	}
	if t, ok := errors.AsType[*tokenError](err); ok {
		return t.error
	}
	if caller.Err() != nil {
		return fmt.Errorf("request to %s: %w", c.name, caller.Err())
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the address is said already
	}
	return &Unreachable{Server: c.name, Why: why(err), Cause: err}
}

// why says in words what a transport's error means.
func why(err error) string {
	if s := certificate(err); s != "" {
		return s
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.IsNotFound {
			return "there is no host of this name"
		}
		return "its name cannot be looked up now"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "it does not speak TLS at this port; is it http:// in place of https://?"
	}
	if e, ok := errors.AsType[tls.AlertError](err); ok {
		return "it refused the TLS connection (" + e.Error() + ")"
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no socket; is the server running on this machine?"
	case errors.Is(err, fs.ErrPermission):
		return "the socket is for root and the server's own user"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused; nothing listens there"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to it from here"
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			return fmt.Sprintf("no connection within %d seconds", connectTimeout/1e9)
		}
		return "no answer in time"
	}
	return "the connection broke"
}

// certificate says what is wrong with the server's certificate; "" if it is something else.
func certificate(err error) string {
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		if names := e.Certificate.DNSNames; len(names) > 0 {
			return "certificate is for " + strings.Join(names, ", ")
		}
		return "certificate is for another host"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return "certificate has expired, or the clock of this machine is wrong"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "certificate is signed by an authority that this machine does not know"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate is not valid"
	}
	return ""
}

// passing reports whether err may be gone a moment later.
func passing(err error) bool {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return p.Status == http.StatusServiceUnavailable
	}
	if _, ok := errors.AsType[*tokenError](err); ok {
		return false
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return false
	}
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	return !notTLS && certificate(err) == "" && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) &&
		!errors.Is(err, http.ErrSchemeMismatch) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}
