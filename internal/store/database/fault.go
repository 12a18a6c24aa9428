package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// Absent is the fault for something that is not there.
func Absent(what string) error { return fault.New(fault.NotFound, "there is no such %s", what) }

// errDiskFull is in the chain of faults that room on the disk would cure.
var errDiskFull = errors.New("disk full")

// classify gives a driver's error its meaning: Beaten if a row stands against it, Unavailable if
// the database does not answer, itself otherwise.
func classify(err error) error {
	switch _, known := errors.AsType[*fault.Fault](err); {
	case err == nil || known:
		return err
	case errors.Is(err, context.Canceled): // the caller has left
		return err
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok { // whatever the server says to that
		return unavailable("the database does not answer", err)
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return classifySQLite(e)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return classifyPostgres(e)
	}
	_, lost := errors.AsType[net.Error](err)
	for _, e := range []error{driver.ErrBadConn, pgconn.ErrConnClosed, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF,
		context.DeadlineExceeded, sql.ErrTxDone} { // the last if the transaction ran out of time
		lost = lost || errors.Is(err, e)
	}
	if lost {
		return unavailable("the database does not answer", err)
	}
	return err
}

func classifySQLite(e *sqlite.Error) error {
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return Beaten(e)
	case sqlite3.SQLITE_IOERR_SHMSIZE:
		return unavailable("the disk is full", errors.Join(errDiskFull, e))
	}
	switch e.Code() & 0xff { // the primary code
	case sqlite3.SQLITE_FULL:
		return unavailable("the disk is full", errors.Join(errDiskFull, e))
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return unavailable("the database is locked by another program", e)
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT:
		return unavailable("the database does not answer", e)
	}
	return e
}

// classifyPostgres goes by the error codes of PostgreSQL's manual, appendix A.
func classifyPostgres(e *pgconn.PgError) error {
	switch e.Code {
	case "23505", "23503": // unique_violation, foreign_key_violation
		return Beaten(e)
	case "53100": // disk_full
		return unavailable("the disk of the database is full", errors.Join(errDiskFull, e))
	case "40001", "40P01", "55P03", "25P03", "25006", "57014":
		// serialization_failure, deadlock_detected, lock_not_available,
		// idle_in_transaction_session_timeout, read_only_sql_transaction, query_canceled
		return unavailable("the database does not answer", e)
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08", "53", "57", "58": // connection, resources, operator intervention, system error
		return unavailable("the database does not answer", e)
	}
	return e
}

// Beaten is a Conflict fault that is fault.ErrStale too: something stands where something was to be
// written, or is gone.
func Beaten(cause error) error {
	return fault.New(fault.Conflict, "another change came first").WithHint("look again and decide anew").
		WithCause(errors.Join(fault.ErrStale, cause))
}

func unavailable(message string, cause error) *fault.Fault {
	f := fault.New(fault.Unavailable, "%s", message).WithHint("try again in a moment").WithCause(cause)
	f.RetryAfter = time.Second
	return f
}
