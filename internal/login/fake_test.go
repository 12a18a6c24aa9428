package login_test

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/session"
)

// stopping is a store in which the local provider is stopped once it has been asked for stopped
// ones some times.
type stopping struct {
	login.Store
	after int
}

func (s *stopping) ListFrozenProviders(ctx context.Context) ([]string, error) {
	if s.after--; s.after >= 0 {
		return s.Store.ListFrozenProviders(ctx)
	}
	return []string{"local"}, nil
}

// full is a store that cannot note uses.
type full struct{ login.Store }

func (full) TouchSession(context.Context, string, time.Time) error { return errFull }

// brokenTouch exchanges the world's Login for one whose store is full.
func (w *world) brokenTouch() {
	var err error
	w.log = &bytes.Buffer{}
	if w.Login, err = login.New(login.Config{URL: portal, Store: full{w.store}, Now: w.clock.Now, Log: slog.New(slog.NewTextHandler(w.log, nil))}); err != nil {
		w.t.Fatal(err)
	}
}

// away is a store whose database does not answer.
type away struct{ login.Store }

var errAway = fault.New(fault.Unavailable, "the database does not answer")

func (away) Session(context.Context, string) (session.Proof, error) { return session.Proof{}, errAway }

func (away) Ticket(context.Context, string, string, string, time.Time) (session.Ticket, error) {
	return session.Ticket{}, errAway
}

// purges is a store that only notes when it was purged.
type purges struct {
	login.Store
	at []time.Time
}

func (p *purges) PurgeTickets(_ context.Context, before time.Time) error {
	p.at = append(p.at, before)
	return nil
}
