// Package grid is the store's part about virtual organisations and X.509: members, certificates of
// accounts, keys of Lanyard's authorities, revocations. It implements what authority and onlineca
// declare that they need of a database. The store lends it its transactions, so that its writes
// stand in the same queue and audit chain as all others. It imports rows 0 and 1.
package grid

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/store/database"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// Tx is a change under way.
type Tx interface {
	database.Queryer
	Exec(ctx context.Context, text string, args ...any) (int64, error)
	Must(ctx context.Context, what, text string, args ...any) error
	Record(context.Context, audit.Record) error
}

// Grid is that part. All fields are required.
type Grid struct {
	DB  *database.DB
	Box *seal.Box
	// Write runs a change in a transaction. Revoke does too, for those that take rights away, which
	// a full disk must not stop.
	Write, Revoke func(context.Context, func(context.Context, Tx) error) error
}

// key returns what is equal for equal names; "" for no name.
func key(slash string) (string, error) {
	if slash == "" {
		return "", nil
	}
	n, err := dn.Parse(slash)
	if err != nil {
		return "", fmt.Errorf("read the name %.200q: %w", slash, err)
	}
	return n.Key(), nil
}

func keys(subject, issuer string) (s, i string, err error) {
	if s, err = key(subject); err == nil {
		i, err = key(issuer)
	}
	return s, i, err
}

// Holding returns the facts about a holder.
func (g *Grid) Holding(ctx context.Context, q vo.Question) (f vo.Facts, err error) {
	subject, issuer, err := keys(q.Subject, q.Issuer)
	if err != nil {
		return f, err
	}
	account, err := g.accountOf(ctx, q.Serial, subject, issuer, &f)
	if err != nil {
		return f, err
	}
	if account != "" {
		if err := g.about(ctx, account, &f); err != nil {
			return f, err
		}
	}
	f.Members, err = database.List(ctx, g.DB, scanMember, selectMember+`
		WHERE m.vo = $1 AND ((m.account_id = $2 AND m.account_id <> '') OR (m.subject_key = $3 AND m.subject_key <> '' AND m.issuer_key IN ('', $4)))`,
		q.VO, account, subject, issuer)
	if err != nil {
		return f, fmt.Errorf("read memberships in %s: %w", q.VO, err)
	}
	return f, nil
}

// accountOf finds whose certificate it is: by the serial of one that we issued, else by its names.
func (g *Grid) accountOf(ctx context.Context, serial, subject, issuer string, f *vo.Facts) (string, error) {
	if serial == "" {
		ids, err := database.List(ctx, g.DB, database.Text,
			`SELECT account_id FROM account_certificate WHERE subject_key = $1 AND issuer_key = $2`, subject, issuer)
		if err != nil || len(ids) == 0 {
			return "", err
		}
		return ids[0], nil
	}
	cs, err := database.List(ctx, g.DB, func(r database.Row) (c credential.Credential, err error) {
		return c, r.Scan(&c.ID, &c.OwnerID, &c.Status, &c.Reason, &c.ExpiresAt)
	}, `SELECT id, owner_id, status, reason, expires_at FROM credential WHERE public_id = $1 AND kind = 'proxy'`, serial)
	if err != nil || len(cs) == 0 {
		return "", err
	}
	f.Credential = &cs[0]
	return cs[0].OwnerID, nil
}

// about reads what is known of an account.
func (g *Grid) about(ctx context.Context, id string, f *vo.Facts) error {
	a, err := database.One(ctx, g.DB, "account", func(r database.Row) (a identity.Account, err error) {
		return a, r.Scan(&a.ID, &a.Kind, &a.Issuer, &a.Subject, &a.Name, &a.FrozenAt, &a.FreezeReason, &f.ProviderStopped)
	}, `SELECT a.id, a.kind, a.issuer, a.subject, a.name, a.frozen_at, a.freeze_reason,
		EXISTS (SELECT 1 FROM frozen_provider p WHERE p.issuer = a.issuer) FROM account a WHERE a.id = $1`, id)
	if err != nil {
		return err
	}
	f.Account = &a
	f.Projects, err = database.List(ctx, g.DB, func(r database.Row) (v vo.Role, err error) {
		return v, r.Scan(&v.Project.ID, &v.Project.Name, &v.Project.FrozenAt, &v.Project.EndsAt, &v.Role)
	}, `SELECT p.id, p.name, p.frozen_at, p.ends_at, m.role FROM member m JOIN project p ON p.id = m.project_id WHERE m.account_id = $1`, id)
	if err != nil {
		return fmt.Errorf("read projects of %s: %w", id, err)
	}
	if f.Claims, err = g.groups(ctx, g.DB, id); err != nil {
		return fmt.Errorf("read groups of %s: %w", id, err)
	}
	return nil
}

// AccountFacts is Holding for an account itself, without a certificate.
func (g *Grid) AccountFacts(ctx context.Context, name, accountID string) (f vo.Facts, err error) {
	if err := g.about(ctx, accountID, &f); err != nil {
		return f, err
	}
	f.Members, err = g.Members(ctx, name, accountID)
	return f, err
}

func (g *Grid) groups(ctx context.Context, q database.Queryer, accountID string) ([]string, error) {
	return database.List(ctx, q, database.Text, `SELECT name FROM account_group WHERE account_id = $1 ORDER BY name`, accountID)
}

// Record writes an audit record that goes with no other change.
func (g *Grid) Record(ctx context.Context, r audit.Record) error {
	return g.Write(ctx, func(ctx context.Context, t Tx) error { return t.Record(ctx, r) })
}

const selectMember = `SELECT m.id, m.vo, m.account_id, m.subject, m.issuer, m.fqans, m.attributes, m.suspended_at, m.reason, m.source,
	m.since, m.expires_at, coalesce(a.name, '') FROM vo_member m LEFT JOIN account a ON a.id = m.account_id`

func scanMember(r database.Row) (m vo.Member, err error) {
	var fqans, attributes string
	if err := r.Scan(&m.ID, &m.VO, &m.AccountID, &m.Subject, &m.Issuer, &fqans, &attributes, &m.SuspendedAt, &m.Reason, &m.Source,
		&m.Since, &m.ExpiresAt, &m.AccountName); err != nil {
		return m, err
	}
	if err := json.Unmarshal([]byte(fqans), &m.FQANs); err != nil {
		return m, fmt.Errorf("read FQANs of member %s: %w", m.ID, err)
	}
	if err := json.Unmarshal([]byte(attributes), &m.Attributes); err != nil {
		return m, fmt.Errorf("read attributes of member %s: %w", m.ID, err)
	}
	return m, nil
}
