package proxycert

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

// A Template says what proxy to make. NotBefore and NotAfter are required; the rest may stay zero,
// which makes a full RFC 3820 proxy that may be delegated further.
type Template struct {
	// Kind None means that of the issuer if it is a proxy, else RFC. Kinds cannot be mixed.
	Kind Kind
	// Limited makes a limited proxy. Below a limited proxy every proxy is limited, whether asked
	// for or not.
	Limited bool
	// Independent makes a proxy without any right of its issuer.
	Independent bool
	// Language and Policy are for other policy languages. Policy needs a Language.
	Language asn1.ObjectIdentifier
	Policy   []byte
	// PathLength is how many proxies may stand below the new one; nil means any number.
	PathLength *int
	// NotBefore is 5 minutes before now with the common tools, because clocks differ. NotAfter is
	// cut to the end of the issuer's chain. Both are cut to whole seconds.
	NotBefore, NotAfter time.Time
	// Attributes is the value of the VOMS extension; nil for none.
	Attributes []byte
	// Extra extensions stand behind that of VOMS. None of those that Create makes may be among them.
	Extra []pkix.Extension
}

// Create returns a new proxy certificate for public, in DER, signed by issuer's key. Extensions,
// their order and all encodings are those of the C tools; the signature's hash is that of the
// issuing certificate's own signature, but at least SHA-256.
//
// It never makes what a Verifier would refuse because of the chain above: a proxy longer than its
// issuer is cut, and one that the issuer does not allow is refused with an *Error (Reason
// PathLength, MixedKinds, Unlimited, KeyUsage, Constraint, Expired, KeyMismatch, Algorithm).
func Create(issuer Credential, public crypto.PublicKey, t Template) ([]byte, error) {
	if err := issuer.mayIssue(); err != nil {
		return nil, err
	}
	info, err := t.below(issuer)
	if err != nil {
		return nil, err
	}
	if weakness := weak(public, weakestRSA); weakness != "" {
		return nil, &Error{Reason: Algorithm, Detail: weakness}
	}
	from, to := t.NotBefore.UTC().Truncate(time.Second), t.NotAfter.UTC().Truncate(time.Second)
	if end := issuer.NotAfter(); end.Before(to) {
		to = end.UTC()
	}
	if !to.After(from) {
		return nil, refuse(Expired, issuer.Chain[0], "it ended at %s", to.Format(time.RFC3339))
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encode the proxy's key: %w", err)
	}
	parent := issuer.Chain[0]
	serial := new(big.Int).Abs(parent.SerialNumber) // old tools made negative ones
	if info.Kind != Legacy {
		n := number(spki)
		info.Name, serial = strconv.FormatUint(n, 10), new(big.Int).SetUint64(n)
	}
	extensions, err := t.extensions(parent, info)
	if err != nil {
		return nil, err
	}
	subject, err := subjectBelow(parent.RawSubject, info.Name)
	if err != nil {
		return nil, err
	}
	c := tbsCertificate{Version: 2, Serial: serial, Issuer: asn1.RawValue{FullBytes: parent.RawSubject},
		Subject: asn1.RawValue{FullBytes: subject}, PublicKey: asn1.RawValue{FullBytes: spki}, Extensions: extensions}
	c.Validity.NotBefore, c.Validity.NotAfter = from, to
	return c.sign(issuer.Key, parent.SignatureAlgorithm)
}

// New makes a proxy around key. The result's chain is the new certificate and the issuer's chain.
func New(issuer Credential, key crypto.Signer, t Template) (Credential, error) {
	if key == nil {
		return Credential{}, errors.New("a proxy needs a key")
	}
	chain, err := issue(issuer, key.Public(), t)
	if err != nil {
		return Credential{}, err
	}
	return Credential{Chain: chain, Key: key}, nil
}

// issue makes a proxy for public and puts it before the issuer's chain.
func issue(issuer Credential, public crypto.PublicKey, t Template) ([]*x509.Certificate, error) {
	der, err := Create(issuer, public, t)
	if err != nil {
		return nil, err
	}
	c, err := keyfile.Certificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the new proxy: %w", err)
	}
	return append([]*x509.Certificate{c}, issuer.Chain...), nil
}

// mayIssue checks what does not depend on the proxy that is asked for.
func (c Credential) mayIssue() error {
	if len(c.Chain) == 0 {
		return refuse(Incomplete, nil, "there is no certificate to make a proxy from")
	}
	parent := c.Chain[0]
	switch {
	case c.Key == nil || !sameKey(parent.PublicKey, c.Key.Public()):
		return refuse(KeyMismatch, parent, "")
	case isCA(parent):
		return refuse(Constraint, parent, "an authority cannot issue proxies")
	case !digitalSignature(parent):
		return refuse(KeyUsage, parent, "it has no digitalSignature")
	}
	above := Info{}
	for i := len(c.Chain) - 1; i >= 0; i-- {
		info, err := Inspect(c.Chain[i])
		if err == nil {
			err = follows(c.Chain[i], info, above, i+1) // the new proxy is below all
		}
		if err != nil {
			return err
		}
		above = info
	}
	return nil
}

// below says what the proxy will be when it is made from issuer: the kind stays the same, and
// limited stays limited.
func (t Template) below(issuer Credential) (Info, error) {
	above, err := Inspect(issuer.Chain[0])
	if err != nil {
		return Info{}, err
	}
	info := Info{Kind: t.Kind, Limited: t.Limited || issuer.Limited(), Language: t.Language, Policy: t.Policy, PathLength: t.PathLength}
	if info.Kind == None {
		info.Kind = above.Kind
	}
	if info.Kind == None {
		info.Kind = RFC
	}
	if err := t.consistent(info.Kind); err != nil {
		return Info{}, err
	}
	switch {
	case above.Kind != None && above.Kind != info.Kind:
		return Info{}, refuse(MixedKinds, issuer.Chain[0], "it is a %s proxy and a %s proxy is asked for", above.Kind, info.Kind)
	case issuer.Limited() && (t.Independent || t.Language != nil):
		return Info{}, refuse(Unlimited, issuer.Chain[0], "")
	}
	info.settle(t.Independent)
	return info, nil
}

// settle gives a proxy the name or the language that says what it is.
func (i *Info) settle(independent bool) {
	switch {
	case i.Kind == Legacy && i.Limited:
		i.Name = legacyLimited
	case i.Kind == Legacy:
		i.Name = legacyFull
	case independent:
		i.Language = LanguageIndependent
	case i.Limited:
		i.Language = LanguageLimited
	case i.Language == nil:
		i.Language = LanguageInheritAll
	}
}

// consistent says what in t contradicts itself, for a proxy of the given kind.
func (t Template) consistent(k Kind) error {
	policy := t.Independent || t.Language != nil
	switch {
	case t.NotBefore.IsZero() || !t.NotAfter.After(t.NotBefore):
		return errors.New("the proxy's end must be after its beginning")
	case t.Limited && policy, t.Independent && t.Language != nil:
		return errors.New("a proxy is limited, independent or under a policy language: ask for one of these")
	case t.Policy != nil && (t.Language == nil || t.Language.Equal(LanguageInheritAll)):
		return errors.New("a policy needs a policy language of its own")
	case t.PathLength != nil && *t.PathLength < 0:
		return errors.New("a path length is 0 or more")
	case k == Legacy && (policy || t.PathLength != nil):
		return errors.New("a legacy proxy is full or limited: it has neither policy nor path length")
	}
	return nil
}
