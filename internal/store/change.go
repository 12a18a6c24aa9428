package store

import (
	"context"
	"fmt"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/feed"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/store/database"
	"github.com/lanyardhq/lanyard/internal/store/grants"
	"github.com/lanyardhq/lanyard/internal/store/grid"
	"github.com/lanyardhq/lanyard/internal/store/people"
	"github.com/lanyardhq/lanyard/internal/store/subgrants"
	"github.com/lanyardhq/lanyard/internal/store/tokens"
)

// tx is a change under way.
type tx struct {
	*database.Tx
	now int64 // Unix seconds
	heads
	headsRead bool
}

// heads are the newest audit record and feed entry. Nobody else can add to them before the
// transaction ends.
type heads struct {
	recorded int64
	hash     []byte
	fed      int64
}

// write runs do in a transaction; see database.DB.
func (s *Store) write(ctx context.Context, do func(context.Context, *tx) error) error {
	return s.through(ctx, s.db.Write, do)
}

// revoke is write for changes that take rights away, which a full disk must not stop.
func (s *Store) revoke(ctx context.Context, do func(context.Context, *tx) error) error {
	return s.through(ctx, s.db.Revoke, do)
}

func (s *Store) through(ctx context.Context, write func(context.Context, func(context.Context, *database.Tx) error) error, do func(context.Context, *tx) error) error {
	var fed int64
	err := write(ctx, func(ctx context.Context, inner *database.Tx) error {
		t := &tx{Tx: inner, now: s.now().Unix()}
		err := do(ctx, t)
		fed = t.fed
		return err
	})
	if err == nil {
		s.signal.sound(fed)
	}
	return err
}

// lend makes our transactions those of a part of the store, which knows them as T.
func lend[T any](write func(context.Context, func(context.Context, *tx) error) error, as func(*tx) T) func(context.Context, func(context.Context, T) error) error {
	return func(ctx context.Context, do func(context.Context, T) error) error {
		return write(ctx, func(ctx context.Context, t *tx) error { return do(ctx, as(t)) })
	}
}

func (s *Store) lendAll() {
	forGrid := func(t *tx) grid.Tx { return t }
	s.Grid = &grid.Grid{DB: s.db, Box: s.box, Write: lend(s.write, forGrid), Revoke: lend(s.revoke, forGrid)}
	forPeople := func(t *tx) people.Tx { return t }
	s.Tokens = &tokens.Tokens{DB: s.db, Revoke: lend(s.revoke, func(t *tx) tokens.Tx { return t })}
	s.People = &people.People{DB: s.db, Box: s.box, Write: lend(s.write, forPeople), Revoke: lend(s.revoke, forPeople)}
	forGrants := func(t *tx) grants.Tx { return t }
	s.Grants = &grants.Grants{DB: s.db, Box: s.box, Write: lend(s.write, forGrants), Revoke: lend(s.revoke, forGrants)}
	forDelegated := func(t *tx) subgrants.Tx { return t }
	s.Delegated = &subgrants.Delegated{DB: s.db, Write: lend(s.write, forDelegated), Revoke: lend(s.revoke, forDelegated)}
}

// readHeads reads the heads, once.
func (t *tx) readHeads(ctx context.Context) (err error) {
	if t.headsRead {
		return nil
	}
	t.heads, err = database.One(ctx, t, "audit record", func(r database.Row) (h heads, err error) {
		return h, r.Scan(&h.recorded, &h.hash, &h.fed)
	}, `SELECT coalesce((SELECT max(seq) FROM audit), 0), (SELECT hash FROM audit ORDER BY seq DESC LIMIT 1),
		coalesce((SELECT max(seq) FROM feed), 0)`)
	t.headsRead = err == nil
	return err
}

// Record appends to the audit chain.
func (t *tx) Record(ctx context.Context, r audit.Record) error {
	if err := t.readHeads(ctx); err != nil {
		return err
	}
	r, detail, err := storable(r, t.recorded+1)
	if err != nil {
		return err
	}
	r.Hash = audit.Chain(t.hash, r)
	_, err = t.Exec(ctx, `INSERT INTO audit (seq, at, actor, actor_name, action, subject, project, detail, request_id, address, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		r.Seq, r.At, r.Actor, r.ActorName, r.Action, r.Subject, r.Project, detail, r.RequestID, r.Address, r.Hash)
	if err != nil {
		return fmt.Errorf("record %s: %w", r.Action, err)
	}
	t.recorded, t.hash = r.Seq, r.Hash
	return nil
}

// Keep records the change and the promise that goes with it.
func (t *tx) Keep(ctx context.Context, c audit.Change) error {
	if c.Once.Key != "" {
		n, err := t.Exec(ctx, `INSERT INTO idempotency (actor, key, fingerprint, subject, at)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT (actor, key) DO NOTHING`,
			c.Record.Actor, c.Once.Key, c.Once.Fingerprint, c.Record.Subject, t.now)
		if err != nil {
			return fmt.Errorf("note idempotency key: %w", err)
		}
		if n == 0 {
			return database.Beaten(nil)
		}
	}
	return t.Record(ctx, c.Record)
}

// Tell adds a notice, and forgets those of the same person that are too many.
func (t *tx) Tell(ctx context.Context, n notice.Notice) error {
	_, err := t.Exec(ctx, `INSERT INTO notice (id, account_id, kind, subject, at, name, place, address, program)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		n.ID, n.AccountID, string(n.Kind), n.Subject, n.At, clean(n.Name), clean(n.Place), clean(n.Address), clean(n.Program))
	if err == nil {
		_, err = t.Exec(ctx, `DELETE FROM notice WHERE account_id = $1
			AND id NOT IN (SELECT id FROM notice WHERE account_id = $1 ORDER BY at DESC, id DESC`+database.Limit(notice.Most)+`)`, n.AccountID)
	}
	if err != nil {
		return fmt.Errorf("tell %s of %s: %w", n.AccountID, n.Subject, err)
	}
	return nil
}

// publish adds an entry to the feed.
func (t *tx) publish(ctx context.Context, topic feed.Topic, id string) error {
	if err := t.readHeads(ctx); err != nil {
		return err
	}
	_, err := t.Exec(ctx, `INSERT INTO feed (seq, topic, subject, at) VALUES ($1, $2, $3, $4)`, t.fed+1, string(topic), id, t.now)
	if err != nil {
		return fmt.Errorf("publish %s %s: %w", topic, id, err)
	}
	t.fed++
	return nil
}

// Deny takes tokens back.
func (t *tx) Deny(ctx context.Context, d session.Denial) error {
	if err := t.publish(ctx, feed.Denial, d.ID); err != nil {
		return err
	}
	_, err := t.Exec(ctx, `INSERT INTO denial (id, seq, at, until_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, at = excluded.at, until_at = excluded.until_at`, d.ID, t.fed, d.At, d.Until)
	if err != nil {
		return fmt.Errorf("deny %s: %w", d.ID, err)
	}
	return nil
}

// An edit is a change of one thing that gateways know.
type edit struct {
	topic  feed.Topic
	id     string
	change audit.Change
}

// publishing runs do, keeps the change and publishes the thing. It returns the entry's number.
func (s *Store) publishing(ctx context.Context, e edit, do func(context.Context, *tx) error) (seq int64, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := do(ctx, t); err != nil {
			return err
		}
		err := t.finish(ctx, e)
		seq = t.fed
		return err
	})
	return seq, err
}

// finish keeps the change and publishes the thing.
func (t *tx) finish(ctx context.Context, e edit) error {
	if err := t.Keep(ctx, e.change); err != nil {
		return err
	}
	return t.publish(ctx, e.topic, e.id)
}
