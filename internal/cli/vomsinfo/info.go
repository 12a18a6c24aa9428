// Package vomsinfo is what voms-proxy-info prints, in both flavours: values one by one, or all for
// people. It tells what a proxy says and verifies nothing, as the originals. It may import rows 0
// to 2.
package vomsinfo

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/dropin"
	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms"
)

var infoOptions = []dropin.Option{
	{Names: []string{"file"}, Value: "proxyfile", Help: "the proxy, if it is not in the usual place"},
	{Names: []string{"all"}, Help: "everything, for people"},
	{Names: []string{"chain"}, Help: "the certificates that the proxy was made from, too"},
	{Names: []string{"text"}, Help: "the certificate, in words"},
	{Names: []string{"subject"}, Help: "name of the proxy"},
	{Names: []string{"issuer"}, Help: "name of who signed the proxy"},
	{Names: []string{"identity"}, Help: "name of who the proxy speaks for"},
	{Names: []string{"type"}, Help: "kind of the proxy"},
	{Names: []string{"strength"}, Help: "length of the key, in bits"},
	{Names: []string{"path", "p"}, Help: "where the proxy is"},
	{Names: []string{"timeleft"}, Help: "seconds that the proxy has left"},
	{Names: []string{"keyusage", "k"}, Help: "what the key may be used for"},
	{Names: []string{"vo"}, Help: "name of the VO"},
	{Names: []string{"fqan"}, Help: "attributes: groups and roles"},
	{Names: []string{"acsubject"}, Help: "whom the attributes were given to"},
	{Names: []string{"acissuer"}, Help: "who gave the attributes"},
	{Names: []string{"actimeleft"}, Help: "seconds that the attributes have left"},
	{Names: []string{"serial"}, Help: "serial number of the attributes"},
	{Names: []string{"uri"}, Help: "server that gave the attributes"},
	{Names: []string{"targets"}, Only: dropin.OnlyC, Help: "hosts that alone accept the attributes"},
	{Names: []string{"included-file", "included"}, Only: dropin.OnlyC, Help: "the file that -include put into the proxy"},
	{Names: []string{"exists", "e"}, Help: "exit with 0 only if the proxy is valid"},
	{Names: []string{"valid"}, Value: "h:m", Help: "with -exists: for that long at least"},
	{Names: []string{"hours"}, Value: "H", Help: "with -exists: for that many hours at least"},
	{Names: []string{"bits", "b"}, Value: "B", Help: "with -exists: with a key of that strength"},
	{Names: []string{"acexists"}, Value: "vo", Help: "exit with 0 only if there are attributes of this VO; may be repeated"},
	{Names: []string{"dont-verify-ac", "dont_verify_ac"}, Only: dropin.OnlyC, Help: "ignored: this program tells what the proxy says, and verifies nothing"},
}

// ofAC are the options that print something about attributes.
var ofAC = []string{"vo", "fqan", "acsubject", "acissuer", "actimeleft", "serial", "uri", "targets"}

// known is what is told of one proxy.
type known struct {
	*dropin.Program
	dropin.Given
	gridproxy.Info
	leaf *x509.Certificate
	acs  []*voms.AC
	now  time.Time
}

// Main is voms-proxy-info. It returns the exit code.
func Main(p *dropin.Program, config gridproxy.Config, args []string) int {
	g, code, done := p.Start(infoOptions, args)
	if done {
		return code
	}
	out := bufio.NewWriter(p.Out)
	defer out.Flush() // as any write to standard output: where it fails there is nobody to tell
	p.Out = out
	path := gridproxy.ProxyPath(config, g.Last("file"))
	i, err := gridproxy.Read(config, path)
	if err == nil && p.Flavour == dropin.Java {
		err = i.Problem
	}
	if err != nil {
		noProxy(p, path, err)
		return 1
	}
	k := &known{Program: p, Given: g, Info: i, leaf: i.Chain[0], now: p.Now()}
	if p.Flavour == dropin.Java {
		return k.java()
	}
	return k.c()
}

// noProxy says that there is none.
func noProxy(p *dropin.Program, path string, err error) {
	e, _ := errors.AsType[*gridproxy.Error](err)
	if p.Flavour == dropin.C && e.Reason == gridproxy.NoProxy {
		p.Complain("\nCouldn't find a valid proxy.\n\n")
	} else if p.Flavour == dropin.C {
		p.Complain("Couldn't find a valid proxy.\n")
	} else if c := (*gridproxy.Error)(nil); errors.As(err, &c) && errors.Is(err, fs.ErrNotExist) {
		p.Complain("Proxy not found: %s (%s)\n", path, dropin.Reason(c.Fault.Cause))
	} else {
		p.Complain("Proxy not found: %s\n", dropin.Safe(err.Error()))
	}
	p.Explain(err)
}

// left is the time until end, not below zero.
func (k *known) left(end time.Time) time.Duration {
	return max(0, end.Sub(k.now).Truncate(time.Second))
}

// clock writes a time that is left, with at least so many digits for the hours.
func clock(d time.Duration, digits int) string {
	s := int(d / time.Second)
	return fmt.Sprintf("%0*d:%02d:%02d", digits, s/3600, s/60%60, s%60)
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// strength is the length of a certificate's key in bits.
func strength(c *x509.Certificate) int {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return (key.N.BitLen() + 7) / 8 * 8
	case *ecdsa.PublicKey:
		return key.Curve.Params().BitSize
	default:
		return 0
	}
}

// usages are the words for the bits of a key usage, in order.
var usages = []string{"Digital Signature", "Non Repudiation", "Key Encipherment", "Data Encipherment", "Key Agreement",
	"Certificate Sign", "CRL Sign", "Encipher Only", "Decipher Only"}

// keyUsage says what a certificate's key may be used for.
func (k *known) keyUsage(c *x509.Certificate) string {
	var all []string
	for bit, word := range usages {
		switch {
		case c.KeyUsage&(1<<bit) == 0:
		case word == "Certificate Sign" && k.Flavour == dropin.Java:
			all = append(all, "Key CertSign")
		default:
			all = append(all, word)
		}
	}
	return strings.Join(all, ", ")
}

// uri is host and port of the server that gave attributes.
func uri(ac *voms.AC) string { return dropin.Safe(ac.URI()) }

// wanted reports whether any of the options is given.
func (k *known) wanted(names []string) bool {
	for _, name := range names {
		if k.Has(name) {
			return true
		}
	}
	return false
}

// value prints a line if its option is given.
func (k *known) value(option, text string) {
	if k.Has(option) {
		k.Print("%s\n", dropin.Safe(text))
	}
}

// label prints a line for people.
func (k *known) label(name, text string) { k.Print("%-9s : %s\n", name, dropin.Safe(text)) }

// block prints what there is to say about attributes. Targets are the C program's.
func (k *known) block(ac *voms.AC, holder, issuer, timeleft string, targets []string) {
	k.Print("=== VO %s extension information ===\n", dropin.Safe(ac.VO))
	k.label("VO", ac.VO)
	k.label("subject", holder)
	k.label("issuer", issuer)
	for _, f := range ac.FQANs {
		k.label("attribute", f)
	}
	for _, a := range ac.Attributes {
		text := a.Name + " = " + a.Value
		if a.Qualifier != "" || k.Flavour == dropin.Java {
			text += " (" + a.Qualifier + ")"
		}
		k.label("attribute", text)
	}
	k.label("timeleft", timeleft)
	for _, t := range targets {
		k.label("target", t)
	}
	k.label("uri", uri(ac))
}

// kindOf inspects a certificate. One that claims wrongly to be a proxy is taken by its claim.
func kindOf(c *x509.Certificate) proxycert.Info {
	i, _ := proxycert.Inspect(c)
	return i
}

// absolute is the path as Java prints it.
func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}
