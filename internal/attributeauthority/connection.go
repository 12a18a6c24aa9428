package attributeauthority

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"runtime/debug"

	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

// serve answers one connection and logs one line about it. Whatever goes wrong ends this
// connection and no other. When ctx ends before the request is there, so does the connection; a
// request that is there is answered.
func (s *Server) serve(ctx context.Context, raw net.Conn) {
	defer raw.Close()
	log := s.c.Log.With("address", host(raw.RemoteAddr()))
	defer func() {
		if p := recover(); p != nil {
			log.ErrorContext(ctx, "request broke off", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	own, err := s.c.Certificate()
	if err != nil {
		log.ErrorContext(ctx, "no certificate to serve with", "err", err)
		return
	}
	conn := tls.Server(raw, &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{*own},
		// crypto/tls cannot verify proxies. It proves that the client has the key; the chain is
		// verified afterwards, where the client can be told in words what is wrong.
		ClientAuth: tls.RequireAnyClientCert,
		// A session that is resumed would bring a chain that was verified long ago.
		SessionTicketsDisabled: true,
	})
	in, err := s.receive(ctx, conn)
	if _, refused := errors.AsType[*protocol.Error](err); err != nil && !refused {
		log.InfoContext(ctx, "no request", "err", err)
		return
	}
	ctx, end := s.within(context.WithoutCancel(ctx), raw)
	defer end()
	holder := vo.Holder{Chain: conn.ConnectionState().PeerCertificates, Address: host(raw.RemoteAddr())}
	var answer protocol.Answer
	if err == nil {
		err = s.identify(&holder, own)
	}
	if err == nil {
		answer, err = s.c.Authority.Attributes(ctx, s.c.VO, holder, in.Request)
	}
	s.tell(ctx, log, holder, in, err)
	if err := errors.Join(protocol.WriteAnswer(conn, in, answer, err), conn.Close()); err != nil {
		log.InfoContext(ctx, "answer not delivered", "err", err)
	}
}

// receive shakes hands and reads the request.
func (s *Server) receive(ctx context.Context, conn *tls.Conn) (protocol.Incoming, error) {
	ctx, end := s.within(ctx, conn.NetConn())
	defer end()
	if err := conn.HandshakeContext(ctx); err != nil {
		return protocol.Incoming{}, err
	}
	return protocol.ReadRequest(conn)
}

// within gives conn so much time and no more: whatever waits on it when ctx ends gives up.
func (s *Server) within(ctx context.Context, conn net.Conn) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	return ctx, func() {
		stop()
		cancel()
	}
}

// tell logs how a request ended.
func (s *Server) tell(ctx context.Context, log *slog.Logger, h vo.Holder, in protocol.Incoming, err error) {
	const most = 100 // characters of what the client calls itself
	log = log.With("form", in.Form.String(), "subject", h.Result.Identity, "agent", in.UserAgent[:min(len(in.UserAgent), most)])
	refusal, refused := errors.AsType[*protocol.Error](err)
	switch {
	case err == nil:
		log.InfoContext(ctx, "attributes given")
	case refused:
		log.InfoContext(ctx, "attributes refused", "code", refusal.Code, "reason", refusal.Message)
	default:
		log.ErrorContext(ctx, "attributes not given", "err", err)
	}
}

// identify verifies who asks: the client's chain, and the attribute certificates in it.
func (s *Server) identify(h *vo.Holder, own *tls.Certificate) error {
	if len(h.Chain) > proxycert.MaxCertificates {
		return protocol.NewError(protocol.BadRequest, "Your proxy has more than %d certificates.", proxycert.MaxCertificates)
	}
	cas, err := s.c.Trust()
	if err != nil {
		return fmt.Errorf("read the trusted CAs: %w", err)
	}
	verifier := proxycert.Verifier{Trust: cas, Options: s.c.Options, At: s.c.Now(), AllowLegacy: s.c.AllowLegacy, AllowDraft: s.c.AllowDraft}
	h.Result, err = verifier.Verify(h.Chain)
	if err != nil {
		return protocol.NewError(protocol.BadRequest, "Your certificate or proxy is not accepted: %v.", err)
	}
	h.ACs, err = s.held(h.Result, own, cas)
	return err
}

// held returns the attribute certificates of this VO that the client came with and that count.
// What cannot be read or verified gives and takes no right: it is as if it were not there.
func (s *Server) held(r proxycert.Result, own *tls.Certificate, cas *trust.Store) ([]*voms.AC, error) {
	parsed, err := voms.FromChain(r.Chain)
	if err != nil || len(parsed) == 0 {
		return nil, nil //nolint:nilerr // it is as if it were not there
	}
	leaf, err := leafOf(own)
	if err != nil {
		return nil, err
	}
	var held []*voms.AC
	for _, p := range parsed {
		if p.Err != nil || p.AC.VO != s.c.VO {
			continue
		}
		verifier := voms.Verifier{Trust: cas, Options: s.c.Options, At: s.c.Now(), Anchors: s.c.Anchors}
		if p.AC.Issuer == dn.Slash(leaf.RawSubject) {
			// No LSC file is needed for certificates of our own.
			known := map[string]voms.LSC{}
			maps.Copy(known, s.c.Anchors.Known)
			known[p.AC.VO+"/"+p.AC.Host] = voms.LSCOf(leaf)
			verifier.Anchors.Known = known
		}
		if verifier.Verify(p.AC, r.EndEntity) == nil {
			held = append(held, p.AC)
		}
	}
	return held, nil
}

func leafOf(c *tls.Certificate) (*x509.Certificate, error) {
	if c.Leaf != nil {
		return c.Leaf, nil
	}
	if len(c.Certificate) == 0 {
		return nil, errors.New("the server's certificate is empty")
	}
	return x509.ParseCertificate(c.Certificate[0])
}

// host returns the address without its port.
func host(a net.Addr) string {
	h, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return h
}
