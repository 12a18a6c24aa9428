package seal

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/material"
)

// Keys are the master keys by id: k1, k2 and so on. New texts are sealed with the current one; the
// others still open what they sealed.
type Keys struct {
	Current string
	ByID    map[string][32]byte
}

// String implements fmt.Stringer, so that no verb shows a key.
func (Keys) String() string { return material.Redacted }

// GoString implements fmt.GoStringer.
func (Keys) GoString() string { return material.Redacted }

// LogValue implements slog.LogValuer.
func (Keys) LogValue() slog.Value { return slog.StringValue(material.Redacted) }

// A master key file has one line per key: id, blank, 32 bytes in base64. The last one is current.
const fileHead = `# Lanyard's master keys. Without them nothing that is sealed in the database opens: keep a copy
# somewhere else than the database's backup. Add a line to seal with a new key from then on.
`

// NewKeys makes one key, k1.
func NewKeys() Keys {
	var key [32]byte
	rand.Read(key[:]) // never fails
	return Keys{Current: "k1", ByID: map[string][32]byte{"k1": key}}
}

// LoadOrCreateKeys reads the master keys from the file at path, and makes it with one new key if
// there is none: complete or not at all, and readable by its owner only. It refuses a file that
// others can read.
func LoadOrCreateKeys(path string) (Keys, error) {
	keys, err := load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if err := create(path); err != nil {
		return Keys{}, fmt.Errorf("create master key file: %w", err)
	}
	return load(path)
}

func load(path string) (Keys, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return Keys{}, fmt.Errorf("read master keys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Keys{}, fmt.Errorf("read master keys: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return Keys{}, fault.New(fault.Invalid, "master key file %s is open to others (%s)", path, info.Mode()).
			WithHint("take their rights away with chmod 600 and consider the keys in it as known")
	}
	keys, err := parse(io.LimitReader(f, 1<<20))
	if err != nil {
		return Keys{}, fault.New(fault.Invalid, "master key file %s: %v", path, err).WithHint("restore it from its copy")
	}
	return keys, nil
}

// parse reads the lines of a key file. Its errors name lines and never show them.
func parse(r io.Reader) (Keys, error) {
	keys := Keys{ByID: map[string][32]byte{}}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, text, _ := strings.Cut(line, " ")
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		switch _, twice := keys.ByID[id]; {
		case !isKeyID(id):
			return Keys{}, fmt.Errorf("line %d does not begin with a key id such as k1", n)
		case err != nil || len(key) != 32:
			return Keys{}, fmt.Errorf("line %d does not hold 32 bytes in base64", n)
		case twice:
			return Keys{}, fmt.Errorf("line %d repeats a key id", n)
		}
		keys.Current, keys.ByID[id] = id, [32]byte(key)
	}
	if err := lines.Err(); err != nil {
		return Keys{}, errors.New("it has lines that are too long")
	}
	if keys.Current == "" {
		return Keys{}, errors.New("it holds no key")
	}
	return keys, nil
}

// create writes a new file beside path and links it there, which fails if there is one by now: two
// servers that start at once agree on the key of the first.
func create(path string) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".keys-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	keys := NewKeys()
	key := keys.ByID[keys.Current]
	_, err = fmt.Fprintf(f, "%s%s %s\n", fileHead, keys.Current, base64.StdEncoding.EncodeToString(key[:]))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// A key that sealed something must not vanish with a power cut.
	d, err := os.Open(dir) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// isKeyID reports whether s is 1 to 16 lower-case letters and digits.
func isKeyID(s string) bool {
	return len(s) >= 1 && len(s) <= 16 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}
