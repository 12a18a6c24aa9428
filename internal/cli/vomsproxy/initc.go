package vomsproxy

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
)

// cInit talks as the C program.
type cInit struct {
	*program
	options        gridproxy.Options
	voms           []string // as on the command line
	verify         bool
	ignoreWarnings bool
	refused        string // the VO whose server has just refused
	identified     bool
}

// The exit codes of the C program.
const (
	failure    = 1
	noPersonal = 3 // the person's credential cannot be used
)

// ctime is how C prints times, without its line end.
func (i *cInit) ctime(t time.Time) string { return t.In(i.Zone).Format(time.ANSIC) }

// files tells where things are looked for.
func (i *cInit) files(c gridproxy.Config) {
	s, _ := gridproxy.Find(c, i.options) // what is wrong with them comes later
	out := gridproxy.ProxyPath(c, i.options.Out)
	i.print("Files being used:\n CA certificate file: none\n Trusted certificates directory : %s\n Proxy certificate file : %s\n"+
		" User certificate file: %s\n User key file: %s\nOutput to %s\n", gridproxy.CertDir(c, i.options.CertDir), out, s.Cert, s.Key, out)
}

func (i *cInit) event(e gridproxy.Event) {
	switch e := e.(type) {
	case gridproxy.Identified:
		i.identity(e.Identity)
	case gridproxy.Contacting:
		i.contacting(e)
	case gridproxy.Contacted:
		i.say(" Done\n")
	case gridproxy.Refused:
		i.refused = e.Alias
		i.say(" Failed\n")
		i.complain("\nError: %s\n", lines(e.Err.Error()))
	case gridproxy.Warned:
		if !i.ignoreWarnings {
			i.complain("\nWarning: %s\n\n", lines(e.Text))
		}
	case gridproxy.Saved:
		i.say("Wrote ACs to %s\n", e.Path)
	case gridproxy.Making:
		i.say("Creating proxy ")
	case gridproxy.Made:
		i.made(e)
	}
}

func (i *cInit) identity(name string) {
	if !i.identified && name != "" {
		i.say("Your identity: %s\n", safe(name))
		i.identified = true
	}
}

func (i *cInit) contacting(e gridproxy.Contacting) {
	if i.refused == e.Alias {
		i.say("\nTrying next server for %s.\n", safe(e.Alias))
	}
	i.refused = ""
	// The original makes a proxy of one hour for this. The certificate itself does as well, but
	// its line is expected.
	if !i.options.NoRegen {
		i.say("Creating temporary proxy  Done\n")
	}
	i.say("Contacting  %s:%d [%s] %q", safe(e.Server.Host), e.Server.Port, safe(e.Server.DN), safe(e.Server.VO))
}

func (i *cInit) made(e gridproxy.Made) {
	i.say(" Done\n\n")
	switch {
	case !e.Clipped:
		i.say("Your proxy is valid until %s\n", i.ctime(e.NotAfter))
	case !i.ignoreWarnings:
		i.complain("\nWarning: your certificate and proxy will expire %s\nwhich is within the requested lifetime of the proxy\n\n", i.ctime(e.NotAfter))
	}
}

func (i *cInit) done(r gridproxy.Result) int {
	switch {
	case r.Clipped: // as the version in use; the next one returns 0
		return failure
	case i.verify && i.options.SeparateAC == "":
		i.print("verify OK\n")
	}
	return 0
}

func (i *cInit) failed(r gridproxy.Result, e *gridproxy.Error) int {
	switch e.Reason {
	case gridproxy.UnknownVO, gridproxy.Vomses, gridproxy.Expired, gridproxy.NotYetValid:
		i.identity(r.Identity) // the original finds out later
	}
	switch e.Reason {
	case gridproxy.NoCertificate, gridproxy.NoProxy, gridproxy.FileMode, gridproxy.Unreadable, gridproxy.Passphrase, gridproxy.Mismatch:
		return i.unusable(e)
	case gridproxy.TrustAnchors:
		i.complain("unable to access trusted certificates in:x509_cert_dir=%s\n", e.Path)
		return noPersonal
	case gridproxy.Vomses:
		if f, ok := errors.AsType[*fs.PathError](e); ok {
			i.complain("Cannot find file or dir: %s\n", f.Path)
		}
	case gridproxy.Expired:
		i.complain("\nERROR: Your certificate expired %s\n\n", i.ctime(e.When))
	case gridproxy.NotYetValid:
		i.complain("Error: Certificate verification failed.\nremote certificate not yet valid\n")
	case gridproxy.UnknownVO:
		i.complain("VOMS Server for %s not known!\n", safe(i.asked(e.Alias)))
	case gridproxy.NoAttributes:
		i.complain("\nNone of the contacted servers for %s were capable\nof returning a valid AC for the user.\n", safe(voOf(e)))
	case gridproxy.Warning:
		i.complain("\nError in getting data from VOMS server:%s (or in memorizing)\n", safe(e.Server.DN))
	case gridproxy.BadAC:
		i.complain("Error: verification failed.\n%s\n", cVerdict(e))
	case gridproxy.BadChain:
		i.complain("Error: Certificate verification failed.\n%s\n", cChainVerdict(e))
	case gridproxy.NotWritable:
		i.complain("\nERROR: Cannot write proxy to: %s\n", e.Path)
	}
	return failure
}

// unusable is for what is wrong with the person's own files.
func (i *cInit) unusable(e *gridproxy.Error) int {
	switch e.Reason {
	case gridproxy.NoCertificate, gridproxy.NoProxy:
		if e.Path == "" {
			i.complain("ERROR: Coudln't find valid credentials to generate a proxy.\n")
			return noPersonal
		}
		i.complain("Unable to find user certificate or key: %s\n", e.Path)
		return failure
	case gridproxy.FileMode:
		i.complain("\nERROR: Couldn't find valid credentials to generate a proxy.\nUse --debug for further information.\n")
		if i.debug {
			i.complain("Wrong permissions on file: %s\n", e.Path)
		}
		return failure
	case gridproxy.Mismatch:
		i.complain("user key and certificate don't match\n")
		return noPersonal
	}
	switch p12 := strings.HasSuffix(strings.ToLower(e.Path), ".p12"); {
	case e.Reason == gridproxy.Passphrase && p12:
		i.complain("mac verify failure\nprocessing cert\n        File=%s\n", e.Path)
	case e.Reason == gridproxy.Passphrase && !errors.Is(e, errNoPassphrase):
		i.complain("bad decrypt\nprocessing key\n        File=%s\n", e.Path)
	default:
		i.complain("processing key\n        File=%s\n", e.Path)
	}
	return noPersonal
}

// asked returns the argument of -voms that named the VO.
func (i *cInit) asked(alias string) string {
	for _, text := range i.voms {
		if text == alias || strings.HasPrefix(text, alias+":") {
			return text
		}
	}
	return alias
}

// voOf is the VO's own name, where a server told it.
func voOf(e *gridproxy.Error) string {
	if len(e.Servers) > 0 {
		return e.Servers[0].Server.VO
	}
	return e.Alias
}

// cVerdict says why an attribute certificate is not accepted, in the C library's words.
func cVerdict(e *gridproxy.Error) string {
	v, _ := errors.AsType[*voms.Error](e)
	if v == nil {
		return safe(e.Error())
	}
	switch v.Reason {
	case voms.Target:
		return "Cannot find match among allowed hosts."
	case voms.NotYetValid:
		return "AC not yet valid."
	case voms.Expired:
		return "AC not valid anymore."
	case voms.HolderMismatch:
		return "AC has been granted to a different certificate than the passed one."
	case voms.FQANs, voms.Malformed:
		return malformed
	case voms.Extensions:
		return "Required AC extensions missing (NoRevAvail and AuthorityKeyIdentifier)"
	case voms.CriticalExtension:
		return "Unknown critical extension inside AC."
	case voms.Serial:
		return "AC serial number too long."
	case voms.Version:
		return "Mismatched AC version."
	default:
		return "Cannot verify AC signature!"
	}
}

// cChainVerdict says why a chain is not accepted, as the C program does.
func cChainVerdict(e *gridproxy.Error) string {
	subject, why, before := "", "certificate verify failed", ""
	if t, ok := errors.AsType[*trust.Error](e); ok {
		subject = t.Subject
		switch t.Reason {
		case trust.Revoked:
			before, why = "certificate revoked by CRL Subject="+safe(subject)+"\n", "certificate revoked"
		case trust.Expired:
			before, why = "peer certificate has expired\n", "certificate has expired"
		case trust.NotYetValid:
			before, why = "remote certificate not yet valid\n", "certificate is not yet valid"
		case trust.UnknownCA:
			why = "unable to get issuer certificate"
		case trust.CRLExpired:
			why = "CRL has expired"
		}
	} else if c, ok := errors.AsType[*proxycert.Error](e); ok {
		subject = c.Subject
	}
	return fmt.Sprintf("%scertificate validation error: %s [subject=%s]", before, why, safe(subject))
}
