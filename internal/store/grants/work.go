package grants

import (
	"context"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

// skip lets several servers claim at once. SQLite has one writer at a time and nothing to skip.
func (g *Grants) skip(of string) string {
	if g.DB.Postgres {
		return ` FOR UPDATE` + of + ` SKIP LOCKED`
	}
	return ""
}

// Attempt begins a refresh: if f is as it was read, the family is the caller's for the lease, and the
// attempt stands written before anything is sent. Who reads a lease in force that is not their own
// must not ask. A nearly full disk refuses, because it might not take what comes of it.
func (g *Grants) Attempt(ctx context.Context, f grant.Family, now time.Time, lease time.Duration) (grant.Family, error) {
	if err := g.DB.RoomToIssue(); err != nil {
		return f, err
	}
	err := g.Write(ctx, func(ctx context.Context, t Tx) error {
		n, err := t.Exec(ctx, `UPDATE grant_family SET lease_until = $3, attempt_at = $4, attempts = attempts + 1, generation = generation + 1
			WHERE grant_id = $1 AND generation = $2`, f.GrantID, f.Generation, now.Add(lease), now)
		if err == nil && n == 0 {
			err = database.Beaten(nil)
		}
		return err
	})
	if err != nil {
		return f, fmt.Errorf("begin refresh of %s: %w", f.GrantID, err)
	}
	f.LeaseUntil, f.AttemptAt = now.Add(lease), now
	f.Attempts++
	f.Generation++
	return f, nil
}

// DropLeases ends the leases of refreshes that a process did which is gone. That they were attempted
// stays noted. It is only for who knows to be alone with the database.
func (g *Grants) DropLeases(ctx context.Context) error {
	return g.Revoke(ctx, func(ctx context.Context, t Tx) error {
		if _, err := t.Exec(ctx, `UPDATE grant_family SET lease_until = 0 WHERE lease_until > 0`); err != nil {
			return fmt.Errorf("drop leases of refreshes: %w", err)
		}
		return nil
	})
}

// backlog is how many times more families are due than are claimed when it begins to cost too much
// to sort them for each claim.
const backlog = 4

// Those that are due, by the index of when they are, or, in a backlog, by that of when they run out.
// The plus makes no difference but that the first index is of no use then; both columns are zero
// where there is nothing to do.
const (
	byDue     = `f.due_at > 0 AND f.due_at <= $1`
	byRunsOut = `f.runs_out_at > 0 AND +f.due_at > 0 AND +f.due_at <= $1`
)

// ClaimRenewals is Attempt for at most n families of a provider that are due, those first whose
// tokens end first. Each comes with all tokens that are kept for it.
func (g *Grants) ClaimRenewals(ctx context.Context, provider string, now time.Time, lease time.Duration, n int) ([]grant.Claim, error) {
	if err := g.DB.RoomToIssue(); err != nil {
		return nil, err
	}
	due, err := database.One(ctx, g.DB, "backlog", func(r database.Row) (n int, err error) { return n, r.Scan(&n) },
		`SELECT count(*) FROM (SELECT 1 FROM grant_family f WHERE f.provider = $2 AND `+byDue+` AND f.lease_until <= $1`+
			database.Limit(backlog*n)+`) AS due`, now, provider)
	if err != nil || due == 0 {
		return nil, err
	}
	which := byDue
	if due == backlog*n {
		which = byRunsOut
	}
	var ids []string
	err = g.Write(ctx, func(ctx context.Context, t Tx) (err error) {
		// The index has the order already. PostgreSQL takes those that are due for few, and would
		// rather sort all of them for each claim.
		ordered := g.DB.Postgres && which == byRunsOut
		if ordered {
			_, err = t.Exec(ctx, `SET LOCAL enable_sort = off`)
		}
		if err == nil {
			ids, err = database.List(ctx, t, database.Text, `UPDATE grant_family SET lease_until = $2, attempt_at = $1,
				attempts = attempts + 1, generation = generation + 1 WHERE grant_id IN (
				SELECT f.grant_id FROM grant_family f JOIN credential c ON c.id = f.grant_id
				WHERE f.provider = $3 AND `+which+` AND f.lease_until <= $1
				AND c.status IN ('active', 'frozen') AND c.expires_at > $1 ORDER BY f.runs_out_at, f.grant_id`+database.Limit(n)+g.skip(` OF f`)+`)
				AND lease_until <= $1 RETURNING grant_id`, now, now.Add(lease), provider)
		}
		if err == nil && ordered {
			_, err = t.Exec(ctx, `SET LOCAL enable_sort = on`)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim renewals at %s: %w", provider, err)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return g.claims(ctx, ids)
}

// Whole reads a grant with all that is kept of it.
func (g *Grants) Whole(ctx context.Context, id string) (grant.Claim, error) {
	claims, err := g.claims(ctx, []string{id})
	if err == nil && len(claims) == 0 {
		err = database.Absent("grant")
	}
	if err != nil {
		return grant.Claim{}, err
	}
	return claims[0], nil
}

// claims reads the grants with all that is kept of them.
func (g *Grants) claims(ctx context.Context, ids []string) ([]grant.Claim, error) {
	var in database.Conditions
	in.In("c.id", ids)
	rows, err := database.List(ctx, g.DB, scanGrant, selectGrant+fromGrant+in.String()+` ORDER BY f.runs_out_at, f.grant_id`, in.Args...)
	if err != nil {
		return nil, fmt.Errorf("read claimed grants: %w", err)
	}
	kept, err := g.kept(ctx, ids)
	if err != nil {
		return nil, err
	}
	claims := make([]grant.Claim, len(rows))
	for i, r := range rows {
		if err := g.open(&r, ""); err != nil {
			return nil, err
		}
		claims[i] = grant.Claim{Credential: r.c, Family: r.f, Kept: kept[r.c.ID]}
	}
	return claims, nil
}

// kept reads what is kept of the grants, without the tokens themselves.
func (g *Grants) kept(ctx context.Context, ids []string) (map[string][]grant.Kept, error) {
	var in database.Conditions
	in.In("t.grant_id", ids)
	rows, err := database.List(ctx, g.DB, func(from database.Row) (r row, err error) {
		return r, from.Scan(append([]any{&r.c.ID}, r.keptColumns()...)...)
	}, `SELECT t.grant_id`+selectKept+` FROM grant_token t`+in.String()+` ORDER BY t.grant_id, t.wish`, in.Args...)
	if err != nil {
		return nil, fmt.Errorf("read kept tokens: %w", err)
	}
	kept := map[string][]grant.Kept{}
	for _, r := range rows {
		if err := r.decode(); err != nil {
			return nil, err
		}
		kept[r.c.ID] = append(kept[r.c.ID], r.k)
	}
	return kept, nil
}

// SaveRenewal writes how an attempt ended, under the family's Generation: the family, the token that
// came of it unless it is nil, and that the grant died unless that is nil. The last bytes of a disk are
// for this: what is not written is lost.
func (g *Grants) SaveRenewal(ctx context.Context, f grant.Family, ownerID string, k *grant.Kept, died *notice.Deed) error {
	sealed, err := g.sealRefresh(f, ownerID)
	if err != nil {
		return err
	}
	err = g.Revoke(ctx, func(ctx context.Context, t Tx) error {
		n, err := t.Exec(ctx, `UPDATE grant_family SET refresh = $3, refresh_expires_at = $4, health = $5, health_since = $6, detail = $7,
			keep_alive = $16, failures = $8, renewals = $9, renewed_at = $10, due_at = $11, runs_out_at = $12, lease_until = $13, attempt_at = $14, attempts = $15,
			generation = generation + 1 WHERE grant_id = $1 AND generation = $2`,
			f.GrantID, f.Generation, sealed, f.RefreshExpiresAt, string(f.Health), f.HealthSince, f.Detail,
			f.Failures, f.Renewals, f.RenewedAt, f.DueAt, f.RunsOutAt, f.LeaseUntil, f.AttemptAt, f.Attempts, f.KeepAlive)
		if err == nil && n == 0 {
			err = database.Beaten(nil)
		}
		if err == nil && k != nil {
			err = g.keep(ctx, t, f.GrantID, *k)
		}
		if err == nil && died != nil {
			if err = t.Record(ctx, died.Record); err == nil {
				err = t.Tell(ctx, died.Notice)
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save renewal of %s: %w", f.GrantID, err)
	}
	return nil
}

// ClaimPolls hands out grants whose approval is to be polled for, and not again before next.
func (g *Grants) ClaimPolls(ctx context.Context, now, next time.Time, n int) ([]string, error) {
	ids, err := database.List(ctx, g.DB.Alone(), database.Text, `UPDATE grant_family SET poll_at = $2 WHERE grant_id IN (
		SELECT grant_id FROM grant_family WHERE poll_at > 0 AND poll_at <= $1 ORDER BY poll_at`+database.Limit(n)+g.skip("")+`)
		AND poll_at <= $1 RETURNING grant_id`, now, next)
	if err != nil {
		return nil, fmt.Errorf("claim approvals to poll for: %w", err)
	}
	return ids, nil
}

// SavePoll moves the next poll from claimed to next or, if next is zero, forgets the approval and keeps
// in detail why. Another approval that began meanwhile stays as it is.
func (g *Grants) SavePoll(ctx context.Context, grantID string, claimed, next time.Time, detail string) error {
	err := g.Write(ctx, func(ctx context.Context, t Tx) error {
		if !next.IsZero() {
			_, err := t.Exec(ctx, `UPDATE grant_family SET poll_at = $3 WHERE grant_id = $1 AND poll_at = $2`, grantID, claimed, next)
			return err
		}
		_, err := t.Exec(ctx, `UPDATE grant_family SET poll_at = 0, poll_until = 0, pending = NULL, detail = $3
			WHERE grant_id = $1 AND poll_at = $2`, grantID, claimed, detail)
		return err
	})
	if err != nil {
		return fmt.Errorf("save poll of %s: %w", grantID, err)
	}
	return nil
}
