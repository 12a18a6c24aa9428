// Package shortkey keeps short-lived S3 keys for programs that ask for keys whenever they need
// some: one key for each person and project, cached where it dies with the machine's memory if
// possible, extended while it is in use, and lent to a child process for as long as that runs. It
// imports rows 0 to 2.
package shortkey

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/material"
)

// A Key is a cached key.
type Key struct {
	Server          string          `json:"server"`
	ID              string          `json:"id"`
	Project         string          `json:"project"`
	AccessKeyID     string          `json:"access_key_id"`
	SecretAccessKey material.Secret `json:"secret_access_key"`
	Endpoint        string          `json:"endpoint"`
	Region          string          `json:"region"`
	ExpiresAt       time.Time       `json:"expires_at"`
	// Life is how long it lived when it was made or last extended, in seconds.
	Life int64 `json:"life"`
}

// A Pocket is where keys are cached: one file (0600) for each owner and project.
type Pocket struct {
	Dir string
	// Owner tells whose keys they are, without a secret: see console.Who.
	Owner string
	Now   func() time.Time
}

// An Order says what a key is for and how long it shall live from now on.
type Order struct {
	Project, Name string
	Life          time.Duration
}

// least is the life that a key must have left to be handed out when it cannot be extended.
const least = time.Minute

// Cached returns the cached key if at least a quarter of its life is left. It asks nobody.
func (p *Pocket) Cached(project string) (Key, bool) {
	k, ok := p.read(project)
	return k, ok && k.ExpiresAt.Sub(p.Now()) >= time.Duration(k.Life)*time.Second/4
}

// Get returns a key with at least a quarter of its life left: the cached one, extended if need be,
// else a new one. While the server cannot be asked a cached key serves to its end. Processes that
// come at once wait for the first.
func (p *Pocket) Get(ctx context.Context, c *client.Client, o Order) (Key, error) {
	if k, ok := p.Cached(o.Project); ok {
		return k, nil
	}
	var k Key
	err := deliver.Exclusive(ctx, p.path(o.Project)+".lock", func(ctx context.Context) (err error) {
		var ok bool
		if k, ok = p.Cached(o.Project); ok {
			return nil
		}
		if k, err = p.renew(ctx, c, o); err != nil {
			return err
		}
		text, err := json.Marshal(k)
		if err != nil {
			return err
		}
		return deliver.Replace(p.path(o.Project), text)
	})
	return k, err
}

// renew extends the cached key, or makes one.
func (p *Pocket) renew(ctx context.Context, c *client.Client, o Order) (Key, error) {
	k, ok := p.read(o.Project)
	if ok && k.Server == c.Server() {
		extended, err := extend(ctx, c, k, o.Life)
		switch {
		case err == nil:
			return extended, nil
		case !gone(err) && k.ExpiresAt.Sub(p.Now()) >= least:
			return k, nil
		}
	}
	return create(ctx, c, o)
}

// Drop forgets all keys of the owner at a server and returns them, so that they can be ended.
func (p *Pocket) Drop(server string) []Key {
	return p.drop(func(k Key) bool { return k.Server == server })
}

// Forget forgets the key with the id, if it is one of the owner's: it was ended or frozen.
func (p *Pocket) Forget(id string) { p.drop(func(k Key) bool { return k.ID == id }) }

func (p *Pocket) drop(which func(Key) bool) []Key {
	var dropped []Key
	files, _ := filepath.Glob(filepath.Join(p.Dir, "key-"+p.Owner+"-*.json")) // the pattern is sound
	for _, name := range files {
		if k, ok := readFile(name); ok && which(k) {
			dropped = append(dropped, k)
			os.Remove(name)
		}
	}
	return dropped
}

// Verified returns a key as Get does, after asking the server whether the cached one is still in
// force: somebody may have ended it elsewhere.
func (p *Pocket) Verified(ctx context.Context, c *client.Client, o Order) (Key, error) {
	if k, ok := p.Cached(o.Project); ok {
		got, err := c.ShowCredential(ctx, k.ID)
		if gone(err) || err == nil && got.State != "active" {
			p.Forget(k.ID)
		}
	}
	return p.Get(ctx, c, o)
}

// read returns the cached key if it is still honoured.
func (p *Pocket) read(project string) (Key, bool) {
	k, ok := readFile(p.path(project))
	return k, ok && k.Project == project && k.ExpiresAt.After(p.Now())
}

func readFile(name string) (k Key, ok bool) {
	info, err := os.Stat(name)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return k, false
	}
	text, err := os.ReadFile(name) //nolint:gosec // our own file
	return k, err == nil && json.Unmarshal(text, &k) == nil && k.SecretAccessKey != ""
}

func (p *Pocket) path(project string) string {
	safe := strings.Map(func(r rune) rune {
		if r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, project)
	return filepath.Join(p.Dir, "key-"+p.Owner+"-"+safe+".json")
}

// create makes a key. Where the project allows less than the order's life it lives as long as
// keys do there by default, which is less.
func create(ctx context.Context, c *client.Client, o Order) (Key, error) {
	order := api.CredentialOrder{Kind: "s3key", Project: o.Project, Name: o.Name, Life: int64(o.Life.Seconds())}
	made, err := c.CreateCredential(ctx, order)
	if limited(err) {
		order.Life = 0
		made, err = c.CreateCredential(ctx, order)
	}
	if err != nil {
		return Key{}, err
	}
	return Key{Server: c.Server(), ID: made.ID, Project: o.Project, AccessKeyID: made.AccessKeyID, SecretAccessKey: made.SecretAccessKey,
		Endpoint: made.Endpoint, Region: made.Region, ExpiresAt: made.ExpiresAt, Life: made.EndsInSeconds}, nil
}

// extend moves the key's end to life from now, or as late as the project allows.
func extend(ctx context.Context, c *client.Client, k Key, life time.Duration) (Key, error) {
	e := api.Extension{Life: int64(life.Seconds())}
	got, err := c.ExtendCredential(ctx, k.ID, e)
	if limited(err) {
		got, err = c.ExtendCredential(ctx, k.ID, api.Extension{})
	}
	if err == nil {
		k.ExpiresAt, k.Life = got.ExpiresAt, got.EndsInSeconds
	}
	return k, err
}

func limited(err error) bool {
	p, ok := errors.AsType[*api.Problem](err)
	return ok && p.Code == api.Limited
}

// gone reports whether err says that the key is of no more use: ended, frozen, not ours.
func gone(err error) bool {
	p, ok := errors.AsType[*api.Problem](err)
	return ok && (p.Code == api.NotFound || p.Code == api.Conflict || p.Code == api.Denied)
}
