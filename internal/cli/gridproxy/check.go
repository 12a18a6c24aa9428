package gridproxy

import (
	"errors"
	"os"
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

// TrustDirs are the folders in which this machine keeps authorities and LSC files, each "" if it is
// not there and nobody has named it.
func TrustDirs(c Config) (certDir, vomsDir string) {
	if dir := CertDir(c, ""); c.Getenv("X509_CERT_DIR") != "" || exists(dir) {
		certDir = dir
	}
	if dir := lscDir(c, ""); c.Getenv("X509_VOMS_DIR") != "" || exists(dir) {
		vomsDir = dir
	}
	return certDir, vomsDir
}

// CheckFolders looks whether the folders of trusted authorities and of LSC files are there, as far
// as o needs them from files.
func CheckFolders(c Config, o Options) error {
	if dir := CertDir(c, o.CertDir); o.Trust == nil {
		if _, err := os.ReadDir(dir); err != nil {
			return noAuthorities(dir, err)
		}
	}
	if dir := lscDir(c, o.VomsDir); o.Anchors == nil && len(o.VOs) > 0 && !o.DontVerifyAC {
		if _, err := os.ReadDir(dir); err != nil {
			return &Error{Reason: VomsDir, Path: dir,
				Fault: fault.New(fault.NotFound, "the folder %s, which says who may speak for which VO, cannot be read", dir).
					WithHint("install the LSC files of your VOs there, or name another folder with --vomsdir or X509_VOMS_DIR").WithCause(err)}
		}
	}
	return nil
}

func lscDir(c Config, given string) string {
	return first(given, c.Getenv("X509_VOMS_DIR"), defaultVomsDir)
}

func noAuthorities(dir string, err error) *Error {
	return &Error{Reason: TrustAnchors, Path: dir,
		Fault: fault.New(fault.NotFound, "the trusted authorities in %s cannot be read", dir).
			WithHint("install the certificates of the grid's authorities there, or name another folder with --certdir or X509_CERT_DIR").WithCause(err)}
}

// check verifies what was made, as a service would. The proxy stays where it is.
func (r *run) check() error {
	if r.Verify {
		if err := r.checkChain(r.result.Credential, r.result.Path); err != nil {
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
	v := voms.Verifier{Trust: store, Anchors: voms.Anchors{Dir: lscDir(r.Config, r.VomsDir)}, At: r.now, Hosts: r.Hosts}
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

// checkChain verifies a credential up to its authority. Path is the file that it is in, if it is the
// new one.
func (r *run) checkChain(c proxycert.Credential, path string) error {
	store, err := r.trusted()
	if err != nil {
		return err
	}
	v := proxycert.Verifier{Trust: store, At: r.now, AllowLegacy: true, AllowDraft: true, AllowIndependent: true}
	if _, err := v.Verify(c.Chain); err != nil {
		f := fault.New(fault.Conflict, "services will refuse this certificate: %v", err).WithCause(err)
		if t, ok := errors.AsType[*trust.Error](err); ok {
			f = f.WithHint("%s", trustAdvice(t))
		} else if p, ok := errors.AsType[*proxycert.Error](err); ok {
			f = f.WithHint("%s", p.Hint())
		}
		return &Error{Reason: BadChain, Path: path, Fault: f}
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
