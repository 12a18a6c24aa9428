// Package database is SQL for one text on two databases, SQLite and PostgreSQL: it opens them,
// brings their tables up to date, runs writes in a queue, turns times into numbers and drivers'
// errors into faults. It knows no table. It imports fault only.
package database

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// DB is an open database. It is safe for concurrent use. Its Query reads.
type DB struct {
	write *sql.DB // with SQLite it has one connection
	read  *sql.DB
	// Postgres tells the two apart where their text must differ.
	Postgres bool
	disk     *disk // nil for PostgreSQL
	writers  writers
	// Texts that were prepared; see statements.
	forWrite, forRead statements
}

// OpenSQLite opens the database in the file at path, or makes it. The files "lock" and "ballast"
// stand beside it. While another process has it open, that is a Conflict fault which names the
// process.
func OpenSQLite(path string) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{writers: writers{turn: make(chan struct{}, 1)}}
	if db.disk, err = takeDisk(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := db.openFile(path); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), db.Close())
	}
	return db, nil
}

// openFile opens one connection that writes, because more only wait for each other, and some that
// read. A commit is on disk when it returns (synchronous=FULL).
func (db *DB) openFile(path string) error {
	// SQLite gives its other files the mode of the first.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	file := url.URL{Scheme: "file", Path: path,
		RawQuery: "_busy_timeout=2000&_journal_mode=WAL&_synchronous=FULL&_foreign_keys=1&_pragma=temp_store(2)&_txlock=immediate"}
	if db.write, err = sql.Open("sqlite", file.String()); err != nil {
		return err
	}
	db.write.SetMaxOpenConns(1)
	if db.read, err = sql.Open("sqlite", file.String()+"&_query_only=1"); err != nil {
		return err
	}
	db.read.SetMaxOpenConns(4)
	db.read.SetMaxIdleConns(4)
	return nil
}

// OpenPostgres opens the database at an address such as postgres://user:password@host/database.
func OpenPostgres(address string) (*DB, error) {
	c, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err) // pgx leaves the password out
	}
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 5*time.Second)
	for name, value := range map[string]string{
		"application_name": "lanyard",
		// A server that vanished in mid-transaction must not hold the lock of the writers.
		"idle_in_transaction_session_timeout": "15s",
	} {
		c.RuntimeParams[name] = cmp.Or(c.RuntimeParams[name], value)
	}
	pool := stdlib.OpenDB(*c)
	pool.SetMaxOpenConns(16)
	pool.SetMaxIdleConns(16)
	return &DB{write: pool, read: pool, Postgres: true, writers: writers{turn: make(chan struct{}, 1)}}, nil
}

// Migrate runs the texts that the database has not seen yet, one server at a time.
func (db *DB) Migrate(ctx context.Context, texts fs.FS) error {
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if db.Postgres {
		one, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60)) // seconds, tries
		if err != nil {
			return fmt.Errorf("bring the database up to date: %w", err)
		}
		dialect, options = goose.DialectPostgres, append(options, goose.WithSessionLocker(one))
	}
	p, err := goose.NewProvider(dialect, db.write, texts, options...)
	if err != nil {
		return fmt.Errorf("bring the database up to date: %w", err)
	}
	// SQLite makes files when it is first used, so a server that starts may need room.
	err = db.despiteFullDisk(func() error {
		_, err := p.Up(ctx)
		return classify(err)
	})
	if err != nil {
		return fmt.Errorf("bring the database up to date: %w", err)
	}
	return nil
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	return classify(db.read.PingContext(ctx))
}

// Close ends all work. Writes that were acknowledged are on disk already.
func (db *DB) Close() error {
	errs := []error{db.forRead.close(), db.forWrite.close()}
	if db.read != nil && db.read != db.write {
		errs = append(errs, db.read.Close())
	}
	if db.write != nil {
		errs = append(errs, db.write.Close())
	}
	if db.disk != nil {
		errs = append(errs, db.disk.release())
	}
	return errors.Join(errs...)
}
