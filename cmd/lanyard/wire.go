package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/config"
	"github.com/lanyardhq/lanyard/internal/gateway"
	"github.com/lanyardhq/lanyard/internal/gateway/keytable"
	"github.com/lanyardhq/lanyard/internal/httpapi"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/issuer"
	"github.com/lanyardhq/lanyard/internal/keypool"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/objectstore/embedded"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
	"github.com/lanyardhq/lanyard/internal/portal"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/wlcg"
)

// A server is every part, wired.
type server struct {
	config config.Config
	log    *slog.Logger

	store    *store.Store
	engine   *embedded.Engine // nil with an upstream of somebody else's
	upstream *s3.Client
	grid     *gridParts
	keys     *keypool.Pool // for proxies
	proxies  *proxy.Kind
	table    *keytable.Table
	broker   *broker.Broker
	login    *login.Login
	gateway  *gateway.Gateway
	issuer   *issuer.Issuer
	tokens   tokenParts
	api      *httpapi.API
	portal   *portal.Portal
}

// wire makes every part; nothing runs yet. What it opened is closed again if it fails.
func wire(ctx context.Context, c config.Config, log *slog.Logger) (_ *server, err error) {
	s := &server{config: c, log: log}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	if err := s.openStore(ctx); err != nil {
		return nil, err
	}
	if err := s.openUpstream(); err != nil {
		return nil, err
	}
	if err := s.wireGrid(ctx); err != nil {
		return nil, err
	}
	if err := s.wireProxies(); err != nil {
		return nil, err
	}
	if err := s.wireMinting(); err != nil {
		return nil, err
	}
	s.table = keytable.New(s.store, time.Now, log)
	s.broker = &broker.Broker{
		Kinds:    kinds(s.proxies, s.tokens.kind),
		Rules:    c.Rules(),
		Store:    s.store,
		Backend:  &s3.Backend{Client: s.upstream},
		Gateways: s.table,
		Now:      time.Now,
		Log:      log,
		Reveal:   c.Reveal == "always",
		Limits:   c.BrokerLimits(),
	}
	if err := s.wireCustody(); err != nil {
		return nil, err
	}
	if err := s.applyProjects(ctx); err != nil {
		return nil, err
	}
	if err := s.wireSignIn(); err != nil {
		return nil, err
	}
	if s.gateway, err = gateway.New(gateway.Config{Table: s.table, Broker: s.broker, Upstream: s.upstream, Hosts: c.S3.Hosts(),
		Region: c.S3.Region, SigV2: c.S3.SigV2, Now: time.Now, Log: log}); err != nil {
		return nil, err
	}
	s.api = &httpapi.API{Broker: s.broker, Login: s.login, Custody: s.tokens.custody, Subgrants: s.tokens.subgrants, Targets: targets(), Endpoint: c.S3.URL, Region: c.S3.Region,
		Grid:      httpapi.Grid{Authority: s.grid.authority, CA: s.grid.ca, Import: s.importNow},
		PerMinute: c.Limits.APIPerMinute, Now: time.Now, Log: log}
	s.portal = &portal.Portal{Broker: s.broker, Login: s.login, Targets: targets(), Title: c.Title, Help: c.Help, URL: c.Portal.URL,
		Endpoint: c.S3.URL, Region: c.S3.Region, Now: time.Now, Log: log,
		Tokens: s.tokenPages(), Ways: portal.Ways{Certificate: c.Grid.OnlineCA.Enabled, Secrets: c.Grid.StoredSecrets}}
	return s, nil
}

func (s *server) openStore(ctx context.Context) error {
	keys, err := seal.LoadOrCreateKeys(string(s.config.MasterKeyFile))
	if err != nil {
		return err
	}
	c := store.Config{Keys: keys, Now: time.Now, Log: s.log}
	if s.config.Database.Driver == "postgres" {
		text, err := s.config.Database.URLFile.Read()
		if err != nil {
			return err
		}
		c.URL = text.Reveal()
	} else {
		c.Path = filepath.Join(s.config.DataDir, "lanyard.db")
	}
	s.store, err = store.Open(ctx, c)
	return err
}

// openUpstream prepares the object store: the embedded one, or a service of somebody else's.
func (s *server) openUpstream() error {
	u := s.config.Upstream
	if u.Endpoint == "" {
		program, err := os.Executable()
		if err != nil {
			return err
		}
		if s.engine, err = embedded.New(embedded.Config{Dir: u.Directory, Program: program, Log: s.log}); err != nil {
			return err
		}
		s.upstream = s3.New(s.engine.Upstream(), s3.Limits{}, time.Now)
		return nil
	}
	at, err := url.Parse(u.Endpoint)
	if err != nil {
		return err
	}
	keys, err := u.Keys()
	if err != nil {
		return err
	}
	port := at.Port()
	if port == "" {
		port = map[bool]string{true: "443", false: "80"}[at.Scheme == "https"]
	}
	s.upstream = s3.New(objectstore.Upstream{Network: "tcp", Address: net.JoinHostPort(at.Hostname(), port), TLS: at.Scheme == "https",
		Host: at.Host, Region: u.Region, Keys: keys}, s3.Limits{}, time.Now)
	return nil
}

// applyProjects makes the projects of the configuration file what the file says.
func (s *server) applyProjects(ctx context.Context) error {
	applied, err := s.broker.ApplyProjects(ctx, "config", s.config.BrokerProjects())
	if err != nil {
		return fmt.Errorf("apply the projects of the configuration: %w", err)
	}
	if len(applied.Gone)+len(applied.Foreign) > 0 {
		s.log.WarnContext(ctx, "projects left as they are", "gone_from_config", applied.Gone, "owned_elsewhere", applied.Foreign)
	}
	return nil
}

// wireSignIn makes login and the issuer on top of it.
func (s *server) wireSignIn() (err error) {
	c := s.config
	providers, err := c.IdentityProviders()
	if err != nil {
		return err
	}
	s.login, err = login.New(login.Config{URL: c.Portal.URL, Providers: providers, Local: c.SignIn.Local,
		Store: s.store, Now: time.Now, Log: s.log,
		Import: func(ctx context.Context, a identity.Account, source string, roles map[string]identity.Role) error {
			var ms []broker.Membership
			for name, role := range roles {
				ms = append(ms, broker.Membership{Project: name, Role: role})
			}
			return s.broker.ImportMemberships(ctx, a, source, ms)
		},
		Groups: s.store.SetGroups,
		Leave: func(ctx context.Context, by identity.Actor, projectID, accountID string) error {
			_, err := s.broker.RemoveMember(ctx, by, projectID, accountID)
			return err
		},
	})
	if err != nil {
		return err
	}
	var clients []issuer.Client
	for _, x := range c.Clients {
		client := issuer.Client{ID: x.ID, RedirectURIs: x.RedirectURIs, Algorithm: x.Algorithm, RefreshGrace: (*time.Duration)(x.RefreshGrace)}
		if client.Secret, err = x.Secret(); err != nil {
			return err
		}
		if x.JWKS != "" {
			if client.Keys, err = wlcg.ParseKeySet([]byte(x.JWKS)); err != nil {
				return err
			}
		}
		clients = append(clients, client)
	}
	s.issuer, err = issuer.New(issuer.Config{URL: c.Portal.URL, Clients: clients, Login: s.login, Keys: s.tokens.signing, Minter: s.tokens.minter, Grants: s, Record: s.store.Record, Now: time.Now, Log: s.log})
	return err
}

// site is the listener of portal, API and issuer. It answers under the portal's own name only, so
// that no name is shared with the gateway, whose objects would run as pages of the portal.
func (s *server) site() (http.Handler, error) {
	u, err := url.Parse(s.config.Portal.URL)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	s.health(mux)
	if s.config.Has(config.APIRole) {
		mux.Handle(httpapi.Prefix+"/", s.api.Handler())
	}
	if s.config.Has(config.IssuerRole) {
		s.issuer.Mount(mux)
	}
	if s.config.Has(config.IssuerRole) && s.tokens.mytoken != nil {
		mux.Handle(myTokenPath+"/", s.tokens.mytoken.Handler())
	}
	if s.config.Has(config.PortalRole) {
		mux.Handle("/", s.portal.Handler())
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !strings.EqualFold(host, u.Hostname()) && r.URL.Path != "/healthz" && r.URL.Path != "/readyz" {
			http.Error(w, "this server is called "+s.config.Portal.URL, http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	}), nil
}

// health answers whether the process lives, and whether it can serve.
func (s *server) health(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := s.readiness(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
}

// readiness tells in a word what is missing; causes are in the log.
func (s *server) readiness(ctx context.Context) error {
	if err := s.store.Ping(ctx); err != nil {
		return errors.New("the database does not answer")
	}
	if age := s.table.Age(); age > 5*time.Second {
		return errors.New("the gateway's key table is stale")
	}
	return nil
}

// close ends what wire opened, in the opposite order.
func (s *server) close() {
	if s.upstream != nil {
		s.upstream.Close()
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.log.Error("close the database", "err", err)
		}
	}
}
