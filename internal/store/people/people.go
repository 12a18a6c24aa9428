// Package people is the store's part about who somebody is: accounts, what they are members of, their
// sessions and what signs these, and what they must be told. It implements what login and issuer
// declare that they need of a database, and what broker does about accounts, members and notices. The
// store lends it its transactions, so that its writes stand in the same queue and audit chain as all
// others. It imports rows 0 and 1.
package people

import (
	"context"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/store/database"
	"github.com/lanyardhq/lanyard/internal/store/seal"
)

// Tx is a change under way.
type Tx interface {
	database.Queryer
	Exec(ctx context.Context, text string, args ...any) (int64, error)
	Must(ctx context.Context, what, text string, args ...any) error
	Record(context.Context, audit.Record) error
	// Deny takes back access tokens that are verified by their signature.
	Deny(context.Context, session.Denial) error
	// Tell adds a notice.
	Tell(context.Context, notice.Notice) error
	// Keep records a change and the promise that goes with it.
	Keep(context.Context, audit.Change) error
}

// People is that part. All fields are required.
type People struct {
	DB  *database.DB
	Box *seal.Box
	// Write runs a change in a transaction. Revoke does too, for those that take rights away, which
	// a full disk must not stop.
	Write, Revoke func(context.Context, func(context.Context, Tx) error) error
}
