package gridproxy

import (
	"cmp"
	"crypto/x509"
	"errors"
	"io/fs"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/voms"
)

// Info is all that a proxy file says, without any verdict.
type Info struct {
	Path string
	// Chain is the leaf, then its issuers up to the end-entity. If Problem is set, it is what was
	// found in the file, in its order.
	Chain    []*x509.Certificate
	Proxy    proxycert.Info // of the leaf
	Identity string         // of the end-entity, slash form; "" where the chain does not reach it
	Limited  bool
	NotAfter time.Time // when the first of the chain ends
	ACs      []voms.Parsed
	// Problem is why the file is no proxy as it should be; nil mostly.
	Problem error
}

// Read reads the proxy file at path; empty: where Init would write it. It fails only where no
// certificate can be read; whatever else is wrong is kept in Problem.
func Read(c Config, path string) (Info, error) {
	i := Info{Path: ProxyPath(c, path)}
	data, err := readFile(i.Path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = &Error{Reason: NoProxy, Path: i.Path,
				Fault: fault.New(fault.NotFound, "there is no proxy file %s", i.Path).WithHint("make one").WithCause(err)}
		}
		return i, err
	}
	cred, err := proxycert.Parse(data, nil)
	if err != nil {
		i.Problem = err
		if cred.Chain, err = keyfile.Certificates(data); err != nil || len(cred.Chain) == 0 {
			return i, unreadable(i.Path, cmp.Or(err, i.Problem))
		}
	}
	i.Chain, i.Identity, i.Limited, i.NotAfter = cred.Chain, cred.Identity(), cred.Limited(), cred.NotAfter()
	if i.Proxy, err = proxycert.Inspect(i.Chain[0]); err != nil && i.Problem == nil {
		i.Problem = err
	}
	if i.ACs, err = voms.FromChain(i.Chain); err != nil {
		i.ACs = []voms.Parsed{{Err: err}}
	}
	return i, nil
}
