package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// writeLimit bounds one transaction, the wait for other servers included.
const writeLimit = 10 * time.Second

// writersLock is PostgreSQL's advisory lock (the letters "lanyard") that every queued transaction
// takes first. So what one of them reads holds until it commits, numbers that it gives are
// committed in order, and rows are never locked crosswise.
const writersLock int64 = 0x6c616e79617264

// writers is the queue of those who want to write. Whoever gets the turn writes for all who wait,
// in one transaction: one commit, one sync of the disk. Nobody hears of success before it is on
// disk.
type writers struct {
	turn    chan struct{} // holds one while somebody writes
	mu      sync.Mutex
	waiting []*job
}

// A job is one change, by one caller.
type job struct {
	ctx  context.Context // the caller's: who has left is not served
	do   func(context.Context, *Tx) error
	err  error
	done chan error
}

var (
	errNotRun = errors.New("the transaction ended before its end")
	errApart  = errors.New("one of several changes failed")
)

// Write runs do in a transaction, alone or with others of the queue, and returns when that is
// committed. An error of do undoes what do did and nothing else. No other server writes meanwhile.
// Do may run in another caller's goroutine, and must use the context that it is given. It may run
// again, after what it did was undone.
func (db *DB) Write(ctx context.Context, do func(context.Context, *Tx) error) error {
	j := &job{ctx: ctx, do: do, err: errNotRun, done: make(chan error, 1)}
	w := &db.writers
	w.mu.Lock()
	w.waiting = append(w.waiting, j)
	w.mu.Unlock()
	select {
	case err := <-j.done:
		return err
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
		if len(j.done) == 0 { // else the one before us did it
			db.runWaiting()
		}
	case <-ctx.Done():
		if w.withdraw(j) {
			return ctx.Err()
		}
		// Somebody is writing it: soon it will be known how that ends.
	}
	return <-j.done
}

// withdraw takes j out of the queue, and reports whether it was still there.
func (w *writers) withdraw(j *job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.waiting, j)
	if i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
	}
	return i >= 0
}

// runWaiting does all waiting jobs. The caller has the turn.
func (db *DB) runWaiting() {
	w := &db.writers
	w.mu.Lock()
	jobs := w.waiting
	w.waiting = nil
	w.mu.Unlock()
	defer func() {
		for _, j := range jobs {
			j.done <- j.err
		}
	}()
	// No caller's departure may undo the work of the others.
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	err := db.transact(ctx, jobs, (*Tx).together)
	if errors.Is(err, errApart) {
		err = db.transact(ctx, jobs, (*Tx).apart)
	}
	for _, j := range jobs {
		if j.err == nil || errors.Is(j.err, errNotRun) {
			j.err = err
		}
	}
}

// transact does jobs in one transaction and sets the err of each that failed for a reason of its
// own. An error of transact itself means that nothing was written.
func (db *DB) transact(ctx context.Context, jobs []*job, run func(*Tx, context.Context, []*job) error) error {
	sqlTx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", classify(err))
	}
	defer func() { _ = sqlTx.Rollback() }() // does nothing after a commit
	t := &Tx{tx: sqlTx}
	if !db.Postgres {
		t.known = &db.forWrite
	}
	if db.Postgres {
		if _, err := t.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, writersLock); err != nil {
			return fmt.Errorf("wait for other writers: %w", err)
		}
	}
	if err := run(t, ctx, jobs); err != nil {
		return err
	}
	if err := sqlTx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", classify(err))
	}
	for _, text := range t.unknown {
		db.forWrite.prepare(ctx, db.write, text)
	}
	return nil
}

// run does the job unless its caller has left, and reports whether it did not fail.
func (j *job) run(ctx context.Context, t *Tx) bool {
	if j.err = j.ctx.Err(); j.err != nil {
		return true
	}
	j.err = j.do(ctx, t)
	return j.err == nil
}

// Tx is a transaction under way.
type Tx struct {
	tx      *sql.Tx
	known   *statements // nil: the driver keeps them
	unknown []string    // texts to prepare when the connection is free again
}

// together does jobs one after the other. They rarely fail, so it sets no savepoints, which are half of
// the statements of many a change. If one of several fails, that is errApart.
func (t *Tx) together(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		switch {
		case j.run(ctx, t):
		case len(jobs) == 1:
			return j.err
		default:
			return errApart
		}
	}
	return nil
}

// apart does jobs so that the failure of one leaves the others' work alone.
func (t *Tx) apart(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		if _, err := t.Exec(ctx, `SAVEPOINT job`); err != nil {
			return err
		}
		if !j.run(ctx, t) {
			if _, err := t.Exec(ctx, `ROLLBACK TO SAVEPOINT job`); err != nil {
				return fmt.Errorf("%w (and then: %w)", j.err, err) // a full disk can end all of the transaction
			}
		}
		if _, err := t.Exec(ctx, `RELEASE SAVEPOINT job`); err != nil {
			return err
		}
	}
	return nil
}

// Exec runs one statement and returns how many rows it touched.
func (t *Tx) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	args, err := bind(args)
	if err != nil {
		return 0, err
	}
	result, err := t.exec(ctx, text, args)
	if err != nil {
		return 0, classify(err)
	}
	return result.RowsAffected()
}

// Must runs a statement that touches a row, or else returns a NotFound fault for what.
func (t *Tx) Must(ctx context.Context, what, text string, args ...any) error {
	n, err := t.Exec(ctx, text, args...)
	if err == nil && n == 0 {
		err = Absent(what)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}

func (t *Tx) exec(ctx context.Context, text string, args []any) (sql.Result, error) {
	if st := t.prepared(ctx, text); st != nil { //nolint:sqlclosecheck // it ends with the transaction
		return st.ExecContext(ctx, args...)
	}
	return t.tx.ExecContext(ctx, text, args...)
}

func (t *Tx) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	if st := t.prepared(ctx, text); st != nil { //nolint:sqlclosecheck // it ends with the transaction
		return st.QueryContext(ctx, args...)
	}
	return t.tx.QueryContext(ctx, text, args...)
}
