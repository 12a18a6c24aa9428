package seal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/store/seal"
)

var place = seal.Place{Table: "credential", Column: "state", Row: "crd_1", Owner: "usr_1"}

func newBox(t testing.TB, k seal.Keys) *seal.Box {
	t.Helper()
	b, err := seal.NewBox(k, "credential.state", "credentials.tate", "ticket.data")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealedOpensInItsPlaceOnly(t *testing.T) {
	b := newBox(t, seal.NewKeys())
	for _, text := range []string{"", "secret", strings.Repeat("long ", 1e5)} {
		sealed, err := b.Seal(place, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(sealed, []byte("v1:k1:")) || len(text) > 0 && bytes.Contains(sealed, []byte(text)) {
			t.Errorf("sealed as %.60q", sealed)
		}
		if got, err := b.Open(place, sealed); err != nil || string(got) != text {
			t.Errorf("%d bytes came back as %d, %v", len(text), len(got), err)
		}
		again, err := b.Seal(place, []byte(text))
		if err != nil || bytes.Equal(again, sealed) {
			t.Error("the same text is sealed to the same bytes")
		}
		for name, other := range map[string]seal.Place{
			"another row":         {Table: "credential", Column: "state", Row: "crd_2", Owner: "usr_1"},
			"another owner":       {Table: "credential", Column: "state", Row: "crd_1", Owner: "usr_2"},
			"another table":       {Table: "ticket", Column: "data", Row: "crd_1", Owner: "usr_1"},
			"shifted words":       {Table: "credentials", Column: "tate", Row: "crd_1", Owner: "usr_1"},
			"shifted ids":         {Table: "credential", Column: "state", Row: "crd_1u", Owner: "sr_1"},
			"an unsealed purpose": {Table: "credential", Column: "name", Row: "crd_1", Owner: "usr_1"},
		} {
			if got, err := b.Open(other, sealed); !errors.Is(err, seal.ErrSealed) || got != nil {
				t.Errorf("in %s: %q, %v", name, got, err)
			}
		}
	}
	if _, err := b.Seal(seal.Place{Table: "credential", Column: "name"}, nil); err == nil {
		t.Error("sealed for a purpose that nothing opens")
	}
}

func TestEveryBitCounts(t *testing.T) {
	b := newBox(t, seal.NewKeys())
	sealed, err := b.Seal(place, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		for bit := range 8 {
			harmed := bytes.Clone(sealed)
			harmed[i] ^= 1 << bit
			if _, err := b.Open(place, harmed); !errors.Is(err, seal.ErrSealed) {
				t.Errorf("bit %d of byte %d: %v", bit, i, err)
			}
		}
		if _, err := b.Open(place, sealed[:i]); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestKeysRotate(t *testing.T) {
	old := seal.NewKeys()
	sealed, err := newBox(t, old).Seal(place, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	both := seal.Keys{Current: "k2", ByID: map[string][32]byte{"k1": old.ByID["k1"], "k2": {1}}}
	b := newBox(t, both)
	if got, err := b.Open(place, sealed); err != nil || string(got) != "secret" {
		t.Errorf("under the old key: %q, %v", got, err)
	}
	if sealed, err = b.Seal(place, []byte("secret")); err != nil || !bytes.HasPrefix(sealed, []byte("v1:k2:")) {
		t.Errorf("sealed as %.20q, %v", sealed, err)
	}
	if _, err := newBox(t, old).Open(place, sealed); !errors.Is(err, seal.ErrSealed) || !strings.Contains(err.Error(), "no master key k2") {
		t.Errorf("without the new key: %v", err)
	}
	for _, k := range []seal.Keys{{}, {Current: "k1"}, {Current: "k2", ByID: old.ByID}, {Current: "K:1", ByID: map[string][32]byte{"K:1": {}}}} {
		if _, err := seal.NewBox(k); err == nil {
			t.Errorf("a box without a proper key: %q of %d", k.Current, len(k.ByID))
		}
	}
}

func TestKeysAreNotShown(t *testing.T) {
	keys := seal.NewKeys()
	key := keys.ByID["k1"]
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("keys", "keys", keys)
	for _, text := range []string{logged.String(), fmt.Sprint(keys), fmt.Sprintf("%+v %#v %x %q", keys, keys, keys, keys)} {
		if !strings.Contains(text, "redacted") && !strings.Contains(text, fmt.Sprintf("%x", "[redacted]")) || strings.Contains(text, fmt.Sprint(key[0], key[1])) {
			t.Errorf("keys print as %s", text)
		}
	}
}

func TestKeyFileIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	all := make([]seal.Keys, 8)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			var err error
			if all[i], err = seal.LoadOrCreateKeys(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range all {
		if k.Current != "k1" || k.ByID["k1"] != all[0].ByID["k1"] || k.ByID["k1"] == [32]byte{} {
			t.Error("servers that start at once have different keys")
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file is %s, %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestKeyFile(t *testing.T) {
	key := func(b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) }
	good := "# a comment\n\nk1 " + key(1) + "\n  k2   " + key(2) + "  \r\n"
	for name, test := range map[string]struct {
		text string
		mode os.FileMode
		want string // in the message; "" for success
	}{
		"two keys":        {good, 0o600, ""},
		"read only":       {good, 0o400, ""},
		"group may read":  {good, 0o640, "open to others"},
		"all may read":    {good, 0o604, "open to others"},
		"empty":           {"", 0o600, "no key"},
		"short key":       {"k1 " + key(1)[4:], 0o600, "line 1"},
		"not base64":      {"k1 " + strings.Repeat("*", 44), 0o600, "line 1"},
		"no id":           {key(1), 0o600, "line 1"},
		"odd id":          {"K-1 " + key(1), 0o600, "line 1"},
		"the same twice":  {good + "k1 " + key(3), 0o600, "line 5"},
		"something large": {strings.Repeat("x", 1<<21), 0o600, "too long"},
	} {
		path := filepath.Join(t.TempDir(), "master.key")
		if err := os.WriteFile(path, []byte(test.text), test.mode); err != nil {
			t.Fatal(err)
		}
		got, err := seal.LoadOrCreateKeys(path)
		switch {
		case test.want == "" && (err != nil || got.Current != "k2" || len(got.ByID) != 2 || got.ByID["k2"][31] != 2):
			t.Errorf("%s: current %s of %d, %v", name, got.Current, len(got.ByID), err)
		case test.want != "" && (fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), key(1)[:8])):
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := seal.LoadOrCreateKeys(filepath.Join(t.TempDir(), "no", "such", "directory")); err == nil {
		t.Error("made a key in no directory")
	}
	if _, err := seal.LoadOrCreateKeys(t.TempDir()); err == nil {
		t.Error("took a directory for a key file")
	}
}

// golden is "secret", sealed for place by the first version: databases of today open tomorrow.
const golden = "v1:k1:\xc9\xe1\x4f\xe6\xcc\xa1\xf2\xa6\xdf\xdf\x6e\x33\xc7\x6e\xb4\x1b\x86\x5d\xb2\x9e\x9f\x70\xe5\xbb\xd0\x65\xb5\x3e\x2f\x65\xad\x09\x82\x9f"

var goldenKeys = seal.Keys{Current: "k1", ByID: map[string][32]byte{"k1": {7}}}

func TestOldDatabasesOpen(t *testing.T) {
	if got, err := newBox(t, goldenKeys).Open(place, []byte(golden)); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzOpen(f *testing.F) {
	b := newBox(f, goldenKeys)
	for _, s := range []string{golden, "", "v1", "v1:", "v1::", "v1:k1:", "v1:k1:\x00", "v1:k2:" + golden[6:], "v2" + golden[2:], "v1:K1:", "v1:k1" + golden[6:]} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := b.Open(place, text)
		if err == nil && string(text) != golden || err != nil && got != nil {
			t.Errorf("%q opens to %q, %v", text, got, err)
		}
	})
}

func FuzzKeyFile(f *testing.F) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, s := range []string{"k1 " + key, "# no key\n", "k1 " + key + "\nk1 " + key, "k1\t" + key, "\x00 " + key} {
		f.Add([]byte(s))
	}
	path := filepath.Join(f.TempDir(), "master.key")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := seal.LoadOrCreateKeys(path)
		if _, usable := keys.ByID[keys.Current]; usable != (err == nil) {
			t.Errorf("%d keys and %v", len(keys.ByID), err)
		}
		if err == nil {
			newBox(t, keys)
		}
	})
}
