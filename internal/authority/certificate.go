package authority

import (
	"context"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// LinkCertificate notes that certificates with these names, in slash form, are the account's, so
// that its rights go with them. By is the operator, or the account itself, which then has just
// proved to the caller that it holds the key. A certificate that is another account's is a Conflict
// fault.
func (a *Authority) LinkCertificate(ctx context.Context, by identity.Actor, accountID, subject, issuer string) error {
	c, err := a.link(ctx, by, accountID, subject, issuer)
	if err != nil {
		return err
	}
	r := audit.By(by, c.Since, "certificate.link", c.AccountID, "").With("subject", c.Subject).With("issuer", c.Issuer).With("source", c.Source)
	return a.c.Store.LinkCertificate(ctx, c, r)
}

// UnlinkCertificate takes a certificate away from an account.
func (a *Authority) UnlinkCertificate(ctx context.Context, by identity.Actor, accountID, subject, issuer string) error {
	c, err := a.link(ctx, by, accountID, subject, issuer)
	if err != nil {
		return err
	}
	r := audit.By(by, c.Since, "certificate.unlink", c.AccountID, "").With("subject", c.Subject).With("issuer", c.Issuer)
	return a.c.Store.UnlinkCertificate(ctx, c, r)
}

// ListCertificates returns the certificates of other authorities that are the account's.
func (a *Authority) ListCertificates(ctx context.Context, by identity.Actor, accountID string) ([]vo.Certificate, error) {
	if err := concerns(by, accountID); err != nil {
		return nil, err
	}
	if _, err := a.c.Store.Account(ctx, accountID); err != nil {
		return nil, err
	}
	return a.c.Store.Certificates(ctx, accountID)
}

// concerns lets the operator and the account itself pass.
func concerns(by identity.Actor, accountID string) error {
	if by.Operator || accountID != "" && by.AccountID == accountID {
		return nil
	}
	return fault.New(fault.Denied, "only the operator may do this").WithHint("ask the people who run this installation")
}

func (a *Authority) link(ctx context.Context, by identity.Actor, accountID, subject, issuer string) (vo.Certificate, error) {
	c := vo.Certificate{AccountID: accountID, Source: admin, Since: a.now()}
	if err := concerns(by, accountID); err != nil {
		return c, err
	}
	if !by.Operator {
		c.Source = "delegation"
	}
	for _, n := range []struct {
		text string
		to   *string
	}{{subject, &c.Subject}, {issuer, &c.Issuer}} {
		var err error
		if *n.to, err = vo.CheckDN(n.text); err != nil {
			return c, err
		}
	}
	if a.c.CA != nil && nameKey(dn.Slash(a.c.CA.Chain()[0].RawSubject)) == nameKey(c.Issuer) {
		return c, fault.New(fault.Invalid, "certificates of this server's own authority belong to accounts already")
	}
	_, err := a.c.Store.Account(ctx, accountID)
	return c, err
}
