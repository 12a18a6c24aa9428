package proxy

import (
	"context"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/internal/cli/lifecycle"
	"github.com/spf13/cobra"
)

// ways are how proxies come to the server, in words.
var ways = map[string]string{
	api.WayUpload:      "uploaded",
	api.WayDelegation:  "delegated",
	api.WayCertificate: "issued by the server",
	api.WaySecrets:     "from your certificate and passphrase",
}

// keyPlaces are where private keys are, in words.
var keyPlaces = map[string]string{
	api.KeyAtServer: "at the server, sealed",
	api.KeyAtClient: "where the proxy was made, never at the server",
}

// detail is what k has beyond other credentials.
func detail(k api.Credential) api.Proxy {
	if k.Proxy == nil {
		return api.Proxy{}
	}
	return *k.Proxy
}

// vomsText is a VO with what is asked of it: "cms:/cms/Role=production".
func vomsText(v api.VOMS) string {
	if len(v.FQANs) == 0 {
		return v.VO
	}
	return v.VO + ": " + strings.Join(v.FQANs, ", ")
}

// list prints the proxies at the server, and tells of the one on this machine.
func (a *app) list(ks []api.Credential, owners bool) {
	head := []string{"NAME", "PROJECT", "COMES", "VO", "ENDS", "LAST USED", "STATE"}
	if owners {
		head = append([]string{"OWNER"}, head...)
	}
	var rows [][]string
	for _, k := range ks {
		p := detail(k)
		var vos []string
		for _, v := range p.VOMS {
			vos = append(vos, v.VO)
		}
		row := []string{k.Name, k.Project, ways[p.Way], strings.Join(vos, " "), a.Relative(k.ExpiresAt), a.noun().LastUse(k), lifecycle.State(k)}
		if owners {
			row = append([]string{k.Owner}, row...)
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		a.Say("The server keeps no proxies of yours. Let it: lanyard proxy delegate, or lanyard proxy create")
	} else {
		a.Table(head, rows)
	}
	if i, err := gridproxy.Read(a.machine(), ""); err == nil {
		a.Say("On this machine: %s for %s, ends %s", i.Path, console.Clean(i.Identity), a.When(i.NotAfter))
	}
}

func (a *app) show() *cobra.Command {
	return &cobra.Command{Use: "show PROXY", Short: "Show one proxy that the server keeps", Args: console.Takes(1, 1, "the proxy"),
		ValidArgsFunction: a.noun().Complete,
		Example:           "  lanyard proxy show nightly\n  lanyard proxy show nightly --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.Connect()
			if err != nil {
				return err
			}
			k, err := a.noun().Find(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return a.Show(console.Result{Document: k, Values: []string{k.ID}, Text: func() { a.showFields(k) }})
		}}
}

// showFields prints what there is to tell of a proxy at the server.
func (a *app) showFields(k api.Credential) {
	p := detail(k)
	limited := ""
	if p.Limited {
		limited = "yes: it starts no jobs"
	}
	fields := [][2]string{{"name", k.Name}, {"project", k.Project}, {"owner", k.Owner}, {"state", lifecycle.State(k)}, {"comes", ways[p.Way]},
		{"identity", p.Identity}, {"issuer", p.Issuer}, {"key", keyPlaces[p.KeyPlace]}, {"limited", limited}}
	for _, v := range p.VOMS {
		fields = append(fields, [2]string{"VO", vomsText(v)})
	}
	a.Fields(append(fields, [][2]string{{"created", a.When(k.CreatedAt)}, {"ends", a.When(k.ExpiresAt)}, {"signed until", a.When(p.ChainExpiresAt)},
		{"attributes end", a.When(p.AttributesExpiresAt)}, {"can be extended until", a.When(k.ExtendUntil)}, {"ended", a.When(k.EndedAt)},
		{"last used", a.noun().LastUse(k)}, {"id", k.ID}}...))
	if p.Request != "" && k.State == "intended" {
		a.Say("It waits for your signature: lanyard proxy delegate %s", k.ID)
	}
}

// inProject connects to the server and chooses the project of a new proxy: the one that is named, or
// the only one of the person's, or the only one that leads to the first VO. If it does not matter, because
// what is made is used here and now, it chooses among several too.
func (a *app) inProject(ctx context.Context, wanted []api.VOMS, whichever bool) (*client.Client, string, error) {
	c, err := a.Connect()
	if err != nil {
		return nil, "", err
	}
	if name, err := a.GivenProject(); name != "" || err != nil {
		return c, name, err
	}
	if len(wanted) > 0 {
		// Without an answer the order itself says what is wrong.
		if v, err := c.ShowVO(ctx, wanted[0].VO); err == nil && (len(v.Projects) == 1 || whichever && len(v.Projects) > 1) {
			return c, v.Projects[0], nil
		}
	}
	if whichever {
		all, err := c.ListProjects(ctx)
		if err != nil {
			return c, "", err
		}
		if i := slices.IndexFunc(all.Items, func(p api.Project) bool { return p.State == "active" }); i >= 0 {
			return c, all.Items[i].Name, nil
		}
	}
	name, err := a.ProjectName(ctx, c)
	return c, name, err
}

func (a *app) create() *cobra.Command {
	var name string
	var voms []string
	var limited bool
	var life console.Lifetime
	cmd := &cobra.Command{Use: "create", Short: "Let the server issue a certificate and hold it for jobs", Args: console.Takes(0, 0, ""),
		Long: "The server issues a certificate to you and keeps its key, so that jobs can fetch\nproxies with \"lanyard proxy get\". You need no certificate of your own.",
		Example: `  lanyard proxy create --voms climate --name nightly
  lanyard proxy create --voms climate:/climate/Role=production --for 3d`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			wanted, err := parseVOMS(voms)
			if err != nil {
				return err
			}
			o, err := life.Order(a.Console, "proxy", name, "proxy from")
			if err != nil {
				return err
			}
			o.Proxy = &api.ProxyOrder{Way: api.WayCertificate, VOMS: wanted, Limited: limited}
			_, k, err := a.order(cmd.Context(), "create the proxy", o)
			if err != nil {
				return err
			}
			return a.showKept(k, "The server issued and holds")
		}}
	cmd.Flags().StringVarP(&name, "name", "n", "", "what it is `FOR`, 1 to 60 characters")
	life.Flags(cmd)
	a.vomsFlag(cmd, &voms)
	cmd.Flags().BoolVar(&limited, "limited", false, "hand out limited proxies, which start no jobs")
	return cmd
}

// order has the server make a proxy, in the project that leads to its VO. What says what for, should
// it fail.
func (a *app) order(ctx context.Context, what string, o api.CredentialOrder) (*client.Client, api.Credential, error) {
	c, project, err := a.inProject(ctx, o.Proxy.VOMS, false)
	if err != nil {
		return nil, api.Credential{}, err
	}
	o.Project = project
	k, err := c.CreateCredential(ctx, o)
	return c, k, console.Cannot(what, err)
}

// showKept tells what the server holds now.
func (a *app) showKept(k api.Credential, done string) error {
	return a.Show(console.Result{Document: k, Values: []string{k.ID}, Text: func() {
		p := detail(k)
		a.Done("%s %q for %s, ends %s", done, k.Name, console.Clean(p.Identity), a.When(k.ExpiresAt))
		if !a.Quiet {
			for _, v := range p.VOMS {
				a.Print("  VO %s", console.Clean(vomsText(v)))
			}
		}
		for _, w := range p.Warnings {
			a.Warn("%s", console.Clean(w))
		}
		a.Say("Fetch a fresh proxy anywhere: lanyard proxy get %s", console.Quote(console.Clean(k.Name)))
	}})
}
