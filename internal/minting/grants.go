package minting

import (
	"context"
	"fmt"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// Grants mints for grants whose provider we are ourselves, as custody wants it.
type Grants struct {
	Minter *Minter
	// Account finds by id.
	Account func(ctx context.Context, id string) (identity.Account, error)
}

// Mint makes an access token for the owner of c, as wished. It ends with the grant.
func (g Grants) Mint(ctx context.Context, c credential.Credential, w grant.Wish) (grant.Tokens, error) {
	spec, err := grant.ParseSpec(c.Spec)
	if err != nil {
		return grant.Tokens{}, err
	}
	if w, err = spec.Narrow(w); err != nil {
		return grant.Tokens{}, err
	}
	a, err := g.Account(ctx, c.OwnerID)
	if err != nil {
		return grant.Tokens{}, fmt.Errorf("find owner of grant %s: %w", c.ID, err)
	}
	return g.Minter.Mint(ctx, Order{Account: a, Scopes: w.Scopes, Audiences: w.Audiences, Until: c.ExpiresAt, Family: c.ID})
}
