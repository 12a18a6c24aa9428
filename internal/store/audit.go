package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

// storable returns r as it will read back from the database, under its number, and its detail as
// JSON: the chain covers what is read.
func storable(r audit.Record, seq int64) (audit.Record, string, error) {
	r.Seq, r.At = seq, r.At.UTC().Truncate(time.Second)
	for _, s := range []*string{&r.Actor, &r.ActorName, &r.Action, &r.Subject, &r.Project, &r.RequestID, &r.Address} {
		*s = clean(*s)
	}
	if r.Detail != nil {
		detail := make(map[string]string, len(r.Detail))
		for k, v := range r.Detail {
			detail[clean(k)] = clean(v)
		}
		r.Detail = detail
	}
	detail, err := json.Marshal(r.Detail)
	if err != nil {
		return r, "", fmt.Errorf("encode detail of %s: %w", r.Action, err)
	}
	return r, string(detail), nil
}

// clean replaces what cannot be stored. Names of programs come from strangers, and must not keep a
// change from being recorded.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

const selectAudit = `SELECT seq, at, actor, actor_name, action, subject, project, detail, request_id, address, hash FROM audit`

func scanAudit(w database.Row) (r audit.Record, err error) {
	var detail string
	if err := w.Scan(&r.Seq, &r.At, &r.Actor, &r.ActorName, &r.Action, &r.Subject, &r.Project, &detail, &r.RequestID, &r.Address, &r.Hash); err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(detail), &r.Detail); err != nil {
		return r, fmt.Errorf("read detail of record %d: %w", r.Seq, err)
	}
	return r, nil
}

// Audit returns the records that f selects, newest first.
func (s *Store) Audit(ctx context.Context, f audit.Filter) ([]audit.Record, error) {
	var c database.Conditions
	c.Equal("project", f.Project)
	c.Equal("subject", f.Subject)
	c.Equal("actor", f.Actor)
	if f.Before > 0 {
		c.Add("seq < ?", f.Before)
	}
	rs, err := database.List(ctx, s.db, scanAudit, selectAudit+c.String()+` ORDER BY seq DESC`+database.Limit(f.Limit), c.Args...)
	if err != nil {
		return nil, fmt.Errorf("read audit records: %w", err)
	}
	return rs, nil
}

// VerifyAudit walks the chain from its first record and returns the first number that is missing,
// or whose record was altered; 0 if all is well.
func (s *Store) VerifyAudit(ctx context.Context) (bad int64, err error) {
	const portion = 1000
	var last int64
	var hash []byte
	for {
		rs, err := database.List(ctx, s.db, scanAudit, selectAudit+` WHERE seq > $1 ORDER BY seq`+database.Limit(portion), last)
		if err != nil {
			return 0, fmt.Errorf("read audit records: %w", err)
		}
		for _, r := range rs {
			if r.Seq != last+1 || !bytes.Equal(r.Hash, audit.Chain(hash, r)) {
				return last + 1, nil
			}
			last, hash = r.Seq, r.Hash
		}
		if len(rs) < portion {
			return 0, nil
		}
	}
}

// Done returns the subject of what an actor, named as in the records, did earlier under once; ""
// if nothing.
func (s *Store) Done(ctx context.Context, actor string, once audit.Once) (subject string, err error) {
	type promise struct{ fingerprint, subject string }
	ps, err := database.List(ctx, s.db, func(r database.Row) (p promise, err error) {
		return p, r.Scan(&p.fingerprint, &p.subject)
	}, `SELECT fingerprint, subject FROM idempotency WHERE actor = $1 AND key = $2`,
		actor, once.Key)
	switch {
	case err != nil:
		return "", fmt.Errorf("read idempotency key: %w", err)
	case len(ps) == 0:
		return "", nil
	case ps[0].fingerprint != once.Fingerprint:
		return "", fault.New(fault.Conflict, "this Idempotency-Key was used for a different request").WithHint("use a new key for each request")
	}
	return ps[0].subject, nil
}
