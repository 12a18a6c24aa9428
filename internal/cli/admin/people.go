package admin

import (
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/show"
	"github.com/spf13/cobra"
)

func (a *app) person() *cobra.Command {
	sub := []*cobra.Command{a.personList()}
	sub = append(sub, a.stop("person", "a person or robot", func(cmd *cobra.Command, c *client.Client, ref, reason string) (api.Receipt, error) {
		return c.FreezeAccount(cmd.Context(), ref, reason)
	}, func(cmd *cobra.Command, c *client.Client, ref string) (api.Receipt, error) {
		return c.ThawAccount(cmd.Context(), ref)
	})...)
	return console.Group("person", "Find people, and stop everything of one",
		"  lanyard admin person list --search virtanen\n  lanyard admin person freeze usr_4X… --reason \"laptop stolen\"\n  lanyard admin person thaw usr_4X…", sub...)
}

func (a *app) personList() *cobra.Command {
	f := client.AccountFilter{Kind: "person"}
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List people", Args: console.Takes(0, 0, ""),
		Example: "  lanyard admin person list\n  lanyard admin person list --search virtanen --json",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			got, err := c.ListAccounts(cmd.Context(), f)
			if err != nil {
				return err
			}
			var rows [][]string
			ids := []string{}
			for _, p := range got.Items {
				ids = append(ids, p.ID)
				rows = append(rows, []string{p.Name, p.Email, p.Issuer, p.Subject, a.Relative(p.LastSeen), p.State, p.ID})
			}
			return a.Show(console.Result{Document: got, Values: ids, Text: func() {
				a.Table([]string{"NAME", "E-MAIL", "ISSUER", "SUBJECT", "LAST SEEN", "STATE", "ACCOUNT"}, rows)
			}})
		})}
	cmd.Flags().StringVar(&f.Search, "search", "", "only those with this `TEXT` in name, e-mail, subject or id")
	cmd.Flags().StringVar(&f.Issuer, "issuer", "", "only people of the identity provider with this `URL`")
	cmd.Flags().IntVar(&f.Limit, "limit", 0, "at most this `NUMBER`")
	return cmd
}

func (a *app) robot() *cobra.Command {
	list := &cobra.Command{Use: "list PROJECT", Aliases: []string{"ls"}, Short: "List the robots of a project", Args: console.Takes(1, 1, "the project"),
		Example: "  lanyard admin robot list 462000008",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			got, err := c.ListRobots(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return show.Robots(a.Console, got)
		})}
	remove := &cobra.Command{Use: "delete ROBOT", Aliases: []string{"rm", "revoke", "end"}, Short: "End a robot and its token", Args: console.Takes(1, 1, "the robot's id"),
		Example: "  lanyard admin robot delete usr_4X…",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if err := c.DeleteRobot(cmd.Context(), args[0]); err != nil {
				return console.Cannot("delete the robot", err)
			}
			return a.Show(console.Result{Document: map[string]string{"schema": api.SchemaRobot, "id": args[0]}, Values: args,
				Text: func() { a.Done("Robot %s and its token are deleted", args[0]) }})
		})}
	return console.Group("robot", "Robots of projects", "  lanyard admin robot list 462000008\n  lanyard admin robot delete usr_4X…", list, remove)
}

func (a *app) provider() *cobra.Command {
	return console.Group("provider", "Stop everybody whom an identity provider vouches for",
		"  lanyard admin provider freeze https://idp.example.org --reason \"key leaked\"\n  lanyard admin provider thaw https://idp.example.org",
		a.stop("provider", "all people of an identity provider (its issuer URL)", func(cmd *cobra.Command, c *client.Client, issuer, reason string) (api.Receipt, error) {
			return c.FreezeProvider(cmd.Context(), issuer, reason)
		}, func(cmd *cobra.Command, c *client.Client, issuer string) (api.Receipt, error) {
			return c.ThawProvider(cmd.Context(), issuer)
		})...)
}

func (a *app) audit() *cobra.Command {
	var f client.AuditFilter
	var verify bool
	cmd := &cobra.Command{Use: "audit", Short: "Show or verify who did what", Args: console.Takes(0, 0, ""),
		Example: "  lanyard admin audit --limit 20\n  lanyard admin audit --subject crd_7Q… --json\n  lanyard admin audit --verify",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			if verify {
				return a.verify(cmd, c)
			}
			got, err := c.ListAudit(cmd.Context(), f)
			if err != nil {
				return err
			}
			return a.Show(console.Result{Document: got, Text: func() { a.records(got.Items) }})
		})}
	cmd.Flags().BoolVar(&verify, "verify", false, "check that no record was changed or removed")
	cmd.Flags().StringVar(&f.Subject, "subject", "", "only what was done to what has this `ID`")
	cmd.Flags().StringVar(&f.Actor, "actor", "", "only what the account with this `ID` did")
	cmd.Flags().Int64Var(&f.Before, "before", 0, "only records before this `NUMBER`")
	cmd.Flags().IntVar(&f.Limit, "limit", 50, "at most this `NUMBER`")
	return cmd
}

func (a *app) records(rs []api.AuditRecord) {
	var rows [][]string
	for _, r := range rs {
		var detail []string
		for k, v := range r.Detail {
			detail = append(detail, k+"="+v)
		}
		slices.Sort(detail)
		rows = append(rows, []string{r.At.In(a.Zone).Format("2006-01-02 15:04:05"), r.ActorName, r.Action, r.Subject, r.Project, r.Address, strings.Join(detail, " ")})
	}
	a.Table([]string{"AT", "WHO", "WHAT", "TO", "PROJECT", "FROM", "DETAIL"}, rows)
}

func (a *app) verify(cmd *cobra.Command, c *client.Client) error {
	got, err := c.VerifyAudit(cmd.Context())
	if err != nil {
		return console.Cannot("verify the audit trail", err)
	}
	if err := a.Show(console.Result{Document: got, Text: func() {
		if got.Intact {
			a.Done("The audit trail is intact")
		}
	}}); err != nil || got.Intact {
		return err
	}
	return console.Tampered(got.FirstBad)
}
