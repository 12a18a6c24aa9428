package vomsinfo

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/dropin"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// certificateText describes a certificate in the layout of OpenSSL, which the C program prints. Of
// key, signature and unknown extensions it tells the length only.
func certificateText(c *x509.Certificate) string {
	const date = "Jan _2 15:04:05 2006 GMT"
	var b strings.Builder
	fmt.Fprintf(&b, "Certificate:\n    Data:\n        Version: %d (0x%x)\n", c.Version, c.Version-1)
	fmt.Fprintf(&b, "        Serial Number: %s (0x%x)\n", c.SerialNumber, c.SerialNumber)
	fmt.Fprintf(&b, "        Signature Algorithm: %s\n", c.SignatureAlgorithm)
	fmt.Fprintf(&b, "        Issuer: %s\n", dropin.Safe(dn.RFC2253(c.RawIssuer)))
	fmt.Fprintf(&b, "        Validity\n            Not Before: %s\n            Not After : %s\n", stamp(c.NotBefore, date), stamp(c.NotAfter, date))
	fmt.Fprintf(&b, "        Subject: %s\n", dropin.Safe(dn.RFC2253(c.RawSubject)))
	fmt.Fprintf(&b, "        Subject Public Key Info:\n            Public Key Algorithm: %s\n                Public-Key: (%d bit)\n", c.PublicKeyAlgorithm, strength(c))
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		fmt.Fprintf(&b, "                Exponent: %d (0x%x)\n", key.E, key.E)
	case *ecdsa.PublicKey:
		fmt.Fprintf(&b, "                NIST CURVE: %s\n", key.Curve.Params().Name)
	}
	if len(c.Extensions) > 0 {
		b.WriteString("        X509v3 extensions:\n")
	}
	for _, e := range c.Extensions {
		name, text := extension(c, e.Id.String(), e.Value)
		critical := ""
		if e.Critical {
			critical = "critical"
		}
		fmt.Fprintf(&b, "            %s: %s\n                %s\n", name, critical, dropin.Safe(text))
	}
	fmt.Fprintf(&b, "    Signature Algorithm: %s\n    Signature: %d bytes\n", c.SignatureAlgorithm, len(c.Signature))
	return b.String()
}

func stamp(t time.Time, layout string) string { return t.UTC().Format(layout) }

// extension names an extension and tells its value.
func extension(c *x509.Certificate, id string, value []byte) (name, text string) {
	text = fmt.Sprintf("%d bytes", len(value))
	switch id {
	case "2.5.29.15":
		var words []string
		for bit, word := range usages {
			if c.KeyUsage&(1<<bit) != 0 {
				words = append(words, word)
			}
		}
		return "X509v3 Key Usage", strings.Join(words, ", ")
	case "2.5.29.19":
		return "X509v3 Basic Constraints", "CA:" + strings.ToUpper(fmt.Sprint(c.IsCA))
	case "2.5.29.14":
		return "X509v3 Subject Key Identifier", fmt.Sprintf("%X", c.SubjectKeyId)
	case "2.5.29.35":
		return "X509v3 Authority Key Identifier", fmt.Sprintf("%X", c.AuthorityKeyId)
	case "1.3.6.1.5.5.7.1.14":
		return "Proxy Certificate Information", constraint(c)
	case "1.3.6.1.4.1.8005.100.100.5":
		return "VOMS attribute certificates", text
	default:
		return id, text
	}
}

// constraint tells what a proxy may do.
func constraint(c *x509.Certificate) string {
	i := kindOf(c)
	length := "infinite"
	if i.PathLength != nil {
		length = fmt.Sprint(*i.PathLength)
	}
	language := i.Language.String()
	switch {
	case i.Language.Equal(proxycert.LanguageInheritAll):
		language = "Inherit all"
	case i.Language.Equal(proxycert.LanguageIndependent):
		language = "Independent"
	case i.Language.Equal(proxycert.LanguageAny):
		language = "Any language"
	case i.Limited:
		language = "Limited"
	}
	return "Path Length Constraint: " + length + ", Policy Language: " + language
}
