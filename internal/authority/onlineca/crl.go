package onlineca

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/vo"
)

// A list is good for a week, and made anew long before, so that those who fetch it now and then
// never hold one that is over.
const (
	crlLife  = 7 * 24 * time.Hour
	crlRenew = 24 * time.Hour
	onHold   = 6 // reason code certificateHold, RFC 5280 §5.3.1
)

// Strangers may fetch the list as often as they like. It is as old as this at most, and the database
// is asked no more often, nor waited for any longer.
const (
	PublishEvery = 2 * time.Second
	publishWait  = 5 * time.Second
)

// published is what CRL said last.
type published struct {
	mu  sync.Mutex
	der []byte
	err error
	at  time.Time
}

// Published returns the list as of now or of PublishEvery ago. Attribute authorities ask the
// database about each certificate besides.
func (a *CA) Published(ctx context.Context) ([]byte, error) {
	p := &a.published
	p.mu.Lock()
	defer p.mu.Unlock()
	now := a.c.Now()
	if age := now.Sub(p.at); !p.at.IsZero() && age >= 0 && age < PublishEvery {
		return p.der, p.err
	}
	// It is asked for others too, so it does not matter whether this caller leaves.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishWait)
	defer cancel()
	p.der, p.err = a.CRL(ctx)
	p.at = a.c.Now()
	return p.der, p.err
}

// CRL returns the certificate revocation list, DER, as of now. It is signed anew when something was
// revoked since the last one, and once a day.
func (a *CA) CRL(ctx context.Context) ([]byte, error) {
	for range 10 { // until no other server comes in between
		now := a.c.Now().UTC().Truncate(time.Second)
		revoked, err := a.c.Store.Revoked(ctx, now)
		if err != nil {
			return nil, err
		}
		digest := a.digest(revoked)
		last, err := a.c.Store.RevocationList(ctx, "ca")
		switch {
		case err == nil && last.Digest == digest && now.Sub(last.At) < crlRenew && !now.Before(last.At.Add(-crlRenew)):
			return last.DER, nil
		case err != nil && fault.CodeOf(err) != fault.NotFound:
			return nil, fmt.Errorf("read the revocation list: %w", err)
		}
		next := vo.RevocationList{Number: last.Number + 1, Digest: digest, At: now}
		if next.DER, err = a.signList(next, revoked); err != nil {
			return nil, err
		}
		done, err := a.c.Store.KeepRevocationList(ctx, "ca", next)
		if err != nil {
			return nil, err
		}
		if done {
			return next.DER, nil
		}
	}
	return nil, fault.New(fault.Unavailable, "the revocation list changes too fast").WithHint("try again")
}

// digest tells lists apart by what they say, and by who says it.
func (a *CA) digest(revoked []vo.Revocation) string {
	h := sha256.New()
	h.Write(a.root.Raw)
	for _, r := range revoked {
		fmt.Fprintf(h, "%s %d %t\n", r.Serial, r.At.Unix(), r.OnHold)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (a *CA) signList(l vo.RevocationList, revoked []vo.Revocation) ([]byte, error) {
	t := &x509.RevocationList{Number: big.NewInt(l.Number), ThisUpdate: l.At.Add(-backdate), NextUpdate: l.At.Add(crlLife),
		SignatureAlgorithm: x509.SHA256WithRSA}
	for _, r := range revoked {
		number, ok := new(big.Int).SetString(r.Serial, 16)
		if !ok {
			return nil, fmt.Errorf("sign the revocation list: %q is no serial number", r.Serial)
		}
		e := x509.RevocationListEntry{SerialNumber: number, RevocationTime: r.At}
		if r.OnHold {
			e.ReasonCode = onHold
		}
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries, e)
	}
	der, err := x509.CreateRevocationList(rand.Reader, t, a.root, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign the revocation list: %w", err)
	}
	return der, nil
}
