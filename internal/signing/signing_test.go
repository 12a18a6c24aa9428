package signing_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/signing"
	"github.com/lanyardhq/lanyard/internal/standin"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/wlcg"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// world is keys on a real database.
type world struct {
	t     *testing.T
	clock *standin.Clock
	store *store.Store
	keys  *signing.Keys
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: standin.NewClock(noon)}
	var err error
	w.store, err = store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "lanyard.db"), Keys: seal.NewKeys(), Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.keys = newKeys(t, w, signing.ES256, signing.RS256)
	return w
}

func newKeys(t *testing.T, w *world, algorithms ...string) *signing.Keys {
	return signing.New(signing.Config{Algorithms: algorithms, Store: w.store, Now: w.clock.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
}

const day = 24 * time.Hour

// kids returns the published key ids of an algorithm, oldest first, as another program reads them.
func (w *world) kids(algorithm string) []string {
	w.t.Helper()
	text, err := json.Marshal(w.keys.Published(algorithm))
	if err != nil {
		w.t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, k := range set.Keys {
		if !k.IsPublic() || k.Use != "sig" || k.Algorithm != algorithm {
			w.t.Errorf("published %+v", k)
		}
		out = append(out, k.KeyID)
	}
	return out
}

// signs returns the key that signs with ES256 now, as another program sees it.
func (w *world) signs() string {
	w.t.Helper()
	k, err := w.keys.Signer(signing.ES256, w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	raw, err := wlcg.Sign(k, wlcg.TypeJWT, map[string]any{"sub": "x"})
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, v := range w.keys.Published(signing.ES256).Keys {
		if _, err := token.Verify(v.Key); v.ID == token.Signatures[0].Header.KeyID && err == nil {
			return v.ID
		}
	}
	w.t.Fatal("signed with a key that is not published")
	return ""
}

func (w *world) rotate() {
	w.t.Helper()
	if err := w.keys.Rotate(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// A key is published at least four days before it signs, and two after.
func TestKeyRotation(t *testing.T) {
	w := newWorld(t)
	w.rotate()
	first := w.kids("ES256")
	if len(first) != 1 || len(w.kids("RS256")) != 1 || w.signs() != first[0] {
		t.Fatalf("keys %q", first)
	}
	var published, signs time.Time
	for w.clock.Now().Before(noon.Add(200 * day)) {
		w.clock.Move(day)
		w.rotate()
		now, kids := w.clock.Now(), w.kids("ES256")
		if len(kids) > 1 && published.IsZero() {
			published = now
		}
		if w.signs() != first[0] && signs.IsZero() {
			signs = now
		}
		if !slices.Contains(kids, first[0]) {
			if gone := now.Sub(signs); signs.IsZero() || gone < 2*day {
				t.Errorf("unpublished %s after its last signature", gone)
			}
			break
		}
	}
	if ahead := signs.Sub(published); ahead < 4*day || ahead > 6*day || signs != noon.Add(180*day) {
		t.Errorf("published %s ahead, signing from %s", ahead, signs)
	}
	if kids := w.kids("RS256"); len(kids) != 1 {
		t.Errorf("RS256 keys %q", kids)
	}
	records, err := w.store.Audit(t.Context(), audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, r := range records {
		if r.Action == "signingkey.create" {
			made++
		}
	}
	if made != 4 {
		t.Errorf("%d keys in the audit trail, want 2 of each algorithm", made)
	}
}

// A server that was off for a year signs with the old key until the new one has been known for
// four days.
func TestKeysAfterALongAbsence(t *testing.T) {
	w := newWorld(t)
	w.rotate()
	old := w.signs()
	w.clock.Move(365 * day)
	w.rotate()
	if got := w.signs(); got != old || len(w.kids("ES256")) != 2 {
		t.Errorf("signs with %s, want %s; published %q", got, old, w.kids("ES256"))
	}
	w.clock.Move(4*day - time.Second)
	w.rotate()
	if got := w.signs(); got != old {
		t.Error("the new key signs too early")
	}
	w.clock.Move(time.Second)
	w.rotate()
	if got := w.signs(); got == old {
		t.Error("the old key still signs")
	}
}

// Two servers on one database make one key for one time, and know each other's.
func TestKeysOfTwoServers(t *testing.T) {
	w := newWorld(t)
	other := *w
	other.keys = newKeys(t, w, signing.ES256, signing.RS256)
	for range 20 {
		w.clock.Move(10 * day)
		other.rotate()
		w.rotate()
		if n := len(w.kids("ES256")); n > 2 {
			t.Errorf("%d keys", n)
		}
	}
	other.rotate()
	if here, there := w.kids("ES256"), other.kids("ES256"); !slices.Equal(here, there) {
		t.Errorf("published %q here, %q there", here, there)
	}
}

// Keys for mytokens are made where they are asked for, stand in no set that does not name them, and
// a server that does not make them lets them be.
func TestKeysOfOtherAlgorithms(t *testing.T) {
	w := newWorld(t)
	w.rotate()
	if _, err := w.keys.Signer(signing.ES512, noon); fault.CodeOf(err) != fault.Unavailable || len(w.kids("ES512")) != 0 {
		t.Errorf("a key that nobody asked for: %v", err)
	}
	long := *w
	long.keys = newKeys(t, w, signing.ES384, signing.ES512)
	long.rotate()
	for _, algorithm := range []string{signing.ES384, signing.ES512} {
		if _, err := long.keys.Signer(algorithm, noon); err != nil || len(long.kids(algorithm)) != 1 {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
	if set := long.keys.Published(signing.ES256, signing.RS256).Keys; len(set) != 2 {
		t.Errorf("%d keys for access tokens", len(set))
	}
	w.clock.Move(365 * day)
	w.rotate()
	long.rotate()
	if n := len(long.kids("ES512")); n != 2 {
		t.Errorf("%d keys after a year in which nobody looked after them, want the old one, which still signs, and the next", n)
	}
	if err := newKeys(t, w, "HS256").Rotate(t.Context()); err == nil {
		t.Error("made a key for HS256")
	}
}

func TestRunMakesKeys(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.keys.Run(ctx) }()
	for len(w.keys.Published(signing.ES256, signing.RS256).Keys) < 2 {
		runtime.Gosched()
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestKeysAreKeptAsLongAsWhatTheySign(t *testing.T) {
	w := newWorld(t)
	w.keys = signing.New(signing.Config{Algorithms: []string{signing.ES256, signing.ES384}, Kept: map[string]time.Duration{signing.ES384: 30 * day},
		Store: w.store, Now: w.clock.Now, Log: slog.New(slog.DiscardHandler)})
	published := func() (es256, es384 int) {
		t.Helper()
		if err := w.keys.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(w.keys.Published(signing.ES256).Keys), len(w.keys.Published(signing.ES384).Keys)
	}
	published()
	for _, c := range []struct {
		at           time.Duration
		es256, es384 int
	}{{177 * day, 2, 2}, {181 * day, 2, 2}, {183 * day, 1, 2}, {209 * day, 1, 2}, {211 * day, 1, 1}} {
		w.clock.Move(noon.Add(c.at).Sub(w.clock.Now()))
		if es256, es384 := published(); es256 != c.es256 || es384 != c.es384 {
			t.Errorf("after %s: %d and %d keys are published, want %d and %d", c.at, es256, es384, c.es256, c.es384)
		}
	}
}
