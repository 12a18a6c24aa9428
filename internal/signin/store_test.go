package signin_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/signin"
	"github.com/lanyardhq/lanyard/material"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// ring is a keyring in memory.
type ring struct {
	mu    sync.Mutex
	held  map[string]material.Secret
	asked func() // before each answer
}

func (r *ring) ask() func() {
	if r.asked != nil {
		r.asked()
	}
	r.mu.Lock()
	return r.mu.Unlock
}

func (r *ring) Get(name string) (material.Secret, error) {
	defer r.ask()()
	if s, ok := r.held[name]; ok {
		return s, nil
	}
	return "", signin.ErrNoSecret
}

func (r *ring) Set(name string, s material.Secret) error {
	defer r.ask()()
	r.held[name] = s
	return nil
}

func (r *ring) Delete(name string) error {
	defer r.ask()()
	delete(r.held, name)
	return nil
}

func newStore(dir string, i *issuer, k signin.Keyring, at *time.Time) *signin.Store {
	return &signin.Store{Dir: dir, Keyring: k, HTTP: &http.Client{Transport: i}, Now: func() time.Time { return *at }}
}

// signedIn returns a store with a sign-in that the issuer gave at now.
func signedIn(t *testing.T, i *issuer, k signin.Keyring, at *time.Time) (*signin.Store, signin.Place) {
	t.Helper()
	s := newStore(t.TempDir(), i, k, at)
	i.n, i.refresh = 1, "refresh-1"
	in := signin.SignIn{Server: server, AccountID: "usr_1", Name: "Anna", TokenEndpoint: server + "/token", RevocationEndpoint: server + "/revoke"}
	place, err := s.Save(t.Context(), in, signin.Tokens{Access: "access-1", Refresh: "refresh-1", AccessExpiresAt: now.Add(10 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	return s, place
}

func onDisk(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if i, err := os.Stat(f); err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v)", f, i.Mode(), err)
		}
		all.Write(text)
	}
	return all.String()
}

func TestTokensRestInTheKeyringOrInAFile(t *testing.T) {
	for _, c := range []struct {
		name string
		k    signin.Keyring
		want signin.Place
	}{{"no keyring", nil, signin.InFile}, {"keyring", &ring{held: map[string]material.Secret{}}, signin.InKeyring}} {
		t.Run(c.name, func(t *testing.T) {
			at := now
			s, place := signedIn(t, &issuer{}, c.k, &at)
			if place != c.want || strings.Contains(onDisk(t, s.Dir), "access-1") != (c.want == signin.InFile) {
				t.Errorf("place %s, on disk: %s", place, onDisk(t, s.Dir))
			}
			if got, err := s.Token(t.Context(), server); err != nil || got != "access-1" {
				t.Error(got.Reveal(), err)
			}
			if in, err := s.Find(server); err != nil || in.Name != "Anna" || s.Current() != server {
				t.Error(in, err, s.Current())
			}
			if _, tokens, err := s.Remove(t.Context(), server); err != nil || tokens.Refresh != "refresh-1" {
				t.Error(err)
			}
			if _, err := s.Token(t.Context(), server); fault.CodeOf(err) != fault.Unauthenticated {
				t.Error("still signed in:", err)
			}
		})
	}
}

func TestSlowKeyringIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		at, begin := now, time.Now()
		s := newStore(dir, &issuer{}, &ring{held: map[string]material.Secret{}, asked: func() { time.Sleep(time.Minute) }}, &at)
		place, err := s.Save(t.Context(), signin.SignIn{Server: server}, signin.Tokens{Access: "a", AccessExpiresAt: now.Add(time.Hour)})
		if err != nil || place != signin.InFile {
			t.Error(place, err)
		}
		if waited := time.Since(begin); waited != 300*time.Millisecond {
			t.Errorf("waited %s", waited)
		}
		time.Sleep(2 * time.Minute) // the late answer must not hang either
	})
}

func TestParallelProcessesRenewOnce(t *testing.T) {
	at, i := now, &issuer{}
	first, _ := signedIn(t, i, nil, &at)
	at = now.Add(9*time.Minute + 30*time.Second) // half a minute of life left
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s := newStore(first.Dir, i, nil, &at) // each process has a Store of its own
			if got, err := s.Token(t.Context(), server); err != nil || got != "access-2" {
				t.Error(got.Reveal(), err)
			}
		})
	}
	wg.Wait()
	if i.refreshes != 1 || i.reused {
		t.Errorf("%d renewals, reused: %t", i.refreshes, i.reused)
	}
}

func TestNewTokensAreStoredBeforeUse(t *testing.T) {
	at, i := now, &issuer{}
	s, _ := signedIn(t, i, nil, &at)
	for n := range 3 {
		at = at.Add(10 * time.Minute)
		got, err := s.Token(t.Context(), server)
		if err != nil || !strings.Contains(onDisk(t, s.Dir), got.Reveal()) || !strings.Contains(onDisk(t, s.Dir), i.refresh) {
			t.Errorf("renewal %d: %v", n, err)
		}
	}
	if i.reused {
		t.Error("a refresh token was used twice")
	}
}

func TestSessionThatIsOverIsForgotten(t *testing.T) {
	at, i := now, &issuer{}
	s, _ := signedIn(t, i, nil, &at)
	i.refresh = "" // ended at the server
	at = now.Add(time.Hour)
	for range 2 {
		_, err := s.Token(t.Context(), server)
		if fault.CodeOf(err) != fault.Unauthenticated || !strings.Contains(fault.Public(err).Hint, "lanyard login") {
			t.Errorf("got %v", err)
		}
	}
	if i.refreshes != 1 {
		t.Errorf("asked %d times with a dead token", i.refreshes)
	}
}

// What the server says of the end of a session is said until there is another, to every program.
func TestWhyASessionIsOverIsKept(t *testing.T) {
	for name, k := range map[string]signin.Keyring{"in a file": nil, "in a keyring": &ring{held: map[string]material.Secret{}}} {
		t.Run(name, func(t *testing.T) {
			at, i := now, &issuer{why: "this sign-in was ended " + strings.Repeat("x", 400)}
			s, _ := signedIn(t, i, k, &at)
			i.refresh = "" // ended at the server
			at = now.Add(time.Hour)
			told := func(err error) {
				t.Helper()
				f := fault.Public(err)
				if f.Code != fault.Unauthenticated || !strings.HasPrefix(f.Message, "this sign-in was ended xxx") || !strings.HasSuffix(f.Message, "xxx; what happened stands at "+server+"/account") ||
					len(f.Message) > 400 || f.Hint != "sign in again: lanyard login --server "+server {
					t.Errorf("got %v (%s)", err, f.Hint)
				}
			}
			for range 2 {
				_, err := s.Token(t.Context(), server)
				told(err)
			}
			_, err := s.Find(server)
			told(err)
			if left := onDisk(t, s.Dir); i.refreshes != 1 || strings.Contains(left, "refresh-1") || strings.Contains(left, "access-1") {
				t.Errorf("asked %d times; on disk %s", i.refreshes, left)
			}
			_, _, err = s.Remove(t.Context(), server)
			told(err)
			if _, err = s.Find(server); fault.CodeOf(err) != fault.Unauthenticated || !strings.Contains(err.Error(), "you are not signed in") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestServerThatIsDownEndsNothing(t *testing.T) {
	at, i := now, &issuer{}
	s, _ := signedIn(t, i, nil, &at)
	at, i.down = now.Add(time.Hour), true
	if _, err := s.Token(t.Context(), server); fault.CodeOf(err) != fault.Unavailable {
		t.Error(err)
	}
	i.down = false
	if got, err := s.Token(t.Context(), server); err != nil || got != "access-2" {
		t.Error(got.Reveal(), err)
	}
}

func TestPresentNeverRenews(t *testing.T) {
	at, i := now, &issuer{}
	s, _ := signedIn(t, i, nil, &at)
	if got, err := s.Present(server); err != nil || got != "access-1" {
		t.Error(got.Reveal(), err)
	}
	at = now.Add(time.Hour)
	if _, err := s.Present(server); err == nil || i.refreshes != 0 {
		t.Error(err, i.refreshes)
	}
}

func TestFilesThatOthersCanReadAreRefused(t *testing.T) {
	at := now
	s, _ := signedIn(t, &issuer{}, nil, &at)
	files, err := filepath.Glob(filepath.Join(s.Dir, "signin-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Chmod(files[0], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Token(t.Context(), server); !errors.Is(err, signin.ErrInsecure) {
		t.Error(err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(files[0], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Token(t.Context(), server); fault.CodeOf(err) != fault.Unauthenticated {
		t.Error(err)
	}
}
