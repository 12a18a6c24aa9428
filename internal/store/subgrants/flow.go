package subgrants

import (
	"context"
	"fmt"

	"github.com/lanyardhq/lanyard/internal/caller"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

// How many flows can be open at one time: of one network, and together.
const (
	maxPerNetwork = 100
	maxFlows      = 10_000
)

// InsertFlow adds a flow; too many that are open for one network (see caller.Network) are a Limited fault.
func (g *Delegated) InsertFlow(ctx context.Context, f delegation.Flow) error {
	texts, err := encode(f.Wish, f.Granted)
	if err != nil {
		return err
	}
	return g.Write(ctx, func(ctx context.Context, t Tx) error {
		n, err := t.Exec(ctx, `INSERT INTO delegation_flow (id, consent, polling, state, provider, wish, granted, address, user_agent,
				owner_id, grant_id, created_at, expires_at, network)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $16
			WHERE (SELECT count(*) FROM delegation_flow WHERE network = $16 AND expires_at > $12 AND state IN ('asked', 'accepted')) < $14
			AND (SELECT count(*) FROM delegation_flow WHERE expires_at > $12 AND state IN ('asked', 'accepted')) < $15`,
			f.ID, f.Consent, f.Polling, string(f.State), f.Provider, texts[0], texts[1], f.Address, f.UserAgent,
			f.OwnerID, f.GrantID, f.CreatedAt, f.ExpiresAt, maxPerNetwork, maxFlows, caller.Network(f.Address))
		if err != nil {
			return fmt.Errorf("insert flow: %w", err)
		}
		if n == 0 {
			many := fault.New(fault.Limited, "too many requests from %s wait for a person", f.Address).WithHint("wait until they are over")
			many.RetryAfter = f.ExpiresAt.Sub(f.CreatedAt) // all that are open now are over then
			return many
		}
		return nil
	})
}

// FlowByCode finds a flow by the hash of one of its codes, or returns a NotFound fault.
func (g *Delegated) FlowByCode(ctx context.Context, hash []byte) (delegation.Flow, error) {
	return database.One(ctx, g.DB, "request", func(r database.Row) (f delegation.Flow, err error) {
		var wish, granted string
		if err := r.Scan(&f.ID, &f.Consent, &f.Polling, &f.State, &f.Provider, &wish, &granted, &f.Address, &f.UserAgent,
			&f.OwnerID, &f.GrantID, &f.CreatedAt, &f.ExpiresAt); err != nil {
			return f, err
		}
		return f, decode(f.ID, text{wish, &f.Wish}, text{granted, &f.Granted})
	}, `SELECT id, consent, polling, state, provider, wish, granted, address, user_agent, owner_id, grant_id, created_at, expires_at
		FROM delegation_flow WHERE consent = $1 OR polling = $1`, hash)
}

// SaveFlow writes what can change of a flow, and what comes with it, if its state is still was; else
// it returns fault.ErrStale.
func (g *Delegated) SaveFlow(ctx context.Context, f delegation.Flow, was delegation.FlowState, c delegation.Change) error {
	texts, err := encode(f.Granted)
	if err != nil {
		return err
	}
	return g.Write(ctx, func(ctx context.Context, t Tx) error {
		n, err := t.Exec(ctx, `UPDATE delegation_flow SET state = $3, granted = $4, owner_id = $5, grant_id = $6 WHERE id = $1 AND state = $2`,
			f.ID, string(was), string(f.State), texts[0], f.OwnerID, f.GrantID)
		if err != nil {
			return fmt.Errorf("save flow %s: %w", f.ID, err)
		}
		if n == 0 {
			return fault.ErrStale
		}
		return g.apply(ctx, t, c)
	})
}
