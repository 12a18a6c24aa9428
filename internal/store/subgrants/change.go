package subgrants

import (
	"context"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

const (
	// kept is how many events are kept of each sub-grant, and how many short tokens that were replaced.
	kept = 100
	// maxCodes is how many short tokens, or transfer codes, can stand for one token.
	maxCodes = 100
)

// Decide reads the chain of id in a transaction, lets do decide, and writes the change that it
// returns.
func (g *Delegated) Decide(ctx context.Context, id string, do func(delegation.Chain) (delegation.Change, error)) error {
	return g.decide(ctx, g.Write, id, do)
}

// Withdraw is Decide for what takes rights away.
func (g *Delegated) Withdraw(ctx context.Context, id string, do func(delegation.Chain) (delegation.Change, error)) error {
	return g.decide(ctx, g.Revoke, id, do)
}

func (g *Delegated) decide(ctx context.Context, write func(context.Context, func(context.Context, Tx) error) error, id string,
	do func(delegation.Chain) (delegation.Change, error)) error {
	return write(ctx, func(ctx context.Context, t Tx) error {
		c, err := chain(ctx, t, id)
		if err != nil {
			return err
		}
		change, err := do(c)
		if err != nil {
			return err
		}
		return g.apply(ctx, t, change)
	})
}

// apply writes a change.
func (g *Delegated) apply(ctx context.Context, t Tx, c delegation.Change) error {
	if err := each(ctx, t, c.Spend, spend); err != nil {
		return err
	}
	if err := each(ctx, t, c.Insert, g.insert); err != nil {
		return err
	}
	if err := each(ctx, t, c.Save, save); err != nil {
		return err
	}
	if err := each(ctx, t, c.Codes, keep); err != nil {
		return err
	}
	if err := end(ctx, t, c); err != nil {
		return err
	}
	if err := each(ctx, t, c.Events, note); err != nil {
		return err
	}
	for _, r := range c.Records {
		if err := t.Record(ctx, r); err != nil {
			return err
		}
	}
	for _, n := range c.Notices {
		if err := t.Tell(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// each writes all of them.
func each[T any](ctx context.Context, t Tx, all []T, write func(context.Context, Tx, T) error) error {
	for _, one := range all {
		if err := write(ctx, t, one); err != nil {
			return err
		}
	}
	return nil
}

// spend uses a code up.
func spend(ctx context.Context, t Tx, hash []byte) error {
	n, err := t.Exec(ctx, `DELETE FROM subgrant_code WHERE hash = $1`, hash)
	if err != nil {
		return fmt.Errorf("spend code: %w", err)
	}
	if n == 0 {
		return database.Absent("code")
	}
	return nil
}

func (g *Delegated) insert(ctx context.Context, t Tx, s delegation.SubGrant) error {
	if err := g.DB.RoomToIssue(); err != nil {
		return err
	}
	texts, err := encode(s.Capabilities, s.Clauses, s.Counts, s.Rotation)
	if err != nil {
		return err
	}
	n, err := t.Exec(ctx, `INSERT INTO subgrant (id, grant_id, made_from, parent_id, owner_id, provider, issuer, subject, name, application,
			address, user_agent, seq, capabilities, clauses, counts, rotation, created_at, issued_at, expires_at, ended_at, reason)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, 0, ''
		WHERE (SELECT count(*) FROM subgrant WHERE grant_id = $2 AND ended_at = 0) < $21`,
		s.ID, s.GrantID, s.MadeFrom, s.ParentID, s.OwnerID, s.Provider, s.Issuer, s.Subject, s.Name, s.Application,
		s.Address, s.UserAgent, s.Seq, texts[0], texts[1], texts[2], texts[3], s.CreatedAt, s.IssuedAt, s.ExpiresAt, delegation.MaxAlive)
	if err != nil {
		return fmt.Errorf("insert sub-grant %s: %w", s.ID, err)
	}
	if n == 0 {
		return fault.New(fault.Limited, "there are %d sub-grants of this grant already", delegation.MaxAlive).
			WithHint("revoke some, or let them expire")
	}
	return nil
}

// keep adds a code, and forgets the oldest of the short tokens that were replaced.
func keep(ctx context.Context, t Tx, code delegation.Code) error {
	n, err := t.Exec(ctx, `INSERT INTO subgrant_code (hash, purpose, subgrant_id, seq, form, sole, expires_at) SELECT $1, $2, $3, $4, $5, $6, $7
		WHERE (SELECT count(*) FROM subgrant_code WHERE subgrant_id = $3 AND purpose = $2 AND seq = $4) < $8`,
		code.Hash, string(code.Purpose), code.SubGrantID, code.Seq, string(code.Form), code.Sole, code.ExpiresAt, maxCodes)
	if err != nil {
		return fmt.Errorf("insert code: %w", err)
	}
	if n == 0 {
		return fault.New(fault.Limited, "%d codes stand for this token already", maxCodes).WithHint("use those")
	}
	if _, err := t.Exec(ctx, `DELETE FROM subgrant_code WHERE subgrant_id = $1 AND purpose = $2 AND seq <= $3`,
		code.SubGrantID, string(delegation.ForShort), code.Seq-kept); err != nil {
		return fmt.Errorf("forget codes of %s: %w", code.SubGrantID, err)
	}
	return nil
}

func save(ctx context.Context, t Tx, s delegation.SubGrant) error {
	texts, err := encode(s.Counts)
	if err != nil {
		return err
	}
	if _, err := t.Exec(ctx, `UPDATE subgrant SET seq = $2, counts = $3, issued_at = $4, expires_at = $5 WHERE id = $1`,
		s.ID, s.Seq, texts[0], s.IssuedAt, s.ExpiresAt); err != nil {
		return fmt.Errorf("save sub-grant %s: %w", s.ID, err)
	}
	return nil
}

// end ends what c says. Children of those that end alone move up.
func end(ctx context.Context, t Tx, c delegation.Change) error {
	for _, id := range c.End {
		one := `SELECT id FROM subgrant WHERE id = $1`
		if c.Recursive {
			one = `WITH RECURSIVE down (id) AS (SELECT id FROM subgrant WHERE id = $1 UNION SELECT s.id FROM down d JOIN subgrant s ON s.made_from = d.id) SELECT id FROM down`
		} else if _, err := t.Exec(ctx, `UPDATE subgrant SET parent_id = (SELECT p.parent_id FROM subgrant p WHERE p.id = $1) WHERE parent_id = $1`, id); err != nil {
			return fmt.Errorf("lift the children of %s: %w", id, err)
		}
		ended, err := database.List(ctx, t, database.Text, `UPDATE subgrant SET ended_at = $2, reason = $3
			WHERE ended_at = 0 AND id IN (`+one+`) RETURNING id`, id, c.At, string(c.Reason))
		if err != nil {
			return fmt.Errorf("end sub-grant %s: %w", id, err)
		}
		for _, e := range ended {
			if _, err := t.Exec(ctx, `DELETE FROM subgrant_code WHERE subgrant_id = $1`, e); err != nil {
				return fmt.Errorf("forget the codes of %s: %w", e, err)
			}
			if err := note(ctx, t, c.Ended(e)); err != nil {
				return err
			}
		}
	}
	return nil
}

// note adds an event and forgets the oldest.
func note(ctx context.Context, t Tx, e delegation.Event) error {
	if _, err := t.Exec(ctx, `INSERT INTO subgrant_event (subgrant_id, number, at, name, comment, address, user_agent)
		SELECT $1, (SELECT coalesce(max(number), 0) + 1 FROM subgrant_event WHERE subgrant_id = $1), $2, $3, $4, $5, $6`,
		e.SubGrantID, e.At, e.Name, e.Comment, e.Address, e.UserAgent); err != nil {
		return fmt.Errorf("note an event of %s: %w", e.SubGrantID, err)
	}
	if _, err := t.Exec(ctx, `DELETE FROM subgrant_event WHERE subgrant_id = $1
		AND number <= (SELECT max(number) FROM subgrant_event WHERE subgrant_id = $1) - $2`, e.SubGrantID, kept); err != nil {
		return fmt.Errorf("forget events of %s: %w", e.SubGrantID, err)
	}
	return nil
}

// Unheld are grants in force that were made for sub-grants, by a flow that came to an end, and of
// which none is in force at now.
func (g *Delegated) Unheld(ctx context.Context, now time.Time) ([]string, error) {
	ids, err := database.List(ctx, g.DB, database.Text, `SELECT c.id FROM credential c WHERE c.id IN (
			SELECT grant_id FROM subgrant WHERE ended_at > 0 UNION SELECT grant_id FROM delegation_flow WHERE expires_at < $1 AND grant_id <> '')
		AND c.status IN ('intended', 'active', 'frozen')
		AND NOT EXISTS (SELECT 1 FROM subgrant s WHERE s.grant_id = c.id AND s.ended_at = 0 AND (s.expires_at = 0 OR s.expires_at > $1))
		ORDER BY c.id LIMIT 1000`, now)
	if err != nil {
		return nil, fmt.Errorf("find grants that nobody holds: %w", err)
	}
	return ids, nil
}

// PurgeDelegations ends sub-grants that expired, and removes codes that did, flows that were over a
// day ago, and sub-grants below which nothing is that ended before the given time.
func (g *Delegated) PurgeDelegations(ctx context.Context, now, ended time.Time) error {
	return g.Write(ctx, func(ctx context.Context, t Tx) error {
		expired, err := database.List(ctx, t, database.Text, `SELECT id FROM subgrant WHERE ended_at = 0 AND expires_at > 0 AND expires_at <= $1 LIMIT 1000`, now)
		if err != nil {
			return fmt.Errorf("find expired sub-grants: %w", err)
		}
		if err := end(ctx, t, delegation.Change{End: expired, Reason: delegation.Over, At: now}); err != nil {
			return err
		}
		for _, p := range []struct {
			text   string
			before time.Time
		}{
			{`DELETE FROM subgrant_code WHERE expires_at > 0 AND expires_at <= $1`, now},
			{`DELETE FROM delegation_flow WHERE expires_at <= $1`, now.Add(-24 * time.Hour)},
			{`DELETE FROM subgrant WHERE ended_at > 0 AND ended_at <= $1 AND NOT EXISTS (SELECT 1 FROM subgrant s WHERE s.made_from = subgrant.id)`, ended},
		} {
			if _, err := t.Exec(ctx, p.text, p.before); err != nil {
				return fmt.Errorf("purge sub-grants: %w", err)
			}
		}
		return nil
	})
}
