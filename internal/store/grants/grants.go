// Package grants is the store's part about grants: the families of refresh tokens and the access
// tokens that are kept ready. It implements what custody declares that it needs of a database. The
// store lends it its transactions, so that its writes stand in the same queue and audit chain as all
// others. It seals every token. It imports rows 0 and 1.
package grants

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/store/database"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/material"
)

// Places are the sealed columns of this part.
func Places() []string {
	return []string{"grant_family.refresh", "grant_family.pending", "grant_token.access"}
}

// Tx is a change under way.
type Tx interface {
	database.Queryer
	Exec(ctx context.Context, text string, args ...any) (int64, error)
	Record(context.Context, audit.Record) error
	// Tell adds a notice.
	Tell(context.Context, notice.Notice) error
	// SaveCredential writes a changed credential under its Generation, with its audit record.
	SaveCredential(context.Context, credential.Credential, audit.Change) error
}

// Grants is that part. All fields are required.
type Grants struct {
	DB  *database.DB
	Box *seal.Box
	// Write runs a change in a transaction. Revoke does too, for those that a full disk must not stop.
	Write, Revoke func(context.Context, func(context.Context, Tx) error) error
}

const selectGrant = `SELECT c.id, c.kind, coalesce(c.project_id, ''), c.owner_id, c.name, c.public_id, c.spec, c.status, c.reason,
	c.created_at, c.expires_at, c.due_at, c.ended_at, c.generation,
	coalesce(f.grant_id, ''), coalesce(f.provider, ''), coalesce(f.subject, ''), f.refresh, coalesce(f.refresh_expires_at, 0), coalesce(f.keep_alive, FALSE),
	coalesce(f.health, ''), coalesce(f.health_since, 0), coalesce(f.detail, ''), coalesce(f.failures, 0), coalesce(f.renewals, 0),
	coalesce(f.renewed_at, 0), coalesce(f.due_at, 0), coalesce(f.runs_out_at, 0), coalesce(f.lease_until, 0),
	coalesce(f.attempt_at, 0), coalesce(f.attempts, 0), coalesce(f.generation, 0),
	f.pending, coalesce(f.poll_at, 0), coalesce(f.poll_until, 0)`

const fromGrant = ` FROM credential c LEFT JOIN grant_family f ON f.grant_id = c.id`

const selectKept = `, coalesce(t.asked, ''), coalesce(t.scopes, ''), coalesce(t.audiences, ''), t.access, coalesce(t.issued_at, 0),
	coalesce(t.expires_at, 0), coalesce(t.used_at, 0), coalesce(t.due_at, 0)`

// row is a grant as it lies there.
type row struct {
	c                        credential.Credential
	f                        grant.Family
	k                        grant.Kept
	spec                     string
	refresh, pending, access []byte
	asked, scopes, audiences string
}

func (r *row) grantColumns() []any {
	c, f := &r.c, &r.f
	return []any{&c.ID, &c.Kind, &c.ProjectID, &c.OwnerID, &c.Name, &c.PublicID, &r.spec, &c.Status, &c.Reason,
		&c.CreatedAt, &c.ExpiresAt, &c.DueAt, &c.EndedAt, &c.Generation,
		&f.GrantID, &f.Provider, &f.Subject, &r.refresh, &f.RefreshExpiresAt, &f.KeepAlive,
		&f.Health, &f.HealthSince, &f.Detail, &f.Failures, &f.Renewals,
		&f.RenewedAt, &f.DueAt, &f.RunsOutAt, &f.LeaseUntil, &f.AttemptAt, &f.Attempts, &f.Generation,
		&r.pending, &f.PollAt, &f.PollUntil}
}

func (r *row) keptColumns() []any {
	k := &r.k
	return []any{&r.asked, &r.scopes, &r.audiences, &r.access, &k.IssuedAt, &k.AccessExpiresAt, &k.UsedAt, &k.DueAt}
}

func scanGrant(from database.Row) (r row, err error) { return r, from.Scan(r.grantColumns()...) }

func scanBoth(from database.Row) (r row, err error) {
	return r, from.Scan(append(r.grantColumns(), r.keptColumns()...)...)
}

func refreshPlace(c credential.Credential) seal.Place {
	return seal.Place{Table: "grant_family", Column: "refresh", Row: c.ID, Owner: c.OwnerID}
}

func pendingPlace(c credential.Credential) seal.Place {
	return seal.Place{Table: "grant_family", Column: "pending", Row: c.ID, Owner: c.OwnerID}
}

func accessPlace(grantID, wish string) seal.Place {
	return seal.Place{Table: "grant_token", Column: "access", Row: grantID, Owner: wish}
}

// open completes r with its secrets, where there are any.
func (g *Grants) open(r *row, wish string) error {
	r.c.Spec = json.RawMessage(r.spec)
	for _, one := range []struct {
		place  seal.Place
		sealed []byte
		put    func([]byte)
	}{
		{refreshPlace(r.c), r.refresh, func(b []byte) { r.f.Refresh = material.Secret(b) }},
		{pendingPlace(r.c), r.pending, func(b []byte) { r.f.Pending = b }},
		{accessPlace(r.c.ID, wish), r.access, func(b []byte) { r.k.Access = material.Secret(b) }},
	} {
		if len(one.sealed) == 0 {
			continue
		}
		text, err := g.Box.Open(one.place, one.sealed)
		if err != nil {
			return fmt.Errorf("open %s.%s of %s: %w", one.place.Table, one.place.Column, r.c.ID, err)
		}
		one.put(text)
	}
	return r.decode()
}

// decode reads what is JSON of the token that is kept.
func (r *row) decode() error {
	for _, one := range []struct {
		text string
		into any
	}{{r.asked, &r.k.Wish}, {r.scopes, &r.k.Scopes}, {r.audiences, &r.k.Audiences}} {
		if one.text == "" { // there is no token, or nobody wants to know
			continue
		}
		if err := json.Unmarshal([]byte(one.text), one.into); err != nil {
			return fmt.Errorf("read token of %s: %w", r.c.ID, err)
		}
	}
	r.k.Subject = r.f.Subject
	return nil
}

// Grant reads a grant and its family, which is zero before the approval.
func (g *Grants) Grant(ctx context.Context, id string) (credential.Credential, grant.Family, error) {
	r, err := database.One(ctx, g.DB, "grant", scanGrant, selectGrant+fromGrant+` WHERE c.id = $1 AND c.kind = 'grant'`, id)
	if err == nil {
		err = g.open(&r, "")
	}
	return r.c, r.f, err
}

// Ready reads the token that is kept for the wish with this key, and what says whether it may be
// handed out. Where nothing is kept, the token is zero, and where nothing was approved, the family's
// part is. It is what most requests for a token come down to, and reads no more than they need.
func (g *Grants) Ready(ctx context.Context, id, wish string) (grant.Ready, error) {
	r := row{c: credential.Credential{ID: id, Kind: grant.Kind}}
	_, err := database.One(ctx, g.DB, "grant", func(from database.Row) (struct{}, error) {
		c, f, k := &r.c, &r.f, &r.k
		return struct{}{}, from.Scan(&c.OwnerID, &c.PublicID, &c.Name, &r.spec, &c.Status, &c.Reason, &c.CreatedAt, &c.ExpiresAt,
			&f.Subject, &f.Health, &f.HealthSince, &f.Detail, &r.scopes, &r.audiences, &r.access, &k.IssuedAt, &k.AccessExpiresAt, &k.UsedAt)
	}, `SELECT c.owner_id, c.public_id, c.name, c.spec, c.status, c.reason, c.created_at, c.expires_at,
		coalesce(f.subject, ''), coalesce(f.health, ''), coalesce(f.health_since, 0), coalesce(f.detail, ''),
		coalesce(t.scopes, ''), coalesce(t.audiences, ''), t.access, coalesce(t.issued_at, 0), coalesce(t.expires_at, 0), coalesce(t.used_at, 0)
		FROM credential c LEFT JOIN grant_family f ON f.grant_id = c.id LEFT JOIN grant_token t ON t.grant_id = c.id AND t.wish = $2
		WHERE c.id = $1 AND c.kind = 'grant'`, id, wish)
	if err == nil {
		err = g.open(&r, wish)
	}
	return grant.Ready{Credential: r.c, Health: r.f.Health, HealthSince: r.f.HealthSince, Detail: r.f.Detail, Kept: r.k}, err
}

// Families reads families and the tokens for the grants' own wishes, without secrets. Grants that
// have none are left out.
func (g *Grants) Families(ctx context.Context, ids []string) ([]grant.Family, error) {
	var all []grant.Family
	for chunk := range slices.Chunk(ids, 500) {
		var c database.Conditions
		c.In("c.id", chunk)
		rows, err := database.List(ctx, g.DB, scanBoth, selectGrant+selectKept+` FROM credential c JOIN grant_family f ON f.grant_id = c.id
			LEFT JOIN grant_token t ON t.grant_id = c.id AND t.wish = ''`+c.String(), c.Args...)
		if err != nil {
			return nil, fmt.Errorf("read families: %w", err)
		}
		for _, r := range rows {
			if err := r.decode(); err != nil {
				return nil, err
			}
			r.f.Default = r.k.Tokens
			all = append(all, r.f)
		}
	}
	return all, nil
}
