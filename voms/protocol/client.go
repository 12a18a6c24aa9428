package protocol

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/trust"
)

// LegacyMode says when a client speaks the XML form.
type LegacyMode int

const (
	LegacyFallback LegacyMode = iota // REST first, XML where REST yields no certificate (as the C client)
	LegacyNever                      // REST alone (as the Java client)
	LegacyOnly                       // XML alone
)

// Client asks the servers of a VO for attribute certificates.
type Client struct {
	// Credential is what the client shows: an end-entity certificate or a proxy with its chain.
	Credential tls.Certificate
	// Trust holds the CAs that servers' certificates are verified with. Required.
	Trust   *trust.Store
	Options trust.Options
	// Timeout is how long one server may take in one form, with everything; zero means 60 s.
	Timeout time.Duration
	// SkipHostname accepts a server whose certificate is for another host.
	SkipHostname bool
	Legacy       LegacyMode
	UserAgent    string // zero means "lanyard"
	Now          func() time.Time
	// Dial opens connections; nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Contacting and Contacted, where set, are told of each server before and after it is asked.
	Contacting func(Server)
	Contacted  func(Server, error)
}

// Failure is why one server gave no certificate.
type Failure struct {
	Server Server
	// Err is a *Error where the server refused, and says in words what happened otherwise.
	Err error
}

// Unanswered is the error of Get where no server gave a certificate.
type Unanswered struct {
	VO       string
	Failures []Failure // in the order in which the servers were asked
}

// Error tells each server's reason and what follows.
func (u *Unanswered) Error() string { return "not written yet" }

// Get asks the servers in random order until one gives a certificate.
func (c Client) Get(ctx context.Context, servers []Server, r Request) (Answer, Server, error) {
	return Answer{}, Server{}, errors.New("not written yet")
}
