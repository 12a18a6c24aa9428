package people

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

const accountColumns = `a.id, a.kind, a.issuer, a.subject, a.name, a.email, a.project_id, a.frozen_at, a.freeze_reason, a.created_at, a.last_seen_at`

const selectAccount = `SELECT ` + accountColumns + ` FROM account a`

func accountFields(a *identity.Account) []any {
	return []any{&a.ID, &a.Kind, &a.Issuer, &a.Subject, &a.Name, &a.Email, &a.Project, &a.FrozenAt, &a.FreezeReason, &a.CreatedAt, &a.LastSeenAt}
}

func scanAccount(r database.Row) (a identity.Account, err error) {
	return a, r.Scan(accountFields(&a)...)
}

func insertAccount(ctx context.Context, t Tx, a identity.Account) error {
	_, err := t.Exec(ctx, `INSERT INTO account (id, kind, issuer, subject, name, email, project_id, frozen_at, freeze_reason, created_at, last_seen_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		a.ID, string(a.Kind), a.Issuer, a.Subject, a.Name, a.Email, a.Project, a.FrozenAt, a.FreezeReason, a.CreatedAt, a.LastSeenAt)
	if err != nil {
		return fmt.Errorf("insert account %s: %w", a.ID, err)
	}
	return nil
}

// saveAccount writes what can change of an account. Who is stopped has their tokens taken back.
func saveAccount(ctx context.Context, t Tx, a identity.Account, at time.Time) error {
	if a.Frozen() {
		if err := t.Deny(ctx, session.Taken(a.ID, at)); err != nil {
			return err
		}
	}
	return t.Must(ctx, "account", `UPDATE account SET name = $2, email = $3, frozen_at = $4, freeze_reason = $5 WHERE id = $1`,
		a.ID, a.Name, a.Email, a.FrozenAt, a.FreezeReason)
}

// InsertAccount adds a.
func (p *People) InsertAccount(ctx context.Context, a identity.Account, change audit.Change) error {
	return p.Write(ctx, func(ctx context.Context, t Tx) error {
		if err := insertAccount(ctx, t, a); err != nil {
			return err
		}
		return t.Keep(ctx, change)
	})
}

// SaveAccount writes name, e-mail and whether the account is frozen.
func (p *People) SaveAccount(ctx context.Context, a identity.Account, change audit.Change) error {
	return p.Revoke(ctx, func(ctx context.Context, t Tx) error {
		if err := saveAccount(ctx, t, a, change.Record.At); err != nil {
			return err
		}
		return t.Keep(ctx, change)
	})
}

// SignIn finds the account of (a.Issuer, a.Subject), brings name, e-mail and the time last seen up
// to date, and returns it. Only if there is none, it adds a and writes record.
func (p *People) SignIn(ctx context.Context, a identity.Account, record audit.Record) (found identity.Account, err error) {
	err = p.Write(ctx, func(ctx context.Context, t Tx) error {
		n, err := t.Exec(ctx, `UPDATE account SET name = $3, email = $4, last_seen_at = $5 WHERE issuer = $1 AND subject = $2`,
			a.Issuer, a.Subject, a.Name, a.Email, a.LastSeenAt)
		if err != nil {
			return fmt.Errorf("update account of %s: %w", a.Issuer, err)
		}
		if n == 1 {
			found, err = database.One(ctx, t, "account", scanAccount, selectAccount+` WHERE a.issuer = $1 AND a.subject = $2`, a.Issuer, a.Subject)
			return err
		}
		found = a
		if err := insertAccount(ctx, t, a); err != nil {
			return err
		}
		return t.Record(ctx, record)
	})
	return found, err
}

// Account finds by id.
func (p *People) Account(ctx context.Context, id string) (identity.Account, error) {
	return database.One(ctx, p.DB, "account", scanAccount, selectAccount+` WHERE a.id = $1`, id)
}

// ListAccounts returns what f selects, oldest first.
func (p *People) ListAccounts(ctx context.Context, f identity.Filter) ([]identity.Account, error) {
	var c database.Conditions
	c.Equal("a.kind", string(f.Kind))
	c.Equal("a.issuer", f.Issuer)
	c.Equal("a.subject", f.Subject)
	c.Equal("a.project_id", f.ProjectID)
	if f.Search != "" {
		part := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(f.Search)) + "%"
		c.Add(`(lower(a.name) LIKE ? ESCAPE '\' OR lower(a.email) LIKE ? ESCAPE '\' OR lower(a.subject) LIKE ? ESCAPE '\' OR lower(a.id) LIKE ? ESCAPE '\')`,
			part, part, part, part)
	}
	as, err := database.List(ctx, p.DB, scanAccount, selectAccount+c.String()+` ORDER BY a.created_at, a.id`+database.Limit(f.Limit), c.Args...)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return as, nil
}

// EndSessions signs accounts out everywhere, those of one account or of one issuer, and returns
// how many sessions ended.
func (p *People) EndSessions(ctx context.Context, accountID, issuer string, at time.Time, change audit.Change) (n int, err error) {
	err = p.Revoke(ctx, func(ctx context.Context, t Tx) error {
		if n, err = endSessions(ctx, t, at, "account_id IN (SELECT id FROM account WHERE id = $2 OR issuer = $3)", accountID, issuer); err != nil {
			return err
		}
		return t.Keep(ctx, change)
	})
	return n, err
}

// FreezeProvider stops or readmits an issuer.
func (p *People) FreezeProvider(ctx context.Context, issuer string, frozen bool, change audit.Change) error {
	text := `DELETE FROM frozen_provider WHERE issuer = $1`
	if frozen {
		text = `INSERT INTO frozen_provider (issuer) VALUES ($1) ON CONFLICT (issuer) DO NOTHING`
	}
	return p.Revoke(ctx, func(ctx context.Context, t Tx) error {
		if _, err := t.Exec(ctx, text, issuer); err != nil {
			return fmt.Errorf("freeze provider %s: %w", issuer, err)
		}
		return t.Keep(ctx, change)
	})
}

// ListFrozenProviders names the issuers that are stopped.
func (p *People) ListFrozenProviders(ctx context.Context) ([]string, error) {
	issuers, err := database.List(ctx, p.DB, database.Text, `SELECT issuer FROM frozen_provider ORDER BY issuer`)
	if err != nil {
		return nil, fmt.Errorf("list frozen providers: %w", err)
	}
	return issuers, nil
}
