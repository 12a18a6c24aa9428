package subgrant

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
)

// Flows is what a Service needs of a database for requests that wait for a person.
type Flows interface {
	// InsertFlow adds a flow; too many that are open for one address are a Limited fault.
	InsertFlow(context.Context, delegation.Flow) error
	// FlowByCode finds a flow by the hash of one of its codes, or returns a NotFound fault.
	FlowByCode(ctx context.Context, hash []byte) (delegation.Flow, error)
	// SaveFlow writes what can change of a flow, and what comes with it, if its state is still was;
	// else it returns fault.ErrStale.
	SaveFlow(ctx context.Context, f delegation.Flow, was delegation.FlowState, c delegation.Change) error
	// Holder reads a grant as sub-grants stand on it, or returns a NotFound fault.
	Holder(ctx context.Context, grantID string) (delegation.Holder, error)
}

// Store is what a Service needs of a database for sub-grants.
type Store interface {
	// Chain reads a sub-grant by its id with all above it, or returns a NotFound fault.
	Chain(ctx context.Context, id string) (delegation.Chain, error)
	// Code finds a code by its hash, or returns a NotFound fault.
	Code(ctx context.Context, hash []byte) (delegation.Code, error)
	// Decide reads the chain of id in a transaction in which nobody else writes, lets do decide, and
	// writes the change that it returns. An error of do is returned as it is.
	Decide(ctx context.Context, id string, do func(delegation.Chain) (delegation.Change, error)) error
	// Withdraw is Decide for what takes rights away: a full disk does not stop it.
	Withdraw(ctx context.Context, id string, do func(delegation.Chain) (delegation.Change, error)) error
	// SubGrants lists those that have not ended, oldest first.
	SubGrants(context.Context, delegation.Filter) ([]delegation.SubGrant, error)
	// SubGrantEvents lists the events of sub-grants, oldest first.
	SubGrantEvents(ctx context.Context, ids []string) ([]delegation.Event, error)
	// Unheld are grants that were made for sub-grants of which none is in force at now.
	Unheld(ctx context.Context, now time.Time) ([]string, error)
	// PurgeDelegations ends sub-grants that expired, and removes codes and flows that are over, and
	// sub-grants that ended before the given time.
	PurgeDelegations(ctx context.Context, now, ended time.Time) error
}
