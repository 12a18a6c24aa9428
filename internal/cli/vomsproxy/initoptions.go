package vomsproxy

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/dropin"
	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

var initOptions = []dropin.Option{
	{Names: []string{"verify"}, Help: "verify the certificate that the proxy is made from"},
	{Names: []string{"pwstdin"}, Help: "read the passphrase from standard input"},
	{Names: []string{"limited"}, Help: "make a limited proxy, which may not start jobs"},
	{Names: []string{"valid"}, Value: "h:m", Help: "life of the proxy and of its attributes (default 12:00)"},
	{Names: []string{"hours"}, Value: "H", Help: "life of the proxy in hours"},
	{Names: []string{"vomslife"}, Value: "h:m", Help: "life of the attributes (default: that of the proxy); 0:00: as long as the server allows"},
	{Names: []string{"bits", "b"}, Value: "bits", Help: "length of the key: 1024, 2048 (default) or 4096; 0: as in the certificate"},
	{Names: []string{"cert"}, Value: "file", Help: "your certificate: PEM, PKCS#12 or a proxy"},
	{Names: []string{"key", "k"}, Value: "file", Help: "your private key"},
	{Names: []string{"certdir"}, Value: "dir", Help: "the trusted authorities"},
	{Names: []string{"vomsdir"}, Only: dropin.OnlyJava, Value: "dir", Help: "who may speak for which VO (LSC files)"},
	{Names: []string{"out"}, Value: "file", Help: "where the proxy is written"},
	{Names: []string{"voms"}, Value: "vo[:fqan]", Help: "ask this VO for attributes: everyone's, or the given group or role; may be repeated, the first is the primary one"},
	{Names: []string{"order"}, Value: "fqan", Help: "put this attribute first if you have it; may be repeated"},
	{Names: []string{"target"}, Value: "host", Help: "a host that alone shall accept the attributes; may be repeated"},
	{Names: []string{"vomses"}, Value: "file", Help: "a file or folder that names the servers of VOs; may be repeated"},
	{Names: []string{"confile"}, Only: dropin.OnlyC, Value: "file", Help: "as -vomses"},
	{Names: []string{"userconf"}, Only: dropin.OnlyC, Value: "file", Help: "as -vomses"},
	{Names: []string{"proxyver"}, Value: "2|3|4", Help: "kind of proxy: 2 legacy, 3 draft, 4 RFC 3820 (default)"},
	{Names: []string{"rfc", "r"}, Help: "make an RFC 3820 proxy"},
	{Names: []string{"old"}, Help: "make a legacy proxy"},
	{Names: []string{"policy"}, Only: dropin.OnlyC, Value: "file", Help: "a policy to put into the proxy"},
	{Names: []string{"policy-language", "pl"}, Only: dropin.OnlyC, Value: "oid", Help: "the language of that policy"},
	{Names: []string{"path-length", "path_length"}, Value: "n", Help: "how many proxies may be made below this one (default: as many as you like)"},
	{Names: []string{"noregen", "n"}, Help: "sign with the existing proxy instead of your certificate"},
	{Names: []string{"separate"}, Only: dropin.OnlyC, Value: "file", Help: "write the attributes to this file and make no proxy"},
	{Names: []string{"include"}, Only: dropin.OnlyC, Value: "file", Help: "put the content of this file into the proxy"},
	{Names: []string{"includeac"}, Only: dropin.OnlyC, Value: "file", Help: "put the attributes in this file into the proxy"},
	{Names: []string{"globus"}, Only: dropin.OnlyC, Value: "version", Help: "ignored"},
	{Names: []string{"ignorewarn"}, Help: "do not show warnings"},
	{Names: []string{"failonwarn", "f"}, Help: "make no proxy when a server warns"},
	{Names: []string{"list"}, Only: dropin.OnlyC, Help: "show all attributes that you could ask for, and make no proxy"},
	{Names: []string{"timeout"}, Value: "seconds", Help: "how long one server may take"},
	{Names: []string{"dont-verify-ac", "dont_verify_ac"}, Help: "do not verify the attributes"},
	{Names: []string{"skip_chain_integrity_checks"}, Only: dropin.OnlyJava, Help: "ignored: proxies of different kinds are never mixed, because everybody refuses them"},
	{Names: []string{"skip_hostname_checks"}, Only: dropin.OnlyJava, Help: "do not compare host names with the certificates of servers"},
	{Names: []string{"enable_legacy_protocol"}, Only: dropin.OnlyJava, Help: "ask servers in the old way where they do not know the new one"},
}

// The object identifiers of the extensions for -include and for the variable VO.
var (
	includedFile = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 2}
	voName       = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 3}
)

// maxIncluded is how long an included file or policy may be.
const maxIncluded = 256 << 10

// request turns the command line into what the engine shall do. Its errors are complete texts.
func (p *program) request(g dropin.Given) (gridproxy.Options, error) {
	o := gridproxy.Options{Cert: g.Last("cert"), Key: g.Last("key"), Out: g.Last("out"), NoRegen: g.Has("noregen"),
		CertDir: g.Last("certdir"), VomsDir: g.Last("vomsdir"),
		Vomses:  slices.Concat(g["vomses"], g["confile"], g["userconf"]),
		Targets: g["target"], Limited: g.Has("limited"), SeparateAC: g.Last("separate"),
		SkipHostname: g.Has("skip_hostname_checks"), FailOnWarn: g.Has("failonwarn"), DontVerifyAC: g.Has("dont-verify-ac")}
	for _, set := range []func(*gridproxy.Options, dropin.Given) error{p.kind, p.bits, p.life, p.servers, p.attributes, p.contents} {
		if err := set(&o, g); err != nil {
			return o, err
		}
	}
	// The C program verifies what it made, always. The Java program verifies before, and only where
	// it was asked to or needs servers to believe it.
	if p.Flavour == dropin.Java {
		o.VerifyIssuer = g.Has("verify") || len(o.VOs) > 0
		return o, nil
	}
	o.Verify = true
	o.DontVerifyAC = o.DontVerifyAC || p.Getenv("VOMS_PROXY_INIT_DONT_VERIFY_AC") != ""
	return o, nil
}

func (p *program) kind(o *gridproxy.Options, g dropin.Given) error {
	const java = "Please specify a valid value for proxyversion: (2-> legacy, 3-> draft rfc, 4-> rfc)."
	o.Kind = proxycert.RFC
	switch version := g.Last("proxyver"); {
	case g.Has("old"), version == "2" && !g.Has("rfc"):
		o.Kind = proxycert.Legacy
	case g.Has("rfc"), version == "4", version == "", version == "0" && p.Flavour == dropin.C:
	case version == "3":
		o.Kind = proxycert.Draft
	default:
		return p.By("Error: proxyver must be 2, 3 or 4", java)
	}
	return nil
}

func (p *program) bits(o *gridproxy.Options, g dropin.Given) error {
	if !g.Has("bits") {
		return nil
	}
	text := g.Last("bits")
	switch {
	case text == "0" && p.Flavour == dropin.C:
		o.Bits = gridproxy.SameBits
	case slices.Contains([]string{"512", "1024", "2048", "4096"}, text):
		o.Bits, _ = strconv.Atoi(text) // it is one of these
	default:
		if _, err := strconv.Atoi(text); err != nil && p.Flavour == dropin.Java {
			return dropin.Original("Invalid input for key size parameter. Please provide a valid key size value.")
		}
		return p.By("Error: number of bits in key must be one of 512, 1024, 2048, 4096.", "Unsupported key size:"+dropin.Safe(text))
	}
	return nil
}

// life reads the three options about time. In the C program -valid overrides -hours, and what there
// is goes for the attributes too; in the Java program -hours overrides -valid and goes for the
// proxy alone.
func (p *program) life(o *gridproxy.Options, g dropin.Given) error {
	var err error
	hours := gridproxy.DefaultLifetime
	if g.Has("hours") {
		if hours, err = p.Duration("hours", g.Last("hours")+":0"); err != nil {
			return err
		}
	}
	valid := hours
	if p.Flavour == dropin.Java {
		valid = gridproxy.DefaultLifetime
	}
	if g.Has("valid") {
		if valid, err = p.Duration("valid", g.Last("valid")); err != nil {
			return err
		}
	}
	o.Lifetime, o.ACLifetime = valid, valid
	if p.Flavour == dropin.Java && g.Has("hours") {
		o.Lifetime = hours
	}
	if g.Has("vomslife") {
		if o.ACLifetime, err = p.Duration("vomslife", g.Last("vomslife")); err != nil {
			return err
		}
		if o.ACLifetime == 0 {
			o.ACLifetime = gridproxy.ServerLifetime
		}
	}
	if o.Lifetime == 0 {
		return dropin.Original("a proxy must live for a minute at least")
	}
	return nil
}

// servers says how servers are asked.
func (p *program) servers(o *gridproxy.Options, g dropin.Given) error {
	o.Timeout = 60 * time.Second
	if p.Flavour == dropin.Java {
		o.Timeout, o.Legacy = 10*time.Second, protocol.LegacyNever
		if g.Has("enable_legacy_protocol") {
			o.Legacy = protocol.LegacyFallback
		}
	}
	if g.Has("timeout") {
		seconds, err := strconv.Atoi(g.Last("timeout"))
		if err != nil || seconds < 0 || seconds > 86400 {
			return dropin.Original("Invalid value for the timeout option. It should be a positive integer.")
		}
		if seconds > 0 {
			o.Timeout = time.Duration(seconds) * time.Second
		}
	}
	return nil
}

// attributes says what is asked of which VO.
func (p *program) attributes(o *gridproxy.Options, g dropin.Given) error {
	for _, text := range g["voms"] {
		alias, fqan, _ := strings.Cut(text, ":")
		vo := gridproxy.VORequest{Alias: alias}
		switch {
		case text == "" && p.Flavour == dropin.C:
			continue
		case fqan == "all" || fqan == "ALL":
			// The Java program asks for what everybody gets.
			vo.All = p.Flavour == dropin.C
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
			return dropin.Originalf("Syntax error in fully qualified attribute name: %s", dropin.Safe(text))
		}
		o.Order = append(o.Order, text)
	}
	return nil
}

// contents says what stands in the proxy beside attributes.
func (p *program) contents(o *gridproxy.Options, g dropin.Given) error {
	if g.Has("path-length") {
		n, err := strconv.Atoi(g.Last("path-length"))
		if err != nil {
			return dropin.Originalf("For input string: %q", dropin.Safe(g.Last("path-length")))
		}
		if n >= 0 {
			o.PathLength = new(n)
		}
	}
	if err := p.policy(o, g); err != nil {
		return err
	}
	if g.Has("include") {
		data, err := included(g.Last("include"))
		if err != nil {
			return err
		}
		o.Extra = append(o.Extra, pkix.Extension{Id: includedFile, Value: data})
	}
	if vo := p.Getenv("VO"); vo != "" && p.Flavour == dropin.C {
		o.Extra = append(o.Extra, pkix.Extension{Id: voName, Value: []byte(vo)})
	}
	if g.Has("includeac") {
		var err error
		if o.ACs, err = attributeFile(g.Last("includeac")); err != nil {
			return err
		}
	}
	return nil
}

// policy is what the proxy shall say of itself.
func (p *program) policy(o *gridproxy.Options, g dropin.Given) error {
	if g.Has("policy-language") && !g.Has("policy") && o.Kind != proxycert.Legacy {
		return dropin.Original("Error: if you specify a policy language you also need to specify a policy file")
	}
	if !g.Has("policy") {
		return nil
	}
	var err error
	if o.Policy, err = included(g.Last("policy")); err != nil {
		return err
	}
	o.Language = proxycert.LanguageGeneric
	if g.Has("policy-language") {
		o.Language, err = oid(g.Last("policy-language"))
	}
	return err
}

func included(path string) ([]byte, error) {
	data, err := dropin.ReadFile(path, maxIncluded)
	if err != nil {
		return nil, dropin.Originalf("Error: cannot open file: %s\n%s", dropin.Safe(path), dropin.Reason(err))
	}
	return data, nil
}

func attributeFile(path string) ([][]byte, error) {
	data, err := dropin.ReadFile(path, maxIncluded)
	var all [][]byte
	for b, rest := pem.Decode(data); b != nil; b, rest = pem.Decode(rest) {
		if b.Type == "ATTRIBUTE CERTIFICATE" {
			all = append(all, b.Bytes)
		}
	}
	if err != nil || len(all) == 0 {
		return nil, dropin.Originalf("Error while reading AC from file: %s", dropin.Safe(path))
	}
	return all, nil
}

func oid(text string) (asn1.ObjectIdentifier, error) {
	var id asn1.ObjectIdentifier
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return nil, dropin.Originalf("Error: %s is no object identifier", dropin.Safe(text))
		}
		id = append(id, n)
	}
	if len(id) < 2 || id[0] > 2 || id[0] < 2 && id[1] > 39 {
		return nil, dropin.Originalf("Error: %s is no object identifier", dropin.Safe(text))
	}
	return id, nil
}
