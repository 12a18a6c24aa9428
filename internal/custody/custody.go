// Package custody keeps what people approved at providers: it gets their approvals, keeps the refresh
// tokens, hands out access tokens, renews ahead, and revokes at the end. Two rules stand above all
// others. A refresh token is in use by one request at a time on all servers together, because
// providers that see one twice end the grant. And nobody sees an access token before the refresh
// token that came with it is on disk. It imports rows 0 to 2 and declares what it needs of a
// database.
package custody

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/access"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody/renewal"
	"github.com/lanyardhq/lanyard/internal/fault"
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

// Minter makes the tokens of grants at our own issuer. The store takes them back when the grant is
// stopped or ends.
type Minter interface {
	// Mint makes an access token for the owner of c, as wished.
	Mint(ctx context.Context, c credential.Credential, w grant.Wish) (grant.Tokens, error)
}

// Custody keeps grants. All exported fields but Mint and Every are required. It is used by pointer, and Run
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
	// Every is how often work is looked for where there was none; 0: once a second.
	Every time.Duration

	mu      sync.Mutex
	sites   map[string]*site   // by provider id, once they are used
	flights map[string]*flight // refreshes under way in this server, by grant id
	uses    map[grant.Use]bool // to be written down; their time is that of writing
	closing bool
	work    sync.WaitGroup // what Run waits for at its end
}

// now is the time that decisions and rows are made with: UTC, whole seconds.
func (c *Custody) now() time.Time { return c.Now().UTC().Truncate(time.Second) }

func (c *Custody) gate() access.Gate { return access.Gate{Store: c.Store} }

// site is one provider, its state in this server, and us there.
type site struct {
	*renewal.Site
	Client Client
}

// site returns the provider with this id.
func (c *Custody) site(id string) (*site, error) {
	p, ok := c.Providers[id]
	if !ok {
		return nil, fault.New(fault.Unavailable, "provider %s is not configured any more", id).WithHint("ask the people who run this server")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sites[id]
	if s == nil {
		s = &site{Site: renewal.NewSite(p.Provider), Client: p.Client}
		if c.sites == nil {
			c.sites = map[string]*site{}
		}
		c.sites[id] = s
	}
	return s, nil
}

// ProviderStatus is what people may know of a provider.
type ProviderStatus struct {
	ID, Title, Issuer, Type string
	Scopes                  []string
	Health                  grant.Health
	HealthSince             time.Time // zero while fine
}

// List returns the providers there are, by id.
func (c *Custody) List(context.Context) []ProviderStatus {
	var all []ProviderStatus
	for _, id := range slices.Sorted(maps.Keys(c.Providers)) {
		s, err := c.site(id)
		if err != nil {
			continue
		}
		one := ProviderStatus{ID: id, Title: cmp.Or(s.Title, id), Issuer: s.Issuer, Type: cmp.Or(s.Type, grant.OAuth), Scopes: s.Scopes}
		one.Health, one.HealthSince = s.Health()
		all = append(all, one)
	}
	return all
}

// NewGrant orders a grant for by that waits for its approval. Life 0 is the usual one.
func (c *Custody) NewGrant(ctx context.Context, by identity.Actor, spec grant.Spec, name string, life time.Duration) (credential.Credential, error) {
	return c.Issue(ctx, by, credential.Order{Kind: grant.Kind, Name: name, Life: life, Spec: spec.Encode()}, audit.Once{})
}
