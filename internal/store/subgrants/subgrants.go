// Package subgrants is the store's part about delegated sub-grants: their rows, codes and events, and
// the flows by which they are asked for. It implements what subgrant declares that it needs of a
// database. The store lends it its transactions, so that its writes stand in the same queue and
// audit chain as all others. It imports rows 0 and 1.
package subgrants

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

// Tx is a change under way.
type Tx interface {
	database.Queryer
	Exec(ctx context.Context, text string, args ...any) (int64, error)
	Record(context.Context, audit.Record) error
	// Tell adds a notice.
	Tell(context.Context, notice.Notice) error
}

// Delegated is that part. All fields are required.
type Delegated struct {
	DB *database.DB
	// Write runs a change in a transaction. Revoke does too, for those that take rights away, which
	// a full disk must not stop.
	Write, Revoke func(context.Context, func(context.Context, Tx) error) error
}

const columns = `s.id, s.grant_id, s.made_from, s.parent_id, s.owner_id, s.provider, s.issuer, s.subject, s.name, s.application, s.address, s.user_agent,
	s.seq, s.capabilities, s.clauses, s.counts, s.rotation, s.created_at, s.issued_at, s.expires_at, s.ended_at, s.reason, a.name`

func scan(r database.Row) (s delegation.SubGrant, err error) {
	var capabilities, clauses, counts, rotation string
	if err := r.Scan(&s.ID, &s.GrantID, &s.MadeFrom, &s.ParentID, &s.OwnerID, &s.Provider, &s.Issuer, &s.Subject, &s.Name, &s.Application, &s.Address,
		&s.UserAgent, &s.Seq, &capabilities, &clauses, &counts, &rotation, &s.CreatedAt, &s.IssuedAt, &s.ExpiresAt, &s.EndedAt,
		&s.Reason, &s.OwnerName); err != nil {
		return s, err
	}
	return s, decode(s.ID, text{capabilities, &s.Capabilities}, text{clauses, &s.Clauses}, text{counts, &s.Counts}, text{rotation, &s.Rotation})
}

// A text is JSON of a column and where it belongs.
type text struct {
	json string
	into any
}

func decode(id string, texts ...text) error {
	for _, t := range texts {
		if err := json.Unmarshal([]byte(t.json), t.into); err != nil {
			return fmt.Errorf("read %T of %s: %w", t.into, id, err)
		}
	}
	return nil
}

func encode(values ...any) ([]string, error) {
	texts := make([]string, len(values))
	for i, v := range values {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("encode %T: %w", v, err)
		}
		texts[i] = string(text)
	}
	return texts, nil
}

// Chain reads a sub-grant by its id with all above it, or returns a NotFound fault.
func (g *Delegated) Chain(ctx context.Context, id string) (delegation.Chain, error) {
	return chain(ctx, g.DB, id)
}

func chain(ctx context.Context, q database.Queryer, id string) (c delegation.Chain, err error) {
	c.Links, err = database.List(ctx, q, scan, `WITH RECURSIVE link (id, made_from, depth) AS (
			SELECT id, made_from, 0 FROM subgrant WHERE id = $1
			UNION ALL SELECT p.id, p.made_from, l.depth + 1 FROM link l JOIN subgrant p ON p.id = l.made_from WHERE l.depth < $2)
		SELECT `+columns+` FROM link l JOIN subgrant s ON s.id = l.id JOIN account a ON a.id = s.owner_id ORDER BY l.depth`,
		id, 2*delegation.MaxDepth)
	switch {
	case err != nil:
		return c, fmt.Errorf("read sub-grant %s: %w", id, err)
	case len(c.Links) == 0:
		return c, database.Absent("sub-grant")
	}
	c.Holder, err = holder(ctx, q, c.Links[0].GrantID)
	return c, err
}

// holder reads what a sub-grant stands on.
func holder(ctx context.Context, q database.Queryer, grantID string) (delegation.Holder, error) {
	return database.One(ctx, q, "grant", func(r database.Row) (h delegation.Holder, err error) {
		var frozen time.Time
		var provider bool
		err = r.Scan(&h.Grant.ID, &h.Grant.Kind, &h.Grant.OwnerID, &h.Grant.Name, &h.Grant.Status, &h.Grant.Reason, &h.Grant.CreatedAt,
			&h.Grant.ExpiresAt, &h.Grant.OwnerName, &frozen, &provider)
		h.Stopped = provider || !frozen.IsZero()
		return h, err
	}, `SELECT c.id, c.kind, c.owner_id, c.name, c.status, c.reason, c.created_at, c.expires_at, a.name, a.frozen_at,
		EXISTS (SELECT 1 FROM frozen_provider p WHERE p.issuer = a.issuer)
		FROM credential c JOIN account a ON a.id = c.owner_id WHERE c.id = $1`, grantID)
}

// Holder reads a grant as sub-grants stand on it, or returns a NotFound fault.
func (g *Delegated) Holder(ctx context.Context, grantID string) (delegation.Holder, error) {
	return holder(ctx, g.DB, grantID)
}

// SubGrants lists those that have not ended, oldest first.
func (g *Delegated) SubGrants(ctx context.Context, f delegation.Filter) ([]delegation.SubGrant, error) {
	var c database.Conditions
	c.Add("s.ended_at = 0")
	c.Equal("s.owner_id", f.OwnerID)
	c.Equal("s.grant_id", f.GrantID)
	ss, err := database.List(ctx, g.DB, scan, `SELECT `+columns+` FROM subgrant s JOIN account a ON a.id = s.owner_id`+c.String()+
		` ORDER BY s.created_at, s.id`, c.Args...)
	if err != nil {
		return nil, fmt.Errorf("list sub-grants: %w", err)
	}
	return ss, nil
}

// Code finds a code by its hash, or returns a NotFound fault.
func (g *Delegated) Code(ctx context.Context, hash []byte) (delegation.Code, error) {
	return database.One(ctx, g.DB, "code", func(r database.Row) (c delegation.Code, err error) {
		return c, r.Scan(&c.Hash, &c.Purpose, &c.SubGrantID, &c.Seq, &c.Form, &c.Sole, &c.ExpiresAt)
	}, `SELECT hash, purpose, subgrant_id, seq, form, sole, expires_at FROM subgrant_code WHERE hash = $1`, hash)
}

// SubGrantEvents lists what happened to sub-grants, oldest first.
func (g *Delegated) SubGrantEvents(ctx context.Context, ids []string) ([]delegation.Event, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var c database.Conditions
	c.In("subgrant_id", ids)
	es, err := database.List(ctx, g.DB, func(r database.Row) (e delegation.Event, err error) {
		return e, r.Scan(&e.SubGrantID, &e.At, &e.Name, &e.Comment, &e.Address, &e.UserAgent)
	}, `SELECT subgrant_id, at, name, comment, address, user_agent FROM subgrant_event`+c.String()+` ORDER BY at, subgrant_id, number`, c.Args...)
	if err != nil {
		return nil, fmt.Errorf("list events of sub-grants: %w", err)
	}
	return es, nil
}
