// Package bearer finds a user's bearer token where programs of research computing look for it, and
// puts it there: the WLCG Bearer Token Discovery (https://zenodo.org/records/3937438). It imports the
// standard library only.
package bearer

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ErrNoToken is returned when no place holds a token.
var ErrNoToken = errors.New("no bearer token was found: neither in BEARER_TOKEN, BEARER_TOKEN_FILE nor XDG_RUNTIME_DIR, nor in the shared temporary directory")

// maxToken is the size in bytes of the largest bearer token that is read or written. Providers'
// opaque tokens may be larger than ours.
const maxToken = 64 << 10

// sharedDir is where everybody may write; the specification names it.
const sharedDir = "/tmp"

// Discover finds the bearer token of a user (uid is the effective one) as WLCG Bearer Token
// Discovery says: in the variable BEARER_TOKEN, in the file that BEARER_TOKEN_FILE names, in
// $XDG_RUNTIME_DIR/bt_u<uid>, in /tmp/bt_u<uid>. The first that is there and not blank is the one;
// if it is no bearer token (RFC 6750), or cannot be read, that is an error, and nothing else is
// tried. source is the variable or the file. In /tmp, where others may write too, a link or
// somebody else's file is an error. ErrNoToken is returned if there is nothing.
func Discover(getenv func(string) string, uid int) (token, source string, err error) {
	return discover(getenv, uid, sharedDir)
}

func discover(getenv func(string) string, uid int, shared string) (token, source string, err error) {
	if token := strip(getenv("BEARER_TOKEN")); token != "" {
		if !wellFormed(token) {
			return "", "", errors.New("the variable BEARER_TOKEN holds no bearer token")
		}
		return token, "BEARER_TOKEN", nil
	}
	name := "bt_u" + strconv.Itoa(uid)
	type place struct {
		path  string
		owner int // -1: whoever
	}
	var places []place
	if path := getenv("BEARER_TOKEN_FILE"); path != "" {
		places = append(places, place{path, -1})
	}
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		places = append(places, place{filepath.Join(dir, name), -1})
	}
	places = append(places, place{filepath.Join(shared, name), uid})
	for _, p := range places {
		token, err := read(p.path, p.owner)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", "", fmt.Errorf("bearer token: %w", err)
		case token != "":
			return token, p.path, nil
		}
	}
	return "", "", ErrNoToken
}

// read reads the token of a file, empty if the file is blank. With an owner, the file must be
// that user's own, not a link.
func read(path string, owner int) (string, error) {
	flags := os.O_RDONLY | syscall.O_NONBLOCK // a pipe would keep us waiting
	if owner >= 0 {
		flags |= syscall.O_NOFOLLOW
	}
	f, err := os.OpenFile(path, flags, 0) //nolint:gosec // the caller's own environment names it
	if errors.Is(err, syscall.ELOOP) {
		return "", fmt.Errorf("%s is a link, which anybody could have made", path)
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is not a file", path)
	case owner >= 0 && (!ok || int(stat.Uid) != owner):
		return "", fmt.Errorf("%s belongs to somebody else", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", err
	}
	token := strip(string(text))
	if token != "" && !wellFormed(token) {
		return "", fmt.Errorf("%s holds no bearer token", path)
	}
	return token, nil
}

// strip takes off what C calls white space.
func strip(text string) string { return strings.Trim(text, " \t\n\v\f\r") }

// wellFormed holds of b64token of RFC 6750, section 2.1.
func wellFormed(token string) bool {
	body := strings.TrimRight(token, "=")
	return body != "" && len(token) <= maxToken && strings.IndexFunc(body, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune("-._~+/", r)
	}) < 0
}

// Path is the file in which programs look for a user's token unless a variable says
// otherwise: $XDG_RUNTIME_DIR/bt_u<uid>, or /tmp/bt_u<uid> without that variable. Further tokens of
// the same user take the name with "-purpose" behind it, and BEARER_TOKEN_FILE for the program.
func Path(getenv func(string) string, uid int) string {
	dir := getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = sharedDir
	}
	return filepath.Join(dir, "bt_u"+strconv.Itoa(uid))
}

// Write puts a token into a file: complete or not at all, readable by its owner only, and
// without a line break, since not every reader strips one. What was at the path is replaced; a link
// there is replaced itself, not followed. A directory where others could swap the file is refused.
func Write(path, token string) (err error) {
	if !wellFormed(token) {
		return errors.New("write a bearer token: it is none")
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("write a bearer token: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("write a bearer token: others may replace files in %s", dir)
	}
	temporary := filepath.Join(dir, "."+filepath.Base(path)+"."+rand.Text())
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600) //nolint:gosec // the caller names it
	if err != nil {
		return fmt.Errorf("write a bearer token: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary)
			err = fmt.Errorf("write a bearer token: %w", err)
		}
	}()
	_, err = f.WriteString(token)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
