package proxycert

import (
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"
)

// A Template says what proxy to make. NotBefore and NotAfter are required.
type Template struct {
	// Kind None means that of the issuer if it is a proxy, else RFC. Kinds cannot be mixed.
	Kind Kind
	// Limited makes a limited proxy. Below a limited proxy every proxy is limited, asked for or not.
	Limited bool
	// Independent makes a proxy without any right of its issuer.
	Independent bool
	// Language and Policy are for other policy languages; nil Language means inherit-all.
	Language asn1.ObjectIdentifier
	Policy   []byte
	// PathLength is how many proxies may stand below the new one; nil means as many as you like.
	PathLength *int
	// NotBefore is 5 minutes before now with the common tools, because clocks differ. NotAfter is
	// cut to the end of the issuer's chain.
	NotBefore, NotAfter time.Time
	// Attributes is the value of the VOMS extension, nil for none.
	Attributes []byte
	// Extra extensions stand behind the VOMS extension.
	Extra []pkix.Extension
}

// Create returns a new proxy certificate for public in DER.
func Create(issuer Credential, public crypto.PublicKey, t Template) ([]byte, error) {
	return nil, errNotYet
}

// New makes a proxy around key.
func New(issuer Credential, key crypto.Signer, t Template) (Credential, error) {
	return Credential{}, errNotYet
}
