package people

import (
	"context"
	"fmt"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

// Notices returns what an account has been told and has not dismissed, newest first.
func (p *People) Notices(ctx context.Context, accountID string) ([]notice.Notice, error) {
	ns, err := database.List(ctx, p.DB, func(r database.Row) (n notice.Notice, err error) {
		return n, r.Scan(&n.ID, &n.AccountID, &n.Kind, &n.Subject, &n.At, &n.Name, &n.Place, &n.Address, &n.Program)
	}, `SELECT id, account_id, kind, subject, at, name, place, address, program FROM notice WHERE account_id = $1 ORDER BY at DESC, id DESC`, accountID)
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	return ns, nil
}

// DismissNotice removes one of an account's notices. One that is absent is a NotFound fault, and
// nothing is recorded.
func (p *People) DismissNotice(ctx context.Context, accountID, id string, record audit.Record) error {
	return p.Revoke(ctx, func(ctx context.Context, t Tx) error {
		if err := t.Must(ctx, "notice", `DELETE FROM notice WHERE account_id = $1 AND id = $2`, accountID, id); err != nil {
			return err
		}
		return t.Record(ctx, record)
	})
}
