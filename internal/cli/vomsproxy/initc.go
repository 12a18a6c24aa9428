package vomsproxy

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/dropin"
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
	i.Print("Files being used:\n CA certificate file: none\n Trusted certificates directory : %s\n Proxy certificate file : %s\n"+
		" User certificate file: %s\n User key file: %s\nOutput to %s\n", gridproxy.CertDir(c, i.options.CertDir), out, s.Cert, s.Key, out)
}

func (i *cInit) event(e gridproxy.Event) {
	switch e := e.(type) {
	case gridproxy.Identified:
		i.identity(e.Identity)
	case gridproxy.Contacting:
		i.contacting(e)
	case gridproxy.Contacted:
		i.Say(" Done\n")
	case gridproxy.Refused:
		i.refused = e.Alias
		i.Say(" Failed\n")
		i.Complain("\nError: %s\n", dropin.Lines(e.Err.Error()))
	case gridproxy.Warned:
		if !i.ignoreWarnings {
			i.Complain("\nWarning: %s\n\n", dropin.Lines(e.Text))
		}
	case gridproxy.Saved:
		i.Say("Wrote ACs to %s\n", e.Path)
	case gridproxy.Making:
		i.Say("Creating proxy ")
	case gridproxy.Made:
		i.made(e)
	}
}

func (i *cInit) identity(name string) {
	if !i.identified && name != "" {
		i.Say("Your identity: %s\n", dropin.Safe(name))
		i.identified = true
	}
}

func (i *cInit) contacting(e gridproxy.Contacting) {
	if i.refused == e.Alias {
		i.Say("\nTrying next server for %s.\n", dropin.Safe(e.Alias))
	}
	i.refused = ""
	// The original makes a proxy of one hour for this. The certificate itself does as well, but
	// its line is expected.
	if !i.options.NoRegen {
		i.Say("Creating temporary proxy  Done\n")
	}
	i.Say("Contacting  %s:%d [%s] %q", dropin.Safe(e.Server.Host), e.Server.Port, dropin.Safe(e.Server.DN), dropin.Safe(e.Server.VO))
}

func (i *cInit) made(e gridproxy.Made) {
	i.Say(" Done\n\n")
	switch {
	case !e.Clipped:
		i.Say("Your proxy is valid until %s\n", i.ctime(e.NotAfter))
	case !i.ignoreWarnings:
		i.Complain("\nWarning: your certificate and proxy will expire %s\nwhich is within the requested lifetime of the proxy\n\n", i.ctime(e.NotAfter))
	}
}

func (i *cInit) done(r gridproxy.Result) int {
	switch {
	case r.Clipped: // as the version in use; the next one returns 0
		return failure
	case i.verify && i.options.SeparateAC == "":
		i.Print("verify OK\n")
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
		i.Complain("unable to access trusted certificates in:x509_cert_dir=%s\n", e.Path)
		return noPersonal
	case gridproxy.Vomses:
		if f, ok := errors.AsType[*fs.PathError](e); ok {
			i.Complain("Cannot find file or dir: %s\n", f.Path)
		}
	case gridproxy.Expired:
		i.Complain("\nERROR: Your certificate expired %s\n\n", i.ctime(e.When))
	case gridproxy.NotYetValid:
		i.Complain("Error: Certificate verification failed.\nremote certificate not yet valid\n")
	case gridproxy.UnknownVO:
		i.Complain("VOMS Server for %s not known!\n", dropin.Safe(i.asked(e.Alias)))
	case gridproxy.NoAttributes:
		i.Complain("\nNone of the contacted servers for %s were capable\nof returning a valid AC for the user.\n", dropin.Safe(voOf(e)))
	case gridproxy.Warning:
		i.Complain("\nError in getting data from VOMS server:%s (or in memorizing)\n", dropin.Safe(e.Server.DN))
	case gridproxy.BadAC:
		i.Complain("Error: verification failed.\n%s\n", cVerdict(e))
	case gridproxy.BadChain:
		i.Complain("Error: Certificate verification failed.\n%s\n", cChainVerdict(e))
	case gridproxy.NotWritable:
		i.Complain("\nERROR: Cannot write proxy to: %s\n", e.Path)
	}
	return failure
}

// unusable is for what is wrong with the person's own files.
func (i *cInit) unusable(e *gridproxy.Error) int {
	switch e.Reason {
	case gridproxy.NoCertificate, gridproxy.NoProxy:
		if e.Path == "" {
			i.Complain("ERROR: Coudln't find valid credentials to generate a proxy.\n")
			return noPersonal
		}
		i.Complain("Unable to find user certificate or key: %s\n", e.Path)
		return failure
	case gridproxy.FileMode:
		i.Complain("\nERROR: Couldn't find valid credentials to generate a proxy.\nUse --debug for further information.\n")
		if i.Debug {
			i.Complain("Wrong permissions on file: %s\n", e.Path)
		}
		return failure
	case gridproxy.Mismatch:
		i.Complain("user key and certificate don't match\n")
		return noPersonal
	}
	switch p12 := strings.HasSuffix(strings.ToLower(e.Path), ".p12"); {
	case e.Reason == gridproxy.Passphrase && p12:
		i.Complain("mac verify failure\nprocessing cert\n        File=%s\n", e.Path)
	case e.Reason == gridproxy.Passphrase && !errors.Is(e, dropin.ErrNoPassphrase):
		i.Complain("bad decrypt\nprocessing key\n        File=%s\n", e.Path)
	default:
		i.Complain("processing key\n        File=%s\n", e.Path)
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
		return dropin.Safe(e.Error())
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
		return "VOMS Attributes absent or malformed."
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
			before, why = "certificate revoked by CRL Subject="+dropin.Safe(subject)+"\n", "certificate revoked"
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
	return fmt.Sprintf("%scertificate validation error: %s [subject=%s]", before, why, dropin.Safe(subject))
}
