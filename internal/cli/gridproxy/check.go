package gridproxy

import (
	"errors"
	"path/filepath"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
)

// defaultVomsDir is where LSC files are.
const defaultVomsDir = "/etc/grid-security/vomsdir"

// CertDir is the folder of trusted authorities: the given one, X509_CERT_DIR, ~/.globus/certificates
// if it is there, /etc/grid-security/certificates, $GLOBUS_LOCATION/share/certificates.
func CertDir(c Config, given string) string {
	if d := first(given, c.Getenv("X509_CERT_DIR")); d != "" {
		return d
	}
	if own := filepath.Join(c.Home, ".globus", "certificates"); exists(own) {
		return own
	}
	const system = "/etc/grid-security/certificates"
	if g := c.Getenv("GLOBUS_LOCATION"); g != "" && !exists(system) {
		return filepath.Join(g, "share", "certificates")
	}
	return system
}

// check verifies what was made, as a service would. The proxy stays where it is.
func (r *run) check() error {
	if r.Verify {
		if err := r.checkChain(); err != nil {
			return err
		}
	}
	if r.DontVerifyAC || len(r.result.ACs) == 0 {
		return nil
	}
	store, err := r.trusted()
	if err != nil {
		return err
	}
	v := voms.Verifier{Trust: store, Anchors: voms.Anchors{Dir: first(r.VomsDir, r.Getenv("X509_VOMS_DIR"), defaultVomsDir)}, At: r.now, Hosts: r.Hosts}
	if r.Anchors != nil {
		v.Anchors = *r.Anchors
	}
	var bad *Error
	for i := range r.result.ACs {
		ac := &r.result.ACs[i]
		ac.Err = v.Verify(ac.AC, r.issuer.EndEntity())
		if ac.Err == nil || bad != nil {
			continue
		}
		bad = &Error{Reason: BadAC, Alias: ac.Alias, Path: r.result.Path,
			Fault: fault.New(fault.Conflict, "the attributes of %s do not verify here: %v", ac.Alias, ac.Err).WithCause(ac.Err)}
		if e, ok := errors.AsType[*voms.Error](ac.Err); ok {
			bad.Fault = bad.Fault.WithHint("%s", e.Hint())
		}
	}
	if bad != nil {
		return bad
	}
	return nil
}

func (r *run) checkChain() error {
	store, err := r.trusted()
	if err != nil {
		return err
	}
	v := proxycert.Verifier{Trust: store, At: r.now, AllowLegacy: true, AllowDraft: true, AllowIndependent: true}
	if _, err := v.Verify(r.result.Credential.Chain); err != nil {
		f := fault.New(fault.Conflict, "services will refuse the proxy: %v", err).WithCause(err)
		if t, ok := errors.AsType[*trust.Error](err); ok {
			f = f.WithHint("%s", trustAdvice(t))
		} else if p, ok := errors.AsType[*proxycert.Error](err); ok {
			f = f.WithHint("%s", p.Hint())
		}
		return &Error{Reason: BadChain, Path: r.result.Path, Fault: f}
	}
	return nil
}

// trustAdvice says what to do about a certificate that is not trusted.
func trustAdvice(e *trust.Error) string {
	switch e.Reason {
	case trust.UnknownCA:
		return "install its authority's certificate in the folder of trusted authorities"
	case trust.Expired:
		return "have the certificate renewed; if it should be valid, set the clock of this machine"
	case trust.NotYetValid:
		return "set the clock of this machine"
	case trust.Revoked:
		return "ask the authority for a new certificate"
	case trust.CRLExpired:
		return "have the revocation lists fetched again: fetch-crl"
	default:
		return "ask the authority that issued it"
	}
}
