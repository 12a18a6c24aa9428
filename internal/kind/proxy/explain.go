package proxy

import (
	"crypto"
	"errors"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/voms"
)

// explain turns what the packages about certificates refuse into a fault for people.
func explain(err error) error {
	if e, ok := errors.AsType[*proxycert.Error](err); ok {
		return fault.New(fault.Invalid, "%s", e.Error()).WithHint("%s", e.Hint())
	}
	if e, ok := errors.AsType[*voms.Error](err); ok {
		return fault.New(fault.Invalid, "%s", e.Error()).WithHint("%s", e.Hint())
	}
	if errors.Is(err, keyfile.ErrPassphrase) {
		return fault.New(fault.Invalid, "the private key does not open: the passphrase is wrong or missing").WithHint("a proxy's key has no passphrase; that of a certificate goes with the way secrets only")
	}
	return fault.New(fault.Invalid, "%v", err)
}

// reasonOf returns why an attribute certificate was refused.
func reasonOf(err error) voms.Reason {
	if e, ok := errors.AsType[*voms.Error](err); ok {
		return e.Reason
	}
	return ""
}

// aboutVO names the VO in what went wrong with its attributes. What is no fault is that of a server
// which does not work.
func aboutVO(vo string, err error) error {
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		g := fault.New(f.Code, "no attributes of VO %s: %s", vo, f.Message).WithHint("%s", f.Hint).WithCause(err)
		g.RetryAfter = f.RetryAfter
		return g
	}
	return fault.New(fault.Unavailable, "no attributes of VO %s: its server did not give any", vo).WithHint("try again later; if it lasts, ask the people who run the VO").WithCause(err)
}

func marshalKey(key crypto.Signer) (material.Secret, error) {
	text, err := keyfile.Marshal(key)
	return material.Secret(text), err
}
