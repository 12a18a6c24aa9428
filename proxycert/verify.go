package proxycert

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/trust"
)

// A Verifier decides whether a chain of proxies speaks for somebody. With the zero options it takes
// RFC 3820 proxies only, and is as strict as the standard and every known peer together.
type Verifier struct {
	// Trust is required.
	Trust   *trust.Store
	Options trust.Options
	// At is the moment that the decision is for.
	At time.Time
	// AllowLegacy and AllowDraft accept the older kinds.
	AllowLegacy, AllowDraft bool
	// AllowIndependent accepts proxies that hand on none of their issuer's rights, or only those
	// of a policy in a language that this package does not know. Result.Independent is true then,
	// and the identity may be used as a name only.
	AllowIndependent bool
}

// A Result is what a chain says. Verify fills it as far as it came, for display: it means something
// only if there was no error.
type Result struct {
	EndEntity *x509.Certificate
	Chain     []*x509.Certificate // from the leaf to the end-entity
	Path      []*x509.Certificate // from the end-entity to the trusted authority
	Identity  string              // subject of the end-entity in slash form
	Kind      Kind                // of the leaf; None for an end-entity without proxy
	// Limited is true if a proxy of the chain is limited: services refuse to start jobs for it.
	Limited bool
	// Independent is true if a proxy of the chain does not hand on its issuer's rights.
	Independent bool
	// ExpiresAt is when the first certificate ends, of chain and path.
	ExpiresAt time.Time
}

// Verify decides about a chain of certificates. chain[0] is the certificate whose key the peer has
// shown to hold; nobody else's can take its place. The others may come in any order, and may
// include authorities between the end-entity and a trusted one. The error is an *Error.
//
// The rules are those of RFC 3820 section 4 and these: kinds do not mix; below a limited proxy all
// are limited; a proxy has neither keyCertSign nor an alternative name; its proxyCertInfo is
// critical; MD5 never counts and SHA-1 only where the options allow it; what a chain holds beyond
// its own proxies is refused.
func (v Verifier) Verify(chain []*x509.Certificate) (Result, error) {
	if len(chain) == 0 {
		return Result{}, refuse(Incomplete, nil, "there is no certificate")
	}
	if len(chain) > MaxCertificates {
		return Result{}, refuse(Malformed, nil, "there are %d certificates; %d are the limit", len(chain), MaxCertificates)
	}
	var others []*x509.Certificate
	for _, c := range chain[1:] {
		if !c.Equal(chain[0]) && !slices.ContainsFunc(others, c.Equal) {
			others = append(others, c)
		}
	}
	ordered, rest := order(chain[0], others)
	r := describe(ordered)
	if r.EndEntity == nil {
		return r, refuse(Incomplete, ordered[len(ordered)-1], "the certificate that issued it is missing")
	}
	for _, c := range rest {
		if kind(c) != None {
			return r, refuse(Unrelated, c, "the chain is that of %q", slashOf(chain[0]))
		}
	}
	if err := v.proxies(ordered); err != nil {
		return r, err
	}
	if v.Trust == nil {
		return r, refuse(UnknownCA, r.EndEntity, "no authority is trusted")
	}
	path, err := v.Trust.Verify(append([]*x509.Certificate{r.EndEntity}, rest...), v.At, v.Options)
	if err != nil {
		return r, untrusted(err)
	}
	r.Path = path
	if end := (Credential{Chain: path}).NotAfter(); end.Before(r.ExpiresAt) {
		r.ExpiresAt = end
	}
	return r, nil
}

// describe fills what can be said of a chain before it is verified.
func describe(chain []*x509.Certificate) Result {
	c := Credential{Chain: chain}
	r := Result{EndEntity: c.EndEntity(), Chain: chain, Identity: c.Identity(), Kind: kind(chain[0]),
		Limited: c.Limited(), ExpiresAt: c.NotAfter()}
	for _, p := range chain {
		info, _ := Inspect(p)
		r.Independent = r.Independent || info.independent()
	}
	return r
}

// independent reports whether the proxy does not hand on its issuer's rights, as far as this
// package can know.
func (i Info) independent() bool {
	return (i.Kind == RFC || i.Kind == Draft) && !i.Language.Equal(LanguageInheritAll) && !i.Language.Equal(LanguageLimited)
}

// proxies verifies a chain from its end-entity, the last, down to the leaf, so that nothing is
// believed of a certificate before its issuer has been looked at.
func (v Verifier) proxies(chain []*x509.Certificate) error {
	last := len(chain) - 1
	if weakness := weak(chain[last].PublicKey, weakestRSA); weakness != "" {
		return refuse(Algorithm, chain[last], "%s", weakness)
	}
	if last > 0 && isCA(chain[last]) {
		return refuse(Constraint, chain[last], "an authority cannot issue proxies")
	}
	above := Info{}
	for i := last - 1; i >= 0; i-- {
		info, err := Inspect(chain[i])
		if err != nil {
			return err
		}
		if err := follows(chain[i], info, above, i); err != nil {
			return err
		}
		if err := v.allowed(chain[i], info); err != nil {
			return err
		}
		if err := v.issued(chain[i], chain[i+1]); err != nil {
			return err
		}
		above = info
	}
	return nil
}

// allowed checks what a proxy is by itself.
func (v Verifier) allowed(c *x509.Certificate, info Info) error {
	prefix, name := splitName(c.RawSubject)
	switch {
	case info.Kind == Legacy && !v.AllowLegacy, info.Kind == Draft && !v.AllowDraft:
		return refuse(BadKind, c, "it is a %s proxy", info.Kind)
	case name == "" || !sameName(prefix, c.RawIssuer):
		return refuse(BadName, c, "the issuer is %q", issuerSlash(c))
	case info.independent() && !v.AllowIndependent:
		return refuse(NoRights, c, "its policy language is %s", info.Language)
	case info.Language.Equal(LanguageInheritAll) && len(info.Policy) > 0:
		return refuse(Malformed, c, "it inherits all rights and has a policy besides")
	case isCA(c):
		return refuse(Constraint, c, "it is a proxy and says that it is an authority")
	case c.KeyUsage&x509.KeyUsageCertSign != 0:
		return refuse(KeyUsage, c, "it is a proxy and has keyCertSign")
	case extension(c, oidSubjectAltName) != nil || extension(c, oidIssuerAltName) != nil:
		return refuse(Constraint, c, "it is a proxy and has an alternative name")
	}
	if weakness := weak(c.PublicKey, weakestRSA); weakness != "" {
		return refuse(Algorithm, c, "%s", weakness)
	}
	return criticals(c)
}

// criticals checks that proxyCertInfo is critical, and that nothing else is but what this package
// acts on.
func criticals(c *x509.Certificate) error {
	understood := []asn1.ObjectIdentifier{oidProxyCertInfo, oidDraftProxyCertInfo, oidKeyUsage, oidBasicConstraints, oidExtKeyUsage}
	for _, e := range c.Extensions {
		switch {
		case !e.Critical && (e.Id.Equal(oidProxyCertInfo) || e.Id.Equal(oidDraftProxyCertInfo)):
			return refuse(Constraint, c, "its proxyCertInfo extension is not critical")
		case e.Critical && !slices.ContainsFunc(understood, e.Id.Equal):
			return refuse(CriticalExtension, c, "its extension %s is critical", e.Id)
		}
	}
	return nil
}

// follows checks a proxy against the one above it, whose Kind is None if that is the end-entity.
// There are below proxies below it.
func follows(c *x509.Certificate, info, above Info, below int) error {
	switch {
	case info.PathLength != nil && *info.PathLength < below:
		return refuse(PathLength, c, "it allows %d proxies below it and there are %d", *info.PathLength, below)
	case above.Kind != None && above.Kind != info.Kind:
		return refuse(MixedKinds, c, "it is a %s proxy below a %s proxy", info.Kind, above.Kind)
	case above.Limited && !info.Limited:
		return refuse(Unlimited, c, "")
	}
	return nil
}

// issued checks a proxy's time and signature.
func (v Verifier) issued(c, parent *x509.Certificate) error {
	switch {
	case v.At.Before(c.NotBefore):
		return refuse(NotYetValid, c, "it begins at %s", c.NotBefore.UTC().Format(time.RFC3339))
	case v.At.After(c.NotAfter):
		return refuse(Expired, c, "it ended at %s", c.NotAfter.UTC().Format(time.RFC3339))
	case !digitalSignature(parent):
		return refuse(KeyUsage, parent, "it issued a proxy without digitalSignature in its key usage")
	case !v.signatureAllowed(c.SignatureAlgorithm):
		return refuse(Algorithm, c, "its signature uses %s", c.SignatureAlgorithm)
	}
	return signedBy(c, parent)
}

func (v Verifier) signatureAllowed(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		return true
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1:
		return v.Options.AllowSHA1
	}
	return false
}

func isCA(c *x509.Certificate) bool { return c.BasicConstraintsValid && c.IsCA }

// digitalSignature reports whether c's key may sign proxies: RFC 3820 section 3.5 asks for it where
// there is a keyUsage extension at all.
func digitalSignature(c *x509.Certificate) bool {
	return extension(c, oidKeyUsage) == nil || c.KeyUsage&x509.KeyUsageDigitalSignature != 0
}
