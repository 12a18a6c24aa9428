package people

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

const sessionColumns = `s.id, s.kind, s.account_id, s.client_id, s.host, s.scopes, s.audiences, s.created_at, s.expires_at, s.last_seen_at,
	s.authenticated_at, s.ended_at, s.generation`

// scanSession reads sessionColumns and what follows them.
func scanSession(r database.Row, more ...any) (s session.Session, err error) {
	var scopes, audiences string
	err = r.Scan(append([]any{&s.ID, &s.Kind, &s.AccountID, &s.ClientID, &s.Host, &scopes, &audiences, &s.CreatedAt, &s.ExpiresAt, &s.LastSeenAt,
		&s.AuthenticatedAt, &s.EndedAt, &s.Generation}, more...)...)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(scopes), &s.Scopes); err != nil {
		return s, fmt.Errorf("read scopes of session %s: %w", s.ID, err)
	}
	if err := json.Unmarshal([]byte(audiences), &s.Audiences); err != nil {
		return s, fmt.Errorf("read audiences of session %s: %w", s.ID, err)
	}
	return s, nil
}

func insertSession(ctx context.Context, t Tx, s session.Session, tokens ...session.Token) error {
	scopes, err := json.Marshal(s.Scopes)
	if err != nil {
		return fmt.Errorf("encode scopes: %w", err)
	}
	audiences, err := json.Marshal(s.Audiences)
	if err != nil {
		return fmt.Errorf("encode audiences: %w", err)
	}
	_, err = t.Exec(ctx, `INSERT INTO session (id, kind, account_id, client_id, host, scopes, audiences, created_at, expires_at, last_seen_at,
		authenticated_at, ended_at, generation) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		s.ID, string(s.Kind), s.AccountID, s.ClientID, s.Host, string(scopes), string(audiences), s.CreatedAt, s.ExpiresAt, s.LastSeenAt,
		s.AuthenticatedAt, s.EndedAt, s.Generation)
	if err != nil {
		return fmt.Errorf("insert session %s: %w", s.ID, err)
	}
	return insertTokens(ctx, t, tokens)
}

func insertTokens(ctx context.Context, t Tx, tokens []session.Token) error {
	for _, k := range tokens {
		if _, err := t.Exec(ctx, `INSERT INTO token (hash, session_id, used_for, expires_at) VALUES ($1, $2, $3, $4)`,
			k.Hash, k.SessionID, string(k.Use), k.ExpiresAt); err != nil {
			return fmt.Errorf("insert token of session %s: %w", k.SessionID, err)
		}
	}
	return nil
}

// endSessions ends the sessions in force that which selects, forgets their tokens, and takes back
// those that were minted for programs. which is a condition that may use $2 and more for args.
func endSessions(ctx context.Context, t Tx, at time.Time, which string, args ...any) (int, error) {
	ended, err := database.List(ctx, t, func(r database.Row) (s session.Session, err error) {
		return s, r.Scan(&s.ID, &s.Kind)
	}, `UPDATE session SET ended_at = $1, generation = generation + 1
		WHERE ended_at = 0 AND `+which+` RETURNING id, kind`, append([]any{at}, args...)...)
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	for _, s := range ended {
		if _, err := t.Exec(ctx, `DELETE FROM token WHERE session_id = $1 AND used_for <> $2`, s.ID, string(session.ReusedToken)); err != nil {
			return 0, fmt.Errorf("forget tokens of session %s: %w", s.ID, err)
		}
		if s.Kind != session.Client {
			continue
		}
		if err := t.Deny(ctx, session.Taken(s.ID, at)); err != nil {
			return 0, err
		}
	}
	return len(ended), nil
}

// InsertSession adds a session with its first tokens. If spent is not nil, it also removes that
// ticket under its Generation; if somebody else was first, nothing is written and the answer is
// false.
func (p *People) InsertSession(ctx context.Context, n session.Session, tokens []session.Token, spent *session.Ticket, record audit.Record) (bool, error) {
	done := true
	err := p.Write(ctx, func(ctx context.Context, t Tx) (err error) {
		if spent != nil {
			if done, err = p.saveTicket(ctx, t, *spent, true); err != nil || !done {
				return err
			}
		}
		if err := insertSession(ctx, t, n, tokens...); err != nil {
			return err
		}
		return t.Record(ctx, record)
	})
	return done && err == nil, err
}

// Session finds what a token's hash proves, whatever the state of session, token and account. It is
// one query, because every request begins with it.
func (p *People) Session(ctx context.Context, hash string) (session.Proof, error) {
	return database.One(ctx, p.DB, "session", func(r database.Row) (got session.Proof, err error) {
		k := session.Token{Hash: hash}
		var roles string
		got.Session, err = scanSession(r, append(accountFields(&got.Account), &k.Use, &k.ExpiresAt, &k.SpentAt, &k.Salt, &roles)...)
		k.SessionID = got.Session.ID
		got.Token, got.Roles = k, rolesOf(roles)
		return got, err
	}, `SELECT `+sessionColumns+`, `+accountColumns+`, k.used_for, k.expires_at, k.spent_at, k.salt,
		coalesce((SELECT string_agg(m.project_id || '=' || m.role, ' ') FROM member m WHERE m.account_id = a.id), '')
		FROM token k JOIN session s ON s.id = k.session_id JOIN account a ON a.id = s.account_id WHERE k.hash = $1`, hash)
}

// rolesOf reads roles by project id from "prj_1=user prj_2=manager". Neither has blanks in it.
func rolesOf(text string) map[string]identity.Role {
	roles := map[string]identity.Role{}
	for one := range strings.FieldsSeq(text) {
		id, role, _ := strings.Cut(one, "=")
		roles[id] = identity.Role(role)
	}
	return roles
}

// Rotate turns the refresh token old into a spent one, with its SpentAt and Salt, adds tokens and
// writes LastSeenAt. If old is not (or no longer) a refresh token of a session in force, nothing is
// written and the answer is false.
func (p *People) Rotate(ctx context.Context, old session.Token, n session.Session, tokens []session.Token) (done bool, err error) {
	err = p.Write(ctx, func(ctx context.Context, t Tx) error {
		rows, err := t.Exec(ctx, `UPDATE token SET used_for = $3, spent_at = $5, salt = $6 WHERE hash = $1 AND used_for = $4 AND session_id = $2
			AND EXISTS (SELECT 1 FROM session WHERE id = $2 AND ended_at = 0)`,
			old.Hash, n.ID, string(session.SpentToken), string(session.RefreshToken), old.SpentAt, old.Salt)
		if done = rows == 1; err != nil || !done {
			return err
		}
		if err := insertTokens(ctx, t, tokens); err != nil {
			return err
		}
		return t.Must(ctx, "session", `UPDATE session SET last_seen_at = $2, generation = generation + 1 WHERE id = $1`, n.ID, n.LastSeenAt)
	})
	return done && err == nil, err
}

// AddTokens adds tokens to a session as long as holds, the hash of a refresh token, is its current
// one; else nothing is written and the answer is false.
func (p *People) AddTokens(ctx context.Context, holds string, n session.Session, tokens []session.Token) (done bool, err error) {
	err = p.Write(ctx, func(ctx context.Context, t Tx) error {
		rows, err := t.Exec(ctx, `UPDATE session SET last_seen_at = $2, generation = generation + 1 WHERE id = $1 AND ended_at = 0
			AND EXISTS (SELECT 1 FROM token WHERE hash = $3 AND used_for = $4 AND session_id = $1)`,
			n.ID, n.LastSeenAt, holds, string(session.RefreshToken))
		if done = rows == 1; err != nil || !done {
			return err
		}
		return insertTokens(ctx, t, tokens)
	})
	return done && err == nil, err
}

// TouchSession moves LastSeenAt forward, never back.
func (p *People) TouchSession(ctx context.Context, id string, at time.Time) error {
	return p.Write(ctx, func(ctx context.Context, t Tx) error {
		_, err := t.Exec(ctx, `UPDATE session SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2`, id, at)
		return err
	})
}

// EndSession ends a session at the record's time and forgets its tokens. One that is absent or has
// ended is a NotFound fault.
func (p *People) EndSession(ctx context.Context, id string, record audit.Record) error {
	return p.Revoke(ctx, func(ctx context.Context, t Tx) error { return endSession(ctx, t, id, record) })
}

func endSession(ctx context.Context, t Tx, id string, record audit.Record) error {
	n, err := endSessions(ctx, t, record.At, "id = $2", id)
	if err == nil && n == 0 {
		err = database.Absent("session")
	}
	if err != nil {
		return err
	}
	return t.Record(ctx, record)
}

// EndReused is EndSession for the session that n tells of, with that notice. After the reuse of a
// refresh token the session's tokens stay known until they expire, as reused ones.
func (p *People) EndReused(ctx context.Context, n notice.Notice, record audit.Record) error {
	return p.Revoke(ctx, func(ctx context.Context, t Tx) error {
		if n.Kind == notice.TokenReused {
			if _, err := t.Exec(ctx, `UPDATE token SET used_for = $2 WHERE session_id = $1`, n.Subject, string(session.ReusedToken)); err != nil {
				return fmt.Errorf("mark tokens of session %s: %w", n.Subject, err)
			}
		}
		if err := endSession(ctx, t, n.Subject, record); err != nil {
			return err
		}
		return t.Tell(ctx, n)
	})
}

// ListSessions returns an account's sessions that have not ended, newest first.
func (p *People) ListSessions(ctx context.Context, accountID string) ([]session.Session, error) {
	ss, err := database.List(ctx, p.DB, func(r database.Row) (session.Session, error) { return scanSession(r) },
		`SELECT `+sessionColumns+` FROM session s WHERE s.account_id = $1 AND s.ended_at = 0 ORDER BY s.created_at DESC, s.id DESC`, accountID)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return ss, nil
}

// InsertRobot adds a robot's account, its membership, its session and the token of that.
func (p *People) InsertRobot(ctx context.Context, a identity.Account, m project.Member, n session.Session, k session.Token, record audit.Record) error {
	return p.Write(ctx, func(ctx context.Context, t Tx) error {
		if err := insertAccount(ctx, t, a); err != nil {
			return err
		}
		if err := saveMember(ctx, t, m); err != nil {
			return err
		}
		if err := insertSession(ctx, t, n, k); err != nil {
			return err
		}
		return t.Record(ctx, record)
	})
}

// EndRobot writes the account, which is frozen by then, and ends its sessions and forgets their
// tokens.
func (p *People) EndRobot(ctx context.Context, a identity.Account, record audit.Record) error {
	return p.Revoke(ctx, func(ctx context.Context, t Tx) error {
		if err := saveAccount(ctx, t, a, record.At); err != nil {
			return err
		}
		if _, err := endSessions(ctx, t, record.At, "account_id = $2", a.ID); err != nil {
			return err
		}
		return t.Record(ctx, record)
	})
}
