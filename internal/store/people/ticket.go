package people

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/store/database"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/material"
)

func ticketPlace(t session.Ticket) seal.Place {
	return seal.Place{Table: "ticket", Column: "data", Row: t.ID, Owner: t.Purpose}
}

// InsertTicket adds one; an id or handle that is in use within the purpose is a Conflict fault.
func (p *People) InsertTicket(ctx context.Context, n session.Ticket) error {
	sealed, err := p.Box.Seal(ticketPlace(n), n.Data)
	if err != nil {
		return fmt.Errorf("seal ticket: %w", err)
	}
	return p.Write(ctx, func(ctx context.Context, t Tx) error {
		_, err := t.Exec(ctx, `INSERT INTO ticket (id, purpose, handle, data, expires_at, generation) VALUES ($1, $2, $3, $4, $5, $6)`,
			n.ID, n.Purpose, n.Handle, sealed, n.ExpiresAt, n.Generation)
		if err != nil {
			return fmt.Errorf("insert %s ticket: %w", n.Purpose, err)
		}
		return nil
	})
}

// Ticket finds by id, or by handle if id is empty. Expired ones are NotFound faults.
func (p *People) Ticket(ctx context.Context, purpose, id, handle string, now time.Time) (session.Ticket, error) {
	by := "id"
	if id == "" {
		by = "handle"
	}
	if id == "" && handle == "" {
		return session.Ticket{}, database.Absent("ticket")
	}
	t, err := database.One(ctx, p.DB, "ticket", func(r database.Row) (t session.Ticket, err error) {
		return t, r.Scan(&t.ID, &t.Purpose, &t.Handle, &t.Data, &t.ExpiresAt, &t.Generation)
	}, `SELECT id, purpose, handle, data, expires_at, generation FROM ticket WHERE purpose = $1 AND `+by+` = $2 AND expires_at > $3`,
		purpose, cmp.Or(id, handle), now)
	if err != nil {
		return t, err
	}
	if t.Data, err = p.Box.Open(ticketPlace(t), t.Data); err != nil {
		return session.Ticket{}, fmt.Errorf("open %s ticket: %w", purpose, err)
	}
	return t, nil
}

// SaveTicket writes Data and ExpiresAt under the Generation that n was read with, and reports
// whether it was still that; remove deletes it likewise.
func (p *People) SaveTicket(ctx context.Context, n session.Ticket, remove bool) (done bool, err error) {
	err = p.Write(ctx, func(ctx context.Context, t Tx) (err error) {
		done, err = p.saveTicket(ctx, t, n, remove)
		return err
	})
	return done && err == nil, err
}

func (p *People) saveTicket(ctx context.Context, t Tx, n session.Ticket, remove bool) (bool, error) {
	if remove {
		rows, err := t.Exec(ctx, `DELETE FROM ticket WHERE purpose = $1 AND id = $2 AND generation = $3`, n.Purpose, n.ID, n.Generation)
		return rows == 1, err
	}
	sealed, err := p.Box.Seal(ticketPlace(n), n.Data)
	if err != nil {
		return false, fmt.Errorf("seal ticket: %w", err)
	}
	rows, err := t.Exec(ctx, `UPDATE ticket SET data = $4, expires_at = $5, generation = generation + 1
		WHERE purpose = $1 AND id = $2 AND generation = $3`, n.Purpose, n.ID, n.Generation, sealed, n.ExpiresAt)
	return rows == 1, err
}

// PurgeTickets removes tickets, tokens, sessions and denials that expired or ended before the time,
// and old notices. A session of which tokens are still known stays with them.
func (p *People) PurgeTickets(ctx context.Context, before time.Time) error {
	return p.Write(ctx, func(ctx context.Context, t Tx) error {
		for _, text := range []string{
			`DELETE FROM ticket WHERE expires_at < $1`,
			`DELETE FROM denial WHERE until_at < $1`,
			`DELETE FROM token WHERE expires_at < $1`,
			`DELETE FROM session WHERE expires_at < $1 OR (ended_at > 0 AND ended_at < $1 AND NOT EXISTS (SELECT 1 FROM token WHERE session_id = session.id))`,
		} {
			if _, err := t.Exec(ctx, text, before); err != nil {
				return fmt.Errorf("purge tickets: %w", err)
			}
		}
		if _, err := t.Exec(ctx, `DELETE FROM notice WHERE at < $1`, before.Add(-notice.Kept)); err != nil {
			return fmt.Errorf("purge notices: %w", err)
		}
		return nil
	})
}

func signingPlace(k session.SigningKey) seal.Place {
	return seal.Place{Table: "signing_key", Column: "private_key", Row: k.ID, Owner: k.Algorithm}
}

// SigningKeys returns all there are, oldest NotBefore first.
func (p *People) SigningKeys(ctx context.Context) ([]session.SigningKey, error) {
	keys, err := database.List(ctx, p.DB, func(r database.Row) (k session.SigningKey, err error) {
		var sealed []byte
		if err := r.Scan(&k.ID, &k.Algorithm, &sealed, &k.NotBefore, &k.RetiredAt); err != nil {
			return k, err
		}
		private, err := p.Box.Open(signingPlace(k), sealed)
		k.Private = material.Secret(private)
		return k, err
	}, `SELECT id, algorithm, private_key, not_before, retired_at FROM signing_key ORDER BY not_before, id`)
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	return keys, nil
}

// InsertSigningKey adds a key, unless its algorithm already has one with the same or a later
// NotBefore: then nothing is written and the answer is false.
func (p *People) InsertSigningKey(ctx context.Context, k session.SigningKey, record audit.Record) (done bool, err error) {
	sealed, err := p.Box.Seal(signingPlace(k), []byte(k.Private.Reveal()))
	if err != nil {
		return false, fmt.Errorf("seal signing key: %w", err)
	}
	err = p.Write(ctx, func(ctx context.Context, t Tx) error {
		rows, err := t.Exec(ctx, `INSERT INTO signing_key (id, algorithm, private_key, not_before, retired_at)
			SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT 1 FROM signing_key WHERE algorithm = $2 AND not_before >= $4)`,
			k.ID, k.Algorithm, sealed, k.NotBefore, k.RetiredAt)
		if err != nil {
			return fmt.Errorf("insert signing key %s: %w", k.ID, err)
		}
		if done = rows == 1; !done {
			return nil
		}
		return t.Record(ctx, record)
	})
	return done && err == nil, err
}

// PurgeSigningKeys removes those whose RetiredAt lies before the time.
func (p *People) PurgeSigningKeys(ctx context.Context, before time.Time) error {
	return p.Write(ctx, func(ctx context.Context, t Tx) error {
		_, err := t.Exec(ctx, `DELETE FROM signing_key WHERE retired_at > 0 AND retired_at < $1`, before)
		return err
	})
}
