package proxy

import (
	"context"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/spf13/cobra"
)

const (
	// delegatedLife is how long a delegated proxy lives if nothing is said.
	delegatedLife = 7 * 24 * time.Hour
	// earlier is how much a new proxy begins before now, because clocks differ.
	earlier = 5 * time.Minute
)

// delegating holds the flags of delegate.
type delegating struct {
	life            console.Lifetime
	voms            []string
	name, cert, key string
	limited         bool
	passphraseIn    bool
}

func (a *app) delegate() *cobra.Command {
	var f delegating
	cmd := &cobra.Command{Use: "delegate [PROXY]", Short: "Let the server hold a proxy of yours, or renew it", Args: console.Takes(0, 1, "the proxy"),
		Long: "The server makes a key and asks for a signature; your certificate, or the proxy\non this machine, signs here. No private key travels. While it lasts, jobs get\nfresh proxies with fresh attributes. With the name of one, that one is renewed.",
		Example: `  lanyard proxy delegate --voms climate --name nightly
  lanyard proxy delegate --voms cms:/cms/Role=production --for 7d
  lanyard proxy delegate nightly`,
		ValidArgsFunction: a.noun().Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runDelegate(cmd.Context(), f, strings.Join(args, ""))
		}}
	f.life.Flags(cmd)
	a.vomsFlag(cmd, &f.voms)
	fl := cmd.Flags()
	fl.StringVarP(&f.name, "name", "n", "", "what it is `FOR`, 1 to 60 characters")
	fl.StringVar(&f.cert, "cert", "", "your certificate's `FILE`: PEM, PKCS#12 or a proxy")
	fl.StringVar(&f.key, "key", "", "your private key's `FILE`")
	fl.BoolVar(&f.limited, "limited", false, "sign a proxy that starts no jobs")
	fl.BoolVar(&f.passphraseIn, "pwstdin", false, "read the key's passphrase from the input")
	return cmd
}

func (a *app) runDelegate(ctx context.Context, f delegating, ref string) error {
	wanted, err := parseVOMS(f.voms)
	if err != nil {
		return err
	}
	o, err := f.life.Order(a.Console, "proxy", f.name, "delegated from")
	if err != nil {
		return err
	}
	if ref != "" && (len(wanted) > 0 || f.name != "") {
		return console.Usage("--voms and --name are for new ones; %s keeps its own", ref)
	}
	issuer, err := a.signer(ctx, f)
	if err != nil {
		return console.Cannot("sign", explained(err))
	}
	if ref != "" {
		return a.renewNamed(ctx, ref, issuer, f, a.delegatedUntil(o))
	}
	o.Proxy = &api.ProxyOrder{Way: api.WayDelegation, VOMS: wanted, Limited: f.limited}
	c, k, err := a.order(ctx, "delegate", o)
	if err != nil {
		return err
	}
	done, err := a.sign(ctx, c, k, issuer, f, a.delegatedUntil(o))
	if err != nil {
		a.abandon(ctx, &k)
		return console.Cannot("delegate", err)
	}
	return a.delegated(done, issuer, "The server holds")
}

// signer is the credential that signs: the person's certificate, else the proxy on this machine.
func (a *app) signer(ctx context.Context, f delegating) (proxycert.Credential, error) {
	machine := a.machine()
	if f.passphraseIn {
		machine.AskPass = a.passphrase(ctx)
	}
	o := gridproxy.Options{Cert: f.cert, Key: f.key}
	c, err := gridproxy.Load(machine, o)
	if e, ok := errors.AsType[*gridproxy.Error](err); ok && e.Reason == gridproxy.NoCertificate && f.cert+f.key == "" {
		o.NoRegen = true
		if existing, existingErr := gridproxy.Load(machine, o); existingErr == nil {
			return existing, nil
		}
	}
	return c, err
}

// delegatedUntil is when the signed proxy ends.
func (a *app) delegatedUntil(o api.CredentialOrder) time.Time {
	switch {
	case !o.ExpiresAt.IsZero():
		return o.ExpiresAt
	case o.Life > 0:
		return a.Now().Add(time.Duration(o.Life) * time.Second).Truncate(time.Second)
	}
	return a.Now().Add(delegatedLife).Truncate(time.Second)
}

// sign answers the server's request for k.
func (a *app) sign(ctx context.Context, c *client.Client, k api.Credential, issuer proxycert.Credential, f delegating, until time.Time) (api.Credential, error) {
	if k.Proxy == nil || k.Proxy.Request == "" {
		return k, console.Usage("%s is no delegation: there is nothing to sign", k.Name).WithHint("only proxies that the server asked a signature for can be renewed so")
	}
	chain, err := proxycert.Sign(issuer, []byte(k.Proxy.Request), proxycert.Template{Limited: f.limited || k.Proxy.Limited,
		NotBefore: a.Now().Add(-earlier).Truncate(time.Second), NotAfter: until})
	if err != nil {
		return k, err
	}
	var text strings.Builder
	for _, cert := range chain {
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}); err != nil {
			return k, err
		}
	}
	return c.CompleteProxy(ctx, k.ID, api.ProxyChain{Chain: text.String()})
}

// renewNamed renews the delegation that the person means.
func (a *app) renewNamed(ctx context.Context, ref string, issuer proxycert.Credential, f delegating, until time.Time) error {
	c, err := a.Connect()
	if err != nil {
		return err
	}
	k, err := a.noun().Find(ctx, c, ref)
	if err == nil {
		k, err = c.ShowCredential(ctx, k.ID) // lists leave the request out
	}
	if err == nil {
		k, err = a.renew(ctx, c, k, issuer, f, until)
	}
	if err != nil {
		return console.Cannot("renew "+ref, err)
	}
	return a.delegated(k, issuer, "Renewed")
}

// renew signs anew and moves the end as far as the new chain allows.
func (a *app) renew(ctx context.Context, c *client.Client, k api.Credential, issuer proxycert.Credential, f delegating, until time.Time) (api.Credential, error) {
	k, err := a.sign(ctx, c, k, issuer, f, until)
	if err != nil || !k.ExpiresAt.Before(until) {
		return k, err
	}
	if !k.ExtendUntil.IsZero() && k.ExtendUntil.Before(until) {
		until = k.ExtendUntil
	}
	if end := k.Proxy.ChainExpiresAt; !end.IsZero() && end.Before(until) {
		until = end
	}
	if !k.ExpiresAt.Before(until) {
		return k, nil
	}
	return c.ExtendCredential(ctx, k.ID, api.Extension{ExpiresAt: until})
}

// delegated tells what the server holds now.
func (a *app) delegated(k api.Credential, issuer proxycert.Credential, done string) error {
	if p := detail(k); p.Identity == "" {
		p.Identity = issuer.Identity()
		k.Proxy = &p
	}
	if err := a.showKept(k, done); err != nil || a.Output != "table" {
		return err
	}
	a.Say("Signed here; the key was made at the server and stays there.")
	if issuer.NotAfter().Sub(k.ExpiresAt) < time.Minute {
		a.Say("It ends with what signed it. A longer certificate allows more.")
	}
	return nil
}
