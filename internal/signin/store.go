package signin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/material"
)

// leeway is how much life an access token must have left to be handed out.
const leeway = 60 * time.Second

// A Store keeps sign-ins: one file (0600) for each server, and their tokens in the keyring where
// one answers. Many processes may use it at once, also on machines that share the directory.
type Store struct {
	// Dir is where the files are; it is made when needed (0700).
	Dir string
	// Keyring may be nil.
	Keyring Keyring
	// HTTP sends the requests to issuers.
	HTTP *http.Client
	Now  func() time.Time
}

// Place tells where tokens rest.
type Place string

// The places.
const (
	InKeyring Place = "keyring"
	InFile    Place = "file"
)

// record is the file's content. Tokens is nil while they are in the keyring.
type record struct {
	SignIn
	Place  Place   `json:"place"`
	Tokens *Tokens `json:"tokens,omitempty"`
	// Ended is what the server said of why the sign-in is over: then there are no tokens any more.
	Ended string `json:"ended,omitempty"`
}

// Provider returns the OAuth client of the issuer that gave the sign-in its tokens.
func (s *Store) Provider(in SignIn) *Provider {
	return &Provider{HTTP: s.HTTP, Now: s.Now, Metadata: Metadata{Issuer: in.Server, Token: in.TokenEndpoint, Revocation: in.RevocationEndpoint}}
}

// Save keeps a sign-in and makes its server the current one. It reports where the tokens rest.
func (s *Store) Save(ctx context.Context, in SignIn, t Tokens) (Place, error) {
	var place Place
	err := s.exclusive(ctx, in.Server, func(context.Context) (err error) {
		place, err = s.put(in, t)
		return err
	})
	if err == nil {
		err = deliver.Replace(filepath.Join(s.Dir, "current"), []byte(in.Server+"\n"))
	}
	return place, err
}

// Current returns the server of the newest sign-in, or "".
func (s *Store) Current() string {
	text, err := os.ReadFile(filepath.Join(s.Dir, "current"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// Find returns the sign-in at a server, or an Unauthenticated fault.
func (s *Store) Find(server string) (SignIn, error) {
	r, err := s.read(server)
	return r.SignIn, err
}

// Token returns an access token for the server that lives at least a minute longer. When it must
// be renewed, one process does so and the others wait for it; the new tokens are on disk before
// anybody uses them, and a renewal once begun is finished even if ctx ends, because a refresh
// token that is used twice ends the session. A session that is over is forgotten and yields an
// Unauthenticated fault. If the server said why, that is said again until Remove or Save.
func (s *Store) Token(ctx context.Context, server string) (material.Secret, error) {
	t, _, err := s.fresh(server)
	if err == nil || !errors.Is(err, errStale) {
		return t.Access, err
	}
	err = s.exclusive(ctx, server, func(ctx context.Context) error {
		t, err = s.renew(ctx, server)
		return err
	})
	return t.Access, err
}

// Present is Token without renewal: an Unauthenticated fault if that would be needed.
func (s *Store) Present(server string) (material.Secret, error) {
	t, _, err := s.fresh(server)
	if errors.Is(err, errStale) {
		err = fault.New(fault.Unauthenticated, "the access token has to be renewed first")
	}
	return t.Access, err
}

// Remove forgets the sign-in at a server and returns the tokens that it had.
func (s *Store) Remove(ctx context.Context, server string) (in SignIn, t Tokens, err error) {
	err = s.exclusive(ctx, server, func(context.Context) error {
		r, err := s.read(server)
		if r.Ended != "" {
			err = errors.Join(err, s.forget(r))
		}
		if err != nil {
			return err
		}
		in = r.SignIn
		t, _ = s.tokens(r) // what cannot be read cannot be revoked, but forgotten
		return s.forget(r)
	})
	return in, t, err
}

var errStale = errors.New("access token is too old")

// fresh returns tokens whose access token may be used now; errStale comes with the old ones.
func (s *Store) fresh(server string) (Tokens, SignIn, error) {
	r, err := s.read(server)
	if err != nil {
		return Tokens{}, SignIn{}, err
	}
	t, err := s.tokens(r)
	if err == nil && !t.AccessExpiresAt.IsZero() && s.Now().Add(leeway).After(t.AccessExpiresAt) {
		err = errStale
	}
	return t, r.SignIn, err
}

// renew does, under the lease, what Token promises.
func (s *Store) renew(ctx context.Context, server string) (Tokens, error) {
	t, in, err := s.fresh(server) // another process may have renewed it meanwhile
	if err == nil || !errors.Is(err, errStale) {
		return t, err
	}
	if t.Refresh == "" {
		return Tokens{}, s.end(in, nil)
	}
	next, err := s.Provider(in).Refresh(ctx, t.Refresh)
	switch {
	case fault.CodeOf(err) == fault.Unauthenticated:
		return Tokens{}, s.end(in, err)
	case err != nil:
		return Tokens{}, err
	case next.Refresh == "":
		next.Refresh = t.Refresh // RFC 6749 §6: the server need not rotate
	}
	_, err = s.put(in, next)
	return next, err
}

// end forgets a sign-in that is over and says so. Why the server said that it is, is kept in its place:
// the program that heard it may have nobody to tell.
func (s *Store) end(in SignIn, refusal error) error {
	r := record{SignIn: in, Place: InKeyring}
	err := s.forget(r)
	if told := fault.Public(refusal); told.Hint != "" {
		r.Ended = told.Message + "; " + told.Hint
		return errors.Join(s.ended(r), s.write(r), err)
	}
	return errors.Join(s.over(in, "has ended"), err)
}

func (s *Store) ended(r record) error {
	return fault.New(fault.Unauthenticated, "%s", r.Ended).WithHint("sign in again: lanyard login --server %s", r.Server)
}

func (s *Store) over(in SignIn, why string) error {
	return fault.New(fault.Unauthenticated, "your sign-in at %s %s", in.Server, why).WithHint("sign in again: lanyard login --server %s", in.Server)
}

// put writes the tokens where they shall rest and then the file that says where.
func (s *Store) put(in SignIn, t Tokens) (Place, error) {
	r := record{SignIn: in, Place: InFile, Tokens: &t}
	if s.Keyring != nil {
		text, err := json.Marshal(t)
		if err != nil {
			return "", fmt.Errorf("encode tokens: %w", err)
		}
		_, err = within(func() (any, error) { return nil, s.Keyring.Set(in.Server, material.Secret(text)) })
		if err == nil {
			r.Place, r.Tokens = InKeyring, nil
		}
	}
	return r.Place, s.write(r)
}

func (s *Store) write(r record) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("encode sign-in: %w", err)
	}
	if err := deliver.Replace(s.path(r.Server), text); err != nil {
		return fmt.Errorf("store sign-in: %w", err)
	}
	return nil
}

func (s *Store) read(server string) (record, error) {
	var r record
	path := s.path(server)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, fault.New(fault.Unauthenticated, "you are not signed in at %s", server).WithHint("lanyard login --server %s", server)
	}
	if err != nil {
		return r, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return r, fault.New(fault.Denied, "%s can be read by others (mode %04o)", path, info.Mode().Perm()).
			WithHint("chmod 600 %s, and sign in again if others have accounts here", path).WithCause(ErrInsecure)
	}
	text, err := os.ReadFile(path) //nolint:gosec // our own file
	if err != nil {
		return r, err
	}
	if json.Unmarshal(text, &r) != nil || r.Server != server || (r.Place == InFile) != (r.Tokens != nil) {
		return r, fault.New(fault.Unauthenticated, "%s cannot be understood", path).WithHint("sign in again: lanyard login --server %s", server)
	}
	if r.Ended != "" {
		return r, s.ended(r)
	}
	return r, nil
}

func (s *Store) tokens(r record) (t Tokens, err error) {
	if r.Tokens != nil {
		return *r.Tokens, nil
	}
	if s.Keyring == nil {
		return t, s.over(r.SignIn, "is in a keyring that this session cannot ask")
	}
	text, err := within(func() (material.Secret, error) { return s.Keyring.Get(r.Server) })
	if errors.Is(err, ErrNoSecret) || err == nil && json.Unmarshal([]byte(text.Reveal()), &t) != nil {
		return t, s.over(r.SignIn, "is gone from the keyring")
	}
	return t, err
}

func (s *Store) forget(r record) error {
	if r.Place == InKeyring && s.Keyring != nil {
		// A keyring that does not answer keeps what nobody can use once the session is over.
		_, _ = within(func() (any, error) { return nil, s.Keyring.Delete(r.Server) })
	}
	err := os.Remove(s.path(r.Server))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

func (s *Store) exclusive(ctx context.Context, server string, work func(context.Context) error) error {
	return deliver.Exclusive(ctx, s.path(server)+".lock", work)
}

// path is the file of a server. The hash keeps odd addresses out of file names; the start of the
// host name is for people.
func (s *Store) path(server string) string {
	sum := sha256.Sum256([]byte(server))
	_, host, _ := strings.Cut(server, "://")
	host = strings.Map(func(r rune) rune {
		if slices.Contains([]rune("0123456789.-"), r) || 'a' <= r && r <= 'z' {
			return r
		}
		return '_'
	}, host[:min(len(host), 40)])
	return filepath.Join(s.Dir, "signin-"+host+"-"+hex.EncodeToString(sum[:4])+".json")
}
