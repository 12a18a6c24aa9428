package keypool_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/keypool"
)

// slow makes a key a second, each of another kind than RSA so that tests do not wait for real ones.
func slow(made *int) func() (crypto.Signer, error) {
	return func() (crypto.Signer, error) {
		time.Sleep(time.Second)
		*made++
		seed := make([]byte, ed25519.SeedSize)
		seed[0] = byte(*made)
		return ed25519.NewKeyFromSeed(seed), nil
	}
}

func run(t *testing.T, p *keypool.Pool) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestKeysWaitAndEachIsTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		p := keypool.New(3, slow(&made))
		run(t, p)
		time.Sleep(time.Minute)
		synctest.Wait()
		if p.Ready() != 3 || made != 4 { // one more is made and finds no room
			t.Errorf("%d ready, %d made, want 3 and 4", p.Ready(), made)
		}
		start := time.Now()
		seen := map[string]bool{}
		for range 6 {
			key, err := p.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			seen[string(key.Public().(ed25519.PublicKey))] = true
		}
		if len(seen) != 6 {
			t.Errorf("%d different keys of 6", len(seen))
		}
		if waited := time.Since(start); waited != 2*time.Second {
			t.Errorf("six keys took %s; four were there, and one is made a second", waited)
		}
	})
}

func TestTakeGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := keypool.New(1, nil) // nothing runs
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := p.Take(ctx)
		if fault.CodeOf(err) != fault.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRunStopsWhereNoKeyCanBeMade(t *testing.T) {
	broken := errors.New("no entropy")
	p := keypool.New(1, func() (crypto.Signer, error) { return nil, broken })
	if err := p.Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestRSA2048(t *testing.T) {
	key, err := keypool.RSA2048()
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := key.(*rsa.PrivateKey); !ok || r.N.BitLen() != 2048 || r.E != 65537 {
		t.Errorf("made %T", key)
	}
}
