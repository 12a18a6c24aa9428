package vomsinfo

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lanyardhq/lanyard/internal/cli/dropin"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/voms"
)

// malformed is what the C library says of attribute certificates that it does not understand.
const malformed = "VOMS Attributes absent or malformed."

// c prints as the C program: in its order, whatever the order of the options.
func (k *known) c() int {
	code := 0
	var problem string
	if k.acs, problem = k.wholesome(); problem != "" {
		code = 1
		k.Complain("WARNING: Unable to verify signature! Server certificate possibly not installed.\nError: %s\n", problem)
	}
	singles := append([]string{"subject", "issuer", "identity", "type", "timeleft", "strength", "path", "text", "exists", "included-file", "acexists"}, ofAC...)
	if k.Has("chain") {
		k.cChain()
	}
	if !k.wanted(singles) || k.Has("all") || k.Has("text") {
		k.cStandard()
	}
	if k.Has("all") {
		for _, ac := range k.acs {
			k.block(ac, k.Identity, ac.Issuer, clock(k.left(ac.NotAfter), 1), ac.Targets)
		}
	}
	k.cValues()
	if !k.cACValues() || !k.cExists() {
		return 1
	}
	return code
}

// wholesome returns the attribute certificates as the C library sees them: one that it does not
// understand hides all of them.
func (k *known) wholesome() (acs []*voms.AC, problem string) {
	if k.Identity == "" {
		return nil, "Cannot discover holder from certificate chain!"
	}
	for _, p := range k.ACs {
		if p.Err != nil || slices.ContainsFunc(p.AC.FQANs, func(f string) bool { return f != "/"+p.AC.VO && !strings.HasPrefix(f, "/"+p.AC.VO+"/") }) {
			return nil, malformed
		}
		acs = append(acs, p.AC)
	}
	return acs, ""
}

func (k *known) cChain() {
	k.Print("=== Proxy Chain Information ===\n")
	for _, c := range slices.Backward(k.Chain[1:]) {
		k.label("subject", dn.Slash(c.RawSubject))
		k.label("issuer", dn.Slash(c.RawIssuer))
		if t := cType(c); t != "unknown" {
			k.label("type", t)
		}
		if k.Has("all") || k.Has("keyusage") {
			k.label("key usage", k.keyUsage(c))
		}
		k.label("strength", fmt.Sprintf("%d bits", strength(c)))
		k.Print("%-9s : %s\n\n", "timeleft", clock(k.left(c.NotAfter), 1))
	}
	k.Print("=== Proxy Information ===\n")
}

func (k *known) cStandard() {
	k.label("subject", dn.Slash(k.leaf.RawSubject))
	k.label("issuer", dn.Slash(k.leaf.RawIssuer))
	k.label("identity", dn.Slash(k.leaf.RawIssuer))
	k.label("type", cType(k.leaf))
	k.label("strength", fmt.Sprintf("%d bits", strength(k.leaf)))
	k.label("path", k.Path)
	k.label("timeleft", clock(k.left(k.leaf.NotAfter), 1))
	if f := k.includedFile(); f != "" {
		k.label("included", f)
	}
	if k.Has("all") || k.Has("text") || k.Has("keyusage") {
		k.label("key usage", k.keyUsage(k.leaf))
	}
}

// cType is what the C program calls a kind of certificate. It does not tell limited proxies apart,
// but for legacy ones.
func cType(c *x509.Certificate) string {
	switch i := kindOf(c); {
	case i.Kind == proxycert.Legacy && i.Limited:
		return "limited proxy"
	case i.Kind == proxycert.Legacy:
		return "proxy"
	case i.Kind == proxycert.RFC:
		return "RFC compliant proxy"
	case i.Kind == proxycert.Draft:
		return "GT3-style proxy"
	default:
		return "unknown"
	}
}

// includedFile is what -include put into the leaf.
func (k *known) includedFile() string {
	for _, e := range k.leaf.Extensions {
		if e.Id.String() == "1.3.6.1.4.1.8005.100.100.2" {
			return string(e.Value)
		}
	}
	return ""
}

func (k *known) cValues() {
	k.value("subject", dn.Slash(k.leaf.RawSubject))
	if k.Has("issuer") || k.Has("identity") {
		k.Print("%s\n", dropin.Safe(dn.Slash(k.leaf.RawIssuer)))
	}
	k.value("type", cType(k.leaf))
	k.value("strength", strconv.Itoa(strength(k.leaf)))
	k.value("path", k.Path)
	k.value("timeleft", seconds(k.left(k.leaf.NotAfter)))
	if f := k.includedFile(); f != "" && k.Has("included-file") {
		k.label("included", f)
	}
	if !k.Has("text") {
		return
	}
	k.Print("%s", certificateText(k.leaf))
	if k.Has("chain") {
		for _, c := range slices.Backward(k.Chain[1:]) {
			k.Print("%s", certificateText(c))
		}
	}
}

// cACValues prints what is asked for of attributes, and reports whether there was any.
func (k *known) cACValues() bool {
	there := len(k.acs) > 0 || !k.wanted(ofAC)
	for _, ac := range k.acs {
		k.value("vo", ac.VO)
		k.value("acsubject", k.Identity)
		k.value("acissuer", ac.Issuer)
		k.value("uri", uri(ac))
		k.value("actimeleft", seconds(k.left(ac.NotAfter)))
		for _, f := range ac.FQANs {
			k.value("fqan", f)
		}
		there = there && (len(ac.FQANs) > 0 || !k.Has("fqan"))
		k.value("serial", hexadecimal(ac))
		for _, t := range ac.Targets {
			if k.Has("targets") {
				k.label("target", t)
			}
		}
	}
	return there
}

// hexadecimal is the serial number as OpenSSL prints it: whole bytes.
func hexadecimal(ac *voms.AC) string {
	text := strings.ToUpper(ac.Serial.Text(16))
	if len(text)%2 != 0 {
		text = "0" + text
	}
	return text
}

// cExists answers -exists and -acexists.
func (k *known) cExists() bool {
	for _, vo := range k.Given["acexists"] {
		if !slices.ContainsFunc(k.acs, func(ac *voms.AC) bool { return ac.VO == vo }) {
			return false
		}
	}
	if !k.Has("exists") {
		return true
	}
	hours, minutes := number(k.Last("hours")), 0
	if valid := k.Last("valid"); valid != "" {
		h, m, ok := strings.Cut(valid, ":")
		switch {
		case !ok || h == "":
			k.Complain("value must be in the format: H:M\n")
		case hours == 0:
			hours, minutes = number(h), number(m)
		}
		if minutes < 0 || minutes > 60 {
			k.Complain("specified minutes must be in the range 0-60\n")
		}
	}
	left := int(k.left(k.leaf.NotAfter).Seconds())
	return left > 0 && left >= hours*3600+minutes*60 && strength(k.leaf) >= number(k.Last("bits"))
}

// number reads a number as atoi does: what is none is 0.
func number(text string) int {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0
	}
	return int(n)
}
