// Package issuer is Lanyard as OpenID provider for its own clients: discovery, keys, authorization
// code with PKCE, device flow, refresh, exchange, revocation, introspection, userinfo. It translates
// the protocol into calls of login, which holds the rules of sessions and their tokens, and of
// minting, which holds those of access tokens for other services. Every use of the zitadel/oidc library stands here; docs/protocols/openid.md says
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
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/issuer/relying"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/minting"
	"github.com/lanyardhq/lanyard/internal/signing"
)

// Grants is what an exchange needs of the grants that people approved at other providers.
type Grants interface {
	// TokenOfAccount returns an access token of the account's grant at the provider. Where there is
	// no grant in force it is a NotFound or Conflict fault that says what the person must do.
	TokenOfAccount(ctx context.Context, accountID, provider string, w grant.Wish) (grant.Tokens, error)
}

// The configuration of clients, named here too, so that its readers import one package.
type Client = relying.Client

// CommandLine is the client id of Lanyard's own command line.
const CommandLine = relying.CommandLine

type client = relying.Party

// Config is what an Issuer is made of. Clients, Minter and Grants may be left out.
type Config struct {
	// URL is the issuer: the public address of the portal, without a path or trailing slash.
	URL     string
	Clients []Client // beside our own command line
	Login   *login.Login
	Keys    *signing.Keys
	// Minter makes access tokens for other services. Nil: there are none, and no exchange.
	Minter *minting.Minter
	// Grants yields tokens of other providers to clients that a rule lets have them.
	Grants Grants
	// Record writes an audit record that goes with no other change; it goes with Minter.
	Record func(context.Context, audit.Record) error
	Now    func() time.Time
	Log    *slog.Logger
}

// Issuer is an OpenID provider. It is made by New. As long as its keys are not there, requests for
// ID tokens are told to come back.
type Issuer struct {
	c         Config
	clients   map[string]*client
	library   http.Handler
	exchanged recent
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
	i := &Issuer{c: c, clients: map[string]*client{}}
	var errs []error
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		errs = append(errs, fault.New(fault.Invalid, "issuer %q is not an address without a path", c.URL))
	}
	for _, v := range append([]Client{relying.CommandLineClient()}, c.Clients...) {
		k, err := relying.New(v)
		if err == nil && i.clients[v.ID] != nil {
			err = fault.New(fault.Invalid, "client %q stands twice", v.ID)
		}
		errs = append(errs, err)
		i.clients[v.ID] = k
	}
	if c.Minter != nil && c.Record == nil {
		errs = append(errs, errors.New("an issuer that exchanges tokens must record it"))
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

// now is the moment that decides: UTC, whole seconds.
func (i *Issuer) now() time.Time { return i.c.Now().UTC().Truncate(time.Second) }

// server is the side that the library calls, one method per request.
type server struct {
	op.UnimplementedServer
	*Issuer
}
