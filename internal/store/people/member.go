package people

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

// SaveMember adds m, or changes its role and source.
func (p *People) SaveMember(ctx context.Context, m project.Member, change audit.Change) error {
	return p.Write(ctx, func(ctx context.Context, t Tx) error {
		if err := saveMember(ctx, t, m); err != nil {
			return err
		}
		return t.Keep(ctx, change)
	})
}

func saveMember(ctx context.Context, t Tx, m project.Member) error {
	_, err := t.Exec(ctx, `INSERT INTO member (project_id, account_id, role, source, since) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (project_id, account_id) DO UPDATE SET role = excluded.role, source = excluded.source`,
		m.ProjectID, m.AccountID, string(m.Role), m.Source, m.Since)
	if err != nil {
		return fmt.Errorf("save member %s of %s: %w", m.AccountID, m.ProjectID, err)
	}
	return nil
}

// DeleteMember removes a membership.
func (p *People) DeleteMember(ctx context.Context, projectID, accountID string, change audit.Change) error {
	return p.Revoke(ctx, func(ctx context.Context, t Tx) error {
		if err := t.Must(ctx, "member", `DELETE FROM member WHERE project_id = $1 AND account_id = $2`, projectID, accountID); err != nil {
			return err
		}
		return t.Keep(ctx, change)
	})
}

// ListMembers selects by project, by account, or by both; sorted by the names of project and
// account.
func (p *People) ListMembers(ctx context.Context, projectID, accountID string) ([]project.Member, error) {
	var c database.Conditions
	c.Equal("m.project_id", projectID)
	c.Equal("m.account_id", accountID)
	ms, err := database.List(ctx, p.DB, func(r database.Row) (m project.Member, err error) {
		return m, r.Scan(&m.ProjectID, &m.ProjectName, &m.AccountID, &m.AccountName, &m.AccountKind, &m.Role, &m.Source, &m.Since)
	}, `SELECT m.project_id, p.name, m.account_id, a.name, a.kind, m.role, m.source, m.since
		FROM member m JOIN project p ON p.id = m.project_id JOIN account a ON a.id = m.account_id`+c.String(), c.Args...)
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	slices.SortFunc(ms, func(a, b project.Member) int {
		return cmp.Or(cmp.Compare(a.ProjectName, b.ProjectName), cmp.Compare(a.AccountName, b.AccountName), cmp.Compare(a.AccountID, b.AccountID))
	})
	return ms, nil
}
