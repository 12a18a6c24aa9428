package broker

import (
	"context"
	"net/netip"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// ListCredentials returns what f selects of those that by may see. F.ProjectID may be a name.
// Without a project that is by's own; in a project, managers and deputies see all; the operator
// sees all everywhere.
func (b *Broker) ListCredentials(ctx context.Context, by identity.Actor, f credential.Filter) ([]credential.Credential, error) {
	if f.ProjectID != "" {
		p, err := b.project(ctx, by, f.ProjectID, identity.User, identity.ReadKeys)
		if err != nil {
			return nil, err
		}
		f.ProjectID = p.ID
	} else if err := b.admit(ctx, by, identity.ReadKeys); err != nil {
		return nil, err
	}
	if !by.Operator && (f.ProjectID == "" || !by.In(f.ProjectID, identity.Deputy)) {
		if f.OwnerID != "" && f.OwnerID != by.AccountID {
			return nil, nil
		}
		f.OwnerID = by.AccountID
	}
	return b.Store.ListCredentials(ctx, f)
}

// Show returns one credential, by id or public id.
func (b *Broker) Show(ctx context.Context, by identity.Actor, ref string) (credential.Credential, error) {
	c, _, err := b.credential(ctx, by, ref, identity.ReadKeys)
	return c, err
}

// ListAccounts lists people and robots, for the operator.
func (b *Broker) ListAccounts(ctx context.Context, by identity.Actor, f identity.Filter) ([]identity.Account, error) {
	if err := operator(by); err != nil {
		return nil, err
	}
	return b.Store.ListAccounts(ctx, f)
}

// ListAudit returns records, newest first: the operator's choice; of a project for its members; of
// a credential for those who may see it; else of what by did. Members of a project see where
// others came from only roughly, unless they are managers or deputies.
func (b *Broker) ListAudit(ctx context.Context, by identity.Actor, f audit.Filter) ([]audit.Record, error) {
	whole := by.Operator
	switch {
	case f.Project != "":
		p, err := b.project(ctx, by, f.Project, identity.User, identity.ReadProjects)
		if err != nil {
			return nil, err
		}
		f.Project = p.ID
		whole = by.In(p.ID, identity.Deputy)
	case by.Operator:
	case f.Subject != "":
		c, _, err := b.credential(ctx, by, f.Subject, identity.ReadKeys)
		if err != nil {
			return nil, err
		}
		f.Subject = c.ID
		whole = by.In(c.ProjectID, identity.Deputy)
	default:
		if err := b.admit(ctx, by, identity.ReadProjects); err != nil {
			return nil, err
		}
		f.Actor = by.AccountID
	}
	records, err := b.Store.Audit(ctx, f)
	for i, r := range records {
		if !whole && r.Actor != by.AccountID {
			records[i].Address = rough(r.Address)
		}
	}
	return records, err
}

// rough keeps of an address what tells the network: 16 bits of IPv4, 32 of IPv6.
func rough(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is4() {
		bits = 16
	}
	return netip.PrefixFrom(a, bits).Masked().String()
}
