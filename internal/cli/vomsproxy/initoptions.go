package vomsproxy

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

var initOptions = []option{
	{names: []string{"verify"}, help: "verify the certificate that the proxy is made from"},
	{names: []string{"pwstdin"}, help: "read the passphrase from standard input"},
	{names: []string{"limited"}, help: "make a limited proxy, which may not start jobs"},
	{names: []string{"valid"}, value: "h:m", help: "life of the proxy and of its attributes (default 12:00)"},
	{names: []string{"hours"}, value: "H", help: "life of the proxy in hours"},
	{names: []string{"vomslife"}, value: "h:m", help: "life of the attributes (default: that of the proxy); 0:00: as long as the server allows"},
	{names: []string{"bits", "b"}, value: "bits", help: "length of the key: 1024, 2048 (default) or 4096; 0: as in the certificate"},
	{names: []string{"cert"}, value: "file", help: "your certificate: PEM, PKCS#12 or a proxy"},
	{names: []string{"key", "k"}, value: "file", help: "your private key"},
	{names: []string{"certdir"}, value: "dir", help: "the trusted authorities"},
	{names: []string{"vomsdir"}, only: onlyJava, value: "dir", help: "who may speak for which VO (LSC files)"},
	{names: []string{"out"}, value: "file", help: "where the proxy is written"},
	{names: []string{"voms"}, value: "vo[:fqan]", help: "ask this VO for attributes: everyone's, or the given group or role; may be repeated, the first is the primary one"},
	{names: []string{"order"}, value: "fqan", help: "put this attribute first if you have it; may be repeated"},
	{names: []string{"target"}, value: "host", help: "a host that alone shall accept the attributes; may be repeated"},
	{names: []string{"vomses"}, value: "file", help: "a file or folder that names the servers of VOs; may be repeated"},
	{names: []string{"confile"}, only: onlyC, value: "file", help: "as -vomses"},
	{names: []string{"userconf"}, only: onlyC, value: "file", help: "as -vomses"},
	{names: []string{"proxyver"}, value: "2|3|4", help: "kind of proxy: 2 legacy, 3 draft, 4 RFC 3820 (default)"},
	{names: []string{"rfc", "r"}, help: "make an RFC 3820 proxy"},
	{names: []string{"old"}, help: "make a legacy proxy"},
	{names: []string{"policy"}, only: onlyC, value: "file", help: "a policy to put into the proxy"},
	{names: []string{"policy-language", "pl"}, only: onlyC, value: "oid", help: "the language of that policy"},
	{names: []string{"path-length", "path_length"}, value: "n", help: "how many proxies may be made below this one (default: as many as you like)"},
	{names: []string{"noregen", "n"}, help: "sign with the existing proxy instead of your certificate"},
	{names: []string{"separate"}, only: onlyC, value: "file", help: "write the attributes to this file and make no proxy"},
	{names: []string{"include"}, only: onlyC, value: "file", help: "put the content of this file into the proxy"},
	{names: []string{"includeac"}, only: onlyC, value: "file", help: "put the attributes in this file into the proxy"},
	{names: []string{"globus"}, only: onlyC, value: "version", help: "ignored"},
	{names: []string{"ignorewarn"}, help: "do not show warnings"},
	{names: []string{"failonwarn", "f"}, help: "make no proxy when a server warns"},
	{names: []string{"list"}, only: onlyC, help: "show all attributes that you could ask for, and make no proxy"},
	{names: []string{"timeout"}, value: "seconds", help: "how long one server may take"},
	{names: []string{"dont-verify-ac", "dont_verify_ac"}, help: "do not verify the attributes"},
	{names: []string{"skip_chain_integrity_checks"}, only: onlyJava, help: "ignored: proxies of different kinds are never mixed, because everybody refuses them"},
	{names: []string{"skip_hostname_checks"}, only: onlyJava, help: "do not compare host names with the certificates of servers"},
	{names: []string{"enable_legacy_protocol"}, only: onlyJava, help: "ask servers in the old way where they do not know the new one"},
}

// The object identifiers of the extensions for -include and for the variable VO.
var (
	includedFile = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 2}
	voName       = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 3}
)

// maxIncluded is how long an included file or policy may be.
const maxIncluded = 256 << 10

// request turns the command line into what the engine shall do. Its errors are complete texts.
func (p *program) request(g given) (gridproxy.Options, error) {
	o := gridproxy.Options{Cert: g.last("cert"), Key: g.last("key"), Out: g.last("out"), NoRegen: g.has("noregen"),
		CertDir: g.last("certdir"), VomsDir: g.last("vomsdir"),
		Vomses:  slices.Concat(g["vomses"], g["confile"], g["userconf"]),
		Targets: g["target"], Limited: g.has("limited"), SeparateAC: g.last("separate"),
		SkipHostname: g.has("skip_hostname_checks"), FailOnWarn: g.has("failonwarn"), DontVerifyAC: g.has("dont-verify-ac")}
	for _, set := range []func(*gridproxy.Options, given) error{p.kind, p.bits, p.life, p.servers, p.attributes, p.contents} {
		if err := set(&o, g); err != nil {
			return o, err
		}
	}
	// The C program verifies what it made, always. The Java program verifies before, and only where
	// it was asked to or needs servers to believe it.
	if p.flavour == javaFlavour {
		o.VerifyIssuer = g.has("verify") || len(o.VOs) > 0
		return o, nil
	}
	o.Verify = true
	o.DontVerifyAC = o.DontVerifyAC || p.Getenv("VOMS_PROXY_INIT_DONT_VERIFY_AC") != ""
	return o, nil
}

// by returns the text of the flavour as an error.
func (p *program) by(c, java string) error {
	if p.flavour == javaFlavour {
		return original(java)
	}
	return original(c)
}

func (p *program) kind(o *gridproxy.Options, g given) error {
	const java = "Please specify a valid value for proxyversion: (2-> legacy, 3-> draft rfc, 4-> rfc)."
	o.Kind = proxycert.RFC
	switch version := g.last("proxyver"); {
	case g.has("old"), version == "2" && !g.has("rfc"):
		o.Kind = proxycert.Legacy
	case g.has("rfc"), version == "4", version == "", version == "0" && p.flavour == cFlavour:
	case version == "3":
		o.Kind = proxycert.Draft
	default:
		return p.by("Error: proxyver must be 2, 3 or 4", java)
	}
	return nil
}

func (p *program) bits(o *gridproxy.Options, g given) error {
	if !g.has("bits") {
		return nil
	}
	text := g.last("bits")
	switch {
	case text == "0" && p.flavour == cFlavour:
		o.Bits = gridproxy.SameBits
	case slices.Contains([]string{"512", "1024", "2048", "4096"}, text):
		o.Bits, _ = strconv.Atoi(text) // it is one of these
	default:
		if _, err := strconv.Atoi(text); err != nil && p.flavour == javaFlavour {
			return original("Invalid input for key size parameter. Please provide a valid key size value.")
		}
		return p.by("Error: number of bits in key must be one of 512, 1024, 2048, 4096.", "Unsupported key size:"+safe(text))
	}
	return nil
}

// life reads the three options about time. In the C program -valid overrides -hours, and what there
// is goes for the attributes too; in the Java program -hours overrides -valid and goes for the
// proxy alone.
func (p *program) life(o *gridproxy.Options, g given) error {
	var err error
	hours := gridproxy.DefaultLifetime
	if g.has("hours") {
		if hours, err = p.duration("hours", g.last("hours")+":0"); err != nil {
			return err
		}
	}
	valid := hours
	if p.flavour == javaFlavour {
		valid = gridproxy.DefaultLifetime
	}
	if g.has("valid") {
		if valid, err = p.duration("valid", g.last("valid")); err != nil {
			return err
		}
	}
	o.Lifetime, o.ACLifetime = valid, valid
	if p.flavour == javaFlavour && g.has("hours") {
		o.Lifetime = hours
	}
	if g.has("vomslife") {
		if o.ACLifetime, err = p.duration("vomslife", g.last("vomslife")); err != nil {
			return err
		}
		if o.ACLifetime == 0 {
			o.ACLifetime = gridproxy.ServerLifetime
		}
	}
	if o.Lifetime == 0 {
		return original("a proxy must live for a minute at least")
	}
	return nil
}

// maxHours is what fits into the Java program's seconds.
const maxHours = 1<<31/3600 - 1

// duration reads hours and minutes: "12:00".
func (p *program) duration(option, text string) (time.Duration, error) {
	h, m, ok := strings.Cut(text, ":")
	m, _, _ = strings.Cut(m, ":")
	if !ok || h == "" && p.flavour == cFlavour {
		return 0, p.by("-"+option+" argument must be in the format: h:m", "Illegal format for lifetime property.")
	}
	hours, err := strconv.Atoi(h)
	minutes, err2 := strconv.Atoi(m)
	switch {
	case err != nil || err2 != nil:
		return 0, p.by("-"+option+" argument must be in the format: h:m", fmt.Sprintf("For input string: %q", safe(text)))
	case hours < 0:
		return 0, p.by("specified hours must be positive", "Number of hours must be a positive integer.")
	case minutes < 0 || minutes > 59:
		return 0, p.by("specified minutes must be in the range 0-59", "Number of minutes must be in the range 0-59.")
	case hours > maxHours:
		return 0, originalf("The requested lifetime is too long. The maximum value is %d hours.", maxHours)
	}
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute, nil
}

// servers says how servers are asked.
func (p *program) servers(o *gridproxy.Options, g given) error {
	o.Timeout = 60 * time.Second
	if p.flavour == javaFlavour {
		o.Timeout, o.Legacy = 10*time.Second, protocol.LegacyNever
		if g.has("enable_legacy_protocol") {
			o.Legacy = protocol.LegacyFallback
		}
	}
	if g.has("timeout") {
		seconds, err := strconv.Atoi(g.last("timeout"))
		if err != nil || seconds < 0 || seconds > 86400 {
			return original("Invalid value for the timeout option. It should be a positive integer.")
		}
		if seconds > 0 {
			o.Timeout = time.Duration(seconds) * time.Second
		}
	}
	return nil
}

// attributes says what is asked of which VO.
func (p *program) attributes(o *gridproxy.Options, g given) error {
	for _, text := range g["voms"] {
		alias, fqan, _ := strings.Cut(text, ":")
		vo := gridproxy.VORequest{Alias: alias}
		switch {
		case text == "" && p.flavour == cFlavour:
			continue
		case fqan == "all" || fqan == "ALL":
			// The Java program asks for what everybody gets.
			vo.All = p.flavour == cFlavour
		case fqan != "":
			vo.FQANs = []string{fqan}
		}
		o.VOs = append(o.VOs, vo)
	}
	for _, text := range g["order"] {
		group, role, old := strings.Cut(text, ":")
		if old {
			text = group + "/Role=" + role
		}
		if _, err := voms.ParseFQAN(text); err != nil {
			return originalf("Syntax error in fully qualified attribute name: %s", safe(text))
		}
		o.Order = append(o.Order, text)
	}
	return nil
}

// contents says what stands in the proxy beside attributes.
func (p *program) contents(o *gridproxy.Options, g given) error {
	if g.has("path-length") {
		n, err := strconv.Atoi(g.last("path-length"))
		if err != nil {
			return originalf("For input string: %q", safe(g.last("path-length")))
		}
		if n >= 0 {
			o.PathLength = new(n)
		}
	}
	if g.has("policy-language") && !g.has("policy") && o.Kind != proxycert.Legacy {
		return original("Error: if you specify a policy language you also need to specify a policy file")
	}
	var err error
	if g.has("policy") {
		if o.Policy, err = included(g.last("policy")); err != nil {
			return err
		}
		o.Language = proxycert.LanguageGeneric
		if g.has("policy-language") {
			if o.Language, err = oid(g.last("policy-language")); err != nil {
				return err
			}
		}
	}
	if g.has("include") {
		data, err := included(g.last("include"))
		if err != nil {
			return err
		}
		o.Extra = append(o.Extra, pkix.Extension{Id: includedFile, Value: data})
	}
	if vo := p.Getenv("VO"); vo != "" && p.flavour == cFlavour {
		o.Extra = append(o.Extra, pkix.Extension{Id: voName, Value: []byte(vo)})
	}
	if g.has("includeac") {
		o.ACs, err = attributeFile(g.last("includeac"))
	}
	return err
}

func included(path string) ([]byte, error) {
	data, err := readLimited(path, maxIncluded)
	if err != nil {
		return nil, originalf("Error: cannot open file: %s\n%s", safe(path), reason(err))
	}
	return data, nil
}

func attributeFile(path string) ([][]byte, error) {
	data, err := readLimited(path, maxIncluded)
	var all [][]byte
	for b, rest := pem.Decode(data); b != nil; b, rest = pem.Decode(rest) {
		if b.Type == "ATTRIBUTE CERTIFICATE" {
			all = append(all, b.Bytes)
		}
	}
	if err != nil || len(all) == 0 {
		return nil, originalf("Error while reading AC from file: %s", safe(path))
	}
	return all, nil
}

func oid(text string) (asn1.ObjectIdentifier, error) {
	var id asn1.ObjectIdentifier
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return nil, originalf("Error: %s is no object identifier", safe(text))
		}
		id = append(id, n)
	}
	if len(id) < 2 || id[0] > 2 || id[0] < 2 && id[1] > 39 {
		return nil, originalf("Error: %s is no object identifier", safe(text))
	}
	return id, nil
}
