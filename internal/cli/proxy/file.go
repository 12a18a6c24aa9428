package proxy

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/internal/cli/site"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/spf13/cobra"
)

// fileDocument is a proxy file, as programs read about it. Names are in slash form.
type fileDocument struct {
	Schema        string       `json:"schema"` // lanyard/v1/proxy.file
	Path          string       `json:"path"`
	Subject       string       `json:"subject"`
	Issuer        string       `json:"issuer"`
	Identity      string       `json:"identity"`
	Kind          string       `json:"kind"`
	Limited       bool         `json:"limited"`
	ExpiresAt     time.Time    `json:"expires_at"`
	EndsInSeconds int64        `json:"ends_in_seconds"`
	ACs           []acDocument `json:"acs"`
	// CredentialID is that of the certificate behind the proxy, if the server has just issued it.
	CredentialID string `json:"credential_id,omitempty"`
	// Verdict and Reason are what a strict site would decide here and now.
	Verdict string `json:"verdict,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// acDocument is one attribute certificate in it.
type acDocument struct {
	VO            string           `json:"vo"`
	Issuer        string           `json:"issuer"`
	URI           string           `json:"uri"` // host:port of the VO's server
	FQANs         []string         `json:"fqans"`
	Attributes    []site.Attribute `json:"attributes"`
	Targets       []string         `json:"targets,omitempty"`
	ExpiresAt     time.Time        `json:"expires_at"`
	EndsInSeconds int64            `json:"ends_in_seconds"`
}

// document describes a proxy file.
func (a *app) document(path string, c proxycert.Credential, acs []*voms.AC) fileDocument {
	d := fileDocument{Schema: "lanyard/v1/proxy.file", Path: path, Identity: c.Identity(), Limited: c.Limited(),
		ExpiresAt: c.NotAfter().UTC(), EndsInSeconds: a.seconds(c.NotAfter()), ACs: []acDocument{}}
	leaf := c.Chain[0]
	d.Subject, d.Issuer = dn.Slash(leaf.RawSubject), dn.Slash(leaf.RawIssuer)
	if i, err := proxycert.Inspect(leaf); err == nil {
		d.Kind = i.Kind.String()
	}
	for _, ac := range acs {
		one := acDocument{VO: ac.VO, Issuer: ac.Issuer, URI: ac.URI(), FQANs: append([]string{}, ac.FQANs...), Attributes: []site.Attribute{}, Targets: ac.Targets,
			ExpiresAt: ac.NotAfter.UTC(), EndsInSeconds: a.seconds(ac.NotAfter)}
		for _, g := range ac.Attributes {
			one.Attributes = append(one.Attributes, site.Attribute(g))
		}
		d.ACs = append(d.ACs, one)
	}
	return d
}

// readable are those attribute certificates that could be read.
func readable(parsed []voms.Parsed) (acs []*voms.AC) {
	for _, p := range parsed {
		if p.AC != nil {
			acs = append(acs, p.AC)
		}
	}
	return acs
}

// seconds is how long it is until a moment; never negative.
func (a *app) seconds(until time.Time) int64 {
	return max(0, int64(until.Sub(a.Now()).Seconds()))
}

func (a *app) info() *cobra.Command {
	var classic bool
	cmd := &cobra.Command{Use: "info [FILE]", Short: "Show a proxy file", Args: console.Takes(0, 1, "the file"),
		Example: `  lanyard proxy info
  lanyard proxy info /tmp/x509up_u1000 --json
  lanyard proxy info --classic`,
		RunE: func(cmd *cobra.Command, args []string) error {
			path := strings.Join(args, "")
			if classic {
				classicArgs := []string{"-all"}
				if path != "" {
					classicArgs = append(classicArgs, "-file", path)
				}
				if code := a.c.Classic(classicArgs); code != 0 {
					return &console.ChildExit{Code: code}
				}
				return nil
			}
			return a.runInfo(cmd.Context(), path)
		}}
	cmd.Flags().BoolVar(&classic, "classic", false, "print what voms-proxy-info -all prints")
	return cmd
}

func (a *app) runInfo(ctx context.Context, path string) error {
	i, err := gridproxy.Read(a.machine(), path)
	if err != nil {
		return explained(err)
	}
	d := a.document(i.Path, proxycert.Credential{Chain: i.Chain}, readable(i.ACs))
	v := a.decide(ctx, verifying{}, site.Judge{At: a.Now(), Hosts: a.c.Hosts}, i.Path)
	d.Verdict, d.Reason = v.Verdict, v.Reason
	return a.Show(console.Result{Document: d, Values: []string{d.Path}, Env: [][2]string{{"X509_USER_PROXY", d.Path}}, Text: func() {
		a.Fields([][2]string{{"identity", d.Identity}, {"kind", kindOf(d)}, {"ends", a.When(d.ExpiresAt)}, {"file", d.Path}})
		a.tellACs(d)
		switch {
		case v.Verdict != site.Accepted:
			a.Print("✗ A strict site would reject it: %s", console.Clean(v.Reason))
			if v.Hint != "" {
				a.Print("  %s", console.Clean(v.Hint))
			}
		case v.Reason != "":
			a.Print("✓ A strict site would accept it (%s)", console.Clean(v.Reason))
		default:
			a.Print("✓ A strict site would accept it")
		}
	}})
}

// kindOf is "RFC 3820 proxy, limited".
func kindOf(d fileDocument) string {
	if d.Limited {
		return d.Kind + ", limited"
	}
	return d.Kind
}

// tellACs prints the attributes.
func (a *app) tellACs(d fileDocument) {
	for _, ac := range d.ACs {
		a.Print("VO %s: %s", console.Clean(ac.VO), console.Clean(strings.Join(ac.FQANs, ", ")))
		for _, g := range ac.Attributes {
			a.Print("  %s", console.Clean(voms.Attribute(g).String()))
		}
		if len(ac.Targets) > 0 {
			a.Print("  for %s only", console.Clean(strings.Join(ac.Targets, ", ")))
		}
		a.Print("  ends %s", a.When(ac.ExpiresAt))
	}
}

func (a *app) destroy() *cobra.Command {
	return &cobra.Command{Use: "destroy [FILE]", Short: "Overwrite and remove a proxy file", Args: console.Takes(0, 1, "the file"),
		Example: "  lanyard proxy destroy\n  lanyard proxy destroy /tmp/x509up_u1000",
		RunE: func(_ *cobra.Command, args []string) error {
			path := a.path(strings.Join(args, ""))
			if err := gridproxy.Destroy(a.machine(), path); err != nil {
				return explained(err)
			}
			a.Done("Overwritten and removed: %s", path)
			return nil
		}}
}

// explained gives an error of the engine the exit code and the advice of its reason, where its fault
// is not enough.
func explained(err error) error {
	e, ok := errors.AsType[*gridproxy.Error](err)
	switch {
	case ok && e.Reason == gridproxy.FileMode:
		return &console.Failure{Exit: console.Insecure, Message: e.Fault.Message, Hint: e.Fault.Hint}
	case ok && e.Reason == gridproxy.NoProxy:
		return &console.Failure{Exit: console.NotFound, Message: e.Fault.Message, Hint: "make one: lanyard proxy init"}
	}
	return err
}
