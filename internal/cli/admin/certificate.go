package admin

import (
	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/spf13/cobra"
)

func (a *app) certificate() *cobra.Command {
	list := &cobra.Command{Use: "list ACCOUNT", Aliases: []string{"ls"}, Short: "List the certificates of an account", Args: console.Takes(1, 1, "the account"),
		Example: "  lanyard admin certificate list usr_4X…",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			got, err := c.ListCertificates(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var rows [][]string
			subjects := []string{}
			for _, x := range got.Items {
				subjects = append(subjects, x.Subject)
				rows = append(rows, []string{x.Subject, x.Issuer, x.Source, a.Relative(x.Since)})
			}
			return a.Show(console.Result{Document: got, Values: subjects, Text: func() { a.Table([]string{"SUBJECT", "CA", "SOURCE", "SINCE"}, rows) }})
		})}
	return console.Group("certificate", "Certificates of other CAs that belong to accounts",
		"  lanyard admin certificate list usr_4X…\n  lanyard admin certificate link usr_4X… \"/DC=org/CN=Ada\" \"/DC=org/CN=CA\"",
		list,
		a.certificateDo("link", "Give an account the rights that go with a certificate", "belongs to account", func(cmd *cobra.Command, c *client.Client, account string, n api.CertificateNames) error {
			return c.LinkCertificate(cmd.Context(), account, n)
		}),
		a.certificateDo("unlink", "Take a certificate away from an account", "no longer belongs to account", func(cmd *cobra.Command, c *client.Client, account string, n api.CertificateNames) error {
			return c.UnlinkCertificate(cmd.Context(), account, n)
		}))
}

func (a *app) certificateDo(verb, short, done string, do func(*cobra.Command, *client.Client, string, api.CertificateNames) error) *cobra.Command {
	return &cobra.Command{Use: verb + " ACCOUNT SUBJECT CA", Short: short, Args: console.Takes(3, 3, "the account, the subject or the CA"),
		Example: "  lanyard admin certificate " + verb + " usr_4X… \"/DC=org/CN=Ada\" \"/DC=org/CN=CA\"",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			n := api.CertificateNames{Subject: args[1], Issuer: args[2]}
			if err := do(cmd, c, args[0], n); err != nil {
				return console.Cannot(verb+" the certificate", err)
			}
			return a.Show(console.Result{Document: n, Values: []string{n.Subject}, Text: func() { a.Done("%s %s %s", console.Clean(n.Subject), done, args[0]) }})
		})}
}
