package vomsinfo

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/dropin"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/voms"
)

// java prints as the Java program.
func (k *known) java() int {
	for _, p := range k.ACs {
		if p.Err != nil {
			k.Complain("%s\n", dropin.Safe(p.Err.Error()))
			return 1
		}
		k.acs = append(k.acs, p.AC)
	}
	all, chain := k.Has("all"), k.Has("chain")
	if all && !chain {
		k.javaStandard()
		k.javaACs()
		k.Print("\n")
	}
	if k.nothingAsked() {
		k.javaStandard()
	}
	k.javaNames(all)
	if chain {
		k.javaChain()
	}
	if k.Has("text") {
		k.javaText(all, chain)
	}
	if !all {
		k.value("strength", k.javaStrength())
		if k.Has("keyusage") {
			k.label("key usage", k.keyUsage(k.leaf))
		}
		k.value("timeleft", seconds(k.left(k.leaf.NotAfter)))
	}
	if err := k.javaACValues(all); err != nil {
		k.Complain("%s\n", dropin.Safe(err.Error()))
		return 1
	}
	if err := k.javaExists(all); err != nil {
		k.Complain("%s\n", dropin.Safe(err.Error()))
		return 1
	}
	return 0
}

// nothingAsked reports whether no option says what to print.
func (k *known) nothingAsked() bool {
	for name := range k.Given {
		switch name {
		case "file", "conf", "debug", "quiet", "dont-verify-ac":
		default:
			return false
		}
	}
	return true
}

func (k *known) javaStandard() {
	k.label("subject", javaName(dn.Slash(k.leaf.RawSubject)))
	k.label("issuer", javaName(dn.Slash(k.leaf.RawIssuer)))
	k.label("identity", javaName(k.Identity))
	k.label("type", javaType(k.leaf))
	k.label("strength", k.javaStrength())
	k.label("path", absolute(k.Path))
	k.label("timeleft", clock(k.left(k.leaf.NotAfter), 2))
	k.label("key usage", k.keyUsage(k.leaf))
}

func (k *known) javaStrength() string { return strconv.Itoa(strength(k.leaf)) }

func (k *known) javaACs() {
	for _, ac := range k.acs {
		k.block(ac, javaName(ac.Holder.Name), javaName(ac.Issuer), clock(k.left(ac.NotAfter), 2), nil)
	}
}

// javaName is a name as the Java program prints it: slashes in values are not marked, and e-mail
// addresses have their own label.
func javaName(slash string) string {
	return strings.NewReplacer(`\/`, "/", "/emailAddress=", "/EMAILADDRESS=").Replace(slash)
}

// javaType is what the Java program calls a kind of certificate.
func javaType(c *x509.Certificate) string {
	i := kindOf(c)
	full, legacy := "impersonation", "full"
	if i.Limited {
		full, legacy = "limited", "limited"
	}
	switch i.Kind {
	case proxycert.Legacy:
		return legacy + " legacy globus proxy"
	case proxycert.Draft:
		return "Proxy draft (pre-RFC) " + full + " proxy"
	case proxycert.RFC:
		return "RFC3820 compliant " + full + " proxy"
	default:
		return "EEC"
	}
}

func (k *known) javaNames(all bool) {
	if !all {
		k.value("type", javaType(k.leaf))
		k.value("subject", javaName(dn.Slash(k.leaf.RawSubject)))
	}
	if k.Has("issuer") || k.Has("identity") && !all {
		k.Print("%s\n", dropin.Safe(javaName(dn.Slash(k.leaf.RawIssuer))))
	}
	if !all {
		k.value("path", absolute(k.Path))
	}
}

func (k *known) javaChain() {
	k.Print("=== Proxy Chain Information ===\n")
	for _, c := range k.Chain {
		k.Print("%s", k.javaCertificate(c))
		if kindOf(c).Kind != proxycert.None {
			answer := "no"
			if proxycert.Extension(c) != nil {
				answer = "yes"
			}
			k.Print("VOMS extensions: %s.\n", answer)
		}
		k.Print("\n")
	}
	k.Print("=== Proxy Information ===\n")
	k.javaStandard()
	if k.Has("all") {
		k.javaACs()
	}
	k.Print("\n")
}

func (k *known) javaText(all, chain bool) {
	if !all && !chain {
		k.javaStandard()
		k.Print("\n")
	}
	some := k.Chain[:1]
	if chain {
		some = k.Chain
	}
	for _, c := range slices.Backward(some) {
		k.Print("Certificate:\n%s\n", k.javaCertificate(c))
	}
}

// extendedUsages are the words of Java's library for what a certificate may be used for.
var extendedUsages = map[x509.ExtKeyUsage]string{x509.ExtKeyUsageServerAuth: "serverAuth", x509.ExtKeyUsageClientAuth: "clientAuth",
	x509.ExtKeyUsageCodeSigning: "codeSigning", x509.ExtKeyUsageEmailProtection: "emailProtection", x509.ExtKeyUsageTimeStamping: "timeStamping",
	x509.ExtKeyUsageOCSPSigning: "OCSPSigning", x509.ExtKeyUsageAny: "anyExtendedKeyUsage"}

// javaUsages are its words for the bits of a key usage.
var javaUsages = []string{"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign", "cRLSign",
	"encipherOnly", "decipherOnly"}

// javaCertificate describes a certificate as Java's library does.
func (k *known) javaCertificate(c *x509.Certificate) string {
	const date = "Mon Jan 02 15:04:05 MST 2006"
	var b strings.Builder
	fmt.Fprintf(&b, "X.509 v%d certificate\nSubject: %s\nIssuer: %s\n", c.Version, dropin.Safe(dn.RFC2253(c.RawSubject)), dropin.Safe(dn.RFC2253(c.RawIssuer)))
	fmt.Fprintf(&b, "Valid from: %s\nValid to: %s\n", c.NotBefore.In(k.Zone).Format(date), c.NotAfter.In(k.Zone).Format(date))
	fmt.Fprintf(&b, "CA: %t\nSignature alg: %s\n", c.IsCA, javaAlgorithm(c.SignatureAlgorithm))
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		fmt.Fprintf(&b, "Public key type: RSA %dbit\n", key.N.BitLen())
	case *ecdsa.PublicKey:
		fmt.Fprintf(&b, "Public key type: EC %dbit\n", key.Curve.Params().BitSize)
	}
	if c.KeyUsage != 0 {
		b.WriteString("Allowed usage:")
		for bit, word := range javaUsages {
			if c.KeyUsage&(1<<bit) != 0 {
				b.WriteString(" " + word)
			}
		}
		b.WriteString("\n")
	}
	if len(c.ExtKeyUsage) > 0 {
		b.WriteString("Allowed extended usage:")
		for _, u := range c.ExtKeyUsage {
			b.WriteString(" " + extendedUsages[u])
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "Serial number: %s\n", c.SerialNumber)
	return b.String()
}

// javaAlgorithm is Java's name for a signature algorithm: SHA256WITHRSA.
func javaAlgorithm(a x509.SignatureAlgorithm) string {
	key, hash, ok := strings.Cut(strings.ToUpper(a.String()), "-")
	if !ok {
		return a.String()
	}
	if strings.HasPrefix(key, "SHA") || strings.HasPrefix(key, "MD") { // SHA256-RSA
		return key + "WITH" + hash
	}
	return hash + "WITH" + key // ECDSA-SHA256
}

func (k *known) javaACValues(all bool) error {
	if len(k.acs) == 0 && (k.wanted(ofAC) || k.Has("acexists")) {
		return dropin.Original("No VOMS attributes found!")
	}
	each := func(option string, text func(*voms.AC) []string) {
		for _, ac := range k.acs {
			for _, t := range text(ac) {
				k.value(option, t)
			}
		}
	}
	one := func(option string, text func(*voms.AC) string) {
		if !all {
			each(option, func(ac *voms.AC) []string { return []string{text(ac)} })
		}
	}
	one("acsubject", func(ac *voms.AC) string { return javaName(ac.Holder.Name) })
	one("actimeleft", func(ac *voms.AC) string { return seconds(k.left(ac.NotAfter)) })
	one("acissuer", func(ac *voms.AC) string { return javaName(ac.Issuer) })
	one("serial", func(ac *voms.AC) string { return ac.Serial.String() })
	if vo := k.Last("acexists"); vo != "" && !slices.ContainsFunc(k.acs, func(ac *voms.AC) bool { return ac.VO == vo }) {
		return dropin.Originalf("AC not found for VO %s", vo)
	}
	one("vo", func(ac *voms.AC) string { return ac.VO })
	if !all {
		each("fqan", func(ac *voms.AC) []string { return ac.FQANs })
	}
	one("uri", uri)
	each("targets", func(ac *voms.AC) []string { return ac.Targets })
	return nil
}

// javaExists answers -exists, -valid, -hours and -bits, each of which may stand alone.
func (k *known) javaExists(all bool) error {
	if k.Has("bits") && !all && k.Last("bits") != k.javaStrength() {
		return dropin.Original("Proxy key size is not valid")
	}
	if k.Has("exists") {
		const stamp = "20060102150405"
		switch {
		case k.now.Before(k.leaf.NotBefore):
			return dropin.Originalf("Proxy not found: certificate not valid till %sGMT+00:00", k.leaf.NotBefore.UTC().Format(stamp))
		case k.now.After(k.leaf.NotAfter):
			return dropin.Originalf("The current proxy is not valid: certificate expired on %sGMT+00:00", k.leaf.NotAfter.UTC().Format(stamp))
		}
	}
	for _, o := range []struct{ name, minutes string }{{"valid", ""}, {"hours", ":0"}} {
		if !k.Has(o.name) {
			continue
		}
		period, err := k.Duration(o.name, k.Last(o.name)+o.minutes)
		if err != nil {
			return err
		}
		if k.left(k.leaf.NotAfter) < max(period, time.Duration(0)) {
			return dropin.Original("Proxy not valid for the specified period")
		}
	}
	return nil
}
