// Package grant is the kind of credential that is custody of a refresh token at one provider, or the
// permission to have tokens of our own issuer minted. Its tokens, renewals and end are custody's; here
// is what an order of it must say. It imports rows 0 and 1.
package grant

import (
	"cmp"
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/material"
)

// Kind takes orders for grants. Providers is required.
type Kind struct {
	Providers map[string]grant.Provider // by id
	// Judge says whether our own issuer makes what is ordered for the account. Nil where no provider
	// is of the type lanyard.
	Judge func(context.Context, identity.Account, grant.Spec) error
}

// Name implements credential.Kind.
func (*Kind) Name() string { return grant.Kind }

// Personal implements credential.Personal: who approves is a person, whatever the project.
func (*Kind) Personal() {}

// Lingers implements credential.Lingering: the provider must be told.
func (*Kind) Lingers() {}

// Make implements credential.Kind. A grant waits for its approval, unless it is at our own issuer.
func (k *Kind) Make(ctx context.Context, o credential.Order) (credential.Made, error) {
	spec, err := grant.ParseSpec(o.Spec)
	if err != nil {
		return credential.Made{}, err
	}
	p, ok := k.Providers[spec.Provider]
	if !ok {
		return credential.Made{}, fault.New(fault.Invalid, "there is no provider %.60q", spec.Provider).
			WithHint("choose from: %s", strings.Join(slices.Sorted(maps.Keys(k.Providers)), ", "))
	}
	if len(spec.Scopes) == 0 {
		spec.Scopes = slices.Clone(p.Scopes)
	}
	if len(spec.Audiences) == 0 {
		spec.Audiences = slices.Clone(p.Audiences)
	}
	spec.Narrowed = false
	if usual := p.Type == "" || p.Type == grant.OAuth; usual && (p.Audience == "" || p.Audience == "none") && len(spec.Audiences) > 0 {
		return credential.Made{}, fault.New(fault.Invalid, "%s makes no tokens for a certain audience", cmp.Or(p.Title, p.ID)).WithHint("leave the audience out")
	}
	own := p.Type == grant.Lanyard
	if own && k.Judge != nil {
		if err := k.Judge(ctx, o.Owner, spec); err != nil {
			return credential.Made{}, err
		}
	}
	return credential.Made{PublicID: "GR" + rand.Text()[:18], Spec: spec.Encode(), Waits: !own}, nil
}

// Material implements credential.Kind. A grant has none of its own: tokens come of it.
func (*Kind) Material(_ context.Context, c credential.Credential, _ credential.State) (material.Material, error) {
	return material.Material{ExpiresAt: c.ExpiresAt}, nil
}

// Bound implements credential.Bounded: some providers have grants approved anew after a while.
func (k *Kind) Bound(c credential.Credential) time.Time {
	spec, err := grant.ParseSpec(c.Spec)
	if err != nil || k.Providers[spec.Provider].MaxLife == 0 {
		return time.Time{}
	}
	return c.CreatedAt.Add(k.Providers[spec.Provider].MaxLife)
}
