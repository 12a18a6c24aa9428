// Package issuer is Lanyard as OpenID provider for its own clients: discovery, keys, authorization
// code with PKCE, device flow, refresh, revocation, introspection, userinfo. It translates the
// protocol into calls of login, which holds the rules of sessions and tokens; its own are the
// signing keys. Every use of the zitadel/oidc library stands here; docs/protocols/openid.md says
// what we do and where we differ.
package issuer

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/session"
)

// Store keeps signing keys. The database seals their private halves.
type Store interface {
	// SigningKeys returns all there are, oldest NotBefore first.
	SigningKeys(context.Context) ([]session.SigningKey, error)
	// InsertSigningKey adds a key, unless its algorithm already has one with the same or a later
	// NotBefore: then nothing is written and the answer is false.
	InsertSigningKey(context.Context, session.SigningKey, audit.Record) (bool, error)
	// PurgeSigningKeys removes those whose RetiredAt lies before the time.
	PurgeSigningKeys(ctx context.Context, before time.Time) error
}

// Config is what an Issuer is made of. All but Clients and Describe are required.
type Config struct {
	// URL is the issuer: the public address of the portal, without a path or trailing slash.
	URL     string
	Clients []Client // beside our own command line
	Login   *login.Login
	Store   Store
	Now     func() time.Time
	Log     *slog.Logger
	// Describe says where a request comes from; nil takes the peer's address and the User-Agent.
	Describe func(*http.Request) login.Request
}

// Issuer is an OpenID provider. It is made by New and needs Run for its keys.
type Issuer struct {
	c       Config
	clients map[string]*client
	keys    keys
	library http.Handler
}

// paths of the endpoints. Those of op.Endpoints are given to the library.
const (
	discoveryPath  = "/.well-known/openid-configuration"
	metadataPath   = "/.well-known/oauth-authorization-server" // RFC 8414: the same document
	jwksPath       = "/jwks"
	authorizePath  = "/authorize"
	tokenPath      = "/token"
	devicePath     = "/device_authorization"
	revokePath     = "/revoke"
	introspectPath = "/introspect"
	userinfoPath   = "/userinfo"
)

// Paths are all that the issuer serves.
func Paths() []string {
	return []string{discoveryPath, metadataPath, jwksPath, authorizePath, tokenPath, devicePath, revokePath, introspectPath, userinfoPath}
}

// New checks the configuration and reports every mistake in it, as Invalid faults joined.
func New(c Config) (*Issuer, error) {
	if c.Describe == nil {
		c.Describe = describe
	}
	i := &Issuer{c: c, clients: map[string]*client{}}
	var errs []error
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		errs = append(errs, fault.New(fault.Invalid, "issuer %q is not an address without a path", c.URL))
	}
	for _, v := range append([]Client{commandLine()}, c.Clients...) {
		k, err := newClient(v)
		if err == nil && i.clients[v.ID] != nil {
			err = fault.New(fault.Invalid, "client %q stands twice", v.ID)
		}
		errs = append(errs, err)
		i.clients[v.ID] = k
	}
	i.library = op.RegisterServer(&server{Issuer: i}, op.Endpoints{
		Authorization: op.NewEndpoint(authorizePath), Token: op.NewEndpoint(tokenPath), Introspection: op.NewEndpoint(introspectPath),
		Userinfo: op.NewEndpoint(userinfoPath), Revocation: op.NewEndpoint(revokePath), JwksURI: op.NewEndpoint(jwksPath),
		DeviceAuthorization: op.NewEndpoint(devicePath),
	}, op.WithServerCORSOptions(nil))
	return i, errors.Join(errs...)
}

// Mount puts the endpoints on mux.
func (i *Issuer) Mount(mux *http.ServeMux) {
	for _, p := range Paths() {
		mux.Handle(p, i)
	}
}

// Run makes and rotates the signing keys until ctx ends. Until its first round is through, requests
// for ID tokens are told to come back.
func (i *Issuer) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Minute) // other replicas make keys too
	defer tick.Stop()
	for {
		if err := i.RotateKeys(ctx); err != nil && ctx.Err() == nil {
			i.c.Log.WarnContext(ctx, "signing keys not looked after", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// now is the moment that decides: UTC, whole seconds.
func (i *Issuer) now() time.Time { return i.c.Now().UTC().Truncate(time.Second) }

// server is the side that the library calls, one method per request.
type server struct {
	op.UnimplementedServer
	*Issuer
}
