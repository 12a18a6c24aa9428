// Package attributeauthority is where VOMS clients get their attribute certificates: one TLS
// listener for each VO, which speaks both forms of the protocol on one port. It verifies who asks,
// hands the question to the authority and writes the answer in the form that the client reads; it
// holds no rule about members.
//
// It is no net/http server, because the C client sends what that one does not understand and takes
// none of its answers. It imports the rows below it.
package attributeauthority

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

const (
	// requestTime is how long a client may take to ask, and again to take its answer.
	requestTime = 15 * time.Second
	// defaultConnections bounds memory: each client may send 64 KiB.
	defaultConnections = 1024
	// acceptPause is how long to wait when the system has no room for another connection.
	acceptPause = 100 * time.Millisecond
)

// Authority decides what a holder gets. Its refusals are *protocol.Error; any other error is ours
// to repair, and clients are told no more than that.
type Authority interface {
	Attributes(ctx context.Context, name string, h vo.Holder, r protocol.Request) (protocol.Answer, error)
}

// Config is what a Server is made of. VO, Certificate, Trust, Authority, Now and Log are required.
type Config struct {
	// VO is the name that Authority is asked with.
	VO string
	// Certificate returns the server's own certificate with its key. It is asked at each
	// connection, so that a renewed one is used at once.
	Certificate func() (*tls.Certificate, error)
	// Trust returns the CAs of clients. It is asked at each request.
	Trust   func() (*trust.Store, error)
	Options trust.Options
	// AllowLegacy and AllowDraft accept clients whose proxies have the older forms.
	AllowLegacy, AllowDraft bool
	// Anchors say whose attribute certificates count when a client authenticates with a proxy
	// that has some. Those that Certificate signs always do.
	Anchors   voms.Anchors
	Authority Authority
	Now       func() time.Time
	Log       *slog.Logger
	// Connections is how many clients are served at once; others wait. Zero means 1024.
	Connections int
}

// Server answers the clients of one VO.
type Server struct{ c Config }

// New checks the configuration.
func New(c Config) (*Server, error) {
	if c.VO == "" || c.Certificate == nil || c.Trust == nil || c.Authority == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("attribute authority: the configuration is incomplete")
	}
	if c.Connections <= 0 {
		c.Connections = defaultConnections
	}
	c.Log = c.Log.With("vo", c.VO)
	return &Server{c}, nil
}

// Serve answers the clients of listener until ctx ends. Then it closes the listener and returns
// when the requests under way are answered, at most 15 s later. It returns early only if the
// listener fails for good.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	var under sync.WaitGroup
	defer under.Wait()
	defer listener.Close()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	places := make(chan struct{}, s.c.Connections)
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := listener.Accept()
		switch {
		case err == nil:
			under.Go(func() {
				defer func() { <-places }()
				s.serve(ctx, conn)
			})
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		}
		<-places
		s.c.Log.WarnContext(ctx, "connection not accepted", "err", err)
		select {
		case <-time.After(acceptPause):
		case <-ctx.Done():
			return nil
		}
	}
}
