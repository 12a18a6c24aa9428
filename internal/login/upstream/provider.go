// Package upstream is one OpenID provider that people sign in at, as seen by its client: what is
// configured of it, discovery, the authorization code flow with every check that makes its answer
// a proof, and what its claims say of projects. It keeps nothing; login does. It imports rows 0
// and 1.
package upstream

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/outgoing"
	"github.com/lanyardhq/lanyard/material"
)

// Provider configures one OpenID provider that people sign in at. Register at it the redirect URI
// URL/login/callback/ID: each provider has its own, so that an answer of one is never taken for
// an answer of another.
type Provider struct {
	// ID stands in addresses: lower-case letters, digits, dashes; not "local".
	ID    string `yaml:"id"`
	Title string `yaml:"title"`
	// Issuer must equal, byte for byte, what the provider says of itself.
	Issuer   string `yaml:"issuer"`
	ClientID string `yaml:"client_id"`
	// ClientSecretFile is where ClientSecret is read from by who reads the configuration. Public
	// clients have neither.
	ClientSecretFile string          `yaml:"client_secret_file"`
	ClientSecret     material.Secret `yaml:"-"`
	// ClientAuth says how the secret is shown: "basic" (the default) or "post".
	ClientAuth string `yaml:"client_auth"`
	// Scopes to ask for; default openid, profile, email.
	Scopes []string `yaml:"scopes"`
	// Algorithms that ID tokens may be signed with; default RS256 and ES256.
	Algorithms []string `yaml:"algorithms"`
	Claims     Claims   `yaml:"claims"`
	// Projects says which groups mean which projects. Without rules, signing in leaves
	// memberships alone.
	Projects []Rule `yaml:"projects"`
	// IgnoreSubjectCase is for providers whose subjects must be compared so (MyAccessID).
	IgnoreSubjectCase bool `yaml:"ignore_subject_case"`
	// AuthParams are further parameters of the authorization request.
	AuthParams map[string]string `yaml:"auth_params"`
}

// Claims names the claims to read, in the ID token or at userinfo. Empty ones mean name, email
// and groups.
type Claims struct {
	Name   string `yaml:"name"`
	Email  string `yaml:"email"`
	Groups string `yaml:"groups"`
}

// Rule gives a role in a project to people whose claim has a value. Exactly one of Exact, Match
// and Prefix is set.
type Rule struct {
	// Claim is where to look; empty means the groups claim.
	Claim string `yaml:"claim"`
	Exact string `yaml:"exact"`
	// Match is a regular expression for the whole value; Project may use its groups as $1 or ${1}.
	Match string `yaml:"match"`
	// Prefix takes what follows it, up to a "#", as the project's name.
	Prefix string `yaml:"prefix"`
	// Project is the name; empty with Prefix. Values that make no valid name give nothing.
	Project string        `yaml:"project"`
	Role    identity.Role `yaml:"role"` // default user
}

var (
	providerID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,40}$`)
	// ownParams are those that an operator must not override.
	ownParams = []string{"client_id", "redirect_uri", "response_type", "response_mode", "state", "nonce", "scope",
		"code_challenge", "code_challenge_method", "request", "request_uri"}
	signatures = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

// New checks p, as an Invalid fault, and fills in its defaults. The provider is not contacted yet.
// Its answers come to redirect; transport carries requests to it, nil meaning
// http.DefaultTransport.
func New(p Provider, redirect string, transport http.RoundTripper, now func() time.Time) (*Client, error) {
	p.Title = cmp.Or(p.Title, p.ID)
	p.Claims = Claims{cmp.Or(p.Claims.Name, "name"), cmp.Or(p.Claims.Email, "email"), cmp.Or(p.Claims.Groups, "groups")}
	if len(p.Scopes) == 0 {
		p.Scopes = []string{oidc.ScopeOpenID, "profile", "email"}
	}
	if len(p.Algorithms) == 0 {
		p.Algorithms = []string{oidc.RS256, oidc.ES256}
	}
	if err := p.check(); err != nil {
		return nil, fault.New(fault.Invalid, "provider %q: %v", p.ID, err)
	}
	style := oauth2.AuthStyleInHeader
	if p.ClientSecret == "" || p.ClientAuth == "post" {
		style = oauth2.AuthStyleInParams
	}
	rules := make([]rule, len(p.Projects))
	for i, r := range p.Projects {
		var err error
		if rules[i], err = newRule(r, p.Claims.Groups); err != nil {
			return nil, fault.New(fault.Invalid, "provider %q: rule %d for projects: %v", p.ID, i+1, err)
		}
	}
	return &Client{Provider: p, rules: rules, style: style, now: now, client: outgoing.Client(transport), redirect: redirect}, nil
}

// check judges all but the rules.
func (p Provider) check() error {
	if !providerID.MatchString(p.ID) {
		return errors.New("an id is lower-case letters, digits and dashes")
	}
	if err := checkAddress(p.Issuer); err != nil {
		return fmt.Errorf("issuer %q: %w", p.Issuer, err)
	}
	if p.ClientID == "" {
		return errors.New("client_id is missing")
	}
	if !slices.Contains([]string{"", "basic", "post"}, p.ClientAuth) {
		return fmt.Errorf("client_auth is %q, not basic or post", p.ClientAuth)
	}
	if !slices.Contains(p.Scopes, oidc.ScopeOpenID) {
		return errors.New("scopes lack openid")
	}
	for name := range p.AuthParams {
		if slices.Contains(ownParams, name) {
			return fmt.Errorf("auth_params cannot set %q", name)
		}
	}
	for _, a := range p.Algorithms {
		if !slices.Contains(signatures, a) {
			return fmt.Errorf("algorithm %q is not a signature that only the provider can make", a)
		}
	}
	return nil
}

// checkAddress wants TLS, except on loopback.
func checkAddress(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("not an address")
	}
	host, _ := netip.ParseAddr(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || host.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("must begin with https://")
}
