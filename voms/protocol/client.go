package protocol

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms/vomses"
)

// LegacyMode says when a client speaks the XML form.
type LegacyMode int

// The modes.
const (
	LegacyFallback LegacyMode = iota // REST first, XML where REST brings neither certificate nor refusal (as the C client)
	LegacyNever                      // REST alone (as the Java client)
	LegacyOnly                       // XML alone
)

const defaultTimeout = 60 * time.Second

// Client asks the servers of a VO for attribute certificates. Credential, Trust and Now are
// required.
type Client struct {
	// Credential is what the client shows: an end-entity certificate or a proxy, with all of its
	// chain but the CA.
	Credential tls.Certificate
	// Trust holds the CAs that servers' certificates are verified with, as Options say.
	Trust   *trust.Store
	Options trust.Options
	// Timeout is how long one connection may take, with everything; zero means 60 s.
	Timeout time.Duration
	// SkipHostname accepts a server whose certificate is for another host.
	SkipHostname bool
	Legacy       LegacyMode
	UserAgent    string // zero means "lanyard"
	Now          func() time.Time
	// Dial opens connections; nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Contacting and Contacted, where set, are told of each server before and after it is asked.
	Contacting func(vomses.Server)
	Contacted  func(vomses.Server, error)
}

// Failure is why one server gave no certificate.
type Failure struct {
	Server vomses.Server
	// Err is a *Error where the server refused. Otherwise it says in words what happened; the
	// cause, such as syscall.ECONNREFUSED, is found with errors.Is and errors.As.
	Err error
}

// Unanswered is the error of Get where no server gave a certificate.
type Unanswered struct {
	VO       string
	Failures []Failure // in the order in which the servers were asked
}

// Error tells each server's reason and what follows, in several lines.
func (u *Unanswered) Error() string {
	var b strings.Builder
	for _, f := range u.Failures {
		fmt.Fprintf(&b, "%s: %v\n", f.Server.Address(), f.Err)
	}
	if len(u.Failures) == 1 {
		fmt.Fprintf(&b, "the only server of VO %s gave no attribute certificate", u.VO)
	} else {
		fmt.Fprintf(&b, "none of the %d servers of VO %s gave an attribute certificate", len(u.Failures), u.VO)
	}
	return b.String()
}

// Unwrap returns the reasons.
func (u *Unanswered) Unwrap() []error {
	errs := make([]error, len(u.Failures))
	for i, f := range u.Failures {
		errs[i] = f.Err
	}
	return errs
}

// Get asks the servers of one VO in random order until one answers, and returns which. Where none
// does the error is an *Unanswered; other errors say what is wrong with the request or client.
func (c Client) Get(ctx context.Context, servers []vomses.Server, r Request) (Answer, vomses.Server, error) {
	switch {
	case len(servers) == 0:
		return Answer{}, vomses.Server{}, errors.New("no server of the VO is known")
	case c.Trust == nil || c.Now == nil:
		return Answer{}, vomses.Server{}, errors.New("the client has no CAs or no clock")
	case r.List && c.Legacy == LegacyNever:
		return Answer{}, vomses.Server{}, errNoList
	}
	if err := r.Check(); err != nil {
		return Answer{}, vomses.Server{}, err
	}
	un := &Unanswered{VO: servers[0].VO}
	for _, i := range rand.Perm(len(servers)) { //nolint:gosec // to spread load, not to keep a secret
		s := servers[i]
		if c.Contacting != nil {
			c.Contacting(s)
		}
		answer, err := c.ask(ctx, s, r)
		if c.Contacted != nil {
			c.Contacted(s, err)
		}
		if err == nil {
			return answer, s, nil
		}
		un.Failures = append(un.Failures, Failure{s, err})
		if ctx.Err() != nil {
			break
		}
	}
	return Answer{}, vomses.Server{}, un
}

// ask asks one server in the forms that the client may use.
func (c Client) ask(ctx context.Context, s vomses.Server, r Request) (Answer, error) {
	if c.Legacy == LegacyOnly || r.List {
		answer, _, err := c.once(ctx, s, r, Legacy)
		return answer, err
	}
	answer, reached, err := c.once(ctx, s, r, REST)
	// A refusal is an answer; and where no connection is made, none would be made again.
	if _, refused := errors.AsType[*Error](err); err == nil || refused || !reached || c.Legacy == LegacyNever {
		return answer, err
	}
	answer, _, again := c.once(ctx, s, r, Legacy)
	if _, refused := errors.AsType[*Error](again); again == nil || refused || again.Error() == err.Error() {
		return answer, again
	}
	return answer, fmt.Errorf("%w; asked in XML, %w", err, again)
}

// once makes one connection for one request. It reports whether the server was reached.
func (c Client) once(ctx context.Context, s vomses.Server, r Request, form Form) (_ Answer, reached bool, err error) {
	limit := c.Timeout
	if limit <= 0 {
		limit = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer func() { err = inWords(ctx, err, s, limit) }()
	conn, err := c.connect(ctx, s)
	if err != nil {
		return Answer{}, false, err
	}
	defer conn.Close()
	// Whatever waits on the connection gives up when the time is over.
	stop := context.AfterFunc(ctx, func() { _ = conn.NetConn().Close() })
	defer stop()
	if err := WriteRequest(conn, form, s, r, c.UserAgent); err != nil {
		return Answer{}, true, err
	}
	answer, err := ReadAnswer(conn, form)
	return answer, true, err
}
