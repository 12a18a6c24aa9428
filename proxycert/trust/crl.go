package trust

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// revocations is a certificate revocation list (RFC 5280 §5).
type revocations struct {
	name        dn.Name // of the issuer
	from, until time.Time
	serials     map[string]struct{}
	list        *x509.RevocationList // without its entries
}

var oidDeltaCRLIndicator = asn1.ObjectIdentifier{2, 5, 29, 27}

// parseCRL reads a list in DER or PEM.
func parseCRL(data []byte) (*revocations, error) {
	if len(data) == 0 || data[0] != 0x30 {
		block, _ := pem.Decode(data)
		if block == nil || block.Type != "X509 CRL" {
			return nil, errors.New("no revocation list found")
		}
		data = block.Bytes
	}
	list, err := x509.ParseRevocationList(data)
	if err != nil {
		return nil, err
	}
	for _, e := range list.Extensions {
		if e.Id.Equal(oidDeltaCRLIndicator) {
			return nil, errors.New("a list of changes only (delta CRL) is not supported")
		}
	}
	r := &revocations{from: list.ThisUpdate, until: list.NextUpdate, list: list,
		serials: make(map[string]struct{}, len(list.RevokedCertificateEntries))}
	if r.name, err = dn.Of(list.RawIssuer); err != nil {
		return nil, err
	}
	for _, e := range list.RevokedCertificateEntries {
		r.serials[serialKey(e.SerialNumber)] = struct{}{}
	}
	// Long lists have the certificates of years: what is not needed goes.
	list.RevokedCertificateEntries, list.RevokedCertificates = nil, nil //nolint:staticcheck // filled by the parser all the same
	return r, nil
}

// serialKey is a serial number as a map key: its bytes, and its sign.
func serialKey(n *big.Int) string {
	if n.Sign() < 0 {
		return "-" + string(n.Bytes())
	}
	return "+" + string(n.Bytes())
}

// signedBy reports whether ca signed the list and may sign lists.
func (r *revocations) signedBy(ca *x509.Certificate) bool {
	if mayNot(ca, x509.KeyUsageCRLSign) || !affordable(ca.PublicKey) {
		return false
	}
	return ca.CheckSignature(r.list.SignatureAlgorithm, r.list.RawTBSRevocationList, r.list.Signature) == nil
}

// Clocks of authorities and of relying parties differ: a list may come from the near future.
const clockSkew = 5 * time.Minute

// revocation checks that a did not revoke c.
func (a *authority) revocation(c *x509.Certificate, at time.Time, required bool) *Error {
	r := a.revoked
	switch {
	case r == nil && a.badCRL:
		return refuse(CRLExpired, c, "the revocation list of %s cannot be used", a.name)
	case r == nil && required:
		return refuse(CRLExpired, c, "there is no revocation list of %s", a.name)
	case r == nil:
		return nil
	}
	if _, revoked := r.serials[serialKey(c.SerialNumber)]; revoked {
		return refuse(Revoked, c, "was revoked by %s", a.name)
	}
	if !r.until.IsZero() && at.After(r.until) {
		return refuse(CRLExpired, c, "the revocation list of %s expired on %s", a.name, stamp(r.until))
	}
	if at.Before(r.from.Add(-clockSkew)) {
		return refuse(CRLExpired, c, "the revocation list of %s is not valid before %s", a.name, stamp(r.from))
	}
	return nil
}

func refuse(why Reason, c *x509.Certificate, detail string, args ...any) *Error {
	return &Error{why, dn.Slash(c.RawSubject), fmt.Sprintf(detail, args...)}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
