package database

import (
	"context"
	"database/sql"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// readLimit bounds one query.
const readLimit = 30 * time.Second

// bind turns values into what both databases take: times into Unix seconds, with 0 for the zero
// time, and spans into seconds. Text that PostgreSQL would refuse is refused for both.
func bind(args []any) ([]any, error) {
	bound := slices.Clone(args)
	for i, a := range args {
		switch v := a.(type) {
		case time.Time:
			bound[i] = int64(0)
			if !v.IsZero() {
				bound[i] = v.Unix()
			}
		case time.Duration:
			bound[i] = int64(v / time.Second)
		case string:
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return nil, fault.New(fault.Invalid, "text must be UTF-8 without NUL")
			}
		}
	}
	return bound, nil
}

// A Row is one result.
type Row struct{ rows *sql.Rows }

// Scan reads the columns into dest: times and spans, in whole seconds, as they were written.
func (r Row) Scan(dest ...any) error {
	for i, d := range dest {
		switch d := d.(type) {
		case *time.Time:
			dest[i] = seconds(func(n int64) {
				if *d = (time.Time{}); n != 0 {
					*d = time.Unix(n, 0).UTC()
				}
			})
		case *time.Duration:
			dest[i] = seconds(func(n int64) { *d = time.Duration(n) * time.Second })
		}
	}
	return r.rows.Scan(dest...)
}

// seconds is a sql.Scanner that hands on a number.
type seconds func(int64)

// Scan implements sql.Scanner.
func (set seconds) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("%T where seconds are expected", v)
	}
	set(n)
	return nil
}

// A Queryer is a *DB, which reads what is committed, a *Tx, or what Alone returns.
type Queryer interface {
	query(ctx context.Context, text string, args []any) (*sql.Rows, error)
}

func (db *DB) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	if st := db.prepared(ctx, text); st != nil { //nolint:sqlclosecheck // it is kept
		return st.QueryContext(ctx, args...)
	}
	return db.read.QueryContext(ctx, text, args...)
}

type alone struct{ *sql.DB }

func (a alone) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	return a.QueryContext(ctx, text, args...)
}

// Alone runs statements that change something, each a transaction of its own beside the queue.
func (db *DB) Alone() Queryer { return alone{db.write} }

// List returns all results of a query. Times, spans and text are passed as in Tx.Exec.
func List[T any](ctx context.Context, q Queryer, scan func(Row) (T, error), text string, args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	return list(ctx, q, scan, text, args)
}

func list[T any](ctx context.Context, q Queryer, scan func(Row) (T, error), text string, args []any) ([]T, error) {
	args, err := bind(args)
	if err != nil {
		return nil, err
	}
	rows, err := q.query(ctx, text, args)
	if err != nil {
		return nil, classify(err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(Row{rows})
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, classify(rows.Err())
}

// One returns the only result of a query, or a NotFound fault that names what is missing.
func One[T any](ctx context.Context, q Queryer, what string, scan func(Row) (T, error), text string, args ...any) (T, error) {
	if db, ok := q.(*DB); ok && !db.Postgres && ctx.Err() == nil {
		// A row of a file is there before anybody can leave: to watch for that, with two goroutines and
		// a timer, takes longer than many a look.
		ctx = context.WithoutCancel(ctx)
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, readLimit)
		defer cancel()
	}
	all, err := list(ctx, q, scan, text, args)
	if err == nil && len(all) == 0 {
		err = Absent(what)
	}
	if err != nil {
		var none T
		return none, fmt.Errorf("read %s: %w", what, err)
	}
	return all[0], nil
}

// Text scans a result of one string.
func Text(r Row) (s string, err error) { return s, r.Scan(&s) }

// Conditions gathers what a WHERE clause demands.
type Conditions struct {
	texts []string
	Args  []any
}

// Add demands text, in which each ? stands for the next of args.
func (c *Conditions) Add(text string, args ...any) {
	for _, a := range args {
		c.Args = append(c.Args, a)
		text = strings.Replace(text, "?", fmt.Sprintf("$%d", len(c.Args)), 1)
	}
	c.texts = append(c.texts, text)
}

// Equal demands that column is value, unless value is empty.
func (c *Conditions) Equal(column, value string) {
	if value != "" {
		c.Add(column+" = ?", value)
	}
}

// In demands that column is one of values, of which there is at least one. The last is named again
// until there are 1, 2, 4, 8 …: a database that has planned for some lists has so for most.
func (c *Conditions) In(column string, values []string) {
	args := make([]any, 1<<bits.Len(uint(len(values)-1)))
	for i := range args {
		args[i] = values[min(i, len(values)-1)]
	}
	c.Add(column+" IN (?"+strings.Repeat(", ?", len(args)-1)+")", args...)
}

// String returns the clause, empty if nothing is demanded.
func (c *Conditions) String() string {
	if len(c.texts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.texts, " AND ")
}

// Limit returns a LIMIT clause, empty for 0.
func Limit(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" LIMIT %d", n)
}
