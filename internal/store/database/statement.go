package database

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// maxStatements bounds memory: each takes a few KiB for each connection. There are fewer texts than
// that, but for those that depend on how long a list is.
const maxStatements = 128

// statements are the texts that SQLite has parsed: for short ones that costs as much as running
// them. The driver of PostgreSQL keeps its own.
type statements struct {
	mu sync.Mutex
	by map[string]*sql.Stmt
}

// get returns nil for a text that is not prepared.
func (s *statements) get(text string) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[text]
}

// prepare prepares a text if there is room. What cannot be prepared will fail when it is run.
func (s *statements) prepare(ctx context.Context, db *sql.DB, text string) {
	s.mu.Lock()
	wanted := s.by[text] == nil && len(s.by) < maxStatements
	s.mu.Unlock()
	if !wanted {
		return
	}
	st, err := db.PrepareContext(ctx, text) // it may have to wait for a connection
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[text] != nil || len(s.by) >= maxStatements { // somebody else was faster
		_ = st.Close() //nolint:sqlclosecheck // only here
		return
	}
	if s.by == nil {
		s.by = map[string]*sql.Stmt{}
	}
	s.by[text] = st
}

func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, st := range s.by {
		errs = append(errs, st.Close())
	}
	s.by = nil
	return errors.Join(errs...)
}

// prepared returns the statement that reads, nil if there is none.
func (db *DB) prepared(ctx context.Context, text string) *sql.Stmt {
	if db.Postgres {
		return nil
	}
	if st := db.forRead.get(text); st != nil {
		return st
	}
	db.forRead.prepare(ctx, db.read, text)
	return db.forRead.get(text)
}

// prepared returns the statement for use in t, nil if there is none yet: the only connection that
// writes is busy with t until its end.
func (t *Tx) prepared(ctx context.Context, text string) *sql.Stmt {
	if t.known == nil {
		return nil
	}
	st := t.known.get(text)
	if st == nil {
		t.unknown = append(t.unknown, text)
		return nil
	}
	return t.tx.StmtContext(ctx, st)
}
