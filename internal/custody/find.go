package custody

import (
	"context"
	"strings"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// searched is how many of somebody's newest grants are looked at for a name.
const searched = 500

// resolve finds the id of one of by's own grants: ref is an id, a name, or a provider's id. Of
// several, the one that works is meant.
func (c *Custody) resolve(ctx context.Context, by identity.Actor, ref string) (string, error) {
	if strings.HasPrefix(ref, "crd_") {
		return ref, nil
	}
	absent := fault.New(fault.NotFound, "you have no grant %.60q", ref)
	if by.AccountID == "" {
		return "", absent
	}
	all, err := c.Store.ListCredentials(ctx, credential.Filter{Kind: grant.Kind, OwnerID: by.AccountID, Limit: searched})
	if err != nil {
		return "", err
	}
	var best []credential.Credential
	rank := 0
	for _, one := range all {
		switch r := c.rank(one, ref); {
		case r > rank:
			best, rank = []credential.Credential{one}, r
		case r == rank && r > 0:
			best = append(best, one)
		}
	}
	switch {
	case len(best) > 1 && rank > unfinished:
		var names []string
		for _, one := range best[:min(len(best), 5)] {
			names = append(names, one.Name+" ("+one.ID+")")
		}
		return "", fault.New(fault.Conflict, "you have %d grants that %.60q can mean", len(best), ref).WithHint("name one by its id: %s", strings.Join(names, ", "))
	case len(best) > 0:
		return best[0].ID, nil // the newest
	}
	_, ok := c.Providers[ref]
	if ok {
		return "", absent.WithHint("approve one: lanyard token approve %s", ref)
	}
	return "", absent.WithHint("lanyard token list shows those that you have")
}

// unfinished is the rank of grants that wait or have ended: of several, the newest is meant.
const unfinished = 4

// rank says how well one is meant by ref; 0: not at all.
func (c *Custody) rank(one credential.Credential, ref string) int {
	rank := 0
	spec, err := grant.ParseSpec(one.Spec)
	switch {
	case one.Name == ref || one.PublicID == ref:
		rank = 2
	case err == nil && spec.Provider == ref:
		rank = 1
	default:
		return 0
	}
	switch one.Status {
	case credential.Active:
		rank += 6
	case credential.Frozen:
		rank += 4
	case credential.Intended:
		rank += 2
	}
	return rank
}

// own finds one of by's own grants, for what nobody but the owner may do.
func (c *Custody) own(ctx context.Context, by identity.Actor, ref string) (credential.Credential, error) {
	id, err := c.resolve(ctx, by, ref)
	if err != nil {
		return credential.Credential{}, err
	}
	one, _, err := c.gate().Own(ctx, by, id)
	if err == nil && one.Kind != grant.Kind {
		err = fault.New(fault.NotFound, "you have no grant %.60q", ref)
	}
	return one, err
}

// Find returns one of by's own grants, and its family without secrets. Ref is an id, a name, or a
// provider's id.
func (c *Custody) Find(ctx context.Context, by identity.Actor, ref string) (credential.Credential, grant.Family, error) {
	if err := c.gate().Admit(ctx, by, identity.ReadTokens); err != nil {
		return credential.Credential{}, grant.Family{}, err
	}
	id, err := c.resolve(ctx, by, ref)
	if err != nil {
		return credential.Credential{}, grant.Family{}, err
	}
	one, _, err := c.Store.Credential(ctx, id)
	if fault.CodeOf(err) == fault.NotFound || err == nil && (one.Kind != grant.Kind || one.OwnerID != by.AccountID) {
		err = fault.New(fault.NotFound, "you have no grant %.60q", ref)
	}
	if err != nil {
		return credential.Credential{}, grant.Family{}, err
	}
	families, err := c.Families(ctx, by, []credential.Credential{one})
	return one, families[one.ID], err
}

// Families returns the families of those of all that by may see, by credential id, without secrets.
// What nobody has approved yet has none.
func (c *Custody) Families(ctx context.Context, by identity.Actor, all []credential.Credential) (map[string]grant.Family, error) {
	if err := c.gate().Admit(ctx, by, identity.ReadTokens); err != nil {
		return nil, err
	}
	families := map[string]grant.Family{}
	var ids []string
	for _, one := range all {
		if one.Kind != grant.Kind || one.OwnerID != by.AccountID && !by.In(one.ProjectID, identity.Deputy) {
			continue
		}
		ids = append(ids, one.ID)
		if spec, err := grant.ParseSpec(one.Spec); err == nil && c.Providers[spec.Provider].Type == grant.Lanyard {
			families[one.ID] = grant.Family{GrantID: one.ID, Provider: spec.Provider, Health: grant.Fine}
		}
	}
	found, err := c.Store.Families(ctx, ids)
	for _, f := range found {
		families[f.GrantID] = f
	}
	return families, err
}
