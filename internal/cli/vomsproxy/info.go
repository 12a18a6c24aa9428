package vomsproxy

import (
	"bufio"
	"context"
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

	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms"
)

var infoOptions = []option{
	{names: []string{"file"}, value: "proxyfile", help: "the proxy, if it is not in the usual place"},
	{names: []string{"all"}, help: "everything, for people"},
	{names: []string{"chain"}, help: "the certificates that the proxy was made from, too"},
	{names: []string{"text"}, help: "the certificate, in words"},
	{names: []string{"subject"}, help: "name of the proxy"},
	{names: []string{"issuer"}, help: "name of who signed the proxy"},
	{names: []string{"identity"}, help: "name of who the proxy speaks for"},
	{names: []string{"type"}, help: "kind of the proxy"},
	{names: []string{"strength"}, help: "length of the key, in bits"},
	{names: []string{"path", "p"}, help: "where the proxy is"},
	{names: []string{"timeleft"}, help: "seconds that the proxy has left"},
	{names: []string{"keyusage", "k"}, help: "what the key may be used for"},
	{names: []string{"vo"}, help: "name of the VO"},
	{names: []string{"fqan"}, help: "attributes: groups and roles"},
	{names: []string{"acsubject"}, help: "whom the attributes were given to"},
	{names: []string{"acissuer"}, help: "who gave the attributes"},
	{names: []string{"actimeleft"}, help: "seconds that the attributes have left"},
	{names: []string{"serial"}, help: "serial number of the attributes"},
	{names: []string{"uri"}, help: "server that gave the attributes"},
	{names: []string{"targets"}, only: onlyC, help: "hosts that alone accept the attributes"},
	{names: []string{"included-file", "included"}, only: onlyC, help: "the file that -include put into the proxy"},
	{names: []string{"exists", "e"}, help: "exit with 0 only if the proxy is valid"},
	{names: []string{"valid"}, value: "h:m", help: "with -exists: for that long at least"},
	{names: []string{"hours"}, value: "H", help: "with -exists: for that many hours at least"},
	{names: []string{"bits", "b"}, value: "B", help: "with -exists: with a key of that strength"},
	{names: []string{"acexists"}, value: "vo", help: "exit with 0 only if there are attributes of this VO; may be repeated"},
	{names: []string{"dont-verify-ac", "dont_verify_ac"}, only: onlyC, help: "ignored: this program tells what the proxy says, and verifies nothing"},
}

// ofAC are the options that print something about attributes.
var ofAC = []string{"vo", "fqan", "acsubject", "acissuer", "actimeleft", "serial", "uri", "targets"}

// known is what is told of one proxy.
type known struct {
	*program
	given
	gridproxy.Info
	leaf *x509.Certificate
	acs  []*voms.AC
	now  time.Time
}

// info is voms-proxy-info.
func (p *program) info(_ context.Context, args []string) int {
	g, code, done := p.start(infoOptions, args)
	if done {
		return code
	}
	out := bufio.NewWriter(p.Out)
	defer out.Flush() // as any write to standard output: where it fails there is nobody to tell
	p.Out = out
	path := gridproxy.ProxyPath(p.config(), g.last("file"))
	i, err := gridproxy.Read(p.config(), path)
	if err == nil && p.flavour == javaFlavour {
		err = i.Problem
	}
	if err != nil {
		p.noProxy(path, err)
		return failure
	}
	k := &known{program: p, given: g, Info: i, leaf: i.Chain[0], now: p.Now()}
	if p.flavour == javaFlavour {
		return k.java()
	}
	return k.c()
}

// noProxy says that there is none.
func (p *program) noProxy(path string, err error) {
	e, _ := errors.AsType[*gridproxy.Error](err)
	if p.flavour == cFlavour && e.Reason == gridproxy.NoProxy {
		p.complain("\nCouldn't find a valid proxy.\n\n")
	} else if p.flavour == cFlavour {
		p.complain("Couldn't find a valid proxy.\n")
	} else if c := (*gridproxy.Error)(nil); errors.As(err, &c) && errors.Is(err, fs.ErrNotExist) {
		p.complain("Proxy not found: %s (%s)\n", path, reason(cause(c)))
	} else {
		p.complain("Proxy not found: %s\n", safe(err.Error()))
	}
	p.explain(err)
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
func (p *program) keyUsage(c *x509.Certificate) string {
	var all []string
	for bit, word := range usages {
		switch {
		case c.KeyUsage&(1<<bit) == 0:
		case word == "Certificate Sign" && p.flavour == javaFlavour:
			all = append(all, "Key CertSign")
		default:
			all = append(all, word)
		}
	}
	return strings.Join(all, ", ")
}

// uri is host and port of the server that gave attributes.
func uri(ac *voms.AC) string { return safe(ac.URI()) }

// wanted reports whether any of the options is given.
func (k *known) wanted(names []string) bool {
	for _, name := range names {
		if k.has(name) {
			return true
		}
	}
	return false
}

// value prints a line if its option is given.
func (k *known) value(option, text string) {
	if k.has(option) {
		k.print("%s\n", safe(text))
	}
}

// label prints a line for people.
func (k *known) label(name, text string) { k.print("%-9s : %s\n", name, safe(text)) }

// block prints what there is to say about attributes. Targets are the C program's.
func (k *known) block(ac *voms.AC, holder, issuer, timeleft string, targets []string) {
	k.print("=== VO %s extension information ===\n", safe(ac.VO))
	k.label("VO", ac.VO)
	k.label("subject", holder)
	k.label("issuer", issuer)
	for _, f := range ac.FQANs {
		k.label("attribute", f)
	}
	for _, a := range ac.Attributes {
		text := a.Name + " = " + a.Value
		if a.Qualifier != "" || k.flavour == javaFlavour {
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
