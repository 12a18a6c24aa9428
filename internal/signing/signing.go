// Package signing keeps the keys that Lanyard signs tokens with: it makes them, publishes each days
// before it signs and for a while after, and learns of those that other servers made. It imports
// rows 0 and 1 and declares what it needs of a database.
package signing

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/wlcg"
)

// The algorithms that there can be keys for, as in JWS (RFC 7518). RS256 is what everybody knows;
// the two long ones are for mytokens.
const (
	ES256 = "ES256"
	RS256 = "RS256"
	ES384 = "ES384"
	ES512 = "ES512"
)

// Lives of signing keys (security.md §7). Verifiers keep key sets for up to four days and ignore
// unknown keys for a while, so a key is published that long before it signs.
const (
	keyLife   = 180 * 24 * time.Hour
	keyAhead  = 4 * 24 * time.Hour
	keyMargin = 24 * time.Hour     // makes it a day earlier than it must
	keyKept   = 2 * 24 * time.Hour // published after its last signature
	lookEvery = time.Minute        // other servers make keys too
)

// Store keeps signing keys. The database seals their private halves.
type Store interface {
	// SigningKeys returns all there are, oldest NotBefore first.
	SigningKeys(context.Context) ([]session.SigningKey, error)
	// InsertSigningKey adds a key, unless its algorithm already has one with the same or a later
	// NotBefore: then nothing is written and the answer is false.
	InsertSigningKey(context.Context, session.SigningKey, audit.Record) (bool, error)
	// PurgeSigningKeys removes those whose RetiredAt lies before the time.
	PurgeSigningKeys(ctx context.Context, before time.Time) error
}

// Config is what Keys are made of. All but Kept is required.
type Config struct {
	// Algorithms are those that keys are made for. The keys of others, which another server made,
	// are kept and can be asked for.
	Algorithms []string
	// Kept is how long keys of an algorithm are published after their last signature, where that is
	// more than two days: as long as what they signed lives.
	Kept  map[string]time.Duration
	Store Store
	Now   func() time.Time
	Log   *slog.Logger
}

// Keys are the signing keys that this server knows. They need Run, or now and then Rotate. They are
// safe for concurrent use.
type Keys struct {
	c   Config
	mu  sync.RWMutex
	all []key // oldest first
}

type key struct {
	session.SigningKey
	wlcg.Key
}

// New returns keys of the configuration; there are none before the first Rotate.
func New(c Config) *Keys { return &Keys{c: c} }

// Signer returns the key of an algorithm that signs at now: the last one that has begun. It goes on
// until the next one begins. Where there is none yet, it is an Unavailable fault.
func (k *Keys) Signer(algorithm string, now time.Time) (wlcg.Key, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	v, ok := signer(k.all, algorithm, now)
	if !ok {
		return wlcg.Key{}, fault.New(fault.Unavailable, "the signing keys are not ready yet").WithHint("try again in a few seconds")
	}
	return v.Key, nil
}

func signer(all []key, algorithm string, now time.Time) (key, bool) {
	for _, v := range slices.Backward(all) {
		if v.SigningKey.Algorithm == algorithm && !v.NotBefore.After(now) {
			return v, true
		}
	}
	return key{}, false
}

// Published returns the public halves for the algorithms: of the keys that sign, of those that
// will, and of those that did not long ago.
func (k *Keys) Published(algorithms ...string) wlcg.KeySet {
	k.mu.RLock()
	defer k.mu.RUnlock()
	set, now := wlcg.KeySet{Keys: []wlcg.PublicKey{}}, k.now()
	for _, v := range k.all {
		algorithm := v.SigningKey.Algorithm
		if !slices.Contains(algorithms, algorithm) {
			continue
		}
		signs, _ := signer(k.all, algorithm, now) // also one that is overdue
		if signs.SigningKey.ID == v.SigningKey.ID || now.Before(v.RetiredAt.Add(k.kept(algorithm))) {
			set.Keys = append(set.Keys, v.Public())
		}
	}
	return set
}

// kept is how long a key of the algorithm is published after its last signature.
func (k *Keys) kept(algorithm string) time.Duration { return max(keyKept, k.c.Kept[algorithm]) }

// Run makes and rotates the keys until ctx ends.
func (k *Keys) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := k.Rotate(ctx); err != nil && ctx.Err() == nil {
			k.c.Log.WarnContext(ctx, "signing keys not looked after", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Rotate makes the keys that are missing or will be soon, forgets old ones, and learns of those that
// other servers made. It does nothing when there is nothing to do.
func (k *Keys) Rotate(ctx context.Context) error {
	all, err := k.load(ctx)
	if err != nil {
		return err
	}
	now, made := k.now(), false
	for _, algorithm := range k.c.Algorithms {
		begins, ok := next(all, algorithm, now)
		if !ok {
			continue
		}
		if err := k.make(ctx, algorithm, begins); err != nil {
			return err
		}
		made = true
	}
	if err := k.c.Store.PurgeSigningKeys(ctx, k.forget(all, now)); err != nil {
		return fmt.Errorf("purge signing keys: %w", err)
	}
	if made {
		_, err = k.load(ctx)
	}
	return err
}

// forget returns the time of which keys that ceased to sign before it are published no longer. It
// never lies after the end of a key that is overdue and still signs.
func (k *Keys) forget(all []key, now time.Time) time.Time {
	longest := keyKept
	for _, kept := range k.c.Kept {
		longest = max(longest, kept)
	}
	before := now.Add(-longest)
	for _, v := range all {
		if s, ok := signer(all, v.SigningKey.Algorithm, now); ok && s.RetiredAt.Before(before) {
			before = s.RetiredAt
		}
	}
	return before
}

// next tells when the next key of an algorithm must begin to sign, if it is time to make it. All
// servers find the same moment, so that the store can refuse the second.
func next(all []key, algorithm string, now time.Time) (begins time.Time, ok bool) {
	var last time.Time
	for _, v := range all {
		if v.SigningKey.Algorithm == algorithm {
			last = v.RetiredAt
		}
	}
	switch {
	case last.IsZero():
		return now, true // the first: nobody holds an older key set
	case last.Sub(now) > keyAhead+keyMargin:
		return last, false
	case last.Before(now.Add(keyAhead)):
		return now.Add(keyAhead), true // we were away; the old key signs until then
	}
	return last, true
}

// now is the moment that decides: UTC, whole seconds.
func (k *Keys) now() time.Time { return k.c.Now().UTC().Truncate(time.Second) }
