package subgrant

import (
	"context"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/subgrant/wire"
	"github.com/lanyardhq/lanyard/material"
)

// AccessToken returns an access token of the provider. The restrictions are judged twice: before the
// provider is asked, and in the transaction that counts the use, after which the token is handed
// out. So a use that failed is not counted, and none is handed out that is not counted.
func (s *Service) AccessToken(ctx context.Context, token material.Secret, w AccessWish, from Asker) (Access, error) {
	a, err := s.access(ctx, token, w, from)
	return a, s.refusal(ctx, err)
}

func (s *Service) access(ctx context.Context, token material.Secret, w AccessWish, from Asker) (Access, error) {
	shown, chain, err := s.present(ctx, token, from)
	if err != nil {
		return Access{}, err
	}
	if err := capable(chain.Links[0], w.Issuer, delegation.CapabilityAT); err != nil {
		return Access{}, err
	}
	use := delegation.Use{AT: true, Scopes: w.Scopes, Audience: w.Audiences, Address: from.addr(), At: s.now()}
	d, err := chain.Decide(use)
	if err != nil {
		return Access{}, err
	}
	wish := grant.Wish{Scopes: d.Scopes, Audiences: d.Audience}
	tokens, err := s.Grants.TokenOf(ctx, chain.Links[0].GrantID, wish)
	if err != nil {
		return Access{}, wire.OfProvider(err)
	}
	// From here on exactly what the token was made for: a clause that allows this must still be there.
	use.Scopes, use.Audience, use.Final, use.At = d.Scopes, d.Audience, true, s.now()
	var u used
	err = s.Store.Decide(ctx, shown.ID, func(c delegation.Chain) (delegation.Change, error) {
		if u, err = s.use(c, shown, use); err != nil {
			return delegation.Change{}, err
		}
		comment := "Used grant_type mytoken"
		if w.Comment != "" {
			comment += ": " + w.Comment
		}
		u.change.Events = append(u.change.Events, from.event(shown.ID, "AT_created", comment, use.At))
		return u.noted(from, use.At), nil
	})
	if err != nil {
		return Access{}, err
	}
	a := Access{Token: tokens.Access, ExpiresAt: tokens.AccessExpiresAt, ExpiresIn: tokens.AccessExpiresAt.Sub(s.now()), Scopes: tokens.Scopes, Audiences: tokens.Audiences}
	a.Update, err = s.updated(u, shown)
	return a, err
}

func absent(err error) bool { return fault.CodeOf(err) == fault.NotFound }
