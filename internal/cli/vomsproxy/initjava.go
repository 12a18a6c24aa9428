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
	"github.com/lanyardhq/lanyard/voms/protocol"
)

// javaInit talks as the Java program, whose only failure code is 1.
type javaInit struct {
	*program
	config         gridproxy.Config
	options        gridproxy.Options
	ignoreWarnings bool
}

// date is how Java prints times.
func (j *javaInit) date(t time.Time) string {
	return t.In(j.Zone).Format("Mon Jan 02 15:04:05 MST 2006")
}

func (j *javaInit) event(e gridproxy.Event) {
	switch e := e.(type) {
	case gridproxy.Contacting:
		j.Say("Contacting %s:%d [%s] %q...\n", dropin.Safe(e.Server.Host), e.Server.Port, dropin.Safe(e.Server.DN), dropin.Safe(e.Server.VO))
	case gridproxy.Contacted:
		j.Say("Remote VOMS server contacted succesfully.\n\n")
	case gridproxy.Refused:
		if p, ok := errors.AsType[*protocol.Error](e.Err); ok {
			j.Say("Remote VOMS server contacted succesfully.\n\n") // it was, after all
			j.Complain("VOMS server %s:%d returned the following errors:\n%s\n", dropin.Safe(e.Server.Host), e.Server.Port, dropin.Lines(p.Message))
			return
		}
		j.Complain("Error contacting %s:%d for VO %s: %s\n", dropin.Safe(e.Server.Host), e.Server.Port, dropin.Safe(e.Server.VO), dropin.Lines(e.Err.Error()))
	case gridproxy.Warned:
		if !j.ignoreWarnings {
			j.Complain("%s\n", dropin.Lines(e.Text))
		}
	case gridproxy.Forced:
		if e.Kind != proxycert.None {
			name := map[proxycert.Kind]string{proxycert.Legacy: "LEGACY", proxycert.Draft: "DRAFT_RFC", proxycert.RFC: "RFC3820"}[e.Kind]
			j.Complain("WARNING: forced %s proxy type to be compatible with the type of the issuing proxy.\n", name)
		}
		if e.Limited {
			j.Complain("WARNING: forced the creation of a limited proxy to be compatible with the type of the issuing proxy.\n")
		}
	case gridproxy.Saved:
		j.Say("Wrote ACs to %s\n", e.Path)
	case gridproxy.Made:
		if e.Clipped {
			j.Complain("WARNING: proxy lifetime limited to issuing credential lifetime.\n")
		}
		j.Say("\nCreated proxy in %s.\n\nYour proxy is valid until %s\n", e.Path, j.date(e.NotAfter))
	}
}

func (j *javaInit) done(gridproxy.Result) int { return 0 }

func (j *javaInit) failed(r gridproxy.Result, e *gridproxy.Error) int {
	switch e.Reason {
	case gridproxy.NoCertificate, gridproxy.NoProxy:
		j.Complain("No credentials found!\n")
	case gridproxy.FileMode, gridproxy.Unreadable, gridproxy.Passphrase, gridproxy.Mismatch:
		j.unusable(e)
	case gridproxy.TrustAnchors:
		j.Complain("Invalid trust anchors location: '%s' (%s)\n", e.Path, place(e))
	case gridproxy.VomsDir:
		j.Complain("Invalid vomsdir location: '%s' (%s)\n", e.Path, place(e))
	case gridproxy.Expired:
		if !j.options.VerifyIssuer {
			j.Complain("notBefore argument value must be earlier than notAfter\n")
			break
		}
		j.Complain("Certificate validation error: Certificate has expired on: %s\nUser credential is not valid!\n", j.date(e.When))
	case gridproxy.NotYetValid:
		j.Complain("Certificate validation error: Certificate is not yet valid. Will be from: %s\nUser credential is not valid!\n", j.date(e.When))
	case gridproxy.BadChain:
		j.Complain("%sUser credential is not valid!\n", javaChainVerdict(e))
	case gridproxy.Vomses:
		j.Say("No valid VOMSES information found locally while looking in: [%s]\n", strings.Join(j.options.Vomses, ", "))
		j.Complain("VOMS server for VO %s is not known! Check your vomses configuration.\n", dropin.Safe(j.options.VOs[0].Alias))
	case gridproxy.UnknownVO:
		j.Complain("VOMS server for VO %s is not known! Check your vomses configuration.\n", dropin.Safe(e.Alias))
	case gridproxy.NoAttributes:
		j.Complain("None of the contacted servers for %s were capable of returning a valid AC for the user.\n"+
			"User's request for VOMS attributes could not be fulfilled.\n", dropin.Safe(e.Alias))
	case gridproxy.BadAC:
		j.badACs(r)
	case gridproxy.NotWritable:
		j.Complain("Error creating proxy certificate: %s (%s)\n", e.Path, dropin.Reason(cause(e)))
	}
	return failure
}

// unusable is for what is wrong with the person's own files.
func (j *javaInit) unusable(e *gridproxy.Error) {
	s, _ := gridproxy.Find(j.config, j.options) // only for the names of the files
	files := s.Cert
	if s.Key != s.Cert {
		files = s.Key + ", " + s.Cert
	}
	text := dropin.Lines(cause(e).Error())
	switch {
	case e.Reason == gridproxy.FileMode && s.Key == s.Cert:
		text = "Wrong file permissions on file " + e.Path + ". Required permissions are: 600"
	case e.Reason == gridproxy.FileMode:
		text = "Wrong file permissions on file " + e.Path + ". Required permissions are: 400, 600 "
	case e.Reason == gridproxy.Mismatch:
		text = "Provided private key is not matching the certificate"
	case e.Reason == gridproxy.Passphrase && s.PKCS12:
		text = "keystore password was incorrect"
	case e.Reason == gridproxy.Passphrase:
		text = "Error decrypting private key: the password is incorrect or the PEM data is corrupted."
	}
	j.Complain("Credentials couldn't be loaded [%s]: %s\nNo credentials found!\n", files, text)
}

// badACs lists the attribute certificates that were not accepted.
func (j *javaInit) badACs(r gridproxy.Result) {
	for _, ac := range r.ACs {
		if ac.Err == nil {
			continue
		}
		text := dropin.Safe(ac.Err.Error())
		if v, ok := errors.AsType[*voms.Error](ac.Err); ok {
			switch v.Reason {
			case voms.Target:
				text = "AC target check failed: " + text
			case voms.Expired, voms.NotYetValid:
				text = "AC validity check failed: " + text
			case voms.NoAnchor, voms.AnchorMismatch, voms.Signature:
				text = "LSC validation failed: " + text
			}
		}
		j.Complain("\nWARNING: VOMS AC validation for VO %s failed for the following reasons:\n         %s\n", dropin.Safe(ac.AC.VO), text)
	}
}

// cause is what lies below a fault.
func cause(e *gridproxy.Error) error {
	if e.Fault.Cause != nil {
		return e.Fault.Cause
	}
	return e
}

// place says what is wrong with a folder.
func place(e *gridproxy.Error) string {
	if errors.Is(e, fs.ErrNotExist) {
		return "file not found"
	}
	return strings.ToLower(dropin.Reason(cause(e)))
}

// javaChainVerdict says why a chain is not accepted, as the Java program does.
func javaChainVerdict(e *gridproxy.Error) string {
	const format = "Certificate validation error: %s\n"
	if t, ok := errors.AsType[*trust.Error](e); ok {
		switch t.Reason {
		case trust.UnknownCA:
			return fmt.Sprintf(format, "No trusted CA certificate was found for the certificate chain") +
				fmt.Sprintf(format, "Trusted issuer of this certificate was not established")
		case trust.Revoked:
			return fmt.Sprintf(format, "Certificate was revoked")
		}
	}
	return fmt.Sprintf(format, dropin.Safe(e.Error()))
}
