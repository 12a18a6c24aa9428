package proxycert

import (
	"crypto/x509"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/trust"
)

// A Verifier decides whether a chain of proxies speaks for somebody. The zero options are the
// strictest: RFC 3820 proxies only, no SHA-1, no independent proxies.
type Verifier struct {
	Trust   *trust.Store
	Options trust.Options
	// At is the moment of the decision.
	At time.Time
	// AllowLegacy and AllowDraft accept the older kinds.
	AllowLegacy, AllowDraft bool
	// AllowIndependent accepts proxies that carry none of their issuer's rights, or rights that
	// only a policy tells. The caller must then look at Result.Independent.
	AllowIndependent bool
}

// A Result is what a chain says. Verify fills it as far as it came, for display; it means something
// only if there was no error.
type Result struct {
	EndEntity   *x509.Certificate
	Chain       []*x509.Certificate // from the leaf to the end-entity
	Path        []*x509.Certificate // from the end-entity to the trusted authority
	Identity    string              // subject of the end-entity in slash form
	Limited     bool
	Independent bool
	Kind        Kind // of the leaf
	ExpiresAt   time.Time
}

// Verify decides. chain[0] is the certificate whose key the peer has proved to hold; the others
// may come in any order.
func (v Verifier) Verify(chain []*x509.Certificate) (Result, error) { return Result{}, errNotYet }
