// Package custody keeps what people approved at providers: it gets their approvals, keeps the refresh
// tokens, hands out access tokens, renews ahead, and revokes at the end. Two rules stand above all
// others. A refresh token is in use by one request at a time on all servers together, because
// providers that see one twice end the grant. And nobody sees an access token before the refresh
// token that came with it is on disk. It imports rows 0 to 2 and declares what it needs of a
// database.
package custody

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/provider"
	"github.com/lanyardhq/lanyard/material"
)

// Client is us at one provider: *provider.Client.
type Client interface {
	Begin(context.Context, grant.Wish, provider.Hint) (provider.Approval, error)
	Finish(ctx context.Context, data []byte, answer url.Values) (grant.Tokens, error)
	Poll(ctx context.Context, data []byte) (grant.Tokens, error)
	Refresh(ctx context.Context, refresh material.Secret, w grant.Wish) (grant.Tokens, error)
	Revoke(ctx context.Context, refresh material.Secret) (receipt string, err error)
}

// Provider is one that people approve at. Client is nil for the type lanyard.
type Provider struct {
	grant.Provider
	Client Client
}

// Minter makes the tokens of grants at our own issuer.
type Minter interface {
	// Mint makes an access token for the owner of c, as wished.
	Mint(ctx context.Context, c credential.Credential, w grant.Wish) (grant.Tokens, error)
	// Deny has everybody refuse what was minted for the grant.
	Deny(ctx context.Context, c credential.Credential) error
}

// Custody keeps grants. All exported fields but Mint are required. It is used by pointer, and Run
// must run in every server that uses it.
type Custody struct {
	Store     Store
	Providers map[string]Provider // by id
	Mint      Minter              // nil where no provider is of the type lanyard
	// Issue makes the credential that somebody orders: the broker's.
	Issue func(context.Context, identity.Actor, credential.Order, audit.Once) (credential.Credential, error)
	// Portal is the address of the portal, without a slash at its end.
	Portal string
	Now    func() time.Time
	Log    *slog.Logger
}

// Approval is the page where somebody approves a grant.
type Approval struct {
	CredentialID string
	URL          string
	ExpiresAt    time.Time
	// Interval is how long to wait between two looks at the credential.
	Interval time.Duration
}

// TokenWish says how an access token shall be.
type TokenWish struct {
	grant.Wish
	// MinValid is the life that it must have left; 0: half of what is usual.
	MinValid time.Duration
	// Force asks for a new one, whatever is ready.
	Force bool
}

// ProviderStatus is what people may know of a provider.
type ProviderStatus struct {
	ID, Title, Issuer, Type string
	Scopes                  []string
	Health                  grant.Health
	HealthSince             time.Time
}

var errNotWritten = errors.New("not written yet")

// Approval tells where by approves a new grant, or signs in again for one that is in force.
func (c *Custody) Approval(ctx context.Context, by identity.Actor, ref string) (Approval, error) {
	return Approval{}, errNotWritten
}

// Begin returns the provider's page on which by, in a browser, approves the grant ref.
func (c *Custody) Begin(ctx context.Context, by identity.Actor, ref string) (redirect string, err error) {
	return "", errNotWritten
}

// Callback takes what the provider's redirect brought back to the browser of by.
func (c *Custody) Callback(ctx context.Context, by identity.Actor, provider string, answer url.Values) (credential.Credential, error) {
	return credential.Credential{}, errNotWritten
}

// Token returns an access token of one of by's own grants: ref is an id, a name, or a provider's id.
func (c *Custody) Token(ctx context.Context, by identity.Actor, ref string, w TokenWish) (grant.Tokens, error) {
	return grant.Tokens{}, errNotWritten
}

// TokenOf is Token where the caller has judged already who asks.
func (c *Custody) TokenOf(ctx context.Context, grantID string, w TokenWish) (grant.Tokens, error) {
	return grant.Tokens{}, errNotWritten
}

// Families returns the families of those of cs that by may see, by credential id, without secrets.
func (c *Custody) Families(ctx context.Context, by identity.Actor, cs []credential.Credential) (map[string]grant.Family, error) {
	return nil, errNotWritten
}

// Find returns one of by's own grants, and its family without secrets. Ref is as for Token.
func (c *Custody) Find(ctx context.Context, by identity.Actor, ref string) (credential.Credential, grant.Family, error) {
	return credential.Credential{}, grant.Family{}, errNotWritten
}

// Narrow takes scopes and audiences away from a grant, for good: it keeps those of w.
func (c *Custody) Narrow(ctx context.Context, by identity.Actor, ref string, w grant.Wish, once audit.Once) (credential.Credential, error) {
	return credential.Credential{}, errNotWritten
}

// List returns the providers there are, by id.
func (c *Custody) List(ctx context.Context) []ProviderStatus { return nil }

// NewGrant orders a grant for by that waits for its approval. Life 0 is the usual one.
func (c *Custody) NewGrant(ctx context.Context, by identity.Actor, spec grant.Spec, name string, life time.Duration) (credential.Credential, error) {
	return credential.Credential{}, errNotWritten
}

// Run renews ahead, asks for approvals that are polled for, and revokes, until ctx ends. Then it
// waits for the refreshes under way.
func (c *Custody) Run(ctx context.Context) error { return errNotWritten }
