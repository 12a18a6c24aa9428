// Package tokens gets access tokens of a person's grants for the programs of this machine: from a
// cache in a directory of theirs, else from the server; and it tells why there is none. It imports
// rows 0 to 2 and the console.
package tokens

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/deliver"
)

const (
	// enough is the life that a token has left to be handed out again if nothing is said; of tokens
	// that live for less than twice as long, half.
	enough = 10 * time.Minute
	// least is the life that it must have left while no better one can be had.
	least = time.Minute
	// patience is how long the server may take where a token is at hand.
	patience = 3 * time.Second
	// maxFile bounds what is read of a cached token, in bytes.
	maxFile = 256 << 10
)

// A Wish says which token, and how much life it must have left.
type Wish struct {
	// Ref is a grant's id or name, or a provider that there is one grant for; empty: the only grant.
	Ref               string
	Scopes, Audiences []string // none: the grant's own
	// MinValid is the life that it must have left; 0: 10 minutes, or half of its whole life.
	MinValid time.Duration
	// Force asks for a new one, whatever is ready.
	Force bool
}

// A Cache keeps tokens, one file (0600) for each wish. Many processes may use it at once.
type Cache struct {
	Dir string
	// Owner tells whose tokens they are, without a secret: see console.Who.
	Owner string
	Now   func() time.Time
}

// Open returns the cache of who is signed in.
func Open(c *console.Console) (*Cache, error) {
	owner, err := c.Who()
	return &Cache{Dir: c.RuntimeDir(), Owner: owner, Now: c.Now}, err
}

// kept is a file's content.
type kept struct {
	Ref       string    `json:"ref"`
	Scopes    []string  `json:"scopes"`
	Audiences []string  `json:"audiences"`
	Token     api.Token `json:"token"`
	// Until is the token's end by this machine's clock, whatever the server's says.
	Until time.Time     `json:"until"`
	Life  time.Duration `json:"life"` // when it came
	// Asked is the life that it was asked to have.
	Asked time.Duration `json:"asked"`
}

// left is its remaining life.
func (k kept) left(now time.Time) time.Duration { return k.Until.Sub(now) }

// fits reports whether it may be handed out for w without a look at the server.
func (k kept) fits(w Wish, now time.Time) bool {
	need := min(enough, k.Life/2)
	switch {
	case w.Force:
		return false
	case w.MinValid > k.Life && k.Asked >= w.MinValid:
		need = k.Life / 2 // longer ones are not to be had
	case w.MinValid > 0:
		need = w.MinValid
	}
	return k.left(now) > max(need, 0)
}

// token is the token as of now.
func (k kept) token(now time.Time) api.Token {
	t := k.Token
	t.ExpiresIn = int64(k.left(now) / time.Second)
	return t
}

// Cached returns the token that is ready for w, and false if there is none. It asks nobody.
func (c *Cache) Cached(w Wish) (api.Token, bool) {
	now := c.Now()
	k, ok := c.read(w)
	return k.token(now), ok && k.fits(w, now)
}

// Get returns a token: the cached one if that is good enough, else what the server gives. While the
// server or the provider does not answer, a cached one serves to its end, unless w says how much it
// must have left. Processes that come at once wait for the first.
func (c *Cache) Get(ctx context.Context, s *client.Client, w Wish) (api.Token, error) {
	if t, ok := c.Cached(w); ok {
		return t, nil
	}
	var t api.Token
	err := deliver.Exclusive(ctx, c.path(w)+".lock", func(ctx context.Context) (err error) {
		var ok bool
		if t, ok = c.Cached(w); !ok {
			t, err = c.better(ctx, s, w)
		}
		return err
	})
	return t, err
}

// better asks the server, or gives what is kept if that does not answer soon.
func (c *Cache) better(ctx context.Context, s *client.Client, w Wish) (api.Token, error) {
	k, ok := c.read(w)
	if !ok || w.Force || w.MinValid > 0 || k.left(c.Now()) < least {
		return c.fetch(ctx, s, w)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t, err := c.fetch(ctx, s, w)
	if err != nil && console.Explain(err).Exit == console.Unavailable {
		return k.token(c.Now()), nil
	}
	return t, err
}

// fetch asks the server and keeps the answer.
func (c *Cache) fetch(ctx context.Context, s *client.Client, w Wish) (api.Token, error) {
	ref := w.Ref
	if ref == "" {
		only, err := Only(ctx, s)
		if err != nil {
			return api.Token{}, err
		}
		ref = only.ID
	}
	t, err := s.Token(ctx, ref, api.TokenRequest{Scopes: w.Scopes, Audiences: w.Audiences, MinValid: int64(w.MinValid / time.Second), Force: w.Force})
	if err != nil {
		return t, Why(ctx, s, ref, err)
	}
	if t.AccessToken == "" {
		return t, errors.New("the server sent no token")
	}
	life := time.Duration(t.ExpiresIn) * time.Second
	text, err := json.Marshal(kept{Ref: w.Ref, Scopes: w.Scopes, Audiences: w.Audiences, Token: t, Until: c.Now().Add(life), Life: life, Asked: w.MinValid})
	if err != nil {
		return t, err
	}
	c.drop(func(k kept) bool { return k.left(c.Now()) <= 0 })
	_ = deliver.Replace(c.path(w), text) // without a cache the server is asked again
	return t, nil
}

// Forget forgets the tokens of the grant with the id: it was ended, frozen or narrowed.
func (c *Cache) Forget(id string) { c.drop(func(k kept) bool { return k.Token.CredentialID == id }) }

// Drop forgets all tokens of the owner.
func (c *Cache) Drop() { c.drop(func(kept) bool { return true }) }

func (c *Cache) drop(which func(kept) bool) {
	files, _ := filepath.Glob(filepath.Join(c.Dir, "token-"+c.Owner+"-*.json")) // the pattern is sound
	for _, name := range files {
		if k, ok := readFile(name); !ok || which(k) {
			os.Remove(name)
		}
	}
}

func (c *Cache) read(w Wish) (kept, bool) {
	k, ok := readFile(c.path(w))
	return k, ok && k.Ref == w.Ref && same(k.Scopes, w.Scopes) && same(k.Audiences, w.Audiences) && k.left(c.Now()) > 0
}

func readFile(name string) (k kept, ok bool) {
	info, err := os.Stat(name)
	if err != nil || info.Size() > maxFile || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return k, false
	}
	text, err := os.ReadFile(name) //nolint:gosec // our own file
	return k, err == nil && json.Unmarshal(text, &k) == nil && k.Token.AccessToken != ""
}

// path is the file of a wish. How much life the token must have left makes no difference.
func (c *Cache) path(w Wish) string {
	sum := sha256.Sum256([]byte(w.Ref + "\n" + sorted(w.Scopes) + "\n" + sorted(w.Audiences)))
	return filepath.Join(c.Dir, "token-"+c.Owner+"-"+hex.EncodeToString(sum[:8])+".json")
}

func same(a, b []string) bool { return sorted(a) == sorted(b) }

func sorted(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), " ") }
