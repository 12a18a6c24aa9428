package proxy

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

// intend begins a delegation: a key, and the request to sign.
func (k *Kind) intend(ctx context.Context, w Wanted) (credential.Made, error) {
	key, err := k.Keys.Take(ctx)
	if err != nil {
		return credential.Made{}, err
	}
	request, err := proxycert.Request(key)
	if err != nil {
		return credential.Made{}, err
	}
	spec := Spec{Way: Delegation, KeyPlace: AtServer, VOMS: w.VOMS, Limited: w.Limited}
	made, err := spec.made(publicID(), proxycert.Credential{Key: key}, string(request))
	made.Waits = true
	return made, err
}

// Complete implements credential.Completer. The answer is PEM: the chain that was signed for the
// request of the delegation, and for a renewal a newer one of the same identity.
func (k *Kind) Complete(ctx context.Context, c credential.Credential, s credential.State, answer string) (credential.Made, error) {
	spec, h, err := open(c, s)
	if err != nil {
		return credential.Made{}, err
	}
	if spec.Way != Delegation {
		return credential.Made{}, fault.New(fault.Invalid, "proxy %s waits for no chain: it came by the way %s", c.PublicID, spec.Way)
	}
	key, err := keyfile.Key([]byte(h.Key.Reveal()), nil)
	if err != nil {
		return credential.Made{}, fmt.Errorf("read the key of proxy %s: %w", c.PublicID, err)
	}
	done, err := answered(key, answer)
	if err != nil {
		return credential.Made{}, err
	}
	r, err := k.judge(done.Chain)
	if err != nil {
		return credential.Made{}, err
	}
	next := Spec{Way: Delegation, KeyPlace: AtServer, VOMS: spec.VOMS, Limited: spec.Limited}.describe(r)
	switch {
	case spec.Identity != "" && next.Identity != spec.Identity:
		return credential.Made{}, fault.New(fault.Invalid, "the chain is of %s, and the proxy of %s", next.Identity, spec.Identity).WithHint("sign with the same certificate, or make another delegation")
	case next.ChainExpiresAt.Before(spec.ChainExpiresAt):
		return credential.Made{}, fault.New(fault.Invalid, "the chain ends at %s, before the one that is held", next.ChainExpiresAt.Format(time.RFC3339)).WithHint("sign it for longer, or make another delegation")
	}
	if err := k.link(ctx, c.OwnerID, r.EndEntity); err != nil {
		return credential.Made{}, err
	}
	return next.made(c.PublicID, done, h.Request)
}

// answered joins the key with the chain that somebody sent for its request.
func answered(key crypto.Signer, answer string) (proxycert.Credential, error) {
	if strings.Contains(answer, "PRIVATE KEY-----") {
		return proxycert.Credential{}, fault.New(fault.Invalid, "there is a private key in the answer: nothing was stored").WithHint("send the certificates only")
	}
	if len(answer) > proxycert.MaxFile {
		return proxycert.Credential{}, fault.New(fault.Invalid, "the chain is larger than 1 MiB")
	}
	certs, err := keyfile.Certificates([]byte(answer))
	if err != nil {
		return proxycert.Credential{}, fault.New(fault.Invalid, "the chain cannot be read: %v", err).WithHint("send PEM: the proxy for the request, then what issued it")
	}
	c, err := proxycert.Complete(key, certs)
	if err != nil {
		return c, explain(err)
	}
	if len(c.Chain) == 1 {
		return c, fault.New(fault.Invalid, "the answer is a certificate, not a proxy").WithHint("sign the request with your own certificate: lanyard proxy delegate")
	}
	for i, p := range c.Chain {
		if info, err := proxycert.Inspect(p); err == nil && info.PathLength != nil && *info.PathLength < i+1 {
			return c, fault.New(fault.Invalid, "%s allows no further proxies below it, so that none could be handed out", dn.Slash(p.RawSubject)).WithHint("sign it without a path length")
		}
	}
	return c, nil
}

// link notes whose the certificate is. That it is somebody else's already, or needs no note because
// this server's own authority signed it, does not make the delegation worse.
func (k *Kind) link(ctx context.Context, accountID string, c *x509.Certificate) error {
	if k.Link == nil {
		return nil
	}
	err := k.Link(ctx, accountID, dn.Slash(c.RawSubject), dn.Slash(c.RawIssuer))
	if code := fault.CodeOf(err); code == fault.Conflict || code == fault.Invalid {
		return nil
	}
	return err
}
