package issuer

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/wlcg"
)

// CommandLine is the client id of Lanyard's own command line. It is public and built in.
const CommandLine = "lanyard-cli"

// Client configures one OAuth client. All are first-party: the operator chose them, so nobody is
// asked for consent.
type Client struct {
	ID string
	// RedirectURIs must match exactly, except for the port of those on loopback without a Secret.
	RedirectURIs []string
	// Secret makes the client a confidential one. Letters and digits only: it is form-encoded on
	// the wire, and not every client knows.
	Secret material.Secret
	// Keys make it a confidential one too: it proves itself by what it signs (private_key_jwt).
	Keys wlcg.KeySet
	// Algorithm signs its ID tokens: "RS256", which is the default, or "ES256".
	Algorithm string
	// RefreshGrace is how long a refresh token that was spent yields its successor once more, up to
	// a day; nil means 60 seconds.
	RefreshGrace *time.Duration
	device       bool
}

const (
	defaultGrace = time.Minute
	longestGrace = 24 * time.Hour // as the WLCG profile recommends
)

func commandLine() Client {
	return Client{ID: CommandLine, Algorithm: es256, device: true,
		// The two without a name are for oidc-agent.
		RedirectURIs: []string{"http://127.0.0.1/callback", "http://127.0.0.1/", "http://127.0.0.1"}}
}

// client is a Client that has been checked; it is what the library wants to know of one.
type client struct {
	Client
	secret [sha256.Size]byte
	grace  time.Duration
}

func newClient(c Client) (*client, error) {
	if c.Algorithm == "" {
		c.Algorithm = rs256
	}
	k := &client{Client: c, secret: sha256.Sum256([]byte(c.Secret.Reveal())), grace: defaultGrace}
	if c.ID == "" || len(c.ID) > 100 {
		return k, fault.New(fault.Invalid, "client %.60q: an id has 1 to 100 characters", c.ID)
	}
	if c.Algorithm != rs256 && c.Algorithm != es256 {
		return k, fault.New(fault.Invalid, "client %q: algorithm %q is not %s or %s", c.ID, c.Algorithm, rs256, es256)
	}
	if c.RefreshGrace != nil {
		k.grace = *c.RefreshGrace
	}
	if k.grace < 0 || k.grace > longestGrace {
		return k, fault.New(fault.Invalid, "client %q: refresh_grace is from 0 to %s", c.ID, longestGrace)
	}
	return k, c.check()
}

// check judges the rest of a client.
func (c Client) check() error {
	if c.Secret != "" && len(c.Keys.Keys) > 0 {
		return fault.New(fault.Invalid, "client %q has both a secret and keys", c.ID)
	}
	if len(c.RedirectURIs) == 0 {
		return fault.New(fault.Invalid, "client %q has no redirect URI", c.ID)
	}
	for _, s := range c.RedirectURIs {
		if u, err := url.Parse(s); err != nil || u.Host == "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
			return fault.New(fault.Invalid, "client %q: redirect URI %q is not an address of the web", c.ID, s)
		}
	}
	return nil
}

func (c *client) confidential() bool { return c.Secret != "" || len(c.Keys.Keys) > 0 }

// proves reports whether secret is the client's. Public ones prove nothing, with an empty one:
// oidc-agent sends Basic credentials with it.
func (c *client) proves(secret string) bool {
	if len(c.Keys.Keys) > 0 {
		return false // it signs
	}
	sum := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(sum[:], c.secret[:]) == 1
}

// mayReturnTo judges a redirect URI: exactly a registered one or, for public clients, one on
// loopback that differs in its port and in how it writes loopback (RFC 8252 §7.3). The library
// judges too, but of the text unescaped once more.
func (c *client) mayReturnTo(uri string) bool {
	if slices.Contains(c.Client.RedirectURIs, uri) {
		return true
	}
	u, ok := loopback(uri)
	return ok && !c.confidential() && slices.ContainsFunc(c.Client.RedirectURIs, func(s string) bool {
		known, ok := loopback(s)
		return ok && known.Path == u.Path && known.RawQuery == u.RawQuery
	})
}

func loopback(uri string) (*url.URL, bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" || u.RawPath != "" || u.ForceQuery {
		return nil, false
	}
	host := u.Hostname()
	return u, host == "localhost" || host == "127.0.0.1" || net.ParseIP(host).Equal(net.IPv6loopback)
}

// openID are the scopes beside those of our own API.
var openID = []identity.Scope{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, login.OfflineAccess}

// grantable returns the scopes that the client gets when it asks for these; false if one is
// unknown. The command line that asks for none of the API's, and none for other services, gets all
// of the API's. What minted tokens may have is the policy's to say, and depends on the person.
func (i *Issuer) grantable(c *client, asked []string) ([]identity.Scope, bool) {
	var out []identity.Scope
	api := false
	for _, s := range asked {
		switch scope := identity.Scope(s); {
		case slices.Contains(out, scope):
		case slices.Contains(identity.Scopes(), scope):
			api = true
			out = append(out, scope)
		case i.mints(scope):
			api = true
			out = append(out, scope)
		case slices.Contains(openID, scope):
			out = append(out, scope)
		default:
			return nil, false
		}
	}
	if len(out) == 0 {
		if out = slices.Clone(openID[:1]); c.ID == CommandLine {
			out = openID
		}
	}
	if c.ID == CommandLine && !api {
		out = slices.Concat(out, identity.Scopes())
	}
	return out, true
}

// What follows implements op.Client.

func (c *client) GetID() string                    { return c.ID }
func (c *client) RedirectURIs() []string           { return c.Client.RedirectURIs }
func (c *client) PostLogoutRedirectURIs() []string { return nil }

func (c *client) ApplicationType() op.ApplicationType {
	if c.confidential() {
		return op.ApplicationTypeWeb
	}
	return op.ApplicationTypeNative
}

func (c *client) AuthMethod() oidc.AuthMethod {
	if len(c.Keys.Keys) > 0 {
		return oidc.AuthMethodPrivateKeyJWT
	}
	if c.confidential() {
		return oidc.AuthMethodBasic
	}
	return oidc.AuthMethodNone
}

func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

func (c *client) GrantTypes() []oidc.GrantType {
	types := []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeTokenExchange}
	if c.device {
		types = append(types, oidc.GrantTypeDeviceCode)
	}
	return types
}

func (c *client) LoginURL(string) string                                       { return "" }
func (c *client) AccessTokenType() op.AccessTokenType                          { return op.AccessTokenTypeBearer }
func (c *client) IDTokenLifetime() time.Duration                               { return idTokenLife }
func (c *client) DevMode() bool                                                { return false }
func (c *client) IsScopeAllowed(string) bool                                   { return true } // else dropped silently; grantable judges
func (c *client) IDTokenUserinfoClaimsAssertion() bool                         { return true }
func (c *client) ClockSkew() time.Duration                                     { return 0 }
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string     { return nil }
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return nil }
