package grid

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/store/database"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/material"
)

func keyPlace(k vo.KeyPair) seal.Place {
	return seal.Place{Table: "authority_key", Column: "private_key", Row: k.Name, Owner: k.ID}
}

// KeyPair returns the key of that name, a NotFound fault if there is none.
func (g *Grid) KeyPair(ctx context.Context, name string) (vo.KeyPair, error) {
	var sealed []byte
	k, err := database.One(ctx, g.DB, "authority key", func(r database.Row) (k vo.KeyPair, err error) {
		return k, r.Scan(&k.Name, &k.ID, &sealed, &k.Certificate, &k.NotAfter)
	}, `SELECT name, id, private_key, certificate, not_after FROM authority_key WHERE name = $1`, name)
	if err != nil {
		return k, err
	}
	private, err := g.Box.Open(keyPlace(k), sealed)
	if err != nil {
		return k, fmt.Errorf("open authority key %s: %w", name, err)
	}
	k.Private = material.Secret(private)
	return k, nil
}

// KeepKeyPair adds k, or puts it in the place of the one with the id old. If another server did so
// before, nothing is written and the answer is false.
func (g *Grid) KeepKeyPair(ctx context.Context, k vo.KeyPair, old string, r audit.Record) (done bool, err error) {
	sealed, err := g.Box.Seal(keyPlace(k), []byte(k.Private.Reveal()))
	if err != nil {
		return false, fmt.Errorf("seal authority key: %w", err)
	}
	err = g.Write(ctx, func(ctx context.Context, t Tx) error {
		n, err := t.Exec(ctx, `INSERT INTO authority_key (name, id, private_key, certificate, not_after) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (name) DO UPDATE SET id = excluded.id, private_key = excluded.private_key, certificate = excluded.certificate,
			not_after = excluded.not_after WHERE authority_key.id = $6`, k.Name, k.ID, sealed, k.Certificate, k.NotAfter, old)
		if err != nil {
			return fmt.Errorf("keep authority key %s: %w", k.Name, err)
		}
		if done = n == 1; !done {
			return nil
		}
		return t.Record(ctx, r)
	})
	return done && err == nil, err
}

// CertificateSubject returns the name that the account has in certificates, which is the proposed
// one if it has none that begins with base.
func (g *Grid) CertificateSubject(ctx context.Context, accountID, base, proposed string) (string, error) {
	find := func(q database.Queryer) ([]string, error) {
		return database.List(ctx, q, database.Text, `SELECT subject FROM account_subject WHERE account_id = $1 AND substr(subject, 1, length($2)) = $2`,
			accountID, base)
	}
	found, err := find(g.DB)
	if err == nil && len(found) == 0 {
		err = g.Write(ctx, func(ctx context.Context, t Tx) error {
			if found, err = find(t); err != nil || len(found) > 0 {
				return err
			}
			found = []string{proposed}
			_, err := t.Exec(ctx, `INSERT INTO account_subject (account_id, subject) VALUES ($1, $2)
				ON CONFLICT (account_id) DO UPDATE SET subject = excluded.subject`, accountID, proposed)
			return err
		})
	}
	if err != nil {
		return "", fmt.Errorf("name account %s: %w", accountID, err)
	}
	return found[0], nil
}

// Revoked lists the certificates of the online CA that are not to be honoured at now though their
// time has not come.
func (g *Grid) Revoked(ctx context.Context, now time.Time) ([]vo.Revocation, error) {
	type row struct {
		vo.Revocation
		way string
	}
	rows, err := database.List(ctx, g.DB, func(r database.Row) (v row, err error) {
		var spec string
		var status credential.Status
		var created time.Time
		if err := r.Scan(&v.Serial, &spec, &status, &v.At, &created); err != nil {
			return v, err
		}
		if v.OnHold = status == credential.Frozen; v.OnHold {
			v.At = created // when it was frozen is not kept
		}
		var way struct {
			Way string `json:"way"`
		}
		if json.Unmarshal([]byte(spec), &way) == nil { // else another kind of credential
			v.way = way.Way
		}
		return v, nil
	}, `SELECT public_id, spec, status, ended_at, created_at FROM credential
		WHERE kind = 'proxy' AND public_id <> '' AND expires_at > $1 AND status IN ('frozen', 'ending', 'ended') ORDER BY public_id`, now)
	if err != nil {
		return nil, fmt.Errorf("list revoked certificates: %w", err)
	}
	var revoked []vo.Revocation
	for _, r := range rows {
		if r.way == "certificate" {
			revoked = append(revoked, r.Revocation)
		}
	}
	return revoked, nil
}

// RevocationList returns the list that was published last, a NotFound fault if none was.
func (g *Grid) RevocationList(ctx context.Context, name string) (vo.RevocationList, error) {
	return database.One(ctx, g.DB, "revocation list", func(r database.Row) (l vo.RevocationList, err error) {
		return l, r.Scan(&l.Number, &l.Digest, &l.DER, &l.At)
	}, `SELECT number, digest, der, at FROM revocation_list WHERE name = $1`, name)
}

// KeepRevocationList replaces the list with the number before l's. If another server did so before,
// nothing is written and the answer is false.
func (g *Grid) KeepRevocationList(ctx context.Context, name string, l vo.RevocationList) (done bool, err error) {
	err = g.Revoke(ctx, func(ctx context.Context, t Tx) error {
		n, err := t.Exec(ctx, `INSERT INTO revocation_list (name, number, digest, der, at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (name) DO UPDATE SET number = excluded.number, digest = excluded.digest, der = excluded.der, at = excluded.at
			WHERE revocation_list.number = $6`, name, l.Number, l.Digest, l.DER, l.At, l.Number-1)
		done = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("keep revocation list: %w", err)
	}
	return done, nil
}
