package grid

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/store/database"
	"github.com/lanyardhq/lanyard/internal/vo"
)

// Members returns the written memberships of a VO, those of one account if accountID is not empty,
// oldest first.
func (g *Grid) Members(ctx context.Context, name, accountID string) ([]vo.Member, error) {
	return members(ctx, g.DB, name, accountID)
}

func members(ctx context.Context, q database.Queryer, name, accountID string) ([]vo.Member, error) {
	var c database.Conditions
	c.Add("m.vo = ?", name)
	c.Equal("m.account_id", accountID)
	ms, err := database.List(ctx, q, scanMember, selectMember+c.String()+` ORDER BY m.since, m.id`, c.Args...)
	if err != nil {
		return nil, fmt.Errorf("list members of %s: %w", name, err)
	}
	return ms, nil
}

// SaveMembers writes and removes memberships, each with its audit record, all or none.
func (g *Grid) SaveMembers(ctx context.Context, changes []vo.MemberChange) error {
	return g.writer(changes)(ctx, func(ctx context.Context, t Tx) error { return saveMembers(ctx, t, changes) })
}

// ReviseMembers makes the changes that revise says for all members of a VO. If there are some, it is
// asked again in their transaction: another server may have made them meanwhile.
func (g *Grid) ReviseMembers(ctx context.Context, name string, revise func([]vo.Member) ([]vo.MemberChange, error)) error {
	ms, err := members(ctx, g.DB, name, "")
	if err != nil {
		return err
	}
	changes, err := revise(ms)
	if err != nil || len(changes) == 0 {
		return err
	}
	return g.writer(changes)(ctx, func(ctx context.Context, t Tx) error {
		ms, err := members(ctx, t, name, "")
		if err != nil {
			return err
		}
		changes, err := revise(ms)
		if err != nil {
			return err
		}
		return saveMembers(ctx, t, changes)
	})
}

// writer is how changes are written: those by which nobody gains anything also to a full disk.
func (g *Grid) writer(changes []vo.MemberChange) func(context.Context, func(context.Context, Tx) error) error {
	if slices.ContainsFunc(changes, func(c vo.MemberChange) bool { return !c.Removed && c.Member.SuspendedAt.IsZero() }) {
		return g.Write
	}
	return g.Revoke
}

func saveMembers(ctx context.Context, t Tx, changes []vo.MemberChange) error {
	for _, c := range changes {
		if err := saveMember(ctx, t, c); err != nil {
			return err
		}
		if err := t.Record(ctx, c.Record); err != nil {
			return err
		}
	}
	return nil
}

func saveMember(ctx context.Context, t Tx, c vo.MemberChange) error {
	m := c.Member
	if c.Removed {
		return t.Must(ctx, "member", `DELETE FROM vo_member WHERE id = $1`, m.ID)
	}
	subject, issuer, err := keys(m.Subject, m.Issuer)
	if err != nil {
		return err
	}
	fqans, err := json.Marshal(m.FQANs)
	if err != nil {
		return fmt.Errorf("encode FQANs: %w", err)
	}
	attributes, err := json.Marshal(m.Attributes)
	if err != nil {
		return fmt.Errorf("encode attributes: %w", err)
	}
	_, err = t.Exec(ctx, `INSERT INTO vo_member (id, vo, account_id, subject, subject_key, issuer, issuer_key, fqans, attributes,
		suspended_at, reason, source, since, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (id) DO UPDATE SET fqans = excluded.fqans, attributes = excluded.attributes, suspended_at = excluded.suspended_at,
		reason = excluded.reason, expires_at = excluded.expires_at`,
		m.ID, m.VO, m.AccountID, m.Subject, subject, m.Issuer, issuer, string(fqans), string(attributes),
		m.SuspendedAt, m.Reason, m.Source, m.Since, m.ExpiresAt)
	if err != nil {
		return fmt.Errorf("save member %s of %s: %w", m.ID, m.VO, err)
	}
	return nil
}

// SetGroups replaces what an account's groups claim said at its last sign-in.
func (g *Grid) SetGroups(ctx context.Context, accountID string, names []string) error {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	old, err := g.groups(ctx, g.DB, accountID)
	if err != nil {
		return fmt.Errorf("read groups of %s: %w", accountID, err)
	}
	slices.Sort(old) // databases differ in how they sort text
	if slices.Equal(old, names) {
		return nil // as at most sign-ins
	}
	return g.Write(ctx, func(ctx context.Context, t Tx) error {
		if _, err := t.Exec(ctx, `DELETE FROM account_group WHERE account_id = $1`, accountID); err != nil {
			return fmt.Errorf("forget groups of %s: %w", accountID, err)
		}
		for _, n := range names {
			if _, err := t.Exec(ctx, `INSERT INTO account_group (account_id, name) VALUES ($1, $2)`, accountID, n); err != nil {
				return fmt.Errorf("note groups of %s: %w", accountID, err)
			}
		}
		return nil
	})
}

// Certificates lists the certificates of an account.
func (g *Grid) Certificates(ctx context.Context, accountID string) ([]vo.Certificate, error) {
	return g.certificates(ctx, g.DB, `c.account_id = $1`, accountID)
}

func (g *Grid) certificates(ctx context.Context, q database.Queryer, where string, args ...any) ([]vo.Certificate, error) {
	cs, err := database.List(ctx, q, func(r database.Row) (c vo.Certificate, err error) {
		return c, r.Scan(&c.AccountID, &c.AccountName, &c.Subject, &c.Issuer, &c.Source, &c.Since)
	}, `SELECT c.account_id, a.name, c.subject, c.issuer, c.source, c.since FROM account_certificate c JOIN account a ON a.id = c.account_id
		WHERE `+where+` ORDER BY c.since, c.subject`, args...)
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}
	return cs, nil
}

// LinkCertificate notes that a certificate is an account's; nothing is written if that is known. One
// that is another account's is a Conflict fault.
func (g *Grid) LinkCertificate(ctx context.Context, c vo.Certificate, r audit.Record) error {
	subject, issuer, err := keys(c.Subject, c.Issuer)
	if err != nil {
		return err
	}
	return g.Write(ctx, func(ctx context.Context, t Tx) error {
		n, err := t.Exec(ctx, `INSERT INTO account_certificate (subject_key, issuer_key, account_id, subject, issuer, source, since)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (subject_key, issuer_key) DO NOTHING`,
			subject, issuer, c.AccountID, c.Subject, c.Issuer, c.Source, c.Since)
		if err != nil {
			return fmt.Errorf("link certificate: %w", err)
		}
		if n == 1 {
			return t.Record(ctx, r)
		}
		old, err := g.certificates(ctx, t, `c.subject_key = $1 AND c.issuer_key = $2`, subject, issuer)
		if err != nil {
			return err
		}
		if len(old) == 1 && old[0].AccountID == c.AccountID {
			return nil
		}
		return fault.New(fault.Conflict, "the certificate %s belongs to another account", c.Subject).WithHint("ask the operator")
	})
}

// UnlinkCertificate forgets the certificate of an account.
func (g *Grid) UnlinkCertificate(ctx context.Context, c vo.Certificate, r audit.Record) error {
	subject, issuer, err := keys(c.Subject, c.Issuer)
	if err != nil {
		return err
	}
	return g.Revoke(ctx, func(ctx context.Context, t Tx) error {
		if err := t.Must(ctx, "certificate", `DELETE FROM account_certificate WHERE subject_key = $1 AND issuer_key = $2 AND account_id = $3`,
			subject, issuer, c.AccountID); err != nil {
			return err
		}
		return t.Record(ctx, r)
	})
}
