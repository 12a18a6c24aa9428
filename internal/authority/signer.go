package authority

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert/trust"
)

// signers are the certificates of attribute authorities that were checked last, by VO. What was found
// holds for the same certificate, the same trusted authorities and the same second.
type signers struct {
	mu sync.Mutex
	by map[string]signer
}

type signer struct {
	given, pair *tls.Certificate // pair is given with its leaf parsed
	store       *trust.Store
	at          time.Time
}

// signer returns the key of a VO's attribute authority. Its certificate is checked before anything
// is signed that nobody would accept.
func (a *Authority) signer(v vo.VO, now time.Time) (*tls.Certificate, error) {
	key, ok := a.c.Keys[v.Name]
	if !ok {
		return nil, fmt.Errorf("there is no certificate for the attribute authority of %s", v.Name)
	}
	given, err := key()
	if err != nil {
		return nil, fmt.Errorf("certificate of the attribute authority of %s: %w", v.Name, err)
	}
	store, err := a.c.Trust()
	if err != nil {
		return nil, fmt.Errorf("read the trusted authorities: %w", err)
	}
	a.signers.mu.Lock()
	defer a.signers.mu.Unlock()
	if s, ok := a.signers.by[v.Name]; ok && s.given == given && s.store == store && s.at.Equal(now) {
		return s.pair, nil
	}
	pair, err := a.checked(given, store, now)
	if err != nil {
		return nil, fmt.Errorf("certificate of the attribute authority of %s: %w", v.Name, err)
	}
	if a.signers.by == nil {
		a.signers.by = map[string]signer{}
	}
	a.signers.by[v.Name] = signer{given, pair, store, now}
	return pair, nil
}

// checked returns the pair with its leaf parsed, if its certificate is in order.
func (a *Authority) checked(pair *tls.Certificate, store *trust.Store, now time.Time) (*tls.Certificate, error) {
	var chain []*x509.Certificate
	for i, der := range pair.Certificate {
		c := pair.Leaf
		if i > 0 || c == nil {
			var err error
			if c, err = x509.ParseCertificate(der); err != nil {
				return nil, err
			}
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, errors.New("there is none")
	}
	if _, err := store.Verify(chain, now, a.c.Options); err != nil {
		return nil, err
	}
	if pair.Leaf == nil {
		pair = &tls.Certificate{Certificate: pair.Certificate, PrivateKey: pair.PrivateKey, Leaf: chain[0]}
	}
	return pair, nil
}
