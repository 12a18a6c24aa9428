package voms

import (
	"crypto/x509"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/trust"
)

// Anchors say who may speak for which VO.
type Anchors struct {
	// Dir is the folder with VO/HOST.lsc files, usually /etc/grid-security/vomsdir.
	Dir string
	// Known holds further LSCs by "VO/host". Those in Dir are not asked for these names.
	Known map[string]LSC
}

// A Verifier decides whether an attribute certificate counts. Trust, Anchors and At are required.
type Verifier struct {
	Trust   *trust.Store
	Options trust.Options
	Anchors Anchors
	At      time.Time
	Hosts   []string // names of this host, short and full; for certificates that name their targets
}

// Verify checks that ac is valid and was issued to holder, the end-entity certificate below
// which the proxy was made. The caller has verified that certificate and the proxy. The error is
// an *Error.
func (v Verifier) Verify(ac *AC, holder *x509.Certificate) error { return errNotYet }
