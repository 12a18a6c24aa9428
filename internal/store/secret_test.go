package store_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/material"
)

// TestSecretsAreNotOnDisk writes secrets and looks for them in every file of the database, in the
// log of changes too, while it is open and after.
func TestSecretsAreNotOnDisk(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		master := w.config.Keys.ByID["k1"]
		secrets := map[string][]byte{
			"a state": []byte("canary-state-wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLE"), "a changed credential's state": []byte("canary-frozen-0123456789abcdefghijklmnop"),
			"a ticket": []byte("canary-ticket-ABCDEFGHIJKLMNOPQRSTUVWXYZ"), "a signing key": []byte("canary-signing-\x00\x01\xfe\xff-key-0123456789"),
			"a refresh token": []byte("canary-refresh-eyJhbGciOiJFUzI1NiIs"), "an access token": []byte("canary-access-eyJ0eXAiOiJhdCtqd3Qi"),
			"a pending approval": []byte("canary-pending-verifier-0123456789"),
			"the master key":     master[:],
		}
		keepGrant(t, w, secrets)
		_, err := w.InsertCredential(t.Context(), key(1), secrets["a state"], did("s3key.create", "crd_00001"))
		check(t, err)
		_, err = w.InsertCredential(t.Context(), key(2), secrets["a changed credential's state"], did("s3key.create", "crd_00002"))
		check(t, err)
		c := key(2)
		c.Status = credential.Frozen
		_, err = w.SaveCredentials(t.Context(), []credential.Credential{c}, changed)
		check(t, err)
		k := session.Ticket{ID: "t", Purpose: "reveal", Data: secrets["a ticket"], ExpiresAt: start.Add(time.Hour)}
		check(t, w.InsertTicket(t.Context(), k))
		_, err = w.SaveTicket(t.Context(), k, false)
		check(t, err)
		_, err = w.InsertSigningKey(t.Context(), session.SigningKey{ID: "kid", Algorithm: "ES256", Private: material.Secret(secrets["a signing key"])}, record("issuer.key", "kid"))
		check(t, err)

		dir := filepath.Dir(w.config.Path)
		if w.config.URL != "" {
			dir = postgres.Dir
			postgres.Run(t, "CHECKPOINT")
		}
		for _, state := range []string{"open", "closed"} {
			text := everything(t, dir)
			if !bytes.Contains(text, []byte(key(1).PublicID)) {
				t.Fatalf("%s: not even the public id is found in %d bytes: the search is broken", state, len(text))
			}
			for name, secret := range secrets {
				for form, pattern := range forms(secret) {
					if bytes.Contains(text, []byte(pattern)) {
						t.Errorf("%s: %s is there in the form of %s", state, name, form)
					}
				}
			}
			if state == "open" {
				check(t, w.Close())
			}
		}
	})
}

// keepGrant writes the secrets of a grant, and some of them again.
func keepGrant(t *testing.T, w *world, secrets map[string][]byte) {
	t.Helper()
	c := key(3)
	c.Kind, c.ProjectID = grant.Kind, ""
	_, err := w.InsertCredential(t.Context(), c, nil, did("grant.create", c.ID))
	check(t, err)
	f := grant.Family{GrantID: c.ID, Provider: "p", Refresh: material.Secret(secrets["a refresh token"]), Health: grant.Fine,
		Pending: secrets["a pending approval"], PollAt: start, PollUntil: start}
	k := grant.Keep(grant.Tokens{Access: material.Secret(secrets["an access token"]), AccessExpiresAt: start.Add(time.Hour)}, grant.Wish{}, start, start)
	check(t, w.SaveApproval(t.Context(), c, f, k, did("grant.approve", c.ID)))
	f, err = w.Attempt(t.Context(), grant.Family{GrantID: c.ID, Generation: 1, Provider: "p", Refresh: f.Refresh, Pending: f.Pending}, start, time.Minute)
	check(t, err)
	k.Wish = grant.Wish{Scopes: []string{"narrow"}}
	check(t, w.SaveRenewal(t.Context(), f, c.OwnerID, &k, nil))
	check(t, w.SavePending(t.Context(), c, f))
	if whole, err := w.Whole(t.Context(), c.ID); err != nil || whole.Family.Refresh != f.Refresh || string(whole.Family.Pending) != string(f.Pending) || len(whole.Kept) != 2 {
		t.Fatalf("%+v, %v", whole, err)
	}
}

// forms are the ways in which a secret could lie about. Base64 depends on where in the text it
// begins, so its inner part is looked for.
func forms(secret []byte) map[string]string {
	all := map[string]string{"itself": string(secret), "hex": hex.EncodeToString(secret), "upper-case hex": strings.ToUpper(hex.EncodeToString(secret))}
	for shift := range 3 {
		for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			text := enc.EncodeToString(append(make([]byte, shift), secret...))
			all[name+strings.Repeat("+1", shift)] = text[4 : len(text)-4]
		}
	}
	return all
}

// everything is the content of all files below dir.
func everything(t *testing.T, dir string) []byte {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !d.Type().IsRegular() {
			return nil // PostgreSQL removes files while it works
		}
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		all = append(all, text...)
		return err
	})
	check(t, err)
	return all
}

func TestAnotherMasterKeyIsNoticedAtTheStart(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.insert(t, 1)
		check(t, w.Close())
		right := w.config.Keys
		w.config.Keys = seal.NewKeys() // as when the key file was lost and made anew
		_, err := store.Open(t.Context(), w.config)
		if f := fault.Public(err); f.Code != fault.Invalid || !strings.Contains(f.Message, "k1") || f.Hint == "" {
			t.Errorf("with another key: %v", err)
		}
		w.config.Keys = seal.Keys{Current: "k2", ByID: map[string][32]byte{"k1": right.ByID["k1"], "k2": {2}}}
		w.Store = another(t, w.config)
		if _, state, err := w.Credential(t.Context(), "crd_00001"); err != nil || string(state) != string(secretOf(1)) {
			t.Errorf("after a rotation: %v", err)
		}
		w.insert(t, 2)
		check(t, w.Close())
		w.config.Keys = right
		_, err = store.Open(t.Context(), w.config)
		refused(t, err, fault.Invalid) // the rotated key is missing now
	})
}

func TestOpenRefuses(t *testing.T) {
	keys := seal.NewKeys()
	for name, c := range map[string]store.Config{
		"nowhere":           {Keys: keys},
		"two places":        {Keys: keys, Path: "x", URL: "postgres://h/d"},
		"no keys":           {Path: filepath.Join(t.TempDir(), "x.db")},
		"a file in the way": {Keys: keys, Path: "/dev/null/x.db"},
		"a directory":       {Keys: keys, Path: t.TempDir()},
	} {
		if _, err := store.Open(t.Context(), c); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	path := filepath.Join(t.TempDir(), "x.db")
	check(t, os.WriteFile(path, []byte(strings.Repeat("this is no database ", 1000)), 0o600))
	if _, err := store.Open(t.Context(), store.Config{Keys: keys, Path: path, Now: clock}); err == nil {
		t.Error("something else was opened as a database")
	}
}
