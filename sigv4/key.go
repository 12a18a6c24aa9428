package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"
)

// signingKey is a derived key, which is good for one secret, day, region and service. It hands out
// workspaces that have the key built in: starting an HMAC anew costs more than the rest of it.
type signingKey struct{ idle sync.Pool }

func deriveKey(secret, date, region string) *signingKey {
	key := []byte("AWS4" + secret)
	for _, part := range []string{date, region, "s3", "aws4_request"} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return &signingKey{sync.Pool{New: func() any {
		return &workspace{mac: hmac.New(sha256.New, key), buf: make([]byte, 0, 1024)}
	}}}
}

func (k *signingKey) take() *workspace { return k.idle.Get().(*workspace) }

// give takes a workspace back, unless a huge request has blown it up.
func (k *signingKey) give(w *workspace) {
	if cap(w.buf)+cap(w.text) <= 16<<10 {
		k.idle.Put(w)
	}
}

// workspace is what one signature needs of memory.
type workspace struct {
	mac    hash.Hash
	buf    []byte
	text   []byte
	params []param
	sum    [sha256.Size]byte
}

// sign returns the HMAC of text, which is valid until the next call.
func (w *workspace) sign(text []byte) []byte {
	w.mac.Reset()
	w.mac.Write(text)
	return w.mac.Sum(w.sum[:0])
}

// appendStringToSign appends the four lines that are signed in place of the canonical request.
func appendStringToSign(b []byte, timestamp, scope string, canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	b = appendLines(b, algorithm, timestamp, scope)
	return hex.AppendEncode(b, sum[:])
}

// generation is half of the number of derived keys that are kept. Each takes up to some kilobytes;
// one that is missing costs five microseconds.
const generation = 1024

// keyCache keeps the derived keys that were used last, in two generations: what is used moves to
// the young one, and when that is full the old one goes. Strangers can fill it with made-up
// regions, which costs the others a derivation and nothing else.
type keyCache struct {
	mu         sync.Mutex
	young, old map[keyID]*signingKey
}

// keyID is a hash of secret, day and region: another secret is another key, and the cache holds no
// copy of a secret that could outlive it or be printed.
type keyID [sha256.Size]byte

func (c *keyCache) get(secret, date, region string) *signingKey {
	var space [512]byte
	id := keyID(sha256.Sum256(append(appendLines(space[:0], date, region), secret...)))
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.young[id]
	if key != nil {
		return key
	}
	if key = c.old[id]; key == nil {
		key = deriveKey(secret, date, region)
	}
	if c.young == nil || len(c.young) >= generation {
		c.old, c.young = c.young, make(map[keyID]*signingKey)
	}
	c.young[id] = key
	return key
}
