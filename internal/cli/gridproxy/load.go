package gridproxy

import "github.com/lanyardhq/lanyard/proxycert"

// Load returns the credential that Init would sign with, asking for a passphrase if need be. Errors
// are of type *Error.
func Load(c Config, o Options) (proxycert.Credential, error) {
	r := newRun(c, o, nil)
	err := r.open()
	if err == nil {
		err = r.load(nil)
	}
	return r.issuer, err
}
