package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

// open opens a new SQLite database with a table thing. What both databases must do alike is tested
// with the tables of the store.
func open(t *testing.T) (*database.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a b%20?#", "things.db")
	db, err := database.OpenSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	texts := fstest.MapFS{"00001_thing.sql": {Data: []byte("-- +goose Up\nCREATE TABLE thing (name TEXT PRIMARY KEY, at BIGINT, span BIGINT);\n")}}
	for range 2 { // the second time there is nothing to do
		if err := db.Migrate(t.Context(), texts); err != nil {
			t.Fatal(err)
		}
	}
	return db, path
}

func add(name string) func(context.Context, *database.Tx) error {
	return func(ctx context.Context, t *database.Tx) error {
		_, err := t.Exec(ctx, `INSERT INTO thing (name) VALUES ($1)`, name)
		return err
	}
}

func names(t *testing.T, db *database.DB) string {
	t.Helper()
	ns, err := database.List(t.Context(), db, database.Text, `SELECT name FROM thing ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(ns, " ")
}

// TestQueue lets many wait for one and then writes for all of them at once.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, _ := open(t)
		proceed := make(chan struct{})
		mistake := errors.New("mistake")
		leaver, leave := context.WithCancel(t.Context())
		errs := map[string]error{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		write := func(ctx context.Context, name string, do func(context.Context, *database.Tx) error) {
			wg.Go(func() {
				err := db.Write(ctx, do)
				mu.Lock()
				defer mu.Unlock()
				errs[name] = err
			})
			synctest.Wait() // it waits in the queue, or in its transaction
		}
		write(t.Context(), "first", func(ctx context.Context, tx *database.Tx) error {
			<-proceed
			return add("first")(ctx, tx)
		})
		write(t.Context(), "good", add("good"))
		write(t.Context(), "mistaken", func(ctx context.Context, tx *database.Tx) error {
			return errors.Join(add("mistaken")(ctx, tx), mistake)
		})
		write(t.Context(), "double", add("good"))
		write(leaver, "leaver", add("leaver"))
		write(t.Context(), "better", add("better"))
		leave()
		synctest.Wait()
		if err := errs["leaver"]; !errors.Is(err, context.Canceled) {
			t.Errorf("who leaves gets %v", err)
		}
		close(proceed)
		wg.Wait()
		if got := names(t, db); got != "better first good" {
			t.Errorf("written: %s", got)
		}
		if errs["first"] != nil || errs["good"] != nil || errs["better"] != nil || !errors.Is(errs["mistaken"], mistake) || !errors.Is(errs["double"], fault.ErrStale) {
			t.Errorf("errors: %v", errs)
		}
	})
}

// TestLateLeaver leaves while its change is being written: it learns how that ended.
func TestLateLeaver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, _ := open(t)
		ctx, leave := context.WithCancel(t.Context())
		begun, proceed := make(chan struct{}), make(chan struct{})
		got := make(chan error)
		go func() { got <- db.Write(t.Context(), add("first")) }()
		<-got
		go func() {
			got <- db.Write(ctx, func(ctx context.Context, tx *database.Tx) error {
				close(begun)
				<-proceed
				return add("second")(ctx, tx)
			})
		}()
		<-begun
		leave()
		close(proceed)
		if err := <-got; err != nil {
			t.Error(err)
		}
		if got := names(t, db); got != "first second" {
			t.Errorf("written: %s", got)
		}
	})
}

func TestValuesReadBack(t *testing.T) {
	db, _ := open(t)
	type thing struct {
		at   time.Time
		span time.Duration
	}
	for i, want := range []thing{{}, {time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), 36 * time.Hour}, {time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC), -time.Second}} {
		name := fmt.Sprint(i)
		err := db.Write(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO thing (name, at, span) VALUES ($1, $2, $3)`, name, want.at.In(time.FixedZone("", 3600)), want.span)
			return err
		})
		if want.at.IsZero() {
			err = errors.Join(err, db.Write(t.Context(), func(ctx context.Context, tx *database.Tx) error {
				return tx.Must(ctx, "thing", `UPDATE thing SET at = $2 WHERE name = $1`, name, time.Time{})
			}))
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := database.One(t.Context(), db, "thing", func(r database.Row) (g thing, err error) {
			return g, r.Scan(&g.at, &g.span)
		}, `SELECT at, span FROM thing WHERE name = $1`, name)
		if err != nil || !got.at.Equal(want.at) || got.at.Location() != time.UTC || got.span != want.span {
			t.Errorf("%v came back as %v, %v", want, got, err)
		}
	}
}

func TestTextThatCannotBeStored(t *testing.T) {
	db, _ := open(t)
	for _, bad := range []string{"a\x00b", "\xff", "a\xc3"} {
		if err := db.Write(t.Context(), add(bad)); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("write %q: %v", bad, err)
		}
		if _, err := database.List(t.Context(), db, database.Text, `SELECT name FROM thing WHERE name = $1`, bad); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("read %q: %v", bad, err)
		}
	}
}

func TestReadersCannotWrite(t *testing.T) {
	db, _ := open(t)
	if _, err := database.List(t.Context(), db, database.Text, `INSERT INTO thing (name) VALUES ('x') RETURNING name`); err == nil {
		t.Error("a read wrote")
	}
	if _, err := database.List(t.Context(), db.Alone(), database.Text, `INSERT INTO thing (name) VALUES ('y') RETURNING name`); err != nil {
		t.Error(err)
	}
	if got := names(t, db); got != "y" {
		t.Errorf("written: %s", got)
	}
}

func TestMissing(t *testing.T) {
	db, _ := open(t)
	_, err := database.One(t.Context(), db, "thing", database.Text, `SELECT name FROM thing`)
	if f := fault.Public(err); f.Code != fault.NotFound || f.Message != "there is no such thing" {
		t.Errorf("%s: %s", f.Code, f.Message)
	}
	err = db.Write(t.Context(), func(ctx context.Context, tx *database.Tx) error {
		return tx.Must(ctx, "thing", `DELETE FROM thing`)
	})
	if fault.CodeOf(err) != fault.NotFound {
		t.Error(err)
	}
}

func TestConditions(t *testing.T) {
	var c database.Conditions
	if got := c.String(); got != "" {
		t.Errorf("no demands: %q", got)
	}
	c.Equal("a", "1")
	c.Equal("b", "")
	c.Add("(c = ? OR d = ?)", 2, 3)
	c.In("e", []string{"4"})
	c.In("f", []string{"5", "6", "7"})
	if got, want := c.String()+database.Limit(7)+database.Limit(0), " WHERE a = $1 AND (c = $2 OR d = $3) AND e IN ($4) AND f IN ($5, $6, $7, $8) LIMIT 7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := fmt.Sprint(c.Args); got != "[1 2 3 4 5 6 7 7]" {
		t.Error(got)
	}
}

func TestOneServerAtATime(t *testing.T) {
	db, path := open(t)
	_, err := database.OpenSQLite(path)
	f := fault.Public(err)
	if f.Code != fault.Conflict || !strings.Contains(f.Message, fmt.Sprintf("process %d)", os.Getpid())) || f.Hint == "" {
		t.Errorf("a second server: %s (%s)", f.Message, f.Hint)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := database.OpenSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestFilesAreOursAlone(t *testing.T) {
	db, path := open(t)
	if err := db.Write(t.Context(), add("x")); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 5 { // database, WAL, its index, lock, ballast
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s is %s, %v", f.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory is %s, %v", info.Mode(), err)
	}
}

func TestLockedDatabase(t *testing.T) {
	db, path := open(t)
	other, err := sql.Open("sqlite", "file:"+strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	f := fault.Public(db.Write(t.Context(), add("x")))
	if f.Code != fault.Unavailable || f.RetryAfter == 0 || f.Cause == nil {
		t.Errorf("%s: %s, retry after %s, because of %v", f.Code, f.Message, f.RetryAfter, f.Cause)
	}
	if got := names(t, db); got != "" { // reading goes on
		t.Errorf("written: %s", got)
	}
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), add("x")); err != nil {
		t.Error(err)
	}
}

func TestPostgresThatIsNotThere(t *testing.T) {
	db, err := database.OpenPostgres("postgres://lanyard:hunter2@127.0.0.1:1/lanyard")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, err := range map[string]error{
		"ping": db.Ping(t.Context()), "write": db.Write(t.Context(), add("x")), "migrate": db.Migrate(t.Context(), fstest.MapFS{"00001_a.sql": {Data: []byte("-- +goose Up\n")}}),
	} {
		if fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, address := range []string{"postgres://lanyard:hunter2@:port/x", "postgres://a:hunter2@h/d?sslmode=maybe"} {
		if _, err := database.OpenPostgres(address); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
