package broker

import (
	"context"
	"slices"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/notice"
)

// Notices returns what by has been told and has not dismissed, newest first.
func (b *Broker) Notices(ctx context.Context, by identity.Actor) ([]notice.Notice, error) {
	if by.AccountID == "" {
		return nil, nil
	}
	return b.Store.Notices(ctx, by.AccountID)
}

// DismissNotice forgets one of by's own notices. One that is gone already is fine.
func (b *Broker) DismissNotice(ctx context.Context, by identity.Actor, id string) error {
	mine, err := b.Notices(ctx, by)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(mine, func(n notice.Notice) bool { return n.ID == id })
	if i < 0 {
		return nil
	}
	record := audit.By(by, b.now(), "notice.dismiss", id, "").With("kind", string(mine[i].Kind)).With("about", mine[i].Subject)
	if err = b.Store.DismissNotice(ctx, by.AccountID, id, record); fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	return err
}
