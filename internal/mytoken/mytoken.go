// Package mytoken serves the API of mytoken servers (version 0), so that mytoken's own programs and
// libraries get their mytokens of us. It translates each request into one call of subgrant and its
// answer or refusal into what those programs expect, which at some places is less than HTTP and
// OAuth would have; it holds no rule of its own. docs/protocols/mytoken.md says what we do and where
// we differ. It imports rows 0 to 3.
package mytoken

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/lanyardhq/lanyard/internal/subgrant"
)

// Config is what a Facade is made of. Documentation and Version may be left out.
type Config struct {
	// Service holds the rules. Its Issuer is the address of the facade, and each of its Providers has
	// an Issuer.
	Service *subgrant.Service
	// Consent is the address of the page where people decide, less the consent code at its end.
	Consent string
	// Documentation is the address of a page for people.
	Documentation string
	// Version is that of this program.
	Version string
	Log     *slog.Logger
}

// Facade answers mytoken's programs. It is made by New.
type Facade struct {
	c      Config
	prefix string // of all paths: the path of the issuer
	routes map[string]handler
}

// New checks the configuration.
func New(c Config) (*Facade, error) {
	if c.Service == nil || c.Consent == "" || c.Log == nil {
		return nil, errors.New("mytoken: the configuration is incomplete")
	}
	issuer, err := url.Parse(c.Service.Issuer)
	if err != nil || issuer.Host == "" || issuer.RawQuery != "" || strings.HasSuffix(issuer.Path, "/") {
		return nil, fmt.Errorf("mytoken: the issuer %q is not an address without a slash at its end", c.Service.Issuer)
	}
	for _, p := range c.Service.Providers {
		if p.Issuer == "" {
			return nil, fmt.Errorf("mytoken: provider %s has no issuer", p.ID)
		}
	}
	c.Consent = strings.TrimSuffix(c.Consent, "/") + "/"
	f := &Facade{c: c, prefix: issuer.Path}
	f.routes = f.table()
	return f, nil
}

// Handler serves all paths below that of the issuer, which it expects whole.
func (f *Facade) Handler() http.Handler { return http.HandlerFunc(f.serve) }

// Paths below the issuer. Clients find them by discovery, people's scripts by habit.
const (
	configurationPath = "/.well-known/mytoken-configuration"
	openIDPath        = "/.well-known/openid-configuration" // the same document
	jwksPath          = "/jwks"
	obtainPath        = "/api/v0/token/my"
	accessPath        = "/api/v0/token/access"
	revokePath        = "/api/v0/token/revoke"
	transferPath      = "/api/v0/token/transfer"
	infoPath          = "/api/v0/tokeninfo"
	settingsPath      = "/api/v0/settings"
	grantsPath        = "/api/v0/settings/grants"
	capabilitiesPath  = "/api/v0/capabilities"
	templatesPath     = "/api/v0/pt"
)

// table is all that is served, besides the templates of groups below templatesPath.
func (f *Facade) table() map[string]handler {
	return map[string]handler{
		"GET " + configurationPath: f.configuration,
		"GET " + openIDPath:        f.configuration,
		"GET " + jwksPath:          f.keys,
		"POST " + obtainPath:       f.obtain,
		"POST " + accessPath:       f.access,
		"POST " + revokePath:       f.revoke,
		"POST " + transferPath:     f.transfer,
		"POST " + infoPath:         f.tokeninfo,
		"GET " + settingsPath:      f.settings,
		"GET " + grantsPath:        f.listGrants,
		"POST " + grantsPath:       f.changeGrant,
		"DELETE " + grantsPath:     f.changeGrant,
		"GET " + capabilitiesPath:  f.capabilities,
		"GET " + templatesPath:     f.groups,
	}
}
