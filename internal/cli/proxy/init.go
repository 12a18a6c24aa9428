package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/spf13/cobra"
)

// making holds the flags of init.
type making struct {
	voms, order, targets  []string
	valid, out, cert, key string
	bits                  int
	pathLength            uint
	pathLimited           bool // whether pathLength was given
	limited, online       bool
	passphraseIn          bool
}

func (a *app) init() *cobra.Command {
	var f making
	cmd := &cobra.Command{Use: "init", Short: "Make a proxy, with attributes of your VOs", Args: console.Takes(0, 0, ""),
		Long: "Make a proxy from your certificate in ~/.globus, as voms-proxy-init does. If you\nhave none, the server issues a short-lived one to who is signed in. The key is\nmade here and never sent.",
		Example: `  lanyard proxy init --voms climate
  lanyard proxy init --voms cms:/cms/Role=production --valid 24h
  lanyard proxy init --cert robot.pem --key robot.key --out robot.proxy`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.pathLimited = cmd.Flags().Changed("path-length")
			return a.runInit(cmd.Context(), f)
		}}
	a.vomsFlag(cmd, &f.voms)
	fl := cmd.Flags()
	fl.StringVar(&f.valid, "valid", "", "let it live for this `TIME`: 24h, or 24:00 (12h)")
	fl.StringVar(&f.out, "out", "", "write this `FILE` (X509_USER_PROXY, or /tmp/x509up_u and your number)")
	fl.StringVar(&f.cert, "cert", "", "your certificate's `FILE`: PEM, PKCS#12 or a proxy")
	fl.StringVar(&f.key, "key", "", "your private key's `FILE`")
	fl.BoolVar(&f.online, "online", false, "have the server issue a certificate even if you have one")
	fl.IntVar(&f.bits, "bits", 0, "make a key of so many `BITS` (2048)")
	fl.BoolVar(&f.limited, "limited", false, "make a proxy that starts no jobs")
	fl.UintVar(&f.pathLength, "path-length", 0, "allow at most `N` proxies below it")
	fl.StringArrayVar(&f.order, "order", nil, "put this `FQAN` first; may be repeated")
	fl.StringArrayVar(&f.targets, "target", nil, "let only this `HOST` accept the attributes; may be repeated")
	fl.BoolVar(&f.passphraseIn, "pwstdin", false, "read the key's passphrase from the input")
	fl.Bool("rfc", true, "make an RFC 3820 proxy, as always")
	if err := fl.MarkHidden("rfc"); err != nil {
		panic(err) // fixed when the program is written
	}
	return cmd
}

func (a *app) runInit(ctx context.Context, f making) error {
	wanted, err := parseVOMS(f.voms)
	if err != nil {
		return err
	}
	o, err := f.options(wanted)
	if err != nil {
		return err
	}
	a.trusting(ctx, &o)
	machine := a.machine()
	if f.passphraseIn {
		machine.AskPass = a.passphrase(ctx)
	}
	var issued *api.Credential
	if !f.online {
		_, err = gridproxy.Find(machine, o)
		if e, ok := errors.AsType[*gridproxy.Error](err); ok && e.Reason == gridproxy.NoCertificate && f.cert == "" && f.key == "" {
			f.online = true
		} else if err != nil {
			return console.Cannot("make a proxy", explained(err))
		}
	}
	if f.online {
		if issued, err = a.certificate(ctx, &o, wanted); err != nil {
			return console.Cannot("make a proxy", err)
		}
	}
	events := teller{app: a}
	made, err := gridproxy.Init(ctx, machine, o, events.tell)
	events.stop()
	if made.Path == "" {
		a.abandon(ctx, issued)
		return console.Cannot("make a proxy", explained(err))
	}
	if showErr := a.showMade(made, o, issued); showErr != nil {
		return showErr
	}
	return explained(err)
}

// options turns the flags into the engine's.
func (f making) options(wanted []api.VOMS) (gridproxy.Options, error) {
	o := gridproxy.Options{Cert: f.cert, Key: f.key, Out: f.out, Bits: f.bits, Limited: f.limited, Order: f.order, Targets: f.targets}
	var err error
	if o.Lifetime, err = parseLife(f.valid); err != nil {
		return o, err
	}
	if f.online && f.cert+f.key != "" {
		return o, console.Usage("--online and --cert or --key exclude each other")
	}
	if f.pathLimited {
		o.PathLength = new(int(min(f.pathLength, 1000)))
	}
	for _, v := range wanted {
		r := gridproxy.VORequest{Alias: v.VO}
		for _, fqan := range v.FQANs {
			if fqan == "all" {
				r.All = true
			} else {
				r.FQANs = append(r.FQANs, fqan)
			}
		}
		o.VOs = append(o.VOs, r)
	}
	return o, nil
}

// trusting adds what the server tells of authorities and VOs to what this machine has. The proxy is
// verified if there are any authorities.
func (a *app) trusting(ctx context.Context, o *gridproxy.Options) {
	here := a.here(ctx, 0)
	o.Verify = here.CADir != ""
	if !here.Told() {
		return // the engine looks at this machine
	}
	if s, err := here.Store(); err == nil {
		o.Trust, o.Verify = s, true
	}
	anchors := here.Anchors()
	o.Anchors, o.Servers = &anchors, here.Servers()
}

// passphrase reads a passphrase from the input.
func (a *app) passphrase(ctx context.Context) func(gridproxy.Source) ([]byte, error) {
	return func(gridproxy.Source) ([]byte, error) {
		line, err := a.ReadLine(ctx)
		return []byte(line), err
	}
}

// A teller tells people what the engine does.
type teller struct {
	*app
	waiting func()
}

func (t *teller) stop() {
	if t.waiting != nil {
		t.waiting()
		t.waiting = nil
	}
}

func (t *teller) tell(e gridproxy.Event) {
	switch e := e.(type) {
	case gridproxy.Contacting:
		t.stop()
		t.waiting = t.Wait(fmt.Sprintf("Asking %s for attributes of %s…", e.Server.Host, e.Alias))
	case gridproxy.Refused:
		t.stop()
		t.Detail("%s:%d gave no attributes of %s: %s", e.Server.Host, e.Server.Port, e.Alias, console.Clean(e.Err.Error()))
	case gridproxy.Warned:
		// What is cut short is told with the proxy's own end.
		if text := console.Clean(e.Text); strings.Contains(text, "validity") {
			t.Detail("%s: %s", e.Server.Host, text)
		} else {
			t.Warn("%s: %s", e.Server.Host, text)
		}
	case gridproxy.Forced:
		if e.Kind != proxycert.None {
			t.Warn("The proxy is of the kind %s, because the one that it is made from is.", e.Kind)
		}
	case gridproxy.Making:
		t.stop()
		t.waiting = t.Wait("Making a key…")
	}
}

// showMade tells what was made.
func (a *app) showMade(r gridproxy.Result, o gridproxy.Options, issued *api.Credential) error {
	var acs []*voms.AC
	for _, ac := range r.ACs {
		if ac.AC != nil {
			acs = append(acs, ac.AC)
		}
	}
	d := a.document(r.Path, r.Credential, acs)
	if issued != nil {
		d.CredentialID = issued.ID
	}
	return a.Show(console.Result{Document: d, Values: []string{d.Path}, Env: [][2]string{{"X509_USER_PROXY", d.Path}}, Text: func() {
		a.Done("Key made here, never sent. Proxy for %s", console.Clean(d.Identity))
		if !a.Quiet {
			for _, l := range a.madeLines(d, r, o) {
				a.Print("  %s", console.Clean(l))
			}
		}
		a.warnMade(d, r)
	}})
}

// madeLines are what there is to tell of a new proxy.
func (a *app) madeLines(d fileDocument, r gridproxy.Result, o gridproxy.Options) []string {
	var lines []string
	for _, ac := range d.ACs {
		lines = append(lines, "VO "+ac.VO+": "+strings.Join(ac.FQANs, ", "))
	}
	ends := "Proxy ends " + a.When(d.ExpiresAt)
	if r.Clipped && o.Issuer == nil {
		ends += ", with the certificate that it is made from"
	}
	if first := firstEnd(d.ACs); !first.IsZero() {
		limit := ""
		if asked := cmp.Or(o.ACLifetime, o.Lifetime, gridproxy.DefaultLifetime); first.Sub(a.Now()) < asked-10*time.Minute && first.Before(d.ExpiresAt) {
			limit = " (server limit)"
		}
		ends = "Attribute certificate ends " + a.Relative(first) + limit + ", p" + ends[1:]
	}
	stored := "Stored as " + d.Path
	if o.Out == "" {
		stored += " (the place that grid tools look at)"
	}
	return append(lines, ends, stored)
}

// warnMade tells of what may surprise later.
func (a *app) warnMade(d fileDocument, r gridproxy.Result) {
	if first := firstEnd(d.ACs); !first.IsZero() && first.Add(time.Minute).Before(d.ExpiresAt) {
		a.Warn("The attributes end before the proxy. Run this again before %s, or let the server renew\n  them for jobs: lanyard proxy delegate", a.At(first))
	}
	if d.Limited {
		a.Warn("The proxy is limited: it moves data, but starts no jobs.")
	}
	for _, ac := range r.ACs {
		if ac.Err != nil {
			a.Warn("Sites will not accept the attributes of %s: %s", ac.Alias, console.Clean(ac.Err.Error()))
		}
	}
}

// firstEnd is when the first of the attribute certificates ends; zero if there are none.
func firstEnd(acs []acDocument) (first time.Time) {
	for _, ac := range acs {
		if first.IsZero() || ac.ExpiresAt.Before(first) {
			first = ac.ExpiresAt
		}
	}
	return first
}
