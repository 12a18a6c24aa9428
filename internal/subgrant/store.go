package subgrant

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/delegation"
)

// Store is what a Service needs of a database.
type Store interface {
	// InsertFlow adds a flow; too many that are open for one address are a Limited fault.
	InsertFlow(context.Context, delegation.Flow) error
	// FlowByCode finds a flow by the hash of one of its codes, or returns a NotFound fault.
	FlowByCode(ctx context.Context, hash []byte) (delegation.Flow, error)
	// SaveFlow writes what can change of a flow, and what comes with it, if its state is still was;
	// else it returns fault.ErrStale.
	SaveFlow(ctx context.Context, f delegation.Flow, was delegation.FlowState, c Change) error
	// Chain reads a sub-grant by its id with all above it, or returns a NotFound fault.
	Chain(ctx context.Context, id string) (delegation.Chain, error)
	// Code finds a code by its hash, or returns a NotFound fault.
	Code(ctx context.Context, hash []byte) (delegation.Code, error)
	// Decide reads the chain of id in a transaction, lets do decide, and writes the change that it
	// returns. An error of do undoes nothing, because nothing was done; it is returned as it is.
	Decide(ctx context.Context, id string, do func(delegation.Chain) (Change, error)) error
	// SubGrants lists.
	SubGrants(context.Context, delegation.Filter) ([]delegation.SubGrant, error)
	// SubGrantEvents lists the events of sub-grants, oldest first.
	SubGrantEvents(ctx context.Context, ids []string) ([]delegation.Event, error)
}

// Upkeep is what Run needs of a database beyond that.
type Upkeep interface {
	// Unheld are grants that were made for sub-grants of which none is in force at now.
	Unheld(ctx context.Context, now time.Time) ([]string, error)
	// PurgeDelegations removes codes and flows that are over, and sub-grants that ended before the time.
	PurgeDelegations(ctx context.Context, now, ended time.Time) error
}

// Change is what a decision writes, all or nothing.
type Change = delegation.Change

var _ = audit.Record{}
