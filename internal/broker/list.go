package broker

import (
	"context"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/access"
	"github.com/lanyardhq/lanyard/internal/broker/standing"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// ListCredentials returns what f selects of those that by may see. F.ProjectID may be a name.
// Without a project that is by's own; in a project, managers and deputies see all; the operator
// sees all everywhere. Without a kind it is of all kinds that the token covers.
func (b *Broker) ListCredentials(ctx context.Context, by identity.Actor, f credential.Filter) ([]credential.Credential, error) {
	scope := access.Reads(f.Kind)
	if f.Kind == "" {
		if f.Kinds = access.Readable(by); len(f.Kinds) > 0 {
			scope = access.Reads(f.Kinds[0])
		}
	}
	if f.ProjectID != "" {
		p, err := b.gate().Project(ctx, by, f.ProjectID, identity.User, scope)
		if err != nil {
			return nil, err
		}
		f.ProjectID = p.ID
	} else if err := b.gate().Admit(ctx, by, scope); err != nil {
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
	c, _, err := b.gate().Credential(ctx, by, ref, access.Reads)
	return c, err
}

// ListAccounts lists people and robots, for the operator.
func (b *Broker) ListAccounts(ctx context.Context, by identity.Actor, f identity.Filter) ([]identity.Account, error) {
	if err := access.Operator(by); err != nil {
		return nil, err
	}
	return b.Store.ListAccounts(ctx, f)
}

// ListAudit returns records, newest first: the operator's choice; of a project for its members; of
// a credential for those who may see it; else of what by did. Members of a project who are neither
// manager nor deputy see where others came from only roughly, and nothing of others' keys but that
// something was done.
func (b *Broker) ListAudit(ctx context.Context, by identity.Actor, f audit.Filter) ([]audit.Record, error) {
	whole, own := by.Operator, false
	switch {
	case f.Project != "":
		p, err := b.gate().Project(ctx, by, f.Project, identity.User, identity.ReadProjects)
		if err != nil {
			return nil, err
		}
		f.Project = p.ID
		whole = by.In(p.ID, identity.Deputy)
	case by.Operator:
	case f.Subject != "":
		c, _, err := b.gate().Credential(ctx, by, f.Subject, access.Reads)
		if err != nil {
			return nil, err
		}
		f.Subject = c.ID
		whole, own = by.In(c.ProjectID, identity.Deputy), c.OwnerID == by.AccountID
	default:
		if err := b.gate().Admit(ctx, by, identity.ReadProjects); err != nil {
			return nil, err
		}
		f.Actor = by.AccountID
	}
	records, err := b.Store.Audit(ctx, f)
	for i, r := range records {
		if whole || r.Actor == by.AccountID {
			continue
		}
		noun, _, _ := strings.Cut(r.Action, ".")
		if _, key := b.Kinds[noun]; key && !own {
			r.Subject, r.Detail = "", nil
		}
		records[i] = r.Roughly()
	}
	return records, err
}

// VerifyAudit walks the hash chain of the audit trail and returns the first sequence number that
// does not fit, or 0. It is for the operator.
func (b *Broker) VerifyAudit(ctx context.Context, by identity.Actor) (bad int64, err error) {
	if err := access.Operator(by); err != nil {
		return 0, err
	}
	return b.Store.VerifyAudit(ctx)
}

// LongestLife returns how far from now an extension of a credential of the kind in the project may
// reach; of a personal one if projectID is empty. It tells nothing to who has not seen such a
// credential already.
func (b *Broker) LongestLife(ctx context.Context, projectID, kind string) (time.Duration, error) {
	p, err := standing.Project(ctx, b.Store, projectID)
	if err != nil {
		return 0, err
	}
	return b.Lifetime(p, kind).Max, nil
}

// Latest is the end that extending c would give now, where LongestLife is longest.
func (b *Broker) Latest(c credential.Credential, longest time.Duration) time.Time {
	return b.bounds().Within(c, b.now().Add(longest))
}
