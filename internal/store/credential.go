package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/feed"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/store/database"
	"github.com/lanyardhq/lanyard/internal/store/seal"
)

//nolint:gosec // no credential: a query for them
const selectCredential = `SELECT c.id, c.kind, coalesce(c.project_id, ''), c.owner_id, c.name, c.public_id, c.spec, c.status, c.reason,
	c.created_at, c.expires_at, c.due_at, c.ended_at, c.last_used_at, c.last_used_by, c.generation, coalesce(p.name, ''), a.name, c.state
	FROM credential c LEFT JOIN project p ON p.id = c.project_id JOIN account a ON a.id = c.owner_id`

// sealedCredential is a row with its state as it lies there.
type sealedCredential struct {
	credential.Credential
	sealed []byte
}

func scanCredential(r database.Row) (c sealedCredential, err error) {
	var spec string
	err = r.Scan(&c.ID, &c.Kind, &c.ProjectID, &c.OwnerID, &c.Name, &c.PublicID, &spec, &c.Status, &c.Reason,
		&c.CreatedAt, &c.ExpiresAt, &c.DueAt, &c.EndedAt, &c.LastUsedAt, &c.LastUsedBy, &c.Generation,
		&c.ProjectName, &c.OwnerName, &c.sealed)
	if spec != "" {
		c.Spec = json.RawMessage(spec)
	}
	return c, err
}

// scanBare is scanCredential without the state.
func scanBare(r database.Row) (credential.Credential, error) {
	c, err := scanCredential(r)
	return c.Credential, err
}

func statePlace(c credential.Credential) seal.Place {
	return seal.Place{Table: "credential", Column: "state", Row: c.ID, Owner: c.OwnerID}
}

// open returns the state, nil if it was destroyed.
func (s *Store) open(c sealedCredential) (credential.State, error) {
	if len(c.sealed) == 0 {
		return nil, nil
	}
	state, err := s.box.Open(statePlace(c.Credential), c.sealed)
	if err != nil {
		return nil, fmt.Errorf("open state of credential %s: %w", c.ID, err)
	}
	return state, nil
}

// InsertCredential adds c with its state, unless the disk is full.
func (s *Store) InsertCredential(ctx context.Context, c credential.Credential, state credential.State, change audit.Change) (int64, error) {
	if err := s.db.RoomToIssue(); err != nil {
		return 0, err
	}
	sealed, err := s.box.Seal(statePlace(c), state)
	if err != nil {
		return 0, fmt.Errorf("seal state of credential %s: %w", c.ID, err)
	}
	return s.publishing(ctx, edit{feed.Credential, c.ID, change}, func(ctx context.Context, t *tx) error {
		_, err := t.Exec(ctx, `INSERT INTO credential (id, kind, project_id, owner_id, name, public_id, spec, status, reason,
			created_at, expires_at, due_at, ended_at, generation, state)
			VALUES ($1, $2, nullif($3, ''), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
			c.ID, c.Kind, c.ProjectID, c.OwnerID, c.Name, c.PublicID, string(c.Spec), string(c.Status), string(c.Reason),
			c.CreatedAt, c.ExpiresAt, c.DueAt, c.EndedAt, c.Generation, sealed)
		if err != nil {
			return fmt.Errorf("insert credential %s: %w", c.ID, err)
		}
		return nil
	})
}

// SaveCredentials writes changed credentials under the Generation that they were read with, all or
// none. Only one promise goes with them, that of the first. What has ended needs its state no
// more: it is destroyed.
func (s *Store) SaveCredentials(ctx context.Context, cs []credential.Credential, change func(credential.Credential) audit.Change) (seq int64, err error) {
	changes := make([]audit.Change, len(cs))
	write := s.revoke // even with the last bytes of the disk, unless all go on being honoured
	if !slices.ContainsFunc(cs, func(c credential.Credential) bool { return c.Status != credential.Active }) {
		write = s.write
	}
	for i, c := range cs {
		changes[i] = change(c)
		if i > 0 {
			changes[i].Once = audit.Once{}
		}
	}
	err = write(ctx, func(ctx context.Context, t *tx) error {
		for i, c := range cs {
			if err := t.SaveCredential(ctx, c, changes[i]); err != nil {
				return fmt.Errorf("save credential %s: %w", c.ID, err)
			}
		}
		seq = t.fed
		return nil
	})
	return seq, err
}

// SaveState writes a changed credential under its Generation, together with its new state, unless the
// disk is full.
func (s *Store) SaveState(ctx context.Context, c credential.Credential, state credential.State, change audit.Change) (seq int64, err error) {
	if err := s.db.RoomToIssue(); err != nil {
		return 0, err
	}
	sealed, err := s.box.Seal(statePlace(c), state)
	if err != nil {
		return 0, fmt.Errorf("seal state of credential %s: %w", c.ID, err)
	}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		err := t.SaveCredential(ctx, c, change)
		if err == nil {
			_, err = t.Exec(ctx, `UPDATE credential SET state = $2 WHERE id = $1`, c.ID, sealed)
		}
		if err != nil {
			return fmt.Errorf("save credential %s: %w", c.ID, err)
		}
		seq = t.fed
		return nil
	})
	return seq, err
}

// SaveCredential writes a changed credential under its Generation, with its audit record. A grant
// that is stopped or ends has the tokens taken back that we signed for it.
func (t *tx) SaveCredential(ctx context.Context, c credential.Credential, change audit.Change) error {
	n, err := t.Exec(ctx, `UPDATE credential SET name = $3, public_id = $4, spec = $5, status = $6, reason = $7, expires_at = $8,
		due_at = $9, ended_at = $10, lease_until = 0, generation = generation + 1,
		state = CASE WHEN $11 THEN NULL ELSE state END
		WHERE id = $1 AND generation = $2`,
		c.ID, c.Generation, c.Name, c.PublicID, string(c.Spec), string(c.Status), string(c.Reason), c.ExpiresAt,
		c.DueAt, c.EndedAt, c.Status == credential.Ended)
	if err != nil {
		return err
	}
	if n == 0 {
		return database.Beaten(nil)
	}
	if c.Kind == grant.Kind && c.Status != credential.Active && c.Status != credential.Intended {
		if err := t.Deny(ctx, session.Taken(c.ID, change.Record.At)); err != nil {
			return err
		}
	}
	return t.finish(ctx, edit{feed.Credential, c.ID, change})
}

// Credential finds by id or by public id.
func (s *Store) Credential(ctx context.Context, ref string) (credential.Credential, credential.State, error) {
	c, err := database.One(ctx, s.db, "credential", scanCredential,
		selectCredential+` WHERE c.id = $1 OR (c.public_id = $1 AND c.public_id <> '')`, ref)
	if err != nil {
		return c.Credential, nil, err
	}
	state, err := s.open(c)
	return c.Credential, state, err
}

// ListCredentials returns what f selects, newest first.
func (s *Store) ListCredentials(ctx context.Context, f credential.Filter) ([]credential.Credential, error) {
	var c database.Conditions
	c.Equal("c.kind", f.Kind)
	if len(f.Kinds) > 0 {
		c.In("c.kind", f.Kinds)
	}
	c.Equal("c.project_id", f.ProjectID)
	c.Equal("c.owner_id", f.OwnerID)
	c.Equal("a.issuer", f.Issuer)
	if len(f.Statuses) > 0 {
		var statuses []string
		for _, st := range f.Statuses {
			statuses = append(statuses, string(st))
		}
		c.In("c.status", statuses)
	}
	if !f.CreatedAfter.IsZero() {
		c.Add("c.created_at > ?", f.CreatedAfter)
	}
	if f.Before != "" {
		c.Add("(c.created_at, c.id) < (SELECT created_at, id FROM credential WHERE id = ?)", f.Before)
	}
	cs, err := database.List(ctx, s.db, scanBare, selectCredential+c.String()+` ORDER BY c.created_at DESC, c.id DESC`+database.Limit(f.Limit), c.Args...)
	if err != nil {
		return nil, fmt.Errorf("list credentials: %w", err)
	}
	return cs, nil
}

// ClaimDue hands out at most n credentials whose DueAt has come, each to one server only until
// the lease ends or the credential is saved. Grants that are ending are custody's to finish.
func (s *Store) ClaimDue(ctx context.Context, now time.Time, lease time.Duration, n int) ([]credential.Credential, error) {
	skip := ""
	if s.db.Postgres { // SQLite has one writer at a time and nothing to skip
		skip = ` FOR UPDATE SKIP LOCKED`
	}
	ids, err := database.List(ctx, s.db.Alone(), database.Text, `UPDATE credential SET lease_until = $2 WHERE id IN (
		SELECT id FROM credential WHERE due_at > 0 AND due_at <= $1 AND lease_until <= $1
		AND (kind <> 'grant' OR status <> 'ending') ORDER BY due_at`+database.Limit(n)+skip+`)
		AND lease_until <= $1 RETURNING id`, now, now.Add(lease))
	if err != nil {
		return nil, fmt.Errorf("claim due credentials: %w", err)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	var c database.Conditions
	c.In("c.id", ids)
	cs, err := database.List(ctx, s.db, scanBare, selectCredential+c.String()+` ORDER BY c.due_at, c.id`, c.Args...)
	if err != nil {
		return nil, fmt.Errorf("read claimed credentials: %w", err)
	}
	return cs, nil
}

// SaveUses notes when credentials were last used; older notes never replace newer ones.
func (s *Store) SaveUses(ctx context.Context, uses []credential.Use) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error { return t.saveUses(ctx, uses...) })
}

// RecordUse notes that a credential was used, together with the audit record of it.
func (s *Store) RecordUse(ctx context.Context, u credential.Use, record audit.Record) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.saveUses(ctx, u); err != nil {
			return err
		}
		return t.Record(ctx, record)
	})
}

func (t *tx) saveUses(ctx context.Context, uses ...credential.Use) error {
	for _, u := range uses {
		if _, err := t.Exec(ctx, `UPDATE credential SET last_used_at = $2, last_used_by = $3 WHERE id = $1 AND last_used_at < $2`,
			u.CredentialID, u.At, u.By); err != nil {
			return fmt.Errorf("note use of credential %s: %w", u.CredentialID, err)
		}
	}
	return nil
}

// PurgeCredentials removes credentials that ended before the time, and promises made before it.
// Proxies stay until their time is over: lists of revoked certificates name them.
// Gateways are told to forget.
func (s *Store) PurgeCredentials(ctx context.Context, before time.Time) error {
	const portion = 500 // so that others can write in between
	for n := portion; n == portion; {
		err := s.write(ctx, func(ctx context.Context, t *tx) error {
			ids, err := database.List(ctx, t, database.Text, `DELETE FROM credential WHERE id IN (
				SELECT id FROM credential WHERE status = $1 AND ended_at > 0 AND ended_at < $2
				AND (kind <> 'proxy' OR expires_at < $2)`+database.Limit(portion)+`) RETURNING id`,
				string(credential.Ended), before)
			if err != nil {
				return err
			}
			n = len(ids)
			for _, id := range ids {
				if err := t.publish(ctx, feed.Credential, id); err != nil {
					return err
				}
			}
			_, err = t.Exec(ctx, `DELETE FROM idempotency WHERE at < $1`, before)
			return err
		})
		if err != nil {
			return fmt.Errorf("purge ended credentials: %w", err)
		}
	}
	return nil
}
