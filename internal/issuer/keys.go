package issuer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/material"
)

// The algorithms of ID tokens. RS256 is what every relying party knows.
const (
	rs256 = "RS256"
	es256 = "ES256"
)

// Lives of signing keys (security.md §7). Verifiers keep key sets for up to four days and ignore
// unknown keys for a while, so a key is published that long before it signs.
const (
	keyLife     = 180 * 24 * time.Hour
	keyAhead    = 4 * 24 * time.Hour
	keyMargin   = 24 * time.Hour     // makes it a day earlier than it must
	keyKept     = 2 * 24 * time.Hour // published after its last signature
	idTokenLife = time.Hour
)

// keys are the signing keys that this server knows, oldest first.
type keys struct {
	mu  sync.RWMutex
	all []signingKey
}

type signingKey struct {
	session.SigningKey
	signer jose.Signer
	public jose.JSONWebKey
}

// signer returns the key of an algorithm that signs now: the last one that has begun. It goes on
// until the next one begins.
func (k *keys) signer(algorithm string, now time.Time) (signingKey, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for i := len(k.all) - 1; i >= 0; i-- {
		if k.all[i].Algorithm == algorithm && !k.all[i].NotBefore.After(now) {
			return k.all[i], nil
		}
	}
	return signingKey{}, fault.New(fault.Unavailable, "the signing keys are not ready yet").WithHint("try again in a few seconds")
}

// published returns the public halves: of the keys that sign, of those that will, and of those
// that did not long ago.
func (k *keys) published() jose.JSONWebKeySet {
	k.mu.RLock()
	defer k.mu.RUnlock()
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, v := range k.all {
		set.Keys = append(set.Keys, v.public)
	}
	return set
}

// RotateKeys makes the keys that are missing or will be soon, forgets old ones, and learns of
// those that other servers made. It does nothing when there is nothing to do.
func (i *Issuer) RotateKeys(ctx context.Context) error {
	if err := i.loadKeys(ctx); err != nil {
		return err
	}
	now, made, before := i.now(), false, i.now().Add(-keyKept)
	for _, algorithm := range []string{es256, rs256} { // the quick one first
		begins, ok := i.nextKey(algorithm, now)
		if ok {
			if err := i.makeKey(ctx, algorithm, begins); err != nil {
				return err
			}
			made = true
		}
		if v, err := i.keys.signer(algorithm, now); err == nil && v.RetiredAt.Before(before) {
			before = v.RetiredAt // overdue, but it signs
		}
	}
	if err := i.c.Store.PurgeSigningKeys(ctx, before); err != nil {
		return fmt.Errorf("purge signing keys: %w", err)
	}
	if made {
		return i.loadKeys(ctx)
	}
	return nil
}

// nextKey tells when the next key of an algorithm must begin to sign, if it is time to make it.
// All servers find the same moment, so that the store can refuse the second.
func (i *Issuer) nextKey(algorithm string, now time.Time) (begins time.Time, ok bool) {
	i.keys.mu.RLock()
	defer i.keys.mu.RUnlock()
	var last time.Time
	for _, v := range i.keys.all {
		if v.Algorithm == algorithm {
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

func (i *Issuer) makeKey(ctx context.Context, algorithm string, begins time.Time) error {
	var private crypto.Signer
	var err error
	if algorithm == rs256 {
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return fmt.Errorf("make signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("encode signing key: %w", err)
	}
	k := session.SigningKey{ID: "key_" + rand.Text(), Algorithm: algorithm, Private: material.Secret(der), NotBefore: begins, RetiredAt: begins.Add(keyLife)}
	record := audit.By(identity.System(), i.now(), "signingkey.create", k.ID, "").With("algorithm", algorithm).With("signs_from", begins.Format(time.RFC3339))
	if _, err := i.c.Store.InsertSigningKey(ctx, k, record); err != nil {
		return fmt.Errorf("insert signing key: %w", err)
	}
	return nil // another server's key of the same time is as good
}

func (i *Issuer) loadKeys(ctx context.Context) error {
	stored, err := i.c.Store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("read signing keys: %w", err)
	}
	all := make([]signingKey, len(stored))
	for n, v := range stored {
		if all[n], err = openKey(v); err != nil {
			return err
		}
	}
	i.keys.mu.Lock()
	i.keys.all = all
	i.keys.mu.Unlock()
	return nil
}

func openKey(v session.SigningKey) (signingKey, error) {
	private, err := x509.ParsePKCS8PrivateKey([]byte(v.Private.Reveal()))
	if err != nil {
		return signingKey{}, fmt.Errorf("decode signing key %s: %w", v.ID, err)
	}
	holder, ok := private.(crypto.Signer)
	if !ok {
		return signingKey{}, fmt.Errorf("signing key %s cannot sign", v.ID)
	}
	algorithm := jose.SignatureAlgorithm(v.Algorithm)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: private, KeyID: v.ID}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return signingKey{}, fmt.Errorf("use signing key %s: %w", v.ID, err)
	}
	return signingKey{v, signer, jose.JSONWebKey{Key: holder.Public(), KeyID: v.ID, Algorithm: v.Algorithm, Use: "sig"}}, nil
}

// idToken says who signed in, to the client that asked (OpenID Connect Core §2).
func (i *Issuer) idToken(c *client, g login.Grant) (string, error) {
	now := i.now()
	key, err := i.keys.signer(c.Algorithm, now)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(g.Access.Reveal()))
	claims := who(g.Account, g.Session.Scopes)
	claims["iss"], claims["aud"], claims["azp"] = i.c.URL, c.ID, c.ID
	claims["iat"], claims["exp"] = now.Unix(), now.Add(idTokenLife).Unix()
	claims["auth_time"] = g.Session.AuthenticatedAt.Unix()
	claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	if g.Nonce != "" {
		claims["nonce"] = g.Nonce
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode ID token: %w", err)
	}
	signed, err := key.signer.Sign(text)
	if err != nil {
		return "", fmt.Errorf("sign ID token: %w", err)
	}
	return signed.CompactSerialize()
}
