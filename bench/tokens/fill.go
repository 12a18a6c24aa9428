package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/material"
)

const (
	// each is how many grants one person has.
	each = 100
	// accessSize and refreshSize are what tokens of providers are like, in characters.
	accessSize, refreshSize = 900, 600
	life                    = time.Hour // of an access token
)

// open opens the database of a site that does not run, with the master keys that the server uses.
func (s site) open(ctx context.Context, url string) (*store.Store, error) {
	keys, err := seal.LoadOrCreateKeys(filepath.Join(s.data, "master.key"))
	if err != nil {
		return nil, err
	}
	c := store.Config{Keys: keys, Now: time.Now, URL: url}
	if url == "" {
		c.Path = filepath.Join(s.data, "lanyard.db")
	}
	return store.Open(ctx, c)
}

// A filling is how grants come into a database: through the store, as custody writes them when
// somebody has approved, each with its records in the audit chain.
type filling struct {
	*store.Store
	grants int
	owner  string        // of the first grants; the others belong to people who are made
	age    time.Duration // of their access tokens: at 40 % of their life they are due
	say    bool
}

// fill returns the ids of the grants.
func (f filling) fill(ctx context.Context) ([]string, error) {
	now := time.Now().UTC().Truncate(time.Second)
	owners, err := f.owners(ctx, now)
	if err != nil {
		return nil, err
	}
	ids := make([]string, f.grants)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range 256 { // who write together: one commit for all of them
		all.Go(func() {
			for n := next.Add(1) - 1; n < int64(f.grants) && ctx.Err() == nil; n = next.Add(1) - 1 {
				ids[n] = "crd_" + rand.Text()
				if err := f.approved(ctx, ids[n], owners[n/each], now); err != nil {
					cancel(err)
				}
				if f.say && (n+1)%50_000 == 0 {
					say("%d grants", n+1)
				}
			}
		})
	}
	all.Wait()
	return ids, context.Cause(ctx)
}

func (f filling) owners(ctx context.Context, now time.Time) ([]string, error) {
	owners := []string{f.owner}
	for n := 1; n*each < f.grants || f.owner == "" && n == 1; n++ {
		a := identity.Account{ID: "usr_" + rand.Text(), Kind: identity.Person, Issuer: "https://idp.example.org", Subject: fmt.Sprint(n), Name: fmt.Sprint("Person ", n), CreatedAt: now}
		if err := f.InsertAccount(ctx, a, audit.Change{Record: audit.By(identity.System(), now, "account.create", a.ID, "")}); err != nil {
			return nil, err
		}
		owners = append(owners, a.ID)
	}
	if f.owner == "" {
		owners[0] = owners[1]
	}
	return owners, nil
}

// approved puts one grant in, whose first access token was given at a time in the past.
func (f filling) approved(ctx context.Context, id, owner string, now time.Time) error {
	given := now.Add(-f.age)
	spec := grant.Spec{Provider: keeper, Scopes: []string{readable}}
	c := credential.Credential{ID: id, Kind: grant.Kind, OwnerID: owner, Name: "bench " + id, Spec: spec.Encode(), Status: credential.Intended,
		CreatedAt: given, ExpiresAt: now.Add(30 * 24 * time.Hour), DueAt: now.Add(30 * 24 * time.Hour)}
	by := identity.Actor{AccountID: owner, Name: "bench"}
	if _, err := f.InsertCredential(ctx, c, nil, audit.Change{Record: audit.By(by, given, "grant.create", id, "")}); err != nil {
		return err
	}
	c.Status = credential.Active
	t := grant.Tokens{Access: secret(accessSize), AccessExpiresAt: given.Add(life), Scopes: spec.Scopes}
	k := grant.Keep(t, grant.Wish{}, given, now)
	claim := grant.Claim{Credential: c, Family: grant.Family{GrantID: id, Provider: keeper, Refresh: first(id), KeepAlive: true, Health: grant.Fine, HealthSince: given, RenewedAt: given}}
	claim.Put(k)
	claim.Plan(now)
	return f.SaveApproval(ctx, c, claim.Family, k, audit.Change{Record: audit.By(by, given, "grant.approve", id, "")})
}

// first is the refresh token that a grant begins with: it names the grant, and is the first of many.
func first(id string) material.Secret { return refresh(id, 0) }

func refresh(id string, n int) material.Secret {
	head := fmt.Sprintf("%s.%d.", id, n)
	return material.Secret(head + secret(refreshSize-len(head)).Reveal())
}

func secret(size int) material.Secret {
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(rand.Text())
	}
	return material.Secret(b.String()[:size])
}

// size is how much the database of a site takes on disk.
func (s site) size() (sum int64) {
	for _, end := range []string{"", "-wal"} {
		if info, err := os.Stat(filepath.Join(s.data, "lanyard.db") + end); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
