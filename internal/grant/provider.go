package grant

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/material"
)

// The types of provider.
const (
	OAuth   = "oauth"   // an OAuth 2 or OpenID authorization server
	MyToken = "mytoken" // a mytoken server: its mytokens are what we keep
	Lanyard = "lanyard" // our own issuer
)

// Provider configures one authorization server that people let us keep grants for. Register at it
// the redirect URI PORTAL/approvals/callback/ID: each provider has its own, so that an answer of
// one is never taken for an answer of another. How providers differ is said here as data.
type Provider struct {
	// ID stands in addresses and commands: lower-case letters, digits, dashes.
	ID string `yaml:"id"`
	// Title is what people read; default ID.
	Title string `yaml:"title"`
	// Type is oauth (the default), mytoken (a mytoken server), or lanyard: our own issuer, of which
	// nothing else but Title, Scopes and MaxLife is set.
	Type string `yaml:"type"`
	// Issuer must equal, byte for byte, what the server says of itself.
	Issuer string `yaml:"issuer"`
	// UpstreamIssuer is, with type mytoken, the provider that the mytoken server shall ask.
	UpstreamIssuer string `yaml:"upstream_issuer"`

	ClientID string `yaml:"client_id"`
	// ClientSecretFile is where ClientSecret is read from by who reads the configuration. Public
	// clients have neither.
	ClientSecretFile string          `yaml:"client_secret_file"`
	ClientSecret     material.Secret `yaml:"-"`
	// ClientAuth says how we prove who we are: basic (the default with a secret), post, or none.
	ClientAuth string `yaml:"client_auth"`

	// Scopes are asked for when somebody names none. What offline access needs is added by itself.
	Scopes []string `yaml:"scopes"`
	// Audiences are asked for when somebody names none.
	Audiences []string `yaml:"audiences"`
	// Audience says how: resource (RFC 8707), audience, scope (audiences are among the scopes), or
	// none (the default: a wish for an audience is refused).
	Audience string `yaml:"audience"`
	// AudienceSeparator says how several are sent: repeat (the default: one parameter each) or space
	// (INDIGO IAM: one parameter, separated by blanks).
	AudienceSeparator string `yaml:"audience_separator"`
	// Offline says what makes the provider give a refresh token: scope (the default: offline_access),
	// consent (offline_access and prompt=consent), access_type (Google: access_type=offline and
	// prompt=consent), or none (it always does).
	Offline string `yaml:"offline"`
	// Rotates says whether each refresh gives a new refresh token: always, never, or unknown (the
	// default). Answers are compared in any case.
	Rotates string `yaml:"rotates"`
	// Grace is how long the preceding refresh token still works after a rotation.
	Grace time.Duration `yaml:"grace"`
	// RefreshScope says whether a refresh for the grant's own scopes names them: omit (the default)
	// or repeat (Unity).
	RefreshScope string `yaml:"refresh_scope"`
	// Revokes says what the revocation endpoint ends: refresh (the default: the refresh token only),
	// both (access tokens too), or none (it is not asked).
	Revokes string `yaml:"revokes"`
	// Algorithms that ID tokens may be signed with; default RS256 and ES256.
	Algorithms []string `yaml:"algorithms"`
	// ExtraAuthParams and ExtraTokenParams are further parameters of the authorization request, and
	// of every request to the token endpoint.
	ExtraAuthParams  map[string]string `yaml:"extra_auth_params"`
	ExtraTokenParams map[string]string `yaml:"extra_token_params"`
	// Endpoints that are set here are used in place of what discovery says. With the first two set
	// a provider without a discovery document can be used.
	AuthorizationEndpoint string `yaml:"authorization_endpoint"`
	TokenEndpoint         string `yaml:"token_endpoint"`
	RevocationEndpoint    string `yaml:"revocation_endpoint"`
	// RefreshIdle is after which time without use a refresh token dies, where the provider does not
	// say it in its answers (Keycloak: 30m).
	RefreshIdle time.Duration `yaml:"refresh_idle"`
	// MaxLife is how long a grant lasts at most; 0: as long as the rule for grants allows.
	MaxLife time.Duration `yaml:"max_life"`
	// Concurrency is how many renewals are asked of it at once by one server; default 16.
	Concurrency int `yaml:"concurrency"`
	// Exchange says that it exchanges tokens (RFC 8693).
	Exchange bool `yaml:"exchange"`
}

var (
	providerID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,40}$`)
	// ownParams are those that an operator must not override.
	ownParams = []string{"client_id", "client_secret", "redirect_uri", "response_type", "response_mode", "state", "nonce",
		"scope", "code", "code_challenge", "code_challenge_method", "code_verifier", "grant_type", "refresh_token", "request",
		"request_uri", "resource", "subject_token", "subject_token_type", "token"}
	signatures = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

// Check returns what is wrong with the configuration, named as its keys are.
func (p Provider) Check() error {
	if !providerID.MatchString(p.ID) {
		return errors.New("an id is lower-case letters, digits and dashes")
	}
	if err := p.checkWords(); err != nil {
		return err
	}
	if p.Grace < 0 || p.RefreshIdle < 0 || p.MaxLife < 0 || p.Concurrency < 0 || p.Concurrency > 1000 {
		return errors.New("grace, refresh_idle, max_life and concurrency (at most 1000) cannot be negative")
	}
	if err := (Wish{p.Scopes, p.Audiences}).check(); err != nil {
		return err
	}
	if p.Type == Lanyard {
		return p.checkOwn()
	}
	if err := CheckAddress(p.Issuer); err != nil {
		return fmt.Errorf("issuer %q: %w", p.Issuer, err)
	}
	if len(p.Scopes) == 0 {
		return errors.New("scopes are missing")
	}
	if p.Type == MyToken {
		if err := CheckAddress(p.UpstreamIssuer); err != nil {
			return fmt.Errorf("upstream_issuer %q: %w", p.UpstreamIssuer, err)
		}
		return nil
	}
	return cmp.Or(p.checkClient(), p.checkAudiences(), p.checkEndpoints(), p.checkExtras())
}

// checkWords judges the keys that take one of a few words.
func (p Provider) checkWords() error {
	for _, one := range []struct {
		name, value string
		allowed     []string
	}{
		{"type", p.Type, []string{OAuth, MyToken, Lanyard}},
		{"client_auth", p.ClientAuth, []string{"basic", "post", "none"}},
		{"audience", p.Audience, []string{"resource", "audience", "scope", "none"}},
		{"audience_separator", p.AudienceSeparator, []string{"repeat", "space"}},
		{"offline", p.Offline, []string{"scope", "consent", "access_type", "none"}},
		{"rotates", p.Rotates, []string{"always", "never", "unknown"}},
		{"refresh_scope", p.RefreshScope, []string{"omit", "repeat"}},
		{"revokes", p.Revokes, []string{"refresh", "both", "none"}},
	} {
		if one.value != "" && !slices.Contains(one.allowed, one.value) {
			return fmt.Errorf("%s is %q, not one of %s", one.name, one.value, strings.Join(one.allowed, ", "))
		}
	}
	return nil
}

// checkOwn judges what is said of our own issuer: nearly nothing is.
func (p Provider) checkOwn() error {
	if p.Issuer != "" || p.ClientID != "" || p.ClientSecretFile != "" || p.TokenEndpoint != "" || p.AuthorizationEndpoint != "" {
		return errors.New("our own issuer has no issuer, client or endpoints to be configured")
	}
	return nil
}

func (p Provider) checkClient() error {
	secret := p.ClientSecretFile != "" || p.ClientSecret != ""
	switch {
	case p.ClientID == "":
		return errors.New("client_id is missing")
	case secret && p.ClientAuth == "none":
		return errors.New("there is a client secret, and client_auth says that none is shown")
	case !secret && (p.ClientAuth == "basic" || p.ClientAuth == "post"):
		return fmt.Errorf("client_auth %s needs client_secret_file", p.ClientAuth)
	}
	return nil
}

func (p Provider) checkAudiences() error {
	switch {
	case len(p.Audiences) == 0:
		return nil
	case p.Audience == "scope":
		return errors.New("where audiences are among the scopes, they stand there")
	case p.Audience == "" || p.Audience == "none":
		return errors.New("audiences are named, and audience does not say how to ask for them")
	}
	return nil
}

func (p Provider) checkEndpoints() error {
	for _, e := range []struct{ name, address string }{{"authorization_endpoint", p.AuthorizationEndpoint},
		{"token_endpoint", p.TokenEndpoint}, {"revocation_endpoint", p.RevocationEndpoint}} {
		if err := CheckEndpoint(e.address); e.address != "" && err != nil {
			return fmt.Errorf("%s %q: %w", e.name, e.address, err)
		}
	}
	return nil
}

func (p Provider) checkExtras() error {
	for _, params := range []map[string]string{p.ExtraAuthParams, p.ExtraTokenParams} {
		for name := range params {
			if slices.Contains(ownParams, name) {
				return fmt.Errorf("extra parameters cannot set %q", name)
			}
		}
	}
	for _, a := range p.Algorithms {
		if !slices.Contains(signatures, a) {
			return fmt.Errorf("algorithm %q is not a signature that only the provider can make", a)
		}
	}
	return nil
}

// Ask returns what to send this provider at a refresh that shall answer w for a grant of s. A wish
// that goes beyond s is a Denied fault. Scopes are left out where they are the grant's own and the
// provider does not want them repeated; audiences are always there, because some providers widen
// the token when they are not.
func (p Provider) Ask(s Spec, w Wish) (Wish, error) {
	ask, err := s.Narrow(w)
	if len(w.Scopes) == 0 && !s.Narrowed && p.RefreshScope != "repeat" && p.Type != MyToken {
		ask.Scopes = nil
	}
	return ask, err
}

// CheckAddress refuses what is no absolute URL without a query, and plain HTTP but to loopback.
func CheckAddress(s string) error {
	u, err := url.Parse(s)
	if err == nil && u.RawQuery != "" {
		return errors.New("an address with a query cannot be used here")
	}
	return CheckEndpoint(s)
}

// CheckEndpoint is CheckAddress for addresses that may have a query.
func CheckEndpoint(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Fragment != "" || u.User != nil || len(s) > 2000 {
		return errors.New("not an address")
	}
	host, _ := netip.ParseAddr(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || host.IsLoopback()) {
		return nil
	}
	return errors.New("must begin with https://")
}
