package signing

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/wlcg"
)

func generate(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case RS256:
		return rsa.GenerateKey(rand.Reader, 2048)
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ES384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case ES512:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	}
	return nil, fmt.Errorf("%q is not an algorithm of ours", algorithm)
}

// make adds a key. Another server's of the same time is as good.
func (k *Keys) make(ctx context.Context, algorithm string, begins time.Time) error {
	private, err := generate(algorithm)
	if err != nil {
		return fmt.Errorf("make signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("encode signing key: %w", err)
	}
	v := session.SigningKey{ID: "key_" + rand.Text(), Algorithm: algorithm, Private: material.Secret(der), NotBefore: begins, RetiredAt: begins.Add(keyLife)}
	record := audit.By(identity.System(), k.now(), "signingkey.create", v.ID, "").With("algorithm", algorithm).With("signs_from", begins.Format(time.RFC3339))
	if _, err := k.c.Store.InsertSigningKey(ctx, v, record); err != nil {
		return fmt.Errorf("insert signing key: %w", err)
	}
	return nil
}

// load reads all keys and keeps them.
func (k *Keys) load(ctx context.Context) ([]key, error) {
	stored, err := k.c.Store.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	all := make([]key, len(stored))
	for i, v := range stored {
		if all[i], err = open(v); err != nil {
			return nil, err
		}
	}
	k.mu.Lock()
	k.all = all
	k.mu.Unlock()
	return all, nil
}

func open(v session.SigningKey) (key, error) {
	private, err := x509.ParsePKCS8PrivateKey([]byte(v.Private.Reveal()))
	if err != nil {
		return key{}, fmt.Errorf("decode signing key %s: %w", v.ID, err)
	}
	holder, ok := private.(crypto.Signer)
	if !ok {
		return key{}, fmt.Errorf("signing key %s cannot sign", v.ID)
	}
	return key{v, wlcg.Key{ID: v.ID, Algorithm: v.Algorithm, Signer: holder}}, nil
}
