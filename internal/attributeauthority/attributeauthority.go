// Package attributeauthority is where clients of VOMS get their attribute certificates: one TLS
// listener for each VO, which speaks both forms of the protocol on one port. It verifies who asks,
// hands the question to the authority and writes the answer in the form that the client reads; it
// holds no rule about members. It is no net/http server because the C client would not take that
// one's answers; docs/protocols/voms.md says why.
package attributeauthority

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

// Authority decides what a holder gets. Its refusals are *protocol.Error; any other error is ours
// to repair, and clients are told no more than that.
type Authority interface {
	Attributes(ctx context.Context, name string, h vo.Holder, r protocol.Request) (protocol.Answer, error)
}

// Config is what a Server is made of.
type Config struct {
	// VO is the name that Authority is asked with.
	VO string
	// Certificate returns the server's own certificate with its key, at each handshake.
	Certificate func() (*tls.Certificate, error)
	// Trust returns the CAs of clients, at each request.
	Trust   func() (*trust.Store, error)
	Options trust.Options
	// AllowLegacy and AllowDraft accept clients whose proxies have the older forms.
	AllowLegacy, AllowDraft bool
	// Anchors say whose attribute certificates count when a client authenticates with a proxy
	// that has some; those of Certificate always do.
	Anchors   voms.Anchors
	Authority Authority
	Now       func() time.Time
	Log       *slog.Logger
	// Connections is how many clients are served at once; others wait. Zero means 256.
	Connections int
}

// Server answers the clients of one VO.
type Server struct{ c Config }

// New checks the configuration.
func New(c Config) (*Server, error) { return nil, errors.New("not written yet") }

// Serve answers clients of listener until ctx ends, then closes it and returns when the requests
// under way are answered, at most 15 s later.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	return errors.New("not written yet")
}
