package proxy

import (
	"context"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/internal/cli/site"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/spf13/cobra"
)

// documentsFresh is how long the server is not asked again whom to trust.
const documentsFresh = time.Minute

// verifying holds the flags of verify.
type verifying struct {
	caDir, vomsDir, at  string
	hosts               []string
	legacy, independent bool
}

func (a *app) verify() *cobra.Command {
	var f verifying
	cmd := &cobra.Command{Use: "verify [FILE]", Short: "Judge a proxy as a strict site would", Args: console.Takes(0, 1, "the file"),
		Long: "Check chain, revocation lists, signing policies and every attribute certificate\nof a proxy, and say why it is rejected. The exit code is 0 only if all of it is\naccepted, else 1.",
		Example: `  lanyard proxy verify
  lanyard proxy verify proxy.pem --host se.example.org --json
  lanyard proxy verify old.pem --at 2026-11-20T12:00:00Z --allow-legacy`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runVerify(cmd.Context(), f, strings.Join(args, ""))
		}}
	fl := cmd.Flags()
	fl.StringVar(&f.caDir, "ca-dir", "", "trust the authorities in this `DIR` (X509_CERT_DIR)")
	fl.StringVar(&f.vomsDir, "voms-dir", "", "trust the VO servers named in this `DIR` (X509_VOMS_DIR)")
	fl.StringVar(&f.at, "at", "", "decide as of this `TIME`, such as 2026-11-20T12:00:00Z")
	fl.StringArrayVar(&f.hosts, "host", nil, "decide as the host `NAME` would; may be repeated")
	fl.BoolVar(&f.legacy, "allow-legacy", false, "accept legacy and draft proxies, and SHA-1 signatures")
	fl.BoolVar(&f.independent, "allow-independent", false, "accept proxies without their owner's rights")
	return cmd
}

func (a *app) runVerify(ctx context.Context, f verifying, file string) error {
	j := site.Judge{At: a.Now(), Hosts: f.hosts, Legacy: f.legacy, Independent: f.independent}
	if f.at != "" {
		var err error
		if j.At, err = a.ParseMoment(f.at); err != nil {
			return err
		}
	}
	if len(j.Hosts) == 0 {
		j.Hosts = a.c.Hosts
	}
	v := a.decide(ctx, f, j, a.path(file))
	r := console.Result{Document: v, Values: []string{v.Verdict}, Text: func() { a.tellVerdict(v) }}
	if err := a.Show(r); err != nil {
		return err
	}
	if v.Verdict != site.Accepted {
		return &console.ChildExit{Code: int(console.Failed)}
	}
	return nil
}

// decide lets j decide about a file. What keeps it from looking at the file is a reason to reject
// it, too.
func (a *app) decide(ctx context.Context, f verifying, j site.Judge, file string) site.Verdict {
	text, err := readFile(file)
	if err == nil {
		here := a.site(ctx, f)
		j.Anchors = here.Anchors()
		j.Trust, err = here.Store()
	}
	v := site.Verdict{}
	if err != nil {
		v = j.Reject(err)
	} else {
		v = j.Decide(text)
	}
	v.File = file
	return v
}

// site is whom to trust: what the directories say that are named, else what this machine has, with
// what the server tells.
func (a *app) site(ctx context.Context, f verifying) site.Site {
	var s site.Site
	if f.caDir == "" || f.vomsDir == "" {
		s = a.here(ctx, documentsFresh)
	}
	if f.caDir != "" {
		s = s.WithCA(f.caDir)
	}
	if f.vomsDir != "" {
		s = s.WithVOs(f.vomsDir)
	}
	return s
}

// here is whom this machine trusts, with what the server told no longer ago than fresh.
func (a *app) here(ctx context.Context, fresh time.Duration) site.Site {
	caDir, vomsDir := gridproxy.TrustDirs(a.machine())
	return site.Ask(ctx, a.Console, caDir, vomsDir, fresh)
}

// tellVerdict prints a verdict for people.
func (a *app) tellVerdict(v site.Verdict) {
	var parts []string
	if v.Verdict == site.Accepted {
		a.Print("✓ Accepted: %s", console.Clean(v.Identity))
		if v.Reason != "" {
			parts = append(parts, v.Reason)
		}
	} else {
		a.Print("✗ Rejected: %s", console.Clean(v.Reason))
		if v.Hint != "" {
			a.Print("  %s", console.Clean(v.Hint))
		}
	}
	var fields [][2]string
	if v.Verdict != site.Accepted {
		fields = append(fields, [2]string{"  identity", v.Identity})
	}
	fields = append(fields, [2]string{"  kind", v.Kind}, [2]string{"  note", strings.Join(parts, "; ")}, [2]string{"  ends", a.endsAt(v.ExpiresAt, v.CheckedAt)})
	a.Fields(fields)
	for _, ac := range v.ACs {
		mark, text := "✓", ac.VO+": "+strings.Join(ac.FQANs, ", ")
		if ac.Verdict != site.Accepted {
			mark, text = "✗", site.NameOf(ac.VO)+" rejected: "+ac.Reason
		}
		a.Print("  %s %s", mark, console.Clean(text))
		for _, g := range ac.Attributes {
			a.Print("    %s", console.Clean(voms.Attribute(g).String()))
		}
		if ac.Verdict == site.Accepted {
			a.Print("    ends %s", a.endsAt(ac.ExpiresAt, v.CheckedAt))
		} else if ac.Hint != "" {
			a.Print("    %s", console.Clean(ac.Hint))
		}
	}
}

// endsAt tells an end; relative to now only if the question was about now.
func (a *app) endsAt(end, asked time.Time) string {
	switch {
	case end.IsZero():
		return ""
	case asked.Sub(a.Now()).Abs() > time.Minute:
		return a.At(end)
	}
	return a.When(end)
}
