package voms

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

// Anchors say who may speak for which VO. The zero value lets nobody.
type Anchors struct {
	// Dir is the folder of VO/HOST.lsc files, usually /etc/grid-security/vomsdir. Where none of
	// them fits, VO/*.pem may hold the authority's certificate itself.
	Dir string
	// Known has further LSCs by "VO/HOST". For these names Dir is not looked at.
	Known map[string]LSC
}

const (
	maxPEM     = 1 << 20 // bytes
	maxPEMs    = 64      // files of one VO
	getLSCHint = "Get the file from those who run the VO and put it there; many VOs have a software package with it."
)

// chains returns the certificate chains, the authority's own certificate first, one of which must
// have signed ac: the one that ac brings along, if an LSC vouches for it, or else certificates
// that are kept for this VO. It reads only what belongs to this VO, so that a broken file takes
// away no other.
func (a Anchors) chains(ac *AC) ([][]*x509.Certificate, *Error) {
	if lsc, ok := a.Known[ac.VO+"/"+ac.Host]; ok {
		if !lsc.Match(ac.Certificates) {
			return nil, ac.foreign("what is known of the VO")
		}
		return [][]*x509.Certificate{ac.Certificates}, nil
	}
	if a.Dir == "" {
		return nil, ac.refuse(NoAnchor, getLSCHint, "cannot be checked: nothing says who may speak for this VO on %s", ac.Host)
	}
	path, err := LSCPath(a.Dir, ac.VO, ac.Host)
	if err != nil {
		return nil, ac.refuse(NoAnchor, "", "cannot be checked: %v", err)
	}
	lsc, err := readLSC(path)
	if err == nil && lsc.Match(ac.Certificates) {
		return [][]*x509.Certificate{ac.Certificates}, nil
	}
	if kept := ac.kept(filepath.Dir(path)); len(kept) > 0 {
		return kept, nil
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ac.refuse(NoAnchor, getLSCHint, "cannot be checked: there is no file %s", path)
	case err != nil:
		e := ac.refuse(NoAnchor, "Replace the file. "+getLSCHint, "cannot be checked: %v", err)
		e.Err = err
		return nil, e
	}
	return nil, ac.foreign(path)
}

// foreign says that ac's authority is not the one that source names.
func (ac *AC) foreign(source string) *Error {
	if len(ac.Certificates) == 0 {
		return ac.refuse(AnchorMismatch, "", "does not bring the authority's certificate along, so %s cannot vouch for it", source)
	}
	var names []string
	for _, c := range ac.Certificates {
		names = append(names, fmt.Sprintf("%s (issued by %s)", dn.Slash(c.RawSubject), dn.Slash(c.RawIssuer)))
	}
	return ac.refuse(AnchorMismatch, "If the VO's server has a new certificate or a new authority, get the current LSC file from the VO.",
		"was signed by %s, which is not whom %s names", strings.Join(names, ", "), source)
}

func readLSC(path string) (LSC, error) {
	text, err := readFile(path, maxLSC+1)
	if err != nil {
		return LSC{}, err
	}
	lsc, err := ParseLSC(text)
	if err != nil {
		return LSC{}, fmt.Errorf("%s: %w", path, err)
	}
	return lsc, nil
}

// readFile returns at most limit bytes of a file.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's folder, and names that cannot lead out of it
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// kept returns the chains that begin with a certificate from a .pem file in dir, the folder of
// ac's VO, that has the name of ac's issuer. Those of other VOs are not asked. Whoever needs a file
// that cannot be read learns that no LSC vouches for the authority.
func (ac *AC) kept(dir string) (chains [][]*x509.Certificate) {
	names, _ := fs.Glob(os.DirFS(dir), "*.pem")
	for _, name := range names[:min(len(names), maxPEMs)] {
		text, err := readFile(filepath.Join(dir, name), maxPEM)
		if err != nil {
			continue
		}
		certs, err := keyfile.Certificates(text)
		if err != nil {
			continue
		}
		for _, c := range certs {
			if sameName(c.RawSubject, ac.RawIssuer) {
				chains = append(chains, append([]*x509.Certificate{c}, ac.Certificates...))
			}
		}
	}
	return chains
}
