// Package tokens is the store's part about access tokens that are verified by their signature: which
// of them were taken back. It implements what minting declares that it needs of a database. The
// store lends it its transactions, so that its writes stand in the same queue and audit chain as
// all others. It imports rows 0 and 1.
package tokens

import (
	"context"
	"fmt"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

// Tx is a change under way.
type Tx interface {
	// Deny adds to the list and to the feed.
	Deny(context.Context, session.Denial) error
	Record(context.Context, audit.Record) error
}

// Tokens is that part. All fields are required.
type Tokens struct {
	DB *database.DB
	// Revoke runs a change in a transaction, which a full disk must not stop.
	Revoke func(context.Context, func(context.Context, Tx) error) error
}

// Deny adds to the list of what is denied.
func (p *Tokens) Deny(ctx context.Context, d session.Denial, record audit.Record) error {
	return p.Revoke(ctx, func(ctx context.Context, t Tx) error {
		if err := t.Deny(ctx, d); err != nil {
			return err
		}
		return t.Record(ctx, record)
	})
}

// Denials returns what was denied after the number, in order.
func (p *Tokens) Denials(ctx context.Context, after int64) ([]session.Denial, error) {
	ds, err := database.List(ctx, p.DB, func(r database.Row) (d session.Denial, err error) {
		return d, r.Scan(&d.ID, &d.Seq, &d.At, &d.Until)
	}, `SELECT id, seq, at, until_at FROM denial WHERE seq > $1 ORDER BY seq`, after)
	if err != nil {
		return nil, fmt.Errorf("read what is denied: %w", err)
	}
	return ds, nil
}
