package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/lanyardhq/lanyard/internal/config"
	"github.com/lanyardhq/lanyard/internal/httpapi/call"
)

// How long requests under way may take when the server stops, and then what runs behind them.
const (
	drainTime  = 25 * time.Second
	finishTime = 15 * time.Second
)

// run serves until ctx ends or a part fails. Then listeners close, requests under way are
// answered, and only after them the parts that answer them stop: what was acknowledged is kept.
func (s *server) run(ctx context.Context, ready func()) error {
	behind, stopBehind := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBehind()
	back, behind := errgroup.WithContext(behind)
	for _, part := range s.parts() {
		back.Go(func() error {
			err := part.run(behind)
			if err != nil && behind.Err() == nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
			return nil
		})
	}
	err := s.front(ctx, behind, ready)
	stopBehind()
	done := make(chan error, 1)
	go func() { done <- back.Wait() }()
	select {
	case failed := <-done:
		return errors.Join(err, failed)
	case <-time.After(finishTime):
		return errors.Join(err, errors.New("some work did not stop in time; it is taken up again at the next start"))
	}
}

type part struct {
	name string
	run  func(context.Context) error
}

// parts are what runs behind the listeners.
func (s *server) parts() []part {
	c := s.config
	parts := []part{{"store", s.store.Run}, {"login", s.login.Run}}
	if c.Has(config.IssuerRole) || c.Has(config.APIRole) || c.Has(config.PortalRole) { // all of which mint
		parts = append(parts, part{"signing keys", s.tokens.signing.Run})
	}
	if c.Has(config.WorkerRole) {
		parts = append(parts, part{"worker", s.broker.Run})
	}
	if len(c.Providers) > 0 { // who hands out tokens also refreshes them
		parts = append(parts, part{"grants", s.tokens.custody.Run}, part{"mytokens", s.tokens.subgrants.Run})
	}
	// Without a gateway of its own a server still follows the feed, to know how far it has come.
	if c.Has(config.GatewayRole) {
		parts = append(parts, part{"gateway", s.gateway.Run})
	} else {
		parts = append(parts, part{"feed", s.table.Run})
	}
	if s.engine != nil {
		parts = append(parts, part{"object store", s.engine.Run})
	}
	parts = append(parts, part{"certificates", s.runGrid}, part{"keys", s.keys.Run})
	for _, v := range c.VOs {
		if v.LDAP.URL != "" && c.Has(config.WorkerRole) {
			parts = append(parts, part{"members of " + v.Name, func(ctx context.Context) error { return s.runDirectory(ctx, v) }})
		}
	}
	return parts
}

// front opens the listeners once what stands behind them is ready, and serves until ctx ends, or
// behind does because a part failed.
func (s *server) front(ctx, behind context.Context, ready func()) error {
	listeners, err := s.listen(ctx)
	if err != nil {
		return err
	}
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	if s.engine != nil {
		select {
		case <-s.engine.Ready():
		case <-behind.Done():
			return nil // the part that failed says why
		case <-ctx.Done():
			return nil
		case <-time.After(30 * time.Second):
			return errors.New("the embedded object store is not ready after 30 s")
		}
	}
	front, ended := errgroup.WithContext(ctx)
	for _, l := range listeners {
		front.Go(func() error {
			if err := l.server.Serve(l.Listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			return nil
		})
	}
	s.log.InfoContext(ctx, "serving", "portal", s.config.Portal.URL, "s3", s.config.S3.URL, "data_dir", s.config.DataDir, "version", version)
	ready()
	select {
	case <-ended.Done():
	case <-behind.Done():
	}
	s.log.InfoContext(ctx, "stopping")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	for _, l := range listeners {
		front.Go(func() error { return l.server.Shutdown(drain) })
	}
	return front.Wait()
}

type listener struct {
	net.Listener
	name string
	// server is an *http.Server, or behaves like one.
	server interface {
		Serve(net.Listener) error
		Shutdown(context.Context) error
	}
}

func (s *server) listen(ctx context.Context) (all []listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range all {
				l.Close()
			}
		}
	}()
	site, err := s.site()
	if err != nil {
		return nil, err
	}
	metrics, err := s.metrics()
	if err != nil {
		return nil, err
	}
	for _, l := range []struct {
		name, address string
		files         config.TLS
		handler       http.Handler
	}{
		{"portal", s.config.Portal.Listen, s.config.Portal.TLS, site},
		{"s3", s.config.S3.Listen, s.config.S3.TLS, s.gateway},
		{"metrics", s.config.Metrics.Listen, config.TLS{}, metrics},
	} {
		if l.address == "" || l.name == "s3" && !s.config.Has(config.GatewayRole) {
			continue
		}
		srv := s.httpServer(s.config.Proxies().Handler(l.handler))
		if l.name == "s3" {
			// Bodies of any size take any time; the gateway watches their progress itself.
			srv.ReadTimeout, srv.DisableGeneralOptionsHandler = 0, true
		}
		if srv.TLSConfig, err = tlsConfig(l.files); err != nil {
			return all, err
		}
		open, err := new(net.ListenConfig).Listen(ctx, "tcp", l.address)
		if err != nil {
			return all, fmt.Errorf("%s: %w (is another server running? change %s.listen)", l.name, err, l.name)
		}
		if srv.TLSConfig != nil {
			open = newTLSListener(open, srv)
		}
		all = append(all, listener{open, l.name, srv})
	}
	authorities, err := s.listenAuthorities(ctx)
	all = append(all, authorities...)
	if err != nil {
		return all, err
	}
	socket, err := s.adminSocket(ctx)
	if err != nil {
		return all, err
	}
	return append(all, socket), nil
}

// adminSocket is how the operator on this machine reaches the server; peers' credentials are
// checked.
func (s *server) adminSocket(ctx context.Context) (listener, error) {
	path := s.config.AdminSocket
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return listener{}, err
	}
	// The store's lock says that no other server is alive here, so this socket is a leftover.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return listener{}, err
	}
	open, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return listener{}, fmt.Errorf("administration socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		open.Close()
		return listener{}, err
	}
	srv := s.httpServer(s.api.OperatorHandler(os.Geteuid()))
	srv.ConnContext = call.PeerContext
	return listener{open, "administration", srv}, nil
}

func (s *server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// metrics is the listener for Prometheus and probes.
func (s *server) metrics() (http.Handler, error) {
	r := prometheus.NewRegistry()
	all := append([]prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "lanyard_feed_age_seconds", Help: "How long the gateway's key table may have missed changes."},
			func() float64 { return s.table.Age().Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "lanyard_build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": strings.TrimSpace(version)}},
			func() float64 { return 1 }),
	}, s.gateway.Collectors()...)
	for _, c := range all {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	s.health(mux)
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{}))
	return mux, nil
}
