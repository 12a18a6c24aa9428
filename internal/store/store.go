// Package store keeps everything that must survive, in one SQL text for SQLite and PostgreSQL. It
// implements what broker, login, issuer and gateway declare that they need of a database, without
// importing them: the words of row 1 are all that they share.
//
// Each change is one transaction with its audit record, its entries in the change feed and the
// client's promise that goes with it: see change.go.
package store

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/store/database"
	"github.com/lanyardhq/lanyard/internal/store/grants"
	"github.com/lanyardhq/lanyard/internal/store/grid"
	"github.com/lanyardhq/lanyard/internal/store/people"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/internal/store/subgrants"
	"github.com/lanyardhq/lanyard/internal/store/tokens"
)

// Config says where the database is. Exactly one of Path and URL is set.
type Config struct {
	// Path is the SQLite file. The files "lock" and "ballast" stand beside it.
	Path string
	// URL is as for PostgreSQL's own clients: postgres://user:password@host/database
	URL string
	// Keys seal secrets.
	Keys seal.Keys
	Now  func() time.Time
	// Log is told what no caller can be told; nil for nobody.
	Log *slog.Logger
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	*grid.Grid
	*grants.Grants
	*people.People
	*subgrants.Delegated
	*tokens.Tokens
	db     *database.DB
	box    *seal.Box
	now    func() time.Time
	log    *slog.Logger
	signal signal
}

//go:embed migrations/*.sql
var migrations embed.FS

// Open opens the database, brings its tables up to date and checks that the master keys are those
// that sealed it. With SQLite it fails, with a Conflict fault that names the process, while
// another server has the database open; so what is leased then is leased to nobody.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{now: c.Now, log: cmp.Or(c.Log, slog.New(slog.DiscardHandler)), signal: signal{heard: make(chan struct{})}}
	var err error
	places := append(grants.Places(), "master_key.proof", "credential.state", "ticket.data", "signing_key.private_key", "authority_key.private_key")
	if s.box, err = seal.NewBox(c.Keys, places...); err != nil {
		return nil, err
	}
	switch {
	case (c.Path == "") == (c.URL == ""):
		return nil, errors.New("open database: set either a path or a URL")
	case c.Path != "":
		s.db, err = database.OpenSQLite(c.Path)
	default:
		s.db, err = database.OpenPostgres(c.URL)
	}
	if err != nil {
		return nil, err
	}
	s.lendAll()
	texts, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = s.db.Migrate(ctx, texts)
	}
	if err == nil {
		err = s.checkKeys(ctx, c.Keys)
	}
	if err == nil && !s.db.Postgres {
		err = s.DropLeases(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// checkKeys compares the master keys with the proofs that earlier ones left in the database, and
// leaves one for the current key.
func (s *Store) checkKeys(ctx context.Context, keys seal.Keys) error {
	type proof struct {
		id     string
		sealed []byte
	}
	place := func(id string) seal.Place { return seal.Place{Table: "master_key", Column: "proof", Row: id} }
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		proofs, err := database.List(ctx, t, func(r database.Row) (p proof, err error) {
			return p, r.Scan(&p.id, &p.sealed)
		}, `SELECT id, proof FROM master_key`)
		if err != nil {
			return fmt.Errorf("check master keys: %w", err)
		}
		known := false
		for _, p := range proofs {
			if _, err := s.box.Open(place(p.id), p.sealed); err != nil {
				return fault.New(fault.Invalid, "the key file does not hold the master key %s that sealed this database", p.id).
					WithHint("restore the key file that belongs to the database").WithCause(err)
			}
			known = known || p.id == keys.Current
		}
		if known {
			return nil
		}
		sealed, err := s.box.Seal(place(keys.Current), []byte(keys.Current))
		if err != nil {
			return err
		}
		_, err = t.Exec(ctx, `INSERT INTO master_key (id, proof) VALUES ($1, $2)`, keys.Current, sealed)
		return err
	})
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Run looks for changes that other servers commit and tidies up, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tidy := time.NewTicker(time.Minute)
	defer tidy.Stop()
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	if !s.db.Postgres { // one server only: it hears itself
		look.Stop()
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			err = s.listen(ctx)
		case <-tidy.C:
			s.db.Tidy()
			err = s.purgeFeed(ctx, s.now().Add(-feedKept))
		}
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "database upkeep is late", "err", err)
		}
	}
}

// Close ends all work. Writes that were acknowledged are on disk already.
func (s *Store) Close() error { return s.db.Close() }
