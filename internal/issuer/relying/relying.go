// Package relying knows the clients of our OpenID provider: what the operator says of them, how they
// prove who they are, where they may send people back to, and what the library wants to know of one.
// It imports rows 0 to 2.
package relying

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
	"github.com/lanyardhq/lanyard/internal/signing"
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
	// Device allows the device flow.
	Device bool
}

// IDTokenLife is how long ID tokens are good.
const IDTokenLife = time.Hour

const (
	defaultGrace = time.Minute
	longestGrace = 24 * time.Hour // as the WLCG profile recommends
)

// CommandLineClient is the client that is built in.
func CommandLineClient() Client {
	return Client{ID: CommandLine, Algorithm: signing.ES256, Device: true,
		// The two without a name are for oidc-agent.
		RedirectURIs: []string{"http://127.0.0.1/callback", "http://127.0.0.1/", "http://127.0.0.1"}}
}

// Party is a Client that has been checked; it is what the library wants to know of one.
type Party struct {
	Client
	secret [sha256.Size]byte
	// Grace is its RefreshGrace, or what most clients have.
	Grace time.Duration
}

// New checks a client; a mistake is an Invalid fault.
func New(c Client) (*Party, error) {
	if c.Algorithm == "" {
		c.Algorithm = signing.RS256
	}
	k := &Party{Client: c, secret: sha256.Sum256([]byte(c.Secret.Reveal())), Grace: defaultGrace}
	if c.ID == "" || len(c.ID) > 100 {
		return k, fault.New(fault.Invalid, "client %.60q: an id has 1 to 100 characters", c.ID)
	}
	if c.Algorithm != signing.RS256 && c.Algorithm != signing.ES256 {
		return k, fault.New(fault.Invalid, "client %q: algorithm %q is not %s or %s", c.ID, c.Algorithm, signing.RS256, signing.ES256)
	}
	if c.RefreshGrace != nil {
		k.Grace = *c.RefreshGrace
	}
	if k.Grace < 0 || k.Grace > longestGrace {
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

// Confidential reports whether it can prove who it is.
func (c *Party) Confidential() bool { return c.Secret != "" || len(c.Keys.Keys) > 0 }

// Proves reports whether secret is the client's. Public ones prove nothing, with an empty one:
// oidc-agent sends Basic credentials with it.
func (c *Party) Proves(secret string) bool {
	if len(c.Keys.Keys) > 0 {
		return false // it signs
	}
	sum := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(sum[:], c.secret[:]) == 1
}

// MayReturnTo judges a redirect URI: exactly a registered one or, for public clients, one on
// loopback that differs in its port and in how it writes loopback (RFC 8252 §7.3). The library
// judges too, but of the text unescaped once more.
func (c *Party) MayReturnTo(uri string) bool {
	if slices.Contains(c.Client.RedirectURIs, uri) {
		return true
	}
	u, ok := loopback(uri)
	return ok && !c.Confidential() && slices.ContainsFunc(c.Client.RedirectURIs, func(s string) bool {
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

// What follows implements op.Client.

func (c *Party) GetID() string                    { return c.ID }
func (c *Party) RedirectURIs() []string           { return c.Client.RedirectURIs }
func (c *Party) PostLogoutRedirectURIs() []string { return nil }

func (c *Party) ApplicationType() op.ApplicationType {
	if c.Confidential() {
		return op.ApplicationTypeWeb
	}
	return op.ApplicationTypeNative
}

func (c *Party) AuthMethod() oidc.AuthMethod {
	if len(c.Keys.Keys) > 0 {
		return oidc.AuthMethodPrivateKeyJWT
	}
	if c.Confidential() {
		return oidc.AuthMethodBasic
	}
	return oidc.AuthMethodNone
}

func (c *Party) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

func (c *Party) GrantTypes() []oidc.GrantType {
	types := []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeTokenExchange}
	if c.Device {
		types = append(types, oidc.GrantTypeDeviceCode)
	}
	return types
}

func (c *Party) LoginURL(string) string                                       { return "" }
func (c *Party) AccessTokenType() op.AccessTokenType                          { return op.AccessTokenTypeBearer }
func (c *Party) IDTokenLifetime() time.Duration                               { return IDTokenLife }
func (c *Party) DevMode() bool                                                { return false }
func (c *Party) IsScopeAllowed(string) bool                                   { return true } // else dropped silently; grantable judges
func (c *Party) IDTokenUserinfoClaimsAssertion() bool                         { return true }
func (c *Party) ClockSkew() time.Duration                                     { return 0 }
func (c *Party) RestrictAdditionalIdTokenScopes() func([]string) []string     { return nil }
func (c *Party) RestrictAdditionalAccessTokenScopes() func([]string) []string { return nil }
