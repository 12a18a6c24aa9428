// Package keypool keeps private keys ready, because making an RSA key takes from a tenth of a second
// to several seconds of a processor: nobody who asks for a proxy waits for that, and nobody can
// keep the processors busy by asking. Keys stay in memory until one is taken, and each is taken
// once. It imports fault and the standard library.
package keypool

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// RSA2048 makes the key that all grid software takes: RSA, 2048 bits, exponent 65537.
func RSA2048() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }

// A Pool makes keys while Run runs. It is safe for concurrent use.
type Pool struct {
	ready    chan crypto.Signer
	generate func() (crypto.Signer, error)
}

// New makes a pool that keeps up to size keys, of those that generate makes: RSA2048.
func New(size int, generate func() (crypto.Signer, error)) *Pool {
	return &Pool{ready: make(chan crypto.Signer, size), generate: generate}
}

// Run keeps the pool full until ctx ends, with one processor at most.
func (p *Pool) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		key, err := p.generate()
		if err != nil {
			return fmt.Errorf("make a key: %w", err)
		}
		select {
		case p.ready <- key:
		case <-ctx.Done():
		}
	}
	return nil
}

// Take returns a key that nobody else has, and waits for one if none is ready. If ctx ends first, it
// returns an Unavailable fault.
func (p *Pool) Take(ctx context.Context) (crypto.Signer, error) {
	select {
	case key := <-p.ready:
		return key, nil
	default:
	}
	select {
	case key := <-p.ready:
		return key, nil
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "no private key was ready in time: many are being made").
			WithHint("try again in a minute, or make the key yourself and send a signing request").WithCause(ctx.Err())
	}
}

// Ready returns how many keys are waiting.
func (p *Pool) Ready() int { return len(p.ready) }
