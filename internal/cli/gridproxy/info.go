package gridproxy

import (
	"errors"
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms"
)

// Info is all that a proxy file says, without any verdict.
type Info struct {
	Path       string
	Credential proxycert.Credential
	Proxy      proxycert.Info // of the leaf
	NotAfter   time.Time      // when the first of the chain ends
	ACs        []voms.Parsed
}

// Read reads the proxy file at path; empty: where Init would write it.
func Read(c Config, path string) (Info, error) {
	return Info{}, errors.New("not written yet")
}
