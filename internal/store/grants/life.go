package grants

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

// wishes is how many tokens for other wishes than a grant's own are kept of it.
const wishes = 32

func (g *Grants) sealRefresh(f grant.Family, ownerID string) ([]byte, error) {
	if f.Refresh == "" {
		return nil, nil
	}
	sealed, err := g.Box.Seal(refreshPlace(credential.Credential{ID: f.GrantID, OwnerID: ownerID}), []byte(f.Refresh.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("seal refresh token of %s: %w", f.GrantID, err)
	}
	return sealed, nil
}

// keep writes a token that is kept, and drops those of its grant that nobody needs.
func (g *Grants) keep(ctx context.Context, t Tx, grantID string, k grant.Kept) error {
	wish := k.Wish.Key()
	sealed, err := g.Box.Seal(accessPlace(grantID, wish), []byte(k.Access.Reveal()))
	if err != nil {
		return fmt.Errorf("seal access token of %s: %w", grantID, err)
	}
	var texts [3]string
	for i, v := range []any{k.Wish, k.Scopes, k.Audiences} {
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode token of %s: %w", grantID, err)
		}
		texts[i] = string(text)
	}
	_, err = t.Exec(ctx, `INSERT INTO grant_token (grant_id, wish, asked, scopes, audiences, access, issued_at, expires_at, used_at, due_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (grant_id, wish) DO UPDATE SET
		scopes = excluded.scopes, audiences = excluded.audiences, access = excluded.access, issued_at = excluded.issued_at,
		expires_at = excluded.expires_at, due_at = excluded.due_at,
		used_at = CASE WHEN excluded.used_at > grant_token.used_at THEN excluded.used_at ELSE grant_token.used_at END`,
		grantID, wish, texts[0], texts[1], texts[2], sealed, k.IssuedAt, k.AccessExpiresAt, k.UsedAt, k.DueAt)
	if err == nil && wish != "" {
		_, err = t.Exec(ctx, `DELETE FROM grant_token WHERE grant_id = $1 AND wish <> '' AND (expires_at <= $2 OR wish NOT IN (
			SELECT wish FROM grant_token WHERE grant_id = $1 ORDER BY used_at DESC, wish`+database.Limit(wishes)+`))`, grantID, k.IssuedAt)
	}
	if err != nil {
		return fmt.Errorf("keep token of %s: %w", grantID, err)
	}
	return nil
}

func dropTokens(ctx context.Context, t Tx, grantID string) error {
	_, err := t.Exec(ctx, `DELETE FROM grant_token WHERE grant_id = $1`, grantID)
	if err != nil {
		return fmt.Errorf("drop tokens of %s: %w", grantID, err)
	}
	return nil
}

// SaveApproval writes a credential under its Generation with a new family in place of the one that it
// may have had, and the token that came with it. What its owner was told of its death is gone.
func (g *Grants) SaveApproval(ctx context.Context, c credential.Credential, f grant.Family, k grant.Kept, change audit.Change) error {
	sealed, err := g.sealRefresh(f, c.OwnerID)
	if err != nil {
		return err
	}
	err = g.Write(ctx, func(ctx context.Context, t Tx) error {
		if err := t.SaveCredential(ctx, c, change); err != nil {
			return err
		}
		_, err := t.Exec(ctx, `INSERT INTO grant_family (grant_id, provider, subject, refresh, refresh_expires_at, health, health_since, detail,
			failures, renewals, renewed_at, due_at, runs_out_at, keep_alive, lease_until, attempt_at, attempts, poll_at, poll_until, generation)
			VALUES ($1, $2, $3, $4, $5, $6, $7, '', 0, $8, $9, $10, $11, $12, 0, 0, 0, 0, 0, 1)
			ON CONFLICT (grant_id) DO UPDATE SET subject = excluded.subject, refresh = excluded.refresh,
			refresh_expires_at = excluded.refresh_expires_at, health = excluded.health, health_since = excluded.health_since, detail = '',
			failures = 0, renewed_at = excluded.renewed_at, due_at = excluded.due_at, runs_out_at = excluded.runs_out_at,
			keep_alive = excluded.keep_alive, lease_until = 0, attempt_at = 0, attempts = 0, pending = NULL, poll_at = 0, poll_until = 0, generation = grant_family.generation + 1`,
			c.ID, f.Provider, f.Subject, sealed, f.RefreshExpiresAt, string(f.Health), f.HealthSince,
			f.Renewals, f.RenewedAt, f.DueAt, f.RunsOutAt, f.KeepAlive)
		if err == nil {
			err = dropTokens(ctx, t, c.ID)
		}
		if err == nil {
			err = g.keep(ctx, t, c.ID, k)
		}
		if err == nil {
			err = untell(ctx, t, c)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save approval of %s: %w", c.ID, err)
	}
	return nil
}

// untell takes back what the owner was told of the grant's death.
func untell(ctx context.Context, t Tx, c credential.Credential) error {
	_, err := t.Exec(ctx, `DELETE FROM notice WHERE account_id = $1 AND subject = $2 AND kind = $3`, c.OwnerID, c.ID, string(notice.GrantDied))
	return err
}

// SavePending remembers an approval that is polled for, from f.PollAt to f.PollUntil, in place of
// another one.
func (g *Grants) SavePending(ctx context.Context, c credential.Credential, f grant.Family) error {
	sealed, err := g.Box.Seal(pendingPlace(c), f.Pending)
	if err != nil {
		return fmt.Errorf("seal approval of %s: %w", c.ID, err)
	}
	err = g.Write(ctx, func(ctx context.Context, t Tx) error {
		_, err := t.Exec(ctx, `INSERT INTO grant_family (grant_id, provider, subject, refresh_expires_at, keep_alive, health, health_since, detail,
			failures, renewals, renewed_at, due_at, runs_out_at, lease_until, attempt_at, attempts, pending, poll_at, poll_until, generation)
			VALUES ($1, $2, '', 0, FALSE, $3, 0, '', 0, 0, 0, 0, 0, 0, 0, 0, $4, $5, $6, 1)
			ON CONFLICT (grant_id) DO UPDATE SET pending = excluded.pending, poll_at = excluded.poll_at, poll_until = excluded.poll_until`,
			c.ID, f.Provider, string(grant.Fine), sealed, f.PollAt, f.PollUntil)
		return err
	})
	if err != nil {
		return fmt.Errorf("save pending approval of %s: %w", c.ID, err)
	}
	return nil
}

// SaveNarrowed writes a credential under its Generation and drops all its access tokens.
func (g *Grants) SaveNarrowed(ctx context.Context, c credential.Credential, change audit.Change) error {
	err := g.Revoke(ctx, func(ctx context.Context, t Tx) error {
		if err := t.SaveCredential(ctx, c, change); err != nil {
			return err
		}
		// A refresh that is under way learns of it by this.
		if _, err := t.Exec(ctx, `UPDATE grant_family SET generation = generation + 1 WHERE grant_id = $1`, c.ID); err != nil {
			return err
		}
		return dropTokens(ctx, t, c.ID)
	})
	if err != nil {
		return fmt.Errorf("narrow %s: %w", c.ID, err)
	}
	return nil
}

// SaveTokenUses notes when tokens were last asked for; older notes never replace newer ones.
func (g *Grants) SaveTokenUses(ctx context.Context, uses []grant.Use) error {
	return g.Write(ctx, func(ctx context.Context, t Tx) error {
		for _, u := range uses {
			if _, err := t.Exec(ctx, `UPDATE grant_token SET used_at = $3 WHERE grant_id = $1 AND wish = $2 AND used_at < $3`, u.GrantID, u.Wish, u.At); err != nil {
				return fmt.Errorf("note use of %s: %w", u.GrantID, err)
			}
		}
		return nil
	})
}

// ClaimEnding hands out grants that are ending, each to one server until the lease ends or it is
// saved.
func (g *Grants) ClaimEnding(ctx context.Context, now time.Time, lease time.Duration, n int) ([]string, error) {
	ids, err := database.List(ctx, g.DB.Alone(), database.Text, `UPDATE credential SET lease_until = $2 WHERE id IN (
		SELECT id FROM credential WHERE due_at > 0 AND due_at <= $1 AND lease_until <= $1 AND kind = 'grant' AND status = 'ending'
		ORDER BY due_at`+database.Limit(n)+g.skip("")+`) AND lease_until <= $1 RETURNING id`, now, now.Add(lease))
	if err != nil {
		return nil, fmt.Errorf("claim ending grants: %w", err)
	}
	return ids, nil
}

// SaveEnding writes what became of an ending grant: when to try again, or, if it has ended, that all
// its secrets are destroyed. What the provider said stays readable in f.Detail.
func (g *Grants) SaveEnding(ctx context.Context, c credential.Credential, f grant.Family, change audit.Change) error {
	err := g.Revoke(ctx, func(ctx context.Context, t Tx) error {
		if c.Status != credential.Ended {
			_, err := t.Exec(ctx, `UPDATE credential SET due_at = $2, lease_until = 0 WHERE id = $1 AND status = 'ending'`, c.ID, c.DueAt)
			if err == nil {
				_, err = t.Exec(ctx, `UPDATE grant_family SET detail = $2, failures = $3 WHERE grant_id = $1`, c.ID, f.Detail, f.Failures)
			}
			return err
		}
		if err := t.SaveCredential(ctx, c, change); err != nil {
			return err
		}
		_, err := t.Exec(ctx, `UPDATE grant_family SET refresh = NULL, pending = NULL, due_at = 0, runs_out_at = 0, poll_at = 0, detail = $2, failures = $3,
			generation = generation + 1 WHERE grant_id = $1`, c.ID, f.Detail, f.Failures)
		if err == nil {
			err = dropTokens(ctx, t, c.ID)
		}
		if err == nil {
			err = untell(ctx, t, c)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save ending grant %s: %w", c.ID, err)
	}
	return nil
}
