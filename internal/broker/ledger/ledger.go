// Package ledger changes credentials: it reads one, lets a rule decide, and writes what was decided
// with its audit record; anew, if another change came first; many of them in batches. It knows no
// rules. It imports rows 0 and 1.
package ledger

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/material"
)

// Store is what a ledger needs of a database: part of the broker's.
type Store interface {
	SaveCredentials(ctx context.Context, cs []credential.Credential, change func(credential.Credential) audit.Change) (seq int64, err error)
	Credential(ctx context.Context, ref string) (credential.Credential, credential.State, error)
	ListCredentials(context.Context, credential.Filter) ([]credential.Credential, error)
	Done(ctx context.Context, actor string, once audit.Once) (subject string, err error)
}

// Ledger changes credentials in Store. Both fields are required.
type Ledger struct {
	Store Store
	Now   func() time.Time
}

const (
	// Tries is how often a decision is made because another change came first.
	Tries = 3
	// Batch bounds how many rows one transaction changes.
	Batch = 500
)

// ErrBeaten is returned when another change came first each time.
var ErrBeaten = fault.New(fault.Conflict, "others change this at the same time").WithHint("look at it, and try again")

// A Decision returns what becomes of a credential; the same if nothing does; or a Conflict fault
// if its state forbids it.
type Decision = func(credential.Credential) (credential.Credential, error)

// Change decides about one credential and writes what was decided, and decides anew on what is
// there then if another change came first. Seq is 0 if nothing was to be changed, or if by did it
// earlier under the same promise.
func (l Ledger) Change(ctx context.Context, by identity.Actor, c credential.Credential, once audit.Once, verb string, decide Decision) (credential.Credential, int64, error) {
	for range Tries {
		done, err := l.Done(ctx, by, once)
		if err != nil || done != "" {
			return c, 0, err
		}
		next, err := decide(c)
		if err != nil || Same(c, next) {
			return c, 0, err
		}
		seq, err := l.Save(ctx, by, once, verb, next)
		if !errors.Is(err, fault.ErrStale) {
			return next, seq, err
		}
		if c, _, err = l.Store.Credential(ctx, c.ID); err != nil {
			return c, 0, err
		}
	}
	return c, 0, ErrBeaten
}

// ChangeAll decides about all credentials that f selects and writes them in batches, and returns
// those that changed, also those that did before an error. Credentials whose state forbids it
// (they have expired, say) are passed over.
func (l Ledger) ChangeAll(ctx context.Context, by identity.Actor, f credential.Filter, verb string, decide Decision) (changed []credential.Credential, seq int64, err error) {
	f.Limit = Batch
	for {
		page, err := l.Store.ListCredentials(ctx, f)
		if err != nil || len(page) == 0 {
			return changed, seq, err
		}
		done, s, err := l.ChangeThese(ctx, by, page, verb, decide)
		changed, seq = append(changed, done...), max(seq, s)
		if err != nil || len(page) < Batch {
			return changed, seq, err
		}
		f.Before = page[len(page)-1].ID
	}
}

// ChangeThese decides about one batch and writes it in one transaction; one by one, if another
// change came first. What is returned is as for ChangeAll.
func (l Ledger) ChangeThese(ctx context.Context, by identity.Actor, page []credential.Credential, verb string, decide Decision) (changed []credential.Credential, seq int64, err error) {
	for _, c := range page {
		next, err := decide(c)
		switch {
		case fault.CodeOf(err) == fault.Conflict:
		case err != nil:
			return nil, 0, err
		case !Same(c, next):
			changed = append(changed, next)
		}
	}
	if len(changed) == 0 {
		return nil, 0, nil
	}
	seq, err = l.Save(ctx, by, audit.Once{}, verb, changed...)
	switch {
	case errors.Is(err, fault.ErrStale):
		return l.oneByOne(ctx, by, page, verb, decide)
	case err != nil:
		return nil, 0, err
	}
	return changed, seq, nil
}

func (l Ledger) oneByOne(ctx context.Context, by identity.Actor, page []credential.Credential, verb string, decide Decision) (changed []credential.Credential, seq int64, err error) {
	for _, c := range page {
		next, s, err := l.Change(ctx, by, c, audit.Once{}, verb, decide)
		switch {
		case errors.Is(err, ErrBeaten):
			return changed, seq, err
		case fault.CodeOf(err) == fault.Conflict:
		case err != nil:
			return changed, seq, err
		case s != 0:
			changed, seq = append(changed, next), max(seq, s)
		}
	}
	return changed, seq, nil
}

// Save writes credentials as they are, all or none, with a record each.
func (l Ledger) Save(ctx context.Context, by identity.Actor, once audit.Once, verb string, cs ...credential.Credential) (int64, error) {
	now := l.Now()
	return l.Store.SaveCredentials(ctx, cs, func(c credential.Credential) audit.Change {
		return audit.Change{Record: Record(by, now, verb, c), Once: once}
	})
}

// Done returns the id of what by did earlier under the promise once, or "".
func (l Ledger) Done(ctx context.Context, by identity.Actor, once audit.Once) (string, error) {
	if once.Key == "" {
		return "", nil
	}
	return l.Store.Done(ctx, audit.Name(by), once)
}

// Same reports whether nothing differs that a decision can change.
func Same(a, b credential.Credential) bool {
	return a.Status == b.Status && a.Reason == b.Reason && a.ExpiresAt.Equal(b.ExpiresAt)
}

// Record describes what by does to c.
func Record(by identity.Actor, at time.Time, verb string, c credential.Credential) audit.Record {
	r := audit.By(by, at, c.Kind+"."+verb, c.ID, c.ProjectID)
	r.Detail = map[string]string{"name": c.Name, "public_id": c.PublicID, "state": string(c.Status),
		"expires_at": c.ExpiresAt.Format(time.RFC3339)}
	if c.Reason != "" {
		r.Detail["reason"] = string(c.Reason)
	}
	return r
}

// HandedOut adds to a record what of the material is worth remembering.
func HandedOut(r audit.Record, m material.Material) audit.Record {
	r = r.With("material_expires_at", m.ExpiresAt.Format(time.RFC3339))
	if m.X509 == nil {
		return r
	}
	r = r.With("subject", m.X509.Subject)
	for _, vo := range m.X509.VOs {
		r = r.With("vo "+vo.Name, strings.Join(vo.FQANs, " "))
	}
	return r
}
