package proxycert

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"slices"

	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// order walks from leaf up to the first certificate that is no proxy. It returns the way, which
// ends early if an issuer is missing, and the certificates of others that do not stand on it.
func order(leaf *x509.Certificate, others []*x509.Certificate) (chain, rest []*x509.Certificate) {
	chain, rest = []*x509.Certificate{leaf}, slices.Clone(others)
	for c := leaf; kind(c) != None; {
		i := issuerOf(c, rest)
		if i < 0 {
			break
		}
		c = rest[i]
		chain, rest = append(chain, c), slices.Delete(rest, i, i+1)
	}
	return chain, rest
}

// issuerOf returns the index of c's issuer, -1 if there is none. Renewed certificates have the same
// subject as the old ones: among several the signature decides.
func issuerOf(c *x509.Certificate, from []*x509.Certificate) int {
	var named []int
	for i, p := range from {
		if sameName(c.RawIssuer, p.RawSubject) {
			named = append(named, i)
		}
	}
	switch len(named) {
	case 0:
		return -1
	case 1:
		return named[0]
	}
	named = named[:min(len(named), 4)] // nobody needs more, and signatures take time
	if i := slices.IndexFunc(named, func(i int) bool { return signedBy(c, from[i]) == nil }); i >= 0 {
		return named[i]
	}
	return named[0]
}

// signedBy says whether parent's key made c's signature. It looks at keys of bounded size only,
// because the time that a signature takes grows with the cube of the key.
func signedBy(c, parent *x509.Certificate) error {
	if weakness := weak(parent.PublicKey, weakestRSA); weakness != "" {
		return refuse(Algorithm, parent, "%s", weakness)
	}
	if err := parent.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
		return &Error{Reason: Signature, Subject: slashOf(c), cause: err}
	}
	return nil
}

// kind is that of c, also where c's proxyCertInfo cannot be read.
func kind(c *x509.Certificate) Kind {
	info, _ := Inspect(c) // the error is for those who judge; the kind is there in any case
	return info.Kind
}

// authority reports whether c is the certificate of an authority and so belongs into a trust
// directory, not into a proxy's chain.
func authority(c *x509.Certificate) bool {
	return isCA(c) || bytes.Equal(c.RawSubject, c.RawIssuer)
}

// assemble makes a credential of certificates in any order and a key, which may be nil. It says
// what is missing and what is too much, and leaves out authorities.
func assemble(certs []*x509.Certificate, key crypto.Signer) (Credential, error) {
	var distinct []*x509.Certificate
	for _, c := range certs {
		if !slices.ContainsFunc(distinct, c.Equal) {
			distinct = append(distinct, c)
		}
	}
	leaf, err := findLeaf(distinct, key)
	if err != nil {
		return Credential{}, err
	}
	chain, rest := order(leaf, slices.DeleteFunc(distinct, leaf.Equal))
	if last := chain[len(chain)-1]; kind(last) != None {
		return Credential{}, refuse(Incomplete, last, "the certificate that issued it is missing")
	}
	for _, c := range rest {
		switch {
		case kind(c) != None && key != nil:
			return Credential{}, refuse(KeyMismatch, c, "the key is that of %q", slashOf(leaf))
		case kind(c) != None || !authority(c):
			return Credential{}, refuse(Unrelated, c, "the chain is that of %q", slashOf(leaf))
		}
	}
	return Credential{Chain: chain, Key: key}, nil
}

// findLeaf returns the certificate that key belongs to. Without a key it is a proxy that issued no
// other, and where there are no proxies the first certificate that is no authority's.
func findLeaf(certs []*x509.Certificate, key crypto.Signer) (*x509.Certificate, error) {
	rank := func(c *x509.Certificate) int {
		proxy := kind(c) != None
		switch {
		case key != nil && !sameKey(c.PublicKey, key.Public()), key == nil && !proxy && authority(c):
			return 0
		case slices.ContainsFunc(certs, func(p *x509.Certificate) bool {
			return p != c && kind(p) != None && sameName(p.RawIssuer, c.RawSubject)
		}):
			return 1
		case !proxy:
			return 2
		}
		return 3
	}
	var leaf *x509.Certificate
	best := 0
	for _, c := range certs {
		if r := rank(c); r > best {
			leaf, best = c, r
		}
	}
	switch {
	case leaf == nil && key != nil && len(certs) > 0:
		return nil, refuse(KeyMismatch, certs[0], "")
	case leaf == nil:
		return nil, refuse(Incomplete, nil, "there is no certificate of a person or a proxy")
	}
	return leaf, nil
}

func slashOf(c *x509.Certificate) string { return dn.Slash(c.RawSubject) }

func issuerSlash(c *x509.Certificate) string { return dn.Slash(c.RawIssuer) }

func sameKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
